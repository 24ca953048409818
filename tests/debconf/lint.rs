//! What lintian says of a package with every type of question.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use debcrate::{Compression, write_deb};
use hapkg::recipe::suite;
use hapkg::render::debconf::Catalogs;
use hapkg::render::{Inputs, render};

use crate::tools::{run, sample, text};

#[test]
fn lintian_has_nothing_to_say() {
    let recipe = sample();
    let rendered = render(&Inputs {
        recipe: &recipe,
        suite: suite::find("trixie").unwrap(),
        sources: &BTreeMap::new(),
        catalogs: &Catalogs::embedded(),
        roles: &[],
        node_tree: None,
        node_build: None,
        dependency_changes: &[],
    })
    .unwrap();
    let mut deb = Vec::new();
    let binary = rendered.binary.unwrap();
    write_deb(&mut deb, &binary, rendered.mtime, Compression::Xz).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sample.deb");
    fs::write(&path, deb).unwrap();
    let output = run(Command::new("lintian")
        .args([
            "--profile",
            "debian",
            "--allow-root",
            "--pedantic",
            "--display-info",
        ])
        .arg(&path));
    assert_eq!(text(output), "");
}
