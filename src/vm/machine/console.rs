//! What a kernel's messages tell of itself when it is broken.

/// What a line tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Panic,
    Oops,
    Bug,
    Lockup,
    OutOfMemory,
    HungTask,
    RcuStall,
}

impl Sign {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Panic => "kernel panic",
            Self::Oops => "kernel oops",
            Self::Bug => "kernel bug",
            Self::Lockup => "lockup",
            Self::OutOfMemory => "out of memory",
            Self::HungTask => "hung task",
            Self::RcuStall => "rcu stall",
        }
    }
}

/// A line of the console that no healthy kernel writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    pub sign: Sign,
    /// Counted from 1.
    pub line: usize,
    pub text: String,
}

/// What the kernel prints (kernel/panic.c, arch/x86/kernel/dumpstack.c,
/// mm/oom_kill.c, kernel/hung_task.c, kernel/watchdog.c, kernel/rcu).
const SIGNS: &[(&str, Sign)] = &[
    ("Kernel panic - not syncing", Sign::Panic),
    ("Oops: ", Sign::Oops),
    ("general protection fault", Sign::Oops),
    ("kernel BUG at", Sign::Bug),
    ("BUG: soft lockup", Sign::Lockup),
    ("hard LOCKUP", Sign::Lockup),
    ("BUG: workqueue lockup", Sign::Lockup),
    ("BUG: unable to handle", Sign::Bug),
    (" BUG: ", Sign::Bug),
    ("out of memory: Kill", Sign::OutOfMemory),
    ("Out of memory: Kill", Sign::OutOfMemory),
    ("oom-kill:", Sign::OutOfMemory),
    (" blocked for more than ", Sign::HungTask),
    ("rcu: INFO: rcu_", Sign::RcuStall),
];

/// What a line of the kernel tells of, with or without the time before it.
pub fn sign(line: &str) -> Option<Sign> {
    if line.starts_with("BUG: kernel ") {
        return Some(Sign::Bug);
    }
    let found = SIGNS.iter().find(|(words, _)| line.contains(words));
    found.map(|(_, sign)| *sign)
}

/// The alarms in a console's text, one a line at most.
pub fn alarms(console: &str) -> Vec<Alarm> {
    console
        .lines()
        .enumerate()
        .filter_map(|(number, text)| {
            Some(Alarm {
                sign: sign(text)?,
                line: number + 1,
                text: text.trim().into(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Sign, alarms};

    #[test]
    fn a_broken_kernel_is_seen_and_a_healthy_one_is_not() {
        let console = "\
[    0.000000] Linux version 6.12
[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    1.000001] Oops: 0000 [#1] PREEMPT SMP NOPTI
[    2.000000] INFO: task drbdsetup:312 blocked for more than 120 seconds.
[    3.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [swapper/0:1]
[    4.000000] Out of memory: Killed process 77 (stress) total-vm:1kB
[    5.000000] rcu: INFO: rcu_preempt self-detected stall on CPU
[    6.000000] Kernel panic - not syncing: sysrq triggered crash
[    7.000000] systemd[1]: Reached target basic.target - Basic System.
[    8.000000] EDAC DEBUG: no such thing\r
";
        let found: Vec<_> = alarms(console)
            .iter()
            .map(|alarm| (alarm.sign, alarm.line))
            .collect();
        assert_eq!(
            found,
            [
                (Sign::Bug, 2),
                (Sign::Oops, 3),
                (Sign::HungTask, 4),
                (Sign::Lockup, 5),
                (Sign::OutOfMemory, 6),
                (Sign::RcuStall, 7),
                (Sign::Panic, 8),
            ]
        );
    }
}
