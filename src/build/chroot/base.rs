//! Bases: what trials lie on. `CACHE/chroots/SUITE-HASH-TIME/root`.

#![allow(
    clippy::incompatible_msrv,
    reason = "file locks; only the packager is built from this, by a current rustc"
)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::host::{as_root, cache_dir, lock_file, make_dir, remove_tree, root_script, started};
use super::trial::{Network, mount_overlay, root_command, unmount};
use super::{BASE_AGE, Error, mirror_failed, tail};
use crate::recipe::suite::{Family, Suite};

/// Raised when the same input gives another base than before.
const LAYOUT: &str = "base 1";

/// Always there: apt over https, and preconfiguring.
const INCLUDE: [&str; 2] = ["ca-certificates", "apt-utils"];

/// Never started: a chroot is not a system (policy-rc.d(8)).
const FINISH: &str = r#"printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
chmod 0755 "$1/usr/sbin/policy-rc.d""#;

/// A finished chroot that nobody writes into.
#[derive(Debug, Clone)]
pub struct Base {
    /// Top layer first; the last one is a whole system.
    layers: Vec<PathBuf>,
    key: String,
    suite: String,
    // Keeps the base from being pruned while it is in use.
    _held: Vec<std::sync::Arc<File>>,
}

impl Base {
    /// The layers, the topmost first, as overlayfs names them.
    pub(super) fn layers(&self) -> &[PathBuf] {
        &self.layers
    }

    /// This base with what `script` does to it. The script is POSIX shell, run
    /// as root inside with the network; it may expect apt's lists to be there.
    ///
    /// # Errors
    /// `Failed` with the script's last output; `Environment` where a mirror
    /// could not be reached.
    pub fn layer(&self, script: &str, progress: &dyn Fn(&str)) -> Result<Base, Error> {
        let key = hash(&[LAYOUT, &self.key, script]);
        let (mut layers, mut held) = (self.layers.clone(), self._held.clone());
        let (dir, lock) = cached(&self.suite, &key, |dir| {
            let made = dir.join("made");
            for name in ["upper", "work", "made"] {
                make_dir(&dir.join(name))?;
            }
            mount_overlay(&self.layers, dir, &made)?;
            let done = run_layer(&made, script, progress);
            unmount(&made)?;
            done?;
            root_script(
                "keeping a layer",
                "rm -rf \"$1/work\"; rmdir \"$1/made\"; mv \"$1/upper\" \"$1/root\"",
                &[dir],
            )
        })?;
        layers.insert(0, dir.join("root"));
        held.push(lock);
        Ok(Base {
            layers,
            key,
            suite: self.suite.clone(),
            _held: held,
        })
    }
}

fn run_layer(root: &Path, script: &str, progress: &dyn Fn(&str)) -> Result<(), Error> {
    let mut command = root_command(root, Network::On);
    command.args(["sh", "-euc", &format!("exec 2>&1\n{script}")]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|e| started("unshare", &e))?;
    let output = follow(child.stdout.take(), progress);
    let status = child.wait().map_err(|e| started("unshare", &e))?;
    if status.success() {
        return Ok(());
    }
    let text = format!("preparing a chroot failed:\n{}", tail(&output, 15));
    Err(if mirror_failed(&output) {
        Error::Environment(text)
    } else {
        Error::Failed(text)
    })
}

/// A base of `suite` with the packages of `include` besides the essential ones
/// and apt, its apt lists in place, services forbidden to start. mmdebstrap
/// chooses the mirror; `HAPKG_MIRROR` overrides it: one address, or
/// `ubuntu=ADDRESS debian=ADDRESS`.
///
/// # Errors
/// `Environment`: mmdebstrap, its keyring, the mirror or the disk failed.
pub fn base(suite: &Suite, include: &[&str], progress: &dyn Fn(&str)) -> Result<Base, Error> {
    let mut packages: Vec<&str> = INCLUDE.iter().chain(include).copied().collect();
    packages.sort_unstable();
    packages.dedup();
    let packages = packages.join(",");
    let mirror = chosen_mirror(suite);
    let components = suite.components.join(",");
    let key = hash(&[
        LAYOUT,
        suite.name,
        &components,
        &packages,
        &mirror.join("\n"),
        FINISH,
    ]);
    let (dir, lock) = cached(suite.name, &key, |dir| {
        progress(&format!("making a {} chroot", suite.name));
        let root = dir.join("root");
        let mut command = as_root("mmdebstrap");
        command
            .args(["--mode=root", "--variant=apt", "--format=directory"])
            .arg(format!("--components={components}"))
            .arg(format!("--include={packages}"))
            .arg("--aptopt=Acquire::Languages \"none\"")
            .args(["--dpkgopt=force-unsafe-io", "--skip=cleanup/apt/lists"])
            .arg(format!("--customize-hook={FINISH}"))
            .arg(suite.name)
            .arg(&root)
            .args(&mirror);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| started("mmdebstrap", &e))?;
        let output = follow(child.stderr.take(), progress);
        let status = child.wait().map_err(|e| started("mmdebstrap", &e))?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Environment(format!(
            "mmdebstrap could not make a {} chroot:\n{}\nIs the mirror reachable and its keyring installed? `cargo xtask setup` installs the keyrings; HAPKG_MIRROR names another mirror",
            suite.name,
            tail(&output, 8)
        )))
    })?;
    Ok(Base {
        layers: vec![dir.join("root")],
        key,
        suite: suite.name.into(),
        _held: vec![lock],
    })
}

/// The youngest cached directory of that key, or what `make` puts into a new
/// one. The file returned holds a shared lock on it.
fn cached(
    suite: &str,
    key: &str,
    make: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(PathBuf, std::sync::Arc<File>), Error> {
    let chroots = cache_dir()?.join("chroots");
    make_dir(&chroots)?;
    let stem = format!("{suite}-{key}");
    let locking = |path: &Path, e: std::io::Error| {
        Error::Environment(format!("locking {}: {e}", path.display()))
    };
    // One maker for a key at a time; the others wait and find it made.
    let turn_path = chroots.join(format!("{stem}.lock"));
    let turn = lock_file(&turn_path)?;
    turn.lock().map_err(|e| locking(&turn_path, e))?;

    let now = seconds(SystemTime::now());
    let (mut found, stale) = generations(&chroots, &stem, now)?;
    for path in stale {
        let lock = lock_file(&path.with_extension("use"))?;
        if lock.try_lock().is_ok() {
            unmount(&path.join("made"))?;
            remove_tree(&path)?;
            let _ = fs::remove_file(path.with_extension("use"));
        }
    }
    let dir = match found.pop() {
        Some(dir) => dir,
        None => {
            let partial = chroots.join(format!("{stem}-{now}.partial"));
            make_dir(&partial)?;
            if let Err(error) = make(&partial) {
                remove_tree(&partial)?;
                return Err(error);
            }
            let dir = chroots.join(format!("{stem}-{now}"));
            fs::rename(&partial, &dir)
                .map_err(|e| Error::Environment(format!("renaming {}: {e}", partial.display())))?;
            dir
        }
    };
    let in_use = dir.with_extension("use");
    let lock = lock_file(&in_use)?;
    lock.lock_shared().map_err(|e| locking(&in_use, e))?;
    Ok((dir, std::sync::Arc::new(lock)))
}

/// Directories of a key: those young enough, oldest first, and the rest, which
/// killed runs and time left behind.
fn generations(
    chroots: &Path,
    stem: &str,
    now: u64,
) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Error> {
    let failed =
        |e: std::io::Error| Error::Environment(format!("reading {}: {e}", chroots.display()));
    let (mut fresh, mut stale) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(chroots).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !path.is_dir() {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(rest) = name
            .and_then(|name| name.strip_prefix(stem))
            .and_then(|rest| rest.strip_prefix('-'))
        else {
            continue;
        };
        match rest.parse::<u64>() {
            Ok(made) if now.saturating_sub(made) < BASE_AGE.as_secs() => fresh.push((made, path)),
            _ => stale.push(path),
        }
    }
    fresh.sort();
    Ok((fresh.into_iter().map(|(_, path)| path).collect(), stale))
}

/// What mmdebstrap is told after the suite's name: the mirror that
/// `HAPKG_MIRROR` chooses, or nothing.
pub fn chosen_mirror(suite: &Suite) -> Vec<String> {
    mirror(suite, &std::env::var("HAPKG_MIRROR").unwrap_or_default())
}

/// mmdebstrap's source lines for `HAPKG_MIRROR`; none means its own default.
fn mirror(suite: &Suite, setting: &str) -> Vec<String> {
    let family = match suite.family {
        Family::Ubuntu => "ubuntu=",
        Family::Debian => "debian=",
    };
    let words: Vec<&str> = setting.split_whitespace().collect();
    let named = words.iter().find_map(|word| word.strip_prefix(family));
    let any = words
        .iter()
        .find(|word| !word.starts_with("ubuntu=") && !word.starts_with("debian="));
    let Some(address) = named.or(any.copied()) else {
        return Vec::new();
    };
    let components = suite.components.join(" ");
    ["", "-updates"]
        .iter()
        .map(|pocket| format!("deb {address} {}{pocket} {components}", suite.name))
        .collect()
}

/// Passes a child's lines on and keeps them.
fn follow(stream: Option<impl std::io::Read>, progress: &dyn Fn(&str)) -> String {
    let mut kept = String::new();
    let Some(stream) = stream else {
        return kept;
    };
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        progress(line.trim_end());
        kept.push_str(&line);
        kept.push('\n');
    }
    kept
}

fn hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{generations, hash, mirror};
    use crate::recipe::suite::find;

    #[test]
    fn mirrors_are_chosen_by_family() {
        let noble = find("noble").unwrap();
        let trixie = find("trixie").unwrap();
        assert!(mirror(noble, "").is_empty());
        let both = "ubuntu=file:/srv/u debian=file:/srv/d";
        assert_eq!(
            mirror(noble, both),
            [
                "deb file:/srv/u noble main universe",
                "deb file:/srv/u noble-updates main universe"
            ]
        );
        assert_eq!(mirror(trixie, both)[0], "deb file:/srv/d trixie main");
        assert_eq!(mirror(trixie, "file:/m")[0], "deb file:/m trixie main");
        assert!(mirror(trixie, "ubuntu=file:/srv/u").is_empty());
    }

    #[test]
    fn hashes_separate_their_parts() {
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_eq!(hash(&["a"]).len(), 16);
    }

    #[test]
    fn old_and_broken_generations_are_stale() {
        let dir = tempfile::tempdir().unwrap();
        let now = 10_000_000;
        for name in [
            "noble-k-9999000",
            "noble-k-9999500",
            "noble-k-1",
            "noble-k-9999900.partial",
            "noble-other-9999999",
        ] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let (fresh, mut stale) = generations(dir.path(), "noble-k", now).unwrap();
        stale.sort();
        let names = |paths: &[std::path::PathBuf]| -> Vec<String> {
            paths
                .iter()
                .map(|path| path.file_name().unwrap().to_string_lossy().into())
                .collect()
        };
        assert_eq!(names(&fresh), ["noble-k-9999000", "noble-k-9999500"]);
        assert_eq!(names(&stale), ["noble-k-1", "noble-k-9999900.partial"]);
    }
}
