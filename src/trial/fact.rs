//! What is known about a trial: collected while it runs, judged afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Everything that the audits look at. Times are since the scenario began, by
/// the driver's clock.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The members as they are at the end, and those that have left.
    pub nodes: Vec<NodeFacts>,
    /// What each node held, asked again and again.
    pub sightings: Vec<Sighting>,
    /// When no member answered: all were off, frozen or booting. None where
    /// nobody looked, or there is one member only.
    pub dark: Option<Vec<Dark>>,
    pub probes: Vec<Probe>,
    /// Hardware address to node, to tell who answered by ARP.
    pub macs: BTreeMap<String, String>,
    /// Why the address is not served at the end, nothing where it is; none where
    /// there is no address.
    pub unserved: Option<Vec<String>>,
    /// Actions that failed, were no part of the scenario, and of which pacemaker
    /// tells no more.
    pub forgotten: Vec<String>,
    /// Why the service does not count as one that takes records at the end.
    pub unwritten: Option<String>,
    pub records: Option<Records>,
    pub applied: Vec<Applied>,
    /// A step has failed: what comes after it was not done.
    pub stopped: bool,
    /// A role with DRBD: there has to be a primary somewhere.
    pub replicated: bool,
}

impl Facts {
    /// The members at the end.
    pub fn members(&self) -> impl Iterator<Item = &NodeFacts> {
        self.nodes.iter().filter(|node| !node.left)
    }
}

/// One node at the end.
#[derive(Debug, Clone, Default)]
pub struct NodeFacts {
    pub name: String,
    /// It was a member, and is none any more.
    pub left: bool,
    /// `crm_mon --output-as=xml`.
    pub crm_mon: String,
    /// `corosync-quorumtool -s`.
    pub quorum: String,
    /// What is wrong with DRBD's replicas, as this node sees them.
    pub unmirrored: Option<String>,
    /// `ubuntu-ha status --json`.
    pub status: String,
    pub journal: Vec<Line>,
    /// What came over the serial line since the scenario began.
    pub console: String,
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Since the scenario began, by the driver's clock.
    pub at: Duration,
    /// `pacemaker-controld`, `corosync`, `kernel`, …
    pub from: String,
    pub text: String,
}

/// What must be in one place only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Single {
    /// The virtual address is on an interface.
    Address,
    /// DRBD is primary.
    Primary,
    /// A filesystem that only one node may mount is mounted.
    Mount,
}

/// A node was asked at `begin` and had answered at `end`; what it answered was
/// true at some moment between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    pub node: String,
    pub what: Single,
    pub begin: Duration,
    pub end: Duration,
    pub held: bool,
}

/// A time without any member, by the looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dark {
    pub from: Duration,
    pub to: Duration,
}

/// How a probe asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeKind {
    Arp,
    Ping,
    Tcp,
    Http,
    Write,
}

impl ProbeKind {
    /// Those that ask whether the address serves, the nearest to what clients do
    /// first: a page, else a connection, an echo, an answer to ARP.
    pub const NEAREST: [ProbeKind; 4] = [Self::Http, Self::Tcp, Self::Ping, Self::Arp];

    pub fn text(self) -> &'static str {
        match self {
            Self::Arp => "ARP",
            Self::Ping => "ping",
            Self::Tcp => "TCP",
            Self::Http => "HTTP",
            Self::Write => "write",
        }
    }
}

/// One question of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    pub at: Duration,
    pub kind: ProbeKind,
    /// It was answered as it should be.
    pub good: bool,
    /// Hardware addresses that answered, for ARP.
    pub from: Vec<String>,
}

/// Records that a client wrote through the address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// Numbers that were acknowledged, in that order.
    pub acknowledged: Vec<u64>,
    /// What the service has stored, in that order.
    pub stored: Vec<u64>,
}

/// A second `ubuntu-ha apply` on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    pub node: String,
    pub exit: i32,
    pub output: String,
    /// Digests of files and the CIB's configuration, before and after.
    pub before: String,
    pub after: String,
}
