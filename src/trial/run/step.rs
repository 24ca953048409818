//! One step: nodes get their names, the verb is done, what is expected is
//! waited for.

use std::collections::BTreeSet;
use std::time::Duration;

use super::judge::{self, Context, Holds};
use super::{Running, environment};
use crate::trial::report::{StepDone, Stopped};
use crate::trial::scenario::{
    Act, ActWord, Expectation, Fault, FaultWord, Outcome, Step, Verb, Who, resource,
};
use crate::trial::world::{Output, Power, Trouble};

/// For a command of a scenario, before the stretch: an installation is one.
const COMMAND: Duration = Duration::from_secs(600);

/// A plain wait is not stretched more than this, however slow the guests are.
const WAIT_STRETCH: f64 = 2.0;

/// The nodes as one step names them.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub now: Option<(String, Option<String>)>,
    pub first: Option<(String, Option<String>)>,
}

impl Names {
    pub fn name(&self, who: &Who) -> Result<String, String> {
        let holder = |pair: &Option<(String, Option<String>)>| {
            let pair = pair.as_ref();
            pair.map(|(holder, _)| holder.clone())
        };
        let other = |pair: &Option<(String, Option<String>)>| {
            let pair = pair.as_ref();
            pair.and_then(|(_, other)| other.clone())
        };
        let found = match who {
            Who::Name(name) => Some(name.clone()),
            Who::Holder => holder(&self.now),
            Who::Other => other(&self.now),
            Who::First => holder(&self.first),
            Who::Second => other(&self.first),
        };
        found.ok_or_else(|| match who {
            Who::Holder | Who::Other => "nobody has the address when the step begins".into(),
            who => format!("nobody was {who} when the scenario began"),
        })
    }
}

impl Running<'_, '_> {
    pub(super) fn step(&mut self, step: &Step) -> StepDone {
        let looked = self.watch.look(self.world);
        let from = self.world.now();
        let names = self.names();
        let plain = |who: &Who| {
            names
                .name(who)
                .or_else(|_| Ok::<_, String>(who.to_string()))
        };
        let text = step.verb.told(plain).unwrap_or_default();
        (self.said)(&text);
        let fenced = self.watch.fenced().clone();
        for expectation in &step.expect {
            if let Expectation::FailedActions(ids) = expectation {
                // What cannot be named yet is told by the judge.
                let named = (ids.iter()).filter_map(|id| self.resource(id, &names).ok());
                let named: Vec<String> = named.collect();
                self.watch.forgive(named);
            }
        }
        let stopped = match looked.map_err(environment) {
            Err(stopped) => Some(stopped),
            Ok(()) => match self.act(&step.verb, &names) {
                Err(stopped) => Some(stopped),
                Ok(()) => self
                    .expect(&step.expect, step.within, from, &fenced, &names)
                    .and_then(|()| self.timely(&step.expect))
                    .err(),
            },
        };
        // An installation has made the holder that there was none of before.
        if self.first.is_none() {
            self.first = self.pair();
        }
        StepDone {
            line: step.line,
            text,
            note: step.note.clone(),
            from,
            to: self.world.now(),
            stopped,
        }
    }

    pub(super) fn names(&self) -> Names {
        Names {
            now: self.pair(),
            first: self.first.clone(),
        }
    }

    fn act(&mut self, verb: &Verb, names: &Names) -> Result<(), Stopped> {
        let name = |who: &Who| names.name(who).map_err(|why| Stopped::Role(vec![why]));
        match verb {
            Verb::Look => Ok(()),
            Verb::Wait(time) => {
                // The daemons' own timers run at their usual pace.
                let time = time.mul_f64(self.world.scale().min(WAIT_STRETCH));
                let end = self.world.now() + time;
                // Looked at meanwhile: two holders may be there for a moment.
                while self.world.now() < end {
                    self.pause();
                    self.watch.glance(self.world).map_err(environment)?;
                }
                Ok(())
            }
            Verb::Fault(fault) => {
                let fault = fault.bind(name)?;
                self.world.inject(&fault).map_err(told)?;
                if fault.word().lasts() {
                    self.faults.push(fault);
                }
                Ok(())
            }
            Verb::Brief(fault, time) => {
                let fault = fault.bind(name)?;
                self.world.inject(&fault).map_err(told)?;
                // No look meanwhile: it takes longer than what is measured here.
                self.world.sleep(*time);
                self.world.heal(&fault).map_err(told)
            }
            Verb::Heal(word, who) => {
                let node = who.as_ref().map(name).transpose()?;
                self.heal(Some(*word), node.as_deref())
            }
            Verb::HealAll => self.heal(None, None),
            Verb::Run {
                node,
                shell,
                outcome,
            } => {
                let node = name(node)?;
                self.command(&node, shell, outcome)
            }
            Verb::Act(act, outcome) => {
                let mut act = act.bind(name)?;
                for id in &mut act.resources {
                    *id = (self.resource(id, names)).map_err(|why| Stopped::Role(vec![why]))?;
                }
                self.administer(&act, outcome)
            }
        }
    }

    /// Ends the faults of that word that befell the node, the last one first.
    pub(super) fn heal(
        &mut self,
        word: Option<FaultWord>,
        node: Option<&str>,
    ) -> Result<(), Stopped> {
        let (ended, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.faults)
            .into_iter()
            .partition(|fault: &Fault<String>| {
                let node = node.is_none_or(|node| fault.nodes().iter().any(|one| *one == node));
                word.is_none_or(|word| fault.word() == word) && node
            });
        self.faults = rest;
        for fault in ended.iter().rev() {
            self.world.heal(fault).map_err(told)?;
        }
        Ok(())
    }

    fn resource(&self, id: &str, names: &Names) -> Result<String, String> {
        resource(id, self.course.role, &|who| names.name(who))
    }

    fn administer(&mut self, act: &Act<String>, outcome: &Outcome) -> Result<(), Stopped> {
        match act.shell(self.course.role) {
            Some(shell) => {
                if act.word == ActWord::Cleanup {
                    match act.resources.as_slice() {
                        [] => self.watch.forgive_all(),
                        ids => self.watch.forgive(ids.to_vec()),
                    }
                }
                let on = act.on.as_ref().unwrap_or(&act.node);
                self.command(on, &shell, outcome)?;
                if act.word == ActWord::Leave && act.role.is_none() && outcome.is_done() {
                    self.watch.leave(&act.node);
                }
                if matches!(act.word, ActWord::Reboot | ActWord::ShutDown) {
                    self.gone(&act.node)?;
                }
                Ok(())
            }
            None => {
                self.join(&act.node)?;
                self.watch.join(&act.node);
                Ok(())
            }
        }
    }

    /// Waits until the node no longer answers: it goes down.
    fn gone(&mut self, node: &str) -> Result<(), Stopped> {
        let boot = self.watch.seen.get(node).map(|seen| seen.boot.clone());
        let end = self.world.now() + self.stretched(Duration::from_secs(90));
        loop {
            self.watch.glance(self.world).map_err(environment)?;
            let now = self.watch.seen.get(node).map(|seen| seen.boot.clone());
            if now.is_none() || now != boot || self.world.power(node) == Power::Off {
                return Ok(());
            }
            if self.world.now() >= end {
                return Err(Stopped::Role(vec![format!("{node} does not go down")]));
            }
            self.pause();
        }
    }

    fn command(&mut self, node: &str, shell: &str, outcome: &Outcome) -> Result<(), Stopped> {
        let Outcome::Ends { exit, output } = outcome else {
            let shell = format!(
                "setsid sh -c {} >/dev/null 2>&1 &",
                crate::trial::scenario::quote(shell)
            );
            let done = self.world.run(node, &shell, "", Duration::from_secs(20));
            return done.map(drop).map_err(told);
        };
        let done = self.world.run(node, shell, "", COMMAND).map_err(told)?;
        if done.status != i32::from(*exit) {
            return Err(Stopped::Role(vec![format!(
                "it ended with {}, not with {exit}: {}",
                done.status,
                last_words(&done)
            )]));
        }
        match output {
            Some(wanted) if !done.stdout.contains(wanted) && !done.stderr.contains(wanted) => {
                Err(Stopped::Role(vec![format!(
                    "its output does not have {wanted:?}: {}",
                    last_words(&done)
                )]))
            }
            _ => Ok(()),
        }
    }

    /// A member admits the node, the others take the longer list over, as the
    /// member asks them to; the node joins with the token it gave.
    fn join(&mut self, node: &str) -> Result<(), Stopped> {
        let members: Vec<String> = (self.watch.members.iter())
            .filter(|one| *one != node && self.watch.seen.contains_key(*one))
            .cloned()
            .collect();
        let [member, ..] = members.as_slice() else {
            return Err(Stopped::Role(vec!["no member answers".into()]));
        };
        let failed = |what: &str, done: &Output| {
            Stopped::Role(vec![format!(
                "{what} ended with {}: {}",
                done.status,
                last_words(done)
            )])
        };
        let addresses = "ip -o -4 addr show scope global | awk '{print $4}' | cut -d/ -f1";
        let done = self.world.run(node, addresses, "", COMMAND).map_err(told)?;
        let words: Vec<&str> = done.stdout.split_whitespace().collect();
        let links = usize::from(self.course.start.links);
        let mine = words
            .iter()
            .take(links)
            .copied()
            .collect::<Vec<_>>()
            .join(" ");
        let ipmi = match self.world.bmc(node) {
            Some(address) => format!(" --ipmi {address}"),
            None => String::new(),
        };
        let shell = format!(
            "if [ $(uname -n) = {member} ]; then ubuntu-ha token {node} {mine}{ipmi}; else \
             tries=0; until grep -qw {node} /etc/corosync/corosync.conf; do \
             tries=$((tries + 1)); [ $tries -le 100 ] || exit 1; sleep 2; ubuntu-ha apply; done; fi"
        );
        let mut printed = String::new();
        for answer in self.world.ask(&members, &shell, COMMAND) {
            let done = answer.output.map_err(told)?;
            let admits = answer.node == *member;
            match done.status {
                0 if admits => printed = done.stdout,
                0 => {}
                _ if admits => return Err(failed("`ubuntu-ha token`", &done)),
                _ => {
                    return Err(failed(
                        &format!("`ubuntu-ha apply` on {}", answer.node),
                        &done,
                    ));
                }
            }
        }
        let token = printed.split_whitespace().last().unwrap_or_default();
        let done = self
            .world
            .run(node, "ubuntu-ha join -", &format!("{token}\n"), COMMAND);
        let done = done.map_err(told)?;
        match done.status {
            0 => Ok(()),
            _ => Err(failed("`ubuntu-ha join`", &done)),
        }
    }

    /// Looks until all of it holds, or `within` is over, or it never can.
    pub(super) fn expect(
        &mut self,
        list: &[Expectation],
        within: Duration,
        from: Duration,
        fenced: &BTreeSet<(String, String)>,
        names: &Names,
    ) -> Result<(), Stopped> {
        if list.is_empty() {
            return Ok(());
        }
        let began = self.world.now();
        let end = began + self.stretched(within);
        let (near, far): (Vec<&Expectation>, Vec<&Expectation>) =
            list.iter().partition(|expectation| expectation.by_glance());
        loop {
            self.watch.glance(self.world).map_err(environment)?;
            let late = self.world.now() >= end;
            let (mut missing, mut never) =
                self.missing(near.iter().copied(), from, fenced, names)?;
            // What is at hand is waited for first, and all is judged at one time.
            let asks = !far.is_empty() && self.watch.due(began, self.world.now());
            if asks && missing.is_empty() || late && !never {
                self.watch.look(self.world).map_err(environment)?;
                (missing, never) = self.missing(list.iter(), from, fenced, names)?;
                if missing.is_empty() {
                    return Ok(());
                }
            } else if missing.is_empty() && far.is_empty() {
                return Ok(());
            }
            if let Some(why) = self.panicked() {
                missing.insert(0, why);
                never = true;
            }
            if never || late {
                return Err(Stopped::Role(missing));
            }
            if let Some(why) = missing.first() {
                (self.said)(why);
            }
            self.pause();
        }
    }

    /// An outage is known to no less than the client itself was late.
    pub(super) fn timely(&self, list: &[Expectation]) -> Result<(), Stopped> {
        let late = self.world.lateness();
        let limits = list.iter().filter_map(|expectation| match expectation {
            Expectation::Outage(most) => Some(self.stretched(*most)),
            _ => None,
        });
        match limits.min().filter(|most| late > *most) {
            None => Ok(()),
            Some(most) => Err(Stopped::Environment(format!(
                "the client was late by {}, this host being busy: that no outage was longer than \
                 {} is not known",
                crate::trial::scenario::told(late),
                crate::trial::scenario::told(most)
            ))),
        }
    }

    /// What does not hold of these by the last looks, and whether it never can.
    fn missing<'e>(
        &mut self,
        list: impl IntoIterator<Item = &'e Expectation>,
        from: Duration,
        fenced: &BTreeSet<(String, String)>,
        names: &Names,
    ) -> Result<(Vec<String>, bool), Stopped> {
        let mut missing = Vec::new();
        let mut never = false;
        // Where nobody had the address yet, whoever has it first.
        let names = match names.now {
            Some(_) => names.clone(),
            None => Names {
                now: self.pair(),
                first: self.first.clone().or_else(|| self.pair()),
            },
        };
        for expectation in list {
            let holds = match expectation {
                Expectation::State { .. } | Expectation::Says { .. } => {
                    self.status(expectation, &names)?
                }
                expectation => judge::judge(
                    expectation,
                    &Context {
                        watch: &self.watch,
                        members: &self.watch.members,
                        from,
                        fenced,
                        role: self.course.role,
                        scale: self.world.scale(),
                        name: &|who| names.name(who),
                    },
                ),
            };
            match holds {
                Holds::Yes => {}
                Holds::NotYet(why) => missing.push(why),
                Holds::Never(why) => {
                    never = true;
                    missing.push(why);
                }
            }
        }
        Ok((missing, never))
    }

    fn status(&mut self, expectation: &Expectation, names: &Names) -> Result<Holds, Stopped> {
        let (Expectation::State { on, .. } | Expectation::Says { on, .. }) = expectation else {
            return Ok(Holds::Yes);
        };
        let node = match on {
            Some(who) => names.name(who),
            None => self
                .watch
                .seen
                .keys()
                .next()
                .cloned()
                .ok_or_else(|| "no node answers".into()),
        };
        let node = match node {
            Ok(node) => node,
            Err(why) => return Ok(Holds::NotYet(why)),
        };
        let limit = Duration::from_secs(30);
        let shell = "ubuntu-ha status --json; echo '@@'; ubuntu-ha status";
        let done = match self.world.run(&node, shell, "", limit) {
            Ok(done) => done,
            Err(Trouble::Guest(why)) => return Ok(Holds::NotYet(why)),
            Err(trouble) => return Err(environment(trouble)),
        };
        let (json, text) = done.stdout.split_once("@@\n").unwrap_or((&done.stdout, ""));
        Ok(match judge::status(expectation, json, text) {
            Ok(()) => Holds::Yes,
            Err(why) => Holds::NotYet(why),
        })
    }
}

/// A silent guest is the role's failure, anything else the environment's.
fn told(trouble: Trouble) -> Stopped {
    match trouble {
        Trouble::Guest(why) => Stopped::Role(vec![why]),
        Trouble::Environment(why) => Stopped::Environment(why),
    }
}

/// The last lines of what a command said.
fn last_words(done: &Output) -> String {
    let text = format!("{}\n{}", done.stdout.trim(), done.stderr.trim());
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(4)..].join(" / ")
}
