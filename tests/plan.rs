//! `hapkg plan` and `hapkg graph`, with pacemaker's own scheduler. Needs the
//! package pacemaker-cli-utils, which `./x test` installs.

#![cfg(feature = "packager")]

use std::process::{Command, Output};

use serde_json::Value;

fn hapkg(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hapkg"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn plan(role: &str, more: &[&str]) -> Value {
    let answers = format!("recipes/answers/{role}.toml");
    let output = hapkg(&[&["plan", role, "--json", "--answers", &answers], more].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The steps of the run in which this node dies.
fn failover(plan: &Value, node: &str) -> Vec<String> {
    let runs = plan["simulated"].as_array().unwrap();
    let run = runs.iter().find(|run| run["node"] == node).unwrap();
    let steps = run["steps"].as_array().unwrap().iter();
    steps
        .map(|step| step.as_str().unwrap().to_string())
        .collect()
}

fn assert_order(steps: &[String], wanted: &[&str]) {
    let mut rest = steps.iter();
    for step in wanted {
        assert!(
            rest.any(|found| found == step),
            "{step} in its place: {steps:#?}"
        );
    }
}

#[test]
fn a_failover_fences_before_anything_is_taken_over() {
    assert_order(
        &failover(&plan("drbd", &[]), "alpha"),
        &[
            "fence alpha (reboot)",
            "promote drbd-drbd on beta",
            "start drbd-fs on beta",
            "start drbd-ip on beta",
            "start drbd-service on beta",
        ],
    );
    assert_order(
        &failover(&plan("clc", &[]), "alpha"),
        &[
            "fence alpha (reboot)",
            "promote clc-drbd on beta",
            "start clc-fs on beta",
            "start clc-ip on beta",
            "start clc-source on beta",
            "start clc-clc on beta",
            "start clc-images on beta",
        ],
    );
}

#[test]
fn an_address_without_fencing_moves_and_the_plan_says_what_that_means() {
    let plan = plan("vip", &["--fail", "alpha"]);
    assert_eq!(plan["simulated"].as_array().unwrap().len(), 2);
    assert_eq!(failover(&plan, "alpha"), ["start vip-ip on beta"]);
    let fencing = plan["fencing"].as_str().unwrap();
    assert!(fencing.contains("split brain"), "{fencing}");
}

#[test]
fn no_plan_shows_a_password() {
    for more in [&["--cib"][..], &["--json"]] {
        let answers = "recipes/answers/drbd.toml";
        let output = hapkg(&[&["plan", "drbd", "--answers", answers], more].concat());
        let shown = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success(), "{shown}");
        assert!(shown.contains("fence_ipmilan"), "{shown}");
        for secret in ["example-ipmi-password-0001", "example-shared-secret-0001"] {
            assert!(!shown.contains(secret), "{secret} in\n{shown}");
        }
    }
}

#[test]
fn a_refused_plan_names_the_file_the_question_and_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("answers.toml");
    let text_of = std::fs::read_to_string("recipes/answers/vip.toml").unwrap();
    std::fs::write(&path, text_of.replace("192.0.2.10/24", "192.0.2.11/24")).unwrap();
    let path = path.to_str().unwrap();
    let output = hapkg(&["plan", "vip", "--answers", path]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains(path) && told.contains("vip"), "{told}");
    assert!(
        told.contains("192.0.2.11") && told.contains("alpha"),
        "{told}"
    );
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn an_unknown_node_to_fail_is_a_wrong_use() {
    let answers = ["--answers", "recipes/answers/vip.toml"];
    let output = hapkg(&[&["plan", "vip", "--fail", "gamma"], &answers[..]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("alpha, beta"));
}

#[test]
fn every_role_has_a_drawing() {
    for role in [
        "vip", "drbd", "clvm", "advanced", "clc", "walrus", "cc", "sc",
    ] {
        let output = hapkg(&["graph", role]);
        assert!(output.status.success(), "{role}: {}", text(&output.stderr));
        let drawing = text(&output.stdout);
        let document = roxmltree::Document::parse(&drawing).unwrap();
        assert_eq!(document.root_element().tag_name().name(), "svg");
    }
    let output = hapkg(&["graph", "node"]);
    assert_ne!(output.status.code(), Some(0));
}
