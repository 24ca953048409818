//! Crates of the lock file, unpacked from cargo's own download cache.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use toml_edit::{DocumentMut, Item};

use super::modules::{includes, normal};
use super::{Error, Files, cargo, hex};

/// A crate as the lock file pins it.
#[derive(Debug, PartialEq)]
pub struct Locked {
    pub name: String,
    pub version: String,
    /// SHA-256 of the `.crate` file, hexadecimal.
    pub checksum: String,
}

/// Every crate of `lock` but the project itself.
///
/// # Errors
/// `lock` is no lock file, or a crate comes from elsewhere than a registry.
pub fn locked(lock: &str) -> Result<Vec<Locked>, Error> {
    let wrong = |why: String| Error::Project(format!("Cargo.lock: {why}"));
    let lock: DocumentMut = lock.parse().map_err(|e| wrong(format!("{e}")))?;
    let packages = lock
        .get("package")
        .and_then(Item::as_array_of_tables)
        .ok_or_else(|| wrong("no [[package]]".into()))?;
    let mut crates = Vec::new();
    for package in packages {
        let field = |key| package.get(key).and_then(Item::as_str).map(str::to_owned);
        let name = field("name").ok_or_else(|| wrong("a package without a name".into()))?;
        let version = field("version").ok_or_else(|| wrong(format!("{name} has no version")))?;
        match (field("checksum"), package.contains_key("source")) {
            (Some(checksum), true) => crates.push(Locked {
                name,
                version,
                checksum,
            }),
            (_, false) => {}
            (None, true) => {
                return Err(wrong(format!(
                    "{name} has no checksum; the node program takes registry crates only"
                )));
            }
        }
    }
    Ok(crates)
}

/// `vendor/NAME-VERSION/…` of a crate: what a build reads, its licences, and
/// the checksum file that lets cargo accept it. One that is not compiled has
/// an empty library: cargo reads its manifest only.
///
/// # Errors
/// The crate cannot be fetched, or is not the one that was locked.
pub fn unpack(root: &Path, krate: &Locked, compiled: bool) -> Result<Files, Error> {
    let full = format!("{}-{}", krate.name, krate.version);
    let archive = match find(&full) {
        Some(path) => path,
        None => {
            cargo(root, &["fetch", "--quiet", "--locked"])?;
            find(&full).ok_or_else(|| {
                Error::Environment(format!(
                    "{full}.crate is not in {} after cargo fetch",
                    registry().display()
                ))
            })?
        }
    };
    let data = fs::read(&archive)
        .map_err(|e| Error::Environment(format!("reading {}: {e}", archive.display())))?;
    if hex(&Sha256::digest(&data)) != krate.checksum {
        return Err(Error::Environment(format!(
            "{} is not what Cargo.lock pins; remove it and run cargo fetch",
            archive.display()
        )));
    }
    let all = members(&data, &full)
        .map_err(|e| Error::Environment(format!("reading {}: {e}", archive.display())))?;
    let mut kept = Files::new();
    for (path, mut data) in keep(all) {
        // What only the code of a crate that is not compiled includes.
        if !compiled && !is_source(&path) {
            continue;
        }
        if !compiled && path.ends_with(".rs") {
            if path != "src/lib.rs" {
                continue;
            }
            data.clear();
        }
        kept.insert(format!("vendor/{full}/{path}"), data);
    }
    kept.insert(
        format!("vendor/{full}/.cargo-checksum.json"),
        format!("{{\"files\":{{}},\"package\":\"{}\"}}\n", krate.checksum).into_bytes(),
    );
    Ok(kept)
}

fn members(archive: &[u8], full: &str) -> std::io::Result<Files> {
    let mut files = Files::new();
    for entry in tar::Archive::new(GzDecoder::new(archive)).entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path()?.into_owned();
        let Ok(path) = path.strip_prefix(full) else {
            continue;
        };
        let path = path.to_string_lossy().into_owned();
        let mut data = Vec::new();
        entry.read_to_end(&mut data)?;
        files.insert(path, data);
    }
    Ok(files)
}

/// Of a crate's files those that a build or a licence needs.
fn keep(mut all: Files) -> Files {
    let mut wanted: Vec<String> = all.keys().filter(|path| is_source(path)).cloned().collect();
    let included: Vec<String> = wanted
        .iter()
        .filter(|path| path.ends_with(".rs"))
        .flat_map(|path| {
            let text = String::from_utf8_lossy(&all[path]).into_owned();
            let near = |file: &str| normal(&Path::new(path).with_file_name(file));
            includes(&text)
                .into_iter()
                .map(|file| near(file).to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    wanted.extend(included);
    wanted
        .into_iter()
        .filter_map(|path| all.remove(&path).map(|data| (path, data)))
        .collect()
}

fn is_source(path: &str) -> bool {
    const LEGAL: [&str; 6] = [
        "LICENSE",
        "LICENCE",
        "COPYING",
        "COPYRIGHT",
        "UNLICENSE",
        "NOTICE",
    ];
    let legal = !path.contains('/')
        && LEGAL
            .iter()
            .any(|word| path.to_uppercase().starts_with(word));
    // clap's handbook, compiled for its web page alone, is in src/_*.
    let idle = path.starts_with("src/_") || path.starts_with("src/tests/");
    let code = path.starts_with("src/") && path.ends_with(".rs") && !idle;
    legal || code || matches!(path, "Cargo.toml" | "build.rs")
}

fn registry() -> PathBuf {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    home.unwrap_or_default().join("registry/cache")
}

/// The download of `full` in any registry's directory; its content is judged
/// by checksum, so it does not matter which.
fn find(full: &str) -> Option<PathBuf> {
    let mut dirs: Vec<PathBuf> = fs::read_dir(registry())
        .ok()?
        .filter_map(|dir| Some(dir.ok()?.path()))
        .collect();
    dirs.sort();
    dirs.into_iter()
        .map(|dir| dir.join(format!("{full}.crate")))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Files {
        names
            .iter()
            .map(|name| {
                (
                    (*name).into(),
                    b"#![doc = include_str!(\"../README.md\")]\n".to_vec(),
                )
            })
            .collect()
    }

    #[test]
    fn tests_and_documents_stay_behind() {
        let kept = keep(files(&[
            "Cargo.toml",
            "Cargo.toml.orig",
            "LICENSE-MIT",
            "README.md",
            "CHANGELOG.md",
            "benches/b.rs",
            "build.rs",
            "examples/e.rs",
            "src/_faq.rs",
            "src/_cookbook/a.rs",
            "src/lib.rs",
            "src/probe/a.bin",
            "src/tests/t.rs",
            "tests/t.rs",
        ]));
        let names: Vec<_> = kept.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "Cargo.toml",
                "LICENSE-MIT",
                "README.md",
                "build.rs",
                "src/lib.rs"
            ]
        );
    }

    #[test]
    fn only_registry_crates_are_vendored() {
        let lock = "[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n\n\
             [[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\nchecksum = \"00\"\n";
        let crates = locked(lock).unwrap();
        assert_eq!(crates.len(), 1);
        assert_eq!(crates[0].name, "a");
        let git = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"git+x\"\n";
        assert!(locked(git).unwrap_err().to_string().contains("no checksum"));
        assert!(locked("x = 1\n").is_err());
    }
}
