//! The common ar format of deb(5): a magic line, then members that begin at
//! even offsets, each behind a header of 60 bytes.

use std::io::Write;

use crate::error::{Error, Result};

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;

pub(crate) fn write_magic(writer: &mut dyn Write) -> Result<()> {
    Ok(writer.write_all(MAGIC)?)
}

/// Writes one member, owned by root with mode 0644. Names have at most 15
/// characters.
pub(crate) fn write_member(
    writer: &mut dyn Write,
    name: &str,
    mtime: u64,
    data: &[u8],
) -> Result<()> {
    let size = data.len();
    writeln!(
        writer,
        "{name:<16}{mtime:<12}{:<6}{:<6}{:<8}{size:<10}`",
        0, 0, 100644
    )?;
    writer.write_all(data)?;
    if size % 2 == 1 {
        writer.write_all(b"\n")?;
    }
    Ok(())
}

/// Name and content of every member. A `/` behind a name, as GNU ar writes
/// it, is dropped.
pub(crate) fn members(archive: &[u8]) -> Result<Vec<(String, &[u8])>> {
    let broken = |reason: &str| Error::format("ar archive", reason);
    let mut rest = archive
        .strip_prefix(MAGIC)
        .ok_or_else(|| broken("does not begin with \"!<arch>\"; it is no .deb"))?;
    let mut members = Vec::new();
    while !rest.is_empty() {
        let (header, behind) = rest
            .split_at_checked(HEADER)
            .ok_or_else(|| broken("ends within a member's header"))?;
        if !header.ends_with(b"`\n") {
            return Err(broken("a member's header does not end as it should"));
        }
        let text = std::str::from_utf8(header)
            .ok()
            .filter(|text| text.is_ascii())
            .ok_or_else(|| broken("a member's header is not ASCII"))?;
        let name = text[..16].trim_end();
        let name = name.strip_suffix('/').unwrap_or(name);
        let size: usize = text[48..58]
            .trim_end()
            .parse()
            .map_err(|_| broken("a member's size is no number"))?;
        let (content, behind) = behind
            .split_at_checked(size)
            .ok_or_else(|| broken("ends within a member"))?;
        members.push((name.to_owned(), content));
        // The last member's padding may be missing.
        rest = behind.get(size % 2..).unwrap_or_default();
    }
    Ok(members)
}
