//! One node: it stands by, and another serves.

use std::time::Duration;

use super::note::{self, Note};
use super::wait::{at_rest, patience, until};
use super::{after, known, running, say, user};
use crate::node::host::Host;
use crate::node::live::{Live, PATIENCE};
use crate::node::problem::Failure;
use crate::node::token::now;

/// Until a node's services have stopped; the longest stop of a role takes
/// 150 s.
pub const DRAINING: Duration = Duration::from_secs(900);

/// Makes the node stand by and waits until it runs nothing.
///
/// # Errors
/// No other node can take over, or something does not stop.
pub fn on(host: &Host, node: &str, anyway: bool) -> Result<(), Failure> {
    let live = running(host)?;
    let found = known(&live, node)?;
    if live.maintenance {
        return Err(Failure::failed(
            "maintenance mode is on: nothing would move".into(),
            "run `ubuntu-ha maintain off` first".into(),
        ));
    }
    if !found.standby {
        refuse_alone(host, &live, node, anyway)?;
        note::keep(
            &host.layout,
            Note {
                node: Some(node.into()),
                since: now(),
                by: user(),
                places: note::places(&live),
            },
        )?;
        set(host, node, "forever")?;
    }
    drain(host, node)?;
    say(&format!(
        "{node} stands by and runs nothing, until `ubuntu-ha maintain off --node {node}`"
    ));
    Ok(())
}

/// Sets the node's attribute; `lifetime` is `forever`, or `reboot` until its
/// pacemaker stops.
///
/// # Errors
/// Pacemaker refuses.
pub fn set(host: &Host, node: &str, lifetime: &str) -> Result<(), Failure> {
    let args = [
        "--node",
        node,
        "--name",
        "standby",
        "--lifetime",
        lifetime,
        "--update",
        "on",
    ];
    host.must("crm_attribute", &args, PATIENCE).map(drop)
}

/// Waits until the node runs nothing but what every node does.
///
/// # Errors
/// Something does not stop.
pub fn drain(host: &Host, node: &str) -> Result<(), Failure> {
    let drained = |live: &Live| {
        let standby = live.node(node).is_some_and(|one| one.standby);
        standby && live.on(node).is_empty() && live.is_idle()
    };
    let (live, drained) = until(host, patience(host, DRAINING), drained)?;
    if drained && at_rest(host, DRAINING)? {
        return Ok(());
    }
    let running: Vec<&str> = live.on(node).iter().map(|one| one.id.as_str()).collect();
    let what = match running.is_empty() {
        true => "the cluster does not come to rest".to_string(),
        false => format!("still on {node}: {}", running.join(", ")),
    };
    Err(Failure::failed(
        what,
        format!(
            "see `ubuntu-ha status`; `ubuntu-ha maintain off --node {node}` takes the standby back"
        ),
    ))
}

/// Whether what the node serves could run elsewhere, as pacemaker's own
/// scheduler sees it.
///
/// # Errors
/// [`Failure::Failed`]: not, unless that was allowed.
pub fn refuse_alone(host: &Host, live: &Live, node: &str, anyway: bool) -> Result<(), Failure> {
    let serves = live.on(node);
    if serves.is_empty() || anyway {
        return Ok(());
    }
    let able = live.nodes.iter().any(|other| {
        other.name != node && other.online && !other.standby && !other.standby_on_fail
    });
    let (lost, remedy) = if able {
        let lost = after::lost(host, node)?;
        // Fence devices are none of the node's services.
        let served = |id: &String| {
            let mut names = serves.iter().filter_map(|one| one.id.split(':').next());
            names.any(|name| name == id)
        };
        let lost: Vec<String> = lost.into_iter().filter(served).collect();
        (lost, "see `ubuntu-ha status` for what keeps it from that")
    } else {
        let all = serves.iter().map(|one| one.id.clone());
        (all.collect(), "start another node first")
    };
    if lost.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(
        format!("no other node could take over {}", lost.join(", ")),
        format!("{remedy}, or say --anyway if the services may stop"),
    ))
}

/// Lets the node serve again.
///
/// # Errors
/// Pacemaker refuses.
pub fn off(host: &Host, node: &str) -> Result<(), Failure> {
    let live = running(host)?;
    if known(&live, node)?.standby {
        // Of both kinds: for ever, and until the next start of the node.
        for lifetime in ["forever", "reboot"] {
            let args = [
                "--node",
                node,
                "--name",
                "standby",
                "--lifetime",
                lifetime,
                "--delete",
            ];
            host.must("crm_attribute", &args, PATIENCE)?;
        }
        let serves =
            |live: &Live| live.node(node).is_some_and(|one| !one.standby) && live.is_idle();
        let (_, settled) = until(host, patience(host, DRAINING), serves)?;
        if !settled {
            return Err(Failure::failed(
                "the cluster does not come to rest".into(),
                "see `ubuntu-ha status`".into(),
            ));
        }
    }
    note::forget(&host.layout, Some(node))?;
    say(&format!("{node} may serve again"));
    Ok(())
}
