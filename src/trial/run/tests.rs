//! Whole trials on a fake cluster: sound ones pass, and each way to be wrong
//! makes one fail.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::fake::{Fake, Nature};
use super::watch::Watch;
use super::{Course, run};
use crate::trial::audit::Verdict as Judged;
use crate::trial::fact::ProbeKind;
use crate::trial::observe::Seen;
use crate::trial::report::{Stretch, Trial, Verdict};
use crate::trial::scenario::{Scenario, load, parse};
use crate::trial::world::World;

fn course(scenario: &Scenario) -> Course<'_> {
    Course::new(scenario, "vip", "noble", 1, None)
}

fn tried(scenario: &Scenario, nature: Nature) -> (Trial, Fake) {
    let mut fake = Fake::new(nature);
    let trial = run(&mut fake, &course(scenario), &mut |_| {});
    (trial, fake)
}

fn power_off() -> Scenario {
    load(Path::new("vm-tests/any/power-off.toml")).unwrap()
}

fn steps(text: &str) -> Scenario {
    let text = format!("name = \"x\"\nsummary = \"x\"\nrole = \"vip\"\n{text}");
    parse("x.toml", &text).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn a_sound_takeover_passes_and_is_measured() {
    let (trial, _) = tried(&power_off(), Nature::default());
    assert_eq!(trial.why, Vec::<String>::new());
    assert_eq!(trial.verdict, Verdict::Passed);
    assert_eq!(trial.steps[0].text, "cut the power of alpha");
    let outage = trial.outage().unwrap();
    assert!(!outage.open);
    assert!(
        (4900..5200).contains(&outage.length.as_millis()),
        "{outage:?}"
    );
    assert!(
        trial
            .audits
            .iter()
            .all(|audit| audit.verdict != Judged::Broken)
    );
    let off = trial
        .held
        .iter()
        .find(|held| held.what == Stretch::Off)
        .unwrap();
    assert_eq!(off.node, "alpha");
    assert!(trial.attachments.is_empty(), "logs are for failures");
    assert_eq!(trial.records.unwrap().lost, 0);
}

#[test]
fn a_machine_that_boots_is_not_waited_for() {
    let mut fake = Fake::new(Nature::default());
    let scenario = power_off();
    let mut watch = Watch::new(&course(&scenario), fake.macs());
    watch.look(&mut fake).unwrap();
    assert_eq!(watch.seen.len(), 2);
    fake.booting = Some("beta".into());
    watch.glance(&mut fake).unwrap();
    watch.look(&mut fake).unwrap();
    assert_eq!(watch.seen.keys().collect::<Vec<_>>(), ["alpha"]);
    assert!(watch.stretches.is_empty(), "it is neither off nor frozen");
}

#[test]
fn a_spare_machine_has_no_voice_before_it_joins() {
    let seen = |nodes: &str| {
        let text = format!(
            "@@ boot\nb\n1.0\n@@ ip\n@@ mounts\n@@ drbd\n@@ quorum\n@@ monitor\n\
             <pacemaker-result><nodes>{nodes}</nodes></pacemaker-result>\n@@ end\n"
        );
        Seen::parse(&text).unwrap()
    };
    let scenario = power_off();
    let mut watch = Watch::new(&course(&scenario), BTreeMap::new());
    let (alpha, gamma) = ("<node name=\"alpha\"/>", "<node name=\"gamma\"/>");
    watch.seen.insert("gamma".into(), seen(gamma));
    assert_eq!(watch.monitors().count(), 0);
    let joined = seen(&format!("{alpha}{gamma}"));
    watch.seen.insert("gamma".into(), joined);
    assert_eq!(watch.monitors().count(), 1);
}

/// The trial fails, and says why.
fn fails(nature: Nature, why: &str) {
    let (trial, _) = tried(&power_off(), nature);
    assert_eq!(trial.verdict, Verdict::Failed, "{:?}", trial.why);
    assert!(
        trial.why.iter().any(|line| line.contains(why)),
        "{why}: {:?}",
        trial.why
    );
    assert!(!trial.attachments.is_empty(), "a failure has its logs");
}

#[test]
fn every_way_to_be_wrong_is_caught() {
    let nature = Nature::default;
    fails(
        Nature {
            stuck: true,
            ..nature()
        },
        "is on no node, not on beta",
    );
    fails(
        Nature {
            takeover: Duration::from_secs(60),
            ..nature()
        },
        "no answer for",
    );
    fails(
        Nature {
            restless: true,
            ..nature()
        },
        "/etc/corosync/corosync.conf",
    );
    fails(
        Nature {
            journal: "Kernel panic - not syncing",
            ..nature()
        },
        "kernel panic",
    );
    fails(
        Nature {
            lost_record: true,
            ..nature()
        },
        "acknowledged and lost: 2",
    );
    fails(
        Nature {
            failed_action: true,
            ..nature()
        },
        "monitor of vip-ip on beta",
    );
    fails(
        Nature {
            gives_up: true,
            ..nature()
        },
        "nobody has the address",
    );
}

#[test]
fn an_address_that_nobody_serves_at_the_end_may_be_meant() {
    let text = "[[step]]\nfault = \"power-off\"\nnode = \"beta\"\n\
                [[step]]\nheal = \"power-off\"\n[allow]\nserved = \"meant\"\n";
    let nature = Nature {
        gives_up: true,
        ..Nature::default()
    };
    let (trial, _) = tried(&steps(text), nature);
    assert_eq!(trial.verdict, Verdict::Passed, "{:?}", trial.why);
    let served = (trial.audits.iter())
        .find(|audit| audit.name == "served")
        .unwrap();
    assert_eq!(served.verdict, Judged::Allowed("meant".into()));
}

#[test]
fn a_service_that_takes_no_records_after_its_move_is_caught() {
    let text = "[client]\nrecords = true\n\
                [[step]]\nfault = \"power-off\"\nnode = \"alpha\"\nexpect = { vip = \"beta\" }\n";
    let nature = |read_only| Nature {
        read_only,
        ..Nature::default()
    };
    let (trial, _) = tried(&steps(text), nature(false));
    assert_eq!(trial.why, Vec::<String>::new());
    let write = |one: &&crate::trial::report::Outage| one.kind == ProbeKind::Write;
    assert!(
        trial
            .outages
            .iter()
            .find(write)
            .is_some_and(|one| !one.open)
    );
    let (trial, _) = tried(&steps(text), nature(true));
    assert_eq!(trial.why, ["no record was acknowledged when all was over"]);
    let judged = trial.outage().unwrap();
    assert_eq!(judged.kind, ProbeKind::Ping, "writes are told, not judged");
}

#[test]
fn the_end_is_judged_when_the_cluster_has_decided_and_since_the_beginning() {
    let nature = Nature {
        fences_late: true,
        ..Nature::default()
    };
    let fenced = |list: &str| {
        let text = format!(
            "[[step]]\nfault = \"power-off\"\nnode = \"alpha\"\nexpect = {{ vip = \"beta\" }}\n\
             [[step]]\nheal = \"power-off\"\n[expect]\nfenced = [{list}]\nmoves = 1\n"
        );
        tried(&steps(&text), nature.clone()).0
    };
    let trial = fenced("\"alpha\"");
    assert_eq!(trial.why, ["at the end: beta was fenced"]);
    let trial = fenced("\"alpha\", \"beta\"");
    assert_eq!(trial.why, Vec::<String>::new());
}

#[test]
fn only_the_failures_that_a_scenario_names_are_its_own() {
    let text = |expected: &str, resources: &str| {
        let text = format!(
            "[[step]]\nwithin = \"3s\"\nexpect = {{ failed-actions = [{expected}] }}\n\
             [[step]]\nact = \"cleanup\"\nnode = \"alpha\"\n{resources}\n"
        );
        steps(&text)
    };
    let why = |scenario: &Scenario, failed: &[&'static str], expires: Option<u64>| {
        let nature = Nature {
            failed: failed.to_vec(),
            expires: expires.map(Duration::from_secs),
            ..Nature::default()
        };
        tried(scenario, nature).0.why
    };
    let own = text("\"{role}-ip\"", "resources = [\"{role}-ip\"]");
    assert_eq!(why(&own, &["vip-ip"], None), Vec::<String>::new());
    assert_eq!(why(&own, &[], None), ["no action of vip-ip has failed"]);
    let both = why(&own, &["vip-ip", "vip-fs"], None);
    assert_eq!(both[0], "monitor of vip-fs on beta: error has failed");
    let rest = "monitor of vip-fs on beta: error";
    assert!(both.iter().any(|why| why.ends_with(rest)), "{both:?}");
    let nothing = steps("[[step]]\nwait = \"9s\"\n");
    assert_eq!(
        why(&nothing, &["vip-fs"], Some(5)),
        [format!("{rest}; forgotten since")]
    );
    let all = text("\"vip-ip\"", "");
    assert_eq!(why(&all, &["vip-ip"], None), Vec::<String>::new());
}

#[test]
fn who_joins_is_audited_and_who_has_left_is_not_asked_to_be_online() {
    let text = "[start]\nspare-nodes = 1\n\
                [[step]]\nact = \"join\"\nnode = \"gamma\"\nexpect = { online = [\"all\"] }\n\
                [[step]]\nact = \"leave\"\nnode = \"beta\"\non = \"alpha\"\n\
                expect = { online = [\"all\"], quorum = [\"all\"] }\n";
    let scenario = steps(text);
    let mut fake = Fake::new(Nature::default());
    let trial = run(&mut fake, &course(&scenario), &mut |_| {});
    assert_eq!(trial.why, Vec::<String>::new());
    let returns = Nature {
        returns: true,
        ..Nature::default()
    };
    let (trial, _) = tried(&scenario, returns);
    assert_eq!(trial.why, Vec::<String>::new());
    let bad = Nature {
        journal: "Kernel panic - not syncing",
        ..Nature::default()
    };
    let (trial, _) = tried(&scenario, bad);
    for node in ["alpha", "beta", "gamma"] {
        let line = format!("{node}: kernel panic");
        assert!(
            trial.why.iter().any(|why| why.starts_with(&line)),
            "{node}: {:?}",
            trial.why
        );
    }
}

#[test]
fn a_kernel_that_panics_ends_the_wait_for_its_node() {
    let nature = Nature {
        boots_into: Some("[ 0.008] Kernel panic - not syncing: no timer"),
        ..Nature::default()
    };
    let (trial, _) = tried(&power_off(), nature);
    assert_eq!(trial.verdict, Verdict::Failed);
    assert!(
        trial.why[0].contains("the kernel of alpha panicked"),
        "{:?}",
        trial.why
    );
    let last = trial.steps.last().unwrap();
    assert!(
        last.to - last.from < Duration::from_secs(10),
        "{:?}",
        trial.steps
    );
}

#[test]
fn a_brief_fault_is_ended_in_its_own_step() {
    let brief = load(Path::new("vm-tests/any/freeze-briefly.toml")).unwrap();
    let (trial, _) = tried(&brief, Nature::default());
    assert_eq!(trial.verdict, Verdict::Passed, "{:?}", trial.why);
    let step = &trial.steps[0];
    assert_eq!(step.text, "freeze beta for 1.0 s");
    let took = (step.to - step.from).as_millis();
    assert!((1000..1100).contains(&took), "{took}");
}

#[test]
fn two_holders_are_caught_after_a_freeze() {
    let freeze = load(Path::new("vm-tests/any/freeze.toml")).unwrap();
    let (trial, _) = tried(
        &freeze,
        Nature {
            splits: true,
            ..Nature::default()
        },
    );
    assert_eq!(trial.verdict, Verdict::Failed);
    let audit = trial
        .audits
        .iter()
        .find(|audit| audit.name == "one-holder")
        .unwrap();
    assert_eq!(audit.verdict, Judged::Broken, "{:?}", trial.why);
}

#[test]
fn an_outage_is_not_known_to_less_than_the_client_was_late() {
    let nature = |seconds| Nature {
        lateness: Duration::from_secs(seconds),
        ..Nature::default()
    };
    let (trial, _) = tried(&power_off(), nature(1));
    assert_eq!(trial.verdict, Verdict::Passed, "{:?}", trial.why);
    let (trial, _) = tried(&power_off(), nature(46));
    assert_eq!(trial.verdict, Verdict::Environment);
    assert!(
        trial.why[0].contains("the client was late by 46.0 s"),
        "{:?}",
        trial.why
    );
}

#[test]
fn a_cluster_without_survivor_is_caught_and_may_be_meant() {
    let text = "[[step]]\nfault = \"power-off\"\nnode = \"alpha\"\n\
                [[step]]\nfault = \"power-off\"\nnode = \"beta\"\n\
                [[step]]\nwait = \"5s\"\n\
                [[step]]\nheal = \"power-off\"\n";
    let survivor = |scenario: &Scenario| {
        let (trial, _) = tried(scenario, Nature::default());
        let audit = (trial.audits.iter())
            .find(|audit| audit.name == "one-survivor")
            .unwrap();
        (trial.verdict, audit.verdict.clone())
    };
    let found = survivor(&steps(text));
    assert_eq!(found, (Verdict::Failed, Judged::Broken));
    let meant = survivor(&steps(&format!(
        "{text}[allow]\none-survivor = \"meant\"\n"
    )));
    assert_eq!(meant, (Verdict::Passed, Judged::Allowed("meant".into())));
    let found = survivor(&power_off());
    assert_eq!(found, (Verdict::Passed, Judged::Held));
}

#[test]
fn a_broken_environment_says_nothing_of_the_role() {
    let (trial, _) = tried(
        &power_off(),
        Nature {
            broken: true,
            ..Nature::default()
        },
    );
    assert_eq!(trial.verdict, Verdict::Environment);
    assert_eq!(trial.why, ["QMP: no answer"]);
    assert!(trial.audits.is_empty());
}

#[test]
fn what_fails_on_a_host_without_room_says_nothing_of_the_role() {
    let (trial, _) = tried(
        &power_off(),
        Nature {
            stuck: true,
            host_fault: Some("no room"),
            ..Nature::default()
        },
    );
    assert_eq!(trial.verdict, Verdict::Environment);
    assert_eq!(trial.why[0], "no room");
}

#[test]
fn selectors_are_those_of_the_step_and_of_the_start() {
    let scenario = steps(
        "[[step]]\nfault = \"power-off\"\nnode = \"holder\"\nexpect = { vip = \"other\" }\n\
         [[step]]\nheal = \"power-off\"\n\
         [[step]]\nrun = \"echo\"\nnode = \"holder\"\n\
         [[step]]\nrun = \"echo\"\nnode = \"first\"\n",
    );
    let (trial, fake) = tried(&scenario, Nature::default());
    assert_eq!(trial.why, Vec::<String>::new());
    assert_eq!(fake.commands, ["beta: echo", "alpha: echo"]);
}

#[test]
fn the_holder_may_come_only_later() {
    let text = "[start]\nformed-by = \"nothing\"\n[[step]]\nwithin = \"30s\"\nexpect = { vip = \"holder\" }\n";
    let scenario = steps(text);
    let course = Course::new(&scenario, "vip", "noble", 1, None);
    let mut fake = Fake::new(Nature::default());
    fake.without_holder_until(Duration::from_secs(9));
    let trial = run(&mut fake, &course, &mut |_| {});
    assert_eq!(trial.why, Vec::<String>::new());
}

#[test]
fn a_command_that_ends_otherwise_stops_the_trial() {
    let scenario = steps("[[step]]\nrun = \"false\"\nnode = \"alpha\"\n[[step]]\nwait = \"1s\"\n");
    let (trial, _) = tried(&scenario, Nature::default());
    assert_eq!(trial.verdict, Verdict::Failed);
    assert_eq!(trial.steps.len(), 1);
    assert!(
        trial.why[0].contains("it ended with 1, not with 0"),
        "{:?}",
        trial.why
    );
    let scenario =
        steps("[[step]]\nrun = \"false\"\nnode = \"alpha\"\nexit = 1\noutput = \"done\"\n");
    assert_eq!(
        tried(&scenario, Nature::default()).0.verdict,
        Verdict::Passed
    );
    let scenario = steps("[[step]]\nrun = \"x\"\nnode = \"alpha\"\noutput = \"other\"\n");
    assert_eq!(
        tried(&scenario, Nature::default()).0.verdict,
        Verdict::Failed
    );
}

#[test]
fn what_can_never_hold_fails_at_once() {
    let scenario = steps(
        "[[step]]\nfault = \"power-off\"\nnode = \"holder\"\nwithin = \"9min\"\n\
         expect = { fenced = [], vip = \"other\" }\n",
    );
    let (trial, _) = tried(&scenario, Nature::default());
    assert_eq!(trial.verdict, Verdict::Failed);
    let step = &trial.steps[0];
    assert!(step.to - step.from < Duration::from_secs(30), "{step:?}");
    assert!(
        trial.why.iter().any(|why| why == "alpha was fenced"),
        "{:?}",
        trial.why
    );
}

#[test]
fn status_is_asked_where_it_is_expected() {
    let ok = "[[step]]\nwait = \"1s\"\nwithin = \"3s\"\nexpect = { state = \"degraded\", status-says = [\"beta is lost\"] }\n";
    assert_eq!(
        tried(&steps(ok), Nature::default()).0.verdict,
        Verdict::Passed
    );
    let (trial, _) = tried(&steps(&ok.replace("degraded", "ok")), Nature::default());
    assert!(
        trial
            .why
            .iter()
            .any(|why| why == "the state is degraded, not ok"),
        "{:?}",
        trial.why
    );
}

#[test]
fn a_used_up_budget_ends_a_trial() {
    let scenario = steps("budget = \"5s\"\n[[step]]\nwait = \"9s\"\n[[step]]\nwait = \"9s\"\n");
    let (trial, _) = tried(&scenario, Nature::default());
    assert_eq!(trial.steps.len(), 1);
    assert!(trial.why[0].contains("budget of 5.0 s"), "{:?}", trial.why);
}

#[test]
fn an_audit_may_be_allowed_to_fail() {
    let text = "[[step]]\nwait = \"1s\"\n[allow]\nno-failed-action = \"a test\"\n";
    let nature = Nature {
        failed_action: true,
        ..Nature::default()
    };
    let (trial, _) = tried(&steps(text), nature);
    assert_eq!(trial.verdict, Verdict::Passed, "{:?}", trial.why);
}

#[test]
fn every_fault_is_healed_before_the_audits() {
    let scenario = steps(
        "[[step]]\nfault = \"power-off\"\nnode = \"beta\"\nexpect = { fenced = [\"beta\"], vip = \"alpha\" }\n",
    );
    let (trial, _) = tried(&scenario, Nature::default());
    assert_eq!(trial.why, Vec::<String>::new());
    assert_eq!(trial.verdict, Verdict::Passed);
}
