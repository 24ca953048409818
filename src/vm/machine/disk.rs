//! Disks of machines: throw-away overlays on what never changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::vm::Error;

/// How a disk's file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Raw,
    Qcow2,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Unique in the machine, at most 20 bytes; in the guest
    /// /dev/disk/by-id/virtio-ID.
    pub id: String,
    pub path: PathBuf,
    pub format: Format,
    /// Several machines have it.
    pub shared: bool,
}

impl Disk {
    /// A machine's own disk on an overlay.
    pub(in crate::vm) fn overlay(id: &str, path: PathBuf) -> Disk {
        Disk {
            id: id.into(),
            path,
            format: Format::Qcow2,
            shared: false,
        }
    }
}

/// A new qcow2 file at `path` on `backing`, which must stay as it is; without
/// one, an empty disk of `size` bytes.
///
/// # Errors
/// `Environment`: qemu-img is missing or the disk is full.
pub fn overlay(path: &Path, backing: Option<(&Path, Format)>, size: u64) -> Result<(), Error> {
    let mut command = Command::new("qemu-img");
    command.args(["create", "-q", "-f", "qcow2"]);
    if let Some((below, format)) = backing {
        let format = match format {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
        };
        command.args(["-F", format, "-b"]).arg(below);
    }
    command.arg(path);
    if backing.is_none() {
        command.arg(size.to_string());
    }
    finish(&mut command, path)
}

/// Copies a file with its holes, sharing blocks where the filesystem can.
///
/// # Errors
/// `Environment`: `cp` failed.
pub fn whole_copy(from: &Path, to: &Path) -> Result<(), Error> {
    let mut command = Command::new("cp");
    command
        .args(["--reflink=auto", "--sparse=always", "--"])
        .arg(from)
        .arg(to);
    finish(&mut command, to)
}

/// Moves a file, also to another filesystem.
pub fn moved(from: &Path, to: &Path) -> Result<(), Error> {
    if fs::rename(from, to).is_ok() {
        return Ok(());
    }
    whole_copy(from, to)?;
    fs::remove_file(from).map_err(|e| Error::io("removing", from, &e))
}

fn finish(command: &mut Command, path: &Path) -> Result<(), Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Error::program(&name, &e))?;
    if done.status.success() {
        return Ok(());
    }
    Err(Error::Environment(format!(
        "making {}: {}",
        path.display(),
        String::from_utf8_lossy(&done.stderr).trim_end()
    )))
}
