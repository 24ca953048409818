//! Files that are either the old one or the new one, whatever happens:
//! written beside the target, flushed to disk, renamed over it.

use std::fmt;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// What could not be written, and why.
#[derive(Debug)]
pub struct Error {
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room first",
            io::ErrorKind::PermissionDenied => "; are you allowed to write there?",
            io::ErrorKind::ReadOnlyFilesystem => "; mount the filesystem writable first",
            _ => "",
        };
        write!(
            f,
            "writing {}: {}{remedy}",
            self.path.display(),
            self.source
        )
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// Puts `data` at `path` with exactly `mode`, whatever the umask. The parent
/// directory must exist. On an error the target is what it was and nothing is
/// left beside it.
pub fn write(path: &Path, data: &[u8], mode: u32) -> Result<(), Error> {
    put(path, data, mode, None).map_err(|source| at(path, source))
}

/// Like [`write`], but an existing file keeps its own mode and owner, and a
/// symbolic link stays one: the file it leads to is replaced.
pub fn replace(path: &Path, data: &[u8], mode: u32) -> Result<(), Error> {
    let done = match fs::metadata(path) {
        Ok(old) => fs::canonicalize(path).and_then(|real| {
            let mode = old.permissions().mode() & 0o7777;
            put(&real, data, mode, Some(&old))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => put(path, data, mode, None),
        Err(error) => Err(error),
    };
    done.map_err(|source| at(path, source))
}

/// Puts the complete file `from` at `to`, in the same directory or at least on
/// the same filesystem.
pub fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    let done = fs::rename(from, to).and_then(|()| sync_parent(to));
    done.map_err(|source| at(to, source))
}

/// Makes `path` and its missing parents with exactly `mode`; what exists stays
/// as it is.
pub fn create_dir_all(path: &Path, mode: u32) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    // The parent of a single relative name is the empty path.
    if let Some(parent) = path.parent().filter(|one| !one.as_os_str().is_empty()) {
        create_dir_all(parent, mode)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
        Err(_) if path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(|source| at(path, source))
}

/// A name beside `path` that no other process or thread uses.
pub fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.{}-{serial}.new", std::process::id()))
}

fn at(path: &Path, source: io::Error) -> Error {
    Error {
        path: path.to_path_buf(),
        source,
    }
}

fn put(path: &Path, data: &[u8], mode: u32, like: Option<&Metadata>) -> io::Result<()> {
    let temp = temporary(path);
    let done = fill(&temp, data, mode, like).and_then(|()| fs::rename(&temp, path));
    if let Err(error) = done {
        let _ = fs::remove_file(&temp);
        return Err(error);
    }
    sync_parent(path)
}

fn fill(temp: &Path, data: &[u8], mode: u32, like: Option<&Metadata>) -> io::Result<()> {
    // 0600 until complete: a secret is never readable, not even for a moment.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temp)?;
    file.write_all(data)?;
    if let Some(old) = like {
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
    }
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn writes_with_the_mode_asked_for_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write(&path, b"one", 0o666).unwrap();
        assert_eq!(mode(&path), 0o666);
        write(&path, b"two", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(names(dir.path()), ["a"]);
    }

    #[test]
    fn a_failed_rename_leaves_the_target_and_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::create_dir_all(path.join("full")).unwrap();
        let error = write(&path, b"one", 0o644).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()));
        assert_eq!(names(dir.path()), ["a"]);
    }

    #[test]
    fn replace_keeps_the_mode_and_follows_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        write(&real, b"one", 0o640).unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        replace(&link, b"two", 0o644).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"two");
        assert_eq!(mode(&real), 0o640);
        assert_eq!(names(dir.path()), ["link", "real"]);
    }

    #[test]
    fn directories_get_the_mode_and_existing_ones_keep_theirs() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        create_dir_all(&deep, 0o700).unwrap();
        assert_eq!(mode(&deep), 0o700);
        create_dir_all(&deep.join("c"), 0o755).unwrap();
        assert_eq!(mode(&deep), 0o700);
        assert_eq!(mode(&deep.join("c")), 0o755);
    }
}
