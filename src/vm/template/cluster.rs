//! A cluster of machines that run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::spec::{BMC_LINK, Spec};
use crate::vm::Error;
use crate::vm::bmc::{Bmc, Gateway};
use crate::vm::machine::{Config, Disk, Format, Machine, Nic, overlay};
use crate::vm::owner::Owner;

/// From power-on to the shell's first answer, under KVM.
const BOOT: Duration = Duration::from_secs(60);

/// The id of the disk that a node boots from.
pub const ROOT: &str = "root";

/// Between two looks at the machines of guests that are waited for.
const PATROL: Duration = Duration::from_secs(2);

/// The socket that listens for a node's network card: node, link.
pub type Wiring<'a> = &'a (dyn Fn(&str, &str) -> Result<PathBuf, Error> + Sync);

/// A machine and its BMC.
#[derive(Debug)]
pub struct Node {
    pub machine: Machine,
    /// Where the cluster has BMCs.
    pub bmc: Option<Bmc>,
}

/// Machines on common networks. Dropped, they lose their power and their
/// files are gone.
#[derive(Debug)]
pub struct Cluster {
    // BMCs end before what they switch.
    gateway: Option<Gateway>,
    nodes: Vec<Node>,
    spec: Spec,
    dir: PathBuf,
    forkable: bool,
}

/// Where a cluster comes to lie, and as what.
pub struct Stage<'a> {
    pub spec: &'a Spec,
    pub dir: PathBuf,
    pub forkable: bool,
}

/// Makes a node's own disk.
type Maker<'a> = &'a (dyn Fn(&str, &Disk) -> Result<(), Error> + Sync);

impl Cluster {
    /// Boots a cluster, as many nodes at a time as there are processors, until
    /// every shell answers. A `forkable` one can become a template.
    ///
    /// # Errors
    /// `Environment`: QEMU, ipmi_sim or the disk failed; `Timeout`: a guest
    /// does not come up.
    pub fn boot(
        owner: &Arc<Owner>,
        name: &str,
        spec: &Spec,
        forkable: bool,
        wiring: Wiring,
    ) -> Result<Cluster, Error> {
        let cluster = Self::off(owner, name, spec, forkable, wiring)?;
        let together = thread::available_parallelism().map_or(1, usize::from);
        for nodes in cluster.nodes.chunks(together) {
            each(nodes, |node| {
                node.machine.power_on()?;
                let up = node.machine.shell().wait(BOOT);
                up.map(drop).map_err(|e| told(&node.machine, e))
            })?;
        }
        Ok(cluster)
    }

    /// As [`Cluster::boot`], with all power off.
    ///
    /// # Errors
    /// As [`Cluster::boot`].
    pub fn off(
        owner: &Arc<Owner>,
        name: &str,
        spec: &Spec,
        forkable: bool,
        wiring: Wiring,
    ) -> Result<Cluster, Error> {
        let stage = Stage {
            spec,
            dir: owner.subdir(name)?,
            forkable,
        };
        for blank in &spec.shared {
            let path = stage.dir.join(format!("{}.raw", blank.id));
            fs::File::create(&path)
                .and_then(|file| file.set_len(blank.size))
                .map_err(|e| Error::io("making", &path, &e))?;
        }
        let root = spec.image.disk();
        Self::assembled(owner, &stage, wiring, &|_, disk| {
            let size = spec.disks.iter().find(|blank| blank.id == disk.id);
            match size {
                Some(blank) => overlay(&disk.path, None, blank.size),
                None => overlay(&disk.path, Some((&root, Format::Raw)), 0),
            }
        })
    }

    /// Machines without power, their disks, BMCs and the wires between them.
    pub(super) fn assembled(
        owner: &Arc<Owner>,
        stage: &Stage,
        wiring: Wiring,
        disk: Maker,
    ) -> Result<Cluster, Error> {
        let numbers: Vec<usize> = (0..stage.spec.nodes.len()).collect();
        let nodes = each(&numbers, |&number| node(owner, stage, number, wiring, disk))?;
        let mut ports = BTreeMap::new();
        for (number, node) in nodes.iter().enumerate() {
            if let Some(bmc) = &node.bmc {
                ports.insert(stage.spec.bmc_address(number), bmc.port());
            }
        }
        let wires: Vec<PathBuf> = nodes
            .iter()
            .map(|node| node.machine.dir().join(BMC_LINK))
            .collect();
        let gateway = stage
            .spec
            .bmcs
            .then(|| Gateway::start(&wires, ports))
            .transpose()?;
        Ok(Cluster {
            gateway,
            nodes,
            spec: stage.spec.clone(),
            dir: stage.dir.clone(),
            forkable: stage.forkable,
        })
    }

    /// In the order of [`Spec::nodes`].
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of that name.
    ///
    /// # Errors
    /// `Environment`: there is none.
    pub fn node(&self, name: &str) -> Result<&Node, Error> {
        self.nodes
            .iter()
            .find(|node| node.machine.name() == name)
            .ok_or_else(|| Error::Environment(format!("there is no node {name}")))
    }

    /// What this host did to one of the machines, as [`Machine::host_fault`].
    pub fn host_fault(&self) -> Option<String> {
        self.nodes.iter().find_map(|node| node.machine.host_fault())
    }

    /// What it is made of.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Does the same on all nodes at once, and waits for all of them; the
    /// first node's error, if any.
    ///
    /// # Errors
    /// Those of `what`.
    pub fn on_all<T: Send>(
        &self,
        what: impl Fn(&Node) -> Result<T, Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        each(&self.nodes, what)
    }

    /// Does what waits for guests, and looks meanwhile whether this host still
    /// lets them run: an answer may have half an hour.
    pub fn patrolled<T>(&self, work: impl FnOnce() -> T) -> T {
        let (over, waits) = mpsc::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                while waits.recv_timeout(PATROL) == Err(RecvTimeoutError::Timeout) {
                    for node in &self.nodes {
                        let _ = node.machine.host_fault();
                    }
                }
            });
            let done = work();
            drop(over);
            done
        })
    }

    pub(super) fn forkable(&self) -> bool {
        self.forkable
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.bmc = None;
            let _ = node.machine.power_off();
        }
        self.gateway = None;
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn node(
    owner: &Arc<Owner>,
    stage: &Stage,
    number: usize,
    wiring: Wiring,
    make: Maker,
) -> Result<Node, Error> {
    let spec = stage.spec;
    let name = &spec.nodes[number];
    let dir = stage.dir.join(name);
    fs::create_dir_all(&dir).map_err(|e| Error::io("making", &dir, &e))?;
    let ids = spec.disks.iter().map(|blank| blank.id.as_str());
    let mut disks: Vec<Disk> = std::iter::once(ROOT)
        .chain(ids)
        .map(|id| Disk::overlay(id, dir.join(format!("{id}.qcow2"))))
        .collect();
    for own in &disks {
        make(name, own)?;
    }
    disks.extend(spec.shared.iter().map(|blank| Disk {
        id: blank.id.clone(),
        path: stage.dir.join(format!("{}.raw", blank.id)),
        format: Format::Raw,
        shared: true,
    }));
    let cards = spec.cards().into_iter().enumerate();
    let nics = cards
        .map(|(link, id)| {
            let socket = if link < spec.links.len() {
                wiring(name, id)?
            } else {
                dir.join(BMC_LINK)
            };
            Ok(Nic {
                id: id.into(),
                mac: spec.mac(number, link),
                socket,
            })
        })
        .collect::<Result<_, Error>>()?;
    let config = Config {
        name: name.clone(),
        kernel: spec.image.kernel(),
        initrd: spec.image.initrd(),
        append: spec.command_line(number),
        accelerator: spec.accelerator.clone(),
        memory: spec.memory,
        watchdog: spec.watchdog,
        disks,
        nics,
    };
    let machine = Machine::new(owner, dir.clone(), config, stage.forkable)?;
    let bmc = spec
        .bmcs
        .then(|| Bmc::start(owner, &dir.join("ipmi"), name, Arc::new(machine.clone())))
        .transpose()?;
    Ok(Node { machine, bmc })
}

/// A boot's timeout with what the console said last.
fn told(machine: &Machine, error: Error) -> Error {
    if let Some(fault) = machine.host_fault() {
        return Error::Environment(fault);
    }
    let Error::Timeout(text) = error else {
        return error;
    };
    let console = machine.console().unwrap_or_default();
    let lines: Vec<&str> = console.trim_end().lines().collect();
    let last = lines[lines.len().saturating_sub(15)..].join("\n");
    Error::Timeout(format!("{text}; its console ends with\n{last}"))
}

/// `what` on all at once; the first one's error, if any.
pub fn each<I: Sync, T: Send>(
    all: &[I],
    what: impl Fn(&I) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    thread::scope(|scope| {
        let running: Vec<_> = all.iter().map(|one| scope.spawn(|| what(one))).collect();
        let ended: Vec<_> = running.into_iter().map(|thread| thread.join()).collect();
        ended
            .into_iter()
            .map(|one| one.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::{Error, each};

    #[test]
    fn all_are_waited_for_and_the_first_error_counts() {
        let doubled = each(&[1, 2, 3], |n| Ok(n * 2)).unwrap();
        assert_eq!(doubled, [2, 4, 6]);
        let failed = each(&[1, 2, 3], |n| {
            if *n == 1 {
                Ok(())
            } else {
                Err(Error::Guest(n.to_string()))
            }
        });
        assert_eq!(failed, Err(Error::Guest("2".into())));
    }
}
