//! The cache of images and templates: what lies in it, who uses it, and what
//! goes when it is full.
//!
//! An entry is a directory; whoever uses it holds a shared lock on the file of
//! its name with `.use` at the end, whose time says when it was last taken.
//! Templates lie on an image, which never goes before them.

#![allow(
    clippy::incompatible_msrv,
    reason = "file locks; only the packager is built from this, by a current rustc"
)]

use std::cmp::Reverse;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::atomic;
use crate::chroot::{cache_dir, free_space, lock_file, remove_tree};
use crate::vm::Error;

/// Names the most that images and templates may take of the disk: `40G`.
pub const SIZE: &str = "HAPKG_CACHE_SIZE";

/// That, where nobody names it: some sixteen images with a template each.
const DEFAULT_SIZE: u64 = 32 << 30;

/// What is left to others on the cache's disk, as long as anything can go.
const FREE: u64 = 4 << 30;

/// No template is so long in the making, once its cluster has formed.
const HALF_AGE: Duration = Duration::from_secs(60 * 60);

/// What a finished template's directory says of itself.
pub const NOTE: &str = "template.json";

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Template,
    Image,
}

impl Kind {
    const ALL: [Kind; 2] = [Kind::Template, Kind::Image];

    /// The directory of all of them, made where needed.
    pub fn dir(self) -> Result<PathBuf, Error> {
        let dir = self.below(&cache_dir()?);
        fs::create_dir_all(&dir).map_err(|e| Error::io("making", &dir, &e))?;
        Ok(dir)
    }

    fn below(self, cache: &Path) -> PathBuf {
        cache.join(match self {
            Self::Image => "images",
            Self::Template => "templates",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image => "image",
            Self::Template => "template",
        })
    }
}

/// An image or a template in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    /// `SUITE-KEY` of an image, `FINGERPRINT-KEY` of a template.
    pub name: String,
    /// The image that a template lies on; none if nobody knows.
    pub image: Option<String>,
    /// Bytes on the disk.
    pub size: u64,
    /// Since it was last taken; an image is with each of its templates.
    pub unused: Duration,
    /// Held by a process right now.
    pub in_use: bool,
    dir: PathBuf,
}

/// What may stay. Nothing goes for a limit that is not set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// What nobody took for so long goes.
    pub unused: Option<Duration>,
    /// Bytes of all entries; the least recently used go first.
    pub size: Option<u64>,
    /// Bytes free on the disk; likewise.
    pub free: Option<u64>,
}

/// Marks the entry in `dir` as used now, and as in use while the file lives;
/// `None`: it has gone.
///
/// # Errors
/// `Environment`: the cache cannot be written.
pub fn hold(dir: &Path) -> Result<Option<Arc<File>>, Error> {
    let path = mark_name(dir);
    loop {
        let mark = lock_file(&path)?;
        mark.lock_shared()
            .map_err(|e| Error::io("locking", &path, &e))?;
        // Whoever took the entry away took this file with it.
        let same = match (mark.metadata(), fs::metadata(&path)) {
            (Ok(held), Ok(there)) => held.ino() == there.ino(),
            _ => false,
        };
        if !same {
            continue;
        }
        if !dir.is_dir() {
            return Ok(None);
        }
        mark.set_modified(SystemTime::now())
            .map_err(|e| Error::io("marking", &path, &e))?;
        return Ok(Some(Arc::new(mark)));
    }
}

/// Waits until nobody else makes `dir`; held as long as the file is.
///
/// # Errors
/// `Environment`: the cache cannot be written.
pub fn turn(dir: &Path) -> Result<File, Error> {
    let path = turn_name(dir);
    let file = lock_file(&path)?;
    file.lock().map_err(|e| Error::io("locking", &path, &e))?;
    Ok(file)
}

/// All that is in the cache, the least recently used last.
///
/// # Errors
/// `Environment`: the cache cannot be read.
pub fn list() -> Result<Vec<Entry>, Error> {
    list_in(&cache_dir()?)
}

/// Bytes that images and templates may take: what [`SIZE`] says, or 32 GiB.
///
/// # Errors
/// `Environment`: it is no size.
pub fn most() -> Result<u64, Error> {
    let Some(text) = std::env::var_os(SIZE).filter(|text| !text.is_empty()) else {
        return Ok(DEFAULT_SIZE);
    };
    let text = text.to_string_lossy();
    size(&text).ok_or_else(|| {
        Error::Environment(format!(
            "{SIZE}={text} is no size; write it as a number with M or G, like 40G"
        ))
    })
}

/// `512M`, `1G`: bytes.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let unit = match unit {
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    (1..=1 << 20).contains(&number).then_some(number * unit)
}

/// Before an image or a template is made: takes away what is past the limits
/// and in nobody's use.
///
/// # Errors
/// `Environment`: the cache cannot be read or written.
pub fn make_room(progress: &dyn Fn(&str)) -> Result<(), Error> {
    let limits = Limits {
        size: Some(most()?),
        free: Some(FREE),
        unused: None,
    };
    for gone in prune(&limits)? {
        progress(&format!("the cache is full: removed {gone}"));
    }
    Ok(())
}

/// Removes what is past the limits and no process uses, and what killed runs
/// left behind; what was removed.
///
/// # Errors
/// `Environment`: the cache cannot be read or written.
pub fn prune(limits: &Limits) -> Result<Vec<Entry>, Error> {
    let cache = cache_dir()?;
    for kind in Kind::ALL {
        half(kind, &kind.below(&cache))?;
    }
    prune_in(&cache, limits, &|| Ok(free_space(&cache)?))
}

fn prune_in(
    cache: &Path,
    limits: &Limits,
    free: &dyn Fn() -> Result<u64, Error>,
) -> Result<Vec<Entry>, Error> {
    let entries = list_in(cache)?;
    let mut total: u64 = entries.iter().map(|entry| entry.size).sum();
    let mut gone: Vec<Entry> = Vec::new();
    for entry in entries.iter().rev() {
        let old = limits.unused.is_some_and(|limit| entry.unused >= limit);
        let large = limits.size.is_some_and(|limit| total > limit);
        let tight = match limits.free {
            Some(limit) => free()? < limit,
            None => false,
        };
        if !(old || large || tight) || !remove(entry, cache)? {
            continue;
        }
        total -= entry.size;
        gone.push(entry.clone());
    }
    Ok(gone)
}

/// Whether the entry could be removed: no process uses it, makes it, or has a
/// template on it.
fn remove(entry: &Entry, cache: &Path) -> Result<bool, Error> {
    let mark = lock_file(&mark_name(&entry.dir))?;
    if mark.try_lock().is_err() {
        return Ok(false);
    }
    let turn;
    if entry.kind == Kind::Image {
        turn = lock_file(&turn_name(&entry.dir))?;
        let templates = list_of(Kind::Template, cache)?;
        if turn.try_lock().is_err() || templates.iter().any(|one| one.lies_on(entry)) {
            return Ok(false);
        }
    }
    clear(&aside(entry)?)?;
    let _ = fs::remove_file(mark_name(&entry.dir));
    Ok(true)
}

/// Gives an entry the name of a half one, so that what a killed removal leaves
/// of it does not look whole; where it lies then.
fn aside(entry: &Entry) -> Result<PathBuf, Error> {
    let half = match entry.kind {
        Kind::Image => partial(&entry.dir),
        Kind::Template => atomic::temporary(&entry.dir),
    };
    clear(&half)?;
    fs::rename(&entry.dir, &half).map_err(|e| Error::io("renaming", &entry.dir, &e))?;
    Ok(half)
}

fn list_in(cache: &Path) -> Result<Vec<Entry>, Error> {
    let templates = list_of(Kind::Template, cache)?;
    let mut all = list_of(Kind::Image, cache)?;
    for image in &mut all {
        for template in &templates {
            if template.lies_on(image) {
                image.unused = image.unused.min(template.unused);
            }
        }
    }
    all.extend(templates);
    all.sort_by_key(|entry| (entry.unused, Reverse(entry.kind)));
    Ok(all)
}

fn list_of(kind: Kind, cache: &Path) -> Result<Vec<Entry>, Error> {
    let mut found = Vec::new();
    for dir in directories(&kind.below(cache))? {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        if is_half(&name) {
            continue;
        }
        let mark = lock_file(&mark_name(&dir))?;
        let used = mark.metadata().and_then(|data| data.modified());
        let unused = used.ok().and_then(|used| used.elapsed().ok());
        found.push(Entry {
            kind,
            name: name.into_owned(),
            image: match kind {
                Kind::Image => None,
                Kind::Template => {
                    note(&dir).and_then(|note| note["image"].as_str().map(str::to_owned))
                }
            },
            size: occupied(&dir),
            unused: unused.unwrap_or_default(),
            in_use: mark.try_lock().is_err(),
            dir,
        });
    }
    Ok(found)
}

/// Removes what a killed run began.
fn half(kind: Kind, above: &Path) -> Result<(), Error> {
    for dir in directories(above)? {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        if !is_half(&name) {
            continue;
        }
        match kind {
            Kind::Image => {
                let turn = lock_file(&dir.with_extension("lock"))?;
                if turn.try_lock().is_ok() {
                    clear(&dir)?;
                }
            }
            Kind::Template => {
                let began = dir.metadata().and_then(|data| data.modified());
                let age = began.ok().and_then(|began| began.elapsed().ok());
                if age.is_some_and(|age| age >= HALF_AGE) {
                    clear(&dir)?;
                }
            }
        }
    }
    Ok(())
}

/// Where the image that shall be in `dir` is made.
pub fn partial(dir: &Path) -> PathBuf {
    with_end(dir, PARTIAL)
}

const PARTIAL: &str = "partial";

/// An image in the making has its own end, a template begins with a dot, like
/// all that is written beside its place.
fn is_half(name: &str) -> bool {
    name.starts_with('.') || name.rsplit_once('.').is_some_and(|(_, end)| end == PARTIAL)
}

fn directories(above: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |e: io::Error| Error::io("reading", above, &e);
    let entries = match fs::read_dir(above) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn turn_name(dir: &Path) -> PathBuf {
    with_end(dir, "lock")
}

fn mark_name(dir: &Path) -> PathBuf {
    with_end(dir, "use")
}

fn with_end(dir: &Path, end: &str) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.with_file_name(format!("{name}.{end}"))
}

/// What a template says of itself.
pub fn note(dir: &Path) -> Option<serde_json::Value> {
    let text = fs::read(dir.join(NOTE)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Away with a directory; root may own some of an image.
pub fn clear(dir: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(dir) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => Ok(remove_tree(dir)?),
    }
}

/// Every file below `dir` to the disk, before a name says that it is whole:
/// a crash may keep the name and lose the content.
pub fn flush(dir: &Path) -> Result<(), Error> {
    let failed = |e: io::Error| Error::io("flushing", dir, &e);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        match path.is_dir() {
            true => flush(&path)?,
            false => File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(|e| Error::io("flushing", &path, &e))?,
        }
    }
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(failed)
}

/// Whether that is a file with something in it.
pub fn has_content(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|data| data.is_file() && data.len() > 0)
}

/// Bytes of a tree on the disk; what vanishes meanwhile has none.
fn occupied(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let data = entry.metadata().ok()?;
            Some(match data.is_dir() {
                true => occupied(&entry.path()),
                false => data.blocks() * 512,
            })
        })
        .sum()
}

impl Entry {
    /// Whether a template needs that image; one that does not say may.
    fn lies_on(&self, image: &Entry) -> bool {
        let named = self.image.as_deref();
        image.kind == Kind::Image && named.is_none_or(|name| name == image.name)
    }
}

impl fmt::Display for Entry {
    /// `image noble-KEY, 811 MiB, unused for 3 days`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)?;
        if let Some(image) = &self.image {
            write!(f, " on {image}")?;
        }
        write!(f, ", {} MiB, ", self.size >> 20)?;
        if self.in_use {
            return f.write_str("in use");
        }
        let minutes = self.unused.as_secs() / 60;
        match minutes {
            0..120 => write!(f, "unused for {minutes} min"),
            120..2880 => write!(f, "unused for {} hours", minutes / 60),
            _ => write!(f, "unused for {} days", minutes / 1440),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs::{self, File};
    use std::path::Path;
    use std::thread;
    use std::time::{Duration, Instant, SystemTime};

    use super::{
        Entry, HALF_AGE, Kind, Limits, aside, directories, flush, half, has_content, hold, list_in,
        lock_file, partial, prune_in, size, turn_name,
    };

    /// Two images, each with a template, taken 1 to 4 hours ago.
    fn filled() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let entry = |path: &str, hours: u64, note: &str| {
            let place = dir.path().join(path);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("disk.raw"), vec![7; 64 << 10]).unwrap();
            if !note.is_empty() {
                fs::write(place.join("template.json"), note).unwrap();
            }
            let mark = File::create(dir.path().join(format!("{path}.use"))).unwrap();
            let ago = Duration::from_secs(hours * 3600);
            mark.set_modified(SystemTime::now() - ago).unwrap();
        };
        entry("images/noble-1", 4, "");
        entry("images/noble-2", 3, "");
        entry("templates/a-1", 2, r#"{"image":"noble-1"}"#);
        entry("templates/b-2", 3, r#"{"image":"noble-2"}"#);
        fs::create_dir(dir.path().join("images/noble-3.partial")).unwrap();
        fs::create_dir(dir.path().join("templates/.c-1.7-0.new")).unwrap();
        dir
    }

    fn names(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|one| one.name.as_str()).collect()
    }

    fn roomy() -> Result<u64, super::Error> {
        Ok(u64::MAX)
    }

    /// A child that another test forks shares a lock until its exec.
    fn soon(what: impl Fn() -> bool) -> bool {
        let end = Instant::now() + Duration::from_secs(20);
        while !what() && Instant::now() < end {
            thread::sleep(Duration::from_millis(10));
        }
        what()
    }

    #[test]
    fn an_image_is_as_recent_as_its_templates_and_half_ones_are_none() {
        let cache = filled();
        let found = list_in(cache.path()).unwrap();
        assert_eq!(names(&found), ["noble-1", "a-1", "noble-2", "b-2"]);
        assert_eq!(found[0].unused.as_secs() / 3600, 2);
        assert!(found.iter().all(|one| one.size >= 64 << 10));
    }

    #[test]
    fn the_least_recently_used_go_first_and_images_after_their_templates() {
        let cache = filled();
        let all: u64 = list_in(cache.path())
            .unwrap()
            .iter()
            .map(|one| one.size)
            .sum();
        let limits = Limits {
            size: Some(all - 1),
            ..Limits::default()
        };
        let gone = prune_in(cache.path(), &limits, &roomy).unwrap();
        assert_eq!(names(&gone), ["b-2"]);
        assert!(!cache.path().join("templates/b-2").exists());
        assert!(!cache.path().join("templates/b-2.use").exists());
        let limits = Limits {
            unused: Some(Duration::from_secs(2 * 3600)),
            ..Limits::default()
        };
        let gone = prune_in(cache.path(), &limits, &roomy).unwrap();
        assert_eq!(names(&gone), ["noble-2", "a-1", "noble-1"]);
    }

    #[test]
    fn what_is_held_stays_and_so_does_what_it_lies_on() {
        let cache = filled();
        let template = cache.path().join("templates/b-2");
        let held = hold(&template).unwrap().unwrap();
        let nothing = Limits {
            size: Some(0),
            ..Limits::default()
        };
        let gone = prune_in(cache.path(), &nothing, &roomy).unwrap();
        assert_eq!(names(&gone), ["a-1", "noble-1"]);
        let left = list_in(cache.path()).unwrap();
        assert!(left.iter().any(|one| one.name == "b-2" && one.in_use));
        drop(held);
        let free = || list_in(cache.path()).unwrap().iter().all(|one| !one.in_use);
        assert!(soon(free));
        prune_in(cache.path(), &nothing, &roomy).unwrap();
        assert!(directories(&Kind::Image.below(cache.path())).unwrap().len() == 1);
        assert!(hold(&template).unwrap().is_none());
    }

    #[test]
    fn what_a_killed_removal_leaves_is_no_entry() {
        let cache = filled();
        for entry in list_in(cache.path()).unwrap() {
            let left = aside(&entry).unwrap();
            assert!(left.join("disk.raw").exists() && !entry.dir.exists());
            assert!(hold(&entry.dir).unwrap().is_none());
            half(entry.kind, &entry.kind.below(cache.path())).unwrap();
            let long_ago = SystemTime::now() - HALF_AGE;
            if let Ok(dir) = File::open(&left) {
                dir.set_modified(long_ago).unwrap();
            }
            half(entry.kind, &entry.kind.below(cache.path())).unwrap();
            assert!(!left.exists(), "{}", left.display());
        }
        assert!(list_in(cache.path()).unwrap().is_empty());
    }

    #[test]
    fn an_empty_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("below/ram");
        fs::create_dir(path.parent().unwrap()).unwrap();
        for (data, there) in [("", false), ("x", true)] {
            fs::write(&path, data).unwrap();
            flush(dir.path()).unwrap();
            assert_eq!(has_content(&path), there);
        }
        assert!(!has_content(dir.path()) && !has_content(&path.join("more")));
        assert!(flush(&dir.path().join("missing")).is_err());
    }

    #[test]
    fn a_full_disk_is_emptied_until_there_is_room() {
        let cache = filled();
        let asked = Cell::new(0);
        let free = || {
            asked.set(asked.get() + 1);
            Ok(if asked.get() < 3 { 10 } else { 100 })
        };
        let limits = Limits {
            free: Some(50),
            ..Limits::default()
        };
        let gone = prune_in(cache.path(), &limits, &free).unwrap();
        assert_eq!(names(&gone), ["b-2", "noble-2"]);
    }

    #[test]
    fn what_a_killed_run_began_goes_and_what_another_makes_stays() {
        let cache = filled();
        let images = Kind::Image.below(cache.path());
        let templates = Kind::Template.below(cache.path());
        let image = partial(&images.join("noble-3"));
        let template = templates.join(".c-1.7-0.new");
        let turn = lock_file(&turn_name(&images.join("noble-3"))).unwrap();
        turn.lock().unwrap();
        half(Kind::Image, &images).unwrap();
        half(Kind::Template, &templates).unwrap();
        assert!(image.exists() && template.exists());
        drop(turn);
        let old = SystemTime::now() - HALF_AGE;
        File::open(&template).unwrap().set_modified(old).unwrap();
        let gone = || {
            half(Kind::Image, &images).unwrap();
            !image.exists()
        };
        assert!(soon(gone));
        half(Kind::Template, &templates).unwrap();
        assert!(!template.exists());
        assert_eq!(list_in(cache.path()).unwrap().len(), 4);
    }

    #[test]
    fn no_cache_is_an_empty_one() {
        assert!(list_in(Path::new("/nowhere")).unwrap().is_empty());
    }

    #[test]
    fn sizes_are_whole() {
        assert_eq!(size("1G"), Some(1 << 30));
        assert_eq!(size("64M"), Some(64 << 20));
        for wrong in ["", "1", "0M", "1.5G", "1T", "-1G"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
