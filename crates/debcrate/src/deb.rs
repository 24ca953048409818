//! Binary packages: deb(5) and deb-control(5).

use std::collections::BTreeMap;
use std::io::Write;

use crate::ar;
use crate::compress::Compression;
use crate::data::{DataMember, compress_data};
use crate::error::{Error, Result};
use crate::manifest;
use crate::paragraph::Paragraph;
use crate::tarball;
use crate::tree::Tree;

/// Order in which dpkg-gencontrol writes the fields of a binary package.
pub const CONTROL_FIELDS: &[&str] = &[
    "Package",
    "Package-Type",
    "Source",
    "Version",
    "Kernel-Version",
    "Built-For-Profiles",
    "Auto-Built-Package",
    "Architecture",
    "Architecture-Variant",
    "Subarchitecture",
    "Installer-Menu-Item",
    "Build-Essential",
    "Essential",
    "Protected",
    "Origin",
    "Bugs",
    "Maintainer",
    "Installed-Size",
    "Pre-Depends",
    "Depends",
    "Recommends",
    "Suggests",
    "Enhances",
    "Conflicts",
    "Breaks",
    "Replaces",
    "Provides",
    "Built-Using",
    "Static-Built-Using",
    "Section",
    "Priority",
    "Multi-Arch",
    "Homepage",
    "Description",
    "Tag",
    "Task",
];

/// Fields without which dpkg-deb or an archive refuses a package.
const REQUIRED: &[&str] = &[
    "Package",
    "Version",
    "Architecture",
    "Maintainer",
    "Description",
];

/// Files of the control member by name, each with its mode: `postinst` with
/// 0755, `templates` with 0644. `control` and `md5sums` are not among them.
pub type ControlFiles = BTreeMap<String, (Vec<u8>, u32)>;

/// A binary package. The writer adds `md5sums` and `Installed-Size` and puts
/// the fields of `control` into the order of [`CONTROL_FIELDS`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BinaryPackage {
    /// At least Package, Version, Architecture, Maintainer and Description.
    pub control: Paragraph,
    /// Maintainer scripts, `templates`, `conffiles` and the like.
    pub control_files: ControlFiles,
    /// What is unpacked onto the system.
    pub data: Tree,
}

/// Writes a .deb. `mtime`, in seconds since 1970, is the time of every member
/// and entry; archives refuse times before 1975.
pub fn write_deb<W: Write>(
    writer: W,
    package: &BinaryPackage,
    mtime: u64,
    compression: Compression,
) -> Result<()> {
    let data = compress_data(&package.data, mtime, compression)?;
    write_deb_with(writer, &package.control, &package.control_files, &data)
}

/// Writes a .deb around a data member that was compressed before; time and
/// compression are the member's.
pub fn write_deb_with<W: Write>(
    mut writer: W,
    control: &Paragraph,
    control_files: &ControlFiles,
    data: &DataMember,
) -> Result<()> {
    let compression = data.compression();
    let extension = compression.extension();
    let mtime = data.mtime();
    let tree = control_tree(control, control_files, data)?;
    let control_member = compression.compress(&tarball::write("./", &tree, mtime)?)?;
    let writer: &mut dyn Write = &mut writer;
    ar::write_magic(writer)?;
    ar::write_member(writer, "debian-binary", mtime, b"2.0\n")?;
    let name = format!("control.tar{extension}");
    ar::write_member(writer, &name, mtime, &control_member)?;
    let name = format!("data.tar{extension}");
    ar::write_member(writer, &name, mtime, data.bytes())
}

fn control_tree(
    control: &Paragraph,
    control_files: &ControlFiles,
    data: &DataMember,
) -> Result<Tree> {
    for name in REQUIRED {
        if control.get(name).is_none() {
            return Err(Error::field(*name, "is missing from the control data"));
        }
    }
    manifest::check_package_name("Package", control.get("Package").unwrap_or_default())?;
    manifest::check_version(control.get("Version").unwrap_or_default())?;
    let mut tree = Tree::new();
    for (name, (content, mode)) in control_files {
        if matches!(name.as_str(), "control" | "md5sums") || name.contains('/') {
            return Err(Error::path(
                name,
                "is no control file of the caller's; `control` and `md5sums` are written for it",
            ));
        }
        tree.file(name, content.as_slice(), *mode)?;
    }
    let mut control = control.clone();
    let size = data.installed_size() + control_size(control_files);
    control.set("Installed-Size", &size.to_string())?;
    control.sort_by(CONTROL_FIELDS);
    tree.file("control", control.to_string().into_bytes(), 0o644)?;
    let conffiles = control_files
        .get("conffiles")
        .map(|(content, _)| content.as_slice());
    let md5sums = data.md5sums(conffiles.unwrap_or_default());
    if !md5sums.is_empty() {
        tree.file("md5sums", md5sums.into_bytes(), 0o644)?;
    }
    Ok(tree)
}

/// What dpkg-gencontrol counts of the package's DEBIAN directory, in KiB: the
/// directory and what debhelper has put into it by then.
fn control_size(control_files: &ControlFiles) -> u64 {
    let files = control_files.values();
    1 + files
        .map(|(content, _)| (content.len() as u64).div_ceil(1024))
        .sum::<u64>()
}
