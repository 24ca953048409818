//! The state of the cluster as one value, which the screen and the JSON show.

use serde::Serialize;

use super::facts::{Facts, Files};
use super::findings::{self, Finding};
use super::replica::Replica;
use crate::cluster::Fencing;
use crate::node::live::{LiveNode, LiveResource};

/// In one word; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Every service runs, and one more failure would be survived.
    Ok,
    /// Something is wrong, or not redundant.
    Degraded,
    /// No cluster was formed on this host.
    Unconfigured,
    /// It cannot be told.
    Unknown,
}

impl State {
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Degraded | Self::Unconfigured => 1,
            Self::Unknown => 3,
        }
    }
}

/// The whole answer of `ubuntu-ha status`. Fields are added, not changed.
#[derive(Debug, Serialize)]
pub struct Report {
    pub state: State,
    pub cluster: Option<String>,
    /// This host.
    pub node: String,
    pub maintenance: bool,
    pub quorum: Option<QuorumLine>,
    pub nodes: Vec<NodeLine>,
    pub links: Vec<LinkLine>,
    pub roles: Vec<RoleLine>,
    pub fencing: FencingLine,
    pub replication: Vec<Replica>,
    pub problems: Vec<Finding>,
}

#[derive(Debug, Serialize)]
pub struct QuorumLine {
    pub quorate: bool,
    pub votes: u32,
    pub expected: u32,
    pub needed: u32,
    /// Whether the quorum device votes; `null` where there is none.
    pub qdevice: Option<bool>,
}

#[derive(Debug, Serialize)]
pub struct NodeLine {
    pub name: String,
    pub id: u32,
    pub this: bool,
    /// online, standby, maintenance, pending, shutdown, offline, unclean.
    pub state: &'static str,
}

#[derive(Debug, Serialize)]
pub struct LinkLine {
    pub link: u32,
    /// This node's address.
    pub address: String,
    /// The node at the other end.
    pub node: String,
    pub connected: bool,
}

#[derive(Debug, Serialize)]
pub struct RoleLine {
    /// `null` for resources that are of no role.
    pub name: Option<String>,
    /// In the cluster; false where it is installed or was left.
    pub applied: bool,
    pub left: bool,
    pub resources: Vec<ResourceLine>,
}

#[derive(Debug, Serialize)]
pub struct ResourceLine {
    pub id: String,
    pub agent: String,
    /// What it is for: an address, a directory.
    pub what: String,
    pub instances: Vec<InstanceLine>,
}

#[derive(Debug, Serialize)]
pub struct InstanceLine {
    /// `null` where it runs nowhere.
    pub node: Option<String>,
    /// Started, Promoted, Unpromoted, Stopped, …
    pub role: String,
    pub failed: bool,
    pub managed: bool,
    pub blocked: bool,
    /// The node is lost and not fenced: nobody knows whether it still runs.
    pub uncertain: bool,
    pub pending: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct FencingLine {
    pub enabled: bool,
    /// "accept-split-brain" was answered.
    pub accept_split_brain: bool,
    pub devices: Vec<DeviceLine>,
    /// Newest first, of each node the last ones only.
    pub history: Vec<FenceLine>,
}

#[derive(Debug, Serialize)]
pub struct DeviceLine {
    pub id: String,
    pub agent: String,
    /// works: its monitor succeeds; idle: no node has to watch it now; failed.
    pub state: &'static str,
    /// The node that monitors it.
    pub node: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct FenceLine {
    pub target: String,
    pub action: String,
    /// success, failed, pending.
    pub status: String,
    pub when: Option<String>,
    pub by: Option<String>,
}

/// Judges the facts.
pub fn report(facts: &Facts) -> Report {
    let problems = findings::of(facts);
    let live = &facts.live;
    Report {
        state: state(facts, &problems),
        cluster: cluster_name(facts),
        node: facts.me.clone(),
        maintenance: live.maintenance,
        quorum: live.quorum.as_ref().map(|quorum| QuorumLine {
            quorate: quorum.quorate,
            votes: quorum.total,
            expected: quorum.expected,
            needed: quorum.needed,
            qdevice: quorum.qdevice,
        }),
        nodes: nodes(facts),
        links: live
            .links
            .iter()
            .map(|link| LinkLine {
                link: link.link,
                address: link.address.clone(),
                node: facts.node_name(link.node),
                connected: link.connected,
            })
            .collect(),
        roles: roles(facts),
        fencing: fencing(facts),
        replication: facts.replicas.clone(),
        problems,
    }
}

fn state(facts: &Facts, problems: &[Finding]) -> State {
    if !facts.configured() {
        return State::Unconfigured;
    }
    if facts.live.pacemaker && !facts.live.connected {
        return State::Unknown;
    }
    match problems.iter().any(Finding::is_wrong) {
        true => State::Degraded,
        false => State::Ok,
    }
}

fn cluster_name(facts: &Facts) -> Option<String> {
    let desired = match &facts.files {
        Files::Valid(desired) => Some(desired.name.clone()),
        _ => None,
    };
    let running = facts.cib.properties.get("cluster-name").cloned();
    running.or_else(|| facts.formed.clone()).or(desired)
}

/// The word for what a node is doing.
pub fn node_state(node: &LiveNode) -> &'static str {
    match node {
        LiveNode { unclean: true, .. } => "unclean",
        LiveNode { pending: true, .. } => "pending",
        LiveNode { online: false, .. } => "offline",
        LiveNode { shutdown: true, .. } => "shutdown",
        LiveNode { standby: true, .. }
        | LiveNode {
            standby_on_fail: true,
            ..
        } => "standby",
        LiveNode {
            maintenance: true, ..
        } => "maintenance",
        _ => "online",
    }
}

/// The nodes as pacemaker has them; where it does not run, as the files do.
fn nodes(facts: &Facts) -> Vec<NodeLine> {
    let mut lines: Vec<NodeLine> = facts
        .live
        .nodes
        .iter()
        .map(|node| NodeLine {
            name: node.name.clone(),
            id: node.id,
            this: node.name == facts.me,
            state: node_state(node),
        })
        .collect();
    for member in facts.members() {
        if !lines.iter().any(|line| line.name == member.name) {
            lines.push(NodeLine {
                name: member.name.clone(),
                id: member.id,
                this: member.name == facts.me,
                state: "offline",
            });
        }
    }
    lines.sort_by_key(|line| line.id);
    lines
}

fn roles(facts: &Facts) -> Vec<RoleLine> {
    let mut lines: Vec<RoleLine> = facts
        .roles
        .iter()
        .map(|role| RoleLine {
            name: Some(role.clone()),
            applied: false,
            left: facts.left.contains(role),
            resources: Vec::new(),
        })
        .collect();
    let mut others = Vec::new();
    for resource in facts.live.resources.iter().filter(|r| !r.is_stonith()) {
        let role = facts.role_of(&resource.id);
        let line = lines
            .iter_mut()
            .find(|line| line.name.as_deref() == role && role.is_some());
        let into = match line {
            Some(line) => {
                line.applied = true;
                &mut line.resources
            }
            None => &mut others,
        };
        let instance = instance(facts, resource);
        match into.iter_mut().find(|one| one.id == resource.id) {
            Some(one) => one.instances.push(instance),
            None => into.push(ResourceLine {
                id: resource.id.clone(),
                agent: resource.agent.clone(),
                what: facts.cib.what(&resource.id, &resource.agent),
                instances: vec![instance],
            }),
        }
    }
    if !others.is_empty() {
        lines.push(RoleLine {
            name: None,
            applied: true,
            left: false,
            resources: others,
        });
    }
    let all = lines.iter_mut().flat_map(|line| &mut line.resources);
    for resource in all {
        let rank = |instance: &InstanceLine| match instance.role.as_str() {
            "Promoted" => 0,
            "Stopped" => 2,
            _ => 1,
        };
        resource
            .instances
            .sort_by(|a, b| (rank(a), &a.node).cmp(&(rank(b), &b.node)));
    }
    lines
}

fn instance(facts: &Facts, resource: &LiveResource) -> InstanceLine {
    let node = resource
        .node
        .as_deref()
        .and_then(|name| facts.live.node(name));
    InstanceLine {
        node: resource.node.clone(),
        role: resource.role.clone(),
        failed: resource.failed,
        managed: resource.managed,
        blocked: resource.blocked,
        uncertain: node.is_some_and(|node| node.unclean),
        pending: resource.pending.clone(),
    }
}

/// How many past actions are shown of each node.
const HISTORY: usize = 2;

fn fencing(facts: &Facts) -> FencingLine {
    let live = &facts.live;
    let mut devices: Vec<DeviceLine> = live
        .resources
        .iter()
        .filter(|resource| resource.is_stonith())
        .map(|device| DeviceLine {
            id: device.id.clone(),
            agent: device.agent.replacen("stonith:", "", 1),
            state: findings::device_state(facts, device),
            node: device.node.clone(),
        })
        .collect();
    if facts.fences_by_watchdog() {
        devices.push(DeviceLine {
            id: "watchdog".into(),
            agent: "sbd".into(),
            state: if facts.sbd { "works" } else { "failed" },
            node: Some(facts.me.clone()),
        });
    }
    let mut history: Vec<FenceLine> = Vec::new();
    for fence in &live.fences {
        let shown = history.iter().filter(|line| line.target == fence.target);
        if shown.count() < HISTORY {
            history.push(FenceLine {
                target: fence.target.clone(),
                action: fence.action.clone(),
                status: fence.status.clone(),
                when: fence.when.clone(),
                by: fence.by.clone(),
            });
        }
    }
    FencingLine {
        enabled: live.stonith,
        accept_split_brain: accepts_split_brain(facts),
        devices,
        history,
    }
}

/// Nobody fences, and that is what was answered.
pub fn accepts_split_brain(facts: &Facts) -> bool {
    match &facts.files {
        Files::Valid(desired) => desired.fencing == Fencing::AcceptSplitBrain,
        _ => facts.live.connected && !facts.live.stonith,
    }
}
