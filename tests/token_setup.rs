//! `ubuntu-ha setup`: what ubuntu-ha-setup.service does after an installation.

#![cfg(feature = "packager")]

mod fake_host;
#[path = "token_support/mod.rs"]
mod support;

use std::fs::{self, File, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use fake_host::FakeHost;
use support::*;

const ANSWERS: &str = "etc/ubuntu-ha/cluster.toml";
const TOKEN: &str = "etc/ubuntu-ha/secrets/cluster/join_token";

fn joining(token: &str) -> FakeHost {
    let host = beta();
    host.answers("# mine\nsetup = \"join\"\n", &[("join_token", token)]);
    host
}

#[test]
fn without_the_answer_nothing_is_done_or_said() {
    let host = FakeHost::new("alpha", &["vip"]);
    let later = alpha();
    later.answers(&cluster_toml(NODES, "setup = \"later\"\n"), &[]);
    let damaged = FakeHost::new("alpha", &["vip"]);
    damaged.answers("setup = \n", &[]);
    for host in [&host, &alpha(), &later, &damaged] {
        host.forget_calls();
        let before = snapshot(host);
        let ran = host.run(&["setup"]).expect(0);
        assert_eq!((ran.stdout, ran.stderr), (String::new(), String::new()));
        assert_eq!(host.calls(), Vec::<String>::new());
        same(&before, &snapshot(host), "nothing was asked for");
    }
}

#[test]
fn a_cluster_is_formed_and_formed_again_without_harm() {
    let host = alpha();
    host.answers(
        &cluster_toml(NODES, "setup = \"form\"\n"),
        &[("secret", "example-shared-secret-0001")],
    );
    host.peer("beta", true);
    let ran = host.run(&["setup"]).expect(0);
    assert!(
        ran.stderr.contains("the cluster is formed"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stdout, "");
    assert!(host.exists("var/lib/ubuntu-ha/formed"));
    let before = snapshot(&host);
    host.run(&["setup"]).expect(0);
    same(&before, &snapshot(&host), "the second run");
}

#[test]
fn a_service_that_fails_at_the_first_boot_fails_the_unit() {
    let host = alpha();
    host.answers(
        &cluster_toml(NODES, "setup = \"form\"\n"),
        &[("secret", "example-shared-secret-0001")],
    );
    host.peer("beta", true);
    host.answer("crm_resource.--wait", 124, "");
    let ran = host.run(&["setup"]).expect(1);
    for part in ["pacemaker is still at work", "not everything works"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    assert!(host.exists("var/lib/ubuntu-ha/formed"));
}

#[test]
fn a_host_joins_with_the_answered_token_once() {
    let first = alpha();
    let token = first.run(&["token", "beta"]).expect(0).stdout;
    let host = joining(token.trim_end());
    host.share_cluster_with(&first);
    let forming = Background::start(&first, &["apply", "--wait", "60"]);
    let ran = host.run(&["setup"]).expect(0);
    forming.end().expect(0);
    assert!(
        ran.stderr.contains("beta has joined cluster ha"),
        "{}",
        ran.stderr
    );
    assert!(!host.exists(TOKEN));
    let answers = host.read(ANSWERS);
    assert!(
        answers.starts_with("# mine\nsetup = \"form\"\n"),
        "{answers}"
    );
    let before = snapshot(&host);
    host.run(&["setup"]).expect(0);
    same(&before, &snapshot(&host), "the second run");
}

#[test]
fn a_service_that_fails_after_a_join_fails_the_unit() {
    let first = alpha();
    let token = first.run(&["token", "beta"]).expect(0).stdout;
    let host = joining(token.trim_end());
    host.share_cluster_with(&first);
    host.answer("crm_resource.--wait", 124, "");
    let forming = Background::start(&first, &["apply", "--wait", "60"]);
    let ran = host.run(&["setup"]).expect(1);
    forming.end().expect(0);
    assert!(
        ran.stderr.contains("pacemaker is still at work"),
        "{}",
        ran.stderr
    );
    assert!(host.exists("var/lib/ubuntu-ha/formed") && !host.exists(TOKEN));
}

#[test]
fn a_token_that_is_wrong_stays_for_the_administrator() {
    let token = token_for("beta");
    let host = joining(&swap_letter(&token, 70));
    let before = snapshot(&host);
    let ran = host.run(&["setup"]).expect(1);
    assert!(ran.stderr.contains("mistyped"), "{}", ran.stderr);
    same(&before, &snapshot(&host), "a mistyped token");
    fs::remove_file(host.path(TOKEN)).unwrap();
    let ran = host.run(&["setup"]).expect(1);
    assert!(
        ran.stderr.contains("join_token is not there"),
        "{}",
        ran.stderr
    );
}

#[test]
fn it_waits_until_dpkg_is_done() {
    let host = joining("mistyped on purpose");
    let lock = "var/lib/dpkg/lock-frontend";
    host.write(lock, "");
    fs::set_permissions(host.path(lock), Permissions::from_mode(0o640)).unwrap();
    let status = |state: &str| {
        let text = format!("Package: ubuntu-ha-vip\nStatus: install ok {state}\n");
        host.write("var/lib/dpkg/status", &text);
    };
    status("half-configured");
    let held = File::options().write(true).open(host.path(lock)).unwrap();
    let write_lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(held.as_fd(), FcntlArg::F_SETLK(&write_lock)).unwrap();
    let waiting = Background::start(&host, &["setup"]);
    thread::sleep(Duration::from_millis(500));
    assert!(!waiting.has_ended());
    drop(held);
    thread::sleep(Duration::from_millis(500));
    assert!(!waiting.has_ended());
    status("installed");
    let ran = waiting.end().expect(1);
    let told: Vec<&str> = ran.stderr.lines().collect();
    assert!(told[0].contains(&format!(
        "process {} is installing packages",
        std::process::id()
    )));
    assert!(
        told[1].contains("ubuntu-ha-vip is half-configured"),
        "{told:?}"
    );
    assert!(told[2].contains("joining the cluster"), "{told:?}");
}
