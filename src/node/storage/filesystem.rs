//! Filesystems: made once, on a device that holds nothing.

use std::time::Duration;

use super::super::host::Host;
use super::super::problem::Failure;
use super::content::Content;
use super::device::Device;
use super::item::Filesystem;
use super::record::{Record, Stage};
use super::steps::Steps;

/// Long enough for a slow disk of many TiB.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

/// Makes the filesystem on `path` unless it is there.
///
/// `fresh`: this program has just made the device, so that bytes of an earlier
/// life may lie on it, but no signature.
///
/// # Errors
/// The device holds something else, which stays; or mkfs failed.
pub fn make(
    host: &Host,
    filesystem: &Filesystem<'_>,
    path: &str,
    fresh: bool,
    journal: &mut dyn Steps,
) -> Result<(), Failure> {
    let device = find(host, path)?;
    let content = Content::read(host, &device)?;
    let record = Record::load(host, &filesystem.key())?.filter(|record| record.is_of(&device));
    let begun = record
        .as_ref()
        .is_some_and(|record| record.stage == Stage::Begun);
    let step = format!("storage: {}: mkfs", filesystem.key());
    let empty = match content {
        Content::Blank => true,
        Content::Unknown(_) => fresh || begun,
        _ => false,
    };
    if empty {
        Record::of(&device, Stage::Begun).save(host, &filesystem.key())?;
        run(host, filesystem, &device, begun || fresh)?;
    } else if begun
        && content
            .only()
            .is_some_and(|found| found.kind == filesystem.kind)
    {
        // The run before this one was killed somewhere in mkfs.
        if !is_sound(host, filesystem.kind, &device)? {
            run(host, filesystem, &device, true)?;
        }
    } else {
        is_wanted(filesystem, &content).map_err(|found| {
            Failure::failed(
                format!(
                    "{path} holds {found}, but {} is wanted for {}",
                    wanted(filesystem),
                    filesystem.mount
                ),
                format!(
                    "save what is on it; if it may be lost, run wipefs --all {path}, then the \
                     command again"
                ),
            )
        })?;
    }
    journal.point(&step);
    let mut record = Record::of(&device, Stage::Made);
    let content = Content::read(host, &device)?;
    record.uuid = content
        .find(filesystem.kind)
        .map_or_else(String::new, |f| f.uuid.clone());
    record.save(host, &filesystem.key())?;
    journal.done(&step)
}

pub fn find(host: &Host, path: &str) -> Result<Device, Failure> {
    Device::find(host, path)
        .map_err(|message| Failure::failed(message, "then run the command again".into()))
}

fn wanted(filesystem: &Filesystem<'_>) -> String {
    format!(
        "{} labelled {}",
        filesystem.kind,
        expected_label(filesystem)
    )
}

/// GFS2 keeps its lock table where others have a label.
fn expected_label(filesystem: &Filesystem<'_>) -> String {
    match (filesystem.kind, filesystem.lock_table) {
        ("gfs2", Some(table)) => table.to_owned(),
        _ => filesystem.label(),
    }
}

fn is_wanted(filesystem: &Filesystem<'_>, content: &Content) -> Result<(), String> {
    let fits = content.only().is_some_and(|found| {
        found.kind == filesystem.kind && found.label == expected_label(filesystem)
    });
    if fits { Ok(()) } else { Err(content.words()) }
}

fn run(
    host: &Host,
    filesystem: &Filesystem<'_>,
    device: &Device,
    force: bool,
) -> Result<(), Failure> {
    let path = device.argument();
    let args = arguments(filesystem, &path, force);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // Without input a question, which means that there is data, ends it.
    host.must(&format!("mkfs.{}", filesystem.kind), &args, LIMIT)
        .map(drop)
}

/// Arguments of mke2fs(8), mkfs.xfs(8), mkfs.gfs2(8), mkfs.ocfs2(8).
fn arguments(filesystem: &Filesystem<'_>, path: &str, force: bool) -> Vec<String> {
    let label = filesystem.label();
    let table = filesystem.lock_table.unwrap_or_default();
    let count = filesystem.journals.to_string();
    let cluster = format!("--cluster-name={table}");
    let mut args: Vec<&str> = match filesystem.kind {
        "gfs2" => vec!["-q", "-O", "-p", "lock_dlm", "-t", table, "-j", &count],
        "ocfs2" => vec![
            "-q",
            "-L",
            &label,
            "-N",
            &count,
            "--cluster-stack=pcmk",
            &cluster,
        ],
        _ => vec!["-q", "-L", &label],
    };
    match filesystem.kind {
        "xfs" if force => args.push("-f"),
        "ext4" if force => args.push("-F"),
        "ocfs2" if force => args.extend(["-x", "-F"]),
        _ => {}
    }
    args.push(path);
    args.into_iter().map(str::to_owned).collect()
}

/// Whether a filesystem that nobody has used yet was finished.
fn is_sound(host: &Host, kind: &str, device: &Device) -> Result<bool, Failure> {
    let path = device.argument();
    let (program, flag) = match kind {
        "xfs" => ("xfs_repair", "-n"),
        "gfs2" => ("fsck.gfs2", "-n"),
        "ocfs2" => ("fsck.ocfs2", "-fn"),
        _ => ("e2fsck", "-fn"),
    };
    Ok(host.run(program, &[flag, &path], LIMIT)?.success)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::FilesystemOn;

    fn line(kind: &str, lock_table: Option<&str>, force: bool) -> String {
        let on = FilesystemOn::Path("/dev/x".into());
        let filesystem = Filesystem {
            role: "walrus",
            id: "bukkits",
            on: &on,
            kind,
            mount: "/mnt",
            lock_table,
            journals: 3,
            migrate: &[],
        };
        arguments(&filesystem, "/dev/x", force).join(" ")
    }

    #[test]
    fn each_kind_has_its_arguments() {
        assert_eq!(line("ext4", None, false), "-q -L walrus-bukkits /dev/x");
        assert_eq!(line("ext4", None, true), "-q -L walrus-bukkits -F /dev/x");
        assert_eq!(line("xfs", None, false), "-q -L walrus-bukki /dev/x");
        assert_eq!(
            line("gfs2", Some("ha:shared"), false),
            "-q -O -p lock_dlm -t ha:shared -j 3 /dev/x"
        );
        assert_eq!(
            line("ocfs2", Some("ha"), false),
            "-q -L walrus-bukkits -N 3 --cluster-stack=pcmk --cluster-name=ha /dev/x"
        );
    }
}
