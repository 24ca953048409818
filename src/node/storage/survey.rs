//! Whether the disks are as [`super::prepare`] leaves them. Changes nothing.

use super::super::host::Host;
use super::super::problem::Failure;
use super::check::{Standing, of_drbd, of_group};
use super::device::Device;
use super::item::{Item, items};
use super::record::{Record, Stage};
use crate::cluster::Desired;

/// What [`super::prepare`] has to do, and what it cannot mend.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// What was never finished on this node, or lies on a disk that is blank.
    pub unprepared: Vec<String>,
    /// What is wrong with a disk that was ready.
    pub notes: Vec<String>,
}

/// See [`super::survey`].
pub fn survey(host: &Host, desired: &Desired, me: u32) -> Result<Survey, Failure> {
    let name = desired.members.iter().find(|member| member.id == me);
    let name = name.map_or("", |member| member.name.as_str());
    let mut found = Survey::default();
    for item in items(desired, name) {
        let (what, key, path) = match &item {
            Item::Drbd(drbd, _) => (
                format!("DRBD resource {}", drbd.resource),
                drbd.key(),
                drbd.device,
            ),
            Item::Group(group, _) => (
                format!("volume group {}", group.name),
                group.key(),
                group.device,
            ),
            Item::Path(_) => continue,
        };
        let record = Record::load(host, &key)?;
        if record.is_none_or(|record| record.stage != Stage::Ready) {
            found.unprepared.push(what);
            continue;
        }
        match standing(host, &item, path) {
            Ok(Standing::Ours) => {}
            Ok(Standing::Blank) => found.unprepared.push(what),
            Err(message) => found.notes.push(format!("{what}: {message}")),
        }
    }
    Ok(found)
}

fn standing(host: &Host, item: &Item<'_>, path: &str) -> Result<Standing, String> {
    let device = Device::find(host, path)?;
    let verdict = match item {
        Item::Drbd(drbd, _) => of_drbd(host, drbd, &device),
        Item::Group(group, _) => of_group(host, group, &device),
        Item::Path(_) => Ok(Ok(Standing::Ours)),
    };
    verdict.unwrap_or_else(|failure| Err(failure.message()))
}
