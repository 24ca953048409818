//! crm_simulate(8): what pacemaker would do with a CIB, and in which order.

use crate::machine::Machine;
use crate::stop::Stop;

/// What has to happen on two nodes, alpha being the active one.
pub struct Simulation {
    /// Steps of the first start, in this order.
    pub start: &'static [&'static str],
    /// Steps after the loss of alpha, in this order.
    pub takeover: &'static [&'static str],
    /// Whether alpha is fenced before any of them.
    pub fenced: bool,
    /// The primitive whose promotion scores DRBD would set.
    pub promotable: Option<&'static str>,
}

/// What is wrong with a first start, at all.
pub fn any(machine: &Machine, cib: &str) -> Result<Option<String>, Stop> {
    let script = format!("crm_simulate -x {cib} -u alpha -u beta --quorum=true -S");
    let (success, text) = machine.try_sh(&script)?;
    let failed = !success || text.contains("error") || text.contains("warning");
    Ok(failed.then(|| format!("{cib}: {text}")))
}

/// Runs the simulation; what is wrong with it.
pub fn run(machine: &Machine, cib: &str, wanted: Simulation) -> Result<Vec<String>, Stop> {
    let mut wrong = Vec::new();
    let started = simulate(
        machine,
        &format!("-x {cib} -u alpha -u beta --quorum=true -O /tmp/started"),
    )?;
    let mut steps = started;
    if let Some(resource) = wanted.promotable {
        let text = machine.read("/tmp/started")?;
        machine.write("/tmp/scored", scored(&text, resource).as_bytes())?;
        steps.extend(simulate(machine, "-x /tmp/scored -O /tmp/started")?);
    }
    wrong.extend(in_order(&steps, wanted.start).map(|step| format!("first start: {step}")));

    let steps = simulate(machine, "-x /tmp/started -f alpha")?;
    let mut takeover = wanted.takeover.to_vec();
    if wanted.fenced {
        takeover.insert(0, "fence alpha");
    }
    wrong.extend(in_order(&steps, &takeover).map(|step| format!("loss of alpha: {step}")));
    wrong.extend(
        disturbed(&steps, "beta")
            .filter(|_| wanted.takeover.is_empty())
            .map(|step| format!("loss of alpha: {step} although beta worked")),
    );

    let steps = simulate(machine, "-x /tmp/started -f beta")?;
    if wanted.fenced {
        wrong.extend(in_order(&steps, &["fence beta"]).map(|step| format!("loss of beta: {step}")));
    }
    wrong.extend(
        disturbed(&steps, "alpha")
            .map(|step| format!("loss of beta: {step} although alpha worked")),
    );
    Ok(wrong)
}

/// The steps of a simulation.
fn simulate(machine: &Machine, words: &str) -> Result<Vec<String>, Stop> {
    Ok(steps(&machine.sh(&format!("crm_simulate {words} -S"))?))
}

/// `start drbd-ip alpha`, `fence alpha`; monitors and the like are left out,
/// and so is the number of a clone's instance.
fn steps(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .skip_while(|line| !line.starts_with("Executing Cluster Transition"));
    let lines = lines.take_while(|line| !line.starts_with("Revised Cluster Status"));
    let step = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["*", "Fencing", node, ..] => Some(format!("fence {node}")),
            ["*", "Resource", "action:", resource, action, "on", node] => {
                let resource = resource.split(':').next().unwrap_or(resource);
                let told = ["start", "stop", "promote", "demote"].contains(action);
                told.then(|| format!("{action} {resource} {node}"))
            }
            _ => None,
        }
    };
    lines.filter_map(step).collect()
}

/// The first step that is missing, or is not behind the one before it.
fn in_order(steps: &[String], wanted: &[&str]) -> Option<String> {
    let mut from = 0;
    for step in wanted {
        let found = steps.iter().position(|other| other == step);
        match found {
            Some(at) if at >= from => from = at + 1,
            Some(_) => return Some(format!("`{step}` comes too early in {steps:?}")),
            None => return Some(format!("`{step}` is missing in {steps:?}")),
        }
    }
    None
}

/// Resources of a working node that are stopped or demoted; fence devices may
/// move.
fn disturbed<'a>(steps: &'a [String], node: &'a str) -> impl Iterator<Item = &'a String> {
    let of_node = move |step: &&String| {
        let moved = step.starts_with("stop ") || step.starts_with("demote ");
        moved && step.ends_with(node) && !step.contains(" fence-")
    };
    steps.iter().filter(of_node)
}

/// A CIB with promotion scores as DRBD sets them on both nodes.
fn scored(cib: &str, resource: &str) -> String {
    let mut parts = cib.split("<node_state ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let id = part
            .split("id=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let (id, (head, rest)) = (
            id.unwrap_or_default(),
            part.split_once('>').unwrap_or((part, "")),
        );
        text.push_str(&format!(
            "<node_state {head}><transient_attributes id=\"{id}\">\
             <instance_attributes id=\"scores-{id}\"><nvpair id=\"score-{id}\" \
             name=\"master-{resource}\" value=\"10000\"/></instance_attributes>\
             </transient_attributes>{rest}"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{disturbed, in_order, scored, steps};

    const OUTPUT: &str = "Current cluster status:
  * Resource action: early start on beta

Executing Cluster Transition:
  * Pseudo action:   drbd-active_stop_0
  * Fencing alpha (reboot)
  * Resource action: drbd:1          promote on beta
  * Resource action: ip              start on beta
  * Resource action: ip              monitor=10000 on beta
  * Resource action: fence-alpha     stop on beta

Revised Cluster Status:
";

    #[test]
    fn steps_are_read_in_order() {
        let steps = steps(OUTPUT);
        let expected = [
            "fence alpha",
            "promote drbd beta",
            "start ip beta",
            "stop fence-alpha beta",
        ];
        assert_eq!(steps, expected);
        assert_eq!(in_order(&steps, &["fence alpha", "start ip beta"]), None);
        let early = in_order(&steps, &["start ip beta", "fence alpha"]).unwrap();
        assert!(early.contains("too early"), "{early}");
        let missing = in_order(&steps, &["start fs beta"]).unwrap();
        assert!(missing.contains("missing"), "{missing}");
    }

    #[test]
    fn a_fence_device_may_move() {
        let steps = ["stop fence-beta alpha", "stop ip alpha", "stop ip beta"].map(String::from);
        let disturbed: Vec<_> = disturbed(&steps, "alpha").collect();
        assert_eq!(disturbed, ["stop ip alpha"]);
    }

    #[test]
    fn scores_go_into_every_node() {
        let cib = "<status><node_state id=\"a\" uname=\"a\"><lrm/></node_state><node_state id=\"b\"></node_state></status>";
        let text = scored(cib, "r");
        assert_eq!(text.matches("name=\"master-r\"").count(), 2);
        assert!(text.contains("<transient_attributes id=\"b\">"), "{text}");
        assert!(text.contains("</transient_attributes><lrm/>"), "{text}");
    }
}
