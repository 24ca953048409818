//! The node program as each suite's own toolchain builds it. Needs root (or
//! sudo), mmdebstrap and a mirror; what was built once is kept in the cache.

#![cfg(feature = "packager")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use debcrate::Tree;
use hapkg::build::node_build::{node_build, toolchain};
use hapkg::build::node_source::{source_key, source_tree};
use hapkg::chroot::{Network, Trial, base};
use hapkg::recipe::{Context, load, suite};
use hapkg::render::debconf::Catalogs;
use hapkg::render::{Inputs, NodeBuild, render};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cache() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    cache.expect("XDG_CACHE_HOME or HOME").join("hapkg")
}

fn package_source(suite: &'static suite::Suite) -> Tree {
    let node = root().join("recipes/support/node.toml");
    let recipe = load(&node, &Context { node: None }).unwrap();
    let tree = source_tree(root(), &cache()).unwrap();
    let rendered = render(&Inputs {
        recipe: &recipe,
        suite,
        sources: &BTreeMap::new(),
        catalogs: &Catalogs::embedded(),
        roles: &[],
        node_tree: Some(&tree),
        node_build: None,
        dependency_changes: &[],
    })
    .unwrap();
    rendered.source_tree
}

fn built(suite: &'static suite::Suite, cache: &Path) -> NodeBuild {
    let key = source_key(root()).unwrap();
    let source = package_source(suite);
    let say = |line: &str| eprintln!("{line}");
    let toolchain = toolchain(suite, &say).unwrap();
    node_build(suite, &source, &key, &toolchain, cache, &say).unwrap()
}

fn runs_in(name: &str) {
    let suite = suite::find(name).unwrap();
    let build = built(suite, &cache());
    assert!(build.binary.starts_with(b"\x7fELF"));
    assert!(build.shlibs_depends.contains("libc6 (>= "));
    // Ubuntu's own standard library names /build/rustc-VERSION.
    for path in ["/build/ubuntu-ha-node", env!("CARGO_MANIFEST_DIR")] {
        let found = build
            .binary
            .windows(path.len())
            .any(|w| w == path.as_bytes());
        assert!(!found, "{path} is in the program");
    }
    let trial = Trial::new(&base(suite, &[], &|_| ()).unwrap()).unwrap();
    trial
        .write("/usr/sbin/ubuntu-ha", &build.binary, "0755")
        .unwrap();
    let output = trial
        .command(Network::Off, &["ubuntu-ha", "--version"])
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        shown,
        concat!("ubuntu-ha ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn the_program_runs_on_noble() {
    runs_in("noble");
}

#[test]
fn the_program_runs_on_resolute() {
    runs_in("resolute");
}

#[test]
fn the_program_runs_on_trixie() {
    runs_in("trixie");
}
