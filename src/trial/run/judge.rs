//! Whether an expectation holds.

use std::collections::BTreeSet;
use std::time::Duration;

use super::watch::Watch;
use crate::trial::fact::Probe;
use crate::trial::observe::{Failure, Member};
use crate::trial::report::{longest, outages};
use crate::trial::scenario::{Expectation, Nodes, VIP, Who, resource, told};

/// Why nothing can be said.
const SILENT: &str = "pacemaker answers on no node";

/// The state of an expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    Yes,
    /// It may still come true.
    NotYet(String),
    /// It cannot come true any more.
    Never(String),
}

/// What a step is judged against.
pub struct Context<'a> {
    pub watch: &'a Watch,
    pub members: &'a [String],
    /// When the step began.
    pub from: Duration,
    /// Fencings that were over by then.
    pub fenced: &'a BTreeSet<(String, String)>,
    pub role: &'a str,
    /// Time limits are stretched by it.
    pub scale: f64,
    /// The nodes as the step names them.
    pub name: &'a dyn Fn(&Who) -> Result<String, String>,
}

/// Judges one expectation; those of `ubuntu-ha status` are judged by
/// [`status`].
pub fn judge(expectation: &Expectation, context: &Context) -> Holds {
    match decide(expectation, context) {
        Ok(()) => Holds::Yes,
        Err(Wrong::Now(why)) => Holds::NotYet(why),
        Err(Wrong::ForEver(why)) => Holds::Never(why),
    }
}

enum Wrong {
    Now(String),
    ForEver(String),
}

impl From<String> for Wrong {
    fn from(why: String) -> Self {
        Self::Now(why)
    }
}

fn decide(expectation: &Expectation, context: &Context) -> Result<(), Wrong> {
    let watch = context.watch;
    match expectation {
        Expectation::Vip(who) => {
            let wanted = who.as_ref().map(context.name).transpose()?;
            Ok(vip(watch, wanted.as_deref())?)
        }
        Expectation::Outage(most) => outage(context, *most),
        Expectation::Moves(times) => {
            let moves = watch.moves(context.from);
            let why = format!("the address changed hands {moves} times, not {times}");
            match moves.cmp(&usize::from(*times)) {
                std::cmp::Ordering::Equal => Ok(()),
                std::cmp::Ordering::Less => Err(Wrong::Now(why)),
                std::cmp::Ordering::Greater => Err(Wrong::ForEver(why)),
            }
        }
        Expectation::Online(nodes) => Ok(each(context, nodes, &|node| {
            members_see(context, node, &|member| {
                member.online && !member.unclean && !member.pending && !member.standby
            })
        })?),
        Expectation::Offline(nodes) => Ok(each(context, nodes, &|node| {
            members_see(context, node, &|member| !member.online)
        })?),
        Expectation::Quorum(nodes) => Ok(each(context, nodes, &|node| quorum(watch, node, true))?),
        Expectation::NoQuorum(nodes) => {
            Ok(each(context, nodes, &|node| quorum(watch, node, false))?)
        }
        Expectation::Fenced(who) => fenced(context, who),
        Expectation::Resource(id, nodes) => Ok(places(context, id, nodes.as_ref(), false)?),
        Expectation::Promoted(id, nodes) => Ok(places(context, id, nodes.as_ref(), true)?),
        Expectation::FailedActions(wanted) => Ok(failed_actions(context, wanted)?),
        Expectation::Replication { on, connection } => {
            let on = on.as_ref().map(context.name).transpose()?;
            Ok(replication(watch, on.as_deref(), connection)?)
        }
        Expectation::State { .. } | Expectation::Says { .. } => {
            Err(Wrong::Now("`ubuntu-ha status` was not asked".into()))
        }
    }
}

fn vip(watch: &Watch, wanted: Option<&str>) -> Result<(), String> {
    let holders: Vec<&str> = (watch.seen.iter())
        .filter(|(_, seen)| seen.has(VIP))
        .map(|(node, _)| node.as_str())
        .collect();
    let served = watch.served();
    match wanted {
        Some(wanted) if holders != [wanted] => Err(match holders.as_slice() {
            [] => format!("{VIP} is on no node, not on {wanted}"),
            holders => format!("{VIP} is on {}, not on {wanted}", holders.join(" and ")),
        }),
        Some(wanted) if served == Some(false) => Err(format!(
            "{VIP} is on {wanted} and does not answer the client"
        )),
        None if !holders.is_empty() => Err(format!("{VIP} is on {}", holders.join(" and "))),
        None if served == Some(true) => Err(format!("{VIP} answers the client")),
        _ => Ok(()),
    }
}

/// The longest time without an answer since the step began.
fn outage(context: &Context, most: Duration) -> Result<(), Wrong> {
    let since: Vec<Probe> = (context.watch.probes.iter())
        .filter(|probe| probe.at >= context.from)
        .cloned()
        .collect();
    let most = most.mul_f64(context.scale);
    let all = outages(&since);
    let Some(outage) = longest(&all) else {
        return match since.is_empty() {
            true => Err(Wrong::Now("the client has asked nothing".into())),
            false => Ok(()),
        };
    };
    if outage.length > most {
        let length = told(outage.length);
        return Err(Wrong::ForEver(format!(
            "no answer for {length}; at most {} are allowed",
            told(most)
        )));
    }
    let open = all.iter().find(|one| one.open && one.kind == outage.kind);
    match open {
        Some(open) => Err(Wrong::Now(format!("no answer for {}", told(open.length)))),
        None => Ok(()),
    }
}

/// The same of each node that is named.
fn each(
    context: &Context,
    nodes: &Nodes,
    what: &dyn Fn(&str) -> Result<(), String>,
) -> Result<(), String> {
    let names = match nodes {
        Nodes::All => context.members.to_vec(),
        Nodes::These(who) => who.iter().map(context.name).collect::<Result<_, _>>()?,
    };
    names.iter().try_for_each(|node| what(node))
}

/// What every member that answers says of a node.
fn members_see(
    context: &Context,
    node: &str,
    fits: &dyn Fn(&Member) -> bool,
) -> Result<(), String> {
    let mut told = context.watch.monitors().peekable();
    if told.peek().is_none() {
        return Err(SILENT.into());
    }
    for (teller, monitor) in told {
        let Some(member) = monitor.nodes.iter().find(|one| one.name == node) else {
            return Err(format!("{teller} does not know {node}"));
        };
        if !fits(member) {
            return Err(format!("{teller} says that {node} is {}", member.state()));
        }
    }
    Ok(())
}

fn quorum(watch: &Watch, node: &str, wanted: bool) -> Result<(), String> {
    let quorum = watch.seen.get(node).and_then(|seen| seen.quorum.as_ref());
    match quorum {
        // A daemon that does not answer has no quorum.
        None if !wanted && watch.seen.contains_key(node) => Ok(()),
        None => Err(format!("corosync on {node} does not answer")),
        Some(quorum) if quorum.quorate == wanted => Ok(()),
        Some(_) if wanted => Err(format!("{node} has no quorum")),
        Some(_) => Err(format!("{node} has quorum")),
    }
}

fn fenced(context: &Context, who: &[Who]) -> Result<(), Wrong> {
    let wanted: BTreeSet<String> = who.iter().map(context.name).collect::<Result<_, _>>()?;
    let new: BTreeSet<String> = (context.watch.fenced().difference(context.fenced))
        .map(|(target, _)| target.clone())
        .collect();
    if let Some(wrong) = new.iter().find(|target| !wanted.contains(*target)) {
        return Err(Wrong::ForEver(format!("{wrong} was fenced")));
    }
    match wanted.iter().find(|target| !new.contains(*target)) {
        Some(missing) => Err(Wrong::Now(format!("{missing} was not fenced"))),
        None => Ok(()),
    }
}

fn places(
    context: &Context,
    id: &str,
    nodes: Option<&Nodes>,
    promoted: bool,
) -> Result<(), String> {
    let mut wanted: Vec<String> = match nodes {
        None => Vec::new(),
        Some(Nodes::All) => context.members.to_vec(),
        Some(Nodes::These(who)) => who.iter().map(context.name).collect::<Result<_, _>>()?,
    };
    wanted.sort();
    let Some((_, monitor)) = context.watch.monitors().next() else {
        return Err(SILENT.into());
    };
    let found = monitor.places(id, promoted);
    if found == wanted {
        return Ok(());
    }
    let told = |list: &[String]| match list.is_empty() {
        true => "nowhere".to_string(),
        false => format!("on {}", list.join(" and ")),
    };
    let word = if promoted { "promoted" } else { "active" };
    let found: Vec<String> = found.into_iter().map(String::from).collect();
    Err(format!(
        "{id} is {word} {}, not {}",
        told(&found),
        told(&wanted)
    ))
}

fn failed_actions(context: &Context, wanted: &[String]) -> Result<(), String> {
    let wanted: Vec<String> = (wanted.iter())
        .map(|id| resource(id, context.role, context.name))
        .collect::<Result<_, _>>()?;
    let mut monitors = context.watch.monitors().peekable();
    if monitors.peek().is_none() {
        return Err(SILENT.into());
    }
    let failures: Vec<&Failure> = monitors
        .flat_map(|(_, monitor)| &monitor.failures)
        .collect();
    let of = |id: &String| failures.iter().any(|failure| failure.resource == *id);
    if let Some(other) = (failures.iter()).find(|one| !wanted.contains(&one.resource)) {
        return Err(format!("{other} has failed"));
    }
    match wanted.iter().find(|id| !of(id)) {
        Some(id) => Err(format!("no action of {id} has failed")),
        None => Ok(()),
    }
}

fn replication(watch: &Watch, on: Option<&str>, wanted: &str) -> Result<(), String> {
    let mut looked = false;
    for (node, seen) in watch
        .seen
        .iter()
        .filter(|(node, _)| on.is_none_or(|on| on == *node))
    {
        looked = true;
        match seen.connections.as_slice() {
            [] => return Err(format!("{node} has no DRBD resource")),
            states => {
                if let Some(other) = states.iter().find(|state| *state != wanted) {
                    return Err(format!("DRBD on {node} is {other}, not {wanted}"));
                }
            }
        }
    }
    match looked {
        true => Ok(()),
        false => Err("no node answers".into()),
    }
}

/// Judges what `ubuntu-ha status` has said: as JSON, and as text.
pub fn status(expectation: &Expectation, json: &str, text: &str) -> Result<(), String> {
    match expectation {
        Expectation::State { state, .. } => {
            let report: serde_json::Value = serde_json::from_str(json)
                .map_err(|_| "`ubuntu-ha status --json` says nothing".to_string())?;
            match report["state"].as_str() {
                Some(found) if found == state => Ok(()),
                Some(found) => Err(format!("the state is {found}, not {state}")),
                None => Err("`ubuntu-ha status` has no state".into()),
            }
        }
        Expectation::Says { text: wanted, .. } if !text.contains(wanted.as_str()) => {
            Err(format!("`ubuntu-ha status` does not say {wanted:?}"))
        }
        _ => Ok(()),
    }
}
