//! The end of a trial: everything is healed, the end is judged, `apply` runs
//! once more, and the facts are collected for the audits.

use std::time::Duration;

use super::Running;
use crate::trial::event;
use crate::trial::fact::{Applied, Facts, NodeFacts, ProbeKind};
use crate::trial::observe::Seen;
use crate::trial::report::{Stopped, Trial};
use crate::trial::world::{Output, Power, SET_UP_IS_OVER, Trouble};

/// Prints a journal's end.
pub(super) const CURSOR: &str = "journalctl --quiet -n 0 --show-cursor | tail -n 1";

/// Until a healed cluster is whole again, before the stretch.
const RECOVER: Duration = Duration::from_secs(300);
/// The same where a step has failed: the verdict stands, the audits only add
/// what they see.
const FAILED: Duration = Duration::from_secs(30);
const END: Duration = Duration::from_secs(120);
const APPLY: Duration = Duration::from_secs(300);
const COLLECT: Duration = Duration::from_secs(60);

/// `apply` once more, when the run that a package's configuration has started
/// is over.
pub(super) fn again() -> String {
    format!("{SET_UP_IS_OVER}\nubuntu-ha apply")
}

/// crm_resource(8): until the transition is over and none follows.
pub(super) fn idle(limit: Duration) -> String {
    format!(
        "! command -v crm_resource >/dev/null || crm_resource --wait --timeout={}s",
        limit.as_secs()
    )
}

/// What `apply` may write, and the CIB's configuration, as digests. Epochs
/// count: a push that changes nothing is a change.
const DIGEST: &str = "\
find /etc/corosync /etc/ubuntu-ha /etc/drbd.d /etc/lvm /etc/default /etc/fstab \
    -type f -exec sha256sum {} + 2>/dev/null | sort -k 2
cibadmin --query --scope configuration 2>/dev/null | sha256sum | sed 's/-/CIB: configuration/'
cibadmin --query 2>/dev/null | grep -o '<cib .*' | grep -oE '(admin_)?epoch=\"[0-9]+\"' | sed 's/^/CIB: /'";

/// DRBD's handler takes its constraint out of the CIB a moment after the last
/// resync, which is not `apply`'s doing.
const QUIET: &str = "\
for second in $(seq 50); do
    cibadmin --query --scope constraints 2>/dev/null | grep -q drbd-fence-by-handler || break
    sleep 1
done";

impl Running<'_, '_> {
    /// The facts, after all faults ended. `whole`: no step failed, so that the
    /// end is judged too; what fails is added to the trial.
    pub(super) fn close(&mut self, trial: &mut Trial, whole: bool) -> Result<Facts, Trouble> {
        (self.said)("ending all faults");
        if let Err(Stopped::Environment(why)) = self.heal(None, None) {
            return Err(Trouble::Environment(why));
        }
        let allow = &self.course.scenario.allow;
        if !allow.contains_key("all-online") {
            // The audits tell where it is not whole in time.
            let patience = if whole { RECOVER } else { FAILED };
            let end = self.world.now() + self.stretched(patience);
            self.whole(!allow.contains_key("mirrored"), end)?;
        }
        let members = self.watch.members.clone();
        if whole {
            // What the cluster has still in hand is part of how it ends.
            self.settled(&members)?;
            self.end(trial)?;
        }
        let calm = self.world.now();
        let mut facts = Facts {
            macs: self.world.macs(),
            replicated: self.course.replicated,
            stopped: !whole,
            ..Facts::default()
        };
        if whole && !allow.contains_key("idempotent") {
            facts.applied = self.apply_again(&members)?;
        }
        if self.course.address && self.course.client.records.is_some() {
            let end = self.world.now() + self.stretched(if whole { END } else { FAILED });
            facts.unwritten = self.glance_until(end, |running| running.unwritten(calm))?;
        }
        facts.records = match self.world.records() {
            Ok(records) => records,
            Err(Trouble::Guest(why)) => {
                trial.why.push(format!("the stored records: {why}"));
                None
            }
            Err(trouble) => return Err(trouble),
        };
        let patience = if whole { END } else { FAILED };
        let end = self.world.now() + self.stretched(patience);
        self.glance_until(end, Self::booting)?;
        if self.course.address {
            let missing = self.glance_until(end, Self::unserved)?;
            facts.unserved = Some(missing.into_iter().collect());
        }
        self.watch.look(self.world)?;
        facts.forgotten = self.watch.forgotten();
        facts.nodes = self.nodes(&members)?;
        facts.sightings = self.watch.sightings.clone();
        facts.dark = self.watch.dark();
        facts.probes = self.world.probes();
        Ok(facts)
    }

    /// Until pacemaker has nothing more to do, as one member knows it. One that
    /// does not get there is seen by what is judged next.
    fn settled(&mut self, members: &[String]) -> Result<(), Trouble> {
        let Some(node) = (members.iter()).find(|node| self.watch.seen.contains_key(*node)) else {
            return Ok(());
        };
        (self.said)("waiting until pacemaker is idle");
        let limit = self.stretched(END);
        let shell = idle(limit);
        let grace = Duration::from_secs(60);
        match self.world.run(node, &shell, "", limit + grace) {
            Err(trouble @ Trouble::Environment(_)) => Err(trouble),
            _ => Ok(()),
        }
    }

    fn end(&mut self, trial: &mut Trial) -> Result<(), Trouble> {
        let list = &self.course.scenario.end;
        (self.said)("judging the end");
        self.watch.look(self.world)?;
        let names = self.names();
        let fenced = self.fenced.clone();
        let from = trial.steps.first().map_or(Duration::ZERO, |step| step.from);
        let judged = self.expect(list, END, from, &fenced, &names);
        match judged.and_then(|()| self.timely(list)) {
            Ok(()) => {}
            Err(Stopped::Role(why)) => {
                trial
                    .why
                    .extend(why.iter().map(|why| format!("at the end: {why}")));
            }
            Err(Stopped::Environment(why)) => return Err(Trouble::Environment(why)),
        }
        Ok(())
    }

    /// That the service takes no records any more. What was acknowledged before
    /// says nothing of the node that serves now.
    fn unwritten(&self, since: Duration) -> Option<String> {
        let mut probes = self.watch.probes.iter().rev();
        let last = probes.find(|probe| probe.kind == ProbeKind::Write && probe.good);
        match last.filter(|last| last.at > since) {
            Some(_) => None,
            None => Some("no record was acknowledged when all was over".into()),
        }
    }

    /// A machine that has power and does not answer: the journal of one that
    /// boots can neither be read nor be placed in time.
    fn booting(&self) -> Option<String> {
        let silent = self.silent().next()?;
        Some(format!("{silent} does not answer"))
    }

    /// On all members at once, as their packages do it when the cluster forms.
    fn apply_again(&mut self, members: &[String]) -> Result<Vec<Applied>, Trouble> {
        (self.said)("apply once more on every member");
        if self.course.replicated {
            self.all(members, QUIET, COLLECT)?;
        }
        let before = self.all(members, DIGEST, COLLECT)?;
        let done = self.all(members, &again(), APPLY)?;
        let after = self.all(members, DIGEST, COLLECT)?;
        let digest = |one: Result<Output, String>| one.map(|output| output.stdout);
        let all = members.iter().zip(before).zip(done).zip(after);
        Ok(all
            .map(|(((node, before), done), after)| {
                let (exit, output) = match done {
                    Ok(done) => (done.status, format!("{}{}", done.stdout, done.stderr)),
                    Err(why) => (-1, why),
                };
                Applied {
                    node: node.clone(),
                    exit,
                    output,
                    before: digest(before).unwrap_or_default(),
                    after: digest(after).unwrap_or_default(),
                }
            })
            .collect())
    }

    /// What each of the nodes answers, in their order; in words why it does not.
    fn all(
        &mut self,
        nodes: &[String],
        shell: &str,
        limit: Duration,
    ) -> Result<Vec<Result<Output, String>>, Trouble> {
        let mut answers = self.world.ask(nodes, shell, limit);
        let mut told = Vec::new();
        for node in nodes {
            let place = answers.iter().position(|answer| answer.node == *node);
            let output = match place.map(|place| answers.swap_remove(place).output) {
                Some(Ok(output)) => Ok(output),
                Some(Err(Trouble::Guest(why))) => Err(why),
                Some(Err(trouble)) => return Err(trouble),
                None => Err(format!("{node} was not asked")),
            };
            told.push(output);
        }
        Ok(told)
    }

    /// What each member tells at the end, those that run all at once.
    fn nodes(&mut self, members: &[String]) -> Result<Vec<NodeFacts>, Trouble> {
        (self.said)("collecting what the members logged");
        let mut list: Vec<NodeFacts> = members.iter().map(|node| self.seen(node)).collect();
        for node in self.watch.gone.clone() {
            let left = true;
            let facts = self.seen(&node);
            list.push(NodeFacts { left, ..facts });
        }
        let on: Vec<String> = (list.iter())
            .filter(|facts| self.world.power(&facts.name) == Power::On)
            .map(|facts| facts.name.clone())
            .collect();
        let journals = self.all_since(&on)?;
        let states = self.all(&on, "ubuntu-ha status --json", COLLECT)?;
        for ((node, journal), state) in on.iter().zip(journals).zip(states) {
            let Some(facts) = list.iter_mut().find(|facts| facts.name == *node) else {
                continue;
            };
            let anchors = self.watch.anchors.get(node).map_or(&[][..], Vec::as_slice);
            if let Ok(output) = journal {
                facts.journal = event::journal(&output.stdout, anchors);
            }
            facts.status = state.map(|output| output.stdout).unwrap_or_default();
        }
        Ok(list)
    }

    /// What the last look and the serial line have told of a member.
    fn seen(&mut self, node: &str) -> NodeFacts {
        let mut facts = NodeFacts {
            name: node.into(),
            console: self.world.console(node),
            ..NodeFacts::default()
        };
        let seen = self.watch.seen.get(node);
        facts.unmirrored = seen.map_or(Some("nothing was told".into()), Seen::unmirrored);
        if let Some(seen) = seen {
            facts.crm_mon = seen.crm_mon.clone();
            facts.quorum = seen.quorumtool.clone();
        }
        facts
    }

    /// The journals since the trial began.
    fn all_since(&mut self, nodes: &[String]) -> Result<Vec<Result<Output, String>>, Trouble> {
        let cases: String = (nodes.iter())
            .filter_map(|node| Some((node, self.cursors.get(node)?)))
            .filter(|(_, cursor)| !cursor.is_empty())
            .map(|(node, cursor)| format!("{node}) set -- --after-cursor='{cursor}' ;;\n"))
            .collect();
        let fields = "MESSAGE,SYSLOG_IDENTIFIER,_COMM,_BOOT_ID";
        // A line of ours, so that an empty journal is a journal that was lost.
        let shell = format!(
            "systemd-cat -t hapkg-trial echo 'the trial ends'; journalctl --sync\n\
             case $(uname -n) in\n{cases}*) set -- ;;\nesac\n\
             journalctl --quiet --no-pager -o json --output-fields={fields} \"$@\""
        );
        self.all(nodes, &shell, COLLECT)
    }
}
