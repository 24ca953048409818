//! What a run owns: one directory, and the processes it starts. None of them
//! outlives it, even when hapkg is killed by SIGKILL.
//!
//! All processes are in one process group, whose leader only sleeps, so that
//! the group's number cannot be given away. A reaper outside of the group
//! waits for the end of a pipe that only this process holds: then it kills the
//! group and removes the directory.

#![allow(
    clippy::incompatible_msrv,
    reason = "file locks; only the packager is built from this, by a current rustc"
)]

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, geteuid};

use crate::atomic;
use crate::chroot::lock_file;
use crate::vm::Error;

/// `$1` is the group, `$2` the directory.
const REAPER: &str = r#"read -r _
kill -s KILL -- "-$1"
rm -rf -- "$2" "$2.lock""#;

/// A run's directory and processes. Dropped, both are gone.
#[derive(Debug)]
pub struct Owner {
    dir: PathBuf,
    leader: Child,
    reaper: Child,
    // Tells other runs that this one is alive.
    _alive: File,
}

impl Owner {
    /// A fresh directory below `$TMPDIR`, or /var/tmp: its path is short, as
    /// sockets lie in it, and disks need a real filesystem. Takes away what
    /// runs left behind whose reaper was killed too.
    ///
    /// # Errors
    /// `Environment`: the directory cannot be made, or `sh` not started.
    pub fn new() -> Result<Owner, Error> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let set = std::env::var_os("TMPDIR").filter(|value| !value.is_empty());
        let above = set.map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
        let runs = above.join(format!("hapkg-{}", geteuid()));
        atomic::create_dir_all(&runs, 0o700).map_err(|e| Error::Environment(e.to_string()))?;
        // Nobody sweeps between the making of a lock file and its locking.
        let turn = lock_file(&runs.join("turn"))?;
        turn.lock().map_err(|e| Error::io("locking", &runs, &e))?;
        sweep(&runs)?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = runs.join(format!("{}-{number}", std::process::id()));
        let path = lock_name(&dir);
        let alive = lock_file(&path)?;
        alive.lock().map_err(|e| Error::io("locking", &path, &e))?;
        fs::create_dir(&dir).map_err(|e| Error::io("making", &dir, &e))?;
        let mut leader = quiet("sleep")
            .arg("infinity")
            .process_group(0)
            .spawn()
            .map_err(|e| Error::program("sleep", &e))?;
        let reaper = quiet("sh")
            .args(["-c", REAPER, "sh", &leader.id().to_string()])
            .arg(&dir)
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn();
        match reaper {
            Ok(reaper) => Ok(Owner {
                dir,
                leader,
                reaper,
                _alive: alive,
            }),
            Err(error) => {
                let _ = leader.kill();
                let _ = leader.wait();
                let _ = fs::remove_dir(&dir);
                let _ = fs::remove_file(&path);
                Err(Error::program("sh", &error))
            }
        }
    }

    /// The run's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A directory in it, made where needed.
    ///
    /// # Errors
    /// `Environment`: the disk refused.
    pub fn subdir(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.dir.join(name);
        fs::create_dir_all(&path).map_err(|e| Error::io("making", &path, &e))?;
        Ok(path)
    }

    /// Starts a program that ends with this run at the latest.
    ///
    /// # Errors
    /// `Environment`: it cannot be started.
    pub fn spawn(&self, command: &mut Command) -> Result<Child, Error> {
        let name = command.get_program().to_string_lossy().into_owned();
        command
            .process_group(self.group().as_raw())
            .spawn()
            .map_err(|e| Error::program(&name, &e))
    }

    fn group(&self) -> Pid {
        // A process's number is a positive i32 on Linux.
        Pid::from_raw(self.leader.id().cast_signed())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        drop(self.reaper.stdin.take());
        let _ = self.reaper.wait();
        // Nothing is left of this, unless somebody killed the reaper.
        let _ = killpg(self.group(), Signal::SIGKILL);
        let _ = self.leader.wait();
        let _ = fs::remove_dir_all(&self.dir);
        let _ = fs::remove_file(lock_name(&self.dir));
    }
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn lock_name(dir: &Path) -> PathBuf {
    dir.with_extension("lock")
}

/// Takes away directories whose process is gone.
fn sweep(runs: &Path) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::io("reading", runs, &e);
    for entry in fs::read_dir(runs).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        let Ok(lock) = File::options().write(true).open(&path) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            // Its reaper may be at the same work.
            let _ = fs::remove_dir_all(path.with_extension(""));
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use nix::sys::signal::kill;
    use nix::unistd::Pid;

    use super::{Owner, lock_name, sweep};

    /// The reaper alone does it: a killed run drops nothing.
    #[test]
    fn a_run_whose_pipe_ends_leaves_no_process_and_no_directory() {
        let mut owner = Owner::new().unwrap();
        let dir = owner.dir().to_path_buf();
        fs::write(owner.subdir("node").unwrap().join("disk"), "x").unwrap();
        let mut child = owner
            .spawn(Command::new("sh").args(["-c", "sleep 1000 & wait"]))
            .unwrap();
        let leader = Pid::from_raw(i32::try_from(owner.leader.id()).unwrap());
        assert!(kill(leader, None).is_ok());
        drop(owner.reaper.stdin.take());
        assert!(owner.reaper.wait().unwrap().success());
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!owner.leader.wait().unwrap().success());
        assert!(kill(leader, None).is_err());
        assert!(!dir.exists());
        assert!(!lock_name(&dir).exists());
    }

    #[test]
    fn a_dropped_run_leaves_nothing_even_without_its_reaper() {
        let mut owner = Owner::new().unwrap();
        let dir = owner.dir().to_path_buf();
        let mut child = owner.spawn(Command::new("sleep").arg("1000")).unwrap();
        owner.reaper.kill().unwrap();
        drop(owner);
        assert!(!child.wait().unwrap().success());
        assert!(!dir.exists());
        assert!(!lock_name(&dir).exists());
    }

    #[test]
    fn a_sweep_spares_the_living() {
        let runs = tempfile::tempdir().unwrap();
        for name in ["1-0", "2-0"] {
            fs::create_dir(runs.path().join(name)).unwrap();
        }
        let held = super::lock_file(&runs.path().join("1-0.lock")).unwrap();
        held.lock().unwrap();
        super::lock_file(&runs.path().join("2-0.lock")).unwrap();
        sweep(runs.path()).unwrap();
        assert!(runs.path().join("1-0").exists());
        assert!(!runs.path().join("2-0").exists());
        assert!(!runs.path().join("2-0.lock").exists());
    }
}
