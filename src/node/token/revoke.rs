//! `token --revoke`: a node that has not joined is taken off the list again.

use super::ledger;
use super::running;
use crate::node::apply::Lock;
use crate::node::host::Host;
use crate::node::members;
use crate::node::problem::Failure;

/// Takes an admission back; what was done, as lines for the user.
///
/// # Errors
/// The node was not admitted here, or it has joined; nothing is changed.
pub fn revoke(host: &Host, node: &str) -> Result<Vec<String>, Failure> {
    let admissions = ledger::all(&host.layout)?;
    let Some(admission) = admissions.iter().find(|admission| admission.node == node) else {
        let known: Vec<&str> = admissions.iter().map(|a| a.node.as_str()).collect();
        let known = match known.is_empty() {
            true => "no token was given out here".into(),
            false => format!("tokens were given out to {}", known.join(", ")),
        };
        return Err(Failure::failed(
            format!("no token was given out to {node} on this node"),
            format!("{known}; try the other nodes"),
        ));
    };
    let lock = Lock::take(host)?;
    let running = running::read(host)?;
    let online = running
        .as_ref()
        .and_then(|running| running.live.node(node))
        .is_some_and(|node| node.online);
    let cib = running.as_ref().map(|running| running.cib.as_str());
    if !online && members::joined(cib.unwrap_or_default()).contains(node) {
        return Err(Failure::failed(
            format!("{node} has joined the cluster, and does not run now"),
            format!("run `ubuntu-ha leave --node {node}` to take it out, if it is off for good"),
        ));
    }
    if online {
        return Err(Failure::failed(
            format!("{node} has joined the cluster"),
            format!("run `ubuntu-ha leave` on {node} to take it out"),
        ));
    }
    let mut said = Vec::new();
    if admission.added {
        let mut lists = members::current(&host.layout, cib)?;
        lists.nodes.retain(|member| member.name != node);
        lists.controllers.retain(|member| member.name != node);
        lists.ids.remove(node);
        if running.is_some() && !lists.removed.iter().any(|name| name == node) {
            lists.removed.push(node.into());
        }
        let notes = members::change(host, &lists, running.is_some(), &lock)?;
        said.push(format!("{node} is off the list of nodes again"));
        said.extend(notes);
        let me = host.name()?;
        for other in running.iter().flat_map(|running| &running.live.nodes) {
            if other.online && other.name != me {
                said.push(format!("Next, on {}: ubuntu-ha apply", other.name));
            }
        }
    } else {
        said.push(format!(
            "{node} was on the list of nodes before its token and stays there"
        ));
    }
    ledger::forget(&host.layout, node)?;
    said.push(
        "the token holds the key of the cluster: if anybody else may have read it, give the \
         cluster a new secret"
            .into(),
    );
    Ok(said)
}
