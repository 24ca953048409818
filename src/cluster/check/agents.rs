//! Agents: there, and given what they take.

use std::net::Ipv6Addr;

use super::Draft;
use crate::cluster::expand::{Resource, Role};
use crate::cluster::fence_agent;
use crate::cluster::refuse::Refusals;
use crate::cluster::settings::question;
use crate::cluster::{AgentMetadata, FenceDevice, Parameter, is_secret};
use crate::recipe::suggest;

pub(super) fn check(draft: &Draft, role: &Role, refusals: &mut Refusals) {
    for resource in &role.resources {
        let id = &resource.recipe.id;
        if let Some(message) = dropped(&resource.agent) {
            refusals.role(role.name, None, format!("resource {id}: {message}"));
            continue;
        }
        if let Some(message) = no_unit(&resource.agent) {
            let question = role.question_in(&resource.recipe.agent);
            refusals.role(role.name, question, message);
            continue;
        }
        old_roles(role, resource, refusals);
        match draft.platform.agents.get(&resource.agent) {
            Some(metadata) => {
                parameters(role, resource, metadata, refusals);
                source(role, resource, metadata, refusals);
            }
            None if draft.platform.agents_known => {
                let question = role.question_in(&resource.recipe.agent);
                refusals.role(role.name, question, missing(&resource.agent));
            }
            None => {}
        }
    }
    for colocation in &role.colocations {
        if let Some(message) = colocation.with_role.as_deref().and_then(old_role) {
            let id = &colocation.resource;
            refusals.role(role.name, None, format!("colocation of {id}: {message}"));
        }
    }
}

/// Classes that pacemaker passes over without a word, or will.
fn dropped(agent: &str) -> Option<String> {
    let (class, name) = agent.split_once(':').unwrap_or(("", agent));
    match class {
        "ocf" | "systemd" => None,
        "upstart" | "nagios" => Some(format!(
            "pacemaker 3 drops `{agent}` without a word; write systemd:{name} in the recipe"
        )),
        "lsb" | "service" => Some(format!(
            "no suite starts services by `{agent}`; write systemd:{name} in the recipe"
        )),
        _ => Some(format!(
            "`{agent}` is no agent; write ocf:PROVIDER:TYPE or systemd:UNIT in the recipe"
        )),
    }
}

fn no_unit(agent: &str) -> Option<String> {
    let unit = agent.strip_prefix("systemd:")?;
    let sound = |c: char| c.is_ascii_alphanumeric() || ":_.@-".contains(c);
    (unit.is_empty() || !unit.chars().all(sound)).then(|| {
        format!("`{unit}` is no unit; write its name as systemctl shows it, such as `nginx`")
    })
}

/// Pacemaker 3 refuses the role names of pacemaker 1.
fn old_role(role: &str) -> Option<String> {
    let new = match role {
        "Master" | "master" => "Promoted",
        "Slave" | "slave" => "Unpromoted",
        _ => return None,
    };
    Some(format!(
        "pacemaker 3 does not know the role {role}; write {new} in the recipe"
    ))
}

fn old_roles(role: &Role, resource: &Resource, refusals: &mut Refusals) {
    let operations = resource.recipe.operation.iter();
    let named = operations
        .filter_map(|operation| operation.role.as_deref())
        .chain(resource.meta.get("target-role").map(String::as_str));
    for message in named.filter_map(old_role) {
        let id = &resource.recipe.id;
        refusals.role(role.name, None, format!("resource {id}: {message}"));
    }
}

fn missing(agent: &str) -> String {
    match agent.split_once(':') {
        Some(("systemd", unit)) => format!(
            "the unit {unit} is not installed; install its package on every node, or write another \
             unit"
        ),
        _ => format!("the agent {agent} is not installed; install its package on every node"),
    }
}

fn parameters(role: &Role, resource: &Resource, metadata: &AgentMetadata, refusals: &mut Refusals) {
    let id = &resource.recipe.id;
    for (name, value) in &resource.params {
        let question =
            (resource.recipe.params.get(*name)).and_then(|template| role.question_in(template));
        if let Some(message) = wrong(&resource.agent, metadata, name, value) {
            refusals.role(role.name, question, format!("resource {id}: {message}"));
        }
    }
    let given = |name: &str| resource.params.contains_key(name);
    for name in lacking(metadata, given, &[]) {
        let template = resource.recipe.params.get(name);
        let question = template.and_then(|template| role.question_in(template));
        let remedy = match question {
            Some(_) => "answer it",
            None => "set it in the recipe",
        };
        let message = format!(
            "resource {id}: {} cannot do without the parameter {name}; {remedy}",
            resource.agent
        );
        refusals.role(role.name, question, message);
    }
}

/// IPsrcaddr of resource-agents 4.13 takes an IPv6 address for no address at all;
/// the one that knows IPv6 has the parameter `pref`, for routes of IPv6 alone.
fn source(role: &Role, resource: &Resource, metadata: &AgentMetadata, refusals: &mut Refusals) {
    if resource.agent != "ocf:heartbeat:IPsrcaddr" || metadata.parameters.contains_key("pref") {
        return;
    }
    let address = resource.params.get("ipaddress").map(String::as_str);
    let Some(address) = address.filter(|text| text.parse::<Ipv6Addr>().is_ok()) else {
        return;
    };
    let template = resource.recipe.params.get("ipaddress");
    let question = template.and_then(|template| role.question_in(template));
    let message = format!(
        "resource {}: {} of this release knows no IPv6, so that nothing would start behind \
         {address}; write an IPv4 address, or use a later release",
        resource.recipe.id, resource.agent
    );
    refusals.role(role.name, question, message);
}

/// What is wrong with a parameter.
fn wrong(agent: &str, metadata: &AgentMetadata, name: &str, value: &str) -> Option<String> {
    let Some(parameter) = metadata.parameters.get(name) else {
        let known = metadata.parameters.keys().map(String::as_str);
        return Some(format!(
            "{agent} has no parameter {name}; {}",
            suggest::remedy(name, known)
        ));
    };
    let expected = match parameter.kind.as_str() {
        "integer" if value.parse::<i64>().is_err() => "a whole number",
        "boolean" if !is_boolean(value) => "true or false",
        _ => return None,
    };
    Some(format!(
        "{name} of {agent} cannot be `{value}`; write {expected}"
    ))
}

/// What agents and pacemaker take for a truth value.
fn is_boolean(value: &str) -> bool {
    let words = [
        "1", "0", "true", "false", "yes", "no", "on", "off", "y", "n",
    ];
    words.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Required parameters that nothing gives: neither a value nor a default nor an
/// older name.
fn lacking<'a>(
    metadata: &'a AgentMetadata,
    given: impl Fn(&str) -> bool,
    supplied: &[&str],
) -> Vec<&'a str> {
    let lacks = |(name, parameter): &(&'a String, &'a Parameter)| {
        let aliases: Vec<&str> = parameter.replaces.iter().map(String::as_str).collect();
        parameter.required
            && !parameter.deprecated
            && parameter.default.is_none()
            && !supplied.contains(&name.as_str())
            && !given(name)
            && !aliases.iter().any(|alias| given(alias))
    };
    let all = metadata.parameters.iter().filter(lacks);
    all.map(|(name, _)| name.as_str()).collect()
}

/// Parameters that pacemaker fills in itself.
const SUPPLIED: [&str; 4] = ["action", "plug", "port", "nodename"];

/// Fence agents that reserve a disk. Pacemaker would use them only with
/// `provides=unfencing`, and a node that has lost the disk alone still holds what
/// else the roles move.
const OF_DISKS: [&str; 2] = ["fence_mpath", "fence_scsi"];

/// The agents of fence devices.
pub(super) fn fence_agents(draft: &Draft, refusals: &mut Refusals) {
    for device in draft.fencing.devices() {
        let (for_agent, for_params) = if device.id.starts_with("fence-agent") {
            (question::FENCE_AGENT, question::FENCE_PARAMETERS)
        } else {
            (question::FENCING, question::FENCING)
        };
        let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !device.agent.starts_with("fence_") || !device.agent.chars().all(sound) {
            let message = format!(
                "`{}` is no fence agent; write a name such as `fence_virsh`",
                device.agent
            );
            refusals.cluster(for_agent, message);
            continue;
        }
        if OF_DISKS.contains(&device.agent.as_str()) {
            let message = format!(
                "`{}` takes a shared disk from a node and lets it run on, with its virtual \
                 addresses and its half of a DRBD device; write an agent that switches nodes off, \
                 or choose sbd with a small shared disk",
                device.agent
            );
            refusals.cluster(for_agent, message);
            continue;
        }
        let name = format!("stonith:{}", device.agent);
        match draft.platform.agents.get(&name) {
            Some(metadata) => {
                for (name, message) in fence_parameters(device, metadata) {
                    let question = match is_secret(name) {
                        true => question::FENCE_PASSWORD,
                        false => for_params,
                    };
                    refusals.cluster(question, message);
                }
            }
            None if draft.platform.agents_known => refusals.cluster(
                for_agent,
                format!(
                    "the fence agent {} is not installed; install its package on every node, or \
                     choose another way to fence",
                    device.agent
                ),
            ),
            None => {}
        }
        for (name, _) in &device.params {
            if name.starts_with("pcmk_") && !fence_agent::is_pacemakers(name) {
                let known = fence_agent::PACEMAKERS.iter().copied();
                let remedy = suggest::remedy(name, known);
                refusals.cluster(for_params, format!("pacemaker has no {name}; {remedy}"));
            }
        }
    }
}

/// What is wrong with the parameters, with their names.
fn fence_parameters<'a>(
    device: &'a FenceDevice,
    metadata: &'a AgentMetadata,
) -> Vec<(&'a str, String)> {
    let mut messages = Vec::new();
    let params = device.params.iter();
    for (name, value) in params.filter(|(name, _)| !name.starts_with("pcmk_")) {
        let message = wrong(&device.agent, metadata, name, value);
        messages.extend(message.map(|message| (name.as_str(), message)));
    }
    let given = |name: &str| device.params.iter().any(|(known, _)| known == name);
    for name in lacking(metadata, given, &SUPPLIED) {
        let remedy = match is_secret(name) {
            true => format!("write it as {}", question::FENCE_PASSWORD),
            false => format!("write {name}=VALUE"),
        };
        let message = format!("{} cannot do without {name}; {remedy}", device.agent);
        messages.push((name, message));
    }
    messages
}
