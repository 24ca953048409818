//! Who needs fencing, and whether every node can be fenced.

use super::Draft;
use crate::cluster::refuse::Refusals;
use crate::cluster::settings::{Choice, question};
use crate::cluster::{FenceDevice, Fencing, fence, fence_agent};
use crate::recipe::model::FencingNeed;

pub(super) fn check(draft: &Draft, refusals: &mut Refusals, notes: &mut Vec<String>) {
    let settings = draft.settings;
    let needed = needs(draft, refusals);
    match settings.fencing {
        Choice::Later if !needed => refusals.cluster(
            question::FENCING,
            "is `later`, and a cluster is not formed without a decision; choose how a lost node \
             is fenced, or `accept-split-brain` where no role has storage",
        ),
        Choice::AcceptSplitBrain => notes.push(
            "Nobody fences: after a split both halves may hold the virtual address \
             (accept-split-brain)."
                .into(),
        ),
        _ => {}
    }
    if settings.fencing.ipmi() {
        controllers(draft, refusals);
    }
    if settings.fencing.sbd() {
        sbd(draft, refusals);
    }
    ids(draft, refusals);
    priorities(draft, refusals);
    let wait = fence_agent::longest_wait(draft.fencing.devices());
    if settings.is_pair() && wait > 0 {
        notes.push(format!(
            "Pacemaker waits for up to {wait} s before the fence agent shoots, as {} says, and \
             {} s more before the node that does the work is shot; the latter is enough.",
            question::FENCE_PARAMETERS,
            2 * u64::from(wait)
        ));
    }
}

/// Two halves of a pair must not be even: one fence device counts for less than
/// any work.
fn priorities(draft: &Draft, refusals: &mut Refusals) {
    if !draft.settings.is_pair() {
        return;
    }
    for role in draft.roles {
        for resource in &role.resources {
            let Some(priority) = resource.meta.get("priority") else {
                continue;
            };
            let enough = |number: u32| number >= fence::LEAST_WORK;
            if !priority.parse().is_ok_and(enough) {
                let template = resource.recipe.meta.get("priority");
                let message = format!(
                    "the resource {} has the priority `{priority}`, by which a fence device could \
                     weigh as much as the work; write a whole number of at least {}",
                    resource.recipe.id,
                    fence::LEAST_WORK
                );
                let question = template.and_then(|template| role.question_in(template));
                refusals.role(role.name, question, message);
            }
        }
    }
}

/// Whether a role waits for fencing.
fn needs(draft: &Draft, refusals: &mut Refusals) -> bool {
    let choice = match draft.settings.fencing {
        Choice::Later => "later",
        Choice::AcceptSplitBrain => "accept-split-brain",
        _ => return false,
    };
    let roles = draft.roles.iter();
    let needing = roles.filter(|role| role.recipe.fencing.need == FencingNeed::Required);
    let mut some = false;
    for role in needing {
        let message = format!(
            "needs fencing, and `fencing` is `{choice}`: two nodes would write to the same data; \
             answer `fencing` of the cluster with ipmi, agent or sbd"
        );
        refusals.role(role.name, Some(question::FENCING), message);
        some = true;
    }
    some
}

/// Every node has its own management controller, which no other has.
fn controllers(draft: &Draft, refusals: &mut Refusals) {
    let settings = draft.settings;
    let controllers = settings.nodes(question::IPMI_ADDRESSES);
    let mut names: Vec<&str> = controllers.iter().map(|node| node.name.as_str()).collect();
    let mut nodes: Vec<&str> = settings.members.iter().map(|m| m.name.as_str()).collect();
    names.sort_unstable();
    nodes.sort_unstable();
    if names != nodes {
        refusals.cluster(
            question::IPMI_ADDRESSES,
            format!(
                "names {}, but the nodes are {}; write one address for each node",
                if names.is_empty() {
                    "nobody".into()
                } else {
                    names.join(", ")
                },
                nodes.join(", ")
            ),
        );
    }
    let mut seen: Vec<(&std::net::IpAddr, &str)> = Vec::new();
    for controller in controllers {
        let name = controller.name.as_str();
        if controller.addresses.len() > 1 {
            refusals.cluster(
                question::IPMI_ADDRESSES,
                format!("gives {name} two addresses; write the one of its controller"),
            );
        }
        for address in &controller.addresses {
            let taken = settings
                .members
                .iter()
                .find(|member| member.addresses.contains(address));
            if let Some(member) = taken {
                refusals.cluster(
                    question::IPMI_ADDRESSES,
                    format!(
                        "{address} is an address of the node {} itself, which cannot switch \
                         itself on; write the one of its controller",
                        member.name
                    ),
                );
            }
            if let Some((_, other)) = seen.iter().find(|(known, _)| *known == address) {
                refusals.cluster(
                    question::IPMI_ADDRESSES,
                    format!("gives {address} to {other} and {name}; write each one's own"),
                );
            }
            seen.push((address, name));
        }
    }
}

/// `quorum.device.sync_timeout` where corosync.conf(5) does not say it, in
/// seconds.
const QDEVICE_SYNC_TIMEOUT: u32 = 30;

fn sbd(draft: &Draft, refusals: &mut Refusals) {
    let settings = draft.settings;
    if settings.members.len() == 2
        && settings.qdevice.is_none()
        && matches!(draft.fencing.fencing, Fencing::Watchdog { .. })
    {
        refusals.cluster(
            question::SBD_DEVICE,
            "is empty, but two nodes cannot tell who of them has lost the other: each half of a \
             split has quorum; name a shared disk, a `qdevice`, or a third node",
        );
    }
    // sbd does not trust a quorum device that corosync may wait for, as long as
    // its sync_timeout says, when the node should have been reset already.
    if settings.qdevice.is_some()
        && matches!(draft.fencing.fencing, Fencing::Watchdog { .. })
        && settings.sbd_watchdog_timeout <= QDEVICE_SYNC_TIMEOUT
    {
        refusals.cluster(
            question::SBD_WATCHDOG_TIMEOUT,
            format!(
                "is {} s, but sbd without a disk heeds a quorum device only where its watchdog \
                 waits for longer than corosync does for the device, {QDEVICE_SYNC_TIMEOUT} s; \
                 write 35, or name a shared disk as `{}`",
                settings.sbd_watchdog_timeout,
                question::SBD_DEVICE
            ),
        );
    }
    let watchdog = draft.fencing.sbd_watchdog.as_ref();
    if let Some(watchdog) = watchdog.filter(|path| !path.starts_with("/dev/")) {
        refusals.cluster(
            question::SBD_WATCHDOG,
            format!("`{watchdog}` is no device; write one such as /dev/watchdog"),
        );
    }
    let Some(disk) = &draft.fencing.sbd_disk else {
        return;
    };
    for role in draft.roles {
        for (device, template) in role.devices() {
            if device == disk {
                let message = format!(
                    "{disk} is the disk of sbd ({}), which would be overwritten; write another \
                     device",
                    question::SBD_DEVICE
                );
                refusals.role(role.name, role.question_in(template), message);
            }
        }
    }
}

/// A node named `sbd` or `agent` would have the id of another device.
fn ids(draft: &Draft, refusals: &mut Refusals) {
    let devices: &[FenceDevice] = draft.fencing.devices();
    for (at, device) in devices.iter().enumerate() {
        if devices[..at].iter().any(|other| other.id == device.id) {
            refusals.cluster(
                question::NODES,
                format!(
                    "a node's name makes two fence devices `{}`; give the node another name",
                    device.id
                ),
            );
        }
    }
}
