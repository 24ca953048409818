//! What this program has put on disks, kept below `/var/lib/ubuntu-ha`: a
//! device that was begun is known again, and one that is ready is left alone.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::host::Host;
use super::super::layout::reading;
use super::super::problem::Failure;
use super::device::Device;
use crate::atomic;

/// How far an item has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The device was blank, and the first change was about to be made.
    Begun,
    /// It carries what it shall carry.
    Made,
    /// Nothing is left to do for the whole item on this node.
    Ready,
}

/// One item, such as `drbd-data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub stage: Stage,
    pub device: String,
    /// In bytes: a replaced disk is another one.
    pub size: u64,
    /// Of what was made, as libblkid tells it; empty until then.
    #[serde(default)]
    pub uuid: String,
}

impl Record {
    pub fn of(device: &Device, stage: Stage) -> Self {
        Self {
            stage,
            device: device.asked.clone(),
            size: device.size,
            uuid: String::new(),
        }
    }

    pub fn is_of(&self, device: &Device) -> bool {
        self.device == device.asked && self.size == device.size
    }

    /// # Errors
    /// The file cannot be read, or was damaged.
    pub fn load(host: &Host, item: &str) -> Result<Option<Self>, Failure> {
        let path = file(host, item);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(reading(&path, &error)),
            Ok(text) => text,
        };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            Failure::environment(
                format!("{}: {error}", path.display()),
                "remove the file; what is on the disk is then looked at anew".into(),
            )
        })
    }

    /// # Errors
    /// The file cannot be written; it is then as it was.
    pub fn save(&self, host: &Host, item: &str) -> Result<(), Failure> {
        let path = file(host, item);
        atomic::create_dir_all(&host.layout.state(), 0o700)?;
        atomic::create_dir_all(&host.layout.state().join("storage"), 0o700)?;
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        Ok(atomic::write(&path, text.as_bytes(), 0o600)?)
    }

    /// # Errors
    /// The file cannot be removed.
    pub fn forget(host: &Host, item: &str) -> Result<(), Failure> {
        let path = file(host, item);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(reading(&path, &error)),
            _ => Ok(()),
        }
    }
}

fn file(host: &Host, item: &str) -> PathBuf {
    host.layout
        .state()
        .join("storage")
        .join(format!("{item}.json"))
}
