//! Trials of the storage on real devices and on files that stand for them.

mod devices;
mod groups;
mod mirror;
mod moving;
mod udev;
mod undo;
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::host::Host;
use super::super::layout::Layout;
use super::super::problem::Failure;
use super::steps::Steps;
use crate::cluster::{Desired, Fencing, FilesystemOn, Member, Storage};

/// A step at which the trial was stopped, thrown as a panic.
struct Stopped;

/// Notes the steps, and stops at one of them as SIGKILL would: nothing that
/// follows is run.
#[derive(Default)]
pub struct Trace {
    seen: Vec<String>,
    done: BTreeSet<String>,
    stop_at: Option<String>,
}

impl Trace {
    fn stopping_at(name: &str) -> Self {
        Self {
            stop_at: Some(name.into()),
            ..Self::default()
        }
    }
}

impl Steps for Trace {
    fn point(&mut self, name: &str) {
        self.seen.push(name.into());
        if self.stop_at.as_deref() == Some(name) {
            std::panic::resume_unwind(Box::new(Stopped));
        }
    }

    fn done(&mut self, name: &str) -> Result<(), Failure> {
        self.done.insert(name.into());
        Ok(())
    }
}

/// A host with the machine's own programs and devices, and files of its own.
/// Its kernel has every module, and what a role needs is installed.
fn host_with_real_tools(root: &Path) -> Host {
    for name in ["usr/sbin", "etc", "var/lib", "srv"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    for name in ["usr/bin", "dev", "proc", "sys"] {
        symlink(Path::new("/").join(name), root.join(name)).unwrap();
    }
    let programs = root.join("usr/sbin");
    for name in [
        "modprobe",
        "drbdadm",
        "lvmlockd",
        "dlm_controld",
        "sbd",
        "mkfs.gfs2",
    ] {
        fs::write(programs.join(name), "#!/bin/sh\n").unwrap();
        fs::set_permissions(programs.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    for entry in fs::read_dir("/usr/sbin").unwrap() {
        let entry = entry.unwrap();
        let _ = symlink(entry.path(), programs.join(entry.file_name()));
    }
    Host::of_test(Layout::new(root.to_path_buf()))
}

fn member(id: u32, name: &str) -> Member {
    Member {
        id,
        name: name.into(),
        addresses: Vec::new(),
    }
}

fn desired(storage: Vec<Storage>) -> Desired {
    Desired {
        name: "ha".into(),
        members: vec![member(1, "alpha"), member(2, "beta")],
        files: Vec::new(),
        cib: String::new(),
        storage,
        fencing: Fencing::AcceptSplitBrain,
        sbd: None,
        roles: Vec::new(),
        resources: Vec::new(),
        notes: Vec::new(),
    }
}

fn drbd(device: &str, erase: bool) -> Storage {
    Storage::Drbd {
        role: "drbd".into(),
        resource: "data".into(),
        device: device.into(),
        minor: 2,
        port: 7788,
        erase,
    }
}

fn group(device: &str, shared: bool) -> Storage {
    Storage::VolumeGroup {
        role: "clvm".into(),
        name: "hatrial".into(),
        device: device.into(),
        shared,
        volumes: vec![("data".into(), "100%FREE".into())],
        erase: true,
    }
}

fn filesystem(on: FilesystemOn, kind: &str, mount: &str, migrate: &[&str]) -> Storage {
    Storage::Filesystem {
        role: "drbd".into(),
        id: "data".into(),
        on,
        kind: kind.into(),
        mount: mount.into(),
        lock_table: None,
        journals: 2,
        migrate: migrate
            .iter()
            .map(|directory| (*directory).to_owned())
            .collect(),
    }
}

/// Messages of a refusal; none where there is none.
fn refusals(done: Result<(), Failure>) -> Vec<String> {
    match done {
        Ok(()) => Vec::new(),
        Err(Failure::Refused(problems)) => problems
            .iter()
            .map(|problem| problem.message.clone())
            .collect(),
        Err(other) => panic!("{other:?}"),
    }
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A sparse file, as a loop device where that is allowed; detached at the end.
struct Disk {
    path: PathBuf,
    is_loop: bool,
    _file: tempfile::NamedTempFile,
}

impl Disk {
    fn new(mib: u64) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(mib << 20).unwrap();
        let output = Command::new("losetup")
            .args(["--find", "--show", "--partscan"])
            .arg(file.path())
            .output()
            .unwrap();
        let is_loop = output.status.success();
        let path = match is_loop {
            true => PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()),
            false => file.path().to_path_buf(),
        };
        Self {
            path,
            is_loop,
            _file: file,
        }
    }

    fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_loop {
            let _ = Command::new("losetup")
                .arg("--detach")
                .arg(&self.path)
                .status();
        }
    }
}
