//! Daemons, quorum, nodes, links.

use super::Finding;
use crate::node::live::{Live, LiveNode, Quorum};
use crate::node::status::facts::Facts;
use crate::node::status::report::node_state;
use crate::node::token;

pub fn of(facts: &Facts) -> Vec<Finding> {
    let live = &facts.live;
    let mut found: Vec<Finding> = daemons(facts).into_iter().collect();
    if !live.corosync {
        return found;
    }
    found.extend(quorum(facts));
    if live.connected {
        found.extend(maintenance(facts));
        found.extend(members(facts));
        if live.dc.is_none() {
            found.push(
                Finding::wrong("no node leads the cluster yet; at the start this takes 20 s")
                    .mend("ubuntu-ha status   # again"),
            );
        }
    }
    found.extend(links(facts));
    found
}

fn daemons(facts: &Facts) -> Option<Finding> {
    let live = &facts.live;
    let down = |unit: &str| {
        Finding::wrong(format!("{unit} does not run on this node"))
            .mend("systemctl start corosync pacemaker")
            .mend(format!("journalctl -b -u {unit}   # why it ended"))
    };
    if !live.corosync {
        return Some(down("corosync"));
    }
    if !live.pacemaker {
        return Some(down("pacemaker"));
    }
    if live.connected {
        return None;
    }
    if !facts.root {
        let message = "pacemaker answers only root and the group haclient";
        return Some(Finding::wrong(message).mend("sudo ubuntu-ha status"));
    }
    Some(
        Finding::wrong("pacemaker does not answer; it may be starting")
            .mend("ubuntu-ha status   # again")
            .mend("journalctl -b -u pacemaker"),
    )
}

/// Nodes of the list that are no members of corosync now.
fn missing(facts: &Facts) -> Vec<String> {
    let members = facts.live.quorum.as_ref().map(|quorum| &quorum.members);
    let known = facts.live.nodes.iter().map(|node| (node.id, &node.name));
    let desired = facts
        .members()
        .iter()
        .map(|member| (member.id, &member.name));
    let mut names: Vec<String> = known
        .chain(desired)
        .filter(|(id, _)| !members.is_some_and(|members| members.contains(id)))
        .map(|(_, name)| name.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

fn quorum(facts: &Facts) -> Vec<Finding> {
    let Some(quorum) = &facts.live.quorum else {
        return vec![Finding::wrong("corosync does not answer").mend("journalctl -b -u corosync")];
    };
    let mut found = Vec::new();
    // Corosync tells of a device only once its daemon has been there.
    let unknown = facts.qdevice && quorum.qdevice.is_none();
    if unknown || quorum.qdevice == Some(false) {
        found.push(
            Finding::wrong("the quorum device does not vote")
                .mend("systemctl status corosync-qdevice")
                .mend("corosync-qdevice-tool -sv"),
        );
    }
    if quorum.quorate {
        found.extend(last_votes(facts, quorum));
        return found;
    }
    let missing = missing(facts);
    let names = match missing.is_empty() {
        true => "the other nodes".to_string(),
        false => missing.join(", "),
    };
    // Not quorate with votes enough: only wait_for_all holds it.
    let waits = quorum.has("WaitForAll") && quorum.total >= quorum.needed;
    if !waits {
        let message = format!(
            "no quorum, {} of {} votes where {} are needed: nothing runs on this side",
            quorum.total, quorum.expected, quorum.needed
        );
        found.push(
            Finding::wrong(message)
                .mend(format!("systemctl start corosync pacemaker   # on {names}")),
        );
        return found;
    }
    let mut finding = Finding::wrong(format!(
        "no quorum: after its start this node waits until it has seen {names} once \
         (wait_for_all)"
    ))
    .mend(format!("systemctl start corosync pacemaker   # on {names}"))
    .mend(format!(
        "# Only where {names} is certainly off, else both may serve at once:"
    ));
    for name in &missing {
        finding = finding.mend(format!("stonith_admin --confirm={name}"));
    }
    found.push(finding.mend("corosync-cmapctl -s quorum.cancel_wait_for_all u8 1"));
    found
}

/// Votes are missing, and without one more everything stops. That holds too
/// while a node that was admitted is waited for.
fn last_votes(facts: &Facts, quorum: &Quorum) -> Option<Finding> {
    if quorum.total >= quorum.expected || quorum.total > quorum.needed {
        return None;
    }
    let missing = missing(facts);
    let awaited = |name: &&String| facts.awaited(name).is_some();
    // Of two nodes the one that is gone has its own line, which says as much.
    if quorum.needed <= 1 && !missing.iter().any(|name| awaited(&name)) {
        return None;
    }
    let mut finding = Finding::wrong(format!(
        "{} of {} votes, and {} are needed: without one more, every service stops",
        quorum.total, quorum.expected, quorum.needed
    ));
    for name in &missing {
        finding = match awaited(&name) {
            true => finding
                .mend(format!("ubuntu-ha join   # on {name}, with its token, or:"))
                .mend(format!("ubuntu-ha token --revoke {name}")),
            false => finding.mend(format!("systemctl start corosync pacemaker   # on {name}")),
        };
    }
    Some(finding)
}

fn maintenance(facts: &Facts) -> Option<Finding> {
    if !facts.live.maintenance {
        return None;
    }
    let note = facts.notes.iter().find(|note| note.node.is_none());
    let by = note.map_or_else(String::new, |note| format!(", {note}"));
    Some(
        Finding::wrong(format!("maintenance mode is on{by}: what fails stays down"))
            .mend("ubuntu-ha maintain off"),
    )
}

fn members(facts: &Facts) -> Vec<Finding> {
    let live = &facts.live;
    let mut found: Vec<Finding> = live
        .nodes
        .iter()
        .filter_map(|node| member(facts, node))
        .collect();
    let unknown = facts.members().iter();
    let unknown = unknown.filter(|member| live.node(&member.name).is_none());
    for member in unknown {
        if let Some(finding) = awaited(facts, &member.name) {
            found.push(finding);
            continue;
        }
        found.push(
            Finding::wrong(format!(
                "{} is on the list of nodes, but not in the cluster",
                member.name
            ))
            .mend(format!("ubuntu-ha apply   # on {}", member.name)),
        );
    }
    if live.nodes.len() == 1 && facts.members().len() <= 1 {
        found.push(
            Finding::wrong("the cluster has one node: nothing can take over")
                .mend("ubuntu-ha token NODE ADDRESS"),
        );
    }
    found
}

/// A node that was admitted and has not joined yet.
fn awaited(facts: &Facts, name: &str) -> Option<Finding> {
    let admission = facts.awaited(name)?;
    let until = token::show_time(admission.expires);
    Some(match admission.expires < facts.now {
        true => Finding::warning(format!(
            "{name} never joined, and its token expired at {until}"
        ))
        .mend(format!(
            "ubuntu-ha token {name}            # prints another"
        ))
        .mend(format!(
            "ubuntu-ha token --revoke {name}   # takes it off the list"
        )),
        false => Finding::note(format!("{name} may join until {until}"))
            .mend(format!("ubuntu-ha join   # on {name}, with its token")),
    })
}

fn member(facts: &Facts, node: &LiveNode) -> Option<Finding> {
    if !node.online {
        if let Some(finding) = awaited(facts, &node.name) {
            return Some(finding);
        }
    }
    let name = &node.name;
    let listed = facts.members().iter().any(|member| member.name == *name);
    if !node.online && !node.unclean && !facts.members().is_empty() && !listed {
        return Some(
            Finding::warning(format!(
                "{name} is off the list of nodes, but not forgotten yet"
            ))
            .mend(format!("ubuntu-ha leave --node {name}")),
        );
    }
    let start = format!("systemctl start corosync pacemaker   # on {name}");
    Some(match node_state(node) {
        // Before there is a leader, and while quorum is waited for, every
        // absent node is called so.
        "unclean" if facts.live.dc.is_none() || !facts.live.quorate => return None,
        "unclean" => Finding::wrong(format!(
            "{name} is lost and not fenced: its services are not taken over until it is \
             known to be off"
        ))
        .mend(format!("stonith_admin --reboot {name}"))
        .mend(format!("# Only where {name} is certainly off:"))
        .mend(format!("stonith_admin --confirm={name}")),
        "offline" => Finding::wrong(format!(
            "{name} is offline: nothing can be taken over by it"
        ))
        .mend(start),
        "pending" => {
            Finding::wrong(format!("{name} is joining, or its pacemaker does not run")).mend(start)
        }
        "shutdown" => Finding::wrong(format!("{name} is shutting down")).mend(start),
        "standby" if node.standby_on_fail => {
            Finding::wrong(format!("{name} stands by because a resource failed there"))
                .mend(format!("crm_resource --cleanup --node {name}"))
        }
        "standby" => {
            let note = facts
                .notes
                .iter()
                .find(|note| note.node.as_ref() == Some(name));
            let by = note.map_or_else(String::new, |note| format!(", {note}"));
            Finding::wrong(format!(
                "{name} stands by{by}: it runs and takes over nothing"
            ))
            .mend(format!("ubuntu-ha maintain off --node {name}"))
        }
        "maintenance" => Finding::wrong(format!(
            "{name} is in maintenance: what fails on it stays down"
        ))
        .mend(format!(
            "crm_attribute --node {name} --name maintenance --delete"
        )),
        _ => return None,
    })
}

/// A link to a node that is a member all the same.
fn links(facts: &Facts) -> Vec<Finding> {
    let live: &Live = &facts.live;
    let member = |id: u32| {
        let quorum = live.quorum.as_ref();
        quorum.is_some_and(|quorum| quorum.members.contains(&id))
    };
    let down = live
        .links
        .iter()
        .filter(|link| !link.connected && member(link.node));
    down.map(|link| {
        let there = facts
            .members()
            .iter()
            .find(|member| member.id == link.node)
            .and_then(|member| member.addresses.get(link.link as usize));
        let there = there.map_or_else(|| facts.node_name(link.node), ToString::to_string);
        Finding::wrong(format!(
            "link {} to {} is down: one path less between them",
            link.link,
            facts.node_name(link.node)
        ))
        .mend(format!("ping -I {} {there}", link.address))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::live::LiveNode;
    use crate::node::token::Admission;

    /// Alpha and beta are there; gamma, where it is configured, is not.
    fn facts(expected: u32, needed: u32) -> Facts {
        let node = |(name, id): (&str, u32)| LiveNode {
            name: name.into(),
            id,
            online: id < 3,
            ..LiveNode::default()
        };
        let nodes = [("alpha", 1), ("beta", 2), ("gamma", 3)];
        let live = Live {
            corosync: true,
            quorate: true,
            quorum: Some(Quorum {
                quorate: true,
                expected,
                total: 2,
                needed,
                members: vec![1, 2],
                ..Quorum::default()
            }),
            nodes: nodes[..expected as usize]
                .iter()
                .copied()
                .map(node)
                .collect(),
            ..Live::default()
        };
        Facts {
            live,
            ..Facts::default()
        }
    }

    fn told(facts: &Facts) -> Vec<String> {
        let found = quorum(facts);
        assert!(found.iter().all(Finding::is_wrong), "{found:?}");
        let lines = found.into_iter();
        lines
            .flat_map(|one| [vec![one.message], one.commands].concat())
            .collect()
    }

    #[test]
    fn a_vote_that_is_missing_is_told_where_the_next_one_decides() {
        let mut waiting = facts(3, 2);
        waiting.admissions = vec![Admission {
            node: "gamma".into(),
            addresses: "192.0.2.13".into(),
            token: "01".into(),
            issued: 1,
            expires: 9,
            added: true,
        }];
        let last = "2 of 3 votes, and 2 are needed: without one more, every service stops";
        assert_eq!(
            told(&waiting),
            [
                last,
                "ubuntu-ha join   # on gamma, with its token, or:",
                "ubuntu-ha token --revoke gamma"
            ]
        );
        let start = "systemctl start corosync pacemaker   # on gamma";
        assert_eq!(told(&facts(3, 2)), [last, start]);
        assert_eq!(told(&facts(2, 2)), Vec::<String>::new());
        // One of two: the other one has its own line.
        let mut alone = facts(2, 1);
        let quorum = alone.live.quorum.as_mut().unwrap();
        (quorum.total, quorum.members) = (1, vec![1]);
        assert_eq!(told(&alone), Vec::<String>::new());
    }

    #[test]
    fn a_quorum_device_without_its_daemon_does_not_vote() {
        let mut facts = facts(2, 2);
        facts.qdevice = true;
        let quorum = facts.live.quorum.as_mut().unwrap();
        quorum.expected = 3;
        let lines = told(&facts);
        assert_eq!(lines[0], "the quorum device does not vote");
        assert!(lines[3].starts_with("2 of 3 votes"), "{lines:?}");
        let quorum = facts.live.quorum.as_mut().unwrap();
        (quorum.qdevice, quorum.total) = (Some(true), 3);
        assert_eq!(told(&facts), Vec::<String>::new());
    }
}
