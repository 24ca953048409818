//! The node recipe's answers, by their meaning.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::refuse::Refusals;
use super::{Input, Member, SbdTimeouts};
use crate::recipe::answer::{Answer, Answers, Node};

/// Names of the node recipe's questions.
pub(super) mod question {
    pub const CLUSTER_NAME: &str = "cluster_name";
    pub const NODES: &str = "nodes";
    pub const FENCING: &str = "fencing";
    pub const IPMI_ADDRESSES: &str = "ipmi_addresses";
    pub const IPMI_USER: &str = "ipmi_user";
    pub const IPMI_PASSWORD: &str = "ipmi_password";
    pub const FENCE_AGENT: &str = "fence_agent";
    pub const FENCE_PARAMETERS: &str = "fence_parameters";
    pub const FENCE_PASSWORD: &str = "fence_password";
    pub const SBD_DEVICE: &str = "sbd_device";
    pub const SBD_WATCHDOG: &str = "sbd_watchdog";
    pub const SBD_WATCHDOG_TIMEOUT: &str = "sbd_watchdog_timeout";
    pub const TOKEN: &str = "token";
    pub const QDEVICE: &str = "qdevice";
}

/// Milliseconds; the default of corosync.conf(5).
const TOKEN: u32 = 3000;

/// Seconds; the default of sbd(8).
const SBD_WATCHDOG_TIMEOUT: u32 = 5;

/// What the whole cluster shares.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    pub answers: &'a Answers,
    pub name: String,
    pub members: Vec<Member>,
    /// Milliseconds.
    pub token: u32,
    /// Seconds.
    pub sbd_watchdog_timeout: u32,
    /// Host of corosync-qnetd(8).
    pub qdevice: Option<String>,
    pub fencing: Choice,
}

/// The answer to `fencing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Later,
    AcceptSplitBrain,
    Ipmi,
    Agent,
    Sbd,
    IpmiThenAgent,
    IpmiThenSbd,
}

impl Choice {
    pub fn ipmi(self) -> bool {
        matches!(self, Self::Ipmi | Self::IpmiThenAgent | Self::IpmiThenSbd)
    }

    pub fn agent(self) -> bool {
        matches!(self, Self::Agent | Self::IpmiThenAgent)
    }

    pub fn sbd(self) -> bool {
        matches!(self, Self::Sbd | Self::IpmiThenSbd)
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "later" => Self::Later,
            "accept-split-brain" => Self::AcceptSplitBrain,
            "ipmi" => Self::Ipmi,
            "agent" => Self::Agent,
            "sbd" => Self::Sbd,
            "ipmi-then-agent" => Self::IpmiThenAgent,
            "ipmi-then-sbd" => Self::IpmiThenSbd,
            _ => return None,
        })
    }
}

impl Settings<'_> {
    pub fn sbd(&self) -> SbdTimeouts {
        SbdTimeouts::new(self.sbd_watchdog_timeout)
    }

    pub fn text(&self, question: &str) -> Option<String> {
        self.answers
            .get(question)
            .map(Answer::text)
            .filter(|text| !text.is_empty())
    }

    pub fn nodes(&self, question: &str) -> &[Node] {
        match self.answers.get(question) {
            Some(Answer::NodeList(nodes)) => nodes,
            _ => &[],
        }
    }

    /// Names of the members, by blanks.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.members.iter().map(|m| m.name.as_str()).collect();
        names.join(" ")
    }

    /// Two nodes and nobody else who votes: each half of a split has quorum.
    pub fn is_pair(&self) -> bool {
        self.members.len() == 2 && self.qdevice.is_none()
    }

    /// The addresses by which members replicate: the second link where there is
    /// one, so that clients and disks do not share a wire.
    pub fn replication_address(member: &Member) -> Option<IpAddr> {
        member
            .addresses
            .get(1)
            .or(member.addresses.first())
            .copied()
    }
}

/// Reads the answers; `None` where there is no cluster to speak of.
pub(super) fn read<'a>(input: &Input<'a>, refusals: &mut Refusals) -> Option<Settings<'a>> {
    let answers = input.cluster;
    let text = |name: &str| answers.get(name).map(Answer::text);
    let name = text(question::CLUSTER_NAME).unwrap_or_default();
    if name.is_empty() {
        refusals.cluster(
            question::CLUSTER_NAME,
            "is not answered; write a name such as `ha`",
        );
    }
    let nodes = match answers.get(question::NODES) {
        Some(Answer::NodeList(nodes)) => nodes.as_slice(),
        _ => {
            refusals.cluster(
                question::NODES,
                "is not answered; write every node with its address, such as \
                 `alpha=192.0.2.11 beta=192.0.2.12`",
            );
            return None;
        }
    };
    let fencing = text(question::FENCING).unwrap_or_else(|| "later".into());
    let Some(fencing) = Choice::parse(&fencing) else {
        refusals.cluster(
            question::FENCING,
            format!("`{fencing}` is no way to fence; write ipmi, agent, sbd or accept-split-brain"),
        );
        return None;
    };
    let number = |name: &str, default| match answers.get(name) {
        Some(Answer::Integer(number)) => u32::try_from(*number).unwrap_or(0),
        _ => default,
    };
    Some(Settings {
        answers,
        name,
        members: members(nodes, input.ids),
        token: number(question::TOKEN, TOKEN),
        sbd_watchdog_timeout: number(question::SBD_WATCHDOG_TIMEOUT, SBD_WATCHDOG_TIMEOUT),
        qdevice: text(question::QDEVICE).filter(|host| !host.is_empty()),
        fencing,
    })
}

/// Members keep the ids that they have; new ones get the next.
fn members(nodes: &[Node], known: &BTreeMap<String, u32>) -> Vec<Member> {
    let mut highest = known.values().copied().max().unwrap_or(0);
    let member = |node: &Node| {
        let id = known.get(&node.name).copied().unwrap_or_else(|| {
            highest += 1;
            highest
        });
        Member {
            id,
            name: node.name.clone(),
            addresses: node.addresses.clone(),
        }
    };
    nodes.iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> Node {
        Node {
            name: name.into(),
            addresses: Vec::new(),
        }
    }

    #[test]
    fn a_node_that_left_does_not_renumber_the_others() {
        let known = BTreeMap::from([("alpha".into(), 1), ("gamma".into(), 3)]);
        let list = members(&[node("alpha"), node("gamma"), node("delta")], &known);
        let ids: Vec<u32> = list.iter().map(|member| member.id).collect();
        assert_eq!(ids, [1, 3, 4]);
        let fresh = members(&[node("alpha"), node("beta")], &BTreeMap::new());
        assert_eq!(fresh.iter().map(|m| m.id).collect::<Vec<_>>(), [1, 2]);
    }
}
