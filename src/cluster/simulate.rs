//! What pacemaker would do, by its own scheduler: `crm_simulate` (8).
//!
//! This prepares what the program reads and reads what it prints; running it
//! is the caller's. No cluster and no root are needed.

use std::collections::{BTreeMap, BTreeSet};

use roxmltree::{Document, Node};

use super::Desired;

/// What the simulator is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// All nodes come up at once.
    FirstStart,
    /// This node dies.
    Failure(String),
}

/// One simulated transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub event: Event,
    /// In the order in which they would be done; probes and recurring
    /// monitors left out.
    pub steps: Vec<Step>,
    /// Where each resource is at the end, with its role; empty for one that
    /// runs nowhere.
    pub places: Places,
}

/// By a resource's name.
type Places = BTreeMap<String, Vec<Place>>;

/// An instance of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub node: String,
    /// Started, Promoted or Unpromoted.
    pub role: String,
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `action` is reboot, off or on.
    Fence { node: String, action: String },
    Action {
        resource: String,
        /// start, stop, promote, demote, migrate_to, …
        operation: String,
        node: String,
    },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Fence { node, action } => write!(f, "fence {node} ({action})"),
            Step::Action {
                resource,
                operation,
                node,
            } => write!(f, "{operation} {resource} on {node}"),
        }
    }
}

/// Runs the simulator on a CIB (first argument) with more options (second):
/// what it printed and the CIB it left.
pub trait Simulator {
    type Error;

    /// # Errors
    /// The program is missing or ended badly.
    fn simulate(&mut self, cib: &str, options: &[String]) -> Result<(String, String), Self::Error>;
}

/// Why a simulation says nothing.
#[derive(Debug)]
pub enum Error<E> {
    /// The simulator could not be run.
    Tool(E),
    /// Its output, or the CIB, is not as expected.
    Output(String),
}

/// The first start and then, from there, the failure of each node of `fail`.
///
/// # Errors
/// The simulator's, or an output that cannot be read.
pub fn simulate<S: Simulator>(
    desired: &Desired,
    fail: &[String],
    simulator: &mut S,
) -> Result<Vec<Run>, Error<S::Error>> {
    let cib = starting_cib(desired).map_err(Error::Output)?;
    let mut up: Vec<String> = Vec::new();
    for member in &desired.members {
        up.extend(["--node-up".into(), member.name.clone()]);
    }
    let (text, cib) = simulator.simulate(&cib, &up).map_err(Error::Tool)?;
    let mut first = read(&text, Event::FirstStart).map_err(Error::Output)?;
    let (steps, places, cib) = settle(cib, simulator)?;
    first.steps.extend(steps);
    first.places = places;
    let mut runs = vec![first];
    for node in fail {
        let options = ["--node-fail".to_string(), node.clone()];
        let (text, _) = simulator.simulate(&cib, &options).map_err(Error::Tool)?;
        runs.push(read(&text, Event::Failure(node.clone())).map_err(Error::Output)?);
    }
    Ok(runs)
}

/// The transitions that follow until nothing is left to do: a promotion needs
/// a second one when what it waits for was only started in the first. What is
/// done, where everything is then, and the CIB.
fn settle<S: Simulator>(
    mut cib: String,
    simulator: &mut S,
) -> Result<(Vec<Step>, Places, String), Error<S::Error>> {
    let (mut steps, mut places) = (Vec::new(), Places::new());
    for _ in 0..4 {
        let (text, after) = simulator.simulate(&cib, &[]).map_err(Error::Tool)?;
        cib = after;
        let run = outcome(&text).map_err(Error::Output)?;
        places = run.1;
        if run.0.is_empty() {
            break;
        }
        steps.extend(run.0);
    }
    Ok((steps, places, cib))
}

/// What a running cluster would lose if `node` stood by: resources that are
/// active, or promoted, and would then be so on no node; sorted. `cib` is the
/// live one, with its status.
///
/// # Errors
/// The simulator's, or a text that cannot be read.
pub fn lost_by_standby<S: Simulator>(
    cib: &str,
    node: &str,
    simulator: &mut S,
) -> Result<Vec<String>, Error<S::Error>> {
    let cib = standing_by(cib, node).map_err(Error::Output)?;
    let (text, cib) = simulator.simulate(&cib, &[]).map_err(Error::Tool)?;
    let before = parse(&text)
        .and_then(|document| places(&document, "cluster_status"))
        .map_err(Error::Output)?;
    let (_, end, _) = settle(cib, simulator)?;
    let promoted = |list: &[Place]| list.iter().any(|place| place.role == "Promoted");
    let lost = before.into_iter().filter(|(id, before)| {
        let after = end.get(id).map_or(&[][..], Vec::as_slice);
        !before.is_empty() && after.is_empty() || promoted(before) && !promoted(after)
    });
    Ok(lost.map(|(id, _)| id).collect())
}

/// The CIB with the node standing by, whatever its attributes say.
fn standing_by(cib: &str, name: &str) -> Result<String, String> {
    const SET: &str = "<instance_attributes id=\"simulated-standby\" score=\"INFINITY\">\
         <nvpair id=\"simulated-standby-on\" name=\"standby\" value=\"on\"/></instance_attributes>";
    let document = Document::parse(cib).map_err(|e| format!("the cluster's CIB: {e}"))?;
    let node = document
        .descendants()
        .find(|node| node.has_tag_name("node") && node.attribute("uname") == Some(name))
        .ok_or_else(|| format!("the cluster's CIB has no node {name}"))?
        .range();
    let element = &cib[node.clone()];
    let element = match element.strip_suffix("/>") {
        Some(open) => format!("{open}>{SET}</node>"),
        None => element.replace("</node>", &format!("{SET}</node>")),
    };
    let mut cib = cib.to_string();
    cib.replace_range(node, &element);
    Ok(cib)
}

/// The options that every run has, beside the files' names.
pub fn common_options() -> [&'static str; 2] {
    ["--simulate", "--output-as=xml"]
}

/// The desired CIB with its nodes, with quorum, and with the promotion scores
/// that agents of up-to-date replicas would have set: the first node is
/// preferred a little.
fn starting_cib(desired: &Desired) -> Result<String, String> {
    let text = &desired.cib;
    let document = Document::parse(text).map_err(|e| format!("the designed CIB: {e}"))?;
    let promotable = promotable(&document);
    let mut nodes = String::from("<nodes>");
    for (member, score) in desired.members.iter().zip((1..=10_000).rev()) {
        let id = member.id;
        nodes += &format!("<node id=\"{id}\" uname=\"{}\">", member.name);
        nodes += &format!("<instance_attributes id=\"nodes-{id}\">");
        for name in &promotable {
            nodes += &format!(
                "<nvpair id=\"nodes-{id}-{name}\" name=\"master-{name}\" value=\"{score}\"/>"
            );
        }
        nodes += "</instance_attributes></node>";
    }
    nodes += "</nodes>";
    let place = document
        .descendants()
        .find(|node| node.has_tag_name("nodes"))
        .ok_or("the designed CIB has no <nodes>")?
        .range();
    let mut cib = text.clone();
    cib.replace_range(place, &nodes);
    Ok(if document.root_element().has_attribute("have-quorum") {
        cib
    } else {
        cib.replacen("<cib ", "<cib have-quorum=\"1\" ", 1)
    })
}

/// Ids of the primitives in promotable clones.
fn promotable(document: &Document<'_>) -> BTreeSet<String> {
    let is_promotable = |clone: &Node<'_, '_>| {
        clone.has_tag_name("clone")
            && clone
                .descendants()
                .any(|pair| pair.attribute("name") == Some("promotable") && is_true(pair))
    };
    document
        .descendants()
        .filter(is_promotable)
        .flat_map(|clone| clone.descendants())
        .filter(|node| node.has_tag_name("primitive"))
        .filter_map(|node| node.attribute("id").map(str::to_owned))
        .collect()
}

fn is_true(pair: Node<'_, '_>) -> bool {
    pair.attribute("value") == Some("true")
}

/// Reads `crm_simulate --output-as=xml`.
fn read(text: &str, event: Event) -> Result<Run, String> {
    let (steps, places) = outcome(text)?;
    Ok(Run {
        event,
        steps,
        places,
    })
}

fn parse(text: &str) -> Result<Document<'_>, String> {
    Document::parse(text).map_err(|e| format!("the output of crm_simulate is no XML: {e}"))
}

/// What would be done, and where each resource would be then.
fn outcome(text: &str) -> Result<(Vec<Step>, Places), String> {
    let document = parse(text)?;
    let section = |name: &str| {
        document
            .root_element()
            .children()
            .find(|node| node.has_tag_name(name))
    };
    let mut steps = Vec::new();
    // Without a transition there is nothing to do.
    for node in section("transition").iter().flat_map(Node::children) {
        let get = |name: &str| node.attribute(name).unwrap_or_default().to_string();
        if node.has_tag_name("fencing_action") {
            steps.push(Step::Fence {
                node: get("target"),
                action: get("op"),
            });
        } else if node.has_tag_name("rsc_action")
            && !matches!(get("op").as_str(), "monitor" | "notify" | "cancel")
        {
            steps.push(Step::Action {
                resource: plain(&get("resource")),
                operation: get("op"),
                node: get("node"),
            });
        }
    }
    let status = match section("revised_cluster_status") {
        Some(_) => "revised_cluster_status",
        None => "cluster_status",
    };
    Ok((steps, places(&document, status)?))
}

/// Where each resource is, by that section of `crm_simulate --output-as=xml`.
fn places(document: &Document<'_>, section: &str) -> Result<Places, String> {
    let status = document
        .root_element()
        .children()
        .find(|node| node.has_tag_name(section))
        .ok_or("the output of crm_simulate has no status")?;
    let mut places = Places::new();
    for resource in status
        .descendants()
        .filter(|node| node.has_tag_name("resource"))
    {
        let id = plain(resource.attribute("id").unwrap_or_default());
        let role = resource.attribute("role").unwrap_or("Started");
        let at = places.entry(id).or_default();
        for node in resource.children().filter(|n| n.has_tag_name("node")) {
            at.push(Place {
                node: node.attribute("name").unwrap_or_default().to_string(),
                role: role.to_string(),
            });
        }
        at.sort();
    }
    Ok(places)
}

/// `drbd-drbd:1` is an instance of `drbd-drbd`.
fn plain(id: &str) -> String {
    id.split(':').next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = r#"<pacemaker-result><cluster_status/>
      <transition>
        <pseudo_action task="x_stop_0"/>
        <fencing_action target="alpha" op="reboot"/>
        <rsc_action resource="ip" op="monitor" node="beta"/>
        <rsc_action resource="drbd:1" op="promote" node="beta"/>
        <rsc_action resource="ip" op="start" node="beta"/>
        <rsc_action resource="ip" op="monitor" node="beta" interval="10000"/>
      </transition>
      <revised_cluster_status><resources>
        <clone id="c"><resource id="drbd" role="Promoted"><node name="beta"/></resource>
        <resource id="drbd" role="Stopped"/></clone>
        <resource id="ip" role="Started"><node name="beta"/></resource>
      </resources></revised_cluster_status></pacemaker-result>"#;

    #[test]
    fn steps_keep_their_order_and_monitors_are_left_out() {
        let run = read(OUTPUT, Event::Failure("alpha".into())).unwrap();
        let steps: Vec<String> = run.steps.iter().map(Step::to_string).collect();
        assert_eq!(
            steps,
            [
                "fence alpha (reboot)",
                "promote drbd on beta",
                "start ip on beta"
            ]
        );
        let promoted = Place {
            node: "beta".into(),
            role: "Promoted".into(),
        };
        assert_eq!(run.places["drbd"], [promoted]);
    }

    /// Answers in turn, and keeps what it was given.
    struct Script {
        answers: Vec<&'static str>,
        given: Vec<String>,
    }

    impl Simulator for Script {
        type Error = String;

        fn simulate(&mut self, cib: &str, _: &[String]) -> Result<(String, String), String> {
            self.given.push(cib.into());
            Ok((self.answers.remove(0).into(), cib.into()))
        }
    }

    #[test]
    fn a_standby_loses_what_would_run_nowhere() {
        const STOPS: &str = r#"<pacemaker-result><cluster_status><resources>
            <resource id="drbd:0" role="Promoted"><node name="beta"/></resource>
            <resource id="drbd:1" role="Unpromoted"><node name="alpha"/></resource>
            <resource id="ip" role="Started"><node name="beta"/></resource>
            <resource id="web" role="Started"><node name="beta"/></resource>
            </resources></cluster_status>
            <transition><rsc_action resource="ip" op="stop" node="beta"/></transition>
            <revised_cluster_status/></pacemaker-result>"#;
        const REST: &str = r#"<pacemaker-result><cluster_status><resources>
            <resource id="drbd:1" role="Unpromoted"><node name="alpha"/></resource>
            <resource id="ip" role="Stopped"/>
            <resource id="web" role="Started"><node name="alpha"/></resource>
            </resources></cluster_status></pacemaker-result>"#;
        let mut script = Script {
            answers: vec![STOPS, REST],
            given: Vec::new(),
        };
        let cib = "<cib><nodes><node id=\"1\" uname=\"alpha\"/><node id=\"2\" uname=\"beta\">\
                   <x/></node></nodes></cib>";
        let lost = lost_by_standby(cib, "beta", &mut script).unwrap();
        assert_eq!(lost, ["drbd", "ip"]);
        assert!(script.given[0].contains("uname=\"beta\"><x/><instance_attributes"));
        let alone = standing_by(cib, "alpha").unwrap();
        assert!(
            alone.contains("uname=\"alpha\"><instance_attributes"),
            "{alone}"
        );
        assert!(standing_by(cib, "gamma").is_err());
        assert!(Document::parse(&alone).is_ok());
    }

    #[test]
    fn what_is_no_status_is_an_error() {
        assert!(read("<pacemaker-result/>", Event::FirstStart).is_err());
        assert!(read("no", Event::FirstStart).is_err());
    }
}
