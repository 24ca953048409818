#![doc = include_str!("../README.md")]

mod ar;
mod compress;
mod data;
mod date;
mod deb;
mod deb_read;
mod deflate_block;
mod error;
mod gzip;
mod hash;
mod huffman;
mod index;
mod manifest;
mod paragraph;
mod source;
mod tarball;
mod tree;
mod upload;

pub use compress::Compression;
pub use data::{DataMember, compress_data};
pub use deb::{BinaryPackage, CONTROL_FIELDS, ControlFiles, write_deb, write_deb_with};
pub use deb_read::{DEFAULT_LIMIT, ReadDeb, read_control, read_deb, read_deb_within};
pub use error::{Error, Result};
pub use gzip::gzip;
pub use hash::Checksums;
pub use index::{
    ReadRelease, Release, by_hash_path, packages_file, packages_paragraph, read_packages,
    read_release, release, suite_files,
};
pub use manifest::{ListedFile, cleartext};
pub use paragraph::{Paragraph, parse_paragraphs};
pub use source::{DSC_FIELDS, SourceFiles, read_dsc, read_source_tar, write_source};
pub use tarball::Attributes;
pub use tree::{Entry, Tree};
pub use upload::{
    BuildEnvironment, Upload, read_buildinfo, read_changes, source_buildinfo, source_changes,
};
