//! What .dsc, .changes and .buildinfo files have in common: lists of files
//! with their checksums, names, and the clear-sign wrapping.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::hash::Checksums;
use crate::paragraph::{Paragraph, parse_paragraphs};

/// A file that a .dsc or .changes lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    pub name: String,
    pub checksums: Checksums,
    /// Section and priority, which only a .changes tells.
    pub section: Option<(String, String)>,
}

impl ListedFile {
    /// Whether `data` is the file's content, by size and every checksum.
    pub fn matches(&self, data: &[u8]) -> bool {
        self.checksums == Checksums::of(data)
    }
}

/// The value of a `Checksums-*` or `Files` field: an empty first line, then
/// the lines that `line` makes.
pub(crate) fn list<'a>(
    files: impl IntoIterator<Item = &'a (String, Checksums)>,
    line: impl Fn(&Checksums) -> String,
) -> String {
    let mut value = String::new();
    for (name, checksums) in files {
        write!(value, "\n{} {name}", line(checksums)).expect("a String takes every write");
    }
    value
}

pub(crate) fn set_sha(paragraph: &mut Paragraph, files: &[(String, Checksums)]) -> Result<()> {
    let sha1 = list(files, |sums| format!("{} {}", sums.sha1, sums.size));
    paragraph.set("Checksums-Sha1", &sha1)?;
    let sha256 = list(files, |sums| format!("{} {}", sums.sha256, sums.size));
    paragraph.set("Checksums-Sha256", &sha256)
}

/// Reads the one paragraph of a file, which may be clear-signed.
pub(crate) fn single_paragraph(what: &str, text: &str) -> Result<Paragraph> {
    let mut paragraphs = parse_paragraphs(&cleartext(text)?)?;
    match (paragraphs.pop(), paragraphs.is_empty()) {
        (Some(paragraph), true) => Ok(paragraph),
        _ => Err(Error::format(what, "does not hold exactly one paragraph")),
    }
}

/// The files that a .dsc or .changes lists, from its three lists, which must
/// agree.
pub(crate) fn listed_files(what: &str, paragraph: &Paragraph) -> Result<Vec<ListedFile>> {
    let rows = |field: &'static str, columns: usize| -> Result<Vec<Vec<&str>>> {
        let value = paragraph
            .get(field)
            .ok_or_else(|| Error::format(what, format!("has no field {field}")))?;
        let lines = value.split('\n').filter(|line| !line.is_empty());
        lines
            .map(|line| {
                let row: Vec<&str> = line.split_ascii_whitespace().collect();
                match row.len() == columns {
                    true => Ok(row),
                    false => Err(Error::format(
                        what,
                        format!("{field}: {line:?} does not have {columns} columns"),
                    )),
                }
            })
            .collect()
    };
    let files = paragraph.get("Files").unwrap_or_default();
    let columns = match files.trim_start().lines().next() {
        Some(line) if line.split_ascii_whitespace().count() == 5 => 5,
        _ => 3,
    };
    let md5 = rows("Files", columns)?;
    let sha1 = rows("Checksums-Sha1", 3)?;
    let sha256 = rows("Checksums-Sha256", 3)?;
    if md5.len() != sha1.len() || md5.len() != sha256.len() {
        return Err(Error::format(what, "its lists differ in their files"));
    }
    let mut listed = Vec::new();
    for row in md5 {
        let name = row[columns - 1];
        let sum = |rows: &[Vec<&str>]| {
            let found = rows.iter().find(|other| other[2] == name);
            found
                .filter(|other| other[1] == row[1])
                .map(|other| other[0].to_owned())
                .ok_or_else(|| Error::format(what, format!("its lists disagree on {name:?}")))
        };
        if name.contains('/') || matches!(name, "." | "..") {
            return Err(Error::format(what, format!("{name:?} is no file name")));
        }
        let size = row[1]
            .parse()
            .map_err(|_| Error::format(what, format!("{:?} is no size", row[1])))?;
        listed.push(ListedFile {
            name: name.to_owned(),
            checksums: Checksums {
                size,
                md5: row[0].to_owned(),
                sha1: sum(&sha1)?,
                sha256: sum(&sha256)?,
            },
            section: (columns == 5).then(|| (row[2].to_owned(), row[3].to_owned())),
        });
    }
    Ok(listed)
}

/// Takes the clear-sign wrapping of OpenPGP (RFC 9580, section 7) off a text,
/// if there is one. The signature is not verified: that is gpg's work.
pub fn cleartext(text: &str) -> Result<Cow<'_, str>> {
    const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
    const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
    let mut lines = text.lines().skip_while(|line| line.trim_end().is_empty());
    if lines.next().map(str::trim_end) != Some(BEGIN) {
        return Ok(Cow::Borrowed(text));
    }
    let mut body = String::new();
    // The armor's own header lines end at the first empty line.
    for line in lines.skip_while(|line| !line.trim_end().is_empty()).skip(1) {
        if line.trim_end() == SIGNATURE {
            return Ok(Cow::Owned(body));
        }
        body.push_str(line.strip_prefix("- ").unwrap_or(line));
        body.push('\n');
    }
    Err(Error::format(
        "signed text",
        "ends before its signature; it was cut short",
    ))
}

/// A package's name: lower-case letters, digits, `+`, `-` and `.`, at least
/// two characters, a letter or digit first (policy 5.6.1).
pub(crate) fn check_package_name(field: &str, name: &str) -> Result<()> {
    let legal =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    if name.len() < 2 || !name.bytes().all(legal) || !name.as_bytes()[0].is_ascii_alphanumeric() {
        return Err(Error::field(
            field,
            format!("{name:?} is no package name; use a-z, 0-9, '+', '-' and '.'"),
        ));
    }
    Ok(())
}

/// A version (policy 5.6.12): begins with a digit, of letters, digits and
/// `.+-~`, perhaps behind an epoch.
pub(crate) fn check_version(version: &str) -> Result<()> {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".+-~".contains(&byte);
    if epoch.is_empty()
        || !epoch.bytes().all(|byte| byte.is_ascii_digit())
        || !rest.bytes().all(legal)
        || !rest.starts_with(|first: char| first.is_ascii_digit())
    {
        return Err(Error::field(
            "Version",
            format!(
                "{version:?} is no version; begin with a digit and use letters, digits and \".+-~\""
            ),
        ));
    }
    Ok(())
}

/// The version as in file names: without its epoch.
pub(crate) fn without_epoch(version: &str) -> &str {
    version.split_once(':').map_or(version, |(_, rest)| rest)
}
