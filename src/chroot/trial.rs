//! Trials: one throw-away overlay on a base.

#![allow(
    clippy::incompatible_msrv,
    reason = "file locks; only the packager is built from this, by a current rustc"
)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::base::Base;
use super::host::{cache_dir, finish, lock_file, make_dir, remove_tree, started};
use super::mounted::Mounted;
use super::{Error, tail};

/// Whether a command inside reaches the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    On,
    /// A network namespace of its own, without even a loopback device up.
    Off,
}

/// A throw-away system. Dropped, it is gone, with every process in it.
#[derive(Debug)]
pub struct Trial {
    dir: PathBuf,
    root: PathBuf,
    mounted: Mounted,
    _base: Base,
    // Tells other runs that this one is alive.
    _alive: File,
}

impl Trial {
    /// A fresh overlay on `base`. Takes away what killed runs left behind.
    ///
    /// # Errors
    /// `Environment`: no root, no sudo, or no overlayfs.
    pub fn new(base: &Base) -> Result<Trial, Error> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let trials = cache_dir()?.join("trials");
        make_dir(&trials)?;
        // Nobody sweeps between the making of a lock file and its locking.
        let turn = lock_file(&trials.join("turn"))?;
        let locking = |e| Error::Environment(format!("locking in {}: {e}", trials.display()));
        turn.lock().map_err(locking)?;
        sweep(&trials)?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = trials.join(format!("{}-{number}", std::process::id()));
        let alive = lock_file(&dir.with_extension("lock"))?;
        alive.lock().map_err(locking)?;
        let root = dir.join("root");
        for name in ["upper", "work", "root"] {
            make_dir(&dir.join(name))?;
        }
        Ok(Trial {
            mounted: Mounted::new(base.layers(), &dir, &root)?,
            dir,
            root,
            _base: base.clone(),
            _alive: alive,
        })
    }

    /// Runs a POSIX shell script of the host, as root, that sees the system at
    /// `$1`; `$2`… are `args`. No other process of the host sees it there.
    ///
    /// # Errors
    /// `Environment` with what `what` is and the script's last output.
    pub fn host_script(&self, what: &str, script: &str, args: &[&Path]) -> Result<(), Error> {
        let mut all = vec![self.root.as_path()];
        all.extend(args);
        self.mounted.script(what, script, &all)
    }

    /// A command inside, as root, with a clean environment and all its
    /// processes ending with it. The caller attaches the streams.
    pub fn command(&self, network: Network, argv: &[&str]) -> Command {
        let mut command = self.mounted.command(network);
        command.args(argv);
        command
    }

    /// Runs a command inside, with the network and without input.
    ///
    /// # Errors
    /// `Environment` where it cannot be started; a non-zero status is the
    /// caller's to judge.
    pub fn run(&self, argv: &[&str]) -> Result<Output, Error> {
        finish(
            self.command(Network::On, argv).stdin(Stdio::null()),
            "unshare",
        )
    }

    /// As [`Trial::run`], without the network and with `input` on stdin.
    ///
    /// # Errors
    /// As [`Trial::run`].
    pub fn feed(&self, argv: &[&str], input: &[u8]) -> Result<Output, Error> {
        let mut child = self
            .command(Network::Off, argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| started("unshare", &e))?;
        let mut stdin = child.stdin.take();
        std::thread::scope(|scope| {
            // Its own thread: a full pipe on either side must not block both.
            scope.spawn(move || stdin.take().map(|mut pipe| pipe.write_all(input)));
            child.wait_with_output()
        })
        .map_err(|e| started("unshare", &e))
    }

    /// Shows a directory of the host inside, read-only.
    ///
    /// # Errors
    /// `Environment`: the mount failed.
    pub fn bind(&self, source: &Path, target: &str) -> Result<(), Error> {
        let target = self.root.join(target.trim_start_matches('/'));
        self.mounted.bind(source, &target)
    }

    /// Writes a file inside, owned by root.
    ///
    /// # Errors
    /// `Failed` where the file cannot be written.
    pub fn write(&self, path: &str, data: &[u8], mode: &str) -> Result<(), Error> {
        let script = "mkdir -p \"$(dirname \"$1\")\"; cat >\"$1\"; chmod \"$2\" \"$1\"";
        let output = self.feed(&["sh", "-euc", script, "sh", path, mode], data)?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Failed(format!(
            "writing {path} in the chroot: {}",
            tail(&String::from_utf8_lossy(&output.stderr), 3)
        )))
    }

    /// Reads a file inside, whatever its mode; none where there is none.
    ///
    /// # Errors
    /// `Environment`: `cat` could not be run.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let output = self.feed(&["cat", path], b"")?;
        Ok(output.status.success().then_some(output.stdout))
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.mounted.unmount();
        if let Err(error) = remove_tree(&self.dir) {
            eprintln!("{error}");
        }
        let _ = fs::remove_file(self.dir.with_extension("lock"));
    }
}

/// Takes away trials whose process is gone.
fn sweep(trials: &Path) -> Result<(), Error> {
    let failed =
        |e: std::io::Error| Error::Environment(format!("reading {}: {e}", trials.display()));
    for entry in fs::read_dir(trials).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        let Ok(lock) = File::options().write(true).open(&path) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            let dir = path.with_extension("");
            remove_tree(&dir)?;
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}
