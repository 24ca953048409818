//! `[[drbd]]`, `[[lvm]]`, `[[filesystem]]`.

use std::collections::BTreeMap;

use super::Checker;
use crate::recipe::document::{Step, at};
use crate::recipe::model::{Drbd, Filesystem, Lvm, QuestionType, Recipe, Resource};
use crate::recipe::suggest;

const FILESYSTEMS: [&str; 4] = ["ext4", "xfs", "ocfs2", "gfs2"];

/// Filesystems that a second mount destroys; a resource may mount more kinds than
/// are made here.
const ONE_NODE: [&str; 9] = [
    "ext4", "xfs", "ext2", "ext3", "btrfs", "f2fs", "jfs", "reiserfs", "vfat",
];

pub(super) fn check(checker: &mut Checker) {
    let recipe = checker.recipe;
    for (index, drbd) in recipe.drbd.iter().enumerate() {
        check_drbd(checker, index, drbd);
    }
    for (index, lvm) in recipe.lvm.iter().enumerate() {
        check_lvm(checker, index, lvm);
    }
    for (index, filesystem) in recipe.filesystem.iter().enumerate() {
        check_filesystem(checker, index, filesystem);
    }
    for (index, resource) in recipe.resource.iter().enumerate() {
        mounted_once(checker, index, resource);
    }
}

fn is_storage_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

fn storage_name(checker: &mut Checker, path: &[Step], name: &str) {
    if !is_storage_name(name) {
        checker.value(
            path,
            format!("`{name}` is no name for it"),
            "write up to 64 letters, digits, `_`, `.` and `-`, the first one a letter",
        );
    }
}

fn check_drbd(checker: &mut Checker, index: usize, drbd: &Drbd) {
    storage_name(checker, at!["drbd", index, "id"], &drbd.id);
    let earlier = &checker.recipe.drbd[..index];
    for (key, same, what) in [
        ("id", earlier.iter().any(|e| e.id == drbd.id), "id"),
        (
            "minor",
            earlier.iter().any(|e| e.minor == drbd.minor),
            "minor number",
        ),
        ("port", earlier.iter().any(|e| e.port == drbd.port), "port"),
    ] {
        if same {
            checker.value(
                at!["drbd", index, key],
                format!("two DRBD resources have the same {what}"),
                format!("write `{key}` with a value of its own"),
            );
        }
    }
    if drbd.port == 0 {
        checker.value(
            at!["drbd", index, "port"],
            "port 0 cannot be listened on",
            "write a number from 1024 to 65535, such as 7788",
        );
    }
    if drbd.minor >= 1 << 20 {
        checker.value(
            at!["drbd", index, "minor"],
            "the kernel has minor numbers up to 1048575",
            "write a small number, counting from 0",
        );
    }
    device(checker, at!["drbd", index, "device"], &drbd.device);
    erase(checker, at!["drbd", index, "erase"], &drbd.erase);
}

fn check_lvm(checker: &mut Checker, index: usize, lvm: &Lvm) {
    storage_name(checker, at!["lvm", index, "id"], &lvm.id);
    if checker.recipe.lvm[..index].iter().any(|e| e.id == lvm.id) {
        checker.value(
            at!["lvm", index, "id"],
            format!("there are two volume groups `{}`", lvm.id),
            "give one of them another name",
        );
    }
    match lvm.device.strip_prefix("drbd:") {
        Some(id) => drbd_exists(checker, at!["lvm", index, "device"], id),
        None => device(checker, at!["lvm", index, "device"], &lvm.device),
    }
    erase(checker, at!["lvm", index, "erase"], &lvm.erase);
    if lvm.volumes.is_empty() {
        checker.key(
            at!["lvm", index, "volumes"],
            "the volume group has no volume",
            "write volumes = { data = \"100%FREE\" }",
        );
    }
    for (name, size) in &lvm.volumes {
        let path = at!["lvm", index, "volumes", name];
        let reserved = ["snapshot", "pvmove"]
            .iter()
            .any(|word| name.starts_with(word));
        if !is_storage_name(name) || reserved {
            checker.key(
                path,
                format!("`{name}` is no name for a volume (lvm(8))"),
                "write letters, digits, `_`, `.` and `-`, the first one a letter",
            );
        }
        if !size.contains("{{") && !is_size(size) {
            checker.value(
                path,
                format!("`{size}` is no size"),
                "write one such as 10G or 100%FREE",
            );
        }
    }
}

/// A size as lvcreate(8) takes it, always with its unit.
fn is_size(text: &str) -> bool {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let share = matches!(unit, "%FREE" | "%VG" | "%PVS");
    let Ok(number) = number.parse::<u64>() else {
        return false;
    };
    match unit {
        _ if number == 0 => false,
        _ if share => number <= 100,
        "M" | "G" | "T" | "MiB" | "GiB" | "TiB" | "m" | "g" | "t" => true,
        _ => false,
    }
}

fn check_filesystem(checker: &mut Checker, index: usize, filesystem: &Filesystem) {
    storage_name(checker, at!["filesystem", index, "id"], &filesystem.id);
    let earlier = &checker.recipe.filesystem[..index];
    for (key, same, what) in [
        ("id", earlier.iter().any(|e| e.id == filesystem.id), "id"),
        (
            "device",
            earlier.iter().any(|e| e.device == filesystem.device),
            "device",
        ),
        (
            "mount",
            earlier.iter().any(|e| e.mount == filesystem.mount),
            "mount point",
        ),
    ] {
        if same {
            checker.value(
                at!["filesystem", index, key],
                format!("two filesystems have the same {what}"),
                "give each one its own",
            );
        }
    }
    let path = at!["filesystem", index, "device"];
    if let Some(id) = filesystem.device.strip_prefix("drbd:") {
        drbd_exists(checker, path, id);
    } else if let Some(volume) = filesystem.device.strip_prefix("lvm:") {
        volume_exists(checker, path, volume);
    } else {
        device(checker, path, &filesystem.device);
    }
    directory(
        checker,
        at!["filesystem", index, "mount"],
        &filesystem.mount,
    );
    for (entry, from) in filesystem.migrate.iter().enumerate() {
        let path = at!["filesystem", index, "migrate", entry];
        directory(checker, path, from);
        if is_within(from, &filesystem.mount) || is_within(&filesystem.mount, from) {
            checker.value(
                path,
                "the directory and the mount point lie within each other",
                "mount the filesystem somewhere else",
            );
        }
    }
    check_type(checker, index, filesystem);
}

/// Whether the first path is the second or lies below it.
fn is_within(inner: &str, outer: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What the type of a filesystem may be, where a question asks for it.
fn kinds<'a>(recipe: &'a Recipe, kind: &'a str) -> Vec<&'a str> {
    if !kind.contains("{{") {
        return vec![kind];
    }
    let question = kind.trim_matches(['{', '}', ' ']);
    let question = recipe.question.iter().find(|q| q.name == question);
    let choices = question.into_iter().flat_map(|question| &question.choices);
    choices.map(String::as_str).collect()
}

/// The type that a resource mounts, where two nodes must not mount it at once.
pub(super) fn one_node_filesystem<'a>(
    recipe: &'a Recipe,
    resource: &'a Resource,
) -> Option<&'a str> {
    if resource.agent != "ocf:heartbeat:Filesystem" {
        return None;
    }
    let made = (recipe.filesystem.iter())
        .filter(|made| resource.params.get("directory") == Some(&made.mount))
        .map(|made| &made.kind);
    let all = resource.params.get("fstype").into_iter().chain(made);
    let mut all = all.flat_map(|kind| kinds(recipe, kind));
    all.find(|kind| ONE_NODE.contains(kind))
}

/// A clone of it runs on all nodes at once.
fn mounted_once(checker: &mut Checker, index: usize, resource: &Resource) {
    let recipe = checker.recipe;
    let Some(kind) = one_node_filesystem(recipe, resource) else {
        return;
    };
    let holder = |of: &str| recipe.clone.iter().find(|clone| clone.of == of);
    let groups = recipe.group.iter();
    let mut groups = groups.filter(|group| group.members.contains(&resource.id));
    let group = groups.find_map(|group| holder(&group.id));
    if let Some(clone) = holder(&resource.id).or(group) {
        checker.value(
            at!["resource", index, "id"],
            format!(
                "`{kind}` is destroyed when two nodes mount it, and the clone `{}` mounts it on \
                 all",
                clone.id
            ),
            "use ocfs2 or gfs2, or take the resource out of the clone",
        );
    }
}

fn check_type(checker: &mut Checker, index: usize, filesystem: &Filesystem) {
    let path = at!["filesystem", index, "type"];
    let kinds = kinds(checker.recipe, &filesystem.kind);
    for kind in &kinds {
        if !FILESYSTEMS.contains(kind) {
            checker.value(
                path,
                format!("`{kind}` is no filesystem that can be made"),
                suggest::remedy(kind, FILESYSTEMS),
            );
        }
    }
    let Some(single) = kinds.iter().find(|kind| ONE_NODE.contains(kind)) else {
        return;
    };
    if let Some(why) = shared_device(checker, &filesystem.device) {
        checker.value(
            path,
            format!("`{single}` is destroyed when two nodes mount it, and {why}"),
            "use ocfs2 or gfs2, or let one node at a time have the device",
        );
    }
}

/// Why several nodes may use the device at once.
fn shared_device(checker: &Checker, device: &str) -> Option<String> {
    let recipe = checker.recipe;
    if let Some(volume) = device.strip_prefix("lvm:") {
        let group = volume.split('/').next()?;
        let lvm = recipe.lvm.iter().find(|lvm| lvm.id == group)?;
        if lvm.shared {
            return Some(format!("the volume group `{group}` is shared"));
        }
        return shared_device(checker, &lvm.device);
    }
    let id = device.strip_prefix("drbd:")?;
    let resource = recipe
        .resource
        .iter()
        .find(|resource| resource.params.get("drbd_resource").map(String::as_str) == Some(id))?;
    let clone = recipe.clone.iter().find(|clone| clone.of == resource.id)?;
    let promoted = clone.meta.get("promoted-max")?.parse::<u32>().ok()?;
    (promoted > 1).then(|| format!("`{}` promotes DRBD on {promoted} nodes", clone.id))
}

/// A fixed device; templates are checked elsewhere.
fn device(checker: &mut Checker, path: &[Step], text: &str) {
    if text.contains("{{") {
        return;
    }
    if text.starts_with("drbd:") || text.starts_with("lvm:") {
        checker.value(
            path,
            format!("`{text}` cannot be the device here"),
            "write a path below /dev or `{{ question }}`",
        );
    } else if !text.starts_with("/dev/") || !is_plain_path(text) {
        checker.value(
            path,
            format!("`{text}` is no device"),
            match path {
                [Step::Key("filesystem"), ..] => {
                    "write drbd:NAME, lvm:GROUP/VOLUME or `{{ question }}`"
                }
                _ => "write a path below /dev or `{{ question }}`",
            },
        );
    }
}

fn directory(checker: &mut Checker, path: &[Step], text: &str) {
    const SYSTEM: [&str; 14] = [
        "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/proc", "/root", "/run", "/sbin",
        "/sys", "/usr", "/var", "/var/lib",
    ];
    if text.contains("{{") {
        return;
    }
    if !text.starts_with('/') || !is_plain_path(text) {
        checker.value(
            path,
            format!("`{text}` is no directory"),
            "write an absolute path without `..` and without `/` at its end",
        );
    } else if SYSTEM.contains(&text) {
        checker.value(
            path,
            format!("`{text}` belongs to the system"),
            "write a directory of the service, such as /srv/data",
        );
    }
}

fn is_plain_path(text: &str) -> bool {
    text.len() > 1
        && text[1..]
            .split('/')
            .all(|name| !matches!(name, "" | "." | ".."))
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/._-+:@".contains(&b))
}

fn erase(checker: &mut Checker, path: &[Step], name: &str) {
    let questions = &checker.recipe.question;
    let booleans = questions
        .iter()
        .filter(|question| question.kind == QuestionType::Boolean)
        .map(|question| question.name.as_str());
    if booleans.clone().any(|boolean| boolean == name) {
        return;
    }
    let message = match questions.iter().any(|question| question.name == name) {
        true => format!("`{name}` is no boolean, so it cannot allow erasing a device"),
        false => format!("`{name}` is no question"),
    };
    let remedy = match booleans.clone().next() {
        Some(_) => suggest::remedy(name, booleans),
        None => "add a boolean question that allows it, false by default".into(),
    };
    checker.value(path, message, remedy);
}

fn drbd_exists(checker: &mut Checker, path: &[Step], id: &str) {
    let known = checker.recipe.drbd.iter().map(|drbd| drbd.id.as_str());
    if !known.clone().any(|known| known == id) {
        let remedy = suggest::remedy(id, known);
        checker.value(path, format!("there is no [[drbd]] `{id}`"), remedy);
    }
}

fn volume_exists(checker: &mut Checker, path: &[Step], volume: &str) {
    let groups: BTreeMap<&str, &Lvm> = checker
        .recipe
        .lvm
        .iter()
        .map(|lvm| (lvm.id.as_str(), lvm))
        .collect();
    let Some((group, name)) = volume.split_once('/') else {
        checker.value(
            path,
            format!("`{volume}` names no volume"),
            "write lvm:GROUP/VOLUME",
        );
        return;
    };
    let (message, remedy) = match groups.get(group) {
        None => (
            format!("there is no [[lvm]] `{group}`"),
            suggest::remedy(group, groups.keys().copied()),
        ),
        Some(lvm) if lvm.volumes.contains_key(name) => return,
        Some(lvm) => (
            format!("the volume group `{group}` has no volume `{name}`"),
            suggest::remedy(name, lvm.volumes.keys().map(String::as_str)),
        ),
    };
    checker.value(path, message, remedy);
}
