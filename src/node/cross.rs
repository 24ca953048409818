//! What no single file can tell: answers that contradict one another.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use super::layout::Subject;
use super::problem::Problem;
use crate::recipe::answer::{Answer, Answers, Node};
use crate::recipe::compiled::CompiledRole;
use crate::recipe::model::FencingNeed;
use crate::recipe::template::{self, Piece};

/// Questions of the node recipe that have a meaning here.
const NODES: &str = "nodes";
const FENCING: &str = "fencing";
const IPMI_ADDRESSES: &str = "ipmi_addresses";

/// Answers to `fencing` that fence nothing.
const UNFENCED: [&str; 2] = ["later", "accept-split-brain"];

/// A file of answers after it was looked at on its own.
#[derive(Debug)]
pub struct Checked {
    pub subject: Subject,
    pub file: PathBuf,
    pub role: CompiledRole,
    /// Line of each answer.
    pub lines: BTreeMap<String, usize>,
    /// Absent where the file has problems of its own.
    pub answers: Option<Answers>,
}

impl Checked {
    fn answer(&self, name: &str) -> Option<&Answer> {
        self.answers.as_ref()?.get(name)
    }

    fn nodes(&self, name: &str) -> &[Node] {
        match self.answer(name) {
            Some(Answer::NodeList(nodes)) => nodes,
            _ => &[],
        }
    }

    fn problem(&self, name: &str, message: String) -> Problem {
        Problem::new(&self.subject, format!("{name}: {message}"))
            .in_file(self.file.clone(), self.lines.get(name).copied())
    }
}

/// All contradictions between the files.
pub fn check(all: &[Checked]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Some(cluster) = all.iter().find(|one| one.subject == Subject::Cluster) else {
        return problems;
    };
    problems.extend(controllers(cluster));
    let mut holders: BTreeMap<IpAddr, &Checked> = BTreeMap::new();
    for role in all.iter().filter(|one| one.subject != Subject::Cluster) {
        for (question, address) in virtual_addresses(role) {
            problems.extend(taken_by_node(cluster, role, &question, address));
            if let Some(other) = holders.get(&address) {
                let message = format!(
                    "{address} is already the virtual address of {}; write another",
                    other.subject
                );
                problems.push(role.problem(&question, message));
            } else {
                holders.insert(address, role);
            }
        }
        problems.extend(unfenced(cluster, role));
    }
    problems
}

/// The answers that a role's IPaddr2 resources bring up.
fn virtual_addresses(role: &Checked) -> Vec<(String, IpAddr)> {
    let mut found: Vec<(String, IpAddr)> = Vec::new();
    let carriers = role
        .role
        .resource
        .iter()
        .filter(|r| r.agent.ends_with(":IPaddr2"));
    for template in carriers.filter_map(|resource| resource.params.get("ip")) {
        for piece in template::parse(template).unwrap_or_default() {
            let Piece::Reference(reference) = piece else {
                continue;
            };
            let address = match role.answer(reference.question) {
                Some(Answer::Address(address) | Answer::AddressPrefix { address, .. }) => *address,
                _ => continue,
            };
            let entry = (reference.question.to_string(), address);
            if !reference.cluster && !found.contains(&entry) {
                found.push(entry);
            }
        }
    }
    found
}

fn taken_by_node(
    cluster: &Checked,
    role: &Checked,
    question: &str,
    address: IpAddr,
) -> Option<Problem> {
    let (list, node) = [NODES, IPMI_ADDRESSES].into_iter().find_map(|list| {
        let mut nodes = cluster.nodes(list).iter();
        let node = nodes.find(|node| node.addresses.contains(&address))?;
        Some((list, node))
    })?;
    let what = if list == NODES {
        "node"
    } else {
        "the management controller of"
    };
    Some(role.problem(
        question,
        format!(
            "{address} is the address of {what} {}; write one that no host has",
            node.name
        ),
    ))
}

/// Every node needs its own management controller, and no other has one.
fn controllers(cluster: &Checked) -> Option<Problem> {
    let names = |list| -> Vec<&str> {
        let mut names: Vec<_> = cluster
            .nodes(list)
            .iter()
            .map(|n| n.name.as_str())
            .collect();
        names.sort_unstable();
        names
    };
    let (nodes, controllers) = (names(NODES), names(IPMI_ADDRESSES));
    // Whoever joins learns of the nodes from the token.
    if controllers.is_empty() || nodes.is_empty() || nodes == controllers {
        return None;
    }
    let message = format!(
        "names {}, but the nodes are {}; write one address for each node",
        controllers.join(", "),
        nodes.join(", ")
    );
    Some(cluster.problem(IPMI_ADDRESSES, message))
}

fn unfenced(cluster: &Checked, role: &Checked) -> Option<Problem> {
    if role.role.fencing.need != FencingNeed::Required {
        return None;
    }
    let fencing = cluster.answer(FENCING)?.text();
    if !UNFENCED.contains(&fencing.as_str()) {
        return None;
    }
    let message = format!(
        "needs fencing and will not start, because {FENCING} is \"{fencing}\" in {}",
        cluster.file.display()
    );
    Some(
        Problem::new(&role.subject, message)
            .in_file(role.file.clone(), None)
            .mend_by(cluster.subject.reconfigure()),
    )
}
