//! The package eucalyptus-cloud-stub as a file.

use std::path::{Path, PathBuf};

use hapkg::trial::stub;

use crate::host::write;
use crate::stop::Stop;

/// Writes the .deb into `out`; its path.
///
/// # Errors
/// `Failed`: a source is no part of a package, or `out` cannot be written.
pub fn build(out: &Path) -> Result<PathBuf, Stop> {
    let deb = stub::eucalyptus().map_err(wrong)?;
    let path = out.join(deb.name);
    write(&path, deb.data)?;
    Ok(path)
}

/// Names of the packages that it needs.
///
/// # Errors
/// As [`build`].
pub fn depends() -> Result<Vec<String>, Stop> {
    stub::depends().map_err(wrong)
}

fn wrong(error: debcrate::Error) -> Stop {
    Stop::failed(format!("vm-tests/eucalyptus-stub: {error}"))
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
