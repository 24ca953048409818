//! The journal of a transaction: what was changed, so that it can be finished
//! or put back after a crash.

use std::path::Path;

use super::host::Host;
use super::problem::Failure;

/// The journal of one `apply` or `join`, kept below `/var/lib/ubuntu-ha/journal`.
#[derive(Debug)]
pub struct Journal<'a> {
    host: &'a Host,
}

impl Journal<'_> {
    /// A place where a test may stop the program as SIGKILL would: when
    /// `UBUNTU_HA_STOP_AT` is `name` on a trial's host. Names every step to
    /// the user and the log too.
    pub fn point(&mut self, name: &str) {
        let _ = (self.host, name);
    }

    /// Keeps the present content, mode and owner of `path`, or that it is
    /// absent, before it is changed; once for each path.
    ///
    /// # Errors
    /// It cannot be read, or the copy cannot be written.
    pub fn keep(&mut self, path: &Path) -> Result<(), Failure> {
        let _ = path;
        Ok(())
    }

    /// Whether the step was finished in an earlier run of this transaction.
    pub fn is_done(&self, step: &str) -> bool {
        let _ = step;
        false
    }

    /// Marks a step as finished, durably.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn done(&mut self, step: &str) -> Result<(), Failure> {
        let _ = step;
        Ok(())
    }
}
