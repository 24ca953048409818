//! Compression of whole members, in memory and with settings that only the
//! data decides.

use std::io::Read;

use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};

use crate::error::{Error, Result};

/// How the members of a .deb are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// xz, preset 6 (1 for up to 256 KiB): what every suite reads.
    #[default]
    Xz,
    /// gzip, level 9.
    Gzip,
    /// zstd, level 19 (9 for up to 256 KiB): Ubuntu's default. Older dpkg of
    /// Debian cannot read it.
    Zstd,
    /// As it is.
    None,
}

impl Compression {
    /// File name extension with its dot: `.xz`, or nothing for `None`.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Xz => ".xz",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
            Self::None => "",
        }
    }

    /// The compression that a file name's extension tells, `None` if it ends
    /// in none of the known ones.
    pub fn of_name(name: &str) -> Self {
        [Self::Xz, Self::Gzip, Self::Zstd]
            .into_iter()
            .find(|known| name.ends_with(known.extension()))
            .unwrap_or(Self::None)
    }

    /// Compresses a whole member. Equal data gives equal bytes.
    pub fn compress(self, data: &[u8]) -> Result<Vec<u8>> {
        let failed = |error: &dyn std::fmt::Display| Error::format("compression", error);
        match self {
            Self::Xz => xz(data).map_err(|error| failed(&error)),
            Self::Gzip => Ok(crate::gzip::gzip(data)),
            Self::Zstd => {
                zstd::bulk::compress(data, zstd_level(data)).map_err(|error| failed(&error))
            }
            Self::None => Ok(data.to_vec()),
        }
    }

    /// Decompresses a whole member of at most `limit` bytes of content.
    /// `what` names it in errors.
    pub fn decompress(self, what: &str, data: &[u8], limit: u64) -> Result<Vec<u8>> {
        let broken = |error: &dyn std::fmt::Display| Error::format(what, error);
        let mut reader: Box<dyn Read + '_> = match self {
            Self::Xz => {
                // The least is what a stream of preset 9 takes.
                let memory = limit.clamp(80 << 20, 1 << 30);
                let flags = liblzma::stream::CONCATENATED;
                let stream =
                    Stream::new_stream_decoder(memory, flags).map_err(|error| broken(&error))?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(data, stream))
            }
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(data)),
            Self::Zstd => {
                let mut decoder =
                    zstd::Decoder::with_buffer(data).map_err(|error| broken(&error))?;
                decoder.window_log_max(27).map_err(|error| broken(&error))?;
                Box::new(decoder)
            }
            Self::None => Box::new(data),
        };
        read_limited(&mut reader, what, limit)
    }
}

/// Everything that `reader` gives, if that is at most `limit` bytes.
pub(crate) fn read_limited(reader: &mut dyn Read, what: &str, limit: u64) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    reader
        .take(limit.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|error| Error::format(what, error))?;
    if content.len() as u64 > limit {
        return Err(Error::Limit {
            what: what.to_owned(),
            limit,
        });
    }
    Ok(content)
}

/// Members up to this size, all but those with programs in them, are
/// compressed by the fast presets: the others take several times as long to
/// save a few bytes in a hundred.
const SMALL: usize = 256 << 10;

/// The dictionary is cut to the data: a match cannot reach farther back, and
/// setting up 8 MiB costs more than a small member's compression.
fn xz(data: &[u8]) -> std::result::Result<Vec<u8>, liblzma::stream::Error> {
    let preset = if data.len() <= SMALL { 1 } else { 6 };
    let dictionary = data.len().next_power_of_two().clamp(4 << 10, 8 << 20);
    let mut options = LzmaOptions::new_preset(preset)?;
    options.dict_size(dictionary as u32);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let mut stream = Stream::new_stream_encoder(&filters, Check::Crc32)?;
    let mut output = Vec::with_capacity(data.len() / 2 + 1024);
    loop {
        let rest = &data[stream.total_in() as usize..];
        if stream.process_vec(rest, &mut output, Action::Finish)? == Status::StreamEnd {
            return Ok(output);
        }
        output.reserve(output.capacity() / 2);
    }
}

fn zstd_level(data: &[u8]) -> i32 {
    if data.len() <= SMALL { 9 } else { 19 }
}
