//! Why something with a virtual machine did not work.

use std::fmt;
use std::io;
use std::path::Path;

use crate::chroot;

/// Whose fault a failure is. Only [`Error::Environment`] says nothing about
/// what was tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// A tool, the disk, the network or QEMU itself failed; says what to do.
    Environment(String),
    /// The guest refused or failed.
    Guest(String),
    /// The guest did not do it in time.
    Timeout(String),
    /// The machine has no power, lost it, or booted anew meanwhile.
    Off(String),
}

impl Error {
    /// An I/O error with what was being done: `writing`, and the path.
    pub fn io(action: &str, path: &Path, error: &io::Error) -> Self {
        Self::Environment(format!("{action} {}: {error}", path.display()))
    }

    /// An error of starting or talking to a program of the host.
    pub fn program(name: &str, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "; `cargo xtask setup` installs what is needed",
            _ => "",
        };
        Self::Environment(format!("running {name}: {error}{remedy}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(text) | Self::Guest(text) | Self::Timeout(text) | Self::Off(text) => {
                f.write_str(text)
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<chroot::Error> for Error {
    fn from(error: chroot::Error) -> Self {
        match error {
            chroot::Error::Environment(text) => Self::Environment(text),
            chroot::Error::Failed(text) => Self::Guest(text),
        }
    }
}
