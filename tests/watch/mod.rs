//! Looking for secrets where they must not be.

#![allow(dead_code)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use hkdf::Hkdf;
use sha2::Sha256;

use crate::support::{master_of, open_bytes};

/// What must not be seen, in every form that it may have.
#[derive(Clone, Default)]
pub struct Needles(Vec<(String, Vec<u8>)>);

impl Needles {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn text(&mut self, name: &str, text: &str) {
        self.bytes(name, text.as_bytes());
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        self.0.push((name.into(), bytes.into()));
        self.0
            .push((format!("{name}, in base64"), BASE64.encode(bytes).into()));
        self.0.push((
            format!("{name}, in hexadecimal"),
            HEXLOWER.encode(bytes).into(),
        ));
    }

    /// A token, a part of it, the master in it, and the key of corosync.
    pub fn token(&mut self, token: &str) {
        self.text("the token", token);
        self.text("a part of the token", &token[60..100]);
        let master = HEXLOWER.decode(master_of(token).as_bytes()).unwrap();
        self.bytes("the master", &master);
        self.bytes("what the token holds", &open_bytes(token));
        let mut key = [0; 256];
        let hkdf = Hkdf::<Sha256>::from_prk(&master).unwrap();
        hkdf.expand(b"ubuntu-ha corosync authkey 1", &mut key)
            .unwrap();
        self.bytes("the authkey", &key);
        self.bytes("a part of the authkey", &key[..16]);
    }

    /// Names of what is in `data`, each once.
    fn found(&self, data: &[u8]) -> Vec<&str> {
        let inside = |needle: &[u8]| data.windows(needle.len()).any(|part| part == needle);
        let found = self.0.iter().filter(|(_, needle)| inside(needle));
        found.map(|(name, _)| name.as_str()).collect()
    }

    #[track_caller]
    pub fn not_in(&self, place: &str, data: &[u8]) {
        let found = self.found(data);
        assert!(found.is_empty(), "{place}: {found:?}");
    }
}

/// What the programs of the fake host keep for themselves: the CIB, which
/// pacemaker keeps for hacluster alone, and what went through pipes.
const OF_THE_FAKES: [&str; 2] = ["run/fake/cluster", "run/fake/stdin"];

/// Files that a group or everybody may read and that hold a needle.
pub fn exposed_files(root: &Path, needles: &Needles) -> Vec<String> {
    search(root, needles, 0o077)
}

/// All files that hold a needle.
pub fn files_with(root: &Path, needles: &Needles) -> Vec<String> {
    search(root, needles, 0o7777)
}

fn search(root: &Path, needles: &Needles, bits: u32) -> Vec<String> {
    let mut found = Vec::new();
    walk(root, root, needles, bits, &mut found);
    found.sort();
    found
}

fn walk(root: &Path, dir: &Path, needles: &Needles, bits: u32, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .strip_prefix(root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_string();
        let meta = fs::symlink_metadata(&path).unwrap();
        if OF_THE_FAKES.contains(&name.as_str()) {
            continue;
        }
        if meta.is_dir() {
            walk(root, &path, needles, bits, found);
        } else if meta.is_file() {
            let mode = meta.permissions().mode() & 0o7777;
            if mode & bits != 0 {
                let data = fs::read(&path).unwrap();
                let inside = needles.found(&data).into_iter();
                found.extend(inside.map(|what| format!("{what} in {name} (mode {mode:04o})")));
            }
        }
    }
}

/// Reads the command lines and environments of all processes, as often as it
/// can, while a command runs.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<BTreeSet<String>>,
}

impl Watch {
    pub fn start(needles: &Needles) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, needles) = (Arc::clone(&stop), needles.clone());
        let thread = thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !told.load(Ordering::Relaxed) {
                look(&needles, &mut seen);
                thread::sleep(Duration::from_micros(200));
            }
            seen
        });
        Self { stop, thread }
    }

    /// What was seen, and where.
    pub fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap().into_iter().collect()
    }
}

fn look(needles: &Needles, seen: &mut BTreeSet<String>) {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name();
        if !name.to_string_lossy().bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        for (file, place) in [("cmdline", "command line"), ("environ", "environment")] {
            let data = fs::read(entry.path().join(file)).unwrap_or_default();
            for what in needles.found(&data) {
                seen.insert(format!("{what} in the {place} of {}", name.trim_end()));
            }
        }
    }
}
