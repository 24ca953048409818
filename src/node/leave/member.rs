//! A node goes.

use std::time::Duration;

use super::files;
use super::say;
use crate::node::apply::{systemctl, unit_state};
use crate::node::host::Host;
use crate::node::journal::point;
use crate::node::live::{self, Live, PATIENCE};
use crate::node::maintain::{drain, known, refuse_alone, running, set_standby};
use crate::node::members::{self, Lists};
use crate::node::problem::Failure;
use crate::node::token::formed;

/// In the order in which they are stopped; nothing of them starts at boot
/// afterwards. sbd has no start of its own.
const UNITS: [&str; 4] = ["pacemaker", "corosync-qdevice", "corosync", "sbd"];

/// Takes this node out.
///
/// # Errors
/// What runs here can run nowhere else, or does not stop.
pub fn leave(host: &Host, force_stop: bool) -> Result<(), Failure> {
    let me = host.name()?;
    let unfinished = host.layout.state().join("journal").exists();
    if formed(host)?.is_none() && !unfinished {
        return Err(Failure::failed(
            "this node belongs to no cluster".into(),
            "nothing has to be done".into(),
        ));
    }
    // Before anything is stopped: a file that cannot be edited is found here.
    files::answered_later(&host.layout)?;
    let mut journal = files::journal(host)?;
    let live = live::read(host)?;
    let mut others = online_others(&live, &me);
    if live.pacemaker && !journal.is_done(OFF_THE_LIST) {
        match depart(host, &me, force_stop, &mut journal) {
            Ok(true) => {
                journal.note("others", &others.join(" "))?;
                journal.done(OFF_THE_LIST)?;
            }
            Ok(false) => say("there is no quorum, so the other nodes are not told"),
            Err(failure) => {
                // Nothing of this host's files was touched.
                journal.close()?;
                return Err(failure);
            }
        }
    } else if !journal.is_done(OFF_THE_LIST) {
        say("the cluster does not run here, so the other nodes are not told");
    }
    if let Some(known) = journal.noted("others") {
        others = known.split_whitespace().map(String::from).collect();
    }
    let mut enabled = Vec::new();
    for unit in UNITS {
        let Some(state) = unit_state(host, unit)? else {
            continue;
        };
        journal.keep_unit(&state)?;
        if state.active && unit != "sbd" {
            journal.point(&format!("stopping {unit}"));
            systemctl(host, "stop", &[unit])?;
        }
        if state.enabled {
            enabled.push(unit);
        }
    }
    if !enabled.is_empty() {
        journal.point(&format!("disabling {}", enabled.join(" ")));
        systemctl(host, "disable", &enabled)?;
    }
    files::restore(host, &mut journal)?;
    journal.point("the node is out of the cluster");
    let told = journal.is_done(OFF_THE_LIST);
    let next = next(&others, journal.is_done(ONE_LEFT));
    journal.close()?;
    say("this node has left the cluster; its answers, disks and data are as they were, but for");
    say("the answer to `setup`, which is `later`: it comes back only when it is told to");
    match (told, others.is_empty()) {
        (false, _) => say(&format!(
            "Next, on one of the remaining nodes: ubuntu-ha leave --node {me}"
        )),
        (true, false) => say(&next),
        (true, true) => {}
    }
    Ok(())
}

/// What is to be done on the nodes that run. One that is left alone on the list
/// has nothing to apply: a cluster of one node is not configured.
fn next(running: &[String], alone: bool) -> String {
    let nodes = running.join(", ");
    match alone {
        true => format!(
            "Next, on {nodes}, for a node that joins: ubuntu-ha token NODE ADDRESS…; until one \
             has, {nodes} serves alone, but would not after a reboot"
        ),
        false => format!("Next, on each remaining node ({nodes}): ubuntu-ha apply"),
    }
}

/// A step of the journal.
const OFF_THE_LIST: &str = "off the list";

/// Another: the list has a single node now.
const ONE_LEFT: &str = "one node is left";

fn online_others(live: &Live, me: &str) -> Vec<String> {
    let others = live
        .nodes
        .iter()
        .filter(|node| node.online && node.name != me);
    others.map(|node| node.name.clone()).collect()
}

/// Gives the services away, and tells the cluster; whether it could be told.
fn depart(
    host: &Host,
    me: &str,
    force_stop: bool,
    journal: &mut crate::node::journal::Journal,
) -> Result<bool, Failure> {
    let live = live::read(host)?;
    if live.maintenance {
        return Err(Failure::failed(
            "maintenance mode is on: services would be left running without a cluster".into(),
            "run `ubuntu-ha maintain off` first".into(),
        ));
    }
    if !live.connected || !live.quorate || live.dc.is_none() {
        if force_stop {
            return Ok(false);
        }
        return Err(Failure::failed(
            "the cluster has no quorum here, so the other nodes cannot be told".into(),
            "see `ubuntu-ha status`; --force-stop leaves all the same".into(),
        ));
    }
    refuse_alone(host, &live, me, force_stop).map_err(|failure| {
        Failure::failed(
            failure.message(),
            "see `ubuntu-ha status`, or say --force-stop if the services may stop".into(),
        )
    })?;
    journal.point("standing by");
    // Gone with this pacemaker, so that the node serves when it comes back.
    set_standby(host, me, "reboot")?;
    drain(host, me)?;
    journal.point("leaving the list of nodes");
    let lists = lists(host, me)?;
    if lists.nodes.len() == 1 {
        journal.done(ONE_LEFT)?;
    }
    if lists.nodes.is_empty() {
        // The last one: there is nobody to tell.
        return Ok(true);
    }
    lists.publish(host)?;
    Ok(true)
}

/// The lists without `node`.
fn lists(host: &Host, node: &str) -> Result<Lists, Failure> {
    let cib = live::cib(host)?;
    let mut lists = members::current(&host.layout, cib.as_deref())?;
    lists.nodes.retain(|member| member.name != node);
    lists.controllers.retain(|member| member.name != node);
    lists.ids.remove(node);
    if !lists.removed.iter().any(|name| name == node) {
        lists.removed.push(node.into());
    }
    Ok(lists)
}

const FORGETTING: Duration = Duration::from_secs(60);

/// Takes a node that is off out of the cluster.
///
/// # Errors
/// It runs, or is not known to be off.
pub fn remove(host: &Host, node: &str) -> Result<(), Failure> {
    let live = running(host)?;
    let lists = lists(host, node)?;
    match known(&live, node) {
        Ok(found) if found.online || found.pending => {
            return Err(Failure::failed(
                format!("{node} is a running member of the cluster"),
                format!("run `ubuntu-ha leave` on {node}"),
            ));
        }
        Ok(found) if found.unclean => {
            return Err(Failure::failed(
                format!("{node} is lost and not fenced: it may still run services"),
                format!("once it is certainly off, run `stonith_admin --confirm={node}`"),
            ));
        }
        Ok(_) => {}
        Err(failure) => {
            let current = members::current(&host.layout, live::cib(host)?.as_deref())?;
            let listed = current.nodes.iter().any(|member| member.name == node);
            if !listed && !current.removed.iter().any(|name| name == node) {
                return Err(failure);
            }
        }
    }
    point(host, &format!("taking {node} off the list of nodes"));
    lists.publish(host)?;
    if live.node(node).is_some() {
        point(host, &format!("letting pacemaker forget {node}"));
        let args = ["--force", "--remove", node];
        host.must("crm_node", &args, FORGETTING.max(PATIENCE))?;
    }
    let running = online_others(&live, "");
    let next = next(&running, lists.nodes.len() == 1);
    say(&format!("{node} is off the list of nodes. {next}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn a_node_left_alone_is_not_told_to_apply() {
        let running = ["alpha".to_string()];
        assert!(
            next(&running, true)
                .starts_with("Next, on alpha, for a node that joins: ubuntu-ha token")
        );
        assert_eq!(
            next(&running, false),
            "Next, on each remaining node (alpha): ubuntu-ha apply"
        );
    }
}
