//! The files of this host as they were before it joined, so that a failed or
//! interrupted join leaves no trace.
//!
//! `/var/lib/ubuntu-ha/joining` holds copies `0`, `1`, … and, written last, the
//! list `files`: a line `MODE PATH` for each, or `absent PATH`.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::atomic;
use crate::node::key::STATE_MODE;
use crate::node::layout::{Layout, reading};
use crate::node::problem::Failure;

const LIST: &str = "files";

/// Copies of files; nothing of them is gone until [`Before::discard`].
#[derive(Debug)]
pub struct Before {
    dir: PathBuf,
    root: PathBuf,
}

impl Before {
    fn at(layout: &Layout) -> Self {
        Self {
            dir: layout.state().join("joining"),
            root: layout.root().to_path_buf(),
        }
    }

    /// Copies `paths`, or notes that they are absent.
    ///
    /// # Errors
    /// One cannot be read, or its copy cannot be written.
    pub fn save(layout: &Layout, paths: &[PathBuf]) -> Result<Self, Failure> {
        let before = Self::at(layout);
        before.discard()?;
        atomic::create_dir_all(&before.dir, STATE_MODE)?;
        let mut list = String::new();
        for (number, path) in paths.iter().enumerate() {
            let place = path.strip_prefix(&before.root).unwrap_or(path).display();
            match fs::read(path) {
                Ok(data) => {
                    let mode = fs::metadata(path).map_err(|e| reading(path, &e))?;
                    let mode = mode.permissions().mode() & 0o7777;
                    atomic::write(&before.dir.join(number.to_string()), &data, 0o600)?;
                    list.push_str(&format!("{mode:o} {place}\n"));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    list.push_str(&format!("absent {place}\n"));
                }
                Err(error) => return Err(reading(path, &error)),
            }
        }
        atomic::write(&before.dir.join(LIST), list.as_bytes(), 0o600)?;
        Ok(before)
    }

    /// Puts back what an interrupted join left; whether there was one.
    ///
    /// # Errors
    /// A file cannot be put back.
    pub fn restore_interrupted(layout: &Layout) -> Result<bool, Failure> {
        let before = Self::at(layout);
        if !before.dir.join(LIST).exists() {
            before.discard()?;
            return Ok(false);
        }
        before.restore()?;
        Ok(true)
    }

    /// Puts everything back, then forgets the copies.
    ///
    /// # Errors
    /// A file cannot be put back; the copies stay.
    pub fn restore(&self) -> Result<(), Failure> {
        let path = self.dir.join(LIST);
        let list = fs::read_to_string(&path).map_err(|e| reading(&path, &e))?;
        for (number, line) in list.lines().enumerate() {
            let (mode, place) = line.split_once(' ').unwrap_or_default();
            let target = self.root.join(place);
            if mode == "absent" {
                remove(&target)?;
                continue;
            }
            let copy = self.dir.join(number.to_string());
            let data = fs::read(&copy).map_err(|e| reading(&copy, &e))?;
            let mode = u32::from_str_radix(mode, 8).unwrap_or(0o600);
            if fs::read(&target).is_ok_and(|present| present == data) {
                continue;
            }
            atomic::replace(&target, &data, mode)?;
        }
        self.discard()
    }

    /// Forgets the copies: the list first, so that half of them are never put
    /// back.
    ///
    /// # Errors
    /// They cannot be removed.
    pub fn discard(&self) -> Result<(), Failure> {
        remove(&self.dir.join(LIST))?;
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(removing(&self.dir, &error))
            }
            _ => Ok(()),
        }
    }
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(removing(path, &error)),
        _ => Ok(()),
    }
}

fn removing(path: &Path, error: &io::Error) -> Failure {
    Failure::environment(
        format!("removing {}: {error}", path.display()),
        "remove it by hand".into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_back_with_its_mode_and_what_was_absent_goes() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path().into());
        let paths = ["there", "secret", "absent"].map(|name| layout.path(name));
        atomic::write(&paths[0], b"old \xff", 0o640).unwrap();
        atomic::write(&paths[1], b"", 0o600).unwrap();
        let before = Before::save(&layout, &paths).unwrap();
        fs::write(&paths[0], "new").unwrap();
        fs::remove_file(&paths[1]).unwrap();
        fs::write(&paths[2], "new").unwrap();
        before.restore().unwrap();
        assert_eq!(fs::read(&paths[0]).unwrap(), b"old \xff");
        assert_eq!(fs::read(&paths[1]).unwrap(), b"");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&paths[0]), mode(&paths[1])), (0o640, 0o600));
        assert!(!paths[2].exists());
        assert!(!layout.state().join("joining").exists());
        assert!(!Before::restore_interrupted(&layout).unwrap());
    }

    #[test]
    fn only_complete_copies_are_put_back() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path().into());
        let path = layout.path("there");
        fs::write(&path, "old").unwrap();
        Before::save(&layout, std::slice::from_ref(&path)).unwrap();
        fs::write(&path, "new").unwrap();
        assert!(Before::restore_interrupted(&layout).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let before = Before::save(&layout, std::slice::from_ref(&path)).unwrap();
        fs::remove_file(before.dir.join(LIST)).unwrap();
        fs::write(&path, "new").unwrap();
        assert!(!Before::restore_interrupted(&layout).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}
