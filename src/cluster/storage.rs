//! What is prepared on disks.

use super::expand::{Filesystem, Role};
use super::settings::Settings;
use super::{FilesystemOn, Storage};

/// Devices before volume groups before filesystems, role by role.
pub(super) fn list(settings: &Settings, roles: &[Role]) -> Vec<Storage> {
    let mut all = Vec::new();
    for role in roles {
        let name = role.name;
        all.extend(role.drbd.iter().map(|(drbd, recipe)| Storage::Drbd {
            role: name.into(),
            resource: drbd.name.clone(),
            device: drbd.device.clone(),
            minor: drbd.minor,
            port: drbd.port,
            erase: role.is_true(&recipe.erase),
        }));
        all.extend(role.lvm.iter().map(|lvm| Storage::VolumeGroup {
            role: name.into(),
            name: lvm.recipe.id.clone(),
            device: match lvm.device.strip_prefix("drbd:") {
                Some(resource) => drbd_device(resource),
                None => lvm.device.clone(),
            },
            shared: lvm.recipe.shared,
            volumes: lvm.volumes.clone(),
            erase: role.is_true(&lvm.recipe.erase),
        }));
        let filesystems = role.filesystems.iter();
        all.extend(filesystems.map(|filesystem| made(settings, role, filesystem)));
    }
    all
}

/// Where udev shows a DRBD resource.
fn drbd_device(resource: &str) -> String {
    format!("/dev/drbd/by-res/{resource}/0")
}

fn made(settings: &Settings, role: &Role, filesystem: &Filesystem) -> Storage {
    Storage::Filesystem {
        role: role.name.into(),
        id: filesystem.recipe.id.clone(),
        on: on(&filesystem.device),
        kind: filesystem.kind.clone(),
        mount: filesystem.mount.clone(),
        lock_table: lock_table(settings, role, filesystem),
        journals: journals(settings, &filesystem.kind),
        migrate: filesystem.recipe.migrate.clone(),
    }
}

/// Every node that mounts a shared filesystem needs its own, and a node that
/// joins later finds none where there is none to spare. They are small on a
/// small disk: eight take 64 MiB of 1 GiB on gfs2, 256 MiB on ocfs2.
const SHARED: u32 = 8;

fn journals(settings: &Settings, kind: &str) -> u32 {
    let least = if ["gfs2", "ocfs2"].contains(&kind) {
        SHARED
    } else {
        2
    };
    let members = u32::try_from(settings.members.len());
    members.unwrap_or(least).max(least)
}

fn on(device: &str) -> FilesystemOn {
    if let Some(resource) = device.strip_prefix("drbd:") {
        return FilesystemOn::Drbd(resource.into());
    }
    match device
        .strip_prefix("lvm:")
        .and_then(|rest| rest.split_once('/'))
    {
        Some((group, volume)) => FilesystemOn::Lvm {
            group: group.into(),
            volume: volume.into(),
        },
        None => FilesystemOn::Path(device.into()),
    }
}

/// mkfs.gfs2(8): `CLUSTER:NAME`; mkfs.ocfs2(8): the cluster's name.
fn lock_table(settings: &Settings, role: &Role, filesystem: &Filesystem) -> Option<String> {
    match filesystem.kind.as_str() {
        "gfs2" => Some(format!(
            "{}:{}",
            settings.name,
            lock_space(role, filesystem)
        )),
        "ocfs2" => Some(settings.name.clone()),
        _ => None,
    }
}

/// The name of a filesystem's lock space, unique in the cluster.
pub(super) fn lock_space(role: &Role, filesystem: &Filesystem) -> String {
    let name = format!("{}-{}", role.name, filesystem.recipe.id);
    name.replace(|c| !is_lock_character(c), "_")
}

/// What mkfs.gfs2(8) takes in a lock table.
pub(super) fn is_lock_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}
