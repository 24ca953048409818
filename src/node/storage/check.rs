//! Whether the devices may be taken.

use std::collections::BTreeMap;
use std::fs;

use super::super::host::Host;
use super::super::problem::{Failure, Problem};
use super::content::Content;
use super::device::Device;
use super::item::{Asked, Drbd, Filesystem, Group, Item, items};
use super::record::{Record, Stage};
use super::{drbd, lvm, migrate, sbd};
use crate::cluster::{Desired, FilesystemOn};

/// The smallest backing device of DRBD, in bytes, whatever comes onto it.
const LEAST_DRBD: u64 = 16 << 20;
/// The smallest physical volume, in bytes.
const LEAST_GROUP: u64 = 16 << 20;

/// How a device stands to what it is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// May be taken.
    Blank,
    /// Is already what it shall be, or was begun to be made so.
    Ours,
}

/// See [`super::check`].
pub fn check(host: &Host, desired: &Desired) -> Result<(), Failure> {
    let me = host.name()?;
    let mut look = Look {
        host,
        problems: Vec::new(),
        taken: BTreeMap::new(),
    };
    for item in items(desired, &me) {
        let filesystems = match &item {
            Item::Drbd(drbd, filesystems) => {
                look.drbd(drbd, filesystems)?;
                filesystems.as_slice()
            }
            Item::Group(group, filesystems) => {
                look.group(group, filesystems)?;
                filesystems.as_slice()
            }
            Item::Path(filesystem) => {
                look.path(filesystem)?;
                std::slice::from_ref(filesystem)
            }
        };
        for filesystem in filesystems {
            look.filesystem(filesystem)?;
        }
    }
    for path in sbd::devices(desired) {
        look.sbd(desired, &path)?;
    }
    if look.problems.is_empty() {
        return Ok(());
    }
    Err(Failure::Refused(look.problems))
}

/// The standing of the backing device.
///
/// # Errors
/// The inner one says why it may not be taken.
pub fn of_drbd(host: &Host, drbd: &Drbd<'_>, device: &Device) -> Result<Verdict, Failure> {
    let content = Content::read(host, device)?;
    let record = Record::load(host, &drbd.key())?.filter(|record| record.is_of(device));
    let begun = record
        .as_ref()
        .is_some_and(|record| record.stage == Stage::Begun);
    if let Some(found) = content.find("drbd") {
        let known = record.is_some_and(|record| record.uuid == found.uuid);
        if begun || known || drbd::is_backed_by(host, drbd.resource, device)? {
            return Ok(Ok(Standing::Ours));
        }
    }
    if begun && matches!(content, Content::Unknown(_)) {
        return Ok(Ok(Standing::Ours));
    }
    blank(host, device, &content)
}

/// The standing of the physical volume.
///
/// # Errors
/// The inner one says why it may not be taken.
pub fn of_group(host: &Host, group: &Group<'_>, device: &Device) -> Result<Verdict, Failure> {
    let content = Content::read(host, device)?;
    let volumes = lvm::physical_volumes(host)?;
    let mine = volumes.iter().find(|pv| lvm::is(host, pv, device));
    if let Some(pv) = mine.filter(|_| content.find("LVM2_member").is_some()) {
        if pv.group == group.name {
            return Ok(match (group.shared, pv.lock_type.as_str()) {
                (true, "dlm") | (false, "" | "none") => Ok(Standing::Ours),
                (_, other) => {
                    let wanted = if group.shared { "dlm" } else { "none" };
                    Err(format!(
                        "{} holds the volume group {} with the lock type {:?}, but {wanted} is \
                         wanted; change it by vgchange --lock-type, or use another device",
                        device.asked, group.name, other
                    ))
                }
            });
        }
        let record = Record::load(host, &group.key())?.filter(|record| record.is_of(device));
        if pv.group.is_empty() && record.is_some_and(|record| record.stage == Stage::Begun) {
            return Ok(Ok(Standing::Ours));
        }
        if !pv.group.is_empty() {
            return Ok(Err(format!(
                "{} holds a physical volume of LVM in the volume group {}; use another device, \
                 or, if that group may be lost, run: vgremove {}",
                device.asked, pv.group, pv.group
            )));
        }
    }
    if let Some(other) = volumes.iter().find(|pv| pv.group == group.name) {
        return Ok(Err(format!(
            "the volume group {} exists already, on {}; rename it by vgrename, or answer that \
             device",
            group.name, other.path
        )));
    }
    blank(host, device, &content)
}

/// The standing, or why the device is refused and what to do.
pub type Verdict = Result<Standing, String>;

/// Whether the device is unused and holds nothing.
pub fn blank(host: &Host, device: &Device, content: &Content) -> Result<Verdict, Failure> {
    let path = &device.asked;
    let user = device.user(host)?;
    let holds = match content {
        Content::Blank => None,
        other => Some(format!("holds {}", other.words())),
    };
    let emptied = content.emptied_by(device);
    Ok(match (user, holds) {
        (None, None) => Ok(Standing::Blank),
        (None, Some(holds)) => Err(format!(
            "{path} {holds}; use another device, or, if that may be lost, run: {emptied}"
        )),
        (Some(user), None) => Err(format!("{path} {user}; free it, or use another device")),
        (Some(user), Some(holds)) => Err(format!(
            "{path} {user} and {holds}; use another device, or, if that may be lost, free it \
             and run: {emptied}"
        )),
    })
}

struct Look<'a> {
    host: &'a Host,
    problems: Vec<Problem>,
    /// Device number to what it is for.
    taken: BTreeMap<u64, String>,
}

impl Look<'_> {
    fn drbd(&mut self, drbd: &Drbd<'_>, on: &[Filesystem<'_>]) -> Result<(), Failure> {
        let asked = Asked::of_role(self.host, drbd.role, |role| {
            let found = role.drbd.iter().find(|one| one.id == drbd.resource)?;
            Some((found.device.clone(), Some(found.erase.clone())))
        });
        self.needs(drbd.role, "drbdadm", "drbd-utils");
        if !self.host.layout.path("/proc/drbd").exists() {
            self.module(drbd.role, "drbd");
        }
        let purpose = format!("DRBD resource {}", drbd.resource);
        let least = on.iter().map(Filesystem::least).fold(LEAST_DRBD, u64::max);
        self.device(&asked, drbd.device, drbd.erase, least, purpose, |device| {
            of_drbd(self.host, drbd, device)
        })
    }

    fn group(&mut self, group: &Group<'_>, on: &[Filesystem<'_>]) -> Result<(), Failure> {
        let asked = Asked::of_role(self.host, group.role, |role| {
            let found = role.lvm.iter().find(|one| one.id == group.name)?;
            Some((found.device.clone(), Some(found.erase.clone())))
        });
        self.needs(group.role, "vgcreate", "lvm2");
        if self.host.program("pvs").is_none() {
            return Ok(());
        }
        if group.shared {
            self.needs(group.role, "lvmlockd", "lvm2-lockd");
            self.needs(group.role, "dlm_controld", "dlm-controld");
            self.module(group.role, "dlm");
        }
        let purpose = format!("volume group {}", group.name);
        let least = on.iter().map(Filesystem::least).fold(LEAST_GROUP, u64::max);
        self.device(
            &asked,
            group.device,
            group.erase,
            least,
            purpose,
            |device| of_group(self.host, group, device),
        )
    }

    /// A device that no question allows to erase has to be ready.
    fn path(&mut self, filesystem: &Filesystem<'_>) -> Result<(), Failure> {
        let FilesystemOn::Path(path) = filesystem.on else {
            return Ok(());
        };
        let asked = Asked::of_role(self.host, filesystem.role, |role| {
            let found = role.filesystem.iter().find(|one| one.id == filesystem.id)?;
            Some((found.device.clone(), None))
        });
        let purpose = format!("filesystem {}", filesystem.id);
        self.device(&asked, path, true, 0, purpose, |device| {
            let content = Content::read(self.host, device)?;
            if content
                .only()
                .is_some_and(|found| found.kind == filesystem.kind)
            {
                return Ok(Ok(Standing::Ours));
            }
            Ok(Err(format!(
                "{path} holds {}, but {} is wanted, and no question permits that it be erased; make \
                 the filesystem by hand: mkfs.{} {path}",
                content.words(),
                filesystem.kind,
                filesystem.kind
            )))
        })
    }

    fn filesystem(&mut self, filesystem: &Filesystem<'_>) -> Result<(), Failure> {
        let role = filesystem.role;
        let package = match filesystem.kind {
            "xfs" => "xfsprogs",
            "gfs2" => "gfs2-utils",
            "ocfs2" => "ocfs2-tools",
            _ => "e2fsprogs",
        };
        self.needs(role, &format!("mkfs.{}", filesystem.kind), package);
        if filesystem.is_shared() {
            self.module(role, filesystem.kind);
        }
        let asked = Asked::of_role(self.host, role, |_| None);
        let found = migrate::objections(self.host, filesystem)?;
        self.problems
            .extend(found.iter().map(|message| asked.about_device(message)));
        if Record::load(self.host, &filesystem.key())?.is_none() {
            let mounted = super::device::mounts(self.host)?;
            let place = self.host.layout.path(filesystem.mount);
            let used = mounted
                .iter()
                .find(|mount| mount.target == filesystem.mount);
            let full = fs::read_dir(&place).is_ok_and(|mut list| list.next().is_some());
            if let Some(mount) = used.filter(|mount| !self.is_on(&mount.source)) {
                self.problems.push(asked.about_device(&format!(
                    "{} is mounted on {}, where the filesystem of the role belongs; unmount \
                     it, or answer another mount point",
                    mount.source, mount.target
                )));
            } else if used.is_none() && full {
                self.problems.push(asked.about_device(&format!(
                    "{} is not empty, and the filesystem that is mounted there would hide its \
                     content; move that away, or answer another mount point",
                    filesystem.mount
                )));
            }
        }
        Ok(())
    }

    fn sbd(&mut self, desired: &Desired, path: &str) -> Result<(), Failure> {
        let asked = Asked::of_cluster(self.host, "sbd_device");
        let installed = self.host.program("sbd").is_some();
        if !installed {
            let message = "the program sbd is not installed; apt-get install sbd";
            self.problems.push(asked.about_device(message));
        }
        self.device(
            &asked,
            path,
            true,
            sbd::LEAST,
            "disk of sbd".into(),
            |device| match Content::read(self.host, device)? {
                Content::Sbd if installed => {
                    Ok(sbd::agrees(self.host, desired, device)?.map(|()| Standing::Ours))
                }
                Content::Sbd => Ok(Ok(Standing::Ours)),
                other => blank(self.host, device, &other),
            },
        )
    }

    fn device(
        &mut self,
        asked: &Asked<'_>,
        path: &str,
        erase: bool,
        least: u64,
        purpose: String,
        judge: impl FnOnce(&Device) -> Result<Verdict, Failure>,
    ) -> Result<(), Failure> {
        let device = match Device::find(self.host, path) {
            Ok(device) => device,
            Err(message) => {
                self.problems.push(asked.about_device(&message));
                return Ok(());
            }
        };
        if let Some(other) = self.taken.get(&device.number) {
            let message = format!(
                "{path} is wanted for the {purpose}, but it is already for the {other}; use \
                 two devices"
            );
            self.problems.push(asked.about_device(&message));
            return Ok(());
        }
        self.taken.insert(device.number, purpose);
        match judge(&device)? {
            Ok(Standing::Ours) => {}
            Err(message) => self.problems.push(asked.about_device(&message)),
            Ok(Standing::Blank) => {
                if device.size < least {
                    let message = format!(
                        "{path} has {} MiB, and at least {} MiB are needed; use a larger device",
                        device.size >> 20,
                        least >> 20
                    );
                    self.problems.push(asked.about_device(&message));
                }
                if !erase {
                    let message = format!(
                        "is false, so {path} is left alone; it is blank: write true to have it \
                         taken"
                    );
                    self.problems.push(asked.about_erase(&message));
                }
            }
        }
        Ok(())
    }

    /// Whether the source of a mount is one of the devices, or DRBD.
    fn is_on(&self, source: &str) -> bool {
        source.starts_with("/dev/drbd")
            || Device::find(self.host, source)
                .is_ok_and(|device| self.taken.contains_key(&device.number))
    }

    fn needs(&mut self, role: &str, program: &str, package: &str) {
        if self.host.program(program).is_none() {
            let message =
                format!("the program {program} is not installed; run: apt-get install {package}");
            self.add(role, &message);
        }
    }

    /// Modules come in packages of their own with some kernels.
    fn module(&mut self, role: &str, module: &str) {
        let limit = std::time::Duration::from_secs(30);
        let args = ["--dry-run", "--quiet", module];
        // A host without modprobe has no modules to load.
        let Ok(done) = self.host.run("modprobe", &args, limit) else {
            return;
        };
        if !done.success {
            let message = format!(
                "the running kernel has no module {module}; install the full kernel \
                 (Ubuntu: linux-image-generic, Debian: linux-image-amd64) and reboot into it"
            );
            self.add(role, &message);
        }
    }

    fn add(&mut self, role: &str, message: &str) {
        let problem = Asked::of_role(self.host, role, |_| None).about_device(message);
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}
