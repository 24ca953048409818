//! Hosts and tokens for the tests of `token` and `join`.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::fake_host::{FakeHost, Ran};

pub const NODES: &str = "alpha=192.0.2.11 beta=192.0.2.12";

/// The offset of the times of issue and expiry, and of the master.
const TIMES: usize = 8;
const MASTER: usize = 24;

pub fn cluster_toml(nodes: &str, more: &str) -> String {
    let fencing = if more.contains("fencing") {
        ""
    } else {
        "fencing = \"accept-split-brain\"\n"
    };
    format!("# ours\ncluster_name = \"ha\"\nnodes = \"{nodes}\" # two\n{fencing}{more}")
}

/// The first node: answered, not formed.
pub fn alpha() -> FakeHost {
    let host = FakeHost::new("alpha", &["vip"]);
    host.answers(&cluster_toml(NODES, ""), &[]);
    host.role("vip", "vip = \"192.0.2.10/24\"\n");
    host
}

/// A host that shall join: its role is answered, the cluster is not.
pub fn beta() -> FakeHost {
    let host = FakeHost::new("beta", &["vip"]);
    host.role("vip", "vip = \"192.0.2.10/24\"\n");
    host
}

/// A token of a host like [`alpha`] for `node`.
pub fn token_for(node: &str) -> String {
    let address = crate::fake_host::ADDRESSES
        .iter()
        .find(|(name, _)| *name == node);
    let address = address.unwrap().1.trim_end_matches("/24");
    let ran = alpha().run(&["token", node, address]).expect(0);
    ran.stdout.trim_end().to_string()
}

/// Every file and directory below the host's root, but for the lock and what its
/// programs keep of themselves: mode and content.
pub fn snapshot(host: &FakeHost) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let root = host.path("");
    walk(&root, &root, &mut found);
    let lock = ["var/lib/ubuntu-ha", "var/lib/ubuntu-ha/lock"];
    found.retain(|path, _| !path.starts_with("run/fake") && !lock.contains(&path.as_str()));
    found
}

fn walk(root: &Path, dir: &Path, found: &mut BTreeMap<String, (u32, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let name = path
            .strip_prefix(root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_string();
        let content = if meta.is_file() {
            fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        found.insert(name, (meta.permissions().mode() & 0o7777, content));
        if meta.is_dir() {
            walk(root, &path, found);
        }
    }
}

#[track_caller]
pub fn same(
    before: &BTreeMap<String, (u32, Vec<u8>)>,
    after: &BTreeMap<String, (u32, Vec<u8>)>,
    what: &str,
) {
    let names = |map: &BTreeMap<String, _>| map.keys().cloned().collect::<Vec<String>>();
    assert_eq!(names(before), names(after), "{what}");
    for (name, old) in before {
        assert!(after[name] == *old, "{what}: {name} is another");
    }
}

/// Another letter at one place.
pub fn swap_letter(token: &str, at: usize) -> String {
    let letter = if &token[at..=at] == "a" { "b" } else { "a" };
    format!("{}{letter}{}", &token[..at], &token[at + 1..])
}

/// The bytes of a token, with its checksum cut off.
pub fn open_bytes(token: &str) -> Vec<u8> {
    let letters = token.strip_prefix("uha1-").unwrap().to_ascii_uppercase();
    let mut data = BASE32_NOPAD.decode(letters.as_bytes()).unwrap();
    data.truncate(data.len() - 4);
    data
}

fn close(mut data: Vec<u8>) -> String {
    let sum = Sha256::digest(&data);
    data.extend(&sum[..4]);
    format!("uha1-{}", BASE32_NOPAD.encode(&data).to_ascii_lowercase())
}

/// One bit of the content changed, with a checksum that is right again.
pub fn forge(token: &str, at: usize) -> String {
    let mut data = open_bytes(token);
    data[at] ^= 1;
    close(data)
}

/// Issued and expiring these seconds from now, by one who has the key.
pub fn retime(token: &str, issued: i64, expires: i64) -> String {
    let mut data = open_bytes(token);
    data.truncate(data.len() - 32);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    for (place, offset) in [(TIMES, issued), (TIMES + 8, expires)] {
        let time = now.as_secs().checked_add_signed(offset).unwrap();
        data[place..place + 8].copy_from_slice(&time.to_be_bytes());
    }
    let mut key = [0; 32];
    let master = &data[MASTER..MASTER + 32];
    let hkdf = Hkdf::<Sha256>::from_prk(master).unwrap();
    hkdf.expand(b"ubuntu-ha token 1", &mut key).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(b"uha1-");
    mac.update(&data);
    data.extend(mac.finalize().into_bytes());
    close(data)
}

/// The master in a token, in hexadecimal digits.
pub fn master_of(token: &str) -> String {
    HEXLOWER.encode(&open_bytes(token)[MASTER..MASTER + 32])
}

/// A command that runs beside the test.
pub struct Background(std::thread::JoinHandle<Ran>);

impl Background {
    pub fn start(host: &FakeHost, args: &[&str]) -> Self {
        let command = host.command(args);
        Self(std::thread::spawn(move || Ran::of(command, "")))
    }

    pub fn has_ended(&self) -> bool {
        self.0.is_finished()
    }

    pub fn end(self) -> Ran {
        self.0.join().unwrap()
    }
}
