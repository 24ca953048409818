//! A package's data member, compressed once and kept.

use std::collections::HashSet;
use std::fmt::Write as _;

use md5::{Digest, Md5};

use crate::compress::Compression;
use crate::error::{Error, Result};
use crate::hash::hex;
use crate::tarball;
use crate::tree::{Entry, Tree};

const CACHE_MAGIC: &[u8] = b"debcrate data member 1\n";

/// A compressed data member with what the control member needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataMember {
    compression: Compression,
    mtime: u64,
    installed_size: u64,
    /// Path and MD5 of every regular file, by path.
    sums: Vec<(String, String)>,
    bytes: Vec<u8>,
}

/// Packs and compresses a package's files; `mtime`, in seconds since 1970, is
/// the time of every entry.
pub fn compress_data(tree: &Tree, mtime: u64, compression: Compression) -> Result<DataMember> {
    let mut sums = Vec::new();
    // The root directory.
    let mut installed_size = 1;
    for (path, entry) in tree.iter() {
        installed_size += match entry {
            Entry::Dir { .. } => 1,
            Entry::File { data, .. } => (data.len() as u64).div_ceil(1024),
            Entry::Symlink { target } => (target.len() as u64).div_ceil(1024),
        };
        if let Entry::File { data, .. } = entry {
            sums.push((path.to_owned(), hex(&Md5::digest(data))));
        }
    }
    let bytes = compression.compress(&tarball::write("./", tree, mtime)?)?;
    Ok(DataMember {
        compression,
        mtime,
        installed_size,
        sums,
        bytes,
    })
}

impl DataMember {
    /// How the member is compressed; its package's other member will be too.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Time of every entry, in seconds since 1970.
    pub fn mtime(&self) -> u64 {
        self.mtime
    }

    /// Size of the unpacked files in KiB, as dpkg-gencontrol counts it:
    /// without the control files.
    pub fn installed_size(&self) -> u64 {
        self.installed_size
    }

    /// The member, compressed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The `md5sums` file as dh_md5sums writes it: sorted by path, without
    /// the configuration files that `conffiles` names.
    pub fn md5sums(&self, conffiles: &[u8]) -> String {
        let conffiles: HashSet<&[u8]> = conffiles
            .split(|&byte| byte == b'\n')
            .filter_map(|line| line.strip_prefix(b"/"))
            .collect();
        let mut text = String::new();
        for (path, sum) in &self.sums {
            if !conffiles.contains(path.as_bytes()) {
                writeln!(text, "{sum}  {path}").expect("a String takes every write");
            }
        }
        text
    }

    /// The member as bytes for a cache file; [`from_cache`](Self::from_cache)
    /// reads them back. The form may change with the version of this crate.
    pub fn to_cache(&self) -> Vec<u8> {
        let mut header = format!(
            "{} {} {} {}\n",
            self.compression.extension(),
            self.mtime,
            self.installed_size,
            self.sums.len()
        );
        for (path, sum) in &self.sums {
            writeln!(header, "{sum} {path}").expect("a String takes every write");
        }
        let mut cache = CACHE_MAGIC.to_vec();
        cache.extend_from_slice(header.as_bytes());
        cache.extend_from_slice(&self.bytes);
        cache
    }

    /// Reads what [`to_cache`](Self::to_cache) gave. The member itself is not
    /// checked: the caller's cache is trusted.
    pub fn from_cache(cache: &[u8]) -> Result<Self> {
        parse_cache(cache)
            .ok_or_else(|| Error::format("cached data member", "is damaged; remove the cache file"))
    }
}

fn parse_cache(cache: &[u8]) -> Option<DataMember> {
    let mut rest = cache.strip_prefix(CACHE_MAGIC)?;
    let mut line = || {
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        let line = std::str::from_utf8(&rest[..end]).ok()?;
        rest = &rest[end + 1..];
        Some(line)
    };
    let mut header = line()?.split(' ');
    let extension = header.next()?;
    let compression = Compression::of_name(extension);
    if compression.extension() != extension {
        return None;
    }
    let mut number = || header.next()?.parse::<u64>().ok();
    let (mtime, installed_size, count) = (number()?, number()?, number()?);
    let mut sums = Vec::new();
    for _ in 0..count {
        let (sum, path) = line()?.split_once(' ')?;
        sums.push((path.to_owned(), sum.to_owned()));
    }
    Some(DataMember {
        compression,
        mtime,
        installed_size,
        sums,
        bytes: rest.to_vec(),
    })
}
