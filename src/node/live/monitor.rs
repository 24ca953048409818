//! What pacemaker tells: crm_mon(8) as XML, pacemaker 2.1 and 3.0.

use roxmltree::{Document, Node};

use super::{Live, LiveBan, LiveFailure, LiveFence, LiveNode, LiveResource, PATIENCE};
use crate::cluster::unescaped;
use crate::node::host::Host;
use crate::node::problem::Failure;

/// Puts what crm_mon says into `live`; leaves it where pacemaker does not
/// answer yet.
pub fn read(host: &Host, live: &mut Live) -> Result<(), Failure> {
    let done = host.run("crm_mon", &["--output-as=xml", "-1"], PATIENCE)?;
    if !done.success {
        return Ok(());
    }
    parse(&done.stdout, live).map_err(|error| {
        Failure::environment(
            format!("the answer of crm_mon is not understood: {error}"),
            "run crm_mon --output-as=xml -1 and look at it".into(),
        )
    })
}

/// Reads one document.
///
/// # Errors
/// It is no XML.
pub fn parse(text: &str, live: &mut Live) -> Result<(), roxmltree::Error> {
    let document = Document::parse(text)?;
    let root = document.root_element();
    let code = child(root, "status").and_then(|status| status.attribute("code"));
    if code.is_some_and(|code| code != "0") {
        return Ok(());
    }
    live.connected = true;
    if let Some(summary) = child(root, "summary") {
        read_summary(summary, live);
    }
    live.nodes = children(root, "nodes").map(node).collect();
    for item in elements(root, "resources") {
        collect(item, &Place::default(), &mut live.resources);
    }
    live.failures = children(root, "failures").map(failure).collect();
    live.fences = children(root, "fence_history").map(fence).collect();
    live.bans = children(root, "bans").map(ban).collect();
    Ok(())
}

fn read_summary(summary: Node<'_, '_>, live: &mut Live) {
    if let Some(dc) = child(summary, "current_dc") {
        live.dc = dc.attribute("name").map(String::from);
    }
    if let Some(options) = child(summary, "cluster_options") {
        live.maintenance = flag(options, "maintenance-mode");
        live.stonith = flag(options, "stonith-enabled");
    }
}

fn node(node: Node<'_, '_>) -> LiveNode {
    LiveNode {
        name: text(node, "name"),
        id: text(node, "id").parse().unwrap_or_default(),
        online: flag(node, "online"),
        unclean: flag(node, "unclean"),
        standby: flag(node, "standby"),
        standby_on_fail: flag(node, "standby_onfail"),
        maintenance: flag(node, "maintenance"),
        pending: flag(node, "pending"),
        shutdown: flag(node, "shutdown"),
    }
}

/// What a resource is part of.
#[derive(Debug, Clone, Default)]
struct Place {
    group: Option<String>,
    clone: Option<String>,
}

/// An instance number is not part of a clone's name: `ip:0`, `group:1`.
fn plain(id: &str) -> String {
    id.split(':').next().unwrap_or(id).to_string()
}

fn collect(item: Node<'_, '_>, place: &Place, into: &mut Vec<LiveResource>) {
    let id = item.attribute("id").map(plain);
    let mut inside = place.clone();
    match item.tag_name().name() {
        "group" => inside.group = id,
        "clone" => inside.clone = id,
        "resource" => return instances(item, place, into),
        // Bundles are not ours, and replicas have containers of their own.
        _ => return,
    }
    for member in item.children().filter(Node::is_element) {
        collect(member, &inside, into);
    }
}

fn instances(item: Node<'_, '_>, place: &Place, into: &mut Vec<LiveResource>) {
    let role = match item.attribute("role").unwrap_or_default() {
        "Master" => "Promoted",
        "Slave" => "Unpromoted",
        role => role,
    };
    let one = LiveResource {
        id: plain(&text(item, "id")),
        agent: text(item, "resource_agent"),
        role: role.into(),
        node: None,
        failed: flag(item, "failed"),
        managed: flag(item, "managed"),
        blocked: flag(item, "blocked"),
        orphaned: flag(item, "orphaned"),
        pending: item.attribute("pending").map(String::from),
        target_role: item.attribute("target_role").map(String::from),
        group: place.group.clone(),
        clone: place.clone.clone(),
    };
    let on: Vec<String> = item
        .children()
        .filter(|node| node.has_tag_name("node"))
        .map(|node| text(node, "name"))
        .collect();
    if on.is_empty() {
        into.push(one);
        return;
    }
    // More than one: pacemaker found it active twice.
    into.extend(on.into_iter().map(|node| LiveResource {
        node: Some(node),
        ..one.clone()
    }));
}

fn failure(node: Node<'_, '_>) -> LiveFailure {
    let key = node.attribute("op_key").or_else(|| node.attribute("id"));
    let key = key.unwrap_or_default();
    // RESOURCE_TASK_INTERVAL; a resource's id may have underscores itself.
    let mut parts = key.rsplitn(3, '_');
    let (_, task, resource) = (parts.next(), parts.next(), parts.next());
    LiveFailure {
        resource: plain(resource.unwrap_or(key)),
        task: match node.attribute("task") {
            Some(task) => task.into(),
            None => task.unwrap_or_default().into(),
        },
        node: text(node, "node"),
        status: text(node, "exitstatus"),
        reason: unescaped(&text(node, "exitreason")),
        when: text(node, "last-rc-change"),
    }
}

fn fence(node: Node<'_, '_>) -> LiveFence {
    let optional = |name| node.attribute(name).map(String::from);
    LiveFence {
        target: text(node, "target"),
        action: text(node, "action"),
        status: text(node, "status"),
        when: optional("completed"),
        by: optional("delegate"),
        reason: optional("exit-reason"),
    }
}

fn ban(node: Node<'_, '_>) -> LiveBan {
    LiveBan {
        id: text(node, "id"),
        resource: text(node, "resource"),
        node: text(node, "node"),
    }
}

fn elements<'a, 'i>(root: Node<'a, 'i>, name: &str) -> impl Iterator<Item = Node<'a, 'i>> {
    let list = child(root, name).into_iter();
    list.flat_map(|list| list.children().filter(Node::is_element))
}

/// The elements of a list, whatever else is in it.
fn children<'a, 'i>(root: Node<'a, 'i>, name: &str) -> impl Iterator<Item = Node<'a, 'i>> {
    let wanted = match name {
        "nodes" => "node",
        "failures" => "failure",
        "fence_history" => "fence_event",
        _ => "ban",
    };
    elements(root, name).filter(move |node| node.has_tag_name(wanted))
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn text(node: Node<'_, '_>, name: &str) -> String {
    node.attribute(name).unwrap_or_default().into()
}

fn flag(node: Node<'_, '_>, name: &str) -> bool {
    node.attribute(name) == Some("true")
}
