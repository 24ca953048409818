//! Making an image: a chroot's layers, customised, as a filesystem.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use super::{Image, name};
use crate::atomic;
use crate::chroot::{self, Base, Network, Trial, as_root, enough_room, hash, remove_tree};
use crate::recipe::suite::{Family, Suite};
use crate::vm::Error;
use crate::vm::cache::{self, Kind};

/// Raised when the same input gives another image than before.
const LAYOUT: &str = "image 1";

/// Room for packages, logs and data of a trial; the file is sparse.
const DISK_SIZE: &str = "8G";

const CUSTOMISE: &str = include_str!("../../../vm-tests/guest/customise.sh");

/// Name, mode and content of what is put to `/usr/local/lib/hapkg`.
const FILES: &[(&str, &str, &str)] = &[
    (
        "shell.pl",
        "0755",
        include_str!("../../../vm-tests/guest/shell.pl"),
    ),
    (
        "identity.sh",
        "0755",
        include_str!("../../../vm-tests/guest/identity.sh"),
    ),
    (
        "hapkg-shell.service",
        "0644",
        include_str!("../../../vm-tests/guest/hapkg-shell.service"),
    ),
    (
        "hapkg-identity.service",
        "0644",
        include_str!("../../../vm-tests/guest/hapkg-identity.service"),
    ),
];

/// What a node is, beside what a role needs.
const SYSTEM: &[&str] = &[
    "systemd-sysv",
    "dbus",
    "udev",
    "kmod",
    "iproute2",
    "iputils-ping",
    "ethtool",
    "procps",
    "nftables",
    "e2fsprogs",
    "netbase",
    "debconf-utils",
    "corosync",
    "pacemaker",
    "pacemaker-cli-utils",
    "fence-agents-ipmilan",
    "ipmitool",
];

const UBUNTU: &[&str] = &[
    "linux-image-virtual",
    "resource-agents-base",
    "fence-agents-base",
];

const DEBIAN: &[&str] = &[
    "linux-image-amd64",
    "initramfs-tools",
    "resource-agents",
    "fence-agents-common",
];

/// The image of `suite` with `packages` (and what they depend on) besides the
/// system; made where it is not in the cache. Another process that makes the
/// same one is waited for.
///
/// # Errors
/// `Environment`: no mirror, no room, no root or a tool is missing; `Guest`:
/// apt refuses the packages.
pub fn build(suite: &Suite, packages: &[&str], progress: &dyn Fn(&str)) -> Result<Image, Error> {
    let base = layers(suite, packages, progress)?;
    let mut parts = vec![
        LAYOUT.to_owned(),
        DISK_SIZE.to_owned(),
        CUSTOMISE.to_owned(),
    ];
    for (name, mode, text) in FILES {
        parts.extend([name, mode, text].map(|part| (*part).to_owned()));
    }
    parts.push(base.packages_hash()?);
    let key = hash(&parts);
    let dir = Kind::Image.dir()?.join(name(suite.name, &key));
    let _turn = cache::turn(&dir)?;
    if !whole(&dir) {
        cache::clear(&dir)?;
        cache::make_room(progress)?;
        enough_room(&Kind::Image.dir()?)?;
        progress(&format!("making a {} disk", suite.name));
        let partial = cache::partial(&dir);
        remove_tree(&partial)?;
        make_dir(&partial)?;
        let made = make(&base, &partial, progress).and_then(|()| cache::flush(&partial));
        if let Err(error) = made {
            remove_tree(&partial)?;
            return Err(error);
        }
        atomic::rename(&partial, &dir).map_err(|e| Error::Environment(e.to_string()))?;
    }
    let held = cache::hold(&dir)?.ok_or_else(|| {
        let dir = dir.display();
        Error::Environment(format!("{dir} was removed meanwhile; run it again"))
    })?;
    Ok(Image {
        suite: suite.name.into(),
        key,
        dir,
        _held: held,
    })
}

/// Whether `dir` has all that an image needs to boot.
fn whole(dir: &Path) -> bool {
    ["disk.raw", "vmlinuz", "packages"]
        .iter()
        .all(|name| cache::has_content(&dir.join(name)))
}

/// The suite's base, the system on it, and the caller's packages on that.
fn layers(suite: &Suite, packages: &[&str], progress: &dyn Fn(&str)) -> Result<Base, Error> {
    let family = match suite.family {
        Family::Ubuntu => UBUNTU,
        Family::Debian => DEBIAN,
    };
    let system = [SYSTEM, family].concat().join(" ");
    // Ubuntu keeps drivers of cluster filesystems and watchdogs apart.
    let script = format!(
        r#"export DEBIAN_FRONTEND=noninteractive
apt-get install -q -y --no-install-recommends {system}
release=$(printf '%s\n' /lib/modules/* | sort -V | tail -n 1)
extra=linux-modules-extra-${{release##*/}}
if [ -n "$(apt-cache madison "$extra")" ]; then
    apt-get install -q -y --no-install-recommends "$extra"
fi
apt-get clean
"#
    );
    let base = chroot::base(suite, &[], progress)?.layer(&script, progress)?;
    if packages.is_empty() {
        return Ok(base);
    }
    let mut wanted = packages.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    let script = format!(
        "export DEBIAN_FRONTEND=noninteractive
apt-get install -q -y --no-install-recommends {}
apt-get clean
",
        wanted.join(" ")
    );
    Ok(base.layer(&script, progress)?)
}

/// Fills `dir`, which exists and is empty.
fn make(base: &Base, dir: &Path, progress: &dyn Fn(&str)) -> Result<(), Error> {
    let trial = Trial::new(base)?;
    for (name, mode, text) in FILES {
        trial.write(
            &format!("/usr/local/lib/hapkg/{name}"),
            text.as_bytes(),
            mode,
        )?;
    }
    let done = trial.feed(&["sh", "-s"], CUSTOMISE.as_bytes())?;
    if !done.status.success() {
        return Err(Error::Environment(format!(
            "customising a disk failed: {}",
            String::from_utf8_lossy(&done.stderr).trim_end()
        )));
    }
    for (inside, name) in [
        ("/boot/hapkg/vmlinuz", "vmlinuz"),
        ("/boot/hapkg/initrd", "initrd"),
    ] {
        if let Some(data) = trial.read(inside)? {
            put(&dir.join(name), &data)?;
        }
    }
    let packages = trial.feed(&["dpkg-query", "-W"], b"")?;
    put(&dir.join("packages"), &packages.stdout)?;
    progress("writing the disk");
    filesystem(&trial, dir)
}

/// The trial's whole content as an ext4 filesystem in `dir/disk.raw`. The
/// chroot packs itself, without what is mounted in it; owners, modes and
/// capabilities stay.
fn filesystem(trial: &Trial, dir: &Path) -> Result<(), Error> {
    const PACK: &str = "mkdir -p /run/whole; mount --bind / /run/whole
exec tar -C /run/whole --xattrs --xattrs-include='*' --numeric-owner --exclude=./boot/hapkg --exclude=./run/whole -cf - .";
    const MAKE: &str = r#"umask 022
mkdir "$1/root"
tar -C "$1/root" --xattrs --xattrs-include='*' --numeric-owner -xpf -
mke2fs -q -t ext4 -L root -E lazy_itable_init=0,lazy_journal_init=0,nodiscard \
    -d "$1/root" "$1/disk.raw" "$2"
rm -rf "$1/root"
chown --reference="$1" "$1/disk.raw"
chmod 0444 "$1/disk.raw""#;
    let mut pack = trial
        .command(Network::Off, &["sh", "-euc", PACK])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| Error::program("tar", &e))?;
    let stream = pack.stdout.take().map_or(Stdio::null(), Stdio::from);
    let make = as_root("sh")
        .args(["-euc", MAKE, "sh"])
        .arg(dir)
        .arg(DISK_SIZE)
        .stdin(stream)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .map_err(|e| Error::program("mke2fs", &e))?;
    let mut said = String::new();
    if let Some(mut pipe) = pack.stderr.take() {
        let _ = pipe.read_to_string(&mut said);
    }
    let packed = pack.wait().map_err(|e| Error::program("tar", &e))?;
    if packed.success() && make.status.success() {
        return Ok(());
    }
    Err(Error::Environment(format!(
        "making a filesystem in {}: {}{}; is there room for it, and root or sudo?",
        dir.display(),
        said,
        String::from_utf8_lossy(&make.stderr).trim_end()
    )))
}

fn put(path: &Path, data: &[u8]) -> Result<(), Error> {
    fs::write(path, data).map_err(|e| Error::io("writing", path, &e))
}

fn make_dir(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|e| Error::io("making", path, &e))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{FILES, hash, whole};

    #[test]
    fn an_image_without_its_kernel_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!whole(&dir.path().join("missing")));
        for name in ["disk.raw", "packages", "vmlinuz"] {
            assert!(!whole(dir.path()), "{name}");
            fs::write(dir.path().join(name), "").unwrap();
            assert!(!whole(dir.path()), "{name}");
            fs::write(dir.path().join(name), "x").unwrap();
        }
        assert!(whole(dir.path()));
    }

    #[test]
    fn a_changed_guest_file_gives_another_image() {
        let parts: Vec<String> = FILES.iter().map(|(.., text)| (*text).into()).collect();
        let mut changed = parts.clone();
        changed[0].push(' ');
        assert_ne!(hash(&parts), hash(&changed));
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    }

    #[test]
    fn every_unit_that_is_enabled_is_put_into_the_image() {
        let enabled = super::CUSTOMISE
            .lines()
            .find_map(|line| line.strip_prefix("systemctl -q enable "))
            .unwrap();
        for unit in enabled.split(' ').filter(|unit| unit.starts_with("hapkg-")) {
            assert!(FILES.iter().any(|(name, ..)| *name == unit), "{unit}");
        }
    }
}
