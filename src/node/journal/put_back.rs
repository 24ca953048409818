//! Putting everything back. Safe to stop and to repeat at any place, and on a
//! disk that is full: what was kept is moved, not copied.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::record::Record;
use super::{Journal, kept, sweep, writing};
use crate::atomic;
use crate::node::layout::{entries, reading};
use crate::node::problem::Failure;

impl Journal<'_> {
    /// Puts back every file, and removes what was not there; what was done is
    /// returned, one line each. The transaction is still open: the daemons may
    /// have to follow before [`Journal::forget`].
    ///
    /// # Errors
    /// A file cannot be put back; the journal stays, and it can be tried again.
    pub fn put_back(&mut self) -> Result<Vec<String>, Failure> {
        self.undo()?;
        let mut told = Vec::new();
        let root = self.host.layout.root().to_path_buf();
        let shown = |path: &str| match Path::new(path).strip_prefix(&root) {
            Ok(below) => format!("/{}", below.display()),
            Err(_) => path.to_string(),
        };
        for path in self.paths(|record| match record {
            Record::Staged { path } => Some(path),
            _ => None,
        }) {
            remove_staged(&path)?;
        }
        let records = self.records.clone();
        for record in records.iter().rev() {
            match record {
                Record::Kept {
                    number,
                    path,
                    mode,
                    uid,
                    gid,
                } => {
                    let before = Before {
                        path: Path::new(path),
                        kept: kept(self.host, *number),
                        mode: *mode,
                        owner: (*uid, *gid),
                    };
                    if before.differs()? {
                        self.point(&format!("putting back {}", shown(path)));
                        before.restore()?;
                        told.push(format!("put back {}", shown(path)));
                    }
                }
                Record::Absent { path } if fs::symlink_metadata(path).is_ok() => {
                    self.point(&format!("removing {}", shown(path)));
                    fs::remove_file(path).map_err(|e| writing(Path::new(path), &e))?;
                    told.push(format!("removed {}", shown(path)));
                }
                Record::Made { path } => {
                    // Not empty: something else lies there by now, and stays.
                    let _ = fs::remove_dir(path);
                }
                _ => {}
            }
        }
        Ok(told)
    }

    /// Forgets a transaction that was put back.
    ///
    /// # Errors
    /// The journal cannot be removed.
    pub fn forget(self) -> Result<(), Failure> {
        sweep(self.host)
    }
}

/// A file as it was.
struct Before<'a> {
    path: &'a Path,
    kept: PathBuf,
    mode: u32,
    owner: (u32, u32),
}

impl Before<'_> {
    fn differs(&self) -> Result<bool, Failure> {
        if !self.kept.exists() {
            // Moved back by an earlier try.
            return Ok(false);
        }
        let meta = match fs::metadata(self.path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(reading(self.path, &error)),
        };
        let same = meta.permissions().mode() & 0o7777 == self.mode
            && (meta.uid(), meta.gid()) == self.owner
            && read(self.path)? == read(&self.kept)?;
        Ok(!same)
    }

    fn restore(&self) -> Result<(), Failure> {
        let failed = |error: io::Error| writing(self.path, &error);
        let meta = fs::metadata(&self.kept).map_err(|e| reading(&self.kept, &e))?;
        if (meta.uid(), meta.gid()) != self.owner {
            chown(&self.kept, Some(self.owner.0), Some(self.owner.1)).map_err(failed)?;
        }
        fs::set_permissions(&self.kept, Permissions::from_mode(self.mode)).map_err(failed)?;
        if atomic::rename(&self.kept, self.path).is_ok() {
            return Ok(());
        }
        // Another filesystem.
        let data = read(&self.kept)?;
        atomic::write(self.path, &data, self.mode)?;
        chown(self.path, Some(self.owner.0), Some(self.owner.1)).map_err(failed)
    }
}

/// The staged file, and what a kill during its writing left of it.
fn remove_staged(path: &Path) -> Result<(), Failure> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let name = name.to_string_lossy();
    let torn = format!(".{name}.");
    for entry in entries(dir)? {
        if entry == name || (entry.starts_with(&torn) && entry.ends_with(".new")) {
            let path = dir.join(entry);
            fs::remove_file(&path).map_err(|e| writing(&path, &e))?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|e| reading(path, &e))
}
