//! Commands of the host, as root.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::sys::statvfs::statvfs;

use super::{Error, tail};

/// `program` as root: directly, or through sudo.
pub fn as_root(program: &str) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg("--").arg(program);
    command
}

/// As [`as_root`], for a program outside of the terminal's foreground, where
/// sudo could never ask for a password: it was asked before, or fails.
///
/// # Errors
/// `Environment`: sudo lets nobody through.
pub fn as_root_unasked(program: &str) -> Result<Command, Error> {
    if is_root() {
        return Ok(Command::new(program));
    }
    ask(&|| Command::new("sudo"))?;
    let mut command = Command::new("sudo");
    command.args(["-n", "--"]).arg(program);
    Ok(command)
}

/// Has sudo ask for a password where it needs one, on our own terminal.
fn ask(sudo: &dyn Fn() -> Command) -> Result<(), Error> {
    // Of several threads one asks, and the others find it answered.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = |e: io::Error| started("sudo", &e);
    let free = sudo()
        .args(["-n", "--", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if free.map_err(failed)?.success() {
        return Ok(());
    }
    let asked = sudo().arg("-v").status().map_err(failed)?;
    if asked.success() {
        return Ok(());
    }
    Err(Error::Environment(
        "sudo lets hapkg run nothing as root; run `sudo -v` on this terminal first, or hapkg as root"
            .into(),
    ))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Runs a POSIX shell script of the host as root; `$1`… are `args`.
pub fn root_script<S: AsRef<OsStr>>(what: &str, script: &str, args: &[S]) -> Result<(), Error> {
    let mut command = as_root("sh");
    command.args(["-euc", script, "sh"]).args(args);
    let output = finish(command.stdin(Stdio::null()), "sh")?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(Error::Environment(format!(
        "{what} failed: {}; this needs root, or sudo, on a kernel with overlayfs",
        tail(&stderr, 5)
    )))
}

/// The command's output, or which program is missing.
pub fn finish(command: &mut Command, program: &str) -> Result<Output, Error> {
    command.output().map_err(|e| started(program, &e))
}

/// The error of a program that could not be started.
pub fn started(program: &str, error: &io::Error) -> Error {
    let missing = if is_root() { program } else { "sudo" };
    Error::Environment(format!(
        "running {missing}: {error}; `cargo xtask setup` installs what is needed"
    ))
}

/// `$XDG_CACHE_HOME/hapkg`, or `~/.cache/hapkg`.
pub fn cache_dir() -> Result<PathBuf, Error> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .map(|dir| dir.join("hapkg"))
        .ok_or_else(|| Error::Environment("neither XDG_CACHE_HOME nor HOME is set".into()))
}

/// Refuses a host, by Rust's name of its architecture, on which a chroot would
/// hold programs other than those that the packages are said to have.
///
/// # Errors
/// `Environment`.
pub fn only_amd64(architecture: &str) -> Result<(), Error> {
    if architecture == "x86_64" {
        return Ok(());
    }
    Err(Error::Environment(format!(
        "this host is {architecture}; the node program and the images of trials are built for amd64 \
         alone: use an amd64 host, or build only roles"
    )))
}

/// Makes a directory with its parents.
pub fn make_dir(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path)
        .map_err(|e| Error::Environment(format!("making {}: {e}", path.display())))
}

/// Opens a lock file, making it where needed.
pub fn lock_file(path: &Path) -> Result<File, Error> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|e| Error::Environment(format!("opening {}: {e}", path.display())))
}

/// What a chroot, a layer or an image takes at most, bytes.
const ROOM: u64 = 3 << 29;

/// Refuses to begin where the disk of `dir` is too full: apt does not fail
/// there, it waits for ever.
///
/// # Errors
/// `Environment`, with the remedy.
pub fn enough_room(dir: &Path) -> Result<(), Error> {
    let free = free_space(dir)?;
    if free >= ROOM {
        return Ok(());
    }
    Err(Error::Environment(format!(
        "no room: {} has {} MiB left on its disk and {} MiB are needed; free some, or set XDG_CACHE_HOME to a directory of another disk",
        dir.display(),
        free >> 20,
        ROOM >> 20
    )))
}

/// Bytes that are left on the disk of `dir`.
///
/// # Errors
/// `Environment`: there is no such directory.
pub fn free_space(dir: &Path) -> Result<u64, Error> {
    let disk = statvfs(dir).map_err(|e| {
        Error::Environment(format!("looking at the disk of {}: {e}", dir.display()))
    })?;
    Ok(disk.blocks_available() * disk.fragment_size())
}

/// Takes away a tree that root owns.
pub fn remove_tree(path: &Path) -> Result<(), Error> {
    root_script(
        &format!("removing {}", path.display()),
        "rm -rf --one-file-system -- \"$1\"",
        &[path],
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::{Error, ask, only_amd64};

    #[test]
    fn a_password_is_asked_for_only_where_it_can_be_given() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        // Ends so where it must not ask, and where it may.
        let sudo = |unasked: u8, asked: u8| {
            let _ = fs::remove_file(&log);
            let script = format!(
                "printf '%s\\n' \"$1\" >>\"$0\"; case $1 in -n) exit {unasked} ;; *) exit {asked} ;; esac"
            );
            let done = ask(&|| {
                let mut command = Command::new("sh");
                command.args(["-c", &script]).arg(&log);
                command
            });
            (
                done.map_err(|e| e.to_string()),
                fs::read_to_string(&log).unwrap(),
            )
        };
        assert_eq!(sudo(0, 1), (Ok(()), "-n\n".into()));
        assert_eq!(sudo(1, 0), (Ok(()), "-n\n-v\n".into()));
        let refused = sudo(1, 1).0.unwrap_err();
        assert!(refused.contains("run `sudo -v`"), "{refused}");
        let missing = ask(&|| Command::new(dir.path().join("missing"))).unwrap_err();
        assert!(
            missing.to_string().contains("cargo xtask setup"),
            "{missing}"
        );
    }

    #[test]
    fn another_architecture_is_refused() {
        assert!(only_amd64("x86_64").is_ok());
        let Err(Error::Environment(text)) = only_amd64("aarch64") else {
            panic!("an aarch64 host is taken for an amd64 one");
        };
        assert!(text.contains("this host is aarch64"), "{text}");
    }
}
