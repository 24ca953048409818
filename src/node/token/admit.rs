//! Admitting a node.

use std::collections::BTreeMap;
use std::io::Write;

use super::clock;
use super::format::{Id, Token};
use super::ledger::{self, Admission};
use crate::node::cross::Checked;
use crate::node::host::Host;
use crate::node::json;
use crate::node::key::{self, Master};
use crate::node::layout::Subject;
use crate::node::loaded::{self, Loaded};
use crate::node::members::{self, Lists};
use crate::node::problem::{Failure, Problem};
use crate::node::running::{self, Running};
use crate::recipe::answer::{Answer, Node, node_list};

/// Answers that are a host's own, or that the token makes needless.
const NOT_CARRIED: [&str; 3] = ["secret", "setup", "join_token"];

/// What was asked for.
#[derive(Debug)]
pub struct Wish {
    pub node: String,
    /// One for each link; none: as the list of nodes has it.
    pub addresses: Vec<String>,
    /// Of its management controller.
    pub controller: Option<String>,
    /// Seconds.
    pub valid_for: u64,
}

/// What the list of nodes becomes.
#[derive(Debug)]
struct Change {
    lists: Lists,
    /// The node was not on the list.
    added: bool,
}

/// Admits a node, and prints its token.
///
/// # Errors
/// It cannot be admitted, and everything is as it was.
pub fn admit(host: &Host, wish: &Wish, json: bool) -> Result<u8, Failure> {
    let running = running::read(host)?;
    if running == Running::Down {
        return Err(Failure::failed(
            "the cluster is formed, but does not run on this node".into(),
            "run `ubuntu-ha apply` first, or use a node where it runs".into(),
        ));
    }
    let cib = running.cib();
    let change = plan(host, wish, cib)?;
    if running.is_online(&wish.node) {
        return Err(Failure::failed(
            format!("{} is a running member of the cluster already", wish.node),
            "nothing has to be done".into(),
        ));
    }
    let loaded = design(host, &change.lists)?;
    let master = master(host, &loaded)?;
    let token = issue(wish, &loaded, master)?;
    let earlier = ledger::find(&host.layout, &wish.node)?;
    let admission = Admission {
        node: wish.node.clone(),
        addresses: addresses(&change.lists.nodes, &wish.node),
        token: token.id.to_string(),
        issued: token.issued,
        expires: token.expires,
        added: change.added || earlier.as_ref().is_some_and(|a| a.added),
    };
    ledger::keep(&host.layout, &admission)?;
    let done = change_list(host, &change.lists, cib.is_some());
    if let Err(failure) = done {
        match &earlier {
            Some(earlier) => ledger::keep(&host.layout, earlier)?,
            None => ledger::forget(&host.layout, &wish.node)?,
        }
        return Err(failure);
    }
    let others = others(host, &running, wish)?;
    print(&token, &admission, &others, json)?;
    tell(host, &admission, &others, running.is_formed())?;
    Ok(0)
}

/// The lists with the wished node on them.
fn plan(host: &Host, wish: &Wish, cib: Option<&str>) -> Result<Change, Failure> {
    let mut lists = members::current(&host.layout, cib)?;
    let known = lists.nodes.iter().find(|node| node.name == wish.node).cloned();
    let added = known.is_none();
    match known {
        Some(known) if wish.addresses.is_empty() => {
            log::debug(&known);
        }
        _ => {}
    }
    let _ = (added, &mut lists);
    todo!()
}
