//! apt repository indexes: Packages and Release files with by-hash copies.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::compress::Compression;
use crate::date;
use crate::deb::CONTROL_FIELDS;
use crate::error::{Error, Result};
use crate::hash::Checksums;
use crate::manifest;
use crate::paragraph::{Paragraph, parse_paragraphs};

/// What an index adds to a package's control fields.
const INDEX_FIELDS: &[&str] = &["Filename", "Size", "MD5sum", "SHA1", "SHA256"];

/// The paragraph of a Packages file for a .deb: its control fields with the
/// place below the repository's root, the size and the checksums.
pub fn packages_paragraph(
    control: &Paragraph,
    filename: &str,
    checksums: &Checksums,
) -> Result<Paragraph> {
    check_repository_path(filename)?;
    let mut paragraph = control.clone();
    paragraph.set("Filename", filename)?;
    paragraph.set("Size", &checksums.size.to_string())?;
    paragraph.set("MD5sum", &checksums.md5)?;
    paragraph.set("SHA1", &checksums.sha1)?;
    paragraph.set("SHA256", &checksums.sha256)?;
    let before = CONTROL_FIELDS
        .iter()
        .position(|name| *name == "Section")
        .unwrap_or_default();
    let (head, tail) = CONTROL_FIELDS.split_at(before);
    paragraph.sort_by(&[head, INDEX_FIELDS, tail].concat());
    Ok(paragraph)
}

/// The text of a Packages file.
pub fn packages_file<'a>(paragraphs: impl IntoIterator<Item = &'a Paragraph>) -> String {
    let mut text = String::new();
    for paragraph in paragraphs {
        writeln!(text, "{paragraph}").expect("a String takes every write");
    }
    text
}

/// Reads a Packages file. Every paragraph must name its package, version,
/// architecture and file, with size and SHA256.
pub fn read_packages(text: &str) -> Result<Vec<Paragraph>> {
    let paragraphs = parse_paragraphs(text)?;
    for paragraph in &paragraphs {
        let field = |name: &str| {
            paragraph.get(name).ok_or_else(|| {
                let package = paragraph.get("Package").unwrap_or("a package");
                Error::format("Packages", format!("{package} has no field {name}"))
            })
        };
        field("Package")?;
        field("Version")?;
        field("Architecture")?;
        check_repository_path(field("Filename")?)?;
        check_size(field("Size")?)?;
        check_sha256(field("SHA256")?)?;
    }
    Ok(paragraphs)
}

/// What a Release file tells of its suite. Empty strings are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    pub origin: String,
    pub label: String,
    pub suite: String,
    pub codename: String,
    /// Seconds since 1970; apt refuses a Release older than the one it has.
    pub timestamp: u64,
    /// Such as `amd64` and `all`.
    pub architectures: Vec<String>,
    /// Such as `main`.
    pub components: Vec<String>,
    pub description: String,
}

/// The paragraph of a Release file that lists the given files, by their paths
/// below `dists/SUITE/`, with SHA256. It announces by-hash copies.
pub fn release(release: &Release, files: &BTreeMap<String, Checksums>) -> Result<Paragraph> {
    let mut sums = String::new();
    for (path, file) in files {
        check_repository_path(path)?;
        write!(sums, "\n{} {:>8} {path}", file.sha256, file.size)
            .expect("a String takes every write");
    }
    let mut paragraph = Paragraph::new();
    paragraph.set("Origin", &release.origin)?;
    paragraph.set("Label", &release.label)?;
    paragraph.set("Suite", &release.suite)?;
    paragraph.set("Codename", &release.codename)?;
    paragraph.set("Date", &date::rfc2822(release.timestamp, "UTC")?)?;
    paragraph.set("Acquire-By-Hash", "yes")?;
    paragraph.set(
        "Architectures",
        &words("Architectures", &release.architectures)?,
    )?;
    paragraph.set("Components", &words("Components", &release.components)?)?;
    paragraph.set("Description", &release.description)?;
    paragraph.set("SHA256", &sums)?;
    Ok(paragraph)
}

/// A Release file that was read: its fields, and size and SHA256 of every
/// file it lists, by path below `dists/SUITE/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRelease {
    pub paragraph: Paragraph,
    pub files: BTreeMap<String, (u64, String)>,
}

/// Reads a Release or InRelease file; a signature is taken off, not verified.
pub fn read_release(text: &str) -> Result<ReadRelease> {
    let paragraph = manifest::single_paragraph("Release", text)?;
    let list = paragraph
        .get("SHA256")
        .ok_or_else(|| Error::format("Release", "has no field SHA256"))?;
    let mut files = BTreeMap::new();
    for line in list.split('\n').filter(|line| !line.is_empty()) {
        let mut columns = line.split_ascii_whitespace();
        let (Some(sum), Some(size), Some(path), None) = (
            columns.next(),
            columns.next(),
            columns.next(),
            columns.next(),
        ) else {
            return Err(Error::format(
                "Release",
                format!("SHA256: {line:?} does not have 3 columns"),
            ));
        };
        check_sha256(sum)?;
        check_repository_path(path)?;
        files.insert(path.to_owned(), (check_size(size)?, sum.to_owned()));
    }
    Ok(ReadRelease { paragraph, files })
}

/// Where the by-hash copy of an index file lies:
/// `main/binary-all/by-hash/SHA256/…` for `main/binary-all/Packages`.
pub fn by_hash_path(path: &str, checksums: &Checksums) -> String {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let slash = if directory.is_empty() { "" } else { "/" };
    format!("{directory}{slash}by-hash/SHA256/{}", checksums.sha256)
}

/// All files below `dists/SUITE/` by path: for each component and architecture
/// of the Release, `Packages` and `Packages.xz` with their by-hash copies, and
/// `Release`. `packages` holds the paragraphs by component and architecture;
/// what is missing there gets empty indexes.
pub fn suite_files(
    suite: &Release,
    packages: &BTreeMap<(String, String), Vec<Paragraph>>,
) -> Result<BTreeMap<String, Vec<u8>>> {
    for (component, architecture) in packages.keys() {
        if !suite.components.contains(component) || !suite.architectures.contains(architecture) {
            return Err(Error::path(
                format!("{component}/binary-{architecture}"),
                "is not among the Release's components and architectures",
            ));
        }
    }
    let mut files = BTreeMap::new();
    for component in &suite.components {
        for architecture in &suite.architectures {
            let key = (component.clone(), architecture.clone());
            let mut paragraphs: Vec<&Paragraph> =
                packages.get(&key).into_iter().flatten().collect();
            paragraphs
                .sort_by_key(|paragraph| (paragraph.get("Package"), paragraph.get("Version")));
            let text = packages_file(paragraphs).into_bytes();
            let path = format!("{component}/binary-{architecture}/Packages");
            files.insert(format!("{path}.xz"), Compression::Xz.compress(&text)?);
            files.insert(path, text);
        }
    }
    let sums: BTreeMap<String, Checksums> = files
        .iter()
        .map(|(path, data)| (path.clone(), Checksums::of(data)))
        .collect();
    let text = release(suite, &sums)?.to_string();
    for (path, checksums) in &sums {
        let copy = files[path].clone();
        files.insert(by_hash_path(path, checksums), copy);
    }
    files.insert("Release".to_owned(), text.into_bytes());
    Ok(files)
}

fn words(field: &str, words: &[String]) -> Result<String> {
    let legal = |word: &String| !word.is_empty() && !word.contains(char::is_whitespace);
    match words.iter().find(|word| !legal(word)) {
        Some(word) => Err(Error::field(field, format!("{word:?} is not one word"))),
        None => Ok(words.join(" ")),
    }
}

fn check_repository_path(path: &str) -> Result<()> {
    let reason = if path.contains(char::is_whitespace) {
        "holds a blank"
    } else if path.split('/').any(|part| matches!(part, "" | "..")) {
        "is absolute or has a component that is empty or '..'"
    } else {
        return Ok(());
    };
    Err(Error::path(path, reason))
}

fn check_size(size: &str) -> Result<u64> {
    size.parse()
        .map_err(|_| Error::format("index", format!("{size:?} is no size")))
}

fn check_sha256(sum: &str) -> Result<()> {
    if sum.len() != 64 || !sum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Error::format("index", format!("{sum:?} is no SHA256")));
    }
    Ok(())
}
