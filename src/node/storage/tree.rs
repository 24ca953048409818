//! A directory tree, read whole, so that a copy can be compared with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Directory,
    /// Size in bytes and SHA-256.
    File(u64, String),
    Link(PathBuf),
    /// Character device, block device, FIFO or socket, with its number.
    Special(&'static str, u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    /// Permission bits; of a link they mean nothing.
    mode: u32,
    owner: (u32, u32),
    /// Seconds since 1970.
    modified: i64,
    /// The first path of the same file, where it has several names.
    same_as: Option<PathBuf>,
}

/// A tree by path, relative to its top, which is the empty path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    entries: BTreeMap<PathBuf, Entry>,
}

impl Tree {
    /// Reads all of it, the content of every file too.
    ///
    /// # Errors
    /// The path that cannot be read, and why.
    pub fn read(top: &Path) -> Result<Self, (PathBuf, io::Error)> {
        Self::read_telling(top, &mut || {})
    }

    /// [`Tree::read`] that calls `alive` again and again while it reads.
    ///
    /// # Errors
    /// Those of [`Tree::read`].
    pub fn read_telling(top: &Path, alive: &mut dyn FnMut()) -> Result<Self, (PathBuf, io::Error)> {
        let mut entries = BTreeMap::new();
        let mut names: BTreeMap<(u64, u64), PathBuf> = BTreeMap::new();
        let mut open = vec![PathBuf::new()];
        while let Some(relative) = open.pop() {
            let path = if relative.as_os_str().is_empty() {
                top.to_path_buf()
            } else {
                top.join(&relative)
            };
            let at = |error| (path.clone(), error);
            let meta = fs::symlink_metadata(&path).map_err(at)?;
            let kind = kind(&path, &meta, alive).map_err(at)?;
            if kind == Kind::Directory {
                let mut below = Vec::new();
                for entry in fs::read_dir(&path).map_err(at)? {
                    let entry = entry.map_err(at)?;
                    below.push(relative.join(entry.file_name()));
                }
                // Popped from the end, so that paths come sorted.
                below.sort_by(|a, b| b.cmp(a));
                open.extend(below);
            }
            let mut same_as = None;
            if meta.nlink() > 1 && !meta.is_dir() {
                match names.get(&(meta.dev(), meta.ino())) {
                    Some(first) => same_as = Some(first.clone()),
                    None => drop(names.insert((meta.dev(), meta.ino()), relative.clone())),
                }
            }
            let link = meta.file_type().is_symlink();
            let entry = Entry {
                kind,
                mode: if link { 0 } else { meta.mode() & 0o7777 },
                owner: (meta.uid(), meta.gid()),
                modified: meta.mtime(),
                same_as,
            };
            entries.insert(relative, entry);
        }
        Ok(Self { entries })
    }

    /// Whether there is nothing but directories.
    pub fn is_empty(&self) -> bool {
        self.entries
            .values()
            .all(|entry| entry.kind == Kind::Directory)
    }

    /// Number of entries that are no directory.
    pub fn count(&self) -> usize {
        let filled = |entry: &&Entry| entry.kind != Kind::Directory;
        self.entries.values().filter(filled).count()
    }

    /// Bytes in all files; one with several names counts once.
    pub fn bytes(&self) -> u64 {
        let single = self
            .entries
            .values()
            .filter(|entry| entry.same_as.is_none());
        single
            .map(|entry| match entry.kind {
                Kind::File(size, _) => size,
                _ => 0,
            })
            .sum()
    }

    /// User and group of every entry.
    pub fn owners(&self) -> BTreeSet<(u32, u32)> {
        self.entries.values().map(|entry| entry.owner).collect()
    }

    /// The first difference to a copy; `None` where there is none.
    pub fn difference(&self, copy: &Self) -> Option<String> {
        let missing = self
            .entries
            .keys()
            .find(|path| !copy.entries.contains_key(*path));
        if let Some(path) = missing {
            return Some(format!("{} is missing", shown(path)));
        }
        let strange = copy
            .entries
            .keys()
            .find(|path| !self.entries.contains_key(*path));
        if let Some(path) = strange {
            return Some(format!("{} is not in the original", shown(path)));
        }
        let mut pairs = self.entries.iter().zip(copy.entries.values());
        pairs.find_map(|((path, mine), other)| {
            let what = match (mine, other) {
                (a, b) if a.kind != b.kind => "content",
                (a, b) if a.mode != b.mode => "mode",
                (a, b) if a.owner != b.owner => "owner",
                (a, b) if a.same_as != b.same_as => "hard link",
                // A link's time cannot be set everywhere.
                (a, b) if a.modified != b.modified && !matches!(a.kind, Kind::Link(_)) => "time",
                _ => return None,
            };
            Some(format!("{} has another {what}", shown(path)))
        })
    }

    /// SHA-256 over names, kinds, modes and contents: what two nodes have to
    /// have in common to have the same data. Times and numeric owners differ
    /// between hosts.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (path, entry) in &self.entries {
            let kind = match &entry.kind {
                Kind::Directory => "d".to_owned(),
                Kind::File(size, content) => format!("f {size} {content}"),
                Kind::Link(target) => format!("l {}", target.display()),
                Kind::Special(name, number) => format!("{name} {number}"),
            };
            hash.update(path.as_os_str().as_bytes());
            hash.update(format!("\0{:o} {kind}\0", entry.mode).as_bytes());
        }
        HEXLOWER.encode(&hash.finalize())
    }
}

/// What changes whenever anything below `top` does, told without reading the
/// files; `None` while that is too young to be told apart from a later change.
///
/// # Errors
/// The path that cannot be looked at, and why.
pub fn stamp(top: &Path) -> Result<Option<String>, (PathBuf, io::Error)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    let mut hash = Sha256::new();
    let mut settled = true;
    let mut open = vec![top.to_path_buf()];
    while let Some(path) = open.pop() {
        let at = |error| (path.clone(), error);
        let meta = fs::symlink_metadata(&path).map_err(at)?;
        settled &= meta.ctime() < now - 2;
        hash.update(path.as_os_str().as_bytes());
        let numbers = [
            meta.ctime(),
            meta.ctime_nsec(),
            meta.mtime(),
            meta.mtime_nsec(),
        ];
        hash.update(format!("\0{} {} {numbers:?}\0", meta.ino(), meta.len()));
        if meta.is_dir() {
            let mut below = Vec::new();
            for entry in fs::read_dir(&path).map_err(at)? {
                below.push(entry.map_err(at)?.path());
            }
            below.sort();
            open.extend(below);
        }
    }
    Ok(settled.then(|| HEXLOWER.encode(&hash.finalize())))
}

fn shown(path: &Path) -> String {
    match path.as_os_str().is_empty() {
        true => "the directory itself".into(),
        false => path.display().to_string(),
    }
}

fn kind(path: &Path, meta: &Metadata, alive: &mut dyn FnMut()) -> io::Result<Kind> {
    let kind = meta.file_type();
    Ok(if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Link(fs::read_link(path)?)
    } else if kind.is_file() {
        Kind::File(meta.len(), digest(path, alive)?)
    } else if kind.is_fifo() {
        Kind::Special("fifo", 0)
    } else if kind.is_socket() {
        Kind::Special("socket", 0)
    } else if kind.is_block_device() {
        Kind::Special("block", meta.rdev())
    } else {
        Kind::Special("character", meta.rdev())
    })
}

fn digest(path: &Path, alive: &mut dyn FnMut()) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut data = vec![0; 1 << 17];
    loop {
        alive();
        match file.read(&mut data)? {
            0 => return Ok(HEXLOWER.encode(&hash.finalize())),
            count => hash.update(&data[..count]),
        }
    }
}
