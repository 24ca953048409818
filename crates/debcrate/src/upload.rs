//! What accompanies a source package on its way to an archive: the
//! `_source.changes` (deb-changes(5)) and the `_source.buildinfo`
//! (deb-buildinfo(5)).

use crate::date;
use crate::error::{Error, Result};
use crate::hash::Checksums;
use crate::manifest::{self, ListedFile};
use crate::paragraph::Paragraph;
use crate::source::SourceFiles;

/// What a source upload tells beside its files.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    pub source: &'a str,
    pub version: &'a str,
    /// Time of the changelog's entry, in seconds since 1970.
    pub timestamp: u64,
    /// Suite to upload to, such as `noble`.
    pub distribution: &'a str,
    /// Such as `medium`.
    pub urgency: &'a str,
    pub maintainer: &'a str,
    /// Who wrote the changelog's entry.
    pub changed_by: &'a str,
    /// Numbers of the Debian bugs that the entry closes.
    pub closes: &'a [u32],
    /// Values of further fields by name, such as `Launchpad-Bugs-Fixed`.
    pub extra: &'a [(&'a str, &'a str)],
    /// The changelog's entry from its heading to the line before its trailer.
    pub changes: &'a str,
    /// Section and priority of the source package.
    pub section: &'a str,
    pub priority: &'a str,
}

/// Writes a `_source.changes` as `dpkg-genchanges -S` does and returns its
/// name and text. `buildinfo` is what [`source_buildinfo`] gave.
pub fn source_changes(
    upload: &Upload,
    source: &SourceFiles,
    buildinfo: Option<&(String, Vec<u8>)>,
) -> Result<(String, Vec<u8>)> {
    manifest::check_package_name("Source", upload.source)?;
    manifest::check_version(upload.version)?;
    for (field, word) in [
        ("Distribution", upload.distribution),
        ("Urgency", upload.urgency),
        ("Section", upload.section),
        ("Priority", upload.priority),
    ] {
        if word.is_empty() || word.contains(char::is_whitespace) {
            return Err(Error::field(field, format!("{word:?} is not one word")));
        }
    }
    let files: Vec<(String, Checksums)> = [Some(&source.dsc), Some(&source.tar), buildinfo]
        .into_iter()
        .flatten()
        .map(|(name, data)| (name.clone(), Checksums::of(data)))
        .collect();
    let closes: Vec<String> = upload.closes.iter().map(u32::to_string).collect();

    let mut changes = Paragraph::new();
    changes.set("Format", "1.8")?;
    changes.set("Date", &date::rfc2822(upload.timestamp, "+0000")?)?;
    changes.set("Source", upload.source)?;
    changes.set("Architecture", "source")?;
    changes.set("Version", upload.version)?;
    changes.set("Distribution", upload.distribution)?;
    changes.set("Urgency", upload.urgency)?;
    changes.set("Maintainer", upload.maintainer)?;
    changes.set("Changed-By", upload.changed_by)?;
    changes.set("Closes", &closes.join(" "))?;
    for (name, value) in upload.extra {
        if changes.get(name).is_some() {
            return Err(Error::field(*name, "is written by the library itself"));
        }
        changes.set(name, value)?;
    }
    let entry = upload.changes.trim_matches('\n');
    changes.set("Changes", &format!("\n{entry}"))?;
    manifest::set_sha(&mut changes, &files)?;
    let md5 = manifest::list(&files, |sums| {
        let (section, priority) = (upload.section, upload.priority);
        format!("{} {} {section} {priority}", sums.md5, sums.size)
    });
    changes.set("Files", &md5)?;
    Ok((
        file_name(upload.source, upload.version, "changes"),
        changes.to_string().into_bytes(),
    ))
}

/// Reads a .changes, clear-signed or not: its fields and the files it lists.
pub fn read_changes(text: &str) -> Result<(Paragraph, Vec<ListedFile>)> {
    let paragraph = manifest::single_paragraph(".changes", text)?;
    for field in ["Format", "Source", "Version", "Distribution", "Changes"] {
        if paragraph.get(field).is_none() {
            return Err(Error::format(".changes", format!("has no field {field}")));
        }
    }
    let files = manifest::listed_files(".changes", &paragraph)?;
    Ok((paragraph, files))
}

/// Where and with what a source package was built.
#[derive(Debug, Clone, Copy)]
pub struct BuildEnvironment<'a> {
    /// Vendor of the build system, such as `Ubuntu`.
    pub origin: &'a str,
    /// Architecture of the build system, such as `amd64`.
    pub architecture: &'a str,
    /// Seconds since 1970. A constant one keeps the file reproducible.
    pub timestamp: u64,
    /// Such as `("debhelper", "13.14.1ubuntu5")`.
    pub installed_build_depends: &'a [(&'a str, &'a str)],
    /// Environment variables that may have had an influence.
    pub environment: &'a [(&'a str, &'a str)],
}

/// Writes a `_source.buildinfo` as `dpkg-genbuildinfo --build=source` does
/// and returns its name and text.
pub fn source_buildinfo(
    source: &str,
    version: &str,
    dsc: &(String, Vec<u8>),
    build: &BuildEnvironment,
) -> Result<(String, Vec<u8>)> {
    manifest::check_package_name("Source", source)?;
    manifest::check_version(version)?;
    let files = [(dsc.0.clone(), Checksums::of(&dsc.1))];
    let mut depends = Vec::new();
    for (package, version) in build.installed_build_depends {
        manifest::check_package_name("Installed-Build-Depends", package)?;
        manifest::check_version(version)?;
        depends.push(format!("\n{package} (= {version})"));
    }
    let mut environment = String::new();
    for (name, value) in build.environment {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        environment.push_str(&format!("\n{name}=\"{}\"", quoted.replace('\n', "\n ")));
    }

    let mut info = Paragraph::new();
    info.set("Format", "1.0")?;
    info.set("Source", source)?;
    info.set("Architecture", "source")?;
    info.set("Version", version)?;
    let md5 = manifest::list(&files, |sums| format!("{} {}", sums.md5, sums.size));
    info.set("Checksums-Md5", &md5)?;
    manifest::set_sha(&mut info, &files)?;
    info.set("Build-Origin", build.origin)?;
    info.set("Build-Architecture", build.architecture)?;
    info.set("Build-Date", &date::rfc2822(build.timestamp, "+0000")?)?;
    info.set("Installed-Build-Depends", &depends.join(","))?;
    info.set("Environment", &environment)?;
    Ok((
        file_name(source, version, "buildinfo"),
        info.to_string().into_bytes(),
    ))
}

/// Reads a .buildinfo, clear-signed or not.
pub fn read_buildinfo(text: &str) -> Result<Paragraph> {
    let paragraph = manifest::single_paragraph(".buildinfo", text)?;
    for field in ["Format", "Source", "Version", "Checksums-Sha256"] {
        if paragraph.get(field).is_none() {
            return Err(Error::format(".buildinfo", format!("has no field {field}")));
        }
    }
    Ok(paragraph)
}

fn file_name(source: &str, version: &str, extension: &str) -> String {
    let version = manifest::without_epoch(version);
    format!("{source}_{version}_source.{extension}")
}
