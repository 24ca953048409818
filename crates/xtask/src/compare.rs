//! Are two .debs, or two directories, the same? Debs are read by dpkg-deb, so
//! that our own reader cannot hide what our own writer does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::host::{files_below, fresh_dir, read};
use crate::stop::{During, Stop};

/// What is compared of a .deb.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deb {
    /// The control file's fields, in order.
    fields: Vec<(String, String)>,
    /// Control members and the files of the data member: mode and content.
    files: BTreeMap<String, (u32, Vec<u8>)>,
    /// Path to mode, owner, time and link target of every data entry.
    entries: BTreeMap<String, String>,
}

/// Reads a .deb, unpacking it into `scratch`.
///
/// # Errors
/// dpkg-deb refuses it, or the disk does.
pub fn read_deb(path: &Path, scratch: &Path) -> Result<Deb, Stop> {
    fresh_dir(scratch)?;
    read(Command::new("dpkg-deb").arg("-R").args([path, scratch]))?;
    let mut deb = Deb {
        fields: fields(&read(Command::new("dpkg-deb").arg("-f").arg(path))?),
        ..Deb::default()
    };
    let listing = read(
        Command::new("dpkg-deb")
            .args(["-c"])
            .arg(path)
            .env("LC_ALL", "C")
            .env("TZ", "UTC"),
    )?;
    deb.entries = listing.lines().filter_map(entry).collect();
    for file in files_below(scratch)? {
        let name = file.to_string_lossy().into_owned();
        if name == "DEBIAN/control" {
            continue;
        }
        let full = scratch.join(&file);
        let meta = full.symlink_metadata().during(&name)?;
        if meta.is_file() {
            let mode = meta.permissions().mode() & 0o7777;
            deb.files
                .insert(name.clone(), (mode, fs::read(&full).during(&name)?));
        }
    }
    fs::remove_dir_all(scratch).during(format_args!("removing {}", scratch.display()))?;
    Ok(deb)
}

/// What differs, one line each; empty when nothing does.
pub fn debs(left: &Deb, right: &Deb) -> Vec<String> {
    let mut found = Vec::new();
    let names = |deb: &Deb| -> Vec<String> { deb.fields.iter().map(|f| f.0.clone()).collect() };
    let by_name = |deb: &Deb| -> BTreeMap<String, String> { deb.fields.iter().cloned().collect() };
    maps(
        "field",
        &by_name(left),
        &by_name(right),
        &mut found,
        |a, b| format!("{a:?} against {b:?}"),
    );
    if found.is_empty() && names(left) != names(right) {
        found.push(format!(
            "order of fields: {:?} against {:?}",
            names(left),
            names(right)
        ));
    }
    maps(
        "entry",
        &left.entries,
        &right.entries,
        &mut found,
        |a, b| format!("{a} against {b}"),
    );
    maps("file", &left.files, &right.files, &mut found, |a, b| {
        if a.0 == b.0 {
            content(&a.1, &b.1)
        } else {
            format!("mode {:04o} against {:04o}", a.0, b.0)
        }
    });
    found
}

/// What differs between two directories: names, modes, contents.
///
/// # Errors
/// The disk refused to be read.
pub fn directories(left: &Path, right: &Path) -> Result<Vec<String>, Stop> {
    let mut found = Vec::new();
    maps("file", &tree(left)?, &tree(right)?, &mut found, |a, b| {
        if a.0 == b.0 {
            content(&a.1, &b.1)
        } else {
            format!("mode {:06o} against {:06o}", a.0, b.0)
        }
    });
    Ok(found)
}

fn tree(dir: &Path) -> Result<BTreeMap<PathBuf, (u32, Vec<u8>)>, Stop> {
    let mut all = BTreeMap::new();
    for file in files_below(dir)? {
        let full = dir.join(&file);
        let what = format!("reading {}", full.display());
        let meta = full.symlink_metadata().during(&what)?;
        let data = if meta.is_symlink() {
            let target = fs::read_link(&full).during(&what)?;
            target.to_string_lossy().into_owned().into_bytes()
        } else {
            fs::read(&full).during(&what)?
        };
        all.insert(file, (meta.mode(), data));
    }
    Ok(all)
}

fn maps<K: Ord + std::fmt::Debug + Clone, V: PartialEq>(
    what: &str,
    left: &BTreeMap<K, V>,
    right: &BTreeMap<K, V>,
    found: &mut Vec<String>,
    tell: impl Fn(&V, &V) -> String,
) {
    let keys: BTreeSet<&K> = left.keys().chain(right.keys()).collect();
    for key in keys {
        match (left.get(key), right.get(key)) {
            (Some(_), None) => found.push(format!("{what} {key:?}: only on the left")),
            (None, Some(_)) => found.push(format!("{what} {key:?}: only on the right")),
            (Some(a), Some(b)) if a != b => {
                found.push(format!("{what} {key:?}: {}", tell(a, b)));
            }
            _ => {}
        }
    }
}

/// The first line that differs, of texts; sizes and place, of others.
fn content(a: &[u8], b: &[u8]) -> String {
    if let (Ok(a), Ok(b)) = (std::str::from_utf8(a), std::str::from_utf8(b)) {
        let (mut left, mut right) = (a.lines(), b.lines());
        for number in 1.. {
            match (left.next(), right.next()) {
                (None, None) => break,
                (x, y) if x != y => {
                    return format!(
                        "line {number}: {:?} against {:?}",
                        x.unwrap_or("nothing"),
                        y.unwrap_or("nothing")
                    );
                }
                _ => {}
            }
        }
    }
    let place = a.iter().zip(b).position(|(x, y)| x != y);
    format!(
        "{} bytes against {}, first difference at {}",
        a.len(),
        b.len(),
        place.unwrap_or(a.len().min(b.len()))
    )
}

/// Fields of a control paragraph, continuation lines kept as they are.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match line.split_once(':') {
            Some((name, value)) if !line.starts_with(' ') => {
                all.push((name.to_owned(), value.trim().to_owned()));
            }
            _ => {
                if let Some((_, value)) = all.last_mut() {
                    value.push('\n');
                    value.push_str(line);
                }
            }
        }
    }
    all
}

/// A line of `dpkg-deb -c`: `MODE OWNER SIZE DATE TIME PATH[ -> TARGET]`; the
/// size of a file is compared by its content.
fn entry(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    let (mode, owner, _) = (words.next()?, words.next()?, words.next()?);
    let (date, time) = (words.next()?, words.next()?);
    let path = line.split_once(time)?.1.trim_start();
    let (path, target) = path.split_once(" -> ").unwrap_or((path, ""));
    Some((
        path.to_owned(),
        format!("{mode} {owner} {date} {time} {target}"),
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use debcrate::{BinaryPackage, Compression, ControlFiles, Paragraph, Tree, write_deb};

    use super::{Deb, debs, directories, entry, read_deb};

    /// Path to mode and content; `0` marks a symbolic link.
    type Files = BTreeMap<&'static str, (u32, &'static str)>;

    fn package(change: impl Fn(&mut Paragraph, &mut ControlFiles, &mut Files)) -> Deb {
        let mut control = Paragraph::new();
        for (name, value) in [
            ("Package", "ubuntu-ha-x"),
            ("Version", "1.0"),
            ("Architecture", "all"),
            ("Maintainer", "A <a@example.org>"),
            ("Description", "x\nLong."),
        ] {
            control.set(name, value).unwrap();
        }
        let mut scripts = ControlFiles::new();
        scripts.insert("postinst".into(), (b"#!/bin/sh\n".to_vec(), 0o755));
        let mut files = Files::from([
            ("usr/share/x/a", (0o644, "one\ntwo\n")),
            ("usr/share/x/b", (0o755, "b")),
            ("usr/share/x/c", (0, "a")),
        ]);
        change(&mut control, &mut scripts, &mut files);
        let mut data = Tree::new();
        for (path, (mode, content)) in files {
            match mode {
                0 => data.symlink(path, content).unwrap(),
                _ => data.file(path, content.as_bytes(), mode).unwrap(),
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.deb");
        let package = BinaryPackage {
            control,
            control_files: scripts,
            data,
        };
        let mut file = fs::File::create(&path).unwrap();
        write_deb(&mut file, &package, 1_700_000_000, Compression::Xz).unwrap();
        read_deb(&path, &dir.path().join("x")).unwrap()
    }

    #[test]
    fn a_package_equals_itself() {
        let deb = package(|_, _, _| ());
        assert_eq!(debs(&deb, &package(|_, _, _| ())), Vec::<String>::new());
        assert!(deb.files.contains_key("DEBIAN/postinst"));
        assert!(deb.entries["./usr/share/x/c"].ends_with(" a"));
        assert_eq!(deb.fields[0].0, "Package");
    }

    #[test]
    fn every_kind_of_change_is_seen() {
        let plain = package(|_, _, _| ());
        let seen = |other: Deb, word: &str| {
            let found = debs(&plain, &other).join("\n");
            assert!(found.contains(word), "{word}: {found}");
        };
        seen(
            package(|control, _, _| control.set("Version", "1.1").unwrap()),
            "\"1.1\"",
        );
        seen(
            package(|control, _, _| control.set("Task", "x").unwrap()),
            "\"Task\": only on the right",
        );
        seen(
            package(|_, scripts, _| {
                scripts.insert("postinst".into(), (b"#!/bin/sh\ntrue\n".to_vec(), 0o755));
            }),
            "line 2: \"nothing\" against \"true\"",
        );
        seen(
            package(|_, scripts, _| {
                scripts.insert("prerm".into(), (b"#!/bin/sh\n".to_vec(), 0o755));
            }),
            "DEBIAN/prerm\": only on the right",
        );
        seen(
            package(|_, _, data| {
                data.insert("usr/share/x/a", (0o644, "one\n2\n"));
            }),
            "line 2: \"two\" against \"2\"",
        );
        seen(
            package(|_, _, data| {
                data.insert("usr/share/x/b", (0o644, "b"));
            }),
            "-rw-r--r--",
        );
        seen(
            package(|_, _, data| {
                data.insert("usr/share/x/c", (0, "b"));
            }),
            "usr/share/x/c",
        );
        seen(
            package(|_, _, data| {
                data.insert("usr/share/x/d", (0o644, ""));
            }),
            "usr/share/x/d\": only on the right",
        );
    }

    #[test]
    fn listings_keep_paths_with_blanks() {
        assert_eq!(
            entry("lrwxrwxrwx root/root         0 2026-11-01 12:00 ./a b -> c d"),
            Some((
                "./a b".into(),
                "lrwxrwxrwx root/root 2026-11-01 12:00 c d".into()
            ))
        );
    }

    #[test]
    fn directories_differ_in_names_modes_and_contents() {
        let dir = tempfile::tempdir().unwrap();
        let (left, right) = (dir.path().join("l"), dir.path().join("r"));
        for side in [&left, &right] {
            fs::create_dir_all(side.join("sub")).unwrap();
            fs::write(side.join("sub/a"), "a").unwrap();
        }
        assert_eq!(directories(&left, &right).unwrap(), Vec::<String>::new());
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&right.join("sub/a"), 0o600);
        assert!(directories(&left, &right).unwrap()[0].contains("mode"));
        mode(&left.join("sub/a"), 0o600);
        fs::write(right.join("sub/a"), "b").unwrap();
        fs::write(left.join("only"), "").unwrap();
        let found = directories(&left, &right).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
