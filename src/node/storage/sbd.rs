//! Disks of sbd(8).

use std::time::Duration;

use super::super::host::Host;
use super::super::problem::Failure;
use super::check;
use super::content::Content;
use super::device::Device;
use super::filesystem::find;
use super::peers::{Waited, wait_for};
use super::steps::Steps;
use crate::cluster::{Desired, Fencing, SbdTimeouts};

const LIMIT: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(300);

/// The smallest disk, in bytes: a header and 255 slots of a sector each, with
/// room for sectors of 4 KiB.
pub const LEAST: u64 = 4 << 20;

/// The disks that the fencing goes over.
pub fn devices(desired: &Desired) -> Vec<String> {
    let Fencing::Devices(devices) = &desired.fencing else {
        return Vec::new();
    };
    let mut found: Vec<String> = Vec::new();
    for device in devices.iter().filter(|device| device.agent == "fence_sbd") {
        for (_, value) in device.params.iter().filter(|(name, _)| name == "devices") {
            let paths = value.split([',', ';', ' ']).filter(|path| !path.is_empty());
            for path in paths.map(str::to_owned) {
                if !found.contains(&path) {
                    found.push(path);
                }
            }
        }
    }
    found
}

/// What sbd is told to make a disk: its own timeouts where none are wanted.
fn create(desired: &Desired) -> Vec<String> {
    let timeouts = desired.sbd.map_or_else(Vec::new, |timeouts| {
        let SbdTimeouts { watchdog, message } = timeouts;
        vec![
            "-1".into(),
            watchdog.to_string(),
            "-4".into(),
            message.to_string(),
        ]
    });
    [timeouts, vec!["create".into()]].concat()
}

/// Whether a disk of sbd has the timeouts that are wanted; sbd goes by those on
/// the disk, whatever its file says.
///
/// # Errors
/// The inner one says what to do.
pub fn agrees(
    host: &Host,
    desired: &Desired,
    device: &Device,
) -> Result<Result<(), String>, Failure> {
    let Some(wanted) = desired.sbd else {
        return Ok(Ok(()));
    };
    let path = &device.asked;
    let done = host.run("sbd", &["-d", &device.argument(), "dump"], LIMIT)?;
    let found = timeouts(&done.stdout).filter(|_| done.success);
    let again = || {
        format!(
            "with the cluster stopped on every node (`systemctl stop pacemaker corosync`), run \
             `sbd -d {path} {}` on one",
            create(desired).join(" ")
        )
    };
    Ok(match found {
        Some(found) if found == wanted => Ok(()),
        Some(found) => Err(format!(
            "{path} was made for a watchdog of {} s and messages of {} s, but \
             sbd_watchdog_timeout asks for {} s and {} s; correct that answer, or, {}",
            found.watchdog,
            found.message,
            wanted.watchdog,
            wanted.message,
            again()
        )),
        None => Err(format!(
            "{path} is marked as a disk of sbd, but `sbd dump` does not tell its timeouts ({}); \
             if no other cluster uses it, then {}",
            done.last_words(),
            again()
        )),
    })
}

/// From what `sbd dump` prints: `Timeout (watchdog) : 5`.
fn timeouts(dump: &str) -> Option<SbdTimeouts> {
    let of = |name: &str| {
        let line = dump.lines().find(|line| line.contains(name))?;
        line.rsplit_once(':')?.1.trim().parse().ok()
    };
    Some(SbdTimeouts {
        watchdog: of("(watchdog)")?,
        message: of("(msgwait)")?,
    })
}

/// See [`super::prepare_fencing`].
pub fn prepare(
    host: &Host,
    desired: &Desired,
    me: u32,
    journal: &mut dyn Steps,
) -> Result<(), Failure> {
    let first = desired.members.iter().min_by_key(|member| member.id);
    for path in devices(desired) {
        let step = format!("storage: sbd {path}: create");
        let device = find(host, &path)?;
        let content = Content::read(host, &device)?;
        if content == Content::Sbd {
            continue;
        }
        if first.is_some_and(|first| first.id != me) {
            let name = first.map_or("", |first| first.name.as_str());
            wait_for(host, PATIENCE, || {
                Ok(match Content::read(host, &device)? {
                    Content::Sbd => Waited::Over(()),
                    _ => Waited::For(format!("{name} to make {path} a disk of sbd")),
                })
            })?;
            continue;
        }
        if let Err(message) = check::blank(host, &device, &content)? {
            return Err(Failure::failed(
                message,
                "then run the command again".into(),
            ));
        }
        let (argument, create) = (device.argument(), create(desired));
        let mut args = vec!["-d", argument.as_str()];
        args.extend(create.iter().map(String::as_str));
        host.must("sbd", &args, LIMIT)?;
        journal.point(&step);
        journal.done(&step)?;
    }
    Ok(())
}
