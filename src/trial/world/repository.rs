//! The repository under trial, for guests that have no network: of dist/apt
//! what is of one suite and what a role needs of it, as one archive.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use debcrate::Paragraph;
use debversion::Version;

use crate::build::relations;
use crate::chroot::hash;
use crate::recipe::suite::Suite;
use crate::trial::report::Package;
use crate::vm::Error;

/// Where it lies in the guests.
pub const PLACE: &str = "/srv/hapkg-apt";

/// What a role needs of a suite's part of a repository.
pub struct Repository {
    /// A tar archive of `dists/SUITE`, and of the packages that are listed.
    pub archive: Vec<u8>,
    /// The role's own and all of ours that they ask for, by name.
    pub packages: Vec<Package>,
    /// Hash over them; the index, which has all other roles too, is left out.
    pub key: String,
}

/// Reads `apt`, which `hapkg build` has made, for who installs `wanted`.
///
/// # Errors
/// `Environment`: it is not there, or has nothing for the suite, or not what is
/// wanted.
pub fn read(apt: &Path, suite: &Suite, wanted: &[String]) -> Result<Repository, Error> {
    let index = apt.join("dists").join(suite.name);
    let build = format!("run `hapkg build --suite {}` first", suite.name);
    if !index.is_dir() {
        return Err(Error::Environment(format!(
            "{} has no packages for {}: {build}",
            apt.display(),
            suite.name,
        )));
    }
    let mut files = Vec::new();
    find(&index, &mut files)?;
    files.sort();
    // The guests trust it as it is; another key makes no other packages.
    files.retain(|path| !path.ends_with("InRelease") && !path.ends_with("Release.gpg"));
    let mut known = Vec::new();
    for file in files.iter().filter(|path| path.ends_with("Packages")) {
        let text = fs::read_to_string(file).map_err(|e| Error::io("reading", file, &e))?;
        let listed = debcrate::read_packages(&text)
            .map_err(|e| Error::Environment(format!("{}: {e}", file.display())))?;
        known.extend(listed);
    }
    let chosen = needed(&known, wanted).map_err(|name| {
        Error::Environment(format!(
            "{} has no {name} for {}: {build}",
            apt.display(),
            suite.name
        ))
    })?;
    let field = |paragraph: &Paragraph, name| paragraph.get(name).unwrap_or_default().to_string();
    let mut packages = Vec::new();
    for paragraph in chosen {
        files.push(apt.join(field(paragraph, "Filename")));
        let package = Package {
            name: field(paragraph, "Package"),
            version: field(paragraph, "Version"),
            sha256: field(paragraph, "SHA256"),
        };
        packages.push(package);
    }
    let mut archive = tar::Builder::new(Vec::new());
    for path in &files {
        let data = fs::read(path).map_err(|e| Error::io("reading", path, &e))?;
        let name = path.strip_prefix(apt).unwrap_or(path);
        let mut header = tar::Header::new_ustar();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, name, data.as_slice())
            .map_err(|e| Error::io("packing", path, &e))?;
    }
    let archive = archive
        .into_inner()
        .map_err(|e| Error::io("packing", apt, &e))?;
    let parts = packages.iter().flat_map(|one| [&one.name, &one.sha256]);
    let key = hash(&parts.collect::<Vec<_>>());
    Ok(Repository {
        archive,
        packages,
        key,
    })
}

/// The newest of each wanted package, and of those among `known` that these
/// depend on or recommend; by name.
///
/// # Errors
/// The name of a wanted package that is not known.
fn needed<'a>(known: &'a [Paragraph], wanted: &[String]) -> Result<Vec<&'a Paragraph>, String> {
    let newest = |name: &str| {
        let named = known.iter().filter(|one| one.get("Package") == Some(name));
        named.max_by_key(|one| one.get("Version").and_then(|v| v.parse::<Version>().ok()))
    };
    let mut found: BTreeMap<String, &Paragraph> = BTreeMap::new();
    let mut open = Vec::new();
    for name in wanted {
        open.push(newest(name).ok_or_else(|| name.clone())?);
    }
    while let Some(paragraph) = open.pop() {
        let name = paragraph.get("Package").unwrap_or_default();
        if found.insert(name.to_string(), paragraph).is_some() {
            continue;
        }
        for field in ["Pre-Depends", "Depends", "Recommends"] {
            let relations = relations(paragraph.get(field)).into_iter();
            let names = relations
                .flat_map(|relation| relation.split('|'))
                .filter_map(|one| one.split_whitespace().next());
            open.extend(names.filter_map(newest));
        }
    }
    Ok(found.into_values().collect())
}

fn find(directory: &Path, into: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::io("reading", directory, &e);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        match path.is_dir() {
            true => find(&path, into)?,
            false => into.push(path),
        }
    }
    Ok(())
}

/// The shell that makes apt know it, the archive having been put to
/// [`PLACE`]`.tar`.
pub fn shell(suite: &Suite) -> String {
    format!(
        "set -e\nmkdir -p {PLACE}\ntar -C {PLACE} -xf {PLACE}.tar\nrm {PLACE}.tar\n\
         echo 'deb [trusted=yes] file:{PLACE} {} main' >/etc/apt/sources.list.d/hapkg.list\n\
         apt-get -q update\n",
        suite.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::suite;

    fn listed(name: &str, version: &str, depends: &str) -> String {
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nDepends: {depends}\n\
             Filename: pool/main/{name}_{version}_all.deb\nSize: 1\nSHA256: {}\n\n",
            "0a".repeat(32)
        )
    }

    /// A repository with the index of noble, and a file for each of it.
    fn repository(index: &str) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = place.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("dists/noble/Release", "x");
        put("dists/noble/InRelease", "x");
        put("dists/noble/main/binary-all/Packages", index);
        put("dists/trixie/Release", "x");
        for line in index.lines() {
            if let Some(path) = line.strip_prefix("Filename: ") {
                put(path, "x");
            }
        }
        place
    }

    fn wanted(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_a_role_needs_is_taken() {
        let index = [
            listed(
                "ubuntu-ha-clc",
                "1.0",
                "corosync, ubuntu-ha-agents (>= 1) | other",
            ),
            listed("ubuntu-ha-agents", "0.9", ""),
            listed("ubuntu-ha-agents", "1.0", "ubuntu-ha-node"),
            listed("ubuntu-ha-node", "1.0", "ubuntu-ha-agents"),
            listed("ubuntu-ha-vip", "1.0", "ubuntu-ha-node"),
        ]
        .concat();
        let place = repository(&index);
        let noble = suite::find("noble").unwrap();
        let read = |index: &tempfile::TempDir| {
            super::read(index.path(), noble, &wanted(&["ubuntu-ha-clc"])).unwrap()
        };
        let first = read(&place);
        let mut archive = tar::Archive::new(first.archive.as_slice());
        let names: Vec<String> = (archive.entries().unwrap())
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(
            names,
            [
                "dists/noble/Release",
                "dists/noble/main/binary-all/Packages",
                "pool/main/ubuntu-ha-agents_1.0_all.deb",
                "pool/main/ubuntu-ha-clc_1.0_all.deb",
                "pool/main/ubuntu-ha-node_1.0_all.deb",
            ]
        );
        let another = index.replace(
            "Package: ubuntu-ha-vip\nVersion: 1.0",
            "Package: ubuntu-ha-vip\nVersion: 2.0",
        );
        assert_eq!(read(&repository(&another)).key, first.key);
        let ours = index.replacen(&"0a".repeat(32), &"0b".repeat(32), 1);
        assert_ne!(read(&repository(&ours)).key, first.key);
    }

    #[test]
    fn what_is_not_there_is_named_with_the_remedy() {
        let place = repository(&listed("ubuntu-ha-node", "1.0", ""));
        for (suite, name) in [("resolute", "ubuntu-ha-node"), ("noble", "ubuntu-ha-vip")] {
            let suite = suite::find(suite).unwrap();
            let missing = super::read(place.path(), suite, &wanted(&[name]))
                .err()
                .unwrap();
            assert!(missing.to_string().contains("hapkg build"), "{missing}");
        }
    }
}
