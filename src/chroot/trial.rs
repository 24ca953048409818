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
use super::host::{
    as_root, cache_dir, finish, lock_file, make_dir, remove_tree, root_script, started,
};
use super::{Error, tail};

/// A command that has not ended by then never will.
const TIMEOUT_SECONDS: &str = "2400";

/// `volatile` spares every fsync; older kernels do not know it.
const MOUNT: &str = r#"options="lowerdir=$1,upperdir=$2/upper,workdir=$2/work"
mount -t overlay overlay -o "$options,volatile" "$3" 2>/dev/null ||
    mount -t overlay overlay -o "$options" "$3"
mount -t tmpfs -o mode=0755,size=1m tmpfs "$3/dev"
mkdir "$3/dev/pts" "$3/dev/shm"
for node in null zero full random urandom tty; do
    : >"$3/dev/$node"
    mount --bind "/dev/$node" "$3/dev/$node"
done
mount --bind /dev/pts "$3/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$3/dev/shm"
ln -s pts/ptmx "$3/dev/ptmx"
ln -s /proc/self/fd "$3/dev/fd"
ln -s fd/0 "$3/dev/stdin"
ln -s fd/1 "$3/dev/stdout"
ln -s fd/2 "$3/dev/stderr"
rm -f "$3/etc/resolv.conf"
cp -L /etc/resolv.conf "$3/etc/resolv.conf""#;

const UNMOUNT: &str = r#"if mountpoint -q "$1"; then
    umount -R "$1" || umount -R -l "$1"
fi"#;

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
        let trial = Trial {
            dir,
            root,
            _base: base.clone(),
            _alive: alive,
        };
        mount_overlay(base.layers(), &trial.dir, &trial.root)?;
        Ok(trial)
    }

    /// The system's root directory on the host.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// A command inside, as root, with a clean environment and all its
    /// processes ending with it. The caller attaches the streams.
    pub fn command(&self, network: Network, argv: &[&str]) -> Command {
        let mut command = root_command(&self.root, network);
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
        root_script(
            &format!("mounting {}", source.display()),
            "mkdir -p \"$2\"; mount --bind \"$1\" \"$2\"; mount -o remount,bind,ro \"$2\"",
            &[source, &target],
        )
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
        let gone = unmount(&self.root).and_then(|()| remove_tree(&self.dir));
        if let Err(error) = gone {
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
            unmount(&dir.join("root"))?;
            remove_tree(&dir)?;
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

/// `chroot ROOT` in namespaces of its own; the arguments follow.
pub fn root_command(root: &Path, network: Network) -> Command {
    let mut command = as_root("setpriv");
    command
        .args(["--pdeathsig", "KILL", "timeout", "--foreground", "-s"])
        .args(["KILL", TIMEOUT_SECONDS, "setpriv", "--pdeathsig", "KILL"])
        .args(["unshare", "--pid", "--fork", "--kill-child", "--mount"])
        .arg(format!("--mount-proc={}", root.join("proc").display()));
    if network == Network::Off {
        command.arg("--net");
    }
    command
        .args(["chroot"])
        .arg(root)
        .args(["env", "-i", "HOME=/root", "LANG=C.UTF-8", "TERM=xterm"])
        .arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

/// Mounts the overlay of `dir/upper` on `layers` at `root`, with a /dev.
pub fn mount_overlay(layers: &[PathBuf], dir: &Path, root: &Path) -> Result<(), Error> {
    let lower: Vec<String> = layers
        .iter()
        .map(|layer| layer.display().to_string())
        .collect();
    root_script(
        "mounting a chroot",
        MOUNT,
        &[lower.join(":").as_ref(), dir.as_os_str(), root.as_os_str()],
    )
}

/// Unmounts a root and all below it, where it is mounted.
pub fn unmount(root: &Path) -> Result<(), Error> {
    root_script("unmounting a chroot", UNMOUNT, &[root])
}
