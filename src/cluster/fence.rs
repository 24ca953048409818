//! Fence devices, their levels, and which of two halves dies.

use std::collections::BTreeMap;

use super::cib;
use super::dlm;
use super::expand::Role;
use super::refuse::Refusals;
use super::settings::{Choice, Settings, question};
use super::xml::Element;
use super::{FenceDevice, Fencing, Platform};
use crate::recipe::answer::Answer;

/// Fencing as it shall be.
#[derive(Debug)]
pub(super) struct Plan {
    pub fencing: Fencing,
    /// Shared disk of sbd.
    pub sbd_disk: Option<String>,
    /// Watchdog of sbd, where sbd is used at all.
    pub sbd_watchdog: Option<String>,
    /// `priority-fencing-delay`, where both halves of a split would shoot: for how
    /// many seconds the node whose resources have the higher sum of priorities is
    /// not shot (pacemaker-controld(7)). A takeover from it takes as much longer.
    delay: Option<u32>,
}

/// In seconds, until who was shot first shoots no more: a management controller
/// on the wire, or a message on a disk, acts at once; agents on a busy node do not.
const NEAR: u32 = 5;

/// The same of a hypervisor or a cloud, which is asked and takes its time.
const FAR: u32 = 10;

/// Until sbd has read its message on the disk, which it looks for every second.
const SBD_READS: u32 = 3;

/// A device that was out of reach for a while is tried again soon, and never
/// given up: a node whose device is banned everywhere cannot be fenced.
const META: [(&str, &str); 2] = [
    ("failure-timeout", "2min"),
    ("migration-threshold", "INFINITY"),
];

/// `priority` of a resource that does the work of one node.
pub(super) const WORK: &str = "10";

/// Below that of any work.
const LEAST: &str = "1";

/// The least `priority` that a recipe may give to work: with that of a fence
/// device two halves would be even.
pub(super) const LEAST_WORK: u32 = 2;

/// The longest message of sbd, in seconds, for which fence_sbd's own
/// `power_timeout` of 30 s, after which it stops waiting for sbd, and the 60 s
/// that pacemaker gives an agent are long enough.
const SBD_MESSAGE: u32 = 20;

const WATCHDOG: &str = "/dev/watchdog";
const SBD_AGENT: &str = "fence_sbd";

impl Plan {
    /// What stands in for a plan that was refused.
    fn none() -> Self {
        Self {
            fencing: Fencing::AcceptSplitBrain,
            sbd_disk: None,
            sbd_watchdog: None,
            delay: None,
        }
    }

    pub fn devices(&self) -> &[FenceDevice] {
        match &self.fencing {
            Fencing::Devices(devices) => devices,
            _ => &[],
        }
    }
}

/// Full names of the agents that the answers to `fencing` need.
pub(super) fn agents(settings: &Settings) -> Vec<String> {
    let mut names = Vec::new();
    if settings.fencing.ipmi() {
        names.push("fence_ipmilan".to_owned());
    }
    if settings.fencing.agent() {
        names.extend(settings.text(question::FENCE_AGENT));
    }
    if settings.fencing.sbd() && settings.text(question::SBD_DEVICE).is_some() {
        names.push(SBD_AGENT.to_owned());
    }
    names.iter().map(|name| format!("stonith:{name}")).collect()
}

/// Reads the answers about fencing, for a cluster of these roles.
pub(super) fn plan(
    settings: &Settings,
    roles: &[Role],
    platform: &Platform,
    refusals: &mut Refusals,
) -> Plan {
    let choice = settings.fencing;
    if matches!(choice, Choice::Later | Choice::AcceptSplitBrain) {
        return Plan::none();
    }
    let disk = settings.text(question::SBD_DEVICE);
    let watchdog = settings
        .text(question::SBD_WATCHDOG)
        .unwrap_or_else(|| WATCHDOG.into());
    let mut devices = Vec::new();
    let mut level = 1;
    if choice.ipmi() {
        devices.extend(controllers(settings, level, refusals));
        level += 1;
    }
    if choice.agent() {
        let agents = super::fence_agent::devices(settings, level, platform, refusals);
        devices.extend(agents);
    }
    if choice.sbd() {
        match &disk {
            Some(disk) => devices.push(disk_device(settings, disk, level)),
            None if choice == Choice::Sbd => {
                return Plan {
                    fencing: Fencing::Watchdog {
                        device: watchdog.clone(),
                    },
                    sbd_disk: None,
                    sbd_watchdog: Some(watchdog),
                    delay: None,
                };
            }
            None => refusals.cluster(
                question::SBD_DEVICE,
                "is empty, but sbd as the second way needs a shared disk; name one, or choose \
                 `ipmi` or `sbd` alone for `fencing`",
            ),
        }
    }
    let delay = delay(settings, roles, &devices);
    Plan {
        fencing: Fencing::Devices(devices),
        sbd_disk: disk.filter(|_| choice.sbd()),
        sbd_watchdog: choice.sbd().then_some(watchdog),
        delay,
    }
}

/// One device for each node: its management controller.
fn controllers(settings: &Settings, level: u32, refusals: &mut Refusals) -> Vec<FenceDevice> {
    let controllers = settings.nodes(question::IPMI_ADDRESSES);
    let mut params = Vec::new();
    for (name, asked) in [
        ("username", question::IPMI_USER),
        ("password", question::IPMI_PASSWORD),
    ] {
        match settings.text(asked) {
            Some(text) => params.push((name.to_owned(), text)),
            None => refusals.cluster(asked, "is not answered; write what the controllers ask for"),
        }
    }
    let device = |node: &super::Member| {
        let controller = controllers.iter().find(|c| c.name == node.name)?;
        let address = controller.addresses.first()?;
        let mut params = params.clone();
        params.extend([
            ("ip".into(), address.to_string()),
            ("lanplus".into(), "1".into()),
            ("pcmk_host_list".into(), node.name.clone()),
        ]);
        params.sort();
        Some(FenceDevice {
            id: format!("fence-{}", node.name),
            agent: "fence_ipmilan".into(),
            params,
            targets: vec![node.name.clone()],
            level,
        })
    };
    settings.members.iter().filter_map(device).collect()
}

fn disk_device(settings: &Settings, disk: &str, level: u32) -> FenceDevice {
    let mut params = vec![
        ("devices".into(), disk.into()),
        ("pcmk_host_list".into(), settings.names()),
    ];
    let message = settings.sbd().message;
    if message > SBD_MESSAGE {
        let longer = |by| format!("{}", message + by);
        params.extend([
            ("pcmk_off_timeout".into(), longer(50)),
            ("pcmk_reboot_timeout".into(), longer(50)),
            ("power_timeout".into(), longer(20)),
        ]);
    }
    FenceDevice {
        id: "fence-sbd".into(),
        agent: SBD_AGENT.into(),
        params,
        targets: settings.members.iter().map(|m| m.name.clone()).collect(),
        level,
    }
}

fn delay(settings: &Settings, roles: &[Role], devices: &[FenceDevice]) -> Option<u32> {
    if !settings.is_pair() || devices.is_empty() {
        return None;
    }
    let far = |device: &FenceDevice| !["fence_ipmilan", SBD_AGENT].contains(&&*device.agent);
    let delay = if devices.iter().any(far) { FAR } else { NEAR };
    let by_disk = devices.iter().any(|device| device.agent == SBD_AGENT);
    // Who was told to die by sbd's disk dies within its watchdog's timeout, not at
    // once: sbd calls sync(2) first, which hangs where I/O is suspended. Until
    // then it shoots too.
    let delay = match by_disk && hangs(roles) {
        true => delay.max(settings.sbd().watchdog + SBD_READS),
        false => delay,
    };
    // Pacemaker adds a device's own delay to this one. Who shall live may wait for
    // the longest before it shoots, and who shall not may wait for none: the manual
    // wants twice the longest.
    let own = super::fence_agent::longest_wait(devices);
    Some(delay.saturating_add(own.saturating_mul(2)))
}

/// Whether I/O may be suspended on the half that is shot: it waits for the DLM,
/// or is the Primary of a DRBD resource. Where the cluster has one DRBD resource
/// and one thing to run, the Primary is the half that lives.
fn hangs(roles: &[Role]) -> bool {
    if dlm::is_used(roles) {
        return true;
    }
    let replicated: usize = roles.iter().map(|role| role.drbd.len()).sum();
    replicated > 1 || replicated == 1 && (roles.len() > 1 || apart(&roles[0]) != 1)
}

/// How many things of a role find their places each by itself.
fn apart(role: &Role) -> usize {
    let grouped = |id| role.groups.iter().any(|(_, members)| members.contains(&id));
    let resources = role.resources.iter().map(|r| r.recipe.id.as_str());
    let groups = role.groups.iter().map(|(id, _)| *id);
    (resources.filter(|id| !grouped(*id)).chain(groups))
        .filter(|id| role.clone_of(id).is_none())
        .count()
}

/// `priority-fencing-delay`, where both halves of a split would shoot.
pub(super) fn priority_delay(plan: &Plan) -> Option<String> {
    Some(format!("{}s", plan.delay?))
}

/// Whether the device settles who lives where both halves do the same work, or
/// none: who runs it. One for each node would make them even again.
fn settles(plan: &Plan, device: &FenceDevice) -> bool {
    let mut first_level = plan.devices().iter().filter(|one| one.level == 1);
    let settling = first_level.next_back().map(|one| &one.id);
    plan.delay.is_some() && settling == Some(&device.id)
}

/// The devices as primitives.
pub(super) fn primitives(plan: &Plan) -> Vec<Element> {
    let primitive = |device: &FenceDevice| {
        let id = &device.id;
        let mut meta = META.to_vec();
        if settles(plan, device) {
            meta.push(("priority", LEAST));
        }
        let monitor = Element::new("op")
            .set("id", format!("{id}-monitor-60s"))
            .set("name", "monitor")
            .set("interval", "60s")
            .set("timeout", "60s");
        let name = format!("stonith:{}", device.agent);
        let params = device.params.iter().map(|(name, value)| (name, value));
        cib::agent(Element::new("primitive").set("id", id), &name).with([
            cib::set("instance_attributes", &format!("{id}-params"), params),
            cib::set("meta_attributes", &format!("{id}-meta"), meta),
            Element::new("operations").with([monitor]),
        ])
    };
    plan.devices().iter().map(primitive).collect()
}

/// A device for one node does not run there: nobody shoots himself.
pub(super) fn locations(plan: &Plan) -> Vec<Element> {
    let location = |device: &FenceDevice| {
        let [target] = device.targets.as_slice() else {
            return None;
        };
        let element = Element::new("rsc_location")
            .set("id", format!("{}-not-{target}", device.id))
            .set("rsc", &device.id)
            .set("node", target)
            .set("score", "-INFINITY");
        Some(element)
    };
    plan.devices().iter().filter_map(location).collect()
}

/// The levels of each node, where there is more than one.
pub(super) fn topology(plan: &Plan, settings: &Settings) -> Option<Element> {
    let devices = plan.devices();
    if devices.iter().all(|device| device.level == 1) {
        return None;
    }
    let mut levels = Vec::new();
    for member in &settings.members {
        let mut of_node: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        for device in devices.iter().filter(|d| d.targets.contains(&member.name)) {
            of_node.entry(device.level).or_default().push(&device.id);
        }
        for (level, ids) in of_node {
            levels.push(
                Element::new("fencing-level")
                    .set("id", format!("fence-level-{}-{level}", member.name))
                    .set("target", &member.name)
                    .set("index", level.to_string())
                    .set("devices", ids.join(",")),
            );
        }
    }
    Some(Element::new("fencing-topology").with(levels))
}

/// The text of a password's answer.
pub(super) fn secret(settings: &Settings, question: &str) -> Option<String> {
    match settings.answers.get(question) {
        Some(Answer::Password(secret)) => Some(secret.expose().to_owned()),
        _ => None,
    }
}
