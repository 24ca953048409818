//! `hapkg report`: what several machines found, as one report.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

/// As `hapkg test` leaves it.
fn part(directory: &Path, scenario: &str, verdict: &str) {
    let trial = json!({
        "scenario": scenario, "summary": "the holder goes", "role": "vip", "suite": "noble",
        "repeat": 1, "began": "2026-11-05T09:30:00Z", "fingerprint": "00", "kept": false,
        "packages": [{"name": "ubuntu-ha-vip", "version": "1.0", "sha256": "0f"}],
        "verdict": verdict, "why": [], "cold": false, "start": 900, "served": 300,
        "length": 31_000, "accelerator": "TCG", "scale": 5.0, "stubs": [], "nodes": ["alpha"],
        "steps": [{"line": 3, "text": "cut the power", "note": null, "from": 0, "to": 9,
            "stopped": null}],
        "events": [{"at": 5, "node": "alpha", "kind": "fence-begun", "text": "fencing"}],
        "spans": [{"kind": "arp", "from": 0, "to": 5, "good": true}],
        "held": [{"node": "alpha", "what": "address", "from": 0, "to": 5}],
        "outages": [{"kind": "arp", "from": 5, "length": 4100, "open": false}],
        "floor": {"token": 1000, "consensus": 1200, "fence": 200, "start": 100},
        "records": {"acknowledged": 9, "stored": 9, "lost": 0},
        "audits": [{"name": "one-holder", "verdict": "held", "evidence": []}],
        "attachments": [],
    });
    let report = json!({
        "version": 1, "began": "2026-11-05T09:00:00Z", "host": "2 processors", "wall": 60_000,
        "conditions": [], "results": [], "trials": [trial],
        "chosen": { format!("vip/noble/{scenario}"): 1 },
    });
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("report.json"), report.to_string()).unwrap();
}

/// As a run leaves it that ends before the first of two trials.
fn nothing_yet(directory: &Path) {
    let report = json!({
        "version": 1, "began": "2026-11-05T09:00:00Z", "host": "2 processors", "wall": 0,
        "conditions": [], "results": [], "trials": [],
        "chosen": { "vip/noble/reset": 1, "vip/noble/power-off": 1 },
    });
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("report.json"), report.to_string()).unwrap();
}

fn joined(place: &Path, parts: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hapkg"))
        .current_dir(place)
        .arg("report")
        .args(parts)
        .output()
        .unwrap()
}

#[test]
fn the_parts_of_a_fleet_become_one_report() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    part(&place.join("one"), "power-off", "passed");
    part(&place.join("two"), "standby", "passed");
    let done = joined(place, &["one", "two"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let told = String::from_utf8(done.stdout).unwrap();
    for text in ["power-off", "standby", "4.1 s", "2 passed"] {
        assert!(told.contains(text), "{told}");
    }
    let file = fs::read_to_string(place.join("dist/report/report.json")).unwrap();
    let value: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(value["results"].as_array().unwrap().len(), 2);
    assert_eq!(value["trials"][0]["outages"][0]["length"], 4100);
    assert!(place.join("dist/report/index.html").is_file());

    part(&place.join("three"), "reboot", "failed");
    let done = joined(place, &["dist/report", "three"]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
}

#[test]
fn a_part_that_ended_early_is_noticed_until_its_trials_are_there() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    part(&place.join("one"), "power-off", "passed");
    nothing_yet(&place.join("two"));
    let done = joined(place, &["one", "two"]);
    assert_eq!(done.status.code(), Some(3), "{done:?}");
    let told = String::from_utf8(done.stdout).unwrap();
    assert!(
        told.contains("1 of 2 chosen trials have no result: vip/noble/reset"),
        "{told}"
    );
    part(&place.join("three"), "reset", "passed");
    let done = joined(place, &["dist/report", "three"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
}

#[test]
fn what_is_no_report_is_named_and_nothing_is_written() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    part(&place.join("one"), "power-off", "passed");
    fs::create_dir(place.join("two")).unwrap();
    for text in [None, Some("{"), Some("{\"version\": 9}")] {
        if let Some(text) = text {
            fs::write(place.join("two/report.json"), text).unwrap();
        }
        let done = joined(place, &["one", "two"]);
        assert_eq!(done.status.code(), Some(2), "{done:?}");
        let told = String::from_utf8(done.stderr).unwrap();
        assert!(
            told.contains("two") && told.contains("hapkg test"),
            "{told}"
        );
        assert!(!place.join("dist").exists());
    }
}
