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

use nix::unistd::syncfs;
use sha2::{Digest, Sha256};

use super::host::{
    as_root, cache_dir, enough_room, lock_file, make_dir, only_amd64, remove_tree, root_script,
    started,
};
use super::mounted::Mounted;
use super::trial::Network;
use super::{BASE_AGE, Error, mirror_failed, tail};
use crate::recipe::suite::{Family, Suite};

/// Raised when the same input gives another base than before.
const LAYOUT: &str = "base 1";

/// Always there: apt over https, and preconfiguring.
const INCLUDE: [&str; 2] = ["ca-certificates", "apt-utils"];

/// Never started: a chroot is not a system (policy-rc.d(8)).
const FINISH: &str = r#"printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
chmod 0755 "$1/usr/sbin/policy-rc.d""#;

/// Ends the name of a directory that is being made or removed.
const BROKEN: &str = "partial";

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
        // A layer fits only the very base it was made on.
        let below = self.layers[0].display().to_string();
        let key = hash(&[LAYOUT, &self.key, &below, script]);
        let (mut layers, mut held) = (self.layers.clone(), self._held.clone());
        let (dir, lock) = cached(&self.suite, &key, progress, |dir| {
            let made = dir.join("made");
            for name in ["upper", "work", "made"] {
                make_dir(&dir.join(name))?;
            }
            let mounted = Mounted::new(&self.layers, dir, &made)?;
            let done = run_layer(&mounted, script, progress);
            drop(mounted);
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

    /// A hash over name and version of every package installed in it.
    ///
    /// # Errors
    /// `Environment`: dpkg's status file cannot be read.
    pub fn packages_hash(&self) -> Result<String, Error> {
        let paths = self
            .layers
            .iter()
            .map(|layer| layer.join("var/lib/dpkg/status"));
        let path = paths
            .into_iter()
            .find(|path| path.is_file())
            .ok_or_else(|| {
                Error::Environment(format!("a {} chroot has no dpkg status", self.suite))
            })?;
        let status = fs::read_to_string(&path)
            .map_err(|e| Error::Environment(format!("reading {}: {e}", path.display())))?;
        Ok(hash(&versions(&status)))
    }
}

/// The lines of dpkg's status file that name packages, their state and version.
fn versions(status: &str) -> Vec<&str> {
    status
        .lines()
        .filter(|line| {
            ["Package: ", "Status: ", "Version: "]
                .iter()
                .any(|field| line.starts_with(field))
        })
        .collect()
}

/// The lists may be days old, and a mirror keeps no .deb that another version
/// has replaced. Where it does not answer, the script tells.
fn refreshed(script: &str) -> String {
    format!("exec 2>&1\napt-get -q update || true\n{script}")
}

fn run_layer(mounted: &Mounted, script: &str, progress: &dyn Fn(&str)) -> Result<(), Error> {
    let mut command = mounted.command(Network::On);
    command.args(["sh", "-euc", &refreshed(script)]);
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
/// `Environment`: the host is no amd64 one; mmdebstrap, its keyring, the mirror
/// or the disk failed.
pub fn base(suite: &Suite, include: &[&str], progress: &dyn Fn(&str)) -> Result<Base, Error> {
    only_amd64(std::env::consts::ARCH)?;
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
    let (dir, lock) = cached(suite.name, &key, progress, |dir| {
        progress(&format!("making a {} chroot", suite.name));
        let root = dir.join("root");
        let mut command = as_root("mmdebstrap");
        command
            .args(["--mode=root", "--variant=apt", "--format=directory"])
            .arg("--architectures=amd64")
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
/// one. Where the environment lets no new one be made, an old one serves on.
/// The file returned holds a shared lock on it.
fn cached(
    suite: &str,
    key: &str,
    progress: &dyn Fn(&str),
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
    let mut found = generations(&chroots, &stem, now)?;
    let dir = match found.fresh.pop() {
        Some(dir) => dir,
        None => match (made(&chroots, &stem, now, make), found.old.last()) {
            (Err(Error::Environment(why)), Some(old)) => {
                progress(&format!("using an old {suite} chroot: {why}"));
                old.clone()
            }
            (other, _) => other?,
        },
    };
    for path in found.old.iter().chain(&found.broken) {
        if *path != dir {
            discard(path)?;
        }
    }
    for path in forgotten(&chroots, now)? {
        if path != dir {
            discard(&path)?;
        }
    }
    let in_use = dir.with_extension("use");
    let lock = lock_file(&in_use)?;
    lock.lock_shared().map_err(|e| locking(&in_use, e))?;
    lock.set_modified(SystemTime::now())
        .map_err(|e| Error::Environment(format!("marking {}: {e}", in_use.display())))?;
    Ok((dir, std::sync::Arc::new(lock)))
}

/// A new directory of that key, whole or not at all.
fn made(
    chroots: &Path,
    stem: &str,
    now: u64,
    make: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    enough_room(chroots)?;
    let partial = chroots.join(format!("{stem}-{now}.{BROKEN}"));
    make_dir(&partial)?;
    if let Err(error) = make(&partial) {
        remove_tree(&partial)?;
        return Err(error);
    }
    // A crash may keep the name and lose the content; it is too many files to
    // flush each.
    File::open(&partial)
        .and_then(|file| Ok(syncfs(file)?))
        .map_err(|e| Error::Environment(format!("flushing {}: {e}", partial.display())))?;
    let dir = chroots.join(format!("{stem}-{now}"));
    renamed(&partial, &dir)?;
    Ok(dir)
}

fn renamed(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to)
        .map_err(|e| Error::Environment(format!("renaming {}: {e}", from.display())))
}

/// Takes a directory away, unless a run uses it.
fn discard(path: &Path) -> Result<(), Error> {
    let in_use = path.with_extension("use");
    let lock = lock_file(&in_use)?;
    if lock.try_lock().is_ok() {
        remove_tree(&aside(path)?)?;
        let _ = fs::remove_file(in_use);
    }
    Ok(())
}

/// Gives a directory the name of a broken one, so that what a killed removal
/// leaves of it does not look whole; where it lies then.
fn aside(path: &Path) -> Result<PathBuf, Error> {
    let broken = path.with_extension(BROKEN);
    if broken != path {
        remove_tree(&broken)?;
        renamed(path, &broken)?;
    }
    Ok(broken)
}

/// The directories of a key.
#[derive(Debug, Default)]
struct Generations {
    /// Young enough, the oldest first.
    fresh: Vec<PathBuf>,
    /// Whole, but older than [`BASE_AGE`], the oldest first.
    old: Vec<PathBuf>,
    /// What killed runs left behind.
    broken: Vec<PathBuf>,
}

fn generations(chroots: &Path, stem: &str, now: u64) -> Result<Generations, Error> {
    let failed =
        |e: std::io::Error| Error::Environment(format!("reading {}: {e}", chroots.display()));
    let mut whole = Vec::new();
    let mut found = Generations::default();
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
            Ok(made) => whole.push((made, path)),
            Err(_) => found.broken.push(path),
        }
    }
    whole.sort();
    for (made, path) in whole {
        if now.saturating_sub(made) < BASE_AGE.as_secs() {
            found.fresh.push(path);
        } else {
            found.old.push(path);
        }
    }
    Ok(found)
}

/// Directories of whatever key that nobody has used for long; one that has
/// served lately may be all there is where no mirror answers.
fn forgotten(chroots: &Path, now: u64) -> Result<Vec<PathBuf>, Error> {
    let failed =
        |e: std::io::Error| Error::Environment(format!("reading {}: {e}", chroots.display()));
    let mut found = Vec::new();
    for entry in fs::read_dir(chroots).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let made = name
            .and_then(|name| name.rsplit('-').next())
            .map(|time| time.split('.').next().unwrap_or(time))
            .and_then(|time| time.parse::<u64>().ok());
        let used = fs::metadata(path.with_extension("use")).and_then(|data| data.modified());
        let used = used.map_or(0, seconds);
        let over =
            made.is_some_and(|made| now.saturating_sub(made.max(used)) > 2 * BASE_AGE.as_secs());
        if over && path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
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

/// A short digest that tells its parts apart, for a name in the cache.
pub fn hash<S: AsRef<[u8]>>(parts: &[S]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.as_ref();
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
    use std::time::{Duration, UNIX_EPOCH};

    use super::{aside, discard, forgotten, generations, hash, mirror, refreshed, versions};
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
    fn generations_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let now = 10_000_000;
        for name in [
            "noble-k-9999000",
            "noble-k-9999500",
            "noble-k-9000000",
            "noble-k-1",
            "noble-k-9999900.partial",
            "noble-other-9999999",
            "noble-other-9000000",
            "noble-gone-2",
            "noble-kept-2",
        ] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let used = |name: &str, when: u64| {
            let mark = fs::File::create(dir.path().join(name)).unwrap();
            mark.set_modified(UNIX_EPOCH + Duration::from_secs(when))
                .unwrap();
        };
        used("noble-k-1.use", 2);
        used("noble-kept-2.use", now - 1000);
        let found = generations(dir.path(), "noble-k", now).unwrap();
        let names = |paths: &[std::path::PathBuf]| -> Vec<String> {
            let mut names: Vec<String> = paths
                .iter()
                .map(|path| path.file_name().unwrap().to_string_lossy().into())
                .collect();
            names.sort();
            names
        };
        assert_eq!(
            found.fresh.last(),
            Some(&dir.path().join("noble-k-9999500"))
        );
        assert_eq!(names(&found.fresh), ["noble-k-9999000", "noble-k-9999500"]);
        assert_eq!(found.old.last(), Some(&dir.path().join("noble-k-9000000")));
        assert_eq!(names(&found.old), ["noble-k-1", "noble-k-9000000"]);
        assert_eq!(names(&found.broken), ["noble-k-9999900.partial"]);
        let forgotten = forgotten(dir.path(), now).unwrap();
        assert_eq!(names(&forgotten), ["noble-gone-2", "noble-k-1"]);
    }

    #[test]
    fn what_a_killed_removal_leaves_is_broken_and_goes_at_last() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("noble-k-9999000");
        fs::create_dir_all(path.join("root")).unwrap();
        let left = aside(&path).unwrap();
        assert!(left.join("root").exists());
        let now = 10_000_000;
        let found = generations(dir.path(), "noble-k", now).unwrap();
        assert!(found.fresh.is_empty() && found.old.is_empty());
        assert_eq!(found.broken, std::slice::from_ref(&left));
        assert_eq!(aside(&left).unwrap(), left);
        assert!(forgotten(dir.path(), now).unwrap().is_empty());
        let later = forgotten(dir.path(), 2 * now).unwrap();
        assert_eq!(later, std::slice::from_ref(&left));
        discard(&left).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn lists_are_fetched_anew_before_a_layer_and_need_not_be() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().display();
        let fake = format!("#!/bin/sh\necho \"$@\" >>{place}/log\n[ \"$2\" != update ]\n");
        // Written by another process: one that is forked meanwhile would have
        // it open still, and it could not be run.
        let put = format!("printf %s \"$1\" >{place}/apt-get; chmod 755 {place}/apt-get");
        let written = std::process::Command::new("sh")
            .args(["-euc", &put, "sh", &fake])
            .status();
        assert!(written.unwrap().success());
        let path = format!("{}:/usr/bin:/bin", dir.path().display());
        let status = std::process::Command::new("sh")
            .args(["-euc", &refreshed("apt-get install x")])
            .env("PATH", path)
            .status()
            .unwrap();
        assert!(status.success());
        let log = fs::read_to_string(dir.path().join("log")).unwrap();
        assert_eq!(log, "-q update\ninstall x\n");
    }

    #[test]
    fn versions_of_packages_are_seen() {
        let status = "Package: rustc\nStatus: install ok installed\nVersion: 1.85.0\nDescription: x\n Version: y\n";
        assert_eq!(
            versions(status),
            [
                "Package: rustc",
                "Status: install ok installed",
                "Version: 1.85.0"
            ]
        );
    }
}
