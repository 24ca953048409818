//! Clusters that are formed and grow by tokens; joins that fail.

#![cfg(feature = "packager")]

mod fake_host;
#[path = "token_support/mod.rs"]
mod support;

use fake_host::{FakeHost, Ran};
use support::*;

const ANSWERS: &str = "etc/ubuntu-ha/cluster.toml";
const CONF: &str = "etc/corosync/corosync.conf";
const THREE: &str = "alpha=192.0.2.11 beta=192.0.2.12 gamma=192.0.2.13";

/// Two hosts of one cluster, formed by a token and a join.
fn pair() -> (FakeHost, FakeHost) {
    let (first, second) = (alpha(), beta());
    second.share_cluster_with(&first);
    let token = first.run(&["token", "beta"]).expect(0).stdout;
    let forming = Background::start(&first, &["apply", "--wait", "60"]);
    second.run_with(&["join", "--wait", "60"], &token).expect(0);
    forming.end().expect(0);
    (first, second)
}

fn gamma(first: &FakeHost) -> FakeHost {
    let host = FakeHost::new("gamma", &["vip"]);
    host.role("vip", "vip = \"192.0.2.10/24\"\n");
    host.share_cluster_with(first);
    host
}

/// Without the lines that are each node's own.
fn shared_answers(host: &FakeHost) -> Vec<String> {
    let text = host.read(ANSWERS);
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let lines = lines.map(|line| line.split(" # ").next().unwrap().to_string());
    let mut lines: Vec<String> = lines.filter(|line| !line.starts_with("setup")).collect();
    lines.sort();
    lines
}

#[track_caller]
fn unchanged(host: &FakeHost) {
    let ran = host.run(&["apply"]).expect(0);
    assert!(
        ran.stdout.ends_with("nothing to change\n"),
        "{}: {}",
        host.name,
        ran.stdout
    );
}

#[test]
fn a_pair_is_formed_by_a_token_and_a_join() {
    let (first, second) = pair();
    assert_eq!(first.read(CONF), second.read(CONF));
    assert_eq!(
        std::fs::read(first.path("etc/corosync/authkey")).unwrap(),
        std::fs::read(second.path("etc/corosync/authkey")).unwrap()
    );
    assert_eq!(second.read("var/lib/ubuntu-ha/formed"), "ha\n");
    for line in shared_answers(&first) {
        assert!(shared_answers(&second).contains(&line), "{line}");
    }
    assert!(!second.exists("var/lib/ubuntu-ha/joining"));
    for host in [&first, &second] {
        unchanged(host);
    }
    let list = first.run(&["token", "--list"]).expect(0).stdout;
    assert_eq!(list, "beta 192.0.2.12: has joined\n");
    let ran = first.run(&["token", "beta"]).expect(1);
    assert!(
        ran.stderr.contains("beta is a running member"),
        "{}",
        ran.stderr
    );
    let ran = first.run(&["token", "--revoke", "beta"]).expect(1);
    assert!(
        ran.stderr.contains("run `ubuntu-ha leave` on beta"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_third_node_gets_its_token_when_all_members_know_it() {
    let (first, second) = pair();
    let gamma = gamma(&first);
    let admit = ["token", "gamma", "192.0.2.13", "--wait", "0s"];
    let ran = first.run(&admit).expect(1);
    assert_eq!(ran.stdout, "", "no token yet");
    assert!(
        ran.stderr.contains("Next, on beta: ubuntu-ha apply"),
        "{}",
        ran.stderr
    );
    assert!(first.read(CONF).contains("gamma") && !second.read(CONF).contains("gamma"));
    assert!(first.calls_of("corosync-cfgtool -R").len() == 1);
    assert!(first.is_active("corosync"));

    let waiting = Background::start(&first, &["token", "gamma", "--wait", "1m"]);
    let ran = second.run(&["apply"]).expect(0);
    assert!(
        ran.stdout.contains("took the list of nodes over"),
        "{}",
        ran.stdout
    );
    let token = waiting.end().expect(0).stdout;
    assert_eq!(first.read(CONF), second.read(CONF));
    assert!(
        first
            .read(ANSWERS)
            .contains(&format!("nodes = \"{THREE}\" # two\n"))
    );

    gamma.run_with(&["join", "--wait", "60"], &token).expect(0);
    assert_eq!(gamma.read(CONF), first.read(CONF));
    for host in [&first, &second, &gamma] {
        unchanged(host);
    }
}

#[test]
fn a_revoked_node_goes_from_every_member() {
    let (first, second) = pair();
    let before = [&first, &second].map(|host| (host.read(CONF), host.read(ANSWERS)));
    first
        .run(&["token", "gamma", "192.0.2.13", "--wait", "0s"])
        .expect(1);
    second.run(&["apply"]).expect(0);
    let ran = first.run(&["token", "--revoke", "gamma"]).expect(0);
    assert!(
        ran.stderr.contains("Next, on beta: ubuntu-ha apply"),
        "{}",
        ran.stderr
    );
    second.run(&["apply"]).expect(0);
    let after = [&first, &second].map(|host| (host.read(CONF), host.read(ANSWERS)));
    assert_eq!(before, after);
    for host in [&first, &second] {
        unchanged(host);
    }
}

#[test]
fn one_node_at_a_time_and_only_when_all_are_there() {
    let (first, second) = pair();
    second.run(&["apply"]).expect(0);
    first
        .run(&["token", "gamma", "192.0.2.13", "--wait", "0s"])
        .expect(1);
    let ran = first.run(&["token", "delta", "192.0.2.14"]).expect(1);
    assert!(
        ran.stderr.contains("gamma may still join"),
        "{}",
        ran.stderr
    );
    first.run(&["token", "--revoke", "gamma"]).expect(0);
    first.peer("beta", false);
    let before = snapshot(&first);
    let ran = first.run(&["token", "gamma", "192.0.2.13"]).expect(1);
    assert!(ran.stderr.contains("beta is not running"), "{}", ran.stderr);
    same(&before, &snapshot(&first), "a member was away");
}

/// Beta knows nothing of the token that alpha gave out but for the list.
#[test]
fn one_node_at_a_time_whoever_gives_the_tokens_out() {
    let (first, second) = pair();
    second.run(&["apply"]).expect(0);
    first
        .run(&["token", "gamma", "192.0.2.13", "--wait", "0s"])
        .expect(1);
    second.run(&["apply"]).expect(0);
    let before = snapshot(&second);
    let ran = second.run(&["token", "delta", "192.0.2.14"]).expect(1);
    for part in [
        "gamma is on the list of nodes and has not joined",
        "ubuntu-ha token --revoke gamma",
        "ubuntu-ha leave --node gamma",
    ] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    same(&before, &snapshot(&second), "gamma may join");
}

#[test]
fn a_member_that_is_off_is_not_revoked() {
    let (first, second) = pair();
    second.run(&["apply"]).expect(0);
    first.peer("beta", false);
    let before = snapshot(&first);
    let ran = first.run(&["token", "--revoke", "beta"]).expect(1);
    assert!(
        ran.stderr.contains("ubuntu-ha leave --node beta"),
        "{}",
        ran.stderr
    );
    same(&before, &snapshot(&first), "beta has joined");
}

#[test]
fn a_join_that_nobody_answers_leaves_the_host_as_it_was() {
    let host = beta();
    host.answers(
        "# mine\nsetup = \"join\"\n",
        &[("secret", "another-secret-0001")],
    );
    let before = snapshot(&host);
    let active = ["corosync", "pacemaker"].map(|unit| host.is_active(unit));
    let ran = host
        .run_with(&["join", "--wait", "1"], &token_for("beta"))
        .expect(1);
    assert!(
        ran.stderr.contains("this host is as it was"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("ubuntu-ha token --revoke beta"),
        "{}",
        ran.stderr
    );
    same(&before, &snapshot(&host), "after the join");
    assert_eq!(
        active,
        ["corosync", "pacemaker"].map(|unit| host.is_active(unit))
    );
}

#[test]
fn an_interrupted_join_is_begun_anew() {
    let (first, second) = (alpha(), beta());
    second.share_cluster_with(&first);
    let token = first.run(&["token", "beta"]).expect(0).stdout;
    let mut command = second.command(&["join", "--wait", "60"]);
    command.env("UBUNTU_HA_STOP_AT", "corosync.conf is in place");
    assert_eq!(Ran::of(command, &token).code, None);
    assert!(second.exists("var/lib/ubuntu-ha/joining/files"));
    let forming = Background::start(&first, &["apply", "--wait", "60"]);
    let ran = second.run_with(&["join", "--wait", "60"], &token).expect(0);
    assert!(
        ran.stderr.contains("an earlier join was interrupted"),
        "{}",
        ran.stderr
    );
    forming.end().expect(0);
    assert!(!second.exists("var/lib/ubuntu-ha/joining"));
}

#[test]
fn a_token_on_the_command_line_is_taken_with_a_warning() {
    let (first, second) = (alpha(), beta());
    second.share_cluster_with(&first);
    let token = first.run(&["token", "beta"]).expect(0).stdout;
    let forming = Background::start(&first, &["apply", "--wait", "60"]);
    let ran = second
        .run(&["join", token.trim_end(), "--wait", "60"])
        .expect(0);
    forming.end().expect(0);
    assert!(
        ran.stderr.contains("every user can read a command line"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains(token.trim_end()));
}
