//! A scenario as its file writes it, before the meaning is checked.
//!
//! These structs are the only description of the format: the structural check
//! is derived from them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One file of `vm-tests/`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    /// The file's own name without `.toml`.
    pub name: String,
    /// One line: the fault and what must hold.
    pub summary: String,
    /// A role, or `any`: every role with an address that has a profile.
    pub role: Option<String>,
    /// Instead of `role`, where several are tried, each by itself.
    #[serde(default)]
    pub roles: Vec<String>,
    /// All of them by default.
    #[serde(default)]
    pub suites: Vec<String>,
    /// How often a run repeats it for the statistics.
    pub repeat: Option<u16>,
    /// The same of single roles.
    #[serde(default)]
    pub repeat_of: BTreeMap<String, u16>,
    /// How long the whole scenario may take, the start not counted.
    pub budget: Option<String>,
    #[serde(default)]
    pub start: Start,
    #[serde(default)]
    pub client: Client,
    #[serde(default)]
    pub step: Vec<Step>,
    /// What must hold at the end.
    pub expect: Option<Expect>,
    /// Audits that this scenario may fail, each with the reason.
    #[serde(default)]
    pub allow: BTreeMap<String, String>,
    /// Audits that this scenario must fail, each with the reason.
    #[serde(default)]
    pub must_break: BTreeMap<String, String>,
}

/// One file of `vm-tests/roles/`: what the trials of a role need, unless a
/// scenario says otherwise.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Profile {
    /// The file's own name without `.toml`.
    pub role: String,
    /// The role has a virtual address that clients ask.
    pub address: Option<bool>,
    /// The role replicates by DRBD.
    pub replicated: Option<bool>,
    #[serde(default)]
    pub start: Start,
    #[serde(default)]
    pub client: Client,
}

/// How the cluster is formed before the first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FormedBy {
    /// Every node has the same answers and the shared secret.
    #[default]
    Secret,
    /// The first node is formed, the others join by a token each.
    Token,
    /// The role's packages are on offer, and nothing is installed.
    Nothing,
    /// Another tool, called by a shell script: for comparison.
    Script,
}

/// What fences the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fencing {
    /// A BMC for each node, asked by fence_ipmilan(8).
    #[default]
    Ipmi,
    /// sbd(8) with the watchdog and a shared disk.
    SbdDisk,
    /// sbd(8) with the watchdog alone.
    Watchdog,
    /// None: split brain is accepted in the answers.
    Unfenced,
}

/// The state before the first step.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Start {
    pub formed_by: Option<FormedBy>,
    pub nodes: Option<u8>,
    /// Nodes that exist, run, and are not in the cluster.
    pub spare_nodes: Option<u8>,
    pub links: Option<u8>,
    pub fencing: Option<Fencing>,
    /// An emulated watchdog in each node.
    pub watchdog: Option<bool>,
    /// corosync's token; the role's own setting without it.
    pub token: Option<String>,
    /// Sizes of blank disks in each node.
    pub disks: Option<Vec<String>>,
    /// Size of a blank disk that all nodes share.
    pub shared_disk: Option<String>,
    /// Answers beside those of recipes/answers.
    #[serde(default)]
    pub answers: BTreeMap<String, String>,
    /// Further roles on the same cluster.
    #[serde(default)]
    pub also: Vec<String>,
    /// Stand-ins for software that no archive has.
    pub stubs: Option<Vec<String>>,
    /// Packages of the suite beside those that the role depends on.
    pub packages: Option<Vec<String>>,
    /// Shell for every node before the cluster is formed.
    pub prepare: Option<Vec<String>>,
    /// Shell for the first node, which forms the cluster.
    pub script: Option<String>,
}

/// What the client on the switch does the whole time.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Client {
    pub ping: Option<bool>,
    /// Port that is connected to.
    pub tcp: Option<u16>,
    /// Path of a page that is fetched.
    pub http: Option<String>,
    pub port: Option<u16>,
    /// Numbered records are written and must be acknowledged.
    pub records: Option<bool>,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum FaultWord {
    PowerOff,
    Reset,
    Kill,
    Partition,
    LinkDown,
    Loss,
    Delay,
    Freeze,
    DiskFull,
    DiskError,
    FenceDevice,
    ClockJump,
    Misbehave,
}

/// What an administrator does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ActWord {
    Install,
    Apply,
    Reboot,
    ShutDown,
    Standby,
    Unstandby,
    Maintain,
    MaintainEnd,
    Upgrade,
    Remove,
    Purge,
    Leave,
    Join,
    Reconfigure,
    Cleanup,
    Move,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    Both,
    /// Only what the first of the two sends is lost.
    OneWay,
}

/// How a fence device fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    /// It does not answer at all.
    Dead,
    /// It takes the request and never answers.
    Hangs,
    /// It answers that it will not.
    Refuses,
    /// It says done, and does nothing.
    Lies,
}

/// One step: at most one of the verbs `fault`, `heal`, `act`, `run`, `wait`,
/// then what must hold.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Step {
    pub fault: Option<FaultWord>,
    /// The fault that ends, or `all`.
    pub heal: Option<String>,
    pub act: Option<ActWord>,
    /// Shell.
    pub run: Option<String>,
    pub wait: Option<String>,

    pub node: Option<String>,
    /// The member that takes a dead `node` out.
    pub on: Option<String>,
    #[serde(default)]
    pub between: Vec<String>,
    pub direction: Option<Direction>,
    /// 1 or 2; both without it.
    pub link: Option<u8>,
    pub process: Option<String>,
    pub signal: Option<String>,
    pub percent: Option<u8>,
    /// How much slower, how far the clock jumps: `250ms`, `-1h`.
    pub by: Option<String>,
    /// How long it lasts; until it is healed without it.
    #[serde(rename = "for")]
    pub lasting: Option<String>,
    pub path: Option<String>,
    pub disk: Option<String>,
    pub manner: Option<Manner>,
    /// A mode of the stub and its value.
    pub mode: Option<String>,
    pub value: Option<String>,
    #[serde(default)]
    pub packages: Vec<String>,
    /// For `cleanup`: of which resources failures are forgotten; of all without it.
    #[serde(default)]
    pub resources: Vec<String>,
    pub role: Option<String>,
    #[serde(default)]
    pub answers: BTreeMap<String, String>,
    /// The exit code that is right; 0 without it.
    pub exit: Option<u8>,
    /// What the output must contain.
    pub output: Option<String>,
    /// Do not wait for the end: the next steps happen in the middle of it.
    pub background: Option<bool>,

    /// Why, for the report.
    pub note: Option<String>,
    /// How long until what is expected holds.
    pub within: Option<String>,
    pub expect: Option<Expect>,
}

/// What must hold.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Expect {
    /// Who serves the address: a node, or `nobody`.
    pub vip: Option<String>,
    /// The longest time without an answer, since the step began.
    pub outage: Option<String>,
    #[serde(default)]
    pub online: Vec<String>,
    #[serde(default)]
    pub offline: Vec<String>,
    #[serde(default)]
    pub quorum: Vec<String>,
    #[serde(default)]
    pub no_quorum: Vec<String>,
    /// Nodes fenced since the step began: these and no other.
    pub fenced: Option<Vec<String>>,
    /// Resource to the node where it is active, or `nowhere`.
    #[serde(default)]
    pub resource: BTreeMap<String, String>,
    /// Promotable resource to the node where it is promoted, or `nowhere`.
    #[serde(default)]
    pub promoted: BTreeMap<String, String>,
    /// Resources of which an action has failed: these and no other.
    pub failed_actions: Option<Vec<String>>,
    /// How often the address changed hands since the step began.
    pub moves: Option<u8>,
    /// `state` of `ubuntu-ha status --json`, asked on `status-on`.
    pub state: Option<String>,
    /// Parts of what `ubuntu-ha status` says.
    #[serde(default)]
    pub status_says: Vec<String>,
    pub status_on: Option<String>,
    /// DRBD's connection: `Connected`, `StandAlone`, …
    pub replication: Option<String>,
}
