//! The cache of images: who uses which, and what may go.

#![allow(
    clippy::incompatible_msrv,
    reason = "file locks; only the packager is built from this, by a current rustc"
)]

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Image;
use crate::chroot::{cache_dir, remove_tree};
use crate::vm::Error;

/// An image in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Code name of its suite.
    pub suite: String,
    pub key: String,
    /// Bytes on the disk.
    pub size: u64,
    /// Since it was last taken.
    pub unused: Duration,
    /// Held by a process right now.
    pub in_use: bool,
    dir: PathBuf,
}

/// The directory of all images, made where needed.
pub fn images() -> Result<PathBuf, Error> {
    let dir = cache_dir()?.join("images");
    fs::create_dir_all(&dir).map_err(|e| Error::io("making", &dir, &e))?;
    Ok(dir)
}

/// Waits until nobody else makes `dir`; held as long as the file is.
pub fn locked(dir: &Path) -> Result<File, Error> {
    let path = dir.with_extension("lock");
    let file = open(&path)?;
    file.lock().map_err(|e| Error::io("locking", &path, &e))?;
    Ok(file)
}

/// The finished image in `dir`, marked as used now.
pub fn hold(suite: &str, key: &str, dir: &Path) -> Result<Image, Error> {
    let path = dir.with_extension("use");
    let file = open(&path)?;
    file.lock_shared()
        .and_then(|()| file.set_modified(SystemTime::now()))
        .map_err(|e| Error::io("locking", &path, &e))?;
    Ok(Image {
        suite: suite.into(),
        key: key.into(),
        dir: dir.into(),
        _held: Arc::new(file),
    })
}

fn open(path: &Path) -> Result<File, Error> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|e| Error::io("opening", path, &e))
}

/// Every image in the cache, by suite, the least recently used last.
///
/// # Errors
/// `Environment`: the cache cannot be read.
pub fn list() -> Result<Vec<Stored>, Error> {
    list_in(&images()?)
}

fn list_in(images: &Path) -> Result<Vec<Stored>, Error> {
    let failed = |e: std::io::Error| Error::io("reading", images, &e);
    let mut found = Vec::new();
    for entry in fs::read_dir(images).map_err(failed)? {
        let dir = entry.map_err(failed)?.path();
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        let Some((suite, key)) = name.rsplit_once('-') else {
            continue;
        };
        if !dir.is_dir() || key.contains('.') {
            continue;
        }
        let (suite, key) = (suite.to_owned(), key.to_owned());
        let mark = open(&dir.with_extension("use"))?;
        let used = mark.metadata().and_then(|data| data.modified());
        found.push(Stored {
            suite,
            key,
            size: size(&dir),
            unused: used
                .ok()
                .and_then(|used| used.elapsed().ok())
                .unwrap_or_default(),
            in_use: mark.try_lock().is_err(),
            dir,
        });
    }
    found.sort_by(|a, b| (&a.suite, a.unused).cmp(&(&b.suite, b.unused)));
    Ok(found)
}

/// Removes the images that no process uses and nobody took for `age`, and what
/// killed runs left behind; what was removed.
///
/// # Errors
/// `Environment`: the cache cannot be read or written.
pub fn prune(age: Duration) -> Result<Vec<Stored>, Error> {
    let images = images()?;
    let mut gone = Vec::new();
    for stored in list_in(&images)? {
        let turn = open(&stored.dir.with_extension("lock"))?;
        let mark = open(&stored.dir.with_extension("use"))?;
        if stored.unused < age || turn.try_lock().is_err() || mark.try_lock().is_err() {
            continue;
        }
        remove_tree(&stored.dir)?;
        let _ = fs::remove_file(stored.dir.with_extension("use"));
        gone.push(stored);
    }
    let failed = |e: std::io::Error| Error::io("reading", &images, &e);
    for entry in fs::read_dir(&images).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let partial = path.extension().is_some_and(|end| end == "partial");
        if partial && open(&path.with_extension("lock"))?.try_lock().is_ok() {
            remove_tree(&path)?;
        }
    }
    Ok(gone)
}

fn size(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    entries
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .map(|data| data.blocks() * 512)
        .sum()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::{hold, list_in};

    #[test]
    fn half_images_are_no_images_and_held_ones_are_in_use() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["noble-11", "noble-22", "noble-33.partial"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("noble-11/disk.raw"), [7; 9000]).unwrap();
        let held = hold("noble", "22", &dir.path().join("noble-22")).unwrap();
        let found = list_in(dir.path()).unwrap();
        let seen: Vec<_> = found
            .iter()
            .map(|one| (one.key.as_str(), one.in_use, one.size > 8000))
            .collect();
        assert_eq!(seen.len(), 2);
        assert!(seen.contains(&("11", false, true)));
        assert!(seen.contains(&("22", true, false)));
        drop(held);
        // A child that another test forks shares the lock until its exec.
        let free = || list_in(dir.path()).unwrap().iter().all(|one| !one.in_use);
        let end = Instant::now() + Duration::from_secs(20);
        while !free() && Instant::now() < end {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(free());
    }
}
