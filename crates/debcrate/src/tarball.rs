//! tar archives in the GNU format, as dpkg-deb and dpkg-source make them.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use tar::{EntryType, Header};

use crate::compress::read_limited;
use crate::error::{Error, Result};
use crate::tree::{Entry, Tree};

/// Longest name and link target that a header holds.
const NAME: usize = 100;
/// Largest time that the 11 octal digits of a header hold.
const MAX_TIME: u64 = 0o777_7777_7777;

/// What an archive tells of an entry beside its path, mode and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Name as in the archive, such as `./usr/`.
    pub name: String,
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: u64,
    pub uid: u64,
    pub gid: u64,
    pub user: String,
    pub group: String,
}

/// Writes `root` (a name that ends in `/`, mode 0755) and everything of the
/// tree below it, all owned by root and of one time.
pub(crate) fn write(root: &str, tree: &Tree, mtime: u64) -> Result<Vec<u8>> {
    if mtime > MAX_TIME {
        return Err(Error::format(
            "tar archive",
            format!("time {mtime} does not fit; it counts seconds since 1970"),
        ));
    }
    let mut archive = Vec::new();
    append(&mut archive, root, &Entry::Dir { mode: 0o755 }, mtime)?;
    for (path, entry) in tree.iter() {
        let slash = match entry {
            Entry::Dir { .. } => "/",
            _ => "",
        };
        append(&mut archive, &format!("{root}{path}{slash}"), entry, mtime)?;
    }
    // Two empty blocks end an archive; GNU tar fills up to 10 KiB.
    archive.resize((archive.len() + 1024).next_multiple_of(10240), 0);
    Ok(archive)
}

fn append(archive: &mut Vec<u8>, name: &str, entry: &Entry, mtime: u64) -> Result<()> {
    let (kind, mode, data, target): (_, _, &[u8], &str) = match entry {
        Entry::Dir { mode } => (EntryType::Directory, *mode, &[], ""),
        Entry::File { data, mode } => (EntryType::Regular, *mode, data, ""),
        Entry::Symlink { target } => (EntryType::Symlink, 0o777, &[], target),
    };
    if target.len() > NAME {
        append_long(archive, EntryType::GNULongLink, target, mtime)?;
    }
    if name.len() > NAME {
        append_long(archive, EntryType::GNULongName, name, mtime)?;
    }
    append_raw(archive, kind, name, target, mode, mtime, data)
}

fn append_long(archive: &mut Vec<u8>, kind: EntryType, text: &str, mtime: u64) -> Result<()> {
    let mut data = text.as_bytes().to_vec();
    data.push(0);
    append_raw(archive, kind, "././@LongLink", "", 0o644, mtime, &data)
}

fn append_raw(
    archive: &mut Vec<u8>,
    kind: EntryType,
    name: &str,
    target: &str,
    mode: u32,
    mtime: u64,
    data: &[u8],
) -> Result<()> {
    let mut header = Header::new_gnu();
    // `set_path` would drop the "./" in front.
    fill(&mut header.as_old_mut().name, name);
    fill(&mut header.as_old_mut().linkname, target);
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(mtime);
    header.set_uid(0);
    header.set_gid(0);
    header.set_username("root")?;
    header.set_groupname("root")?;
    header.set_size(data.len() as u64);
    header.set_cksum();
    archive.extend_from_slice(header.as_bytes());
    archive.extend_from_slice(data);
    archive.resize(archive.len().next_multiple_of(512), 0);
    Ok(())
}

fn fill(field: &mut [u8; NAME], text: &str) {
    let length = text.len().min(NAME);
    field[..length].copy_from_slice(&text.as_bytes()[..length]);
}

/// Reads an archive whose content is at most `limit` bytes. Hard links become
/// files of their own. Entries other than directories, regular files and
/// links are refused, as are paths that a [`Tree`] refuses.
pub(crate) fn read(what: &str, archive: &[u8], limit: u64) -> Result<(Tree, Vec<Attributes>)> {
    let broken = |error: &dyn std::fmt::Display| Error::format(what, error);
    let mut tree = Tree::new();
    let mut attributes = Vec::new();
    let mut left = limit;
    let mut reader = tar::Archive::new(archive);
    for entry in reader.entries().map_err(|error| broken(&error))? {
        let mut entry = entry.map_err(|error| broken(&error))?;
        let attribute = attributes_of(&entry).map_err(|reason| broken(&reason))?;
        let path = attribute
            .name
            .trim_start_matches("./")
            .trim_end_matches('/');
        let mode = attribute.mode;
        let target = match entry.link_name_bytes() {
            Some(bytes) => text(bytes).map_err(|reason| broken(&reason))?,
            None => String::new(),
        };
        match entry.header().entry_type() {
            EntryType::Directory if matches!(path, "" | ".") => {}
            EntryType::Directory => tree.dir(path, mode)?,
            EntryType::Symlink => tree.symlink(path, &target)?,
            EntryType::Link => {
                let linked = target.trim_start_matches("./");
                let data = match tree.get(linked) {
                    Some(Entry::File { data, .. }) => Arc::clone(data),
                    _ => return Err(Error::path(path, "is a hard link to no earlier file")),
                };
                tree.file(path, data, mode)?;
            }
            EntryType::Regular | EntryType::Continuous => {
                let data = read_limited(&mut entry as &mut dyn Read, what, left)?;
                left -= data.len() as u64;
                tree.file(path, data, mode)?;
            }
            other => {
                return Err(Error::path(
                    path,
                    format!("is neither directory, file nor link but {other:?}"),
                ));
            }
        }
        attributes.push(attribute);
    }
    Ok((tree, attributes))
}

fn attributes_of(entry: &tar::Entry<'_, impl Read>) -> std::result::Result<Attributes, String> {
    let header = entry.header();
    let number = |value: std::io::Result<u64>| value.map_err(|error| error.to_string());
    let owner = |bytes: Option<&[u8]>| text(Cow::Borrowed(bytes.unwrap_or_default()));
    Ok(Attributes {
        name: text(entry.path_bytes())?,
        mode: header.mode().map_err(|error| error.to_string())? & 0o7777,
        mtime: number(header.mtime())?,
        uid: number(header.uid())?,
        gid: number(header.gid())?,
        user: owner(header.username_bytes())?,
        group: owner(header.groupname_bytes())?,
    })
}

fn text(bytes: Cow<'_, [u8]>) -> std::result::Result<String, String> {
    String::from_utf8(bytes.into_owned()).map_err(|_| "a name is not UTF-8".to_owned())
}
