//! No secret is ever seen by anybody but root: not on a command line, not in an
//! environment, not in what is printed, not in a file that others can read.

#![cfg(feature = "packager")]

mod fake_host;
#[path = "token_support/mod.rs"]
mod support;
mod watch;

use fake_host::{FakeHost, Ran};
use support::*;
use watch::{Needles, Watch, exposed_files};

const SECRET: &str = "example-shared-secret-0001";
/// Shown on purpose, to see that it is found.
const PLANTED: &str = "example-planted-secret-0001";
const IPMI_PASSWORD: &str = "example-ipmi-password-0001";
const FENCING: &str = "fencing = \"ipmi\"\nipmi_addresses = \"alpha=203.0.113.11 \
                       beta=203.0.113.12\"\nipmi_user = \"fence\"\n";

/// A host whose programs write their environment down, as their own arguments.
fn recording(host: FakeHost) -> FakeHost {
    let lib = host.read("run/fake/lib.sh");
    let record = "tr '\\0' '\\n' </proc/$$/environ >>\"$fake/environ\"\n";
    host.write(
        "run/fake/lib.sh",
        &lib.replace(
            "answer_canned \"$@\"\n",
            &format!("{record}answer_canned \"$@\"\n"),
        ),
    );
    host
}

/// Runs a command under watch, and looks everywhere for what must not be seen.
#[track_caller]
fn watched(host: &FakeHost, args: &[&str], input: &str, needles: &Needles) -> Ran {
    let watch = Watch::start(needles);
    let ran = host.run_with(args, input);
    let seen = watch.stop();
    assert!(seen.is_empty(), "{args:?}: {seen:?}");
    needles.not_in(&format!("stderr of {args:?}"), ran.stderr.as_bytes());
    if args[0] != "token" {
        needles.not_in(&format!("stdout of {args:?}"), ran.stdout.as_bytes());
    }
    for record in ["log", "environ"] {
        let path = host.path("run/fake").join(record);
        let text = std::fs::read(path).unwrap_or_default();
        needles.not_in(&format!("{record} after {args:?}"), &text);
    }
    let exposed = exposed_files(&host.path(""), needles);
    assert!(exposed.is_empty(), "{args:?}: {exposed:?}");
    ran
}

#[test]
fn a_secret_is_seen_by_nobody() {
    let host = recording(FakeHost::new("alpha", &["vip"]));
    let mut needles = Needles::new();
    needles.text("the secret", SECRET);
    needles.text("the fence password", IPMI_PASSWORD);
    let answers = format!(
        "cluster_name ha\nnodes {NODES}\nsecret {SECRET}\nfencing ipmi\nipmi_addresses \
         alpha=203.0.113.11 beta=203.0.113.12\nipmi_user fence\nipmi_password {IPMI_PASSWORD}\n"
    );
    watched(&host, &["configure", "cluster"], &answers, &needles).expect(0);
    watched(
        &host,
        &["configure", "vip"],
        "vip 192.0.2.10/24\n",
        &needles,
    )
    .expect(0);
    watched(&host, &["check"], "", &needles).expect(0);
    let ran = watched(&host, &["token", "beta"], "", &needles).expect(0);
    needles.token(ran.stdout.trim_end());
    needles.not_in(
        "stdout of token",
        ran.stdout.replace(ran.stdout.trim_end(), "").as_bytes(),
    );
    host.peer("beta", true);
    watched(&host, &["apply"], "", &needles).expect(0);
    watched(&host, &["status"], "", &needles);
    watched(&host, &["plan"], "", &needles);
    watched(&host, &["token", "--list"], "", &needles).expect(0);
    watched(&host, &["apply"], "", &needles).expect(0);
}

#[test]
fn a_token_is_seen_by_nobody() {
    let first = alpha();
    first.answers(
        &cluster_toml(NODES, FENCING),
        &[("ipmi_password", IPMI_PASSWORD)],
    );
    let token = first.run(&["token", "beta"]).expect(0).stdout;
    let mut needles = Needles::new();
    needles.text("the fence password", IPMI_PASSWORD);
    needles.token(token.trim_end());
    let host = recording(beta());
    first.share_cluster_with(&host);
    let typo = swap_letter(token.trim_end(), 90);
    needles.text("the mistyped token", &typo);
    watched(&host, &["join"], &typo, &needles).expect(1);
    let forming = Background::start(&first, &["apply", "--wait", "60"]);
    watched(&host, &["join", "-", "--wait", "60"], &token, &needles).expect(0);
    forming.end().expect(0);
    watched(&host, &["status"], "", &needles);
}

#[test]
fn a_failed_join_leaves_no_secret_behind() {
    let token = token_for("beta");
    let mut needles = Needles::new();
    needles.token(token.trim_end());
    let host = recording(beta());
    watched(&host, &["join", "--wait", "1"], &token, &needles).expect(1);
    let left = watch::files_with(&host.path(""), &needles);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let host = alpha();
    let mut needles = Needles::new();
    needles.text("the secret", PLANTED);
    host.write("etc/open", &format!("x{PLANTED}y"));
    assert_eq!(
        exposed_files(&host.path(""), &needles),
        ["the secret in etc/open (mode 0644)"]
    );
    let watch = Watch::start(&needles);
    let mut child = std::process::Command::new("sleep")
        .args(["1", "0.1"])
        .env("X", PLANTED)
        .spawn()
        .unwrap();
    child.wait().unwrap();
    let seen = watch.stop();
    assert_eq!(seen, ["the secret in the environment of sleep"]);
}
