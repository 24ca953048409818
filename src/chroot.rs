//! Clean chroots of a suite: made once by mmdebstrap, kept in the cache, and
//! used through throw-away overlays. Everything that needs root goes through
//! `sudo` where the user is not root.
//!
//! A base is reused for [`BASE_AGE`], then made again from the mirror of the
//! day, or used further where there is no mirror; within that time only its
//! name's hash (suite, packages, mirror, layers' scripts) decides.

mod base;
mod host;
mod mounted;
mod trial;

use std::fmt;
use std::time::Duration;

pub(crate) use base::hash;
pub use base::{Base, base, chosen_mirror};
pub use host::{as_root, cache_dir};
pub(crate) use host::{enough_room, free_space, lock_file, remove_tree};
pub use trial::{Network, Trial};

/// How long a base serves before it is made anew.
pub const BASE_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Why a chroot did not do what it was made for.
#[derive(Debug)]
pub enum Error {
    /// A tool, the mirror, the disk or a privilege is missing: says which,
    /// and what to do about it.
    Environment(String),
    /// A command inside the chroot failed: the command and its last output.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

/// The end of a command's output, for a message.
fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Whether apt's output tells of a mirror that cannot be reached, which is no
/// fault of the package that was to be installed.
fn mirror_failed(output: &str) -> bool {
    [
        "Failed to fetch",
        "Temporary failure resolving",
        "Could not resolve",
        "Could not connect",
        "Hash Sum mismatch",
        "is not valid yet",
        "No space left on device",
    ]
    .iter()
    .any(|sign| output.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::{mirror_failed, tail};

    #[test]
    fn tail_keeps_the_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a\n", 5), "a");
        assert_eq!(tail("", 5), "");
    }

    #[test]
    fn a_dead_mirror_is_told_from_a_missing_package() {
        assert!(mirror_failed(
            "E: Failed to fetch copy:/x/y.deb  Could not resolve 'mirror.example'"
        ));
        assert!(!mirror_failed("E: Unable to locate package clvm"));
    }
}
