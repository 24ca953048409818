//! What several tests need.

#![allow(dead_code)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use debcrate::{BinaryPackage, Compression, Entry, Paragraph, Tree, write_deb};

/// 2026-11-01T12:00:00Z.
pub const MTIME: u64 = 1_793_534_400;

pub const CHANGELOG: &str = "\
hello (1.0~ubuntu24.04.1) noble; urgency=medium

  * First release. (Closes: #123, #7)

  * With a second item.

 -- Ubuntu HA packagers <ha@example.org>  Sun, 01 Nov 2026 12:00:00 +0000
";

pub const ALL: [Compression; 4] = [
    Compression::Xz,
    Compression::Gzip,
    Compression::Zstd,
    Compression::None,
];

pub fn paragraph(fields: &[(&str, &str)]) -> Paragraph {
    let mut paragraph = Paragraph::new();
    for (name, value) in fields {
        paragraph.set(name, value).unwrap();
    }
    paragraph
}

/// A package with every kind of entry, modes of many sorts, names and link
/// targets beyond 100 bytes, and a configuration file.
pub fn sample() -> BinaryPackage {
    let control = paragraph(&[
        (
            "Description",
            "greets the world\nIt does so once.\n\nThen it ends.",
        ),
        ("Package", "hello"),
        ("Version", "1.0~ubuntu24.04.1"),
        ("Architecture", "all"),
        ("Maintainer", "Ubuntu HA packagers <ha@example.org>"),
        ("Section", "metapackages"),
        ("Priority", "optional"),
        ("Depends", "corosync, pacemaker"),
    ]);
    let long = "directory-of-a-long-name/".repeat(5);
    let mut data = Tree::new();
    data.file("usr/bin/hello", *b"#!/bin/sh\necho hello\n", 0o755)
        .unwrap();
    data.file("usr/share/doc/hello/copyright", vec![b'c'; 1025], 0o644)
        .unwrap();
    data.file("usr/share/doc/hello/empty", *b"", 0o644).unwrap();
    data.file("etc/hello.conf", *b"a = 1\n", 0o640).unwrap();
    data.dir("var/lib/hello", 0o2770).unwrap();
    data.symlink("usr/bin/hi", "hello").unwrap();
    data.file(&format!("usr/lib/{long}file"), *b"far", 0o600)
        .unwrap();
    data.symlink("usr/lib/far", &format!("{long}file")).unwrap();
    data.file("usr/share/hello/a b-\u{e9}", *b"x", 0o444)
        .unwrap();
    let mut package = BinaryPackage {
        control,
        data,
        ..Default::default()
    };
    for (name, text, mode) in [
        ("conffiles", "/etc/hello.conf\n", 0o644),
        ("postinst", "#!/bin/sh\nset -e\n", 0o755),
    ] {
        package
            .control_files
            .insert(name.into(), (text.into(), mode));
    }
    package
}

pub fn deb(package: &BinaryPackage, compression: Compression) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_deb(&mut bytes, package, MTIME, compression).unwrap();
    bytes
}

/// Runs a tool that the tests need and returns what it printed.
pub fn run(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .output()
        .unwrap_or_else(|error| panic!("environment: cannot run {program}: {error}"));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Unpacks a tree below a directory that does not exist yet.
pub fn put_tree(directory: &Path, tree: &Tree) {
    fs::create_dir_all(directory).unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    for (path, entry) in tree.iter() {
        let path = directory.join(path);
        let mode = match entry {
            Entry::Dir { mode } => {
                fs::create_dir(&path).unwrap();
                mode
            }
            Entry::File { data, mode } => {
                fs::write(&path, data).unwrap();
                mode
            }
            Entry::Symlink { target } => {
                symlink(target, &path).unwrap();
                continue;
            }
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
    }
}
