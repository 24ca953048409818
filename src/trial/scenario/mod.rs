//! Scenarios: the cluster that one starts from, what is done to it, and what
//! must hold. `vm-tests/README.md` describes the format.

mod act;
mod check;
mod expect;
mod fault;
mod load;
mod profile;
mod raw;
mod start;
mod steps;
mod takes;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::recipe::suite::Suite;

pub use act::{Act, quote};
pub use fault::Fault;
pub use load::{load, load_all, parse};
pub use profile::{ANY, Profile, load_profile, load_profiles};
pub use raw::{ActWord, Direction, FaultWord, Fencing, FormedBy, Manner};
pub use words::{NODE_NAMES, SELECTORS, Who, duration, resource, told};

/// The virtual address that trials use: RFC 5737, like recipes/answers.
pub const VIP: &str = "192.0.2.10";

/// A checked scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub file: PathBuf,
    pub name: String,
    pub summary: String,
    /// Each is tried by itself.
    pub roles: Vec<String>,
    pub suites: Vec<&'static Suite>,
    /// At least 1.
    pub repeat: u16,
    /// The same of single roles.
    pub repeat_of: BTreeMap<String, u16>,
    /// For all steps together, in scaled time.
    pub budget: Duration,
    pub start: Start,
    /// The profile's, without one.
    pub client: Option<Client>,
    pub steps: Vec<Step>,
    /// What must hold at the end; selectors are those of the end.
    pub end: Vec<Expectation>,
    /// Audit to the reason why it may fail here.
    pub allow: BTreeMap<String, String>,
    /// The same of audits that have to fail: one that holds has seen nothing.
    pub must_break: BTreeMap<String, String>,
}

impl Scenario {
    /// How often a run repeats it for that role.
    pub fn times(&self, role: &str) -> u16 {
        self.repeat_of.get(role).copied().unwrap_or(self.repeat)
    }
}

/// The cluster before the first step. Equal starts share a template. What is
/// `None` the role's profile decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Start {
    pub formed_by: FormedBy,
    pub nodes: u8,
    pub spare_nodes: u8,
    pub links: u8,
    pub fencing: Option<Fencing>,
    pub watchdog: bool,
    pub token: Option<Duration>,
    /// Bytes of each blank disk.
    pub disks: Option<Vec<u64>>,
    pub shared_disk: Option<u64>,
    pub answers: BTreeMap<String, String>,
    pub also: Vec<String>,
    pub stubs: Option<Vec<String>>,
    /// Packages of the suite beside those that the role depends on.
    pub packages: Option<Vec<String>>,
    pub prepare: Option<Vec<String>>,
    /// For the first node; with [`FormedBy::Script`].
    pub script: Option<String>,
}

impl Start {
    /// Names of the members.
    pub fn members(&self) -> &'static [&'static str] {
        &NODE_NAMES[..usize::from(self.nodes)]
    }

    /// Names of all machines, the spare ones last.
    pub fn machines(&self) -> &'static [&'static str] {
        &NODE_NAMES[..usize::from(self.nodes + self.spare_nodes)]
    }
}

/// What the client does beside asking by ARP who has the address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Client {
    pub ping: bool,
    /// Connects to this port, and sends nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<u16>,
    /// Path of a page, and the port.
    pub http: Option<(String, u16)>,
    /// Writes numbered records to this port.
    pub records: Option<u16>,
}

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// In the file, counted from 1.
    pub line: usize,
    pub verb: Verb,
    pub note: Option<String>,
    /// Until all of `expect` holds, in scaled time.
    pub within: Duration,
    pub expect: Vec<Expectation>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    Fault(Fault<Who>),
    /// One that is ended again after that time, which is not stretched.
    Brief(Fault<Who>, Duration),
    /// Ends the faults of that word that befell this node; of every node
    /// without one.
    Heal(FaultWord, Option<Who>),
    HealAll,
    Act(Act<Who>, Outcome),
    Run {
        node: Who,
        shell: String,
        outcome: Outcome,
    },
    Wait(Duration),
    /// Only looks.
    Look,
}

/// How a command must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Ends {
        exit: u8,
        /// What stdout or stderr must contain.
        output: Option<String>,
    },
    /// Nobody waits for it.
    Background,
}

impl Outcome {
    /// A command that ended so has done what it was asked for.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Ends { exit: 0, .. })
    }
}

impl Verb {
    /// In plain words, with the nodes as `name` calls them.
    pub fn told<E>(&self, mut name: impl FnMut(&Who) -> Result<String, E>) -> Result<String, E> {
        Ok(match self {
            Self::Fault(fault) => fault.bind(&mut name)?.to_string(),
            Self::Brief(fault, time) => format!("{} for {}", fault.bind(&mut name)?, told(*time)),
            Self::Heal(word, Some(who)) => format!("heal {} of {}", word.text(), name(who)?),
            Self::Heal(word, None) => format!("heal {}", word.text()),
            Self::HealAll => "heal everything".into(),
            Self::Act(act, _) => act.bind(&mut name)?.to_string(),
            Self::Run { node, shell, .. } => {
                let line = shell.trim().lines().next().unwrap_or_default();
                format!("run on {}: {line}", name(node)?)
            }
            Self::Wait(time) => format!("wait {}", told(*time)),
            Self::Look => "look".into(),
        })
    }
}

/// What must hold, after a step or at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// Who answers for the address; nobody with `None`.
    Vip(Option<Who>),
    /// No longer than this without an answer since the step began, in scaled
    /// time.
    Outage(Duration),
    Online(Nodes),
    Offline(Nodes),
    Quorum(Nodes),
    NoQuorum(Nodes),
    /// Exactly these were fenced since the step began.
    Fenced(Vec<Who>),
    /// Where a resource is active; nowhere with `None`.
    Resource(String, Option<Nodes>),
    Promoted(String, Option<Nodes>),
    /// Of exactly these resources an action has failed.
    FailedActions(Vec<String>),
    Moves(u8),
    State {
        on: Option<Who>,
        state: String,
    },
    Says {
        on: Option<Who>,
        text: String,
    },
    Replication {
        on: Option<Who>,
        connection: String,
    },
}

impl Expectation {
    /// Whether the client and a node's addresses tell, without asking the
    /// cluster.
    pub fn by_glance(&self) -> bool {
        matches!(self, Self::Vip(_) | Self::Outage(_) | Self::Moves(_))
    }
}

/// Some nodes, or every member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nodes {
    All,
    These(Vec<Who>),
}
