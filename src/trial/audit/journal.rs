//! Journals and serial lines without crashes.

use super::Found;
use crate::trial::event::{Kind, read};
use crate::trial::fact::{Facts, Line};
use crate::trial::scenario::told;
use crate::vm::machine::{Sign, sign};

/// What a line tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    Kernel(Sign),
    Crash,
    SplitBrain,
}

impl Wrong {
    fn text(self) -> &'static str {
        match self {
            Self::Kernel(sign) => sign.text(),
            Self::Crash => "crash",
            Self::SplitBrain => "split brain",
        }
    }
}

/// What programs, and DRBD, say of themselves.
const SIGNS: &[(&str, Wrong)] = &[
    ("segfault at", Wrong::Crash),
    ("dumped core", Wrong::Crash),
    ("code=dumped", Wrong::Crash),
    ("terminated with signal 11", Wrong::Crash),
    ("terminated with signal 6", Wrong::Crash),
    ("Split-Brain detected but unresolved", Wrong::SplitBrain),
];

/// What a line tells of, if it is something that must not be. Not the stall of
/// an emulated processor that its host did not let run.
pub fn wrong(line: &str) -> Option<Wrong> {
    let kernel = sign(line).filter(|sign| *sign != Sign::RcuStall);
    kernel.map(Wrong::Kernel).or_else(|| {
        let found = SIGNS.iter().find(|(words, _)| line.contains(words));
        found.map(|(_, wrong)| *wrong)
    })
}

/// What stands on Pacemaker's libraries, once corosync was taken from it, until
/// the node boots anew: the cluster has lost that node, and the daemons of
/// Pacemaker 3.0.1 and sbd's watchers of both may crash while they end.
#[derive(Default)]
struct Ending(bool);

impl Ending {
    /// Whether this line is such a crash. To be asked of every line in order.
    fn excuses(&mut self, line: &Line, what: Option<Wrong>) -> bool {
        if let Some((Kind::Boot, _)) = read(&line.from, &line.text) {
            self.0 = false;
        }
        self.0 |= CUT_OFF.iter().any(|words| line.text.contains(words));
        let who = line.text.trim_start().trim_start_matches("error: ");
        let watcher = who.starts_with("sbd[") && who.contains(" in libcrm");
        let theirs = who.starts_with("pacemaker-") || watcher;
        self.0 && what == Some(Wrong::Crash) && theirs
    }
}

const CUT_OFF: [&str; 2] = [
    "Lost connection to cluster layer",
    "Lost connection to Corosync process group",
];

/// Evidence shown of each node; the whole log is attached to the report.
const SHOWN: usize = 5;

fn few(mut evidence: Vec<String>) -> Vec<String> {
    let more = evidence.len().saturating_sub(SHOWN);
    evidence.truncate(SHOWN);
    if more > 0 {
        evidence.push(format!("and {more} more such lines"));
    }
    evidence
}

pub(super) fn journals(facts: &Facts) -> Found {
    if facts.nodes.is_empty() {
        return Some(vec!["no journal was read".into()]);
    }
    let mut all = Vec::new();
    for node in &facts.nodes {
        // One that has left may be off for good.
        if node.journal.is_empty() && !node.left {
            all.push(format!("{}: the journal is empty", node.name));
        }
        let mut ending = Ending::default();
        let found = node.journal.iter().filter_map(|line| {
            let what = wrong(&line.text);
            if ending.excuses(line, what) {
                return None;
            }
            let what = what?.text();
            let (name, at) = (&node.name, told(line.at));
            Some(format!(
                "{name}: {what} at {at}: {}: {}",
                line.from, line.text
            ))
        });
        all.extend(few(found.collect()));
    }
    Some(all)
}

/// A console may be silent: a forked node prints nothing.
pub(super) fn consoles(facts: &Facts) -> Found {
    if facts.nodes.is_empty() {
        return Some(vec!["no console was read".into()]);
    }
    let mut all = Vec::new();
    for node in &facts.nodes {
        let found = node.console.lines().filter_map(|line| {
            let what = wrong(line)?.text();
            Some(format!("{}: {what}: {}", node.name, line.trim()))
        });
        all.extend(few(found.collect()));
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::fact::NodeFacts;
    use std::time::Duration;

    #[test]
    fn every_sign_is_recognised_in_a_real_line() {
        for (line, expected) in [
            (
                "Kernel panic - not syncing: Attempted to kill init!",
                Wrong::Kernel(Sign::Panic),
            ),
            (
                "Oops: 0002 [#1] PREEMPT SMP NOPTI",
                Wrong::Kernel(Sign::Oops),
            ),
            (
                "BUG: unable to handle page fault for address: ffff8880",
                Wrong::Kernel(Sign::Bug),
            ),
            (
                "BUG: kernel NULL pointer dereference, address: 0; Oops: 0000",
                Wrong::Kernel(Sign::Bug),
            ),
            (
                "kernel BUG at fs/gfs2/glock.c:123!",
                Wrong::Kernel(Sign::Bug),
            ),
            (
                "watchdog: BUG: soft lockup - CPU#0 stuck for 23s! [corosync:812]",
                Wrong::Kernel(Sign::Lockup),
            ),
            (
                "NMI watchdog: Watchdog detected hard LOCKUP on cpu 0",
                Wrong::Kernel(Sign::Lockup),
            ),
            (
                "Out of memory: Killed process 812 (corosync) total-vm:1",
                Wrong::Kernel(Sign::OutOfMemory),
            ),
            (
                "INFO: task mount:99 blocked for more than 120 seconds.",
                Wrong::Kernel(Sign::HungTask),
            ),
            (
                "pacemaker-execd[7]: segfault at 0 ip 0 sp 0 error 4",
                Wrong::Crash,
            ),
            (
                "corosync.service: Main process exited, code=dumped, status=6/ABRT",
                Wrong::Crash,
            ),
            (
                "pacemaker-based[9] terminated with signal 11 (Segmentation fault)",
                Wrong::Crash,
            ),
            (
                "block drbd0: Split-Brain detected but unresolved, dropping connection!",
                Wrong::SplitBrain,
            ),
        ] {
            assert_eq!(wrong(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn ordinary_lines_are_not_wrong() {
        for line in [
            "pacemaker-controld[812] terminated with signal 9 (Killed)",
            "Kernel command line: panic=-1 oops=panic",
            "corosync.service: Main process exited, code=killed, status=9/KILL",
            "A processor failed, forming new configuration: token timed out (1000ms)",
            "rcu: INFO: rcu_preempt self-detected stall on CPU",
        ] {
            assert_eq!(wrong(line), None, "{line}");
        }
    }

    #[test]
    fn daemons_may_crash_when_corosync_was_taken_from_them() {
        let crash = "pacemaker-attrd[915]: segfault at 8 ip 0 sp 0 error 4";
        let ended = " error: pacemaker-attrd[915] terminated with signal 11 (Segmentation fault)";
        let lost = "crit: Lost connection to cluster layer, shutting down";
        let found = |lines: &[&str]| {
            let line = |text: &&str| Line {
                at: Duration::from_secs(3),
                from: "kernel".into(),
                text: (*text).into(),
            };
            let node = NodeFacts {
                name: "alpha".into(),
                journal: lines.iter().map(line).collect(),
                ..NodeFacts::default()
            };
            let nodes = vec![node];
            let facts = Facts {
                nodes,
                ..Facts::default()
            };
            journals(&facts).unwrap().len()
        };
        assert_eq!(found(&[crash, ended]), 2);
        assert_eq!(found(&[crash, lost, crash, ended]), 1);
        assert_eq!(
            found(&[
                lost,
                "corosync[7]: segfault at 8",
                "Kernel panic - not syncing"
            ]),
            2
        );
        assert_eq!(found(&[lost, crash, "Linux version 7.0.0", crash]), 1);
        let watcher = "sbd[8]: segfault at 8 ip 0 sp 0 error 4 in libcrmcommon.so.68.1.0[2b82e]";
        assert_eq!(found(&[watcher, lost, watcher]), 1);
        assert_eq!(
            found(&[lost, "sbd[8]: segfault at 8 ip 0 sp 0 error 4 in sbd[55]"]),
            1
        );
    }

    #[test]
    fn a_panic_in_a_console_and_a_crash_in_a_journal_are_told() {
        let mut node = NodeFacts {
            name: "alpha".into(),
            console: "boot\n[ 9.1] Kernel panic - not syncing: x\n".into(),
            ..NodeFacts::default()
        };
        let facts = |node: &NodeFacts| Facts {
            nodes: vec![node.clone()],
            ..Facts::default()
        };
        let found = consoles(&facts(&node)).unwrap();
        assert_eq!(
            found,
            ["alpha: kernel panic: [ 9.1] Kernel panic - not syncing: x"]
        );
        assert_eq!(
            journals(&facts(&node)).unwrap(),
            ["alpha: the journal is empty"]
        );
        let line = |text: &str| Line {
            at: Duration::from_secs(3),
            from: "kernel".into(),
            text: text.into(),
        };
        node.journal = vec![line("all is well")];
        assert_eq!(journals(&facts(&node)), Some(Vec::new()));
        node.journal = vec![line("oom-kill:constraint=NONE"); 9];
        let found = journals(&facts(&node)).unwrap();
        assert_eq!(found.len(), 6, "{found:?}");
        assert_eq!(found[5], "and 4 more such lines");
    }
}
