//! Who put what into maintenance, and where everything was: kept on the node
//! where the command ran, `/var/lib/ubuntu-ha/maintain`.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::node::key::STATE_MODE;
use crate::node::layout::Layout;
use crate::node::live::Live;
use crate::node::problem::Failure;
use crate::node::token::show_time;

/// One maintenance that was begun here and has not been ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The node that was made to stand by; `None`: the whole cluster.
    pub node: Option<String>,
    /// Unix seconds.
    pub since: u64,
    /// The user who ran the command.
    pub by: String,
    /// What ran where then.
    #[serde(default)]
    pub places: Vec<Place>,
}

/// A resource instance and where it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub resource: String,
    pub role: String,
    pub node: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "since {} by {}", show_time(self.since), self.by)
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Notes {
    #[serde(default)]
    note: Vec<Note>,
}

fn path(layout: &Layout) -> PathBuf {
    layout.state().join("maintain")
}

/// The notes of this node. What cannot be read tells nothing: it is only ever
/// shown, or compared with.
pub fn notes(layout: &Layout) -> Vec<Note> {
    let text = fs::read_to_string(path(layout)).unwrap_or_default();
    let notes: Notes = toml::from_str(&text).unwrap_or_default();
    notes.note
}

/// The note about `node`, or about the whole cluster.
pub fn about(layout: &Layout, node: Option<&str>) -> Option<Note> {
    let mut notes = notes(layout).into_iter();
    notes.find(|note| note.node.as_deref() == node)
}

/// Keeps a note in place of an earlier one about the same.
///
/// # Errors
/// It cannot be written.
pub fn keep(layout: &Layout, note: Note) -> Result<(), Failure> {
    let mut all = notes(layout);
    all.retain(|other| other.node != note.node);
    all.push(note);
    write(layout, all)
}

/// Forgets the note about `node`, or about the whole cluster.
///
/// # Errors
/// It cannot be written.
pub fn forget(layout: &Layout, node: Option<&str>) -> Result<(), Failure> {
    let mut all = notes(layout);
    all.retain(|note| note.node.as_deref() != node);
    write(layout, all)
}

fn write(layout: &Layout, note: Vec<Note>) -> Result<(), Failure> {
    let path = path(layout);
    if note.is_empty() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::environment(
                format!("removing {}: {error}", path.display()),
                "remove it by hand".into(),
            )),
            _ => Ok(()),
        };
    }
    atomic::create_dir_all(&layout.state(), STATE_MODE)?;
    let text = toml::to_string(&Notes { note }).expect("texts and numbers are TOML");
    Ok(atomic::write(&path, text.as_bytes(), 0o600)?)
}

/// What runs where now, fence devices left out; sorted.
pub fn places(live: &Live) -> Vec<Place> {
    let active = live.resources.iter().filter(|one| one.is_active());
    let mut places: Vec<Place> = active
        .filter(|one| !one.is_stonith())
        .filter_map(|one| {
            Some(Place {
                resource: one.id.clone(),
                role: one.role.clone(),
                node: one.node.clone()?,
            })
        })
        .collect();
    places.sort();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_kept_replaced_and_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path().into());
        assert!(notes(&layout).is_empty());
        let note = Note {
            node: None,
            since: 1_764_072_000,
            by: "root".into(),
            places: vec![Place {
                resource: "vip-ip".into(),
                role: "Started".into(),
                node: "alpha".into(),
            }],
        };
        let beta = Note {
            node: Some("beta".into()),
            ..note.clone()
        };
        keep(&layout, note.clone()).unwrap();
        keep(&layout, beta.clone()).unwrap();
        keep(&layout, beta.clone()).unwrap();
        assert_eq!(notes(&layout), [note.clone(), beta.clone()]);
        assert_eq!(about(&layout, Some("beta")), Some(beta));
        forget(&layout, Some("beta")).unwrap();
        assert_eq!(note.to_string(), "since 2025-11-25 12:00:00 UTC by root");
        forget(&layout, None).unwrap();
        assert!(!path(&layout).exists());
    }
}
