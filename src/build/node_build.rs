//! The node program as a suite's own toolchain makes it: the real source
//! package, built offline in a clean chroot of that suite.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use debcrate::{Entry, Tree};

use super::store;
use crate::chroot::{self, Base, Network, Trial};
use crate::failure::Failure;
use crate::recipe::model::Kind;
use crate::recipe::suite::Suite;
use crate::render::{self, NodeBuild};

/// Raised when the same input gives another program than before.
const LAYOUT: &str = "node build 2";

const PACKAGE: &str = "ubuntu-ha-node";
const BUILD_DIR: &str = "/build/ubuntu-ha-node";

/// Why the node program could not be built.
#[derive(Debug)]
pub enum Error {
    /// The source package is not as expected, or did not build: its last
    /// output.
    Source(String),
    /// The chroot, a tool, the mirror or the disk failed.
    Environment(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(text) | Self::Environment(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Environment(text) => Self::Environment(text),
            Error::Source(text) => Self::No(text),
        }
    }
}

impl From<chroot::Error> for Error {
    fn from(error: chroot::Error) -> Self {
        match error {
            chroot::Error::Environment(text) => Self::Environment(text),
            chroot::Error::Failed(text) => Self::Source(text),
        }
    }
}

/// Where a suite's node program is compiled, and by what.
#[derive(Debug)]
pub struct Toolchain {
    base: Base,
    /// Differs where a compiler, a linker or a library that goes into the
    /// program may differ.
    pub identity: String,
}

/// The clean chroot that has what the node package builds with.
///
/// # Errors
/// [`Error::Environment`]: there is none, and none could be made.
pub fn toolchain(suite: &Suite, progress: &dyn Fn(&str)) -> Result<Toolchain, Error> {
    let needed = names(&render::build_depends(Kind::Node, suite));
    let mut include: Vec<&str> = needed.iter().map(String::as_str).collect();
    include.push("build-essential");
    let base = chroot::base(suite, &include, progress)?;
    Ok(Toolchain {
        identity: base.packages_hash()?,
        base,
    })
}

/// Builds the source package `source`, with its `debian/`, in a clean chroot
/// of `suite` without network. `key` is [`source_key`] of what lies beside
/// `debian/`. Kept in `cache` by that key, the suite, the toolchain, and
/// `debian/rules`, which says how to compile.
///
/// A build with `SOURCE_DATE_EPOCH` and paths mapped away gives the same bytes
/// in any directory; see `debian/rules`.
///
/// [`source_key`]: super::node_source::source_key
///
/// # Errors
/// [`Error::Source`]: the package does not build. [`Error::Environment`]: no
/// chroot could be made or used.
pub fn node_build(
    suite: &Suite,
    source: &Tree,
    key: &str,
    toolchain: &Toolchain,
    cache: &Path,
    progress: &dyn Fn(&str),
) -> Result<NodeBuild, Error> {
    let rules = text(source, "debian/rules")?;
    let parts: [&[u8]; 5] = [
        LAYOUT.as_bytes(),
        suite.name.as_bytes(),
        key.as_bytes(),
        rules.as_bytes(),
        toolchain.identity.as_bytes(),
    ];
    let packed = store::kept(cache, "node-build", &parts, || {
        let built = compile(suite, source, toolchain, progress)?;
        let mut packed = format!("{}\n", built.shlibs_depends).into_bytes();
        packed.extend(built.binary);
        Ok::<_, Error>(packed)
    })?;
    let mut halves = packed.splitn(2, |&byte| byte == b'\n');
    match (halves.next(), halves.next()) {
        (Some(depends), Some(binary)) if !binary.is_empty() => Ok(NodeBuild {
            shlibs_depends: String::from_utf8_lossy(depends).into_owned(),
            binary: binary.to_vec(),
        }),
        _ => Err(Error::Environment(format!(
            "the cached node program is damaged; remove {}",
            cache.join("node-build").display()
        ))),
    }
}

fn compile(
    suite: &Suite,
    source: &Tree,
    toolchain: &Toolchain,
    progress: &dyn Fn(&str),
) -> Result<NodeBuild, Error> {
    let trial = Trial::new(&toolchain.base)?;
    put(&trial, source)?;
    progress(&format!("compiling ubuntu-ha for {}", suite.name));
    let log = build(&trial, progress)?;
    let part = |path: &str| -> Result<Vec<u8>, Error> {
        let found = trial.read(&format!("{BUILD_DIR}/debian/{path}"))?;
        found.ok_or_else(|| Error::Source(format!("the build left no debian/{path}:\n{log}")))
    };
    let substvars = part(&format!("{PACKAGE}.substvars"))?;
    Ok(NodeBuild {
        binary: part(&format!("{PACKAGE}/usr/sbin/ubuntu-ha"))?,
        shlibs_depends: shlibs_depends(&String::from_utf8_lossy(&substvars))?,
    })
}

/// Runs the suite's dpkg-buildpackage; returns the end of its output.
fn build(trial: &Trial, progress: &dyn Fn(&str)) -> Result<String, Error> {
    let script = format!("exec 2>&1\ncd {BUILD_DIR}\nexec dpkg-buildpackage -us -uc -b");
    let mut child = trial
        .command(Network::Off, &["sh", "-euc", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| Error::Environment(format!("entering the chroot: {e}")))?;
    let mut lines: Vec<String> = Vec::new();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let line = line.trim().to_string();
            progress(&line);
            lines.push(line);
        }
    }
    let status = child
        .wait()
        .map_err(|e| Error::Environment(format!("waiting for the build: {e}")))?;
    let log = lines[lines.len().saturating_sub(30)..].join("\n");
    if status.success() {
        return Ok(log);
    }
    Err(if log.contains("No space left on device") {
        Error::Environment(format!("building {PACKAGE}: the disk is full:\n{log}"))
    } else {
        Error::Source(format!("building {PACKAGE} failed:\n{log}"))
    })
}

/// Unpacks the source inside, owned by root.
fn put(trial: &Trial, source: &Tree) -> Result<(), Error> {
    let archive =
        archive(source).map_err(|e| Error::Environment(format!("packing the node source: {e}")))?;
    let script = format!("mkdir -p {BUILD_DIR}; tar -xf - --no-same-owner -C {BUILD_DIR}");
    let output = trial.feed(&["sh", "-euc", &script], &archive)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Environment(format!(
        "unpacking the node source in the chroot: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    )))
}

fn archive(source: &Tree) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, entry) in source.iter() {
        let mut header = tar::Header::new_gnu();
        match entry {
            Entry::Dir { .. } => {}
            Entry::File { data, mode } => {
                header.set_size(data.len() as u64);
                header.set_mode(*mode);
                builder.append_data(&mut header, path, &data[..])?;
            }
            Entry::Symlink { target } => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, path, target)?;
            }
        }
    }
    builder.into_inner()
}

fn text<'a>(source: &'a Tree, path: &str) -> Result<&'a str, Error> {
    source
        .data(path)
        .and_then(|data| std::str::from_utf8(data).ok())
        .ok_or_else(|| Error::Source(format!("the node source has no {path}")))
}

/// Names of the packages that Build-Depends ask for, sorted; the first of
/// several alternatives.
fn names(build_depends: &[String]) -> Vec<String> {
    let ends: &[char] = &[' ', '(', '|', '[', '<', ':'];
    let mut names: Vec<String> = build_depends
        .iter()
        .filter_map(|relation| relation.split(ends).next())
        .map(|name| name.replace("debhelper-compat", "debhelper"))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The value of `shlibs:Depends` (deb-substvars(5)).
fn shlibs_depends(substvars: &str) -> Result<String, Error> {
    substvars
        .lines()
        .find_map(|line| line.strip_prefix("shlibs:Depends="))
        .map(|value| value.trim().to_string())
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Error::Source("dpkg-shlibdeps found no library the program needs".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_depends_become_package_names() {
        let depends = [
            "rustc:native",
            "debhelper-compat (= 13)",
            "cargo (>= 1.85) | cargo-1.85",
        ];
        assert_eq!(
            names(&depends.map(String::from)),
            ["cargo", "debhelper", "rustc"]
        );
    }

    #[test]
    fn the_libraries_come_from_the_substitution_variables() {
        let text = "misc:Depends=\nshlibs:Depends=libc6 (>= 2.39), libgcc-s1 (>= 4.2)\n";
        assert_eq!(
            shlibs_depends(text).unwrap(),
            "libc6 (>= 2.39), libgcc-s1 (>= 4.2)"
        );
        assert!(shlibs_depends("misc:Depends=\n").is_err());
    }

    #[test]
    fn a_source_tree_keeps_names_modes_and_links() {
        let mut tree = Tree::new();
        let long = format!("vendor/{}/x", "n".repeat(120));
        tree.file(&long, *b"1", 0o644).unwrap();
        tree.file("debian/rules", *b"2", 0o755).unwrap();
        tree.symlink("link", "debian/rules").unwrap();
        let packed = archive(&tree).unwrap();
        let mut found: Vec<(String, u32)> = tar::Archive::new(&packed[..])
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().unwrap().to_string_lossy().into_owned();
                (path, entry.header().mode().unwrap_or(0))
            })
            .collect();
        found.sort();
        assert_eq!(found[0], ("debian/rules".to_string(), 0o755));
        assert_eq!(found[2], (long, 0o644));
    }
}
