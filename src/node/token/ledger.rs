//! The tokens that this node has given out: `/var/lib/ubuntu-ha/admitted/NODE.toml`.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::node::key::STATE_MODE;
use crate::node::layout::{Layout, entries, reading};
use crate::node::problem::Failure;

const MODE: u32 = 0o600;

/// A token that was given out, without what is secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    pub node: String,
    /// One for each link, separated by commas.
    pub addresses: String,
    /// Id of the last token.
    pub token: String,
    /// Unix seconds.
    pub issued: u64,
    /// Unix seconds.
    pub expires: u64,
    /// The node was put on the list for this token, and goes when it is
    /// revoked.
    pub added: bool,
}

fn dir(layout: &Layout) -> PathBuf {
    layout.state().join("admitted")
}

/// The file of a node's admission; `node` is a valid host name.
pub fn path(layout: &Layout, node: &str) -> PathBuf {
    dir(layout).join(format!("{node}.toml"))
}

/// What was given out, sorted by node.
///
/// # Errors
/// A file cannot be read, or is damaged.
pub fn all(layout: &Layout) -> Result<Vec<Admission>, Failure> {
    let names = entries(&dir(layout))?;
    let nodes = names.iter().filter_map(|name| name.strip_suffix(".toml"));
    let nodes = nodes.filter(|node| !node.starts_with('.'));
    nodes
        .filter_map(|node| find(layout, node).transpose())
        .collect()
}

/// What was given out to `node`.
///
/// # Errors
/// Its file cannot be read, or is damaged.
pub fn find(layout: &Layout, node: &str) -> Result<Option<Admission>, Failure> {
    let path = path(layout, node);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(reading(&path, &error)),
    };
    toml::from_str(&text).map(Some).map_err(|error| {
        Failure::environment(
            format!("{} is damaged: {}", path.display(), error.message()),
            "remove the file; the node has to be admitted again".into(),
        )
    })
}

/// Remembers an admission in place of an earlier one of that node.
///
/// # Errors
/// It cannot be written; the file is then as it was.
pub fn keep(layout: &Layout, admission: &Admission) -> Result<(), Failure> {
    atomic::create_dir_all(&dir(layout), STATE_MODE)?;
    let text = toml::to_string(admission).expect("texts and numbers are TOML");
    let path = path(layout, &admission.node);
    Ok(atomic::write(&path, text.as_bytes(), MODE)?)
}

/// Forgets the admission of `node`.
///
/// # Errors
/// The file is there but cannot be removed.
pub fn forget(layout: &Layout, node: &str) -> Result<(), Failure> {
    let path = path(layout, node);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::environment(
            format!("removing {}: {error}", path.display()),
            "remove it by hand".into(),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn admissions_are_kept_replaced_and_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path().into());
        assert!(all(&layout).unwrap().is_empty());
        let beta = Admission {
            node: "beta".into(),
            addresses: "192.0.2.12".into(),
            token: "0102".into(),
            issued: 1,
            expires: 2,
            added: true,
        };
        let alpha = Admission {
            node: "alpha".into(),
            ..beta.clone()
        };
        keep(&layout, &beta).unwrap();
        keep(&layout, &alpha).unwrap();
        let later = Admission {
            expires: 3,
            ..beta.clone()
        };
        keep(&layout, &later).unwrap();
        assert_eq!(all(&layout).unwrap(), [alpha, later.clone()]);
        assert_eq!(find(&layout, "beta").unwrap(), Some(later));
        let mode = fs::metadata(path(&layout, "beta"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o600);
        forget(&layout, "beta").unwrap();
        forget(&layout, "beta").unwrap();
        assert_eq!(find(&layout, "beta").unwrap(), None);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path().into());
        fs::create_dir_all(dir(&layout)).unwrap();
        fs::write(path(&layout, "beta"), "node = 1\n").unwrap();
        let failure = all(&layout).unwrap_err();
        assert!(format!("{failure:?}").contains("admitted/beta.toml"));
    }
}
