//! Can a lost node be made harmless?

use super::Finding;
use crate::node::live::{LiveFence, LiveResource};
use crate::node::status::facts::{Facts, Files};
use crate::node::status::report::accepts_split_brain;

/// `works`: its monitor succeeds. `idle`: the nodes that may watch it are away,
/// and nobody is left whom it would have to fence. `failed`: all else.
pub fn device_state(facts: &Facts, device: &LiveResource) -> &'static str {
    let live = &facts.live;
    let node = device.node.as_deref().and_then(|name| live.node(name));
    let mut failures = live.failures.iter().filter(|f| f.resource == device.id);
    if device.role == "Started" {
        let here = failures.any(|failure| Some(failure.node.as_str()) == device.node.as_deref());
        let works = !device.failed && !here && node.is_some_and(|node| node.online);
        return if works { "works" } else { "failed" };
    }
    let may = live.nodes.iter().any(|node| {
        let banned = live.bans.iter();
        let mut banned = banned.filter(|ban| ban.resource == device.id);
        node.online && !node.standby && !banned.any(|ban| ban.node == node.name)
    });
    match failures.next().is_some() || may {
        true => "failed",
        false => "idle",
    }
}

pub fn of(facts: &Facts) -> Vec<Finding> {
    let live = &facts.live;
    let mut found = Vec::new();
    if accepts_split_brain(facts) {
        found.push(
            Finding::warning(
                "nothing fences a lost node (accept-split-brain): when the nodes lose sight of \
                 each other, both serve",
            )
            .mend("dpkg-reconfigure ubuntu-ha-node   # choose another fencing")
            .mend("ubuntu-ha apply"),
        );
    }
    if !live.stonith {
        let wanted = matches!(&facts.files, Files::Valid(_)) && !accepts_split_brain(facts);
        if wanted {
            found.push(
                Finding::wrong("fencing is switched off in the cluster (stonith-enabled=false)")
                    .mend("ubuntu-ha apply"),
            );
        }
        return found;
    }
    let devices: Vec<&LiveResource> = live.resources.iter().filter(|r| r.is_stonith()).collect();
    let watchdog = facts.fences_by_watchdog();
    if devices.is_empty() && !watchdog {
        found.push(
            Finding::wrong("no fence device: a lost node is never taken over")
                .mend("dpkg-reconfigure ubuntu-ha-node   # choose a fencing")
                .mend("ubuntu-ha apply"),
        );
    }
    if facts.needs_sbd() && !facts.sbd {
        let what = match watchdog {
            true => "its watchdog fences nothing",
            false => "no message on its disk reaches it",
        };
        found.push(
            Finding::wrong(format!("sbd does not run on this node: {what}"))
                .mend("systemctl enable sbd")
                .mend("# It starts with corosync, when this node serves nothing:")
                .mend("systemctl restart corosync pacemaker"),
        );
    }
    // Without quorum no device runs, and that has its own line.
    if live.quorate && live.dc.is_some() && !live.maintenance {
        let mut broken = devices.clone();
        broken.retain(|device| device_state(facts, device) == "failed");
        found.extend(broken.iter().map(|device| broken_device(facts, device)));
    }
    found.extend(failed(&live.fences));
    found
}

fn broken_device(facts: &Facts, device: &LiveResource) -> Finding {
    let targets = facts.cib.param(&device.id, "pcmk_host_list");
    let whom = targets.map_or_else(
        || "a lost node".to_string(),
        |t| t.replace([',', ' '], ", "),
    );
    let failures = facts.live.failures.iter();
    let why = failures
        .filter(|failure| failure.resource == device.id && !failure.reason.is_empty())
        .map(|failure| format!(" ({})", failure.reason))
        .next_back();
    Finding::wrong(format!(
        "the fence device {} does not work{}: {whom} cannot be fenced by it",
        device.id,
        why.unwrap_or_default()
    ))
    .mend("# Mend the device, then:")
    .mend(format!("crm_resource --cleanup -r {}", device.id))
}

/// Nodes whose last fencing failed, and those under way.
fn failed(fences: &[LiveFence]) -> Vec<Finding> {
    let mut seen: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for fence in fences {
        let target = fence.target.as_str();
        if fence.status == "pending" {
            found.push(Finding::wrong(format!("{target} is being fenced")));
        }
        // After an attempt that is under way, the last one that ended counts.
        if fence.status == "pending" || seen.contains(&target) {
            continue;
        }
        seen.push(target);
        if fence.status == "failed" {
            let why = fence.reason.as_ref().filter(|reason| !reason.is_empty());
            let why = why.map_or_else(String::new, |reason| format!(" ({reason})"));
            found.push(
                Finding::wrong(format!("the last fencing of {target} failed{why}"))
                    .mend(format!(
                        "stonith_admin --reboot {target}   # tries it again"
                    ))
                    .mend(format!(
                        "stonith_admin --cleanup --history={target}   # forgets it"
                    )),
            );
        }
    }
    found
}
