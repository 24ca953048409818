//! The cluster at the end: failed actions, nodes, quorum, fencing.

use roxmltree::Document;

use super::Found;
use crate::trial::fact::{Facts, NodeFacts};
use crate::trial::observe::{Monitor, Quorum};

/// Actions that failed, as any node tells of them, or has told.
pub(super) fn failed_actions(facts: &Facts) -> Found {
    let mut evidence = each(facts, |node, monitor| {
        let list = monitor.failures.iter();
        list.map(|failure| format!("{}: {failure}", node.name))
            .collect()
    });
    evidence.dedup_by(|a, b| !a.ends_with(SILENT) && after_name(a) == after_name(b));
    let forgotten = facts.forgotten.iter();
    evidence.extend(forgotten.map(|failure| format!("{failure}; forgotten since")));
    Some(evidence)
}

const SILENT: &str = ": pacemaker told nothing";

/// The part that is the same whoever tells it.
fn after_name(text: &str) -> &str {
    text.split_once(": ").map_or(text, |(_, rest)| rest)
}

/// Every node that is not a member in full standing, as each node sees it.
pub(super) fn all_online(facts: &Facts) -> Found {
    let mut evidence = each(facts, |node, monitor| {
        let mut wrong = Vec::new();
        for member in facts.members() {
            let seen = monitor.nodes.iter().find(|one| one.name == member.name);
            let state = seen.map_or("unknown", |one| one.state());
            if state != "online" {
                wrong.push(format!("{}: {} is {state}", node.name, member.name));
            }
        }
        for fence in &monitor.fences {
            if fence.status != "success" {
                wrong.push(format!(
                    "{}: {} of {} is {}",
                    node.name, fence.action, fence.target, fence.status
                ));
            }
        }
        wrong
    });
    let members = facts.members().count();
    for node in facts.members() {
        match Quorum::parse(&node.quorum) {
            None => evidence.push(format!("{}: corosync told nothing", node.name)),
            Some(quorum) if !quorum.quorate => {
                evidence.push(format!("{}: no quorum", node.name));
            }
            Some(quorum) if quorum.members != members => evidence.push(format!(
                "{}: corosync sees {} of {members} members",
                node.name, quorum.members
            )),
            Some(_) => {}
        }
    }
    Some(evidence)
}

/// Every node whose DRBD lacks a connection or a good disk.
pub(super) fn mirrored(facts: &Facts) -> Found {
    if !facts.replicated {
        return None;
    }
    if facts.members().next().is_none() {
        return Some(vec!["no node was looked at".into()]);
    }
    let wrong = facts.members().filter_map(|node| {
        let why = node.unmirrored.as_ref()?;
        Some(format!("{}: {why}", node.name))
    });
    Some(wrong.collect())
}

/// What `look` finds in each node's crm_mon; a node that tells nothing is
/// evidence too.
fn each(facts: &Facts, look: impl Fn(&NodeFacts, &Monitor) -> Vec<String>) -> Vec<String> {
    if facts.members().next().is_none() {
        return vec!["no node was looked at".into()];
    }
    let mut evidence = Vec::new();
    for node in facts.members() {
        match Document::parse(&node.crm_mon)
            .ok()
            .and_then(|xml| Monitor::of(&xml))
        {
            Some(monitor) => evidence.extend(look(node, &monitor)),
            None => evidence.push(format!("{}{SILENT}", node.name)),
        }
    }
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUORUM: &str =
        include_str!("../../../tests/status/resolute/healthy/corosync-quorumtool.txt");
    const HEALTHY: &str = include_str!("../../../tests/status/resolute/healthy/crm_mon.xml");
    const FAILED: &str = include_str!("../../../tests/status/resolute/failed/crm_mon.xml");
    const UNFENCED: &str = include_str!("../../../tests/status/noble/unfenced/crm_mon.xml");
    const STANDBY: &str = include_str!("../../../tests/status/noble/standby/crm_mon.xml");

    fn facts(crm_mon: &str, quorum: &str) -> Facts {
        let node = |name: &str| NodeFacts {
            name: name.into(),
            crm_mon: crm_mon.into(),
            quorum: quorum.into(),
            ..NodeFacts::default()
        };
        Facts {
            nodes: vec![node("alpha"), node("beta")],
            ..Facts::default()
        }
    }

    #[test]
    fn a_healthy_cluster_passes() {
        let facts = facts(HEALTHY, QUORUM);
        assert_eq!(failed_actions(&facts), Some(Vec::new()));
        assert_eq!(all_online(&facts), Some(Vec::new()));
    }

    #[test]
    fn a_failure_that_was_cleaned_up_with_others_is_told() {
        let mut facts = facts(HEALTHY, QUORUM);
        facts.forgotten = vec!["monitor of clc-fs on beta: Timed out".into()];
        let found = failed_actions(&facts).unwrap();
        assert_eq!(
            found,
            ["monitor of clc-fs on beta: Timed out; forgotten since"]
        );
    }

    #[test]
    fn a_failed_action_is_told_once() {
        let found = failed_actions(&facts(FAILED, QUORUM)).unwrap();
        assert_eq!(
            found,
            ["alpha: monitor of drbd-ip on beta: Not running"],
            "{found:?}"
        );
    }

    #[test]
    fn a_lost_node_and_its_pending_fencing_are_told() {
        let found = all_online(&facts(UNFENCED, QUORUM)).unwrap();
        assert!(
            found.iter().any(|line| line.contains("beta is unclean")),
            "{found:?}"
        );
        assert!(
            found
                .iter()
                .any(|line| line.contains("reboot of beta is pending")),
            "{found:?}"
        );
    }

    #[test]
    fn a_node_on_standby_is_told() {
        let found = all_online(&facts(STANDBY, QUORUM)).unwrap();
        assert!(
            found.iter().any(|line| line.contains("is standby")),
            "{found:?}"
        );
    }

    #[test]
    fn a_lost_quorum_and_a_missing_member_are_told() {
        let lost = QUORUM.replace("Quorate:          Yes", "Quorate:          No");
        let found = all_online(&facts(HEALTHY, &lost)).unwrap();
        assert_eq!(found, ["alpha: no quorum", "beta: no quorum"]);
        let alone: String = QUORUM
            .lines()
            .filter(|line| !line.ends_with("beta"))
            .collect::<Vec<_>>()
            .join("\n");
        let found = all_online(&facts(HEALTHY, &alone)).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_node_that_has_left_is_no_member() {
        let mut left = facts(HEALTHY, QUORUM);
        left.nodes.push(NodeFacts {
            name: "gamma".into(),
            left: true,
            ..NodeFacts::default()
        });
        assert_eq!(failed_actions(&left), Some(Vec::new()));
        assert_eq!(all_online(&left), Some(Vec::new()));
        left.nodes[2].left = false;
        let found = all_online(&left).unwrap();
        assert!(
            found.contains(&"alpha: gamma is unknown".into()),
            "{found:?}"
        );
    }

    #[test]
    fn a_silent_node_is_told() {
        let found = all_online(&facts("", "")).unwrap();
        assert_eq!(found.len(), 4, "{found:?}");
        let found = failed_actions(&facts("<x/>", QUORUM)).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
