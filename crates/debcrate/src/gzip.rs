//! gzip(1) as `gzip -9n` writes it.

use std::io::Write;

/// The data as a gzip member without name and time.
pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::GzBuilder::new()
        .operating_system(3)
        .write(Vec::new(), flate2::Compression::best());
    encoder
        .write_all(data)
        .and_then(|()| encoder.finish())
        .expect("a Vec takes every write")
}
