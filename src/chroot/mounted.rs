//! A root whose mounts nobody else sees: they live in a mount namespace of
//! their own (mount_namespaces(7)), held by one process that ends with ours.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::host::{as_root, as_root_unasked, finish, started};
use super::trial::Network;
use super::{Error, tail};

/// A command that has not ended by then never will.
const TIMEOUT_SECONDS: &str = "2400";

/// `volatile` spares every fsync; older kernels do not know it. The last line
/// waits for the end of stdin, which comes also when its other side is killed.
const HOLD: &str = r#"options="lowerdir=$1,upperdir=$2/upper,workdir=$2/work"
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
cp -L /etc/resolv.conf "$3/etc/resolv.conf"
echo "$$"
cat
umount -R "$3" || umount -R -l "$3""#;

const BIND: &str = r#"mkdir -p "$2"
mount --bind "$1" "$2"
mount -o remount,bind,ro "$2""#;

/// An overlay with a /dev, mounted. Dropped, it is unmounted; killed, too.
#[derive(Debug)]
pub struct Mounted {
    root: PathBuf,
    holder: Child,
    /// The holder's process id; with sudo not that of our child.
    pid: u32,
}

impl Mounted {
    /// Mounts the overlay of `dir/upper` on `layers`, the topmost first, at
    /// `root`.
    ///
    /// # Errors
    /// `Environment`: no root, no sudo, or no overlayfs.
    pub fn new(layers: &[PathBuf], dir: &Path, root: &Path) -> Result<Self, Error> {
        let lower: Vec<String> = layers
            .iter()
            .map(|layer| layer.display().to_string())
            .collect();
        let mut holder = as_root_unasked("unshare")?
            .args(["--mount", "--propagation", "private"])
            .args(["sh", "-euc", HOLD, "sh", &lower.join(":")])
            .args([dir, root])
            // An interrupt from the terminal must not take the mounts away
            // below those who still clean up.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| started("unshare", &e))?;
        let mut line = String::new();
        if let Some(stdout) = holder.stdout.take() {
            // An unreadable pipe is an empty line.
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        let Ok(pid) = line.trim().parse() else {
            let _ = holder.wait();
            let mut why = String::new();
            if let Some(mut stderr) = holder.stderr.take() {
                let _ = stderr.read_to_string(&mut why);
            }
            let remedy = match why.contains("propagation") {
                true => "where hapkg runs in a chroot itself, bind-mount that on itself first",
                false => "this needs root, or sudo, on a kernel with overlayfs",
            };
            return Err(Error::Environment(format!(
                "mounting a chroot failed: {}; {remedy}",
                tail(&why, 5)
            )));
        };
        Ok(Self {
            root: root.into(),
            holder,
            pid,
        })
    }

    /// `chroot ROOT` in namespaces of its own; the arguments follow.
    pub fn command(&self, network: Network) -> Command {
        let mut command = as_root("setpriv");
        command
            .args(["--pdeathsig", "KILL", "timeout", "--foreground", "-s"])
            .args(["KILL", TIMEOUT_SECONDS, "setpriv", "--pdeathsig", "KILL"])
            .arg("nsenter")
            .args(self.namespace())
            .args(["unshare", "--pid", "--fork", "--kill-child", "--mount"])
            .arg(format!("--mount-proc={}", self.root.join("proc").display()));
        if network == Network::Off {
            command.arg("--net");
        }
        command
            .args(["chroot"])
            .arg(&self.root)
            .args(["env", "-i", "HOME=/root", "LANG=C.UTF-8", "TERM=xterm"])
            .arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// Runs a POSIX shell script of the host where the mounts are seen; `$1`…
    /// are `args`.
    ///
    /// # Errors
    /// `Environment` with the script's last output.
    pub fn script<S: AsRef<OsStr>>(
        &self,
        what: &str,
        script: &str,
        args: &[S],
    ) -> Result<(), Error> {
        let mut command = as_root("nsenter");
        command
            .args(self.namespace())
            .args(["sh", "-euc", script, "sh"])
            .args(args);
        let output = finish(command.stdin(Stdio::null()), "nsenter")?;
        if output.status.success() {
            return Ok(());
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(Error::Environment(format!(
            "{what} failed: {}",
            tail(&stderr, 5)
        )))
    }

    /// Shows `source` of the host at `target`, a path on the host below the
    /// root, read-only.
    ///
    /// # Errors
    /// `Environment`: the mount failed.
    pub fn bind(&self, source: &Path, target: &Path) -> Result<(), Error> {
        let what = format!("mounting {}", source.display());
        self.script(&what, BIND, &[source, target])
    }

    /// Ends the holder, and with it the mounts.
    pub fn unmount(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }

    /// With the holder's root: the namespace's own is another one where we
    /// run in a chroot ourselves.
    fn namespace(&self) -> [String; 2] {
        [
            format!("--mount=/proc/{}/ns/mnt", self.pid),
            format!("--root=/proc/{}/root", self.pid),
        ]
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.unmount();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::Mounted;
    use crate::chroot::as_root;

    /// A layer, and a directory for what lies on it.
    fn layer(scratch: &Path) -> (Vec<PathBuf>, PathBuf) {
        for name in ["low/dev", "low/etc", "top/upper", "top/work", "top/root"] {
            fs::create_dir_all(scratch.join(name)).unwrap();
        }
        fs::write(scratch.join("low/etc/issue"), "below\n").unwrap();
        (vec![scratch.join("low")], scratch.join("top"))
    }

    fn seen_by_host(scratch: &Path) -> bool {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        mounts.contains(&scratch.display().to_string())
    }

    #[test]
    fn the_host_sees_no_mount() {
        let scratch = tempfile::tempdir().unwrap();
        let (layers, top) = layer(scratch.path());
        let root = top.join("root");
        let mounted = Mounted::new(&layers, &top, &root).unwrap();
        mounted
            .script("looking", "test -c \"$1/dev/null\"; grep -q below \"$1/etc/issue\"; echo over >\"$1/etc/issue\"", &[&root])
            .unwrap();
        assert!(!seen_by_host(scratch.path()));
        assert!(!root.join("dev").exists());
        assert!(mounted.script("failing", "exit 4", &[&root]).is_err());
        drop(mounted);
        assert_eq!(
            fs::read_to_string(top.join("upper/etc/issue")).unwrap(),
            "over\n"
        );
    }

    #[test]
    fn a_killed_holder_leaves_nothing_mounted() {
        let scratch = tempfile::tempdir().unwrap();
        let (layers, top) = layer(scratch.path());
        let root = top.join("root");
        let mounted = Mounted::new(&layers, &top, &root).unwrap();
        let killed = as_root("kill")
            .args(["-KILL", &mounted.pid.to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        drop(mounted);
        assert!(!seen_by_host(scratch.path()));
        // Nothing of the host can be reached, and taken away, through it.
        assert!(!root.join("dev").exists());
        fs::remove_dir_all(&top).unwrap();
    }

    #[test]
    fn what_cannot_be_mounted_is_said() {
        let scratch = tempfile::tempdir().unwrap();
        let missing = vec![scratch.path().join("missing")];
        let error = Mounted::new(&missing, scratch.path(), scratch.path()).unwrap_err();
        assert!(error.to_string().contains("overlayfs"), "{error}");
    }
}
