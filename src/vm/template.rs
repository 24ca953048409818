//! Clusters, and templates of them: RAM, device state and disks of all nodes
//! of one running cluster, stopped at one moment. A fork maps the RAM
//! copy-on-write and lays empty disks over the template's, so it starts in
//! about a second, and any number of forks may run side by side.
//!
//! A fork has its template's MACs, addresses and identities: each fork needs
//! switches of its own. Its clocks are set and its random state is made anew.

mod cluster;
mod spec;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

pub use cluster::{Cluster, Node, Wiring};
pub use spec::{Blank, GATEWAY, Link, Spec};

use crate::atomic;
use crate::vm::Error;
use crate::vm::cache::{self, Kind};
use crate::vm::machine::{Disk, Format, moved, overlay, whole_copy};
use crate::vm::owner::Owner;
use cluster::{ROOT, Stage, each};

/// A cluster's frozen state. Its directory never changes.
#[derive(Debug, Clone)]
pub struct Template {
    spec: Spec,
    dir: PathBuf,
    _held: Arc<File>,
}

impl Template {
    /// The template in `dir`, if one of just this kind of cluster is there.
    ///
    /// # Errors
    /// `Environment`: it cannot be read, or QEMU is missing.
    pub fn open(dir: &Path, spec: &Spec) -> Result<Option<Template>, Error> {
        match cache::note(dir) {
            Some(there) if there == expected(spec)? && whole(dir, spec) => held(dir, spec),
            _ => Ok(None),
        }
    }

    /// Where a template of that content is kept between runs: `key` covers
    /// what was done to the cluster since its boot.
    ///
    /// # Errors
    /// `Environment`: there is no cache, or QEMU is missing.
    pub fn cached(spec: &Spec, key: &str) -> Result<PathBuf, Error> {
        Ok(Kind::Template
            .dir()?
            .join(format!("{}-{key}", spec.fingerprint()?)))
    }

    /// What its cluster is made of.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// A cluster that goes on where this one was stopped, when every node's
    /// shell has answered. `name` is unique in the run; `wiring` tells where
    /// each network card's other end listens.
    ///
    /// # Errors
    /// `Environment`: QEMU, ipmi_sim or the disk failed; `Timeout`: a guest
    /// does not go on.
    pub fn fork(&self, owner: &Arc<Owner>, name: &str, wiring: Wiring) -> Result<Cluster, Error> {
        let stage = Stage {
            spec: &self.spec,
            dir: owner.subdir(name)?,
            forkable: false,
        };
        for blank in &self.spec.shared {
            let file = format!("{}.raw", blank.id);
            whole_copy(&self.dir.join(&file), &stage.dir.join(&file))?;
        }
        let cluster = Cluster::assembled(owner, &stage, wiring, &|node, disk| {
            overlay(&disk.path, Some((&self.disk(node, disk), Format::Qcow2)), 0)
        })?;
        each(cluster.nodes(), |node| {
            let own = self.dir.join(node.machine.name());
            node.machine.incoming(&own.join("ram"), &own.join("state"))
        })?;
        each(cluster.nodes(), |node| node.machine.thaw())?;
        each(cluster.nodes(), |node| node.machine.shell().resume())?;
        Ok(cluster)
    }

    fn disk(&self, node: &str, disk: &Disk) -> PathBuf {
        self.dir.join(node).join(format!("{}.qcow2", disk.id))
    }
}

impl Cluster {
    /// Stops all nodes at one moment and makes `dir` the template that they
    /// are from then on; the cluster has ended. Only one that was booted as
    /// forkable, with all its nodes on, can be frozen.
    ///
    /// # Errors
    /// `Environment`: the disk is full, or it is a fork; `Off`: a node is off.
    pub fn freeze_to_template(self, dir: &Path) -> Result<Template, Error> {
        if !self.forkable() {
            return Err(Error::Environment(
                "this cluster was not booted to become a template".into(),
            ));
        }
        let partial = atomic::temporary(dir);
        let done = self.freeze_into(&partial);
        let spec = self.spec().clone();
        drop(self);
        if let Err(error) = done {
            let _ = fs::remove_dir_all(&partial);
            return Err(error);
        }
        // Another process may have made it meanwhile; its forks lie on it.
        if fs::rename(&partial, dir).is_err() {
            match Template::open(dir, &spec)? {
                Some(other) => {
                    let _ = fs::remove_dir_all(&partial);
                    return Ok(other);
                }
                None => {
                    fs::remove_dir_all(dir).map_err(|e| Error::io("removing", dir, &e))?;
                    atomic::rename(&partial, dir).map_err(|e| Error::Environment(e.to_string()))?;
                }
            }
        }
        held(dir, &spec)?.ok_or_else(|| {
            let dir = dir.display();
            Error::Environment(format!(
                "{dir} was removed as soon as it was made; run it again"
            ))
        })
    }

    fn freeze_into(&self, dir: &Path) -> Result<(), Error> {
        let note = expected(self.spec())?;
        each(self.nodes(), |node| node.machine.freeze())?;
        each(self.nodes(), |node| {
            let machine = &node.machine;
            let own = dir.join(machine.name());
            fs::create_dir_all(&own).map_err(|e| Error::io("making", &own, &e))?;
            machine.save(&own.join("state"))?;
            moved(&machine.dir().join("ram"), &own.join("ram"))?;
            for disk in machine.config().disks.iter().filter(|disk| !disk.shared) {
                moved(&disk.path, &own.join(format!("{}.qcow2", disk.id)))?;
            }
            Ok(())
        })?;
        for blank in &self.spec().shared {
            let file = format!("{}.raw", blank.id);
            moved(&self.dir().join(&file), &dir.join(&file))?;
        }
        cache::flush(dir)?;
        let path = dir.join(cache::NOTE);
        atomic::write(&path, note.to_string().as_bytes(), 0o644)
            .map_err(|e| Error::Environment(e.to_string()))
    }
}

/// Whether `dir` has all that a fork needs, beside its note.
fn whole(dir: &Path, spec: &Spec) -> bool {
    let of_node = |node: &String| {
        let own = dir.join(node);
        let disks = spec.disks.iter().map(|blank| blank.id.as_str());
        let disks = std::iter::once(ROOT).chain(disks);
        let mut names = disks.map(|id| format!("{id}.qcow2"));
        let there = |name: &str| cache::has_content(&own.join(name));
        there("ram") && there("state") && names.all(|name| there(&name))
    };
    let shared = |blank: &Blank| cache::has_content(&dir.join(format!("{}.raw", blank.id)));
    spec.nodes.iter().all(of_node) && spec.shared.iter().all(shared)
}

/// What a template of `spec` says of itself. An image made anew has other
/// blocks, and no template of the one before lies on it.
fn expected(spec: &Spec) -> Result<serde_json::Value, Error> {
    Ok(json!({
        "fingerprint": spec.fingerprint()?,
        "image": spec.image.name(),
        "image-made": spec.image.made()?,
    }))
}

fn held(dir: &Path, spec: &Spec) -> Result<Option<Template>, Error> {
    Ok(cache::hold(dir)?.map(|mark| Template {
        spec: spec.clone(),
        dir: dir.into(),
        _held: mark,
    }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::spec::tests::spec;
    use super::{Blank, whole};

    #[test]
    fn a_template_without_a_file_is_none() {
        let mut spec = spec();
        let blank = |id: &str| Blank {
            id: id.into(),
            size: 1 << 20,
        };
        spec.disks = vec![blank("data")];
        spec.shared = vec![blank("sbd")];
        let dir = tempfile::tempdir().unwrap();
        let mut files = vec!["sbd.raw".to_string()];
        for node in &spec.nodes {
            fs::create_dir(dir.path().join(node)).unwrap();
            files.extend(
                ["ram", "state", "root.qcow2", "data.qcow2"].map(|file| format!("{node}/{file}")),
            );
        }
        for file in &files {
            assert!(!whole(dir.path(), &spec), "{file}");
            fs::write(dir.path().join(file), "x").unwrap();
        }
        assert!(whole(dir.path(), &spec));
        // A crash may leave a name without its content.
        fs::write(dir.path().join(&files[1]), "").unwrap();
        assert!(!whole(dir.path(), &spec));
    }
}
