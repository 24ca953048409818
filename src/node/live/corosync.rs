//! What corosync tells: corosync-quorumtool(8), corosync-cfgtool(8).

use super::PATIENCE;
use crate::node::host::Host;
use crate::node::problem::Failure;

/// The state of votequorum(5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quorum {
    pub quorate: bool,
    pub expected: u32,
    pub total: u32,
    /// Votes that make a quorum.
    pub needed: u32,
    /// `2Node`, `WaitForAll`, `Qdevice`, …
    pub flags: Vec<String>,
    /// Node ids of the present membership.
    pub members: Vec<u32>,
    /// Whether the quorum device votes; `None` where there is none.
    pub qdevice: Option<bool>,
}

impl Quorum {
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|one| one == flag)
    }
}

/// A knet link of this node to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Number of the link, from 0.
    pub link: u32,
    /// Id of the node at the other end.
    pub node: u32,
    pub connected: bool,
    /// This node's address on the link.
    pub address: String,
}

/// `None` where corosync does not answer.
pub fn quorum(host: &Host) -> Result<Option<Quorum>, Failure> {
    // Its exit code tells whether there is quorum, which is no failure here.
    let done = host.run("corosync-quorumtool", &["-s"], PATIENCE)?;
    Ok(parse_quorum(&done.stdout))
}

/// Empty where corosync does not answer.
pub fn links(host: &Host) -> Result<Vec<Link>, Failure> {
    let done = host.run("corosync-cfgtool", &["-s"], PATIENCE)?;
    Ok(parse_links(&done.stdout))
}

fn parse_quorum(text: &str) -> Option<Quorum> {
    let mut quorum = Quorum::default();
    let mut seen = false;
    let number = |value: &str| {
        let first = value.split_whitespace().next().unwrap_or_default();
        first.parse().unwrap_or_default()
    };
    for line in text.lines() {
        if let Some((key, value)) = line.split_once(':') {
            let value = value.trim();
            match key.trim() {
                "Quorate" => (seen, quorum.quorate) = (true, value == "Yes"),
                "Expected votes" => quorum.expected = number(value),
                "Total votes" => quorum.total = number(value),
                "Quorum" => quorum.needed = number(value),
                "Flags" => quorum.flags = value.split_whitespace().map(String::from).collect(),
                _ => {}
            }
            continue;
        }
        let mut words = line.split_whitespace();
        let id = words.next().and_then(|word| word.parse::<u32>().ok());
        let votes = words.next().and_then(|word| word.parse::<u32>().ok());
        match (id, votes) {
            (Some(0), Some(votes)) => quorum.qdevice = Some(votes > 0),
            (Some(id), Some(_)) => quorum.members.push(id),
            _ => {}
        }
    }
    if quorum.qdevice.is_none() && quorum.has("Qdevice") {
        quorum.qdevice = Some(false);
    }
    seen.then_some(quorum)
}

fn parse_links(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    let (mut link, mut address) = (0, String::new());
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("LINK ID ") {
            let id = rest.split_whitespace().next().unwrap_or_default();
            link = id.parse().unwrap_or_default();
        } else if let Some((_, value)) = line.split_once('=').filter(|(k, _)| k.trim() == "addr") {
            address = value.trim().to_string();
        } else if let Some(rest) = line.strip_prefix("nodeid:") {
            let Some((node, state)) = rest.split_once(':') else {
                continue;
            };
            let state = state.trim();
            if let (Ok(node), false) = (node.trim().parse(), state == "localhost") {
                links.push(Link {
                    link,
                    node,
                    connected: state == "connected",
                    address: address.clone(),
                });
            }
        }
    }
    links
}
