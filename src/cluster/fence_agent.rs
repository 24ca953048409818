//! `fence_agent` and `fence_parameters`: any installed fence agent.

use std::collections::{BTreeMap, BTreeSet};

use super::fence::secret;
use super::redact::is_secret;
use super::refuse::Refusals;
use super::settings::{Settings, question};
use super::{FenceDevice, Platform};

/// Parameters of every device that are for pacemaker, not for the agent
/// (pacemaker-fenced(7)).
pub(super) const PACEMAKERS: [&str; 7] = [
    "pcmk_action_limit",
    "pcmk_delay_base",
    "pcmk_delay_max",
    "pcmk_host_argument",
    "pcmk_host_check",
    "pcmk_host_list",
    "pcmk_host_map",
];

/// Those of them that have it wait before it shoots.
const DELAYS: [&str; 2] = ["pcmk_delay_base", "pcmk_delay_max"];

/// Whether a parameter is for pacemaker; `pcmk_off_timeout` and its like are
/// too.
pub(super) fn is_pacemakers(name: &str) -> bool {
    let actions = ["reboot", "off", "on", "list", "monitor", "status"];
    let of_action = name
        .strip_prefix("pcmk_")
        .and_then(|rest| rest.split_once('_'))
        .is_some_and(|(action, what)| {
            actions.contains(&action) && ["action", "timeout", "retries"].contains(&what)
        });
    of_action || PACEMAKERS.contains(&name)
}

/// Seconds for which pacemaker may wait before one of the devices shoots,
/// because its parameters say so.
pub(super) fn longest_wait(devices: &[FenceDevice]) -> u32 {
    let params = devices.iter().flat_map(|device| &device.params);
    let waits = params.filter(|(name, _)| DELAYS.contains(&name.as_str()));
    let seconds = waits.filter_map(|(_, value)| seconds_of(value));
    seconds.max().unwrap_or(0)
}

/// The longest time of a delay, rounded up to seconds: `5s`, or of
/// `pcmk_delay_base` one for each node, `alpha:5s;beta:0`.
fn seconds_of(value: &str) -> Option<u32> {
    let times = value.split(';').filter(|entry| !entry.is_empty());
    let times = times.map(|entry| match entry.split_once(':') {
        Some((_, time)) => seconds(time),
        None => seconds(entry),
    });
    // One that cannot be read hides the others.
    let times: Option<Vec<u32>> = times.collect();
    times?.into_iter().max()
}

/// A time as pacemaker reads it: a number alone is of seconds.
fn seconds(time: &str) -> Option<u32> {
    let end = time
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(time.len());
    let (number, unit) = time.split_at(end);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "us" | "usec" => number.div_ceil(1_000_000),
        "ms" | "msec" => number.div_ceil(1000),
        "" | "s" | "sec" => number,
        "m" | "min" => number.checked_mul(60)?,
        "h" | "hr" => number.checked_mul(3600)?,
        _ => return None,
    };
    u32::try_from(seconds).ok()
}

/// `fence_parameters` taken apart.
#[derive(Debug, Default)]
struct Parameters {
    all: BTreeMap<String, String>,
    /// By the name of the node.
    of_node: BTreeMap<String, BTreeMap<String, String>>,
}

/// The devices: one for all nodes, or one for each where a parameter is for one
/// node alone.
pub(super) fn devices(
    settings: &Settings,
    level: u32,
    platform: &Platform,
    refusals: &mut Refusals,
) -> Vec<FenceDevice> {
    let Some(agent) = settings.text(question::FENCE_AGENT) else {
        refusals.cluster(
            question::FENCE_AGENT,
            "is not answered; write the agent's name, such as `fence_virsh`",
        );
        return Vec::new();
    };
    let mut parameters = parse(settings, refusals);
    if let Some(password) = secret(settings, question::FENCE_PASSWORD) {
        let name = password_parameter(&agent, platform);
        parameters.all.insert(name, password);
    }
    let names: Vec<String> = settings.members.iter().map(|m| m.name.clone()).collect();
    if parameters.of_node.is_empty() {
        return vec![one_for_all(agent, parameters.all, names, level, refusals)];
    }
    let missing: Vec<&str> = (names.iter().map(String::as_str))
        .filter(|name| !parameters.of_node.contains_key(*name))
        .collect();
    if !missing.is_empty() {
        refusals.cluster(
            question::FENCE_PARAMETERS,
            format!(
                "says nothing of {}, so that nobody could fence it; write {}:name=value too",
                missing.join(", "),
                missing[0]
            ),
        );
    }
    let device = |(name, own): (String, BTreeMap<String, String>)| {
        let mut params = parameters.all.clone();
        params.extend(own);
        only_for(&name, &mut params);
        FenceDevice {
            id: format!("fence-agent-{name}"),
            agent: agent.clone(),
            params: params.into_iter().collect(),
            targets: vec![name],
            level,
        }
    };
    // In the order of the nodes.
    let own = |name: String| {
        let params = parameters.of_node.get(&name)?.clone();
        Some((name, params))
    };
    names.into_iter().filter_map(own).map(device).collect()
}

/// What the agent calls its password: `password`, or the one parameter that it has
/// instead.
fn password_parameter(agent: &str, platform: &Platform) -> String {
    const PASSWORD: &str = "password";
    let name = match platform.agents.get(&format!("stonith:{agent}")) {
        Some(metadata) => {
            let parameters = metadata.parameters.iter();
            let secrets = parameters.filter(|(name, one)| is_secret(name) && !one.deprecated);
            let secrets: Vec<&str> = secrets.map(|(name, _)| name.as_str()).collect();
            match secrets.as_slice() {
                [one] => *one,
                _ => PASSWORD,
            }
        }
        None => match agent {
            "fence_aliyun" | "fence_aws" => "secret_key",
            "fence_ecloud" | "fence_ibm_vpc" => "apikey",
            "fence_ibm_powervs" => "token",
            _ => PASSWORD,
        },
    };
    name.into()
}

/// Pacemaker adds the nodes of `pcmk_host_map` to those of `pcmk_host_list`, and
/// would ask the agent instead where `pcmk_host_check` says so: either way the
/// device of one node would be used for another one.
fn only_for(node: &str, params: &mut BTreeMap<String, String>) {
    params.insert("pcmk_host_list".into(), node.into());
    params.remove("pcmk_host_check");
    if let Some(map) = params.remove("pcmk_host_map") {
        let mut entries = map.split([';', ' ']);
        let own = |entry: &&str| {
            let host = entry.split_once([':', '=']).map(|(host, _)| host.trim());
            host == Some(node)
        };
        if let Some(entry) = entries.find(own) {
            params.insert("pcmk_host_map".into(), entry.into());
        }
    }
}

fn one_for_all(
    agent: String,
    mut params: BTreeMap<String, String>,
    names: Vec<String>,
    level: u32,
    refusals: &mut Refusals,
) -> FenceDevice {
    let asks = ["dynamic-list", "status", "none"];
    let check = params.get("pcmk_host_check").map(String::as_str);
    if !check.is_some_and(|check| asks.contains(&check)) {
        let covered = match (params.get("pcmk_host_map"), params.get("pcmk_host_list")) {
            (None, None) => {
                params.insert("pcmk_host_list".into(), names.join(" "));
                names.iter().cloned().collect()
            }
            (map, list) => hosts(map, list),
        };
        let missing: Vec<&str> = (names.iter().map(String::as_str))
            .filter(|name| !covered.contains(*name))
            .collect();
        if !missing.is_empty() {
            refusals.cluster(
                question::FENCE_PARAMETERS,
                format!(
                    "leaves {} out, so that nobody could fence it; name it in pcmk_host_map or \
                     pcmk_host_list too",
                    missing.join(", ")
                ),
            );
        }
    }
    FenceDevice {
        id: "fence-agent".into(),
        agent,
        params: params.into_iter().collect(),
        targets: names,
        level,
    }
}

/// The hosts of a `pcmk_host_map` (`alpha:1;beta:2,3`) and `pcmk_host_list`.
fn hosts(map: Option<&String>, list: Option<&String>) -> BTreeSet<String> {
    let map = map.map(String::as_str).unwrap_or_default();
    let list = list.map(String::as_str).unwrap_or_default();
    let mapped = map
        .split([';', ' '])
        .filter_map(|entry| entry.split_once([':', '=']))
        .map(|(host, _)| host.trim());
    let listed = list.split([',', ';', ' ']).filter(|host| !host.is_empty());
    mapped.chain(listed).map(str::to_owned).collect()
}

fn parse(settings: &Settings, refusals: &mut Refusals) -> Parameters {
    let text = settings
        .text(question::FENCE_PARAMETERS)
        .unwrap_or_default();
    let mut parameters = Parameters::default();
    for entry in text.split_whitespace() {
        match parse_one(settings, entry) {
            Ok((node, name, value)) => {
                let into = match node {
                    Some(node) => parameters.of_node.entry(node).or_default(),
                    None => &mut parameters.all,
                };
                if into.insert(name.clone(), value).is_some() {
                    refusals.cluster(
                        question::FENCE_PARAMETERS,
                        format!("gives {name} twice; write it once"),
                    );
                }
            }
            Err(message) => refusals.cluster(question::FENCE_PARAMETERS, message),
        }
    }
    parameters
}

/// `name=value`, or `NODE:name=value`.
fn parse_one(settings: &Settings, entry: &str) -> Result<(Option<String>, String, String), String> {
    let Some((name, value)) = entry.split_once('=') else {
        return Err(format!(
            "`{entry}` is no parameter; write name=value, without blanks around `=`"
        ));
    };
    let (node, name) = match name.rsplit_once(':') {
        Some((node, name)) => (Some(node), name),
        None => (None, name),
    };
    let is_member = |node: &str| settings.members.iter().any(|member| member.name == node);
    if let Some(node) = node.filter(|node| !is_member(node)) {
        return Err(format!(
            "`{entry}` is for {node}, which is no node; the nodes are {}",
            settings.names()
        ));
    }
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(sound) || value.is_empty() {
        return Err(format!("`{entry}` is no parameter; write name=value"));
    }
    if DELAYS.contains(&name) && seconds_of(value).is_none() {
        return Err(format!(
            "`{entry}` is no time to wait; write seconds, such as {name}=5s"
        ));
    }
    if is_secret(name) {
        return Err(format!(
            "holds `{name}`, and everybody may read this answer; write the password as \
             {} and take `{name}` out",
            question::FENCE_PASSWORD
        ));
    }
    Ok((node.map(str::to_owned), name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::seconds_of;

    #[test]
    fn a_delay_is_read_as_pacemaker_does() {
        for (value, longest) in [
            ("7", 7),
            ("7s", 7),
            ("7sec", 7),
            ("1500ms", 2),
            ("2min", 120),
            ("1h", 3600),
            ("0", 0),
            ("alpha:5s;beta:30", 30),
            ("alpha:40;beta:0;", 40),
        ] {
            assert_eq!(seconds_of(value), Some(longest), "{value}");
        }
        for value in [
            "",
            ";",
            "s",
            "-5",
            "5 s",
            "5d",
            "alpha:",
            "alpha:5;beta:x",
            "99999999999",
        ] {
            assert_eq!(seconds_of(value), None, "{value}");
        }
    }
}
