//! The parts of a move on their own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::item::Filesystem;
use super::super::migrate::{copy_in, link, objections};
use super::super::tree::Tree;
use super::{Trace, host_with_real_tools};
use crate::cluster::FilesystemOn;
use crate::node::host::Host;
use crate::node::problem::Failure;

const DIRECTORY: &str = "/var/lib/eucalyptus";

fn trial(work: impl FnOnce(&Host, &Filesystem<'_>)) {
    let root = tempfile::tempdir().unwrap();
    let host = host_with_real_tools(root.path());
    let on = FilesystemOn::Drbd("data".into());
    let migrate = [DIRECTORY.to_owned()];
    let filesystem = Filesystem {
        role: "clc",
        id: "data",
        on: &on,
        kind: "ext4",
        mount: "/mnt/uecdata",
        lock_table: None,
        journals: 0,
        migrate: &migrate,
    };
    fs::create_dir_all(host.layout.path(DIRECTORY)).unwrap();
    fs::create_dir_all(host.layout.path(filesystem.mount)).unwrap();
    work(&host, &filesystem);
}

fn told<T: std::fmt::Debug>(done: Result<T, Failure>) -> String {
    match done {
        Err(Failure::Failed { message, remedy }) => format!("{message}; {remedy}"),
        other => panic!("{other:?}"),
    }
}

/// Copies. Between its fork and its exec a child of another test has the files
/// open that this one wrote at that moment.
fn copied(host: &Host, filesystem: &Filesystem<'_>) {
    let in_use = |failure: &Failure| failure.message().contains("is in use by");
    for _ in 0..50 {
        match copy_in(host, filesystem, DIRECTORY, None, &mut Trace::default()) {
            Err(failure) if in_use(&failure) => std::thread::sleep(Duration::from_millis(100)),
            done => return drop(done.unwrap()),
        }
    }
    panic!("the directory stays in use");
}

#[test]
fn a_copy_keeps_modes_times_owners_links_and_holes() {
    trial(|host, filesystem| {
        let top = host.layout.path(DIRECTORY);
        fs::write(top.join("a b\nc"), "odd name").unwrap();
        fs::write(top.join("set"), "x").unwrap();
        fs::set_permissions(top.join("set"), fs::Permissions::from_mode(0o4750)).unwrap();
        fs::hard_link(top.join("set"), top.join("same")).unwrap();
        symlink("/nowhere", top.join("dangling")).unwrap();
        fs::File::create(top.join("hole"))
            .unwrap()
            .set_len(16 << 20)
            .unwrap();
        fs::create_dir(top.join("sub")).unwrap();
        super::run("mkfifo", &[top.join("sub/fifo").to_str().unwrap()]);
        let sub = top.join("sub");
        let touch = ["--date=2010-04-29 12:00:00 UTC", sub.to_str().unwrap()];
        super::run("touch", &touch);
        if nix::unistd::geteuid().is_root() {
            super::run("chown", &["12:34", top.join("hole").to_str().unwrap()]);
        }
        let original = Tree::read(&top).unwrap();
        copied(host, filesystem);
        let copy = host.layout.path("/mnt/uecdata/var/lib/eucalyptus");
        assert_eq!(original.difference(&Tree::read(&copy).unwrap()), None);
        let blocks = std::os::unix::fs::MetadataExt::blocks(&copy.join("hole").metadata().unwrap());
        assert!(blocks < 64, "{blocks}");
    });
}

#[test]
fn every_difference_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path().join("a");
    fs::create_dir(&top).unwrap();
    fs::write(top.join("f"), "x").unwrap();
    fs::hard_link(top.join("f"), top.join("g")).unwrap();
    symlink("f", top.join("l")).unwrap();
    let original = Tree::read(&top).unwrap();
    let copy = dir.path().join("b");
    let file = copy.join("f");
    let (file, link) = (file.to_str().unwrap(), copy.join("l"));
    type Change<'a> = Box<dyn Fn() + 'a>;
    let cases: Vec<(&str, Change<'_>)> = vec![
        (
            "f has another content",
            Box::new(|| fs::write(file, "y").unwrap()),
        ),
        (
            "f has another mode",
            Box::new(|| drop(super::run("chmod", &["700", file]))),
        ),
        (
            "f has another time",
            Box::new(|| drop(super::run("touch", &["-d", "@9", file]))),
        ),
        ("f is missing", Box::new(|| fs::remove_file(file).unwrap())),
        (
            "h is not in the original",
            Box::new(|| fs::write(copy.join("h"), "").unwrap()),
        ),
        (
            "l has another content",
            Box::new(|| {
                fs::remove_file(&link).unwrap();
                symlink("g", &link).unwrap();
            }),
        ),
        (
            "g has another hard link",
            Box::new(|| {
                drop(super::run(
                    "cp",
                    &[
                        "--remove-destination",
                        "-p",
                        file,
                        copy.join("g").to_str().unwrap(),
                    ],
                ));
            }),
        ),
    ];
    for (wanted, change) in cases {
        let _ = fs::remove_dir_all(&copy);
        super::run("cp", &["-a", top.to_str().unwrap(), copy.to_str().unwrap()]);
        assert_eq!(original.difference(&Tree::read(&copy).unwrap()), None);
        change();
        let found = original.difference(&Tree::read(&copy).unwrap());
        // Removing a name changes the directory's time too; what is missing is told first.
        let found = found.unwrap();
        assert!(
            found == wanted || found == "the directory itself has another time",
            "{wanted}: {found}"
        );
    }
}

#[test]
fn what_is_written_during_the_copy_is_noticed() {
    trial(|host, filesystem| {
        let top = host.layout.path(DIRECTORY);
        fs::write(top.join("a"), "x").unwrap();
        let bin = host.layout.path("/usr/bin");
        fs::remove_file(&bin).unwrap();
        fs::create_dir(&bin).unwrap();
        symlink("/usr/bin/sync", bin.join("sync")).unwrap();
        let script = format!("#!/bin/sh\n/bin/cp \"$@\" && echo y >{}/b\n", top.display());
        fs::write(bin.join("cp"), script).unwrap();
        fs::set_permissions(bin.join("cp"), fs::Permissions::from_mode(0o755)).unwrap();
        let message = told(copy_in(
            host,
            filesystem,
            DIRECTORY,
            None,
            &mut Trace::default(),
        ));
        assert!(
            message.contains("is not like the original: b is missing"),
            "{message}"
        );
        assert!(top.join("b").exists() && !top.is_symlink());
    });
}

#[test]
fn a_directory_in_use_is_refused_by_name() {
    trial(|host, filesystem| {
        let top = host.layout.path(DIRECTORY);
        let mut user = Command::new("sleep")
            .arg("60")
            .current_dir(&top)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let found = objections(host, filesystem).unwrap();
        let copied = copy_in(host, filesystem, DIRECTORY, None, &mut Trace::default());
        user.kill().unwrap();
        user.wait().unwrap();
        let wanted = format!("is in use by sleep (process {})", user.id());
        assert!(found[0].contains(&wanted), "{found:?}");
        assert!(told(copied).contains(&wanted));
        assert!(!host.layout.path("/mnt/uecdata/var").exists());
        assert_eq!(objections(host, filesystem).unwrap(), [""; 0]);
    });
}

#[test]
fn a_link_replaces_the_directory_in_one_step_and_keeps_what_was_there() {
    trial(|host, filesystem| {
        let top = host.layout.path(DIRECTORY);
        fs::write(top.join("a"), "x").unwrap();
        let aside = link(host, filesystem, DIRECTORY, &mut Trace::default())
            .unwrap()
            .unwrap();
        assert!(
            aside.starts_with("/var/lib/eucalyptus.before-ubuntu-ha-20"),
            "{aside}"
        );
        assert_eq!(fs::read(host.layout.path(&aside).join("a")).unwrap(), b"x");
        assert_eq!(
            fs::read_link(&top).unwrap().to_str(),
            Some("/mnt/uecdata/var/lib/eucalyptus")
        );
        // Again: nothing to do. Another directory the same day: another name.
        assert_eq!(
            link(host, filesystem, DIRECTORY, &mut Trace::default()).unwrap(),
            None
        );
        fs::remove_file(&top).unwrap();
        fs::create_dir(&top).unwrap();
        let second = link(host, filesystem, DIRECTORY, &mut Trace::default())
            .unwrap()
            .unwrap();
        assert_eq!(second, format!("{aside}-2"));
    });
}

#[test]
fn what_cannot_move_is_told_before() {
    let one = |prepare: &dyn Fn(&Host), wanted: &str| {
        trial(|host, filesystem| {
            fs::remove_dir(host.layout.path(DIRECTORY)).unwrap();
            prepare(host);
            let found = objections(host, filesystem).unwrap();
            assert!(
                found.iter().any(|message| message.contains(wanted)),
                "{wanted}: {found:?}"
            );
        });
    };
    one(
        &|host| symlink("/elsewhere", host.layout.path(DIRECTORY)).unwrap(),
        "is a link to /elsewhere",
    );
    one(
        &|host| fs::write(host.layout.path(DIRECTORY), "").unwrap(),
        "is no directory",
    );
    one(
        &|host| {
            fs::remove_dir(host.layout.path("/var/lib")).unwrap();
            symlink("/mnt/other/var/lib", host.layout.path("/var/lib")).unwrap();
        },
        "lies in /var/lib, which is a link to /mnt/other/var/lib already",
    );
    one(
        &|host| {
            fs::create_dir(host.layout.path(DIRECTORY)).unwrap();
            fs::remove_file(host.layout.path("/proc")).unwrap();
            fs::create_dir(host.layout.path("/proc")).unwrap();
            let line = "/dev/vdz /var/lib/eucalyptus/volumes xfs rw 0 0\n";
            fs::write(host.layout.path("/proc/mounts"), line).unwrap();
        },
        "/dev/vdz is mounted on /var/lib/eucalyptus/volumes",
    );
}
