//! The files of a package, by path.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};

/// What stands at a path. Modes are permission bits, at most `0o7777`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Dir { mode: u32 },
    File { data: Arc<[u8]>, mode: u32 },
    Symlink { target: String },
}

/// Directories, files and symbolic links by path, such as
/// `usr/share/doc/hello/copyright`: relative, `/` between components, sorted
/// bytewise. Directories above an entry are added with mode 0755.
///
/// ```
/// let mut tree = debcrate::Tree::new();
/// tree.file("usr/bin/hello", *b"#!/bin/sh\necho hello\n", 0o755)?;
/// let paths: Vec<_> = tree.iter().map(|(path, _)| path).collect();
/// assert_eq!(paths, ["usr", "usr/bin", "usr/bin/hello"]);
/// assert!(tree.file("../passwd", *b"", 0o644).is_err());
/// # Ok::<(), debcrate::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
}

impl Tree {
    /// A tree with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a regular file. The path must be free.
    pub fn file(&mut self, path: &str, data: impl Into<Arc<[u8]>>, mode: u32) -> Result<()> {
        check_mode(path, mode)?;
        let data = data.into();
        self.add(path, Entry::File { data, mode })
    }

    /// Adds a directory, or sets the mode of one that is there.
    pub fn dir(&mut self, path: &str, mode: u32) -> Result<()> {
        check_mode(path, mode)?;
        if let Some(Entry::Dir { mode: present }) = self.entries.get_mut(path) {
            *present = mode;
            return Ok(());
        }
        self.add(path, Entry::Dir { mode })
    }

    /// Adds a symbolic link. The path must be free; the target is kept as it
    /// is, relative or absolute.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<()> {
        if target.is_empty() || target.chars().any(char::is_control) {
            return Err(Error::path(
                path,
                format!("{target:?} is no target of a symbolic link"),
            ));
        }
        let target = target.to_owned();
        self.add(path, Entry::Symlink { target })
    }

    /// The entry at a path.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// Content of the regular file at a path.
    pub fn data(&self, path: &str) -> Option<&[u8]> {
        match self.entries.get(path) {
            Some(Entry::File { data, .. }) => Some(data),
            _ => None,
        }
    }

    /// Every entry, parents before what is in them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries
            .iter()
            .map(|(path, entry)| (path.as_str(), entry))
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes in every entry of another tree, below `prefix` unless that is
    /// empty. Both may hold a directory or an equal entry at one path.
    pub fn merge(&mut self, prefix: &str, other: &Tree) -> Result<()> {
        for (path, entry) in &other.entries {
            let path = if prefix.is_empty() {
                path.clone()
            } else {
                format!("{prefix}/{path}")
            };
            match (self.entries.get(&path), entry) {
                (Some(present), entry) if present == entry => {}
                (_, Entry::Dir { mode }) => self.dir(&path, *mode)?,
                (_, entry) => self.add(&path, entry.clone())?,
            }
        }
        Ok(())
    }

    /// What is in the directory `top`, by paths relative to it.
    pub(crate) fn below(&self, top: &str) -> Result<Tree> {
        let mut tree = Tree::new();
        let inner = self.entries.iter().filter_map(|(path, entry)| {
            let rest = path.strip_prefix(top)?.strip_prefix('/')?;
            Some((rest, entry))
        });
        for (path, entry) in inner {
            tree.add(path, entry.clone())?;
        }
        Ok(tree)
    }

    fn add(&mut self, path: &str, entry: Entry) -> Result<()> {
        check_path(path)?;
        if self.entries.contains_key(path) {
            return Err(Error::path(path, "is in the tree already"));
        }
        for (end, _) in path.match_indices('/') {
            match self.entries.get(&path[..end]) {
                Some(Entry::Dir { .. }) => {}
                Some(_) => {
                    return Err(Error::path(
                        path,
                        format!("{:?} above it is not a directory", &path[..end]),
                    ));
                }
                None => {
                    let parent = Entry::Dir { mode: 0o755 };
                    self.entries.insert(path[..end].to_owned(), parent);
                }
            }
        }
        self.entries.insert(path.to_owned(), entry);
        Ok(())
    }
}

fn check_mode(path: &str, mode: u32) -> Result<()> {
    if mode > 0o7777 {
        return Err(Error::path(
            path,
            format!("mode {mode:o} has bits beyond the permissions"),
        ));
    }
    Ok(())
}

fn check_path(path: &str) -> Result<()> {
    let reason = if path.starts_with('/') {
        "is absolute; leave the first '/' out"
    } else if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "has a component that is empty, '.' or '..'"
    } else if path.chars().any(char::is_control) {
        "holds a control character"
    } else {
        return Ok(());
    };
    Err(Error::path(path, reason))
}
