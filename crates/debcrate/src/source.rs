//! Source packages of the format 3.0 (native): dsc(5), dpkg-source(1).

use std::collections::BTreeSet;

use crate::compress::Compression;
use crate::error::{Error, Result};
use crate::hash::Checksums;
use crate::manifest::{self, ListedFile};
use crate::paragraph::Paragraph;
use crate::tarball;
use crate::tree::Tree;

/// Order in which dpkg-source writes the fields of a .dsc.
pub const DSC_FIELDS: &[&str] = &[
    "Format",
    "Source",
    "Binary",
    "Architecture",
    "Version",
    "Origin",
    "Maintainer",
    "Uploaders",
    "Homepage",
    "Description",
    "Standards-Version",
    "Vcs-Browser",
    "Vcs-Arch",
    "Vcs-Bzr",
    "Vcs-Cvs",
    "Vcs-Darcs",
    "Vcs-Git",
    "Vcs-Hg",
    "Vcs-Mtn",
    "Vcs-Svn",
    "Testsuite",
    "Testsuite-Triggers",
    "Build-Depends",
    "Build-Depends-Arch",
    "Build-Depends-Indep",
    "Build-Conflicts",
    "Build-Conflicts-Arch",
    "Build-Conflicts-Indep",
    "Package-List",
    "Checksums-Sha1",
    "Checksums-Sha256",
    "Files",
];

/// What every archive demands of a .dsc and the caller must give.
const REQUIRED: &[&str] = &["Binary", "Architecture", "Maintainer"];

/// The two files of a native source package, each with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFiles {
    pub dsc: (String, Vec<u8>),
    pub tar: (String, Vec<u8>),
}

/// Writes a source package of the format 3.0 (native) from an unpacked source
/// tree with its `debian/`. `fields` brings at least Binary, Architecture and
/// Maintainer; Format, Source, Version and the lists of files are set here.
/// `mtime`, in seconds since 1970, is the time of every entry.
pub fn write_source(
    fields: &Paragraph,
    name: &str,
    version: &str,
    tree: &Tree,
    mtime: u64,
) -> Result<SourceFiles> {
    manifest::check_package_name("Source", name)?;
    manifest::check_version(version)?;
    if version.contains('-') {
        return Err(Error::field(
            "Version",
            format!("{version:?}: a native package's version has no '-'"),
        ));
    }
    for field in REQUIRED {
        if fields.get(field).is_none() {
            return Err(Error::field(*field, "is missing from the .dsc's fields"));
        }
    }
    let upstream = manifest::without_epoch(version);
    let archive = tarball::write(&format!("{name}-{upstream}/"), tree, mtime)?;
    let tar = Compression::Xz.compress(&archive)?;
    let tar_name = format!("{name}_{upstream}.tar.xz");
    let files = [(tar_name.clone(), Checksums::of(&tar))];

    let mut dsc = fields.clone();
    dsc.set("Format", "3.0 (native)")?;
    dsc.set("Source", name)?;
    dsc.set("Version", version)?;
    manifest::set_sha(&mut dsc, &files)?;
    let md5 = manifest::list(&files, |sums| format!("{} {}", sums.md5, sums.size));
    dsc.set("Files", &md5)?;
    dsc.sort_by(DSC_FIELDS);
    Ok(SourceFiles {
        dsc: (
            format!("{name}_{upstream}.dsc"),
            dsc.to_string().into_bytes(),
        ),
        tar: (tar_name, tar),
    })
}

/// Reads a .dsc, clear-signed or not: its fields and the files it lists.
pub fn read_dsc(text: &str) -> Result<(Paragraph, Vec<ListedFile>)> {
    let paragraph = manifest::single_paragraph(".dsc", text)?;
    for field in ["Format", "Source", "Version"] {
        if paragraph.get(field).is_none() {
            return Err(Error::format(".dsc", format!("has no field {field}")));
        }
    }
    let files = manifest::listed_files(".dsc", &paragraph)?;
    Ok((paragraph, files))
}

/// Reads a source tar archive that unpacks to at most `limit` bytes. `name`
/// is its file name, whose extension tells the compression. Returns the name
/// of its one top directory and what is in it.
pub fn read_source_tar(name: &str, data: &[u8], limit: u64) -> Result<(String, Tree)> {
    let archive = Compression::of_name(name).decompress(name, data, limit)?;
    let (tree, _) = tarball::read(name, &archive, limit)?;
    let tops: BTreeSet<&str> = tree
        .iter()
        .filter_map(|(path, _)| path.split('/').next())
        .collect();
    let mut tops = tops.into_iter();
    match (tops.next(), tops.next()) {
        (Some(top), None) => Ok((top.to_owned(), tree.below(top)?)),
        _ => Err(Error::format(
            name,
            "does not hold exactly one top directory",
        )),
    }
}
