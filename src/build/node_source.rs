//! The Cargo source of the node program, complete for an offline build: what
//! `debian/rules` of ubuntu-ha-node compiles with the suite's own rustc.

mod manifest;
mod modules;
mod vendor;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap_complete::Shell;
use debcrate::Tree;
use sha2::{Digest, Sha256};

use super::store;
use crate::failure::Failure;
use crate::node::{cli, man};

/// Raised when the same input gives another tree than before.
const LAYOUT: &str = "node source 5";

/// Where the node program's modules hang from.
const ROOTS: [&str; 2] = ["src/lib.rs", "src/bin/ubuntu-ha.rs"];

const CARGO_CONFIG: &str = r#"[source.crates-io]
replace-with = "vendored"

[source.vendored]
directory = "vendor"
"#;

/// Relative path to content; every file is 0644.
type Files = BTreeMap<String, Vec<u8>>;

/// Why there is no node source.
#[derive(Debug, Clone)]
pub enum Error {
    /// The project's own files are not as expected.
    Project(String),
    /// A tool, the disk or the crates' source failed.
    Environment(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project(text) | Self::Environment(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Environment(text) => Self::Environment(text),
            Error::Project(text) => Self::No(text),
        }
    }
}

/// Name of what [`source_tree`] would give: 64 hexadecimal digits over the
/// manifest, the lock file (so the checksums of all crates) and the node
/// program's modules. Reads a few small files and runs nothing.
///
/// # Errors
/// `root` is not this project, or a file of it cannot be read.
pub fn source_key(root: &Path) -> Result<String, Error> {
    let mut hash = Sha256::new();
    hash.update(LAYOUT);
    let mut files = modules::needed(root, &ROOTS)?;
    for name in ["Cargo.toml", "Cargo.lock", "LICENSE"] {
        files.insert(name.into(), read(&root.join(name))?);
    }
    files.extend(documents());
    for (path, data) in &files {
        hash.update(format!("\n{} {}\n", path, data.len()));
        hash.update(data);
    }
    Ok(hex(&hash.finalize()))
}

/// The source itself, without `debian/`: manifest and lock file cut down to
/// the node program, its modules, `vendor/NAME-VERSION/` of every crate, the
/// manual page `ubuntu-ha.8` and `completions/{ubuntu-ha.bash,_ubuntu-ha,ubuntu-ha.fish}`.
/// The same project gives the same bytes wherever it lies. Kept in `cache`.
///
/// # Errors
/// As [`source_key`]; or cargo cannot resolve or fetch a crate; or a crate is
/// not what Cargo.lock says.
pub fn source_tree(root: &Path, cache: &Path) -> Result<Tree, Error> {
    let key = source_key(root)?;
    let packed = store::kept(cache, "node-source", &[key.as_bytes()], || {
        Ok(pack(&source_files(root)?))
    })?;
    unpack(&packed).map_err(|e| Error::Project(format!("node source: {e}")))
}

fn source_files(root: &Path) -> Result<Files, Error> {
    let mut files = project_files(root)?;
    let (lock, used) = resolve(root, &files)?;
    for krate in vendor::locked(&lock)? {
        let name = format!("{} v{}", krate.name, krate.version);
        let compiled = used.lines().any(|line| line.starts_with(&name));
        files.extend(vendor::unpack(root, &krate, compiled)?);
    }
    files.insert("Cargo.lock".into(), lock.into_bytes());
    files.insert(".cargo/config.toml".into(), CARGO_CONFIG.into());
    Ok(files)
}

/// `LENGTH PATH\n` and the bytes, file after file.
fn pack(files: &Files) -> Vec<u8> {
    let mut packed = Vec::new();
    for (path, data) in files {
        packed.extend(format!("{} {path}\n", data.len()).bytes());
        packed.extend(data);
    }
    packed
}

fn unpack(mut packed: &[u8]) -> Result<Tree, String> {
    let damaged = || "the cached source is damaged; remove the cache".to_string();
    let mut tree = Tree::new();
    while !packed.is_empty() {
        let end = packed
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or_else(damaged)?;
        let head = std::str::from_utf8(&packed[..end]).map_err(|_| damaged())?;
        let (length, path) = head.split_once(' ').ok_or_else(damaged)?;
        let length: usize = length.parse().map_err(|_| damaged())?;
        let rest = &packed[end + 1..];
        let data = rest.get(..length).ok_or_else(damaged)?;
        tree.file(path, data, 0o644).map_err(|e| e.to_string())?;
        packed = &rest[length..];
    }
    Ok(tree)
}

fn project_files(root: &Path) -> Result<Files, Error> {
    let mut files = modules::needed(root, &ROOTS)?;
    let text = read_text(&root.join("Cargo.toml"))?;
    files.insert("Cargo.toml".into(), manifest::prune(&text)?.into_bytes());
    files.insert("LICENSE".into(), read(&root.join("LICENSE"))?);
    files.extend(documents());
    Ok(files)
}

/// The manual page and the shell completions, which the node program itself
/// is too small to write.
fn documents() -> Files {
    let mut files = Files::from([("ubuntu-ha.8".to_string(), man::man_page(""))]);
    for (name, shell) in [
        ("ubuntu-ha.bash", Shell::Bash),
        ("_ubuntu-ha", Shell::Zsh),
        ("ubuntu-ha.fish", Shell::Fish),
    ] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut cli::command(), "ubuntu-ha", &mut script);
        files.insert(format!("completions/{name}"), script);
    }
    files
}

/// Cargo.lock as cargo itself cuts it down to the pruned manifest, with every
/// version as the project has it; and `NAME vVERSION` of each crate that is
/// compiled, a line each. (The lock also names crates that are only spoken of,
/// in features nobody asks for.)
fn resolve(root: &Path, files: &Files) -> Result<(String, String), Error> {
    let dir = scratch()?;
    let done = (|| {
        for (path, data) in files {
            put(&dir.join(path), data)?;
        }
        let whole = read(&root.join("Cargo.lock"))?;
        put(&dir.join("Cargo.lock"), &whole)?;
        let prune = ["update", "--quiet", "--workspace", "--offline"];
        if cargo(&dir, &prune).is_err() {
            cargo(root, &["fetch", "--quiet", "--locked"])?;
            put(&dir.join("Cargo.lock"), &whole)?;
            cargo(&dir, &prune)?;
        }
        let lock = read_text(&dir.join("Cargo.lock"))?;
        let used = cargo(&dir, &TREE).or_else(|_| {
            cargo(root, &["fetch", "--quiet", "--locked"])?;
            cargo(&dir, &TREE)
        })?;
        Ok((lock, used))
    })();
    let _ = fs::remove_dir_all(&dir);
    done
}

/// Lists the crates that are compiled, on whatever architecture.
const TREE: [&str; 11] = [
    "tree",
    "--quiet",
    "--locked",
    "--offline",
    "--edges=normal,build",
    "--target=all",
    "--no-dedupe",
    "--prefix=none",
    "--format={p}",
    "--color=never",
    "--charset=ascii",
];

fn scratch() -> Result<PathBuf, Error> {
    let dir = crate::atomic::temporary(&std::env::temp_dir().join("hapkg-node"));
    fs::create_dir(&dir)
        .map_err(|e| Error::Environment(format!("making {}: {e}", dir.display())))?;
    Ok(dir)
}

fn put(path: &Path, data: &[u8]) -> Result<(), Error> {
    let fail = |e| Error::Environment(format!("writing {}: {e}", path.display()));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(fail)?;
    }
    fs::write(path, data).map_err(fail)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|e| {
        Error::Project(format!(
            "reading {}: {e}; run hapkg where its own source lies",
            path.display()
        ))
    })
}

fn read_text(path: &Path) -> Result<String, Error> {
    String::from_utf8(read(path)?)
        .map_err(|_| Error::Project(format!("{} is not UTF-8", path.display())))
}

fn cargo(dir: &Path, args: &[&str]) -> Result<String, Error> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(args)
        .current_dir(dir)
        .output()
        .map_err(|e| Error::Environment(format!("running cargo: {e}; install cargo")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Environment(format!(
        "cargo {} failed:\n{}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr).trim_end()
    )))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_source_reads_back() {
        let files = Files::from([
            ("a/b c".to_string(), b"one\ntwo".to_vec()),
            ("z".to_string(), Vec::new()),
        ]);
        let packed = pack(&files);
        let tree = unpack(&packed).unwrap();
        assert_eq!(tree.data("a/b c"), Some(&b"one\ntwo"[..]));
        assert_eq!(tree.data("z"), Some(&b""[..]));
        for cut in 1..packed.len() - 4 {
            assert!(unpack(&packed[..cut]).is_err(), "{cut}");
        }
    }
}
