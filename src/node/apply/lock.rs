//! One run at a time.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::atomic;
use crate::node::host::Host;
use crate::node::key::STATE_MODE;
use crate::node::problem::Failure;

/// Held while a host is changed; the kernel gives it back when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct Lock {
    _held: Flock<File>,
}

impl Lock {
    /// Takes `/var/lib/ubuntu-ha/lock`, or fails when another process has it.
    /// The same process must not take it twice.
    ///
    /// # Errors
    /// [`Failure::Failed`]: another run is under way. [`Failure::Environment`]:
    /// the file cannot be made.
    pub fn take(host: &Host) -> Result<Self, Failure> {
        let state = host.layout.state();
        atomic::create_dir_all(&state, STATE_MODE)?;
        let path = state.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| {
                Failure::environment(
                    format!("opening {}: {error}", path.display()),
                    "run it as root, on a filesystem that can be written".into(),
                )
            })?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Self { _held: held }),
            Err((_, Errno::EWOULDBLOCK)) => Err(Failure::failed(
                "another ubuntu-ha is changing this host".into(),
                "wait until it has ended, then run the command again".into(),
            )),
            Err((_, error)) => Err(Failure::environment(
                format!("locking {}: {error}", path.display()),
                "look at the file and its filesystem".into(),
            )),
        }
    }
}
