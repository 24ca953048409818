//! DRBD: what the state means, and how two diverged copies become one again
//! ("Manual split brain recovery" of the DRBD user's guide).

use super::Finding;
use crate::node::status::facts::Facts;
use crate::node::status::replica::Replica;

pub fn of(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = facts
        .replicas
        .iter()
        .filter_map(|replica| state(facts, replica))
        .collect();
    found.extend(fences(facts));
    found
}

fn state(facts: &Facts, replica: &Replica) -> Option<Finding> {
    let name = &replica.resource;
    if replica.is_redundant() {
        return None;
    }
    if replica.disk == "Diskless" || replica.disk == "Failed" {
        return Some(
            Finding::wrong(format!(
                "{name} has lost its disk on this node; it works on the other node's"
            ))
            .mend("# Mend the disk, then:")
            .mend(format!("drbdadm attach {name}"))
            .mend("# or put a blank one in its place, under the same path, then:")
            .mend("ubuntu-ha apply"),
        );
    }
    if replica.is_syncing() {
        let done = replica.synced.as_ref();
        let done = done.map_or_else(String::new, |done| format!(", {done} % are done"));
        let stale = match replica.disk.as_str() {
            "UpToDate" => "the other node's copy",
            _ => "this node's copy",
        };
        return Some(Finding::wrong(format!(
            "{name} is being copied{done}: until then {stale} cannot be used"
        )));
    }
    Some(match replica.connection.as_str() {
        "StandAlone" => diverged(facts, replica),
        "WFConnection" | "Connecting" => {
            let finding = Finding::wrong(format!(
                "{name} waits for the other node: what is written now has no copy"
            ));
            let others = facts.live.nodes.iter().filter(|node| node.name != facts.me);
            match others.into_iter().find(|node| node.online) {
                // One side that waits for another that does not listen.
                Some(peer) => finding
                    .mend(format!("drbdadm status {name}   # on {}", peer.name))
                    .mend("# StandAlone there: see what `ubuntu-ha status` says there"),
                None => finding,
            }
        }
        "Unconfigured" => Finding::wrong(format!("{name} is not up on this node")).mend(format!(
            "crm_resource --why -r {}   # pacemaker brings it up",
            drbd_id(facts, name).unwrap_or("RESOURCE")
        )),
        "Connected" => Finding::wrong(format!(
            "{name} is connected, but the copies are {} here and {} there",
            replica.disk, replica.peer_disk
        ))
        .mend(format!("drbdadm status {name}")),
        other => Finding::wrong(format!("{name} is in the state {other}"))
            .mend(format!("drbdadm status {name}")),
    })
}

/// The commands for DRBD 8.4 and 9: both know them so.
fn diverged(facts: &Facts, replica: &Replica) -> Finding {
    let name = &replica.resource;
    let others = facts.live.nodes.iter().filter(|node| node.name != facts.me);
    let peer = others.map(|node| node.name.as_str()).next();
    let peer = peer.unwrap_or("the other node");
    let me = facts.me.as_str();
    let (loser, winner) = match replica.role.as_str() {
        "Primary" => (peer, me),
        _ => (me, peer),
    };
    Finding::wrong(format!(
        "{name} is no longer connected (StandAlone): each node may hold what the other lacks, \
         and neither gives way by itself"
    ))
    .mend(format!(
        "# Choose whose changes are lost; these lines give up those of {loser}."
    ))
    .mend("# Copy what is needed from it first. Then on it:".to_string())
    .mend(format!("drbdadm disconnect {name}"))
    .mend(format!("drbdadm secondary {name}"))
    .mend(format!("drbdadm connect --discard-my-data {name}"))
    .mend(format!("# and on {winner}, where it is StandAlone too:"))
    .mend(format!("drbdadm connect {name}"))
}

/// The cluster's resource for a DRBD resource.
fn drbd_id<'a>(facts: &'a Facts, name: &str) -> Option<&'a str> {
    let mut all = facts.live.resources.iter();
    all.find(|one| facts.cib.param(&one.id, "drbd_resource") == Some(name))
        .map(|one| one.id.as_str())
}

/// A constraint of crm-fence-peer.sh: right while the other copy is stale.
fn fences(facts: &Facts) -> Vec<Finding> {
    let all_redundant =
        !facts.replicas.is_empty() && facts.replicas.iter().all(Replica::is_redundant);
    let findings = facts.cib.drbd_fences.iter().map(|(id, resource)| {
        if all_redundant {
            return Finding::wrong(format!(
                "{resource} may be promoted on one node only, though both copies are good: \
                 the constraint {id} was left"
            ))
            .mend(format!(
                "cibadmin --delete --xml-text '<rsc_location id=\"{id}\"/>'"
            ));
        }
        Finding::note(format!(
            "{resource} is promoted on one node only until the other copy is good again \
             (constraint {id}, which DRBD takes away itself)"
        ))
    });
    findings.collect()
}
