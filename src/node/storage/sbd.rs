//! Disks of sbd(8).

use std::time::Duration;

use super::super::host::Host;
use super::super::problem::Failure;
use super::check;
use super::content::Content;
use super::filesystem::find;
use super::peers::{Waited, wait_for};
use super::steps::Steps;
use crate::cluster::{Desired, Fencing};

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
        host.must("sbd", &["-d", &device.argument(), "create"], LIMIT)?;
        journal.point(&step);
        journal.done(&step)?;
    }
    Ok(())
}
