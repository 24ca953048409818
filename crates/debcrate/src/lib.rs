//! Deterministic writing and reading of Debian packages and apt indexes.

mod ar;
mod compress;
mod data;
mod deb;
mod deb_read;
mod error;
mod gzip;
mod hash;
mod paragraph;
mod tarball;
mod tree;

pub use compress::Compression;
pub use data::{DataMember, compress_data};
pub use deb::{BinaryPackage, CONTROL_FIELDS, ControlFiles, write_deb, write_deb_with};
pub use deb_read::{DEFAULT_LIMIT, ReadDeb, read_deb, read_deb_within};
pub use error::{Error, Result};
pub use gzip::gzip;
pub use hash::Checksums;
pub use paragraph::{Paragraph, parse_paragraphs};
pub use tarball::Attributes;
pub use tree::{Entry, Tree};
