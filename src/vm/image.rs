//! Disk images of a suite: kernel, systemd, pacemaker, corosync, fence agents,
//! the driver's root shell, and what else the caller names. No package of
//! ours is in one.
//!
//! `CACHE/images/SUITE-KEY/` holds `disk.raw` (ext4, no partition table),
//! `vmlinuz`, `initrd` where the suite's kernel needs one, and `packages`. The
//! key covers every installed version and every script that ran; an image is
//! never changed, as templates lie on it.

mod build;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use build::build;

use crate::vm::Error;

/// An image that exists. While one is held, nobody prunes it.
#[derive(Debug, Clone)]
pub struct Image {
    /// Code name of its suite.
    pub suite: String,
    /// Hash over all that went into it.
    pub key: String,
    pub(super) dir: PathBuf,
    _held: Arc<File>,
}

impl Image {
    /// Its name in the cache.
    pub fn name(&self) -> String {
        name(&self.suite, &self.key)
    }

    /// When its disk was made, seconds since 1970 with nine decimals.
    ///
    /// # Errors
    /// `Environment`: the disk is not there.
    pub fn made(&self) -> Result<String, Error> {
        let path = self.disk();
        let data = path
            .metadata()
            .map_err(|e| Error::io("reading", &path, &e))?;
        Ok(format!("{}.{:09}", data.mtime(), data.mtime_nsec()))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The root filesystem: raw, read-only by agreement.
    pub fn disk(&self) -> PathBuf {
        self.dir.join("disk.raw")
    }

    /// The kernel, for direct boot.
    pub fn kernel(&self) -> PathBuf {
        self.dir.join("vmlinuz")
    }

    /// The initrd, where the kernel has not built in what finds the disk.
    pub fn initrd(&self) -> Option<PathBuf> {
        let path = self.dir.join("initrd");
        path.is_file().then_some(path)
    }
}

fn name(suite: &str, key: &str) -> String {
    format!("{suite}-{key}")
}

#[cfg(test)]
impl Image {
    /// One that exists nowhere.
    pub(super) fn fake() -> Image {
        Image {
            suite: "noble".into(),
            key: "0".into(),
            dir: "/nowhere".into(),
            _held: Arc::new(tempfile::tempfile().unwrap()),
        }
    }
}
