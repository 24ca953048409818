//! Looking at a cluster again and again, and remembering what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Course;
use crate::trial::event::Anchor;
use crate::trial::fact::{Dark, Probe, ProbeKind, Sighting, Single};
use crate::trial::observe::{ASK, Failure, GLANCE, Member, Monitor, Seen};
use crate::trial::report::{Held, Stretch};
use crate::trial::scenario::VIP;
use crate::trial::world::{Power, Trouble, World};

/// For one answer, before the stretch.
pub(super) const PATIENCE: Duration = Duration::from_secs(25);

/// Between two whole looks while something is waited for, at the least.
const PERIOD: Duration = Duration::from_secs(3);

/// And as many times the last look: in emulation it slows a guest down, and it
/// is the guest that is measured.
const REST: u32 = 4;

/// Everything that was seen so far.
#[derive(Debug, Default)]
pub struct Watch {
    /// All machines, spare ones too.
    pub machines: Vec<String>,
    /// Those of the cluster, as it was formed and as nodes join and leave.
    pub members: Vec<String>,
    /// Those that have left it.
    pub gone: Vec<String>,
    pub replicated: bool,
    /// The last answer of each machine that answers.
    pub seen: BTreeMap<String, Seen>,
    pub sightings: Vec<Sighting>,
    pub anchors: BTreeMap<String, Vec<Anchor>>,
    pub probes: Vec<Probe>,
    /// Stretches of power off and standing still.
    pub stretches: Vec<Held>,
    dark: Vec<Dark>,
    /// The last glance found no member.
    is_dark: bool,
    /// Fencings that any look has found done: pacemaker's own history may be
    /// cleaned up.
    fences: BTreeSet<(String, String)>,
    /// Actions that any look has found failed, with the boot of their node.
    failures: Vec<(Failure, Option<String>)>,
    /// The resources that may fail.
    forgiven: BTreeSet<String>,
    macs: BTreeMap<String, String>,
    /// When the last whole look began and was over.
    looked: Option<(Duration, Duration)>,
}

impl Watch {
    pub fn new(course: &Course, macs: BTreeMap<String, String>) -> Self {
        Watch {
            machines: course.machines(),
            members: course.members(),
            replicated: course.replicated,
            macs,
            ..Self::default()
        }
    }

    /// One round: every machine that runs tells all.
    ///
    /// # Errors
    /// Only of the environment; a silent guest is a fact.
    pub fn look(&mut self, world: &mut dyn World) -> Result<(), Trouble> {
        let begin = world.now();
        let on = self.running(world);
        for answer in world.ask(&on, ASK, PATIENCE) {
            let node = answer.node;
            match answer.output {
                Ok(output) => {
                    let seen = Seen::parse(&output.stdout);
                    self.told(&node, (answer.begin, answer.end), seen);
                }
                Err(Trouble::Guest(_)) => drop(self.seen.remove(&node)),
                Err(trouble) => return Err(trouble),
            }
        }
        self.probes = world.probes();
        self.remember();
        self.looked = Some((begin, world.now()));
        Ok(())
    }

    fn remember(&mut self) {
        let done: Vec<(String, String)> = (self.monitors())
            .flat_map(|(_, monitor)| &monitor.fences)
            .filter(|fence| fence.status == "success")
            .map(|fence| (fence.target.clone(), fence.completed.clone()))
            .collect();
        self.fences.extend(done);
        let failed: Vec<Failure> = (self.monitors())
            .flat_map(|(_, monitor)| monitor.failures.clone())
            .collect();
        for failure in failed {
            if !self.failures.iter().any(|(known, _)| *known == failure) {
                let boot = self.boot(&failure.node);
                self.failures.push((failure, boot));
            }
        }
    }

    fn boot(&self, node: &str) -> Option<String> {
        Some(self.seen.get(node)?.boot.clone())
    }

    /// That these resources fail is part of the scenario.
    pub fn forgive(&mut self, resources: Vec<String>) {
        self.forgiven.extend(resources);
    }

    /// The same of whatever has failed so far.
    pub fn forgive_all(&mut self) {
        self.failures.clear();
    }

    /// Failures that are no part of the scenario and of which pacemaker tells no
    /// more: cleaned up with others, or expired. What a node has failed at before it
    /// booted anew is forgotten rightly.
    pub fn forgotten(&self) -> Vec<String> {
        let still = |failure: &Failure| {
            let mut told = self.monitors();
            told.any(|(_, monitor)| monitor.failures.contains(failure))
        };
        let list = self.failures.iter().filter(|(failure, boot)| {
            !self.forgiven.contains(&failure.resource)
                && self.boot(&failure.node) == *boot
                && !still(failure)
        });
        list.map(|(failure, _)| failure.text.clone()).collect()
    }

    /// The node is a member from now on.
    pub fn join(&mut self, node: &str) {
        self.gone.retain(|one| one != node);
        if !self.members.iter().any(|one| one == node) {
            self.members.push(node.into());
        }
    }

    /// The node is no member any more.
    pub fn leave(&mut self, node: &str) {
        let before = self.members.len();
        self.members.retain(|one| one != node);
        if self.members.len() < before {
            self.gone.push(node.into());
        }
    }

    /// One round of what costs the guests next to nothing: who runs, addresses,
    /// mounts, DRBD. What pacemaker and corosync said stays as it was.
    ///
    /// # Errors
    /// As [`Watch::look`].
    pub fn glance(&mut self, world: &mut dyn World) -> Result<(), Trouble> {
        let on = self.running(world);
        let paths = GLANCE.map(|(_, path)| path);
        let told = world.files(&on, &paths, PATIENCE)?;
        self.seen
            .retain(|node, _| told.iter().any(|one| one.node == *node));
        for one in told {
            let seen = Seen::glance(&one.contents, self.seen.get(&one.node));
            self.told(&one.node, (one.begin, one.end), seen);
        }
        self.probes = world.probes();
        Ok(())
    }

    /// Whether another whole look may be taken; the first since `from` always.
    pub fn due(&self, from: Duration, now: Duration) -> bool {
        self.looked.is_none_or(|(begin, end)| {
            let rest = PERIOD.max(end.saturating_sub(begin) * REST);
            end < from || now >= end + rest
        })
    }

    /// The machines to ask; those that are off or stand still are noted. One
    /// that boots is not asked: the others would be waiting for its answer.
    fn running(&mut self, world: &dyn World) -> Vec<String> {
        let (mut on, rest): (Vec<String>, Vec<String>) =
            (self.machines.iter().cloned()).partition(|node| world.power(node) == Power::On);
        on.retain(|node| world.is_up(node));
        self.seen.retain(|node, _| on.contains(node));
        let now = world.now();
        self.note_dark(&on, now);
        for node in &rest {
            let off = world.power(node) == Power::Off;
            let what = if off { Stretch::Off } else { Stretch::Frozen };
            self.stretch(node, what, now);
            if off {
                self.sighting(node, now, now, &Seen::default());
            }
        }
        on
    }

    /// A cluster whose members have not answered yet is about to begin.
    fn note_dark(&mut self, on: &[String], now: Duration) {
        let met = self
            .members
            .iter()
            .any(|node| self.anchors.contains_key(node));
        let dark = met && !self.members.iter().any(|node| on.contains(node));
        if dark {
            match self.dark.last_mut().filter(|_| self.is_dark) {
                Some(last) => last.to = now,
                None => self.dark.push(Dark { from: now, to: now }),
            }
        }
        self.is_dark = dark;
    }

    /// As [`Facts::dark`](crate::trial::fact::Facts::dark).
    pub fn dark(&self) -> Option<Vec<Dark>> {
        let looked = self.members.len() > 1 && !self.anchors.is_empty();
        looked.then(|| self.dark.clone())
    }

    fn told(&mut self, node: &str, (begin, end): (Duration, Duration), seen: Option<Seen>) {
        match seen {
            Some(seen) => {
                self.sighting(node, begin, end, &seen);
                self.anchor(node, begin, &seen);
                self.seen.insert(node.into(), seen);
            }
            None => drop(self.seen.remove(node)),
        }
    }

    fn sighting(&mut self, node: &str, begin: Duration, end: Duration, seen: &Seen) {
        let mut add = |what, held| {
            self.sightings.push(Sighting {
                node: node.into(),
                what,
                begin,
                end,
                held,
            });
        };
        add(Single::Address, seen.has(VIP));
        if self.replicated {
            add(Single::Primary, seen.primary);
            add(Single::Mount, seen.single_mount());
        }
    }

    /// The uptime was read when the command began, but for its start.
    fn anchor(&mut self, node: &str, at: Duration, seen: &Seen) {
        let list = self.anchors.entry(node.into()).or_default();
        list.push(Anchor {
            boot: seen.boot.clone(),
            uptime: seen.uptime,
            at,
        });
    }

    fn stretch(&mut self, node: &str, what: Stretch, now: Duration) {
        let last = self.stretches.iter().rposition(|held| held.node == node);
        let same = last.filter(|at| {
            let held = &self.stretches[*at];
            held.what == what && !self.answered_since(node, held.to)
        });
        match same {
            Some(at) => self.stretches[at].to = now,
            None => self.stretches.push(Held {
                node: node.into(),
                what,
                from: now,
                to: now,
            }),
        }
    }

    fn answered_since(&self, node: &str, at: Duration) -> bool {
        let last = self.anchors.get(node).and_then(|list| list.last());
        last.is_some_and(|anchor| anchor.at > at)
    }

    /// The node that the address is on. By the interfaces; where they tell of
    /// none or of two, by who answered the client last.
    pub fn holder(&self) -> Option<String> {
        let on: Vec<&String> = (self.seen.iter())
            .filter(|(_, seen)| seen.has(VIP))
            .map(|(node, _)| node)
            .collect();
        match on.as_slice() {
            [only] => Some((*only).clone()),
            _ => {
                let last = self
                    .probes
                    .iter()
                    .rev()
                    .find(|probe| probe.kind == ProbeKind::Arp)?;
                let mac = last.from.last()?;
                self.macs.get(mac).cloned()
            }
        }
    }

    /// Whether the client's last question of the nearest kind was answered;
    /// `None` where it asks nothing.
    pub fn served(&self) -> Option<bool> {
        ProbeKind::NEAREST.into_iter().find_map(|kind| {
            let last = self.probes.iter().rev().find(|probe| probe.kind == kind)?;
            Some(last.good)
        })
    }

    /// What pacemaker says, by node. A spare machine that has not joined, where
    /// the packages have started a cluster of one, is none of its voices, nor is
    /// one that was taken out while it was off and boots with its old files.
    pub fn monitors(&self) -> impl Iterator<Item = (&str, &Monitor)> {
        self.seen.iter().filter_map(|(node, seen)| {
            if self.gone.contains(node) {
                return None;
            }
            let monitor = seen.monitor.as_ref()?;
            let ours = |one: &Member| self.members.contains(&one.name);
            monitor
                .nodes
                .iter()
                .any(ours)
                .then_some((node.as_str(), monitor))
        })
    }

    /// Fencings that any node has told of as done, ever.
    pub fn fenced(&self) -> &BTreeSet<(String, String)> {
        &self.fences
    }

    /// Who answered for the address, and when nodes were off.
    pub fn held(&self) -> Vec<Held> {
        let mut all = self.stretches.clone();
        let mut open: Option<Held> = None;
        for probe in self
            .probes
            .iter()
            .filter(|probe| probe.kind == ProbeKind::Arp)
        {
            let node = probe.from.first().map(|mac| self.name(mac));
            match (&mut open, node) {
                (Some(held), Some(node)) if held.node == node => held.to = probe.at,
                (_, node) => {
                    all.extend(open.take());
                    open = node.map(|node| Held {
                        node,
                        what: Stretch::Address,
                        from: probe.at,
                        to: probe.at,
                    });
                }
            }
        }
        all.extend(open);
        all
    }

    fn name(&self, mac: &str) -> String {
        self.macs
            .get(mac)
            .cloned()
            .unwrap_or_else(|| mac.to_string())
    }

    /// How often the address changed hands since `from`.
    pub fn moves(&self, from: Duration) -> usize {
        let mut holders: Vec<&str> = Vec::new();
        let arp = self
            .probes
            .iter()
            .filter(|probe| probe.kind == ProbeKind::Arp);
        for probe in arp {
            let Some(mac) = probe.from.first() else {
                continue;
            };
            if probe.at < from {
                holders.clear();
            }
            if holders.last() != Some(&mac.as_str()) {
                holders.push(mac);
            }
        }
        holders.len().saturating_sub(1)
    }
}
