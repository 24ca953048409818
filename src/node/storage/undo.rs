//! What was done for a DRBD resource, taken back without losing anything: what
//! lies on the disks stays there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::host::Host;
use super::super::layout::{entries, reading};
use super::super::problem::Failure;
use super::device::{Device, mounts};
use super::drbd::{self, LIMIT};
use super::item::{Drbd, Filesystem, Item, items};
use super::migrate::{self, EXCHANGE};
use super::peers::{Waited, is_in_cib, wait_for};
use crate::atomic;
use crate::cluster::Desired;

/// How long the other node may take to end a failed preparation.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether the cluster has the resource in its configuration, as pacemaker tells
/// it or, where that does not run (`running`), as it was last written.
///
/// # Errors
/// Neither can be read.
pub fn is_in_cluster(host: &Host, resource: &str, running: bool) -> Result<bool, Failure> {
    if running && is_in_cib(host, "drbd_resource", resource)? {
        return Ok(true);
    }
    let path = host.layout.path("var/lib/pacemaker/cib/cib.xml");
    match fs::read_to_string(&path) {
        Ok(text) => {
            let value = format!("value=\"{resource}\"");
            Ok(text.contains("\"drbd_resource\"") && text.contains(&value))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(reading(&path, &error)),
    }
}

/// Waits until the other node does not use the resource, as one that has failed
/// too will do at once: it would have this one fenced for going away.
///
/// # Errors
/// It uses it all the time, or the kernel cannot be asked.
pub fn wait_for_peer(host: &Host, resource: &str) -> Result<(), Failure> {
    let Some(drbd) = find(host, resource)? else {
        return Ok(());
    };
    let mut serves = false;
    let done = wait_for(host, PATIENCE, || {
        let state = drbd::state(host, &drbd)?;
        serves = state.is_some_and(|state| state.peer_role == "Primary");
        Ok(match serves {
            true => Waited::For(format!("the other node to leave {resource}")),
            false => Waited::Over(()),
        })
    });
    if !serves {
        return done;
    }
    Err(Failure::failed(
        format!(
            "DRBD resource {resource} is in use on the other node, which would have this one \
             fenced for going away"
        ),
        format!("wait until drbdadm role {resource} says Secondary there, or end what it does"),
    ))
}

/// Unmounts what is on the resource and takes it down, where it is up.
///
/// # Errors
/// It is in use here or on the other node; it is up still.
pub fn stop(host: &Host, resource: &str) -> Result<(), Failure> {
    let Some(drbd) = find(host, resource)? else {
        return Ok(());
    };
    if drbd::state(host, &drbd)?.is_none() {
        return Ok(());
    }
    if let Ok(device) = Device::find(host, &format!("/dev/drbd{}", drbd.minor)) {
        let all = mounts(host)?;
        for mount in all.iter().rev().filter(|mount| mount.is_of(host, &device)) {
            let place = host.layout.path(&mount.target).display().to_string();
            let done = host.run("umount", &[&place], LIMIT)?;
            if !done.success {
                return Err(Failure::failed(
                    format!("unmounting {}: {}", mount.target, done.last_words()),
                    format!("stop what uses it (fuser -vm {})", mount.target),
                ));
            }
        }
    }
    // A failure shows in the state.
    host.run("drbdadm", &["secondary", resource], LIMIT)?;
    let Some(state) = drbd::state(host, &drbd)? else {
        return Ok(());
    };
    if state.role == "Primary" {
        return Err(Failure::failed(
            format!("DRBD resource {resource} is in use on this node"),
            format!("stop what has /dev/drbd{} open", drbd.minor),
        ));
    }
    wait_for_peer(host, resource)?;
    host.must("drbdadm", &["down", resource], LIMIT)?;
    if drbd::state(host, &drbd)?.is_none() {
        return Ok(());
    }
    Err(Failure::failed(
        format!("DRBD resource {resource} is up still after drbdadm down"),
        "look at the kernel's log".into(),
    ))
}

/// The resource by its file; none where there is none, so that it was never up.
fn find<'a>(host: &Host, resource: &'a str) -> Result<Option<Drbd<'a>>, Failure> {
    let path = host.layout.path(&format!("/etc/drbd.d/{resource}.res"));
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(reading(&path, &error)),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let minor = words.windows(2).find_map(|pair| match pair {
        ["device", path] => path.strip_prefix("/dev/drbd")?.parse().ok(),
        _ => None,
    });
    Ok(minor.map(|minor| Drbd {
        role: "",
        resource,
        device: "",
        minor,
        erase: false,
    }))
}

/// The directories of this node that move onto `resources`, for [`put_back`]:
/// one on a line, with what its link will lead to and the names that were set
/// aside before, between tabs.
///
/// # Errors
/// A directory above cannot be read.
pub fn directories(
    host: &Host,
    desired: &Desired,
    me: &str,
    resources: &[&str],
) -> Result<String, Failure> {
    let mut lines = String::new();
    for item in items(desired, me) {
        let Item::Drbd(drbd, filesystems) = item else {
            continue;
        };
        if !resources.contains(&drbd.resource) {
            continue;
        }
        for (filesystem, directory) in migrate::directories(&filesystems) {
            lines.push_str(&line(host, filesystem, directory)?);
        }
    }
    Ok(lines)
}

fn line(host: &Host, filesystem: &Filesystem<'_>, directory: &str) -> Result<String, Failure> {
    let place = host.layout.path(directory);
    if fs::symlink_metadata(&place).is_ok_and(|meta| meta.is_symlink()) {
        return Ok(String::new());
    }
    let mut fields = vec![
        directory.to_owned(),
        migrate::target_of(filesystem, directory),
    ];
    fields.extend(asides(&place)?);
    Ok(format!("{}\n", fields.join("\t")))
}

/// Names beside a directory under which this program has set it aside.
fn asides(place: &Path) -> Result<Vec<String>, Failure> {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let start = format!("{name}.before-ubuntu-ha-");
    let exchange = format!("{name}{EXCHANGE}");
    let mut names = match place.parent() {
        Some(parent) => entries(parent)?,
        None => Vec::new(),
    };
    names.retain(|name| name.starts_with(&start) || *name == exchange);
    names.sort();
    Ok(names)
}

/// Gives directories that were replaced by a link their place again: `noted` by
/// [`directories`]. Where services may have worked on the other copy, `served`,
/// nothing is moved. May be stopped and repeated.
///
/// # Errors
/// One cannot be moved.
pub fn put_back(host: &Host, noted: &str, served: bool) -> Result<PutBack, Failure> {
    let mut found = PutBack::default();
    for line in noted.lines() {
        let mut fields = line.split('\t');
        let (Some(directory), Some(target)) = (fields.next(), fields.next()) else {
            continue;
        };
        let before: Vec<&str> = fields.collect();
        let place = host.layout.path(directory);
        let mut new: Vec<PathBuf> = Vec::new();
        for name in asides(&place)? {
            let aside = place.with_file_name(&name);
            let is_link = fs::symlink_metadata(&aside).is_ok_and(|meta| meta.is_symlink());
            if is_link && name.ends_with(EXCHANGE) {
                // Prepared, and not exchanged yet.
                remove(&aside)?;
            } else if !is_link && !before.contains(&name.as_str()) {
                new.push(aside);
            }
        }
        let linked = fs::read_link(&place).is_ok_and(|link| link == Path::new(target));
        if !linked && fs::symlink_metadata(&place).is_ok() {
            continue;
        }
        match (new.as_slice(), served) {
            ([], false) if linked => {
                remove(&place)?;
                found.done.push(format!("removed the link {directory}"));
            }
            ([aside], false) => {
                if linked {
                    remove(&place)?;
                }
                atomic::rename(aside, &place)?;
                found.done.push(format!("put back {directory}"));
            }
            (asides, _) => found.left.extend(asides.iter().map(|aside| {
                let name = aside.file_name().unwrap_or_default().to_string_lossy();
                let aside = Path::new(directory).with_file_name(&*name);
                format!(
                    "{directory} is a link to {target}, where services may have written since; \
                     to have again what this node had before, run: rm {directory} && mv {} \
                     {directory}",
                    aside.display()
                )
            })),
        }
    }
    Ok(found)
}

/// What became of directories.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PutBack {
    pub done: Vec<String>,
    /// What a person has to decide, with the command.
    pub left: Vec<String>,
}

fn remove(path: &Path) -> Result<(), Failure> {
    fs::remove_file(path).map_err(|error| {
        Failure::environment(
            format!("removing {}: {error}", path.display()),
            "put that right".into(),
        )
    })
}
