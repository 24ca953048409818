//! Hosts that are ready for `apply`, and what is compared before and after.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::fake_host::FakeHost;

pub const SECRET: &str = "example-shared-secret-0001";
pub const PAIR: &str = "alpha=192.0.2.11 beta=192.0.2.12";

pub const TRIO: &str = "alpha=192.0.2.11 beta=192.0.2.12 gamma=192.0.2.13";

/// Answers of a cluster without fencing.
pub fn cluster(nodes: &str) -> String {
    format!("cluster_name = \"ha\"\nnodes = \"{nodes}\"\nfencing = \"accept-split-brain\"\n")
}

/// A host of a pair that shares an address; the other node is there already.
pub fn pair() -> FakeHost {
    let host = FakeHost::new("alpha", &["vip"]);
    prepare(&host);
    host
}

/// The answers and the peer of [`pair`].
pub fn prepare(host: &FakeHost) {
    host.answers(&cluster(PAIR), &[("secret", SECRET)]);
    host.role("vip", "vip = \"192.0.2.10/24\"\n");
    host.peer("beta", true);
}

/// A file or directory: everything that must be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    mode: u32,
    owner: (u32, u32),
    content: Option<Vec<u8>>,
}

/// Everything below the root but the fake programs' state, the lock, and the
/// directory that the lock is in.
pub fn tree(host: &FakeHost) -> BTreeMap<String, Entry> {
    let mut found = BTreeMap::new();
    collect(&host.path(""), "", &mut found);
    found.retain(|path, _| {
        !path.starts_with("run/fake")
            && path != "var/lib/ubuntu-ha"
            && path != "var/lib/ubuntu-ha/lock"
    });
    found
}

fn collect(dir: &Path, at: &str, found: &mut BTreeMap<String, Entry>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if at.is_empty() {
            name
        } else {
            format!("{at}/{name}")
        };
        let meta = entry.metadata().unwrap();
        let content = meta.is_file().then(|| fs::read(entry.path()).unwrap());
        let one = Entry {
            mode: meta.permissions().mode(),
            owner: (meta.uid(), meta.gid()),
            content,
        };
        found.insert(path.clone(), one);
        if meta.is_dir() {
            collect(&entry.path(), &path, found);
        }
    }
}

/// Paths that differ, for a message.
pub fn difference(
    before: &BTreeMap<String, Entry>,
    after: &BTreeMap<String, Entry>,
) -> Vec<String> {
    let all = before.keys().chain(after.keys());
    let mut paths: Vec<String> = all
        .filter(|path| before.get(*path) != after.get(*path))
        .cloned()
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Inode and time of every file: what a run that changes nothing leaves alone.
pub fn stamps(host: &FakeHost) -> BTreeMap<String, (u64, i64, i64)> {
    let stamp = |path: &String| {
        let meta = fs::symlink_metadata(host.path(path)).unwrap();
        (meta.ino(), meta.mtime(), meta.mtime_nsec())
    };
    tree(host)
        .keys()
        .map(|path| (path.clone(), stamp(path)))
        .collect()
}
