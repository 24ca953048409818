//! The package eucalyptus-cloud-stub: what stands in trials for software that
//! no archive has.

use debcrate::{BinaryPackage, Compression, Error, Paragraph, Tree, parse_paragraphs, write_deb};

/// What a scenario calls it.
pub const EUCALYPTUS: &str = "eucalyptus";

/// Seconds since 1970 of its newest version: 2026-11-01 12:00 UTC.
const TIME: u64 = 1_793_534_400;

const PACKAGE: &str = "eucalyptus-cloud-stub";

macro_rules! source {
    ($name:literal) => {
        include_str!(concat!("../../vm-tests/eucalyptus-stub/", $name))
    };
}

/// A Debian package as a file.
pub struct Deb {
    /// `NAME_VERSION_all.deb`.
    pub name: String,
    pub data: Vec<u8>,
}

/// The stub's package; it starts nothing when it is installed.
///
/// # Errors
/// A file of vm-tests/eucalyptus-stub is no part of a package.
pub fn eucalyptus() -> Result<Deb, Error> {
    let control = control()?;
    let name = format!(
        "{PACKAGE}_{}_all.deb",
        control.get("Version").unwrap_or_default()
    );
    let conffiles = b"/etc/init.d/eucalyptus-cc\n/etc/init.d/eucalyptus-cloud\n".to_vec();
    let package = BinaryPackage {
        control,
        control_files: [("conffiles".to_owned(), (conffiles, 0o644))].into(),
        data: tree()?,
    };
    let mut data = Vec::new();
    write_deb(&mut data, &package, TIME, Compression::Xz)?;
    Ok(Deb { name, data })
}

/// Names of the packages that it needs.
///
/// # Errors
/// As [`eucalyptus`].
pub fn depends() -> Result<Vec<String>, Error> {
    let control = control()?;
    let depends = control.get("Depends").unwrap_or_default();
    Ok(depends
        .split(',')
        .map(|name| name.trim().to_owned())
        .collect())
}

fn control() -> Result<Paragraph, Error> {
    let mut paragraphs = parse_paragraphs(source!("control"))?;
    Ok(paragraphs.swap_remove(0))
}

fn tree() -> Result<Tree, Error> {
    let mut tree = Tree::new();
    for (text, path, mode) in [
        (source!("init"), "etc/init.d/eucalyptus-cc", 0o755),
        (source!("init"), "etc/init.d/eucalyptus-cloud", 0o755),
        (
            source!("eucalyptus-stub"),
            "usr/lib/eucalyptus-stub/eucalyptus-stub",
            0o755,
        ),
        (
            source!("image-store-proxy.service"),
            "usr/lib/systemd/system/image-store-proxy.service",
            0o644,
        ),
        (
            source!("copyright"),
            "usr/share/doc/eucalyptus-cloud-stub/copyright",
            0o644,
        ),
    ] {
        tree.file(path, text.as_bytes(), mode)?;
    }
    for path in [
        "etc/eucalyptus-stub",
        "var/lib/eucalyptus",
        "var/lib/image-store-proxy",
    ] {
        tree.dir(path, 0o755)?;
    }
    Ok(tree)
}
