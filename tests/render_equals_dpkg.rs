//! What dpkg-buildpackage makes of a rendered source tree is the binary
//! package that render() returned: control fields and their order, control
//! files, file list, modes, contents. Needs debhelper and dpkg-dev.

mod render_support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use debcrate::{Compression, Entry, Tree, write_deb};
use hapkg::recipe::model::Recipe;
use render_support::Source;

/// Path to mode and content; directories have none.
type Files = BTreeMap<String, (u32, Option<Vec<u8>>)>;

fn run(command: &mut Command) -> String {
    let output = command
        .env("LC_ALL", "C.UTF-8")
        .env_remove("MAKEFLAGS")
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn walk(root: &Path, dir: &Path, files: &mut Files) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .strip_prefix(root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let mode = path.symlink_metadata().unwrap().permissions().mode() & 0o7777;
        if path.is_dir() {
            files.insert(name, (mode, None));
            walk(root, &path, files);
        } else {
            files.insert(name, (mode, Some(fs::read(&path).unwrap())));
        }
    }
}

/// Everything that `dpkg-deb -R` gives for a package.
fn unpack(deb: &Path, dir: &Path) -> Files {
    run(Command::new("dpkg-deb").arg("-R").arg(deb).arg(dir));
    let mut files = Files::new();
    walk(dir, dir, &mut files);
    files
}

fn names(tree: &Tree) -> Vec<&str> {
    tree.iter()
        .filter(|(_, entry)| matches!(entry, Entry::File { .. }))
        .map(|(path, _)| path)
        .collect()
}

/// Writes the files of a tree below a new directory.
fn write_tree(dir: &Path, tree: &Tree) {
    for (path, entry) in tree.iter() {
        let path = dir.join(path);
        match entry {
            Entry::File { data, mode } => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, data).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            }
            Entry::Dir { .. } => fs::create_dir_all(&path).unwrap(),
            Entry::Symlink { target } => std::os::unix::fs::symlink(target, &path).unwrap(),
        }
    }
}

fn compare(source: &Source, suite: &str) {
    let rendered = source.render(suite).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    write_tree(&source, &rendered.source_tree);
    run(Command::new("dpkg-buildpackage")
        .args(["-us", "-uc", "-b", "-d"])
        .current_dir(&source));
    let package = rendered.binary.as_ref().unwrap();
    let architecture = package.control.get("Architecture").unwrap();
    let theirs = dir.path().join(format!(
        "{}_{}_{architecture}.deb",
        rendered.package, rendered.version
    ));
    let ours = dir.path().join("ours.deb");
    let mut deb = Vec::new();
    write_deb(&mut deb, package, rendered.mtime, Compression::Gzip).unwrap();
    fs::write(&ours, deb).unwrap();

    let theirs = unpack(&theirs, &dir.path().join("theirs"));
    let ours = unpack(&ours, &dir.path().join("ours"));
    for (path, file) in &theirs {
        let text = |file: Option<&(u32, Option<Vec<u8>>)>| match file {
            Some((mode, Some(data))) => format!("{mode:o}\n{}", String::from_utf8_lossy(data)),
            Some((mode, None)) => format!("{mode:o} directory"),
            None => "absent".into(),
        };
        assert_eq!(text(ours.get(path)), text(Some(file)), "{path}");
    }
    assert!(ours == theirs, "{:?}", names(&package.data));

    run(Command::new("dpkg-source")
        .args(["-b", "source"])
        .current_dir(dir.path()));
    let dsc = format!("{}_{}.dsc", rendered.package, rendered.version);
    let theirs = fs::read_to_string(dir.path().join(dsc)).unwrap();
    let theirs: Vec<&str> = theirs
        .lines()
        .take_while(|line| !line.starts_with("Checksums-"))
        .collect();
    let ours = rendered.dsc_fields.to_string();
    assert_eq!(ours.lines().collect::<Vec<_>>(), theirs);
}

#[test]
fn a_role() {
    for suite in ["noble", "trixie"] {
        compare(&Source::new("recipes/vip.toml"), suite);
    }
}

#[test]
fn the_agents() {
    compare(
        &Source::new("recipes/support/resource-agents.toml"),
        "noble",
    );
}

#[test]
fn the_tasks() {
    compare(&Source::new("recipes/support/tasks.toml"), "noble");
}

/// Puts the relations, files and changelog of another text into a recipe.
fn add(recipe: &mut Recipe, text: &str) {
    let head = "[role]\nname = \"x\"\nsummary = \"s\"\ndescription = \"d\"\nversion = \"1\"\n";
    let more: Recipe = toml::from_str(&format!("{head}{text}")).unwrap();
    recipe.packages = more.packages;
    recipe.file.extend(more.file);
    recipe.changelog.extend(more.changelog);
}

/// Every kind of file and relation at once.
#[test]
fn a_role_with_files_and_relations() {
    let mut source = Source::new("recipes/vip.toml");
    add(
        &mut source.recipe,
        r##"
[packages]
depends = ["aa (>= 1)", "bb | cc", "aa (>= 2)", "ubuntu-ha-node"]
recommends = ["aa", "dd", "ee"]
suggests = ["dd | ff", "gg"]
conflicts = ["zz", "yy (<< 2)"]
breaks = ["zz (<< 1)"]
replaces = ["zz (<< 1)"]
provides = ["ha-role", "aha-role"]

[[file]]
path = "/etc/ubuntu-ha/extra.conf"
content = "x = 1\n"
mode = "0600"

[[file]]
path = "/usr/lib/ubuntu-ha/helper"
content = "#!/bin/sh\nexit 0\n"
mode = "0755"

[[file]]
path = "/usr/lib/systemd/system/ubuntu-ha-extra.service"
content = """
[Unit]
Description=x
Documentation=man:ubuntu-ha(8)

[Service]
ExecStart=/bin/true

[Install]
WantedBy=multi-user.target
"""

[[file]]
path = "/usr/share/doc/ubuntu-ha-vip/examples/run"
content = "#!/bin/sh\nexit 0\n"
mode = "0755"

[[changelog]]
version = "0.9"
date = "2019-02-28T23:59:59-03:30"
changes = [
    "Old, and long enough that the item has to be folded into a second line of the changelog.",
    "Ünïcode.",
]
author = "Jane Doe <jane@example.org>"
"##,
    );
    source.dependency_changes = vec!["Depends: add bb | cc".into()];
    compare(&source, "noble");
}
