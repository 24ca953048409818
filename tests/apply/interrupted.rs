//! A run is killed at every point of its journal; the next one finishes it or
//! starts anew, or everything is put back.

use std::collections::BTreeMap;
use std::fs;

use crate::fake_host::FakeHost;
use crate::setup::{Entry, difference, pair, tree};

/// All that a run leaves behind.
#[derive(Debug, PartialEq, Eq)]
struct End {
    tree: BTreeMap<String, Entry>,
    units: Vec<bool>,
    running: String,
    cib: String,
}

fn end(host: &FakeHost) -> End {
    let mut tree = tree(host);
    // What pacemaker keeps for itself depends on how often it was started.
    tree.retain(|path, _| !path.starts_with("var/lib/pacemaker/"));
    let units = ["corosync", "pacemaker"];
    let units = units.map(|unit| [host.is_active(unit), host.is_enabled(unit)]);
    let cib = host.succeed("cibadmin", &["--query"]);
    let (_, cib) = cib.split_once('\n').unwrap();
    End {
        tree,
        units: units.concat(),
        running: host.read("run/fake/corosync.conf"),
        cib: cib.into(),
    }
}

/// The points of a run that nothing interrupts, and what it leaves.
fn reference(host: &FakeHost) -> (Vec<String>, End) {
    let list = host.path("run/fake/points");
    let mut command = host.command(&["apply"]);
    command.env("UBUNTU_HA_POINTS", &list);
    crate::fake_host::Ran::of(command, "").expect(0);
    let points: Vec<String> = host
        .read("run/fake/points")
        .lines()
        .map(Into::into)
        .collect();
    assert!(points.len() > 20, "{points:?}");
    (points, end(host))
}

#[track_caller]
fn same(point: &str, expected: &End, found: &End) {
    let paths = difference(&expected.tree, &found.tree);
    assert_eq!(paths, Vec::<String>::new(), "stopped at `{point}`");
    assert_eq!(expected, found, "stopped at `{point}`");
}

#[track_caller]
fn stop(host: &FakeHost, point: &str) {
    let ran = host.run_until(point, &["apply"]);
    assert_eq!(ran.code, None, "not killed at `{point}`: {}", ran.stderr);
}

#[test]
fn the_next_run_ends_as_one_that_nothing_interrupts() {
    let (points, expected) = reference(&pair());
    for point in &points {
        let host = pair();
        stop(&host, point);
        host.run(&["apply"]).expect(0);
        same(point, &expected, &end(&host));
    }
}

#[test]
fn rollback_leaves_what_was_there_before() {
    let (points, _) = reference(&pair());
    for point in &points {
        let host = pair();
        let (before, whole) = (end(&host), tree(&host));
        stop(&host, point);
        let open = host.exists("var/lib/ubuntu-ha/journal/log");
        let ran = host.run(&["apply", "--rollback"]).expect(0);
        if !open {
            // Before the first change, or after the last one.
            assert!(ran.stdout.contains("no run was interrupted"), "{point}");
            continue;
        }
        same(point, &before, &end(&host));
        let paths = difference(&whole, &tree(&host));
        assert_eq!(paths, Vec::<String>::new(), "stopped at `{point}`");
    }
}

/// Hosts that were stopped at each point of putting back a run whose files were
/// in place, with what they were before.
fn stopped_while_put_back() -> Vec<(String, FakeHost, End)> {
    let stopped = || {
        let host = pair();
        let before = end(&host);
        stop(&host, "waiting for the nodes");
        (host, before)
    };
    let (host, before) = stopped();
    let list = host.path("run/fake/points");
    let mut command = host.command(&["apply", "--rollback"]);
    command.env("UBUNTU_HA_POINTS", &list);
    crate::fake_host::Ran::of(command, "").expect(0);
    let points = fs::read_to_string(list).unwrap();
    assert!(points.lines().count() > 5, "{points}");
    same("none", &before, &end(&host));
    let each = points.lines().map(|point| {
        let (host, before) = stopped();
        let ran = host.run_until(point, &["apply", "--rollback"]);
        assert_eq!(ran.code, None, "not killed at `{point}`: {}", ran.stderr);
        (point.to_string(), host, before)
    });
    each.collect()
}

#[test]
fn rollback_may_be_interrupted_too() {
    for (point, host, before) in stopped_while_put_back() {
        host.run(&["apply", "--rollback"]).expect(0);
        same(&point, &before, &end(&host));
    }
}

#[test]
fn an_interrupted_rollback_is_never_finished_forwards() {
    for (point, host, before) in stopped_while_put_back() {
        host.peer("beta", false);
        let ran = host.run(&["apply", "--wait", "1"]).expect(1);
        let told = &ran.stderr;
        assert!(told.contains("stopped while it was put back"), "{told}");
        assert!(told.contains("everything was put back"), "{told}");
        same(&point, &before, &end(&host));
    }
}

#[test]
fn after_an_interrupted_rollback_a_run_starts_anew() {
    let (_, expected) = reference(&pair());
    for (point, host, _) in stopped_while_put_back() {
        host.run(&["apply"]).expect(0);
        same(&point, &expected, &end(&host));
    }
}

#[test]
fn a_daemon_that_does_not_come_back_leaves_a_rollback_to_be_finished() {
    let host = pair();
    let before = end(&host);
    stop(&host, "waiting for the nodes");
    host.answer("systemctl.start.pacemaker", 1, "Job failed.\n");
    let ran = host.run(&["apply", "--rollback"]).expect(3);
    assert!(ran.stderr.contains("Job failed."), "{}", ran.stderr);
    host.answer_itself("systemctl.start.pacemaker");
    host.peer("beta", false);
    host.run(&["apply", "--wait", "1"]).expect(1);
    same("start pacemaker", &before, &end(&host));
}
