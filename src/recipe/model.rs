//! The recipe as data: what a TOML file of `recipes/` may say.
//!
//! The structs here are the only description of the format: the parser, the
//! structural check and `hapkg schema` are all derived from them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[cfg(feature = "packager")]
use schemars::JsonSchema;

/// One recipe: a role of the cluster, or one of the support packages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What the role is called and what it is for.
    pub role: Role,
    /// Package relations common to every suite.
    #[serde(default)]
    pub packages: Packages,
    /// What differs in one suite, by the suite's code name (`noble`).
    #[serde(default)]
    pub suite: BTreeMap<String, SuiteChange>,
    /// The role's questions, in the order they are asked.
    #[serde(default)]
    pub question: Vec<Question>,
    /// DRBD resources.
    #[serde(default)]
    pub drbd: Vec<Drbd>,
    /// Volume groups and their logical volumes.
    #[serde(default)]
    pub lvm: Vec<Lvm>,
    /// Filesystems made once and mounted by the cluster.
    #[serde(default)]
    pub filesystem: Vec<Filesystem>,
    /// Pacemaker primitives.
    #[serde(default)]
    pub resource: Vec<Resource>,
    /// Pacemaker groups: members start in order, on one node.
    #[serde(default)]
    pub group: Vec<Group>,
    /// Plain and promotable clones.
    #[serde(default)]
    pub clone: Vec<CloneSpec>,
    /// Order constraints.
    #[serde(default)]
    pub order: Vec<Order>,
    /// Colocation constraints.
    #[serde(default)]
    pub colocation: Vec<Colocation>,
    /// Whether the role may run without a fence device.
    #[serde(default)]
    pub fencing: Fencing,
    /// Cluster properties the role needs, such as `no-quorum-policy`.
    #[serde(default)]
    pub property: BTreeMap<String, String>,
    /// Files that the package installs.
    #[serde(default)]
    pub file: Vec<FileSpec>,
    /// Shell run at fixed points of the package's life.
    #[serde(default)]
    pub hooks: Hooks,
    /// The role's entry in tasksel; a role without it is no task.
    pub tasksel: Option<Tasksel>,
    /// The role's history, newest first. At least one entry.
    #[serde(default)]
    pub changelog: Vec<Change>,
}

/// The head of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Lower-case name; the package is `ubuntu-ha-NAME` (policy 5.6.7).
    pub name: String,
    /// What the package carries.
    #[serde(default)]
    pub kind: Kind,
    /// One line of at most 60 characters, no final full stop (policy 3.4.1).
    pub summary: String,
    /// Paragraphs separated by blank lines (policy 5.6.13).
    pub description: String,
    /// Upstream version without a hyphen, such as `1.0`; each suite adds its
    /// own suffix, so that the same version is never used twice.
    pub version: String,
    /// `Name <address>` of who answers for the package.
    #[serde(default = "default_maintainer")]
    pub maintainer: String,
    /// Web page of the role.
    pub homepage: Option<String>,
}

fn default_maintainer() -> String {
    "Ubuntu HA packagers <ha@example.org>".into()
}

/// What a recipe's package carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A role: meta-package, questions, role file.
    #[default]
    Role,
    /// The node program `ubuntu-ha` and the cluster-wide questions.
    Node,
    /// OCF resource agents.
    Agents,
    /// The tasksel entries of all roles.
    Tasks,
}

/// Package relations; each entry is one alternative group in deb822 syntax,
/// such as `drbd-utils (>= 9.15)` or `csync2 | unison`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Packages {
    #[serde(default)]
    pub depends: Vec<String>,
    #[serde(default)]
    pub recommends: Vec<String>,
    #[serde(default)]
    pub suggests: Vec<String>,
    #[serde(default)]
    pub conflicts: Vec<String>,
    #[serde(default)]
    pub breaks: Vec<String>,
    #[serde(default)]
    pub replaces: Vec<String>,
    #[serde(default)]
    pub provides: Vec<String>,
}

/// How one suite differs from `[packages]`. Applied in the order remove,
/// replace, add.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SuiteChange {
    /// Package name to the names that stand for it in this suite.
    #[serde(default)]
    pub replace: BTreeMap<String, Vec<String>>,
    /// Relations only this suite has.
    #[serde(default)]
    pub add: Packages,
    /// Package names this suite does without.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// One question, asked by debconf, preseeded, or answered in the admin's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Lower-case letters, digits and `_`; unique in the recipe.
    pub name: String,
    /// What a valid answer looks like.
    #[serde(rename = "type")]
    pub kind: QuestionType,
    /// Debconf priority.
    #[serde(default)]
    pub priority: Priority,
    /// The short description; ends in `:`, or in `?` for a boolean.
    pub prompt: String,
    /// The extended description: paragraphs separated by blank lines.
    pub help: String,
    /// Value offered before anyone has answered.
    pub default: Option<String>,
    /// An optional question may be left empty.
    #[serde(default)]
    pub optional: bool,
    /// Smallest integer accepted; for a password the shortest one in bytes, 8
    /// where absent.
    pub min: Option<i64>,
    /// Largest integer accepted; for a password or a string the longest one in
    /// bytes, 255 where absent.
    pub max: Option<i64>,
    /// What a `choice` offers, in order.
    #[serde(default)]
    pub choices: Vec<String>,
    /// Asked only when these earlier questions have these answers; `|` stands
    /// between alternatives: `ipmi|ipmi-then-sbd`.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
}

/// What stands between the alternatives of a `when`.
const OR: char = '|';

/// The answers that one entry of `when` is content with. An empty one stands for
/// a question that was left empty, or not asked.
pub fn alternatives(wanted: &str) -> impl Iterator<Item = &str> {
    wanted.split(OR)
}

/// Type of an answer. Validated alike by debconf, `check`, `plan`, `apply`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
pub enum QuestionType {
    /// IPv4 or IPv6 address.
    #[serde(rename = "address")]
    Address,
    /// Address and prefix length, `192.0.2.10/24`.
    #[serde(rename = "address/prefix")]
    AddressPrefix,
    /// One host name label or a dotted name (RFC 1123).
    #[serde(rename = "host-name")]
    HostName,
    /// Name of a host, or its address.
    #[serde(rename = "host")]
    Host,
    /// `alpha=192.0.2.11 beta=192.0.2.12`, a second link after a comma:
    /// `alpha=192.0.2.11,198.51.100.11`.
    #[serde(rename = "node-list")]
    NodeList,
    /// Absolute path under /dev.
    #[serde(rename = "block-device")]
    BlockDevice,
    /// Absolute path without `..`.
    #[serde(rename = "path")]
    Path,
    /// Whole number between `min` and `max`.
    #[serde(rename = "integer")]
    Integer,
    /// One of `choices`.
    #[serde(rename = "choice")]
    Choice,
    /// `true` or `false`.
    #[serde(rename = "boolean")]
    Boolean,
    /// Secret: never echoed, cleared from debconf, kept with mode 0600.
    #[serde(rename = "password")]
    Password,
    /// One line without quotes, backslashes or control characters.
    #[serde(rename = "string")]
    Text,
}

impl QuestionType {
    /// Whether `max` limits the length of the answer.
    pub fn has_length(self) -> bool {
        matches!(self, QuestionType::Password | QuestionType::Text)
    }
}

#[cfg(feature = "packager")]
impl QuestionType {
    /// The type of the question's template (debconf-devel(7)).
    pub fn debconf(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Choice => "select",
            Self::Password => "password",
            _ => "string",
        }
    }

    /// The type as a recipe spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::AddressPrefix => "address/prefix",
            Self::HostName => "host-name",
            Self::Host => "host",
            Self::NodeList => "node-list",
            Self::BlockDevice => "block-device",
            Self::Path => "path",
            Self::Integer => "integer",
            Self::Choice => "choice",
            Self::Boolean => "boolean",
            Self::Password => "password",
            Self::Text => "string",
        }
    }
}

/// Debconf priority (debconf-devel(7)); the most urgent is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    Critical,
    #[default]
    High,
    Medium,
    Low,
}

impl Priority {
    /// As debconf writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// A DRBD resource, one volume, two nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Drbd {
    /// Resource name, also the name of its `.res` file.
    pub id: String,
    /// Backing device on every node; usually `{{ device }}`.
    pub device: String,
    /// Minor number of `/dev/drbdN`.
    #[serde(default)]
    pub minor: u32,
    /// TCP port of the replication link.
    #[serde(default = "default_drbd_port")]
    pub port: u16,
    /// The boolean question that allows erasing the backing device.
    pub erase: String,
}

fn default_drbd_port() -> u16 {
    7788
}

/// A volume group and its logical volumes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Lvm {
    /// Volume group name.
    pub id: String,
    /// Physical volume; usually `{{ device }}`.
    pub device: String,
    /// Locked through lvmlockd, usable on all nodes at once.
    #[serde(default)]
    pub shared: bool,
    /// Logical volume name to size in lvcreate(8) terms, `10G` or `100%FREE`.
    pub volumes: BTreeMap<String, String>,
    /// The boolean question that allows erasing the device.
    pub erase: String,
}

/// A filesystem that is made once, when its device is blank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Filesystem {
    pub id: String,
    /// `drbd:RESOURCE`, `lvm:GROUP/VOLUME`, or a path.
    pub device: String,
    /// ext4, xfs, ocfs2, gfs2, or a template of a choice question.
    #[serde(rename = "type")]
    pub kind: String,
    /// Mount point.
    pub mount: String,
    /// Directories whose content moves onto the filesystem, leaving a link.
    #[serde(default)]
    pub migrate: Vec<String>,
}

/// A pacemaker primitive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Unique in the recipe; in the CIB the role's name is put before it.
    pub id: String,
    /// `ocf:PROVIDER:TYPE`, `systemd:UNIT` or `systemd:{{ question }}`.
    pub agent: String,
    /// Instance attributes; values may hold `{{ question }}` templates.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// Meta attributes.
    #[serde(default)]
    pub meta: BTreeMap<String, String>,
    /// Interval of the plain monitor, `10s`.
    pub monitor: Option<String>,
    /// Operations with settings of their own.
    #[serde(default)]
    pub operation: Vec<Operation>,
    /// Present only when these questions have these answers; `|` stands between
    /// alternatives.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
}

/// An operation of a resource. Times carry a unit: `20s`, `10min`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// start, stop, monitor, promote, demote, notify.
    pub name: String,
    pub interval: Option<String>,
    pub timeout: Option<String>,
    /// `Promoted` or `Unpromoted`, for monitors of a promotable clone.
    pub role: Option<String>,
    /// OCF_CHECK_LEVEL of a monitor.
    pub depth: Option<u32>,
}

/// A pacemaker group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub id: String,
    /// Resource ids in starting order.
    pub members: Vec<String>,
}

/// A clone of a resource or a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CloneSpec {
    pub id: String,
    /// The resource or group that is cloned.
    pub of: String,
    #[serde(default)]
    pub promotable: bool,
    /// Meta attributes such as `interleave`, `notify`, `promoted-max`.
    #[serde(default)]
    pub meta: BTreeMap<String, String>,
}

/// An order constraint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub first: String,
    /// start (the default), promote, stop, demote.
    pub first_action: Option<String>,
    pub then: String,
    pub then_action: Option<String>,
}

/// A colocation constraint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Colocation {
    /// The resource that is placed.
    pub resource: String,
    /// The resource it is placed by.
    pub with: String,
    /// `Promoted` or `Unpromoted`, where `with` is a promotable clone.
    pub with_role: Option<String>,
    /// `INFINITY` (the default), `-INFINITY`, or a number.
    pub score: Option<String>,
}

/// The role's need for fencing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Fencing {
    #[serde(default)]
    pub need: FencingNeed,
}

/// How much a role needs fencing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FencingNeed {
    /// The role refuses to run without a working fence device.
    #[default]
    Required,
    /// May run with an explicit accept-split-brain.
    Recommended,
}

/// A file the package installs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Absolute path in the target; never under /etc of another package.
    pub path: String,
    /// The text itself; this or `source`.
    pub content: Option<String>,
    /// File beside the recipe that holds it; this or `content`.
    pub source: Option<String>,
    /// Octal mode, `0644` or `0755`.
    #[serde(default = "default_mode")]
    pub mode: String,
}

fn default_mode() -> String {
    "0644".into()
}

/// POSIX shell put into the maintainer scripts; `set -e` is on, stdout is
/// debconf's, so messages go to stderr.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Hooks {
    /// postinst, after the answers were written and found valid.
    pub configure: Option<String>,
    /// prerm, before the package's files go.
    pub remove: Option<String>,
    /// postrm, on purge, before the role's own files are removed.
    pub purge: Option<String>,
}

/// The role's stanza in the tasksel description.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Tasksel {
    /// The line shown in the menu.
    pub title: String,
    /// Paragraphs shown as help; tasksel dies without them.
    pub description: String,
    /// 0 to 9; a smaller number stands higher in the menu.
    #[serde(default = "default_relevance")]
    pub relevance: u8,
}

fn default_relevance() -> u8 {
    5
}

/// One entry of the changelog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "packager", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The role's version that this entry describes.
    pub version: String,
    /// RFC 3339 date and time with offset: `2026-11-01T12:00:00Z`.
    pub date: String,
    /// One item per line of the entry.
    pub changes: Vec<String>,
    /// Who made it; the maintainer where absent.
    pub author: Option<String>,
}
