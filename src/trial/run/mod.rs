//! Runs a scenario on a cluster, and judges it.

mod closing;
#[cfg(test)]
mod fake;
mod floor;
mod judge;
mod shell;
mod step;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::fact::{Facts, Probe};
use super::observe::Quorum;
use super::report::{Attachment, RecordCount, Stopped, Trial, Verdict, outages, spans};
use super::scenario::{Client, FormedBy, Profile, Scenario, Start};
use super::world::{Power, Trouble, World};
use super::{audit, event};
use crate::vm::machine::{Sign, alarms};
use watch::Watch;

pub use shell::{heal as heal_shell, inject as inject_shell};

const QUORUM: &str = "corosync-quorumtool -s 2>/dev/null; true";

/// Until machines that form nothing are up, or a peer's script has its cluster,
/// before the stretch.
const SETTLE: Duration = Duration::from_secs(240);

/// Until a cluster serves of which pacemaker has already said that all of it
/// runs.
const SERVE: Duration = Duration::from_secs(60);

/// A scenario for one role on one suite.
#[derive(Debug, Clone)]
pub struct Course<'a> {
    pub scenario: &'a Scenario,
    pub role: &'a str,
    pub suite: &'a str,
    pub repeat: u16,
    /// With what the role's profile says.
    pub start: Start,
    pub client: Client,
    /// The role has an address that clients ask.
    pub address: bool,
    pub replicated: bool,
}

impl<'a> Course<'a> {
    pub fn new(
        scenario: &'a Scenario,
        role: &'a str,
        suite: &'a str,
        repeat: u16,
        profile: Option<&Profile>,
    ) -> Self {
        let (start, client) = scenario.for_role(profile);
        Course {
            scenario,
            role,
            suite,
            repeat,
            start,
            client,
            address: profile.is_none_or(|profile| profile.address),
            replicated: profile.is_some_and(|profile| profile.replicated),
        }
    }

    fn members(&self) -> Vec<String> {
        self.start
            .members()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    fn machines(&self) -> Vec<String> {
        self.start
            .machines()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// A trial of which nothing is known yet.
    pub fn blank(&self) -> Trial {
        Trial {
            scenario: self.scenario.name.clone(),
            summary: self.scenario.summary.clone(),
            role: self.role.into(),
            suite: self.suite.into(),
            repeat: self.repeat,
            began: String::new(),
            fingerprint: String::new(),
            kept: false,
            packages: Vec::new(),
            verdict: Verdict::Environment,
            why: Vec::new(),
            cold: false,
            start: Duration::ZERO,
            served: None,
            length: Duration::ZERO,
            accelerator: String::new(),
            scale: 1.0,
            late: Duration::ZERO,
            stubs: self.start.stubs.clone().unwrap_or_default(),
            nodes: self.machines(),
            steps: Vec::new(),
            events: Vec::new(),
            spans: Vec::new(),
            held: Vec::new(),
            outages: Vec::new(),
            floor: None,
            records: None,
            audits: Vec::new(),
            attachments: Vec::new(),
        }
    }

    /// The trial whose cluster never reached its start state.
    pub fn not_tried(&self, trouble: &Trouble) -> Trial {
        Trial {
            verdict: match trouble {
                Trouble::Environment(_) => Verdict::Environment,
                Trouble::Guest(_) => Verdict::Failed,
            },
            why: vec![trouble.text().into()],
            ..self.blank()
        }
    }
}

/// Hears what a trial is doing: the step, and what it waits for.
pub type Listener<'a> = &'a mut dyn FnMut(&str);

/// A trial under way.
struct Running<'a, 'w> {
    world: &'w mut dyn World,
    course: &'a Course<'a>,
    watch: Watch,
    /// `holder` and `other` when the scenario began.
    first: Option<(String, Option<String>)>,
    /// Faults that last, in the order they were made.
    faults: Vec<super::scenario::Fault<String>>,
    /// Fencings that were over when the scenario began.
    fenced: BTreeSet<(String, String)>,
    cursors: BTreeMap<String, String>,
    floor: floor::Configured,
    said: Listener<'w>,
}

/// Runs the scenario on a cluster in its start state.
pub fn run(world: &mut dyn World, course: &Course, said: Listener) -> Trial {
    let mut trial = course.blank();
    trial.accelerator = world.accelerator();
    trial.scale = world.scale();
    let watch = Watch::new(course, world.macs());
    let mut running = Running {
        world,
        course,
        watch,
        first: None,
        faults: Vec::new(),
        fenced: BTreeSet::new(),
        cursors: BTreeMap::new(),
        floor: floor::Configured::default(),
        said,
    };
    let stopped = running.steps(&mut trial);
    let stopped = match running.world.host_fault() {
        Some(fault) => Some(Stopped::Environment(fault)),
        None => stopped,
    };
    // Also of a trial that stopped: its journals and audits tell more.
    let closed = match &stopped {
        Some(Stopped::Environment(_)) => Ok(Facts::default()),
        _ => running.close(&mut trial, stopped.is_none()),
    };
    let environment = match (&stopped, &closed) {
        (Some(Stopped::Environment(why)), _) => Some(why.clone()),
        (_, Err(trouble)) => Some(trouble.text().to_string()),
        _ => None,
    };
    if let Some(Stopped::Role(why)) = &stopped {
        trial.why.extend(why.iter().cloned());
    }
    trial.length = running.world.now();
    trial.late = running.world.lateness();
    running.draw(&mut trial);
    let environment = environment.or_else(|| running.world.host_fault());
    if let Some(why) = environment {
        trial.verdict = Verdict::Environment;
        trial.why.insert(0, why);
        return trial;
    }
    if let Ok(facts) = closed {
        trial.audits = audit::judge(&facts, &course.scenario.allow, &course.scenario.must_break);
        let broken = trial
            .audits
            .iter()
            .filter(|one| one.verdict == audit::Verdict::Broken);
        let reasons: Vec<String> = broken
            .flat_map(|one| match one.evidence.as_slice() {
                [] => vec![audit::meaning(&one.name).to_string()],
                evidence => evidence.to_vec(),
            })
            .collect();
        trial.why.extend(reasons);
        running.conclude(&mut trial, &facts);
    }
    trial.verdict = match trial.why.is_empty() {
        true => Verdict::Passed,
        false => Verdict::Failed,
    };
    if trial.verdict == Verdict::Passed {
        trial.attachments.clear();
    }
    trial
}

impl Running<'_, '_> {
    /// A time limit in the driver's time.
    fn stretched(&self, limit: Duration) -> Duration {
        limit.mul_f64(self.world.scale())
    }

    /// Waits for the start state, then takes every step; what stopped it.
    fn steps(&mut self, trial: &mut Trial) -> Option<Stopped> {
        if let Err(stopped) = self.settle(trial) {
            return Some(stopped);
        }
        let began = self.world.now();
        for step in &self.course.scenario.steps {
            let used = self.world.now() - began;
            let budget = self.stretched(self.course.scenario.budget);
            if used > budget {
                return Some(Stopped::Role(vec![format!(
                    "the scenario's budget of {} is used up",
                    super::scenario::told(budget)
                )]));
            }
            let done = self.step(step);
            let stopped = done.stopped.clone();
            trial.steps.push(done);
            if stopped.is_some() {
                return stopped;
            }
        }
        None
    }

    /// Until the cluster serves; who is first and second is settled then.
    fn settle(&mut self, trial: &mut Trial) -> Result<(), Stopped> {
        (self.said)("waiting for the start state");
        let formed = self.course.start.formed_by != FormedBy::Nothing;
        let ours = formed && self.course.start.formed_by != FormedBy::Script;
        let patience = if ours { SERVE } else { SETTLE };
        let end = self.world.now() + self.stretched(patience);
        if ours {
            trial.served = self.serving(end).map_err(environment)?;
        }
        self.mark().map_err(environment)?;
        let missing = match formed {
            true => self.whole(true, end).map_err(environment)?,
            false => self.glance_until(end, Self::not_up).map_err(environment)?,
        };
        if let Some(missing) = missing {
            return Err(Stopped::Role(vec![format!(
                "the start state never came: {missing}"
            )]));
        }
        if formed {
            self.floor = floor::Configured::ask(self.world, &self.watch.members);
            self.first = self.pair();
        }
        self.fenced = self.watch.fenced().clone();
        Ok(())
    }

    /// Waits until the cluster is whole, and with `mirrored` its replicas too;
    /// what is missing at `end`.
    fn whole(&mut self, mirrored: bool, end: Duration) -> Result<Option<String>, Trouble> {
        let began = self.world.now();
        loop {
            self.watch.glance(self.world)?;
            let near = |running: &Self| {
                let not_mirrored = || mirrored.then(|| running.not_mirrored()).flatten();
                running.not_serving().or_else(not_mirrored)
            };
            if let Some(why) = self.panicked() {
                return Ok(Some(why));
            }
            let late = self.world.now() >= end;
            let mut missing = near(self);
            if late || missing.is_none() && self.watch.due(began, self.world.now()) {
                self.watch.look(self.world)?;
                missing = near(self).or_else(|| self.not_joined());
                if missing.is_none() || late {
                    return Ok(missing);
                }
            }
            if let Some(missing) = missing {
                (self.said)(&missing);
            }
            self.pause();
        }
    }

    /// Glances until nothing is missing; what is at `end`.
    fn glance_until(
        &mut self,
        end: Duration,
        missing: impl Fn(&Self) -> Option<String>,
    ) -> Result<Option<String>, Trouble> {
        loop {
            self.watch.glance(self.world)?;
            let missing = missing(self);
            if missing.is_none() || self.world.now() >= end {
                return Ok(missing);
            }
            if let Some(why) = self.panicked() {
                return Ok(Some(why));
            }
            self.pause();
        }
    }

    /// The machines that have power and do not answer.
    fn silent(&self) -> impl Iterator<Item = &String> {
        (self.watch.machines.iter()).filter(|node| {
            self.world.power(node) == Power::On && !self.watch.seen.contains_key(*node)
        })
    }

    /// A machine that has power and answers no more since its kernel panicked.
    /// The audit of the consoles fails the trial in any case; nothing is worth
    /// waiting for.
    fn panicked(&mut self) -> Option<String> {
        if self.course.scenario.allow.contains_key("console") {
            return None;
        }
        let silent: Vec<String> = self.silent().cloned().collect();
        silent.into_iter().find_map(|node| {
            let console = self.world.console(&node);
            let panic = alarms(&console)
                .into_iter()
                .find(|alarm| alarm.sign == Sign::Panic)?;
            Some(format!("the kernel of {node} panicked: {}", panic.text))
        })
    }

    /// When every member answered with quorum, and the address: a look that
    /// costs the guests little, because what it takes is measured.
    fn serving(&mut self, end: Duration) -> Result<Option<Duration>, Trouble> {
        let members = self.watch.members.clone();
        while self.world.now() < end {
            let answers = self.world.ask(&members, QUORUM, watch::PATIENCE);
            let quorate = answers.iter().filter(|answer| {
                let output = answer.output.as_ref().ok();
                output
                    .and_then(|output| Quorum::parse(&output.stdout))
                    .is_some_and(|quorum| quorum.quorate)
            });
            let all = quorate.count() == members.len();
            self.watch.probes = self.world.probes();
            if all && (!self.course.address || self.watch.served() == Some(true)) {
                return Ok(Some(self.world.now()));
            }
            for answer in answers {
                if let Err(trouble @ Trouble::Environment(_)) = answer.output {
                    return Err(trouble);
                }
            }
            (self.said)(match all {
                true => "the address is not served yet",
                false => "not every node has quorum yet",
            });
            self.pause();
        }
        Ok(None)
    }

    /// What keeps a client from being served: a silent member, the address.
    fn not_serving(&self) -> Option<String> {
        self.not_up().or_else(|| self.unserved())
    }

    /// What is wrong with the address; nothing where the role has none.
    fn unserved(&self) -> Option<String> {
        if !self.course.address {
            return None;
        }
        match (self.watch.holder(), self.watch.served()) {
            (None, _) => Some("nobody has the address".into()),
            (Some(holder), Some(false)) => Some(format!("{holder} does not answer the client")),
            _ => None,
        }
    }

    /// Who is not online, or without quorum. Of another tool's cluster only the
    /// service is known.
    fn not_joined(&self) -> Option<String> {
        use super::scenario::{Expectation, Nodes};
        if self.course.start.formed_by == FormedBy::Script {
            return None;
        }
        let members = self.watch.members.clone();
        let none = BTreeSet::new();
        let name = |who: &super::scenario::Who| Ok(who.to_string());
        let context = judge::Context {
            watch: &self.watch,
            members: &members,
            from: Duration::ZERO,
            fenced: &none,
            role: self.course.role,
            scale: self.world.scale(),
            name: &name,
        };
        let standing = [
            Expectation::Online(Nodes::All),
            Expectation::Quorum(Nodes::All),
        ];
        standing
            .iter()
            .find_map(|expectation| match judge::judge(expectation, &context) {
                judge::Holds::Yes => None,
                judge::Holds::NotYet(why) | judge::Holds::Never(why) => Some(why),
            })
    }

    /// What is wrong with DRBD's replicas, as a member sees them; nothing where
    /// the role has none.
    fn not_mirrored(&self) -> Option<String> {
        if !self.course.replicated {
            return None;
        }
        self.watch.members.iter().find_map(|node| {
            let why = self.watch.seen.get(node)?.unmirrored()?;
            Some(format!("{node}: {why}"))
        })
    }

    /// A member that does not answer, even where it is off.
    fn not_up(&self) -> Option<String> {
        let silent =
            (self.watch.members.iter()).find(|node| !self.watch.seen.contains_key(*node))?;
        Some(format!("{silent} does not answer"))
    }

    /// Who holds the address now, and the lowest other member.
    fn pair(&self) -> Option<(String, Option<String>)> {
        let holder = self.watch.holder()?;
        let other = (self.watch.members.iter())
            .find(|node| **node != holder)
            .cloned();
        Some((holder, other))
    }

    fn pause(&mut self) {
        self.world.sleep(Duration::from_millis(500));
    }

    /// Remembers where the journals are.
    fn mark(&mut self) -> Result<(), Trouble> {
        let machines = self.course.machines();
        for answer in self
            .world
            .ask(&machines, closing::CURSOR, Duration::from_secs(20))
        {
            match answer.output {
                Ok(output) => {
                    let cursor = output.stdout.trim().trim_start_matches("-- cursor: ");
                    self.cursors.insert(answer.node, cursor.to_string());
                }
                Err(Trouble::Guest(_)) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(())
    }

    /// Probes and stretches into what the timeline shows. What was before the
    /// first step, the waiting for the start state, is no outage.
    fn draw(&mut self, trial: &mut Trial) {
        self.watch.probes = self.world.probes();
        trial.spans = spans(&self.watch.probes);
        trial.held = self.watch.held();
        let Some(first) = trial.steps.first() else {
            return;
        };
        let since: Vec<Probe> = (self.watch.probes.iter())
            .filter(|probe| probe.at >= first.from)
            .cloned()
            .collect();
        trial.outages = outages(&since);
    }

    /// Events, floor and counts out of the facts.
    fn conclude(&self, trial: &mut Trial, facts: &Facts) {
        for node in &facts.nodes {
            trial
                .events
                .extend(event::events(&node.name, &node.journal));
            let journal: String = (node.journal.iter())
                .map(|line| {
                    let at = super::scenario::told(line.at);
                    format!("{at:>10}  {}: {}\n", line.from, line.text)
                })
                .collect();
            let texts = [("journal", journal), ("console", node.console.clone())];
            let logs = texts.map(|(kind, text)| Attachment::of(&node.name, kind, text));
            trial.attachments.extend(logs.into_iter().flatten());
        }
        trial.events.sort_by_key(|event| event.at);
        trial.floor = (trial.outage()).and_then(|outage| self.floor.floor(outage, facts));
        trial.records = facts.records.as_ref().map(|records| RecordCount {
            acknowledged: records.acknowledged.len(),
            stored: records.stored.len(),
            lost: {
                let stored: BTreeSet<&u64> = records.stored.iter().collect();
                (records.acknowledged.iter())
                    .filter(|one| !stored.contains(one))
                    .count()
            },
        });
    }
}

fn environment(trouble: Trouble) -> Stopped {
    Stopped::Environment(trouble.text().to_string())
}
