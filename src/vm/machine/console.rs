//! What a serial console tells of a broken kernel.

/// A line of the console that no healthy kernel writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// `panic`, `oops`, `bug`, `out of memory`, `hung task`, `lockup`, `rcu stall`.
    pub kind: &'static str,
    /// Counted from 1.
    pub line: usize,
    pub text: String,
}

/// What the kernel prints (kernel/panic.c, arch/x86/kernel/dumpstack.c,
/// mm/oom_kill.c, kernel/hung_task.c, kernel/watchdog.c, kernel/rcu).
const SIGNS: &[(&str, &str)] = &[
    ("Kernel panic - not syncing", "panic"),
    ("Oops: ", "oops"),
    ("general protection fault", "oops"),
    ("kernel BUG at", "bug"),
    ("BUG: soft lockup", "lockup"),
    ("NMI watchdog: Watchdog detected hard LOCKUP", "lockup"),
    ("watchdog: Watchdog detected hard LOCKUP", "lockup"),
    ("BUG: workqueue lockup", "lockup"),
    (" BUG: ", "bug"),
    ("Out of memory: Killed process", "out of memory"),
    (
        "Memory cgroup out of memory: Killed process",
        "out of memory",
    ),
    (" blocked for more than ", "hung task"),
    ("rcu: INFO: rcu_", "rcu stall"),
];

/// The alarms in a console's text, one a line at most.
pub fn alarms(console: &str) -> Vec<Alarm> {
    console
        .lines()
        .enumerate()
        .filter_map(|(number, text)| {
            let (_, kind) = SIGNS.iter().find(|(sign, _)| text.contains(sign))?;
            Some(Alarm {
                kind,
                line: number + 1,
                text: text.trim().into(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::alarms;

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
            .map(|alarm| (alarm.kind, alarm.line))
            .collect();
        assert_eq!(
            found,
            [
                ("bug", 2),
                ("oops", 3),
                ("hung task", 4),
                ("lockup", 5),
                ("out of memory", 6),
                ("rcu stall", 7),
                ("panic", 8),
            ]
        );
    }
}
