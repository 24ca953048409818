//! Fence devices are asked before anything relies on them.

use std::time::Duration;

use crate::cluster::{FenceDevice, Fencing, is_secret};
use crate::node::host::Host;
use crate::node::layout::Subject;
use crate::node::loaded::Loaded;
use crate::node::problem::{Failure, Problem};
use crate::recipe::model::FencingNeed;

/// A management controller may be slow, but answers within this.
const LIMIT: Duration = Duration::from_secs(60);

/// Exit code of a fence agent's status action for "it is off".
const OFF: i32 = 2;

/// Tries the status action of every device for every node.
///
/// # Errors
/// [`Failure::Refused`]: a device does not answer, and a role needs fencing.
/// Where none does, that is only noted.
pub fn check(host: &Host, loaded: &Loaded) -> Result<Vec<String>, Failure> {
    let Fencing::Devices(devices) = &loaded.desired.fencing else {
        return Ok(Vec::new());
    };
    let mut failed = Vec::new();
    // The disk of sbd is looked at when it is prepared.
    for device in devices.iter().filter(|device| device.agent != "fence_sbd") {
        for target in &device.targets {
            failed.extend(status(host, device, target)?);
        }
    }
    let required = |need| need == FencingNeed::Required;
    if failed.is_empty() {
        return Ok(Vec::new());
    }
    if loaded
        .roles
        .iter()
        .any(|(role, _)| required(role.fencing.need))
    {
        let file = host.layout.answers(&Subject::Cluster);
        let problems = failed.into_iter().map(|message| {
            let message = format!("fencing: {message}; a role with storage does not run without");
            Problem::new(&Subject::Cluster, message).in_file(file.clone(), None)
        });
        return Err(Failure::Refused(problems.collect()));
    }
    let note = |message| format!("fencing does not work: {message}");
    Ok(failed.into_iter().map(note).collect())
}

/// What is wrong with the device, as far as `target` goes.
fn status(host: &Host, device: &FenceDevice, target: &str) -> Result<Option<String>, Failure> {
    let FenceDevice { id, agent, .. } = device;
    if host.program(agent).is_none() {
        return Ok(Some(format!(
            "the agent {agent} is not installed (apt-get install {})",
            agent.replace("fence_", "fence-agents-")
        )));
    }
    eprintln!("ubuntu-ha: asking {id} for the state of {target}");
    let done = match host.run_with(agent, &[], input(device, target).as_bytes(), LIMIT) {
        Ok(done) => done,
        Err(Failure::Environment { message, .. }) => return Ok(Some(message)),
        Err(failure) => return Err(failure),
    };
    if done.success || done.code == Some(OFF) {
        return Ok(None);
    }
    Ok(Some(format!(
        "{id} ({agent}) does not tell the state of {target}: {}",
        hidden(device, done.last_words())
    )))
}

/// What the agent reads on standard input (the FenceAgentAPI), as pacemaker
/// gives it: without pacemaker's own parameters.
fn input(device: &FenceDevice, target: &str) -> String {
    let mut text = String::from("action=status\n");
    let mut named = false;
    for (name, value) in &device.params {
        if name.starts_with("pcmk_") || name == "priority" || name == "provides" {
            continue;
        }
        named |= name == "plug" || name == "port";
        text.push_str(&format!("{name}={value}\n"));
    }
    if !named {
        text.push_str(&format!("plug={}\n", plug(device, target)));
    }
    text
}

/// The device's name for a node: `pcmk_host_map` is `NODE:NAME;NODE:NAME`.
fn plug(device: &FenceDevice, target: &str) -> String {
    let map = device
        .params
        .iter()
        .find(|(name, _)| name == "pcmk_host_map");
    let map = map.map_or("", |(_, map)| map);
    let pairs = map
        .split([';', ' ', ','])
        .filter_map(|pair| pair.split_once(':'));
    let mut named = pairs.filter(|(node, _)| *node == target);
    named.next().map_or(target, |(_, plug)| plug).to_string()
}

/// An agent may repeat what it was given.
fn hidden(device: &FenceDevice, said: &str) -> String {
    let mut said = said.to_string();
    for (name, value) in &device.params {
        if is_secret(name) && !value.is_empty() {
            said = said.replace(value, "…");
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(params: &[(&str, &str)]) -> FenceDevice {
        let params = params.iter().map(|(n, v)| (n.to_string(), v.to_string()));
        FenceDevice {
            id: "fence-x".into(),
            agent: "fence_x".into(),
            params: params.collect(),
            targets: vec!["alpha".into()],
            level: 1,
        }
    }

    #[test]
    fn the_agent_gets_its_own_parameters_and_the_plug() {
        let map = ("pcmk_host_map", "alpha:vm1;beta:vm2");
        let given = device(&[("ip", "192.0.2.1"), ("password", "hush hush"), map]);
        assert_eq!(
            input(&given, "beta"),
            "action=status\nip=192.0.2.1\npassword=hush hush\nplug=vm2\n"
        );
        assert_eq!(hidden(&given, "bad: hush hush!"), "bad: …!");
        let keyed = device(&[("apikey", "hush"), ("region", "us")]);
        assert_eq!(hidden(&keyed, "us: hush"), "us: …");
        let given = device(&[("port", "7")]);
        assert_eq!(input(&given, "alpha"), "action=status\nport=7\n");
        assert_eq!(plug(&device(&[]), "alpha"), "alpha");
    }
}
