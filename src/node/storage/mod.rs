//! Disks: taken into use once, only when blank and only when allowed.

mod check;
mod content;
mod device;
mod drbd;
mod filesystem;
mod group;
mod item;
mod lvm;
mod migrate;
mod mirror;
mod owners;
mod peers;
mod record;
mod sbd;
mod steps;
mod survey;
#[cfg(test)]
mod tests;
mod tree;
mod udev;
pub mod undo;

use super::host::Host;
use super::journal::Journal;
use super::problem::Failure;
use crate::cluster::Desired;
use item::Item;
use steps::Steps;

pub use migrate::Unlinked;
pub use survey::Survey;

/// The node that works.
struct Work<'a> {
    host: &'a Host,
    desired: &'a Desired,
    me: u32,
    name: String,
}

/// Looks at every device that `desired` wants and says whether it may be
/// taken; changes nothing. Run before anything is written.
///
/// # Errors
/// A device is missing, holds data, or may not be erased: all of them at once.
pub fn check(host: &Host, desired: &Desired) -> Result<(), Failure> {
    check::check(host, desired)
}

/// Directories of this node, `me`, that have to be links onto filesystems of
/// `resource`, a DRBD resource that the cluster serves, and are none.
pub fn unlinked(host: &Host, desired: &Desired, me: &str, resource: &str) -> Vec<Unlinked> {
    let mut found = Vec::new();
    for item in item::items(desired, me) {
        if let Item::Drbd(drbd, filesystems) = item {
            if drbd.resource == resource {
                found.extend(
                    filesystems
                        .iter()
                        .flat_map(|fs| migrate::unlinked(host, fs)),
                );
            }
        }
    }
    found
}

/// Compares the disks of this node, `me`, with what [`prepare`] leaves; changes
/// nothing, and reads little of each disk.
///
/// # Errors
/// A record of this program is damaged.
pub fn survey(host: &Host, desired: &Desired, me: u32) -> Result<Survey, Failure> {
    survey::survey(host, desired, me)
}

/// Makes the disks of sbd; the node with the lowest id makes them, the others
/// wait for it. sbd.service does not start without, and corosync not without
/// sbd.service: so it comes before both.
///
/// # Errors
/// A disk holds something else, or sbd could not write.
pub fn prepare_fencing(
    host: &Host,
    desired: &Desired,
    me: u32,
    journal: &mut Journal<'_>,
) -> Result<(), Failure> {
    sbd::prepare(host, desired, me, journal)
}

/// Prepares the disks of this node, `me`, and together with the other nodes
/// what they share. Corosync and pacemaker run, and the resources are not in
/// the CIB yet. Each step is a point of the journal.
///
/// # Errors
/// A step did not succeed; what was on the devices is untouched.
pub fn prepare(
    host: &Host,
    desired: &Desired,
    me: u32,
    journal: &mut Journal<'_>,
) -> Result<(), Failure> {
    prepare_with(host, desired, me, journal)
}

fn prepare_with(
    host: &Host,
    desired: &Desired,
    me: u32,
    journal: &mut dyn Steps,
) -> Result<(), Failure> {
    let name = desired.members.iter().find(|member| member.id == me);
    let name = name.map_or_else(String::new, |member| member.name.clone());
    let work = Work {
        host,
        desired,
        me,
        name,
    };
    let mut items = item::items(desired, &work.name);
    // What lies in another directory that moves has to move before it.
    items.sort_by_key(|item| std::cmp::Reverse(item.depth()));
    for item in &items {
        match item {
            Item::Drbd(drbd, filesystems) => mirror::prepare(&work, drbd, filesystems, journal)?,
            Item::Group(group, filesystems) => group::prepare(&work, group, filesystems, journal)?,
            // check has found that it is there.
            Item::Path(_) => {}
        }
    }
    Ok(())
}
