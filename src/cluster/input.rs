//! What a cluster is designed from.

use std::collections::BTreeMap;

use crate::recipe::answer::Answers;
use crate::recipe::compiled::CompiledRole;

/// Everything that a design depends on; the same input gives the same bytes.
#[derive(Debug)]
pub struct Input<'a> {
    /// Answers to the node recipe's questions, valid on their own.
    pub cluster: &'a Answers,
    /// The roles of the cluster, sorted by name.
    pub roles: Vec<RoleAnswers<'a>>,
    pub platform: &'a Platform,
    /// Node ids that are in use, by name: those of [`super::node_ids`] where
    /// there is a corosync.conf of ours. They stay; other nodes get the next.
    pub ids: &'a BTreeMap<String, u32>,
}

/// A role and the valid answers to its questions.
#[derive(Debug, Clone, Copy)]
pub struct RoleAnswers<'a> {
    pub role: &'a CompiledRole,
    pub answers: &'a Answers,
}

/// The software that the configuration is for.
#[derive(Debug, Clone)]
pub struct Platform {
    /// Major and minor version of pacemaker.
    pub pacemaker: (u32, u32),
    pub drbd: DrbdVersion,
    /// What each agent says of itself, by its full name (`ocf:heartbeat:IPaddr2`,
    /// `stonith:fence_ipmilan`). An agent that is not named here is refused when
    /// `agents_known`, else it is taken on trust.
    pub agents: BTreeMap<String, AgentMetadata>,
    /// Whether `agents` is the whole truth of the host.
    pub agents_known: bool,
}

impl Platform {
    /// What is assumed where nothing is installed: the software of the suites,
    /// and any agent.
    pub fn trusted() -> Self {
        Self {
            pacemaker: (2, 1),
            drbd: DrbdVersion::V8_4,
            agents: BTreeMap::new(),
            agents_known: false,
        }
    }
}

/// Which configuration syntax the DRBD kernel module wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrbdVersion {
    V8_4,
    V9,
}

/// Parameters of an agent (OCF 1.1, 5.2; fence agents say it the same way).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentMetadata {
    pub parameters: BTreeMap<String, Parameter>,
    pub actions: Vec<String>,
}

/// One parameter of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameter {
    pub required: bool,
    /// `string`, `integer`, `boolean`, `select`, `second`.
    pub kind: String,
    pub default: Option<String>,
    /// Another one has taken its place.
    pub deprecated: bool,
    /// The parameters whose place it has taken.
    pub replaces: Vec<String>,
}

/// Something that must be changed before there can be a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The role it is about; `None` for the cluster's own settings.
    pub role: Option<String>,
    /// The question whose answer has to change, where it is one; of the role, or
    /// of the cluster where the role has none of that name.
    pub question: Option<String>,
    /// What is wrong and what to write instead.
    pub message: String,
}
