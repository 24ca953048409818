//! A report for the tests: every kind of result.

use std::time::Duration;

use super::*;
use crate::trial::audit::{Audit, Verdict as Judged};
use crate::trial::event::{Event, Kind};
use crate::trial::fact::ProbeKind;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn event(at: u64, node: &str, kind: Kind, text: &str) -> Event {
    Event {
        at: ms(at),
        node: Some(node.into()),
        kind,
        text: text.into(),
    }
}

fn step(line: usize, text: &str, from: u64, to: u64) -> StepDone {
    StepDone {
        line,
        text: text.into(),
        note: None,
        from: ms(from),
        to: ms(to),
        stopped: None,
    }
}

fn audits() -> Vec<Audit> {
    let held = |name: &str| Audit {
        name: name.into(),
        verdict: Judged::Held,
        evidence: Vec::new(),
    };
    let absent = |name: &str| Audit {
        name: name.into(),
        verdict: Judged::Absent,
        evidence: Vec::new(),
    };
    vec![
        held("one-survivor"),
        held("one-holder"),
        absent("one-primary"),
        held("no-failed-action"),
        held("all-online"),
        held("journal"),
        held("console"),
        absent("records"),
        held("idempotent"),
    ]
}

/// A power cut at 2 s, the address back after `outage` ms.
pub fn power_off(repeat: u16, outage: u64) -> Trial {
    let back = 2000 + outage;
    let span = |kind, from, to, good| Span {
        kind,
        from: ms(from),
        to: ms(to),
        good,
    };
    let held = |node: &str, what, from, to| Held {
        node: node.into(),
        what,
        from: ms(from),
        to: ms(to),
    };
    Trial {
        scenario: "power-off".into(),
        summary: "the holder loses its power: it is fenced, and the other one serves".into(),
        role: "vip".into(),
        suite: "resolute".into(),
        repeat,
        began: format!("2026-11-05T09:3{}:00Z", repeat % 10),
        fingerprint: format!("{repeat:016x}"),
        kept: false,
        packages: vec![Package {
            name: "ubuntu-ha-vip".into(),
            version: "1.0~ubuntu26.04.1".into(),
            sha256: "0f".repeat(32),
        }],
        verdict: Verdict::Passed,
        why: Vec::new(),
        cold: false,
        late: ms(3),
        start: ms(1400),
        served: Some(ms(400)),
        length: ms(31_000),
        accelerator: "TCG".into(),
        scale: 6.0,
        stubs: Vec::new(),
        nodes: vec!["alpha".into(), "beta".into()],
        steps: vec![
            step(5, "cut the power of alpha", 2000, back + 400),
            step(11, "heal power-off", back + 400, 30_000),
        ],
        events: vec![
            event(2750, "beta", Kind::Token, "no token for 750 ms"),
            event(3010, "beta", Kind::Token, "token lost after 1000ms"),
            event(4260, "beta", Kind::Membership, "new membership: left: 1"),
            event(4300, "beta", Kind::Dc, "becomes coordinator"),
            event(
                4500,
                "beta",
                Kind::FenceBegun,
                "fencing of alpha (reboot) begun",
            ),
            event(
                back - 900,
                "beta",
                Kind::Fenced,
                "alpha fenced (reboot) by beta",
            ),
            event(back - 300, "beta", Kind::Start, "start of vip-ip on beta"),
            event(12_000, "alpha", Kind::Boot, "boot"),
            event(
                26_500,
                "alpha",
                Kind::Membership,
                "new membership: joined: 1",
            ),
        ],
        spans: vec![
            span(ProbeKind::Arp, 0, 2000, true),
            span(ProbeKind::Arp, 2000, back - 60, false),
            span(ProbeKind::Arp, back - 60, 31_000, true),
            span(ProbeKind::Ping, 0, 2000, true),
            span(ProbeKind::Ping, 2000, back, false),
            span(ProbeKind::Ping, back, 31_000, true),
        ],
        held: vec![
            held("alpha", Stretch::Address, 0, 2000),
            held("alpha", Stretch::Off, 2000, 11_500),
            held("beta", Stretch::Address, back - 60, 31_000),
        ],
        outages: vec![Outage {
            kind: ProbeKind::Ping,
            from: ms(2000),
            length: ms(outage),
            open: false,
        }],
        floor: Some(Floor {
            token: ms(1000),
            consensus: ms(1200),
            fence: ms(1400),
            start: ms(300),
        }),
        records: None,
        audits: audits(),
        attachments: Vec::new(),
    }
}

pub fn report() -> Report {
    let mut partition = power_off(1, 4000);
    partition.scenario = "partition".into();
    partition.summary = "both lose sight of each other: one survivor".into();
    partition.verdict = Verdict::Failed;
    partition.why = vec!["alpha and beta both held the address at 9.3 s".into()];
    partition.audits[0].verdict = Judged::Broken;
    partition.audits[0].evidence = partition.why.clone();
    partition.steps[1].stopped = Some(Stopped::Role(vec!["alpha is offline".into()]));
    partition.held.push(Held {
        node: "alpha".into(),
        what: Stretch::Address,
        from: ms(7000),
        to: ms(20_000),
    });
    partition.attachments = vec![Attachment {
        name: "alpha: console".into(),
        text: "[    0.000000] Linux version 7.0.0 <&> \"quoted\"\n".into(),
    }];
    let mut clc = power_off(1, 21_000);
    clc.role = "clc".into();
    clc.suite = "noble".into();
    clc.stubs = vec!["eucalyptus".into()];
    clc.records = Some(RecordCount {
        acknowledged: 412,
        stored: 413,
        lost: 0,
    });
    let mut lost = power_off(1, 1000);
    lost.suite = "trixie".into();
    lost.verdict = Verdict::Environment;
    lost.why = vec!["QEMU is not installed: install qemu-system-x86".into()];
    lost.outages.clear();
    lost.floor = None;
    lost.steps.clear();
    lost.events.clear();
    lost.spans.clear();
    lost.held.clear();
    Report {
        began: "2026-11-25T14:00:00Z".into(),
        host: "2 processors, 24 GiB".into(),
        wall: ms(182_000),
        chosen: Default::default(),
        trials: vec![
            power_off(1, 6100),
            power_off(2, 5900),
            power_off(3, 7200),
            partition,
            clc,
            lost,
        ],
    }
}
