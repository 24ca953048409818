//! A block device of this host, and who uses it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::super::host::Host;
use super::super::layout::entries;
use super::super::problem::Failure;

/// How much of each end of a device has to be empty.
pub const MARGIN: u64 = 1 << 20;

/// A device that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// As it was answered: `/dev/disk/by-id/…`.
    pub asked: String,
    /// The same below the root.
    pub path: PathBuf,
    /// Name in `/sys/class/block`.
    pub kernel: String,
    /// Device number; an inode number where a test's file stands for a device.
    pub number: u64,
    /// In bytes.
    pub size: u64,
}

impl Device {
    /// Finds the device; symbolic links are followed.
    ///
    /// # Errors
    /// What is wrong with the path, and what to do.
    pub fn find(host: &Host, asked: &str) -> Result<Self, String> {
        let path = host.layout.path(asked);
        let meta = fs::metadata(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                format!("{asked} does not exist on this node; lsblk lists the devices it has")
            }
            _ => format!("{asked}: {error}"),
        })?;
        let stands_for = host.is_trial() && meta.is_file();
        if !meta.file_type().is_block_device() && !stands_for {
            return Err(format!(
                "{asked} is no block device; write the path of a disk or partition, as lsblk \
                 lists them"
            ));
        }
        let size = File::open(&path)
            .and_then(|mut file| file.seek(SeekFrom::End(0)))
            .map_err(|error| format!("{asked} cannot be read: {error}"))?;
        let (number, kernel) = if stands_for {
            (meta.ino(), file_name(&path))
        } else {
            let (major, minor) = (
                nix::sys::stat::major(meta.rdev()),
                nix::sys::stat::minor(meta.rdev()),
            );
            let link = host.layout.path(&format!("/sys/dev/block/{major}:{minor}"));
            let real = fs::canonicalize(link).or_else(|_| fs::canonicalize(&path));
            (
                meta.rdev(),
                file_name(&real.unwrap_or_else(|_| path.clone())),
            )
        };
        Ok(Self {
            asked: asked.to_owned(),
            path,
            kernel,
            number,
            size,
        })
    }

    /// The path for a program's argument.
    pub fn argument(&self) -> String {
        self.path.display().to_string()
    }

    /// Offset of the first byte in the first or last MiB that is neither zero
    /// nor part of a device that gives only ones; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn first_data(&self) -> io::Result<Option<u64>> {
        let mut file = File::open(&self.path)?;
        let tail = self.size.saturating_sub(MARGIN).max(MARGIN.min(self.size));
        for (start, end) in [(0, MARGIN.min(self.size)), (tail, self.size)] {
            let mut data = vec![0; usize::try_from(end - start).unwrap_or(0)];
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(&mut data)?;
            let filler = data.first().copied().filter(|byte| *byte == 0xff);
            let filler = filler.unwrap_or(0);
            if let Some(at) = data.iter().position(|byte| *byte != filler) {
                return Ok(Some(start + at as u64));
            }
        }
        Ok(None)
    }

    /// The bytes at the start, for headers that no tool knows.
    pub fn starts_with(&self, magic: &[u8]) -> bool {
        let mut data = vec![0; magic.len()];
        let read = File::open(&self.path).and_then(|mut file| file.read_exact(&mut data));
        read.is_ok() && data == magic
    }

    /// What uses the device at this moment: a mount, swap, a partition table
    /// that the kernel has read, a layer above it, a program.
    ///
    /// # Errors
    /// The kernel's lists cannot be read.
    pub fn user(&self, host: &Host) -> Result<Option<String>, Failure> {
        let system = host
            .layout
            .path(&format!("/sys/class/block/{}", self.kernel));
        if let Some(mount) = mounts(host)?.iter().find(|m| m.is_of(host, self)) {
            return Ok(Some(format!("is mounted on {}", mount.target)));
        }
        for line in read(host, "/proc/swaps")?.lines().skip(1) {
            let source = unescape(line.split_whitespace().next().unwrap_or_default());
            if same(host, &source, self) {
                return Ok(Some("is used as swap space".into()));
            }
        }
        let parts: Vec<String> = entries(&system)?
            .into_iter()
            .filter(|name| system.join(name).join("partition").is_file())
            .collect();
        if !parts.is_empty() {
            return Ok(Some(format!("has the partitions {}", parts.join(", "))));
        }
        let mut above = holders(host, &system)?;
        if system.join("partition").is_file() {
            let disk = fs::canonicalize(&system).ok();
            if let Some(disk) = disk.as_deref().and_then(Path::parent) {
                above.extend(holders(host, disk)?);
            }
        }
        if let Some(first) = above.first() {
            return Ok(Some(format!("is in use by {first}")));
        }
        if fs::read_to_string(system.join("ro")).is_ok_and(|text| text.trim() == "1") {
            return Ok(Some("is read-only".into()));
        }
        Ok(self.claimed().then(|| "is in use by the kernel".into()))
    }

    /// The kernel gives a claimed block device to nobody who asks for it alone.
    fn claimed(&self) -> bool {
        let alone = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_EXCL)
            .open(&self.path);
        alone.is_err_and(|error| error.raw_os_error() == Some(nix::libc::EBUSY))
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// A line of `/proc/mounts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub source: String,
    pub target: String,
}

impl Mount {
    /// Whether the device is what is mounted there.
    pub fn is_of(&self, host: &Host, device: &Device) -> bool {
        same(host, &self.source, device)
    }
}

/// What is mounted, in the order in which it was.
///
/// # Errors
/// `/proc` cannot be read.
pub fn mounts(host: &Host) -> Result<Vec<Mount>, Failure> {
    let text = read(host, "/proc/mounts")?;
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some(Mount {
            source: unescape(words.next()?),
            target: unescape(words.next()?),
        })
    });
    Ok(lines.collect())
}

fn same(host: &Host, source: &str, device: &Device) -> bool {
    source.starts_with('/')
        && Device::find(host, source).is_ok_and(|other| other.number == device.number)
}

/// A test's host may have no such file.
fn read(host: &Host, path: &str) -> Result<String, Failure> {
    let path = host.layout.path(path);
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(super::super::layout::reading(&path, &error)),
        Ok(text) => Ok(text),
    }
}

/// Names of what lies above a device, in words.
fn holders(host: &Host, system: &Path) -> Result<Vec<String>, Failure> {
    let names = entries(&system.join("holders"))?;
    let words = names.into_iter().map(|name| {
        let dm = host.layout.path(&format!("/sys/class/block/{name}/dm"));
        let word = |file: &str| {
            let text = fs::read_to_string(dm.join(file)).unwrap_or_default();
            text.trim().to_owned()
        };
        let (mapped, uuid) = (word("name"), word("uuid"));
        match uuid.split('-').next().unwrap_or_default() {
            "LVM" => format!("the logical volume {mapped}"),
            "CRYPT" => format!("the encrypted device {mapped}"),
            "mpath" => format!("multipath as {mapped}"),
            _ if !mapped.is_empty() => format!("the device mapper as {mapped}"),
            _ if name.starts_with("md") => format!("the RAID array {name}"),
            _ if name.starts_with("drbd") => format!("DRBD as {name}"),
            _ => name,
        }
    });
    Ok(words.collect())
}

/// `\040` and its like, proc(5).
fn unescape(text: &str) -> String {
    let mut plain = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let octal = bytes.get(at + 1..at + 4).filter(|_| bytes[at] == b'\\');
        let code =
            octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 4 } else { 1 };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn names_in_proc_have_octal_blanks() {
        assert_eq!(unescape(r"/srv/a\040b\134c"), r"/srv/a b\c");
        assert_eq!(unescape(r"/srv/a\9"), r"/srv/a\9");
    }
}
