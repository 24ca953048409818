//! The list of nodes, which every member keeps in its own cluster.toml and the
//! running cluster in its CIB, so that a member that was away learns of others.
//!
//! Two properties of the CIB hold it: `ubuntu-ha-nodes` in the set `ubuntu-ha`
//! as the answer `nodes` is written, and `ubuntu-ha-members` in a set of that
//! name with the ids, the management controllers, and who was taken off.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::apply::{self, Lock};
use super::host::Host;
use super::ids;
use super::layout::{Layout, Subject};
use super::live;
use super::problem::{Failure, Problem};
use super::settings::{self, Change};
use crate::atomic;
use crate::cluster::Desired;
use crate::recipe::answer::{Answer, Node, node_list};
use crate::recipe::model::Question;

/// Property with the list of nodes; the design of the CIB has it too.
const NODES: &str = "ubuntu-ha-nodes";

/// Property with what the list does not say, in a set of its own, which no
/// design replaces.
const MEMBERS: &str = "ubuntu-ha-members";

/// Node attribute: the names that the node's corosync.conf has. While a member
/// does not know a node that starts, the two disturb the membership of all.
const KNOWS: &str = "ubuntu-ha-knows";

const LIMIT: Duration = Duration::from_secs(60);

/// Questions of the node recipe that hold the lists.
pub const NODES_QUESTION: &str = "nodes";
pub const CONTROLLERS_QUESTION: &str = "ipmi_addresses";

/// What the running cluster says of its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lists {
    pub nodes: Vec<Node>,
    pub ids: BTreeMap<String, u32>,
    /// Management controllers, where fencing uses them.
    pub controllers: Vec<Node>,
    /// Names of nodes that were taken off the list.
    pub removed: Vec<String>,
}

impl Lists {
    /// Reads the program's own properties of a CIB.
    pub fn from_cib(cib: &str) -> Option<Self> {
        let document = roxmltree::Document::parse(cib).ok()?;
        let properties = document
            .descendants()
            .filter(|node| node.has_tag_name("cluster_property_set"))
            .flat_map(|set| set.children())
            .filter(|node| node.has_tag_name("nvpair"));
        let value = |name: &str| {
            let mut named = properties
                .clone()
                .filter(|pair| pair.attribute("name") == Some(name));
            named.next().and_then(|pair| pair.attribute("value"))
        };
        let members = value(MEMBERS).unwrap_or_default();
        let part = |name: &str| {
            let mut parts = members
                .split(';')
                .filter_map(|part| part.trim().split_once(' '));
            parts
                .find_map(|(key, text)| (key == name).then_some(text))
                .unwrap_or_default()
        };
        Some(Self {
            nodes: node_list(value(NODES)?).ok()?,
            ids: ids::parse(part("ids")).unwrap_or_default(),
            controllers: node_list(part("controllers")).unwrap_or_default(),
            removed: part("removed").split_whitespace().map(Into::into).collect(),
        })
    }

    /// The value of [`MEMBERS`].
    fn members(&self) -> String {
        let controllers = Answer::NodeList(self.controllers.clone()).text();
        let parts = [
            ("ids", ids::to_text(&self.ids)),
            ("controllers", controllers),
            ("removed", self.removed.join(" ")),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| format!("{name} {text}"))
            .collect();
        parts.join("; ")
    }

    /// Writes the properties into the running cluster's CIB: what the list does
    /// not say first.
    ///
    /// # Errors
    /// Pacemaker does not run, or refuses.
    pub fn publish(&self, host: &Host) -> Result<(), Failure> {
        let nodes = Answer::NodeList(self.nodes.clone()).text();
        set(host, MEMBERS, MEMBERS, &self.members())?;
        set(host, "ubuntu-ha", NODES, &nodes)
    }
}

fn set(host: &Host, set: &str, name: &str, value: &str) -> Result<(), Failure> {
    let args = [
        "--type",
        "crm_config",
        "--set-name",
        set,
        "--name",
        name,
        "--update",
        value,
    ];
    host.must("crm_attribute", &args, LIMIT).map(drop)
}

/// Says in the CIB that corosync on this host runs with these nodes; writes
/// nothing where that is said already. To be called after each change of
/// corosync.conf.
///
/// # Errors
/// Pacemaker does not run, or refuses.
pub fn confirm(host: &Host, desired: &Desired) -> Result<(), Failure> {
    let me = host.name()?;
    let names: Vec<&str> = desired.members.iter().map(|m| m.name.as_str()).collect();
    let value = names.join(" ");
    let cib = live::cib(host)?.unwrap_or_default();
    if knows(&cib, &me).as_deref() == Some(&value) {
        return Ok(());
    }
    let args = ["--node", &me, "--name", KNOWS, "--update", &value];
    host.must("crm_attribute", &args, LIMIT).map(drop)
}

/// Those of `members` that do not run with `node` in their list yet.
pub fn unaware<'a>(cib: &str, members: &'a [String], node: &str) -> Vec<&'a str> {
    let knows = |member: &str| {
        let known = knows(cib, member);
        known.is_some_and(|known| known.split_whitespace().any(|name| name == node))
    };
    let members = members.iter().map(String::as_str);
    members.filter(|member| !knows(member)).collect()
}

/// Names of the nodes that have been members since they were admitted.
pub fn joined(cib: &str) -> BTreeSet<String> {
    let Ok(document) = roxmltree::Document::parse(cib) else {
        return BTreeSet::new();
    };
    let nodes = document
        .descendants()
        .filter(|node| node.has_tag_name("node"));
    let names = nodes.filter_map(|node| node.attribute("uname"));
    names
        .filter(|name| knows(cib, name).is_some())
        .map(Into::into)
        .collect()
}

fn knows(cib: &str, member: &str) -> Option<String> {
    let document = roxmltree::Document::parse(cib).ok()?;
    let mut nodes = document
        .descendants()
        .filter(|node| node.has_tag_name("node") && node.attribute("uname") == Some(member));
    let mut pairs = nodes.next()?.descendants();
    let pair = pairs.find(|pair| pair.attribute("name") == Some(KNOWS))?;
    pair.attribute("value").map(Into::into)
}

/// `ours`, brought up to the cluster's list; `None` where there is nothing to
/// take over. What the administrator changed here stays for `check` and
/// `apply` to judge.
pub fn merge(ours: &[Node], theirs: &[Node], removed: &[String]) -> Option<Vec<Node>> {
    let stays = |node: &&Node| !removed.contains(&node.name);
    let kept: Vec<Node> = ours.iter().filter(stays).cloned().collect();
    let wanted: Vec<Node> = theirs.iter().filter(stays).cloned().collect();
    let merged = if wanted.starts_with(&kept) {
        wanted
    } else {
        kept
    };
    (merged != ours && !merged.is_empty()).then_some(merged)
}

/// Takes over what the running cluster's CIB says of its nodes into this
/// host's cluster.toml; says what changed, or `None`. Keep that file in the
/// journal first.
///
/// # Errors
/// cluster.toml cannot be read or written.
pub fn adopt(host: &Host, cib: &str) -> Result<Option<String>, Failure> {
    let layout = &host.layout;
    let lists = current(layout, Some(cib))?;
    if !lists.ids.is_empty() && lists.ids != ids::read(layout)? {
        ids::keep(layout, &lists.ids)?;
    }
    let Some(text) = changed(layout, &lists)? else {
        return Ok(None);
    };
    write(layout, &text)?;
    let names: Vec<&str> = lists.nodes.iter().map(|node| node.name.as_str()).collect();
    Ok(Some(format!(
        "took the list of nodes over from the running cluster: {}",
        names.join(", ")
    )))
}

/// Whether [`adopt`] would write anything.
///
/// # Errors
/// cluster.toml cannot be read.
pub fn differs(host: &Host, cib: &str) -> Result<bool, Failure> {
    let lists = current(&host.layout, Some(cib))?;
    let ids_differ = !lists.ids.is_empty() && lists.ids != ids::read(&host.layout)?;
    Ok(ids_differ || changed(&host.layout, &lists)?.is_some())
}

/// The lists of this host, brought up to those of the running cluster.
///
/// # Errors
/// cluster.toml cannot be read.
pub fn current(layout: &Layout, cib: Option<&str>) -> Result<Lists, Failure> {
    let mut lists = read(layout)?;
    if let Some(theirs) = cib.and_then(Lists::from_cib) {
        let merged = |ours: &[Node], theirs_list: &[Node]| {
            merge(ours, theirs_list, &theirs.removed).unwrap_or_else(|| ours.to_vec())
        };
        lists.nodes = merged(&lists.nodes, &theirs.nodes);
        if !lists.controllers.is_empty() {
            lists.controllers = merged(&lists.controllers, &theirs.controllers);
        }
        lists.ids = theirs.ids;
        lists.removed = theirs.removed;
    }
    Ok(lists)
}

/// Makes this host, and the running cluster where there is one, use these
/// lists: cluster.toml, then `apply`, then the CIB's properties. What is worth
/// knowing is returned.
///
/// # Errors
/// It failed, and cluster.toml is as it was.
pub fn change(
    host: &Host,
    lists: &Lists,
    running: bool,
    lock: &Lock,
) -> Result<Vec<String>, Failure> {
    let mut notes = Vec::new();
    let layout = &host.layout;
    if let Some(text) = changed(layout, lists)? {
        let old = layout.read_answers(&Subject::Cluster)?.unwrap_or_default();
        write(layout, &text)?;
        if running {
            match apply::under(lock, host, &apply::Args::default()) {
                Ok(outcome) => notes.extend(outcome.failed),
                Err(failure) => {
                    write(layout, &old)?;
                    return Err(failure);
                }
            }
        }
    }
    if running {
        ids::keep(layout, &lists.ids)?;
        if let Err(failure) = lists.publish(host) {
            notes.push(format!(
                "the other members cannot see the change: {}; run the command again",
                failure.message()
            ));
        }
    }
    Ok(notes)
}

/// The lists of cluster.toml; empty where they are not answered, or not valid.
fn read(layout: &Layout) -> Result<Lists, Failure> {
    let text = layout.read_answers(&Subject::Cluster)?.unwrap_or_default();
    let settings = settings::Settings::parse(&text).map_err(|e| no_toml(layout, &e))?;
    let list = |name: &str| {
        let value = settings.get(name).and_then(|entry| entry.value.as_deref());
        let nodes = value.and_then(|text| node_list(text).ok());
        nodes.unwrap_or_default()
    };
    Ok(Lists {
        nodes: list(NODES_QUESTION),
        controllers: list(CONTROLLERS_QUESTION),
        ..Lists::default()
    })
}

/// The text of cluster.toml with these lists, comments kept; `None` where it
/// has them.
fn changed(layout: &Layout, lists: &Lists) -> Result<Option<String>, Failure> {
    let before = read(layout)?;
    let questions = layout.load(&Subject::Cluster)?.question;
    let answers: Vec<(&Question, Answer)> = [
        (NODES_QUESTION, &lists.nodes, before.nodes),
        (CONTROLLERS_QUESTION, &lists.controllers, before.controllers),
    ]
    .into_iter()
    .filter(|(_, new, old)| *new != old)
    .filter_map(|(name, new, _)| {
        let question = questions.iter().find(|question| question.name == name)?;
        Some((question, Answer::NodeList(new.clone())))
    })
    .collect();
    if answers.is_empty() {
        return Ok(None);
    }
    let text = layout.read_answers(&Subject::Cluster)?.unwrap_or_default();
    let changes: Vec<Change<'_>> = answers
        .iter()
        .map(|(question, answer)| Change::Set(question, answer))
        .collect();
    settings::edit(&text, &changes)
        .map(Some)
        .map_err(|e| no_toml(layout, &e))
}

/// Replaces cluster.toml, which keeps its mode and owner.
fn write(layout: &Layout, text: &str) -> Result<(), Failure> {
    let path = layout.answers(&Subject::Cluster);
    Ok(atomic::replace(&path, text.as_bytes(), 0o644)?)
}

fn no_toml(layout: &Layout, error: &settings::SyntaxError) -> Failure {
    let message = format!("{}; this is no TOML", error.message);
    Failure::Refused(vec![
        Problem::new(&Subject::Cluster, message)
            .in_file(layout.answers(&Subject::Cluster), Some(error.line)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "alpha=192.0.2.11 beta=192.0.2.12";
    const THREE: &str = "alpha=192.0.2.11 beta=192.0.2.12 gamma=192.0.2.13";

    fn nodes(text: &str) -> Vec<Node> {
        node_list(text).unwrap()
    }

    fn cib(nodes: &str, members: &str) -> String {
        format!(
            "<cib><configuration><crm_config>\
             <cluster_property_set id=\"cib-bootstrap-options\">\
             <nvpair id=\"x\" name=\"stonith-enabled\" value=\"true\"/></cluster_property_set>\
             <cluster_property_set id=\"ubuntu-ha\">\
             <nvpair id=\"n\" name=\"ubuntu-ha-nodes\" value=\"{nodes}\"/></cluster_property_set>\
             <cluster_property_set id=\"ubuntu-ha-members\">\
             <nvpair id=\"m\" name=\"ubuntu-ha-members\" value=\"{members}\"/></cluster_property_set>\
             </crm_config></configuration></cib>"
        )
    }

    #[test]
    fn the_properties_read_back() {
        let lists = Lists {
            nodes: nodes(THREE),
            ids: ids::parse("alpha=1 beta=2 gamma=4").unwrap(),
            controllers: nodes("alpha=203.0.113.11 beta=203.0.113.12"),
            removed: vec!["delta".into(), "epsilon".into()],
        };
        let full = cib(THREE, &lists.members());
        assert_eq!(Lists::from_cib(&full), Some(lists));
        let bare = Lists {
            nodes: nodes(TWO),
            ..Lists::default()
        };
        assert_eq!(bare.members(), "");
        assert_eq!(Lists::from_cib(&cib(TWO, "")), Some(bare));
    }

    #[test]
    fn a_cib_without_a_list_gives_none() {
        for cib in ["", "<cib/>", "<cib", &cib("", ""), &cib("alpha", "")] {
            assert_eq!(Lists::from_cib(cib), None, "{cib}");
        }
    }

    #[test]
    fn who_does_not_know_a_node_is_told() {
        let cib = "<cib><configuration><nodes>\
            <node id=\"1\" uname=\"alpha\"><instance_attributes id=\"nodes-1\">\
            <nvpair id=\"x\" name=\"ubuntu-ha-knows\" value=\"alpha beta gamma\"/>\
            </instance_attributes></node>\
            <node id=\"2\" uname=\"beta\"><instance_attributes id=\"nodes-2\">\
            <nvpair id=\"y\" name=\"ubuntu-ha-knows\" value=\"alpha beta gamma-2\"/>\
            </instance_attributes></node><node id=\"3\" uname=\"delta\"/></nodes>\
            </configuration></cib>";
        let members = ["alpha", "beta", "delta"].map(String::from);
        assert_eq!(unaware(cib, &members, "gamma"), ["beta", "delta"]);
        assert_eq!(unaware(cib, &members, "beta"), ["delta"]);
        assert_eq!(joined(cib), ["alpha", "beta"].map(String::from).into());
        assert_eq!(unaware("", &members[..1], "beta"), ["alpha"]);
    }

    #[test]
    fn a_longer_list_is_taken_over_and_a_shorter_one_is_not() {
        let (two, three) = (nodes(TWO), nodes(THREE));
        assert_eq!(merge(&two, &three, &[]), Some(three.clone()));
        assert_eq!(merge(&three, &two, &[]), None);
        assert_eq!(merge(&two, &two, &[]), None);
    }

    #[test]
    fn a_removed_node_goes_from_both() {
        let (two, three) = (nodes(TWO), nodes(THREE));
        let gamma = ["gamma".to_string()];
        assert_eq!(merge(&three, &two, &gamma), Some(two.clone()));
        assert_eq!(merge(&three, &three, &gamma), Some(two.clone()));
        assert_eq!(merge(&two, &two, &gamma), None);
    }

    #[test]
    fn what_was_changed_here_is_not_overwritten() {
        let moved = nodes("alpha=192.0.2.11 beta=192.0.2.99");
        assert_eq!(merge(&moved, &nodes(THREE), &[]), None);
        let other = nodes("beta=192.0.2.12 alpha=192.0.2.11");
        assert_eq!(merge(&other, &nodes(THREE), &[]), None);
    }
}
