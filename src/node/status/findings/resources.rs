//! What fails, what does not run, what was moved by hand.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use crate::node::live::{LiveBan, LiveResource};
use crate::node::status::facts::Facts;

pub fn of(facts: &Facts) -> Vec<Finding> {
    let live = &facts.live;
    let mut found = failures(facts);
    let mut by_id: BTreeMap<&str, Vec<&LiveResource>> = BTreeMap::new();
    for resource in live.resources.iter().filter(|r| !r.is_stonith()) {
        by_id.entry(&resource.id).or_default().push(resource);
    }
    let all: Vec<(&str, Vec<&LiveResource>)> = by_id.into_iter().collect();
    found.extend(all.iter().filter_map(|(id, one)| blocked(id, one)));
    found.extend(all.iter().filter_map(|(id, one)| twice(facts, id, one)));
    found.extend(all.iter().filter_map(|(id, one)| orphaned(id, one)));
    // What follows has a cause that is told of already.
    if live.quorate && live.dc.is_some() {
        found.extend(stopped(facts, &all));
        found.extend(all.iter().filter_map(|(id, one)| unpromoted(id, one)));
        found.extend(all.iter().filter_map(|(id, one)| copies(facts, id, one)));
    }
    if !live.maintenance {
        found.extend(all.iter().filter_map(|(id, one)| unmanaged(facts, id, one)));
    }
    found.extend(moved(facts));
    found
}

fn failures(facts: &Facts) -> Vec<Finding> {
    let mut by_resource: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let fences: BTreeSet<&str> = (facts.live.resources.iter())
        .filter(|resource| resource.is_stonith())
        .map(|resource| resource.id.as_str())
        .collect();
    for failure in &facts.live.failures {
        // Those of fence devices are told where fencing is.
        if fences.contains(failure.resource.as_str()) {
            continue;
        }
        let reason = match failure.reason.as_str() {
            "" => failure.status.to_lowercase(),
            reason => format!("{}, {reason}", failure.status.to_lowercase()),
        };
        let when = match failure.when.as_str() {
            "" => String::new(),
            when => format!(", {when}"),
        };
        let text = format!("{} on {} ({reason}{when})", failure.task, failure.node);
        by_resource.entry(&failure.resource).or_default().push(text);
    }
    let findings = by_resource.into_iter().map(|(id, texts)| {
        Finding::wrong(format!("{id} failed: {}", texts.join("; ")))
            .mend(format!("crm_resource --cleanup -r {id}"))
    });
    findings.collect()
}

fn blocked(id: &str, instances: &[&LiveResource]) -> Option<Finding> {
    let one = instances.iter().find(|one| one.blocked)?;
    let node = one.node.as_deref().unwrap_or("no node");
    Some(
        Finding::wrong(format!(
            "{id} is blocked on {node}: it could not be stopped, so nothing is done with it"
        ))
        .mend(format!("# Stop by hand what {id} is, on {node}, then:"))
        .mend(format!("crm_resource --cleanup -r {id}")),
    )
}

/// A resource that is no clone runs on more than one node.
fn twice(facts: &Facts, id: &str, instances: &[&LiveResource]) -> Option<Finding> {
    let active: Vec<&str> = instances
        .iter()
        .filter(|one| one.is_active() && one.clone.is_none())
        .filter_map(|one| one.node.as_deref())
        .collect();
    if active.len() < 2 {
        return None;
    }
    let what = instances.first().map(|one| facts.cib.what(id, &one.agent));
    Some(
        Finding::wrong(format!(
            "{id} ({}) is active on {} at once",
            what.unwrap_or_default(),
            active.join(" and ")
        ))
        .mend(format!("crm_resource --cleanup -r {id}")),
    )
}

fn orphaned(id: &str, instances: &[&LiveResource]) -> Option<Finding> {
    let orphaned = instances.iter().any(|one| one.orphaned);
    orphaned.then(|| {
        Finding::wrong(format!(
            "{id} still runs, though it is not configured any more"
        ))
        .mend(format!("crm_resource --cleanup -r {id}"))
    })
}

/// Those that run nowhere, one line for each group.
fn stopped(facts: &Facts, all: &[(&str, Vec<&LiveResource>)]) -> Vec<Finding> {
    let mut by_top: BTreeMap<&str, Vec<&LiveResource>> = BTreeMap::new();
    for (_, instances) in all {
        if let (Some(first), false) = (instances.first(), instances.iter().any(|i| i.is_active())) {
            by_top.entry(first.top()).or_default().push(first);
        }
    }
    let findings = by_top.into_iter().map(|(top, down)| {
        let ids: Vec<&str> = down.iter().map(|one| one.id.as_str()).collect();
        let asked = down
            .iter()
            .any(|one| one.target_role.as_deref() == Some("Stopped"));
        let runs = if ids.len() == 1 { "runs" } else { "run" };
        let message = format!("{} {runs} nowhere", ids.join(", "));
        if asked {
            return Finding::wrong(format!("{message}: the target role is Stopped")).mend(format!(
                "crm_resource --meta --delete-parameter target-role -r {top}"
            ));
        }
        if let Some(pending) = down.iter().find_map(|one| one.pending.as_deref()) {
            let message = format!("{message} yet ({})", pending.to_lowercase());
            return Finding::wrong(message).mend("ubuntu-ha status   # again");
        }
        let failed = |id: &&&str| facts.live.failures.iter().any(|f| f.resource == ***id);
        match ids.iter().find(failed) {
            Some(id) => Finding::wrong(message).mend(format!("crm_resource --cleanup -r {id}")),
            None => Finding::wrong(message).mend(format!("crm_resource --why -r {}", ids[0])),
        }
    });
    findings.collect()
}

/// Active, but nobody is promoted.
fn unpromoted(id: &str, instances: &[&LiveResource]) -> Option<Finding> {
    let roles: BTreeSet<&str> = instances.iter().map(|one| one.role.as_str()).collect();
    let nobody = roles.contains("Unpromoted") && !roles.contains("Promoted");
    nobody.then(|| {
        Finding::wrong(format!("{id} is promoted on no node"))
            .mend(format!("crm_resource --why -r {id}"))
    })
}

/// A node that could run an instance of the clone and does not.
fn copies(facts: &Facts, id: &str, instances: &[&LiveResource]) -> Option<Finding> {
    let clone = instances.first()?.clone.as_deref()?;
    let idle = instances.iter().filter(|one| !one.is_active()).count();
    let active = instances.len() - idle;
    let able = facts.live.nodes.iter().filter(|node| {
        let never = |(resource, on): &(String, String)| {
            *on == node.name && (resource == clone || resource == id)
        };
        let has = instances
            .iter()
            .any(|one| one.is_active() && one.node.as_deref() == Some(&node.name));
        node.online
            && !node.standby
            && !node.standby_on_fail
            && !has
            && !facts.cib.never.iter().any(never)
    });
    let able: Vec<&str> = able.map(|node| node.name.as_str()).collect();
    if active == 0 || idle == 0 || able.is_empty() {
        return None;
    }
    Some(
        Finding::wrong(format!("{id} does not run on {}", able.join(", ")))
            .mend(format!("crm_resource --why -r {id} --node {}", able[0])),
    )
}

fn unmanaged(facts: &Facts, id: &str, instances: &[&LiveResource]) -> Option<Finding> {
    let one = instances.iter().find(|one| !one.managed)?;
    let node = one.node.as_deref().and_then(|name| facts.live.node(name));
    // A node's own maintenance has its line.
    if node.is_some_and(|node| node.maintenance) {
        return None;
    }
    Some(
        Finding::wrong(format!(
            "{id} is unmanaged: it is not recovered when it fails"
        ))
        .mend(format!(
            "crm_resource --meta --delete-parameter is-managed -r {}",
            one.top()
        )),
    )
}

/// Constraints that were made by hand and stay until they are cleared.
fn moved(facts: &Facts) -> Vec<Finding> {
    let mut resources: BTreeMap<&str, bool> = BTreeMap::new();
    for moved in &facts.cib.moved {
        let rule = format!("{}-rule", moved.id);
        let in_force = |ban: &LiveBan| ban.id == moved.id || ban.id == rule;
        let bans = moved.bans || facts.live.bans.iter().any(in_force);
        *resources.entry(&moved.resource).or_default() |= bans;
    }
    let findings = resources.into_iter().map(|(resource, bans)| {
        let finding = match bans {
            true => Finding::wrong(format!(
                "{resource} is banned from a node by hand: it is not taken over there"
            )),
            false => Finding::warning(format!(
                "{resource} was moved by hand, and that still binds it"
            )),
        };
        finding.mend(format!("crm_resource --clear -r {resource}"))
    });
    findings.collect()
}
