//! The package eucalyptus-cloud-stub, from vm-tests/eucalyptus-stub.

use std::fs;
use std::path::{Path, PathBuf};

use debcrate::{BinaryPackage, Compression, Paragraph, Tree, parse_paragraphs, write_deb};

use crate::host::{root, write};
use crate::stop::{During, Stop};

/// Seconds since 1970 of its newest version: 2026-11-01 12:00 UTC.
const TIME: u64 = 1_793_534_400;

const SOURCES: &str = "vm-tests/eucalyptus-stub";

const PACKAGE: &str = "eucalyptus-cloud-stub";

/// Writes the .deb into `out`; its path.
///
/// # Errors
/// `Failed`: a source cannot be read, or is no part of a package.
pub fn build(out: &Path) -> Result<PathBuf, Stop> {
    let sources = root().join(SOURCES);
    let control = control(&sources)?;
    let name = format!(
        "{PACKAGE}_{}_all.deb",
        control.get("Version").unwrap_or_default()
    );
    let package = BinaryPackage {
        control,
        control_files: [(
            "conffiles".to_owned(),
            (
                b"/etc/init.d/eucalyptus-cc\n/etc/init.d/eucalyptus-cloud\n".to_vec(),
                0o644,
            ),
        )]
        .into(),
        data: data(&sources)?,
    };
    let mut deb = Vec::new();
    write_deb(&mut deb, &package, TIME, Compression::Xz).map_err(wrong)?;
    let path = out.join(name);
    write(&path, deb)?;
    Ok(path)
}

/// Names of the packages that it needs.
///
/// # Errors
/// As [`build`].
pub fn depends() -> Result<String, Stop> {
    let control = control(&root().join(SOURCES))?;
    Ok(control.get("Depends").unwrap_or_default().to_owned())
}

fn control(sources: &Path) -> Result<Paragraph, Stop> {
    let text = read(&sources.join("control"))?;
    let paragraphs = parse_paragraphs(&String::from_utf8_lossy(&text)).map_err(wrong)?;
    match <[Paragraph; 1]>::try_from(paragraphs) {
        Ok([control]) => Ok(control),
        Err(_) => Err(Stop::failed(format!(
            "{}: write one paragraph",
            sources.join("control").display()
        ))),
    }
}

fn data(sources: &Path) -> Result<Tree, Stop> {
    let mut tree = Tree::new();
    for (source, path, mode) in [
        ("init", "etc/init.d/eucalyptus-cc", 0o755),
        ("init", "etc/init.d/eucalyptus-cloud", 0o755),
        (
            "eucalyptus-stub",
            "usr/lib/eucalyptus-stub/eucalyptus-stub",
            0o755,
        ),
        (
            "image-store-proxy.service",
            "usr/lib/systemd/system/image-store-proxy.service",
            0o644,
        ),
        (
            "copyright",
            "usr/share/doc/eucalyptus-cloud-stub/copyright",
            0o644,
        ),
    ] {
        let data = read(&sources.join(source))?;
        tree.file(path, data, mode).map_err(wrong)?;
    }
    for path in [
        "etc/eucalyptus-stub",
        "var/lib/eucalyptus",
        "var/lib/image-store-proxy",
    ] {
        tree.dir(path, 0o755).map_err(wrong)?;
    }
    Ok(tree)
}

fn read(path: &Path) -> Result<Vec<u8>, Stop> {
    fs::read(path).during(format_args!("reading {}", path.display()))
}

fn wrong(error: debcrate::Error) -> Stop {
    Stop::failed(format!("{SOURCES}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::build;
    use crate::host;

    #[test]
    fn the_package_is_what_dpkg_deb_reads_back() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let deb = build(one.path()).unwrap();
        assert_eq!(
            fs::read(&deb).unwrap(),
            fs::read(build(two.path()).unwrap()).unwrap()
        );
        let dpkg_deb =
            |action: &str| host::read(Command::new("dpkg-deb").arg(action).arg(&deb)).unwrap();
        let info = dpkg_deb("--info");
        for text in [
            "Package: eucalyptus-cloud-stub\n",
            "Provides: eucalyptus-cc, eucalyptus-cloud, eucalyptus-sc, eucalyptus-walrus,",
            "This is a stub, and no part of Eucalyptus",
        ] {
            assert!(info.contains(text), "{text} is not in\n{info}");
        }
        // Nothing that could start it at boot or at installation.
        assert!(!info.contains("postinst"), "{info}");
        let contents = dpkg_deb("--contents");
        let files: Vec<(&str, &str)> = contents
            .lines()
            .filter(|line| line.starts_with('-'))
            .map(|line| {
                let path = line.rsplit(' ').next().unwrap_or_default();
                (&line[..10], path)
            })
            .collect();
        assert_eq!(
            files,
            [
                ("-rwxr-xr-x", "./etc/init.d/eucalyptus-cc"),
                ("-rwxr-xr-x", "./etc/init.d/eucalyptus-cloud"),
                ("-rwxr-xr-x", "./usr/lib/eucalyptus-stub/eucalyptus-stub"),
                (
                    "-rw-r--r--",
                    "./usr/lib/systemd/system/image-store-proxy.service"
                ),
                (
                    "-rw-r--r--",
                    "./usr/share/doc/eucalyptus-cloud-stub/copyright"
                ),
            ]
        );
        let unpacked = one.path().join("unpacked");
        host::read(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&unpacked)).unwrap();
        let unit =
            fs::read_to_string(unpacked.join("usr/lib/systemd/system/image-store-proxy.service"))
                .unwrap();
        assert!(!unit.contains("\n[Install]"), "{unit}");
    }
}
