//! Many public files put in place together.
//!
//! Flushing a file to disk is waiting, not work, so all of a stage are flushed
//! side by side; a later stage starts when the earlier one is on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::parallel;
use crate::atomic;
use crate::failure::Failure;

/// How many flushes are under way at once.
const FLUSHES: usize = 32;

/// Files of one stage, by path; all get mode 0644.
#[derive(Debug, Default)]
pub struct Batch<'a>(BTreeMap<PathBuf, &'a [u8]>);

impl<'a> Batch<'a> {
    /// Adds a file, in place of an earlier one of that path.
    pub fn add(&mut self, path: PathBuf, data: &'a [u8]) {
        self.0.insert(path, data);
    }

    /// Writes every file that does not hold just that already: all beside
    /// their targets and flushed, then all renamed, then the directories
    /// flushed. On an error no temporary file is left, and each target is the
    /// old file or the new one.
    ///
    /// # Errors
    /// The first file that could not be written.
    pub fn write(self) -> Result<(), Failure> {
        let files: Vec<(PathBuf, PathBuf, &[u8])> = self
            .0
            .into_iter()
            .filter(|(path, data)| !holds(path, data))
            .map(|(path, data)| (atomic::temporary(&path), path, data))
            .collect();
        let dirs: BTreeSet<&Path> = files
            .iter()
            .filter_map(|(_, path, _)| path.parent())
            .collect();
        for dir in &dirs {
            atomic::create_dir_all(dir, 0o755)?;
        }
        let done = parallel(FLUSHES, &files, |(temp, path, data)| {
            fill(temp, data).map_err(|e| failed(path, &e))
        })
        .and_then(|_| {
            files.iter().try_for_each(|(temp, path, _)| {
                fs::rename(temp, path).map_err(|e| failed(path, &e))
            })
        });
        if done.is_err() {
            for (temp, _, _) in &files {
                let _ = fs::remove_file(temp);
            }
            return done;
        }
        let dirs: Vec<&Path> = dirs.into_iter().collect();
        parallel(FLUSHES, &dirs, |dir| {
            File::open(dir)
                .and_then(|open| open.sync_all())
                .map_err(|e| failed(dir, &e))
        })?;
        Ok(())
    }
}

fn holds(path: &Path, data: &[u8]) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.len() == data.len() as u64)
        && fs::read(path).is_ok_and(|present| present == data)
}

fn fill(temp: &Path, data: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(temp)?;
    file.write_all(data)?;
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    file.sync_all()
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room first",
        _ => "",
    };
    Failure::environment(format!("writing {}: {error}{remedy}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_there_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut batch = Batch::default();
        let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        for text in &texts {
            batch.add(
                dir.path().join(format!("d{}/f{text}", text.len())),
                text.as_bytes(),
            );
        }
        batch.write().unwrap();
        for text in &texts {
            let path = dir.path().join(format!("d{}/f{text}", text.len()));
            assert_eq!(fs::read_to_string(&path).unwrap(), *text);
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o644
            );
        }
        assert_eq!(fs::read_dir(dir.path().join("d1")).unwrap().count(), 10);
    }

    #[test]
    fn file_that_holds_it_already_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "same").unwrap();
        let old = fs::metadata(&path).unwrap();
        let mut batch = Batch::default();
        batch.add(path.clone(), b"same");
        batch.write().unwrap();
        use std::os::unix::fs::MetadataExt;
        assert_eq!(fs::metadata(&path).unwrap().ino(), old.ino());
    }

    #[test]
    fn failure_leaves_the_old_files_and_no_temporary_ones() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "old").unwrap();
        fs::create_dir_all(dir.path().join("b/full")).unwrap();
        let mut batch = Batch::default();
        batch.add(dir.path().join("b"), b"new");
        batch.add(dir.path().join("c"), b"new");
        let told = batch.write().unwrap_err();
        assert_eq!(told.exit_code(), 3);
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "old");
        let left: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
}
