//! `dist/source/SUITE`: what a PPA takes.

use std::collections::BTreeSet;
use std::path::Path;

use debcrate::{
    BuildEnvironment, Checksums, SourceFiles, Upload, source_buildinfo, source_changes,
};

use super::Built;
use super::batch::Batch;
use super::product::{Product, Source};
use super::sign::Key;
use crate::failure::Failure;
use crate::recipe::suite::Family;

/// Writes each product's source package. The .dsc is signed before its digest
/// goes into .buildinfo and .changes; the .changes are written last.
///
/// # Errors
/// A file cannot be written, or gpg cannot sign.
pub fn write(
    dir: &Path,
    products: &[Product],
    key: Option<&Key>,
    built: &mut Built,
) -> Result<(), Failure> {
    let mut uploads = Vec::new();
    for product in products {
        if let Some(source) = &product.source {
            uploads.extend(upload(product, source, key, built)?);
        }
    }
    let (mut parts, mut changes) = (Batch::default(), Batch::default());
    for (path, data) in &uploads {
        let stage = if path.ends_with(".changes") {
            &mut changes
        } else {
            &mut parts
        };
        stage.add(dir.join(path), data);
    }
    parts.write()?;
    changes.write()
}

/// Whether `dir` has a source package of the product's version with other
/// contents, which an archive that took it would refuse.
pub fn differs(dir: &Path, product: &Product) -> bool {
    product.source.as_ref().is_some_and(|source| {
        let (name, data) = &source.files.tar;
        std::fs::read(dir.join(product.suite.name).join(name)).is_ok_and(|old| old != *data)
    })
}

/// The files of one upload, by path below `source/`.
fn upload(
    product: &Product,
    source: &Source,
    key: Option<&Key>,
    built: &mut Built,
) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let failed = |e: debcrate::Error| Failure::no(format!("{}: {e}", product.package));
    let sign = |text: &[u8]| match key {
        Some(key) => key.clearsign(text),
        None => Ok(text.to_vec()),
    };
    let files = SourceFiles {
        dsc: (source.files.dsc.0.clone(), sign(&source.files.dsc.1)?),
        tar: source.files.tar.clone(),
    };
    let environment = BuildEnvironment {
        origin: match product.suite.family {
            Family::Ubuntu => "Ubuntu",
            Family::Debian => "Debian",
        },
        architecture: "amd64",
        timestamp: product.mtime,
        installed_build_depends: &[],
        environment: &[],
    };
    let buildinfo = source_buildinfo(&product.package, &product.version, &files.dsc, &environment)
        .map_err(failed)?;
    let (entry, author) = newest_entry(&source.changelog).ok_or_else(|| {
        Failure::no(format!(
            "the changelog of {} has no whole entry",
            product.package
        ))
    })?;
    let closes: Vec<u32> = bugs(entry, "closes:").into_iter().collect();
    let launchpad: Vec<String> = bugs(entry, "lp:").iter().map(u32::to_string).collect();
    let launchpad = launchpad.join(" ");
    let extra = [("Launchpad-Bugs-Fixed", launchpad.as_str())];
    let told = product.suite.family == Family::Ubuntu && !launchpad.is_empty();
    let (name, text) = source_changes(
        &Upload {
            source: &product.package,
            version: &product.version,
            timestamp: product.mtime,
            distribution: product.suite.name,
            urgency: "medium",
            maintainer: &product.maintainer,
            changed_by: author,
            closes: &closes,
            extra: if told { &extra } else { &[] },
            changes: entry,
            section: product.control.get("Section").unwrap_or("misc"),
            priority: "optional",
        },
        &files,
        Some(&buildinfo),
    )
    .map_err(failed)?;
    let SourceFiles { dsc, tar } = files;
    let mut files = Vec::new();
    for (name, data) in [tar, dsc, buildinfo, (name, sign(&text)?)] {
        let path = format!("{}/{name}", product.suite.name);
        let sha256 = Checksums::of(&data).sha256;
        built
            .files
            .push(product.built(format!("source/{path}"), &sha256));
        files.push((path, data));
    }
    Ok(files)
}

/// The newest entry of a changelog, from its heading to its last item, and
/// who signed it.
fn newest_entry(changelog: &str) -> Option<(&str, &str)> {
    let (entry, rest) = changelog.split_once("\n -- ")?;
    let (author, _) = rest.split_once("  ")?;
    Some((entry.trim_end(), author))
}

/// The bugs that a changelog's entry names behind `word`: `Closes: #1, #2`, as
/// dpkg-parsechangelog(1) finds them, and `LP: #3`.
fn bugs(entry: &str, word: &str) -> BTreeSet<u32> {
    let entry = entry.to_ascii_lowercase();
    let mut found = BTreeSet::new();
    for (at, _) in entry.match_indices(word) {
        if entry[..at].ends_with(|c: char| c.is_alphanumeric()) {
            continue;
        }
        let mut rest = Some(&entry[at + word.len()..]);
        while let Some(text) = rest {
            let text = text.trim_start();
            let text = text.strip_prefix("bug").unwrap_or(text);
            let text = text.strip_prefix('#').unwrap_or(text).trim_start();
            let end = text.find(|c: char| !c.is_ascii_digit());
            let (number, after) = text.split_at(end.unwrap_or(text.len()));
            found.extend(number.parse::<u32>());
            rest = after.strip_prefix(',').filter(|_| !number.is_empty());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{bugs, newest_entry};

    #[test]
    fn bugs_of_an_entry_are_found() {
        let entry = "x (2) noble; urgency=medium\n\n  * New (Closes: #12, Bug#7,\n    9). See #5.\n  \
                     * closes:3, LP: #100, #101; help: #4\n  * LP: none";
        assert_eq!(Vec::from_iter(bugs(entry, "closes:")), [3, 7, 9, 12]);
        assert_eq!(Vec::from_iter(bugs(entry, "lp:")), [100, 101]);
    }

    #[test]
    fn newest_entry_ends_before_its_trailer() {
        let text = "x (2) noble; urgency=medium\n\n  * New.\n\n -- A <a@b>  Sun, 01 Nov 2026\n\n\
                    x (1) noble; urgency=medium\n\n  * Old.\n\n -- B <b@b>  Sat, 31 Oct 2026\n";
        let found = newest_entry(text);
        assert_eq!(
            found,
            Some(("x (2) noble; urgency=medium\n\n  * New.", "A <a@b>"))
        );
        assert_eq!(newest_entry("x (1) noble; urgency=medium\n"), None);
    }
}
