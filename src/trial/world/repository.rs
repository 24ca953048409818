//! The repository under trial, for guests that have no network: the part of
//! dist/apt that is of one suite, as one archive.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::recipe::suite::Suite;
use crate::vm::Error;

/// Where it lies in the guests.
pub const PLACE: &str = "/srv/hapkg-apt";

/// A suite's part of a repository.
pub struct Repository {
    /// A tar archive of `dists/SUITE` and the suite's packages.
    pub archive: Vec<u8>,
    /// Hash over it.
    pub key: String,
}

/// Reads `apt`, which `hapkg build` has made.
///
/// # Errors
/// `Environment`: it is not there, or has nothing for the suite.
pub fn read(apt: &Path, suite: &Suite) -> Result<Repository, Error> {
    let index = apt.join("dists").join(suite.name);
    if !index.is_dir() {
        return Err(Error::Environment(format!(
            "{} has no packages for {}: run `hapkg build --suite {}` first",
            apt.display(),
            suite.name,
            suite.name
        )));
    }
    let mut files = Vec::new();
    find(&index, &mut files)?;
    // The guests trust it as it is; another key makes no other packages.
    files.retain(|path| !path.ends_with("InRelease") && !path.ends_with("Release.gpg"));
    let mut pool = Vec::new();
    find(&apt.join("pool"), &mut pool)?;
    let ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".deb") && name.contains(suite.version_suffix)
    };
    files.extend(pool.into_iter().filter(ours));
    files.sort();
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
    let key = Sha256::digest(&archive)[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(Repository { archive, key })
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

    #[test]
    fn only_the_suites_files_are_taken() {
        let place = tempfile::tempdir().unwrap();
        let apt = place.path();
        let put = |path: &str| {
            let path = apt.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        put("dists/noble/Release");
        put("dists/noble/InRelease");
        put("dists/trixie/Release");
        put("pool/main/u/vip/ubuntu-ha-vip_1.0~ubuntu24.04.1_all.deb");
        put("pool/main/u/vip/ubuntu-ha-vip_1.0~debian13.1_all.deb");
        let noble = suite::find("noble").unwrap();
        let read = read(apt, noble).unwrap();
        let mut archive = tar::Archive::new(read.archive.as_slice());
        let names: Vec<String> = (archive.entries().unwrap())
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(
            names,
            [
                "dists/noble/Release",
                "pool/main/u/vip/ubuntu-ha-vip_1.0~ubuntu24.04.1_all.deb"
            ]
        );
        let missing = super::read(apt, suite::find("resolute").unwrap())
            .err()
            .unwrap();
        assert!(missing.to_string().contains("hapkg build"), "{missing}");
    }
}
