//! Reading binary packages.

use crate::ar;
use crate::compress::Compression;
use crate::deb::BinaryPackage;
use crate::error::{Error, Result};
use crate::paragraph::{Paragraph, parse_paragraphs};
use crate::tarball::{self, Attributes};
use crate::tree::{Entry, Tree};

/// Most bytes that [`read_deb`] unpacks of one member: 1 GiB.
pub const DEFAULT_LIMIT: u64 = 1 << 30;

/// A binary package with what the archive tells of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadDeb {
    /// `control_files` holds `md5sums` here.
    pub package: BinaryPackage,
    /// Names of the ar archive's members, in order.
    pub members: Vec<String>,
    /// Entries of the control member, in order.
    pub control_entries: Vec<Attributes>,
    /// Entries of the data member, in order.
    pub data_entries: Vec<Attributes>,
}

/// Reads a .deb whose members unpack to at most [`DEFAULT_LIMIT`] bytes each.
/// `md5sums` is left out, so that writing the package again gives what was
/// read.
pub fn read_deb(archive: &[u8]) -> Result<BinaryPackage> {
    let mut package = read_deb_within(archive, DEFAULT_LIMIT)?.package;
    package.control_files.remove("md5sums");
    Ok(package)
}

/// Reads the control fields of a .deb and leaves its files packed.
pub fn read_control(archive: &[u8]) -> Result<Paragraph> {
    let members = ar::members(archive)?;
    let (control, _) = split(&members)?;
    control_of(&read_member("control.tar", control, DEFAULT_LIMIT)?.0)
}

/// Reads a .deb whose members unpack to at most `limit` bytes each.
pub fn read_deb_within(archive: &[u8], limit: u64) -> Result<ReadDeb> {
    let members = ar::members(archive)?;
    let (control, data) = split(&members)?;
    let (control_tree, control_entries) = read_member("control.tar", control, limit)?;
    let (data, data_entries) = read_member("data.tar", data, limit)?;
    let mut package = BinaryPackage {
        control: control_of(&control_tree)?,
        data,
        ..BinaryPackage::default()
    };
    for (path, entry) in control_tree.iter() {
        match entry {
            Entry::File { data, mode } if path != "control" => {
                let file = (data.to_vec(), *mode);
                package.control_files.insert(path.to_owned(), file);
            }
            Entry::File { .. } => {}
            _ => {
                return Err(Error::path(
                    path,
                    "is no regular file of the control member",
                ));
            }
        }
    }
    Ok(ReadDeb {
        package,
        members: members.into_iter().map(|(name, _)| name).collect(),
        control_entries,
        data_entries,
    })
}

/// A member's name and content.
type Member<'a> = (String, &'a [u8]);

fn split<'m, 'a>(members: &'m [Member<'a>]) -> Result<(&'m Member<'a>, &'m Member<'a>)> {
    match members {
        [(version, content), control, data, ..]
            if version == "debian-binary" && content.starts_with(b"2.") =>
        {
            Ok((control, data))
        }
        _ => Err(Error::format(
            ".deb",
            "does not hold debian-binary (2.0), control.tar and data.tar in this order",
        )),
    }
}

fn read_member(
    what: &str,
    (name, content): &Member<'_>,
    limit: u64,
) -> Result<(Tree, Vec<Attributes>)> {
    let compression = Compression::of_name(name);
    if name.strip_suffix(compression.extension()) != Some(what) {
        return Err(Error::format(
            format!("member {name:?} of the .deb"),
            format!("should be {what}, plain or with .xz, .gz or .zst"),
        ));
    }
    let archive = compression.decompress(name, content, limit)?;
    tarball::read(name, &archive, limit)
}

fn control_of(tree: &Tree) -> Result<Paragraph> {
    let what = "control file of the .deb";
    let text = tree
        .data("control")
        .ok_or_else(|| Error::format(what, "is missing"))?;
    let text = std::str::from_utf8(text).map_err(|error| Error::format(what, error))?;
    let mut paragraphs = parse_paragraphs(text)?;
    match (paragraphs.pop(), paragraphs.is_empty()) {
        (Some(paragraph), true) => Ok(paragraph),
        _ => Err(Error::format(what, "does not hold exactly one paragraph")),
    }
}
