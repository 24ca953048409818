//! The ids of the nodes, where corosync.conf does not tell them yet: on a node
//! that joins, and on one that was away while others came and went.
//!
//! `/var/lib/ubuntu-ha/ids` has one line, `alpha=1 gamma=3`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::key::STATE_MODE;
use super::layout::{Layout, reading};
use super::problem::Failure;
use crate::atomic;

/// Where they are kept.
pub fn path(layout: &Layout) -> PathBuf {
    layout.state().join("ids")
}

/// The kept ids; none where nothing is kept.
///
/// # Errors
/// The file cannot be read, or is damaged.
pub fn read(layout: &Layout) -> Result<BTreeMap<String, u32>, Failure> {
    let path = path(layout);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(reading(&path, &error)),
    };
    parse(&text).ok_or_else(|| {
        Failure::environment(
            format!("{} is damaged", path.display()),
            "remove the file where /etc/corosync/corosync.conf names all nodes".into(),
        )
    })
}

/// Keeps the ids.
///
/// # Errors
/// They cannot be written; the file is then as it was.
pub fn keep(layout: &Layout, ids: &BTreeMap<String, u32>) -> Result<(), Failure> {
    atomic::create_dir_all(&layout.state(), STATE_MODE)?;
    let line = to_text(ids) + "\n";
    Ok(atomic::write(&path(layout), line.as_bytes(), 0o600)?)
}

/// `alpha=1 gamma=3`.
pub fn to_text(ids: &BTreeMap<String, u32>) -> String {
    let ids: Vec<String> = ids
        .iter()
        .map(|(name, id)| format!("{name}={id}"))
        .collect();
    ids.join(" ")
}

/// Reads [`to_text`] back; `None` where a part is none, or an id is 0 or there
/// twice.
pub fn parse(text: &str) -> Option<BTreeMap<String, u32>> {
    let mut ids = BTreeMap::new();
    for part in text.split_whitespace() {
        let (name, id) = part.split_once('=')?;
        let id: u32 = id.parse().ok().filter(|id| *id > 0)?;
        if ids.values().any(|other| *other == id) || ids.insert(name.into(), id).is_some() {
            return None;
        }
    }
    Some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path().into());
        assert!(read(&layout).unwrap().is_empty());
        let ids = parse("gamma=3 alpha=1").unwrap();
        keep(&layout, &ids).unwrap();
        assert_eq!(read(&layout).unwrap(), ids);
        assert_eq!(
            fs::read_to_string(path(&layout)).unwrap(),
            "alpha=1 gamma=3\n"
        );
    }

    #[test]
    fn what_is_no_list_of_ids_is_none() {
        for text in ["alpha", "alpha=", "alpha=0", "a=1 b=1", "a=1 a=2", "a=-1"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
