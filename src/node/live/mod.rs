//! The running cluster, as its own tools tell it.

mod corosync;
mod monitor;

use std::time::Duration;

use super::host::Host;
use super::problem::Failure;

pub use corosync::{Link, Quorum};

/// How long one of the tools may take. They ask daemons on this host, which
/// answer at once or not at all.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What runs now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Live {
    /// `systemctl is-active` says so.
    pub corosync: bool,
    /// `systemctl is-active` says so; what pacemaker knows is below once it
    /// answers, which `connected` tells.
    pub pacemaker: bool,
    /// Pacemaker answered.
    pub connected: bool,
    /// Corosync says that this partition has quorum.
    pub quorate: bool,
    /// What corosync counts; `None` where it does not run.
    pub quorum: Option<Quorum>,
    /// The knet links of this node to the others.
    pub links: Vec<Link>,
    /// Name of the designated controller.
    pub dc: Option<String>,
    /// Cluster property `maintenance-mode`.
    pub maintenance: bool,
    /// Cluster property `stonith-enabled`.
    pub stonith: bool,
    pub nodes: Vec<LiveNode>,
    pub resources: Vec<LiveResource>,
    pub failures: Vec<LiveFailure>,
    /// Newest first.
    pub fences: Vec<LiveFence>,
    /// Constraints that keep a resource off a node.
    pub bans: Vec<LiveBan>,
}

/// A node as pacemaker sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveNode {
    pub name: String,
    pub id: u32,
    pub online: bool,
    pub unclean: bool,
    pub standby: bool,
    /// Standby because a resource failed, not because it was asked for.
    pub standby_on_fail: bool,
    pub maintenance: bool,
    /// Corosync has it, its pacemaker has not joined yet.
    pub pending: bool,
    pub shutdown: bool,
}

/// An instance of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveResource {
    pub id: String,
    pub agent: String,
    /// Started, Stopped, Promoted, Unpromoted, …
    pub role: String,
    pub node: Option<String>,
    pub failed: bool,
    pub managed: bool,
    pub blocked: bool,
    /// Running, but no longer in the configuration.
    pub orphaned: bool,
    /// An action is under way: `Starting`, `Stopping`, `Monitoring`, …
    pub pending: Option<String>,
    /// `target-role` as configured.
    pub target_role: Option<String>,
    /// The group it is a member of.
    pub group: Option<String>,
    /// The clone it, or its group, is an instance of.
    pub clone: Option<String>,
}

impl LiveResource {
    pub fn is_stonith(&self) -> bool {
        self.agent.starts_with("stonith:")
    }

    /// Runs somewhere, in whatever role.
    pub fn is_active(&self) -> bool {
        self.node.is_some() && self.role != "Stopped"
    }

    /// The outermost id, which the configuration's constraints name.
    pub fn top(&self) -> &str {
        let top = self.clone.as_deref().or(self.group.as_deref());
        top.unwrap_or(&self.id)
    }
}

/// An action that failed and was not cleaned up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveFailure {
    pub resource: String,
    /// `start`, `monitor`, …
    pub task: String,
    pub node: String,
    /// `not running`, `error`, …
    pub status: String,
    /// What the agent gave as the reason; may be empty.
    pub reason: String,
    /// As pacemaker prints it.
    pub when: String,
}

/// A fencing action of the past, or one under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveFence {
    pub target: String,
    /// `reboot`, `off`, `on`.
    pub action: String,
    /// `success`, `failed`, `pending`.
    pub status: String,
    /// As pacemaker prints it; `None` while it is under way.
    pub when: Option<String>,
    /// The node that did it.
    pub by: Option<String>,
    pub reason: Option<String>,
}

/// A constraint with a negative score.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveBan {
    pub id: String,
    pub resource: String,
    pub node: String,
}

impl Live {
    pub fn node(&self, name: &str) -> Option<&LiveNode> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// Names of the resources that run on `node`, fence devices left out.
    pub fn on(&self, node: &str) -> Vec<&LiveResource> {
        let here = |resource: &&LiveResource| resource.node.as_deref() == Some(node);
        let active = self.resources.iter().filter(|r| r.is_active());
        active.filter(here).filter(|r| !r.is_stonith()).collect()
    }

    /// No node is about to do anything that pacemaker tells of.
    pub fn is_idle(&self) -> bool {
        let pending = |fence: &LiveFence| fence.status == "pending";
        !self.resources.iter().any(|r| r.pending.is_some())
            && !self.nodes.iter().any(|node| node.pending)
            && !self.fences.iter().any(pending)
    }
}

/// Asks corosync and pacemaker. A daemon that does not run is no failure.
///
/// # Errors
/// A tool is missing or gives an answer that is none.
pub fn read(host: &Host) -> Result<Live, Failure> {
    let mut live = Live {
        corosync: is_active(host, "corosync")?,
        pacemaker: is_active(host, "pacemaker")?,
        ..Live::default()
    };
    if live.corosync {
        live.quorum = corosync::quorum(host)?;
        live.quorate = live.quorum.as_ref().is_some_and(|quorum| quorum.quorate);
        live.links = corosync::links(host)?;
    }
    if live.pacemaker {
        monitor::read(host, &mut live)?;
    }
    Ok(live)
}

/// Whether systemd runs a unit.
///
/// # Errors
/// There is no systemctl.
pub fn is_active(host: &Host, unit: &str) -> Result<bool, Failure> {
    let done = host.run("systemctl", &["is-active", unit], PATIENCE)?;
    Ok(matches!(done.stdout.trim(), "active" | "reloading"))
}

/// The CIB with its status; `None` where pacemaker does not answer.
///
/// # Errors
/// cibadmin is missing, or hangs.
pub fn cib(host: &Host) -> Result<Option<String>, Failure> {
    let done = host.run("cibadmin", &["--query"], PATIENCE)?;
    Ok(done.success.then_some(done.stdout))
}
