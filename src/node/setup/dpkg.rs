//! Waiting until the package manager has come to its end: a half-configured
//! role, or one that is about to be installed, is no role to form a cluster
//! with.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::node::host::Host;
use crate::node::layout::reading;
use crate::node::problem::Failure;

/// Locks of apt and dpkg, by fcntl(2).
const LOCKS: [&str; 2] = ["var/lib/dpkg/lock-frontend", "var/lib/dpkg/lock"];

/// How long an installation may take.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Waits until nobody installs packages and none of ours is half done.
///
/// # Errors
/// That did not come within an hour.
pub fn wait(host: &Host) -> Result<(), Failure> {
    let end = Instant::now() + PATIENCE;
    let mut said = None;
    while let Some(reason) = busy(host)? {
        if Instant::now() >= end {
            return Err(Failure::environment(
                format!("{reason}, for an hour now"),
                "finish that by `dpkg --configure -a`, then run `systemctl restart \
                 ubuntu-ha-setup`"
                    .into(),
            ));
        }
        if said.as_ref() != Some(&reason) {
            eprintln!("ubuntu-ha: waiting, because {reason}");
            said = Some(reason);
        }
        host.pause();
    }
    Ok(())
}

/// Why one has to wait; `None`: one has not.
fn busy(host: &Host) -> Result<Option<String>, Failure> {
    for lock in LOCKS {
        let path = host.layout.path(lock);
        if let Some(holder) = holder(&path)? {
            return Ok(Some(format!(
                "process {holder} is installing packages ({})",
                path.display()
            )));
        }
    }
    let path = host.layout.path("var/lib/dpkg/status");
    let status = match fs::read_to_string(&path) {
        Ok(status) => status,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(reading(&path, &error)),
    };
    Ok(unfinished(&status).map(|(package, state)| format!("{package} is {state}")))
}

/// The process that holds the lock on a file.
fn holder(path: &Path) -> Result<Option<i32>, Failure> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(reading(path, &error)),
    };
    let mut lock = libc::flock {
        l_type: lock_type(libc::F_WRLCK),
        l_whence: lock_type(libc::SEEK_SET),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file.as_fd(), FcntlArg::F_GETLK(&mut lock))
        .map_err(|errno| reading(path, &errno.into()))?;
    Ok((lock.l_type != lock_type(libc::F_UNLCK)).then_some(lock.l_pid))
}

fn lock_type(number: libc::c_int) -> libc::c_short {
    libc::c_short::try_from(number).unwrap_or_default()
}

/// One of our packages that is neither installed nor absent, and its state
/// (dpkg(1), "Package states").
fn unfinished(status: &str) -> Option<(&str, &str)> {
    status.split("\n\n").find_map(|paragraph| {
        let field = |name: &str| {
            let mut lines = paragraph.lines().filter_map(|line| line.split_once(": "));
            lines.find_map(|(key, value)| (key == name).then_some(value))
        };
        let package = field("Package").filter(|name| name.starts_with("ubuntu-ha-"))?;
        let state = field("Status")?.split_whitespace().next_back()?;
        let done = ["installed", "not-installed", "config-files"].contains(&state);
        (!done).then_some((package, state))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Package: bash\nStatus: install ok half-configured\n\n\
        Package: ubuntu-ha-node\nStatus: install ok installed\nDescription: x\n Status: y half\n\n\
        Package: ubuntu-ha-vip\nStatus: deinstall ok config-files\n";

    #[test]
    fn only_our_own_packages_count() {
        assert_eq!(unfinished(STATUS), None);
        assert_eq!(unfinished(""), None);
        for state in [
            "half-configured",
            "unpacked",
            "half-installed",
            "triggers-pending",
        ] {
            let status = STATUS.replace("ok installed", &format!("ok {state}"));
            assert_eq!(unfinished(&status), Some(("ubuntu-ha-node", state)));
        }
    }

    #[test]
    fn a_file_that_nobody_locks_has_no_holder() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("lock");
        assert_eq!(holder(&path).unwrap(), None);
        fs::write(&path, "").unwrap();
        assert_eq!(holder(&path).unwrap(), None);
    }
}
