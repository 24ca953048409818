//! The node program's source is complete, small, and the same every time.

#![cfg(feature = "packager")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use debcrate::{Entry, Tree};
use hapkg::build::node_source::{source_key, source_tree};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn unpack(tree: &Tree, dir: &Path) {
    for (path, entry) in tree.iter() {
        if let Entry::File { data, .. } = entry {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, data).unwrap();
        }
    }
}

#[test]
fn cargo_resolves_it_offline_from_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let tree = source_tree(root(), &dir.path().join("cache")).unwrap();
    let source = dir.path().join("source");
    unpack(&tree, &source);
    let cargo = |args: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(args)
            .current_dir(&source)
            .env("CARGO_HOME", dir.path().join("home"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    cargo(&["fetch", "--frozen"]);
    let used = cargo(&[
        "tree",
        "--frozen",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    for word in ["windows", "tera", "debcrate", "schemars", "cc "] {
        assert!(!used.contains(word), "{word} in:\n{used}");
    }
}

#[test]
fn it_holds_no_more_than_a_build_needs() {
    let dir = tempfile::tempdir().unwrap();
    let tree = source_tree(root(), dir.path()).unwrap();
    let mut size = 0;
    for (path, entry) in tree.iter() {
        let Entry::File { data, mode } = entry else {
            continue;
        };
        size += data.len();
        assert_eq!(*mode, 0o644, "{path}");
        for word in [
            "/tests/",
            "/benches/",
            "vendor/windows",
            "/.github/",
            "/src/_",
        ] {
            assert!(!path.contains(word), "{path}");
        }
        assert!(!data.contains(&0), "{path} is no text");
    }
    assert!(size < 20_000_000, "{size} bytes");
    let own: BTreeSet<&str> = tree
        .iter()
        .map(|(path, _)| path)
        .filter(|path| path.starts_with("src/") && path.ends_with(".rs"))
        .collect();
    assert!(own.contains("src/node/cli.rs"), "{own:?}");
    assert!(
        !own.iter().any(|path| path.starts_with("src/build")),
        "{own:?}"
    );
}

#[test]
fn the_same_project_gives_the_same_source_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("elsewhere/project");
    for name in ["Cargo.toml", "Cargo.lock", "LICENSE"] {
        fs::create_dir_all(&copy).unwrap();
        fs::copy(root().join(name), copy.join(name)).unwrap();
    }
    let done = Command::new("cp")
        .arg("-r")
        .args([root().join("src"), copy.join("src")])
        .status()
        .unwrap();
    assert!(done.success());
    let here = source_tree(root(), &dir.path().join("a")).unwrap();
    let there = source_tree(&copy, &dir.path().join("b")).unwrap();
    assert!(here == there);
    assert_eq!(source_key(root()).unwrap(), source_key(&copy).unwrap());

    // What is cached is what was made, and another source has another key.
    assert!(source_tree(root(), &dir.path().join("a")).unwrap() == here);
    let cli = copy.join("src/node/cli.rs");
    let text = fs::read_to_string(&cli).unwrap() + "// changed\n";
    fs::write(&cli, text).unwrap();
    assert_ne!(source_key(root()).unwrap(), source_key(&copy).unwrap());
}
