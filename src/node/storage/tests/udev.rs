//! udev is started anew where it knows the host by another name.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::super::udev::refresh;
use super::Trace;
use crate::node::host::Host;
use crate::node::layout::Layout;

/// What systemctl and udevadm are told to change when `nsenter` ends like this.
fn changes(nsenter: &str) -> String {
    let root = tempfile::tempdir().unwrap();
    let bin = root.path().join("usr/bin");
    fs::create_dir_all(&bin).unwrap();
    let log = root.path().join("log");
    let systemctl = format!(
        "case $1 in show) echo 77 ;; *) echo \"$*\" >>{} ;; esac",
        log.display()
    );
    let nsenter = format!("[ \"$*\" = '--target 77 --uts uname -n' ] && {nsenter}");
    let udevadm = format!("echo \"$*\" >>{}", log.display());
    let programs = [
        ("systemctl", systemctl),
        ("nsenter", nsenter),
        ("udevadm", udevadm),
    ];
    for (name, text) in programs {
        let path = bin.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let host = Host::of_test(Layout::new(root.path().to_path_buf()));
    let mut trace = Trace::default();
    refresh(&host, &mut trace).unwrap();
    let changed = fs::read_to_string(&log).unwrap_or_default();
    assert_eq!(trace.seen.is_empty(), changed.is_empty());
    changed
}

#[test]
fn udev_follows_a_new_name_of_the_host() {
    assert_eq!(changes("uname -n"), "");
    assert_eq!(
        changes("echo localhost-before"),
        "restart systemd-udevd\ntrigger --settle --sysname-match=drbd*\n"
    );
    assert_eq!(changes("exit 1"), "");
}
