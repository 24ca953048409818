//! Commands of the host, run where the repository lies.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::stop::{During, Stop};

/// The repository's root.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_path_buf()
}

/// Says one line of progress.
pub fn say(text: &str) {
    eprintln!("xtask: {text}");
}

/// `cargo`, in the repository's root.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command whose output the user sees.
///
/// # Errors
/// `Environment` where it cannot be started, otherwise `Failed`.
pub fn show(command: &mut Command) -> Result<(), Stop> {
    let line = words(command);
    let status = command.status().during(format_args!("running `{line}`"))?;
    if status.success() {
        return Ok(());
    }
    Err(Stop::failed(format!("`{line}` ended with {status}")))
}

/// Runs a command and returns its output, whatever its status.
///
/// # Errors
/// `Environment` where it cannot be started.
pub fn output(command: &mut Command) -> Result<Output, Stop> {
    let line = words(command);
    command
        .stdin(Stdio::null())
        .output()
        .during(format_args!("running `{line}`"))
}

/// Runs a command and returns what it printed.
///
/// # Errors
/// As [`output`]; `Failed` with both streams where the status is not zero.
pub fn read(command: &mut Command) -> Result<String, Stop> {
    let done = output(command)?;
    let stdout = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.success() {
        return Ok(stdout);
    }
    Err(Stop::failed(format!(
        "`{}` ended with {}\n{}{}",
        words(command),
        done.status,
        stdout,
        String::from_utf8_lossy(&done.stderr)
    )))
}

/// The command as one line, for messages.
pub fn words(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Writes a file by a temporary one and a rename, with its directories.
///
/// # Errors
/// The disk refused.
pub fn write(path: &Path, data: impl AsRef<[u8]>) -> Result<(), Stop> {
    let what = format!("writing {}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).during(&what)?;
    }
    hapkg::atomic::write(path, data.as_ref(), 0o644).map_err(|e| Stop::environment(e.to_string()))
}

/// A fresh directory in memory, where `fsync` costs nothing, for tests that make
/// hundreds of hosts and stop each at another write. `None`: there is no
/// /dev/shm, it is small, or programs may not be run from it.
pub fn memory_dir() -> Option<TempDir> {
    const ROOM: u64 = 2 << 30;
    // ocf-tester runs agents as nobody, too.
    let dir = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir_in("/dev/shm")
        .ok()?;
    let probe = dir.path().join("probe");
    fs::write(&probe, "#!/bin/sh\n").ok()?;
    fs::set_permissions(&probe, fs::Permissions::from_mode(0o755)).ok()?;
    let runs = Command::new(&probe).status().is_ok_and(|s| s.success());
    let room = rustix::fs::statvfs(dir.path()).ok()?;
    (runs && room.f_bavail * room.f_frsize >= ROOM).then_some(dir)
}

/// Empties a directory, making it where needed.
///
/// # Errors
/// The disk refused.
pub fn fresh_dir(path: &Path) -> Result<(), Stop> {
    if path.exists() {
        fs::remove_dir_all(path).during(format_args!("removing {}", path.display()))?;
    }
    fs::create_dir_all(path).during(format_args!("making {}", path.display()))
}

/// Files below a directory, sorted, relative to it.
///
/// # Errors
/// A directory cannot be read.
pub fn files_below(dir: &Path) -> Result<Vec<PathBuf>, Stop> {
    let (mut found, mut todo) = (Vec::new(), vec![dir.to_path_buf()]);
    while let Some(next) = todo.pop() {
        let what = format!("reading {}", next.display());
        for entry in fs::read_dir(&next).during(&what)? {
            let entry = entry.during(&what)?;
            if entry.file_type().during(&what)?.is_dir() {
                todo.push(entry.path());
            } else if let Ok(path) = entry.path().strip_prefix(dir) {
                found.push(path.to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}
