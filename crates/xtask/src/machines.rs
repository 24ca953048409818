//! The trials in virtual machines, by the hapkg that was just built and the
//! packages that it made.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use hapkg::trial::select::matches;
use hapkg::trial::world::has_packages;
use serde_json::Value;

use crate::host::{fresh_dir, root, say, words};
use crate::report::{Outcome, Report};
use crate::stop::{During, Stop};
use crate::world::World;

const SUITE: &str = "noble";

/// What every run tries: each role that the others are made of loses a node.
/// That preseeded apt installs it and forms the cluster is how each start state
/// is made. The rest is `hapkg test`.
const USUAL: [&str; 5] = [
    "vip/noble/power-off",
    "vip/noble/remove-refused",
    "vip/noble/standby",
    "drbd/noble/killed-while-writing",
    "clc/noble/power-off",
];
/// With `--all`: every scenario of these roles.
const ALL: [&str; 4] = ["vip/noble/*", "drbd/noble/*", "clvm/noble/*", "clc/noble/*"];

/// `dist/`, with the packages that machines are to install.
///
/// # Errors
/// `Environment`: there are none.
pub fn built() -> Result<PathBuf, Stop> {
    let dist = root().join("dist");
    match has_packages(&dist) {
        true => Ok(dist),
        false => Err(Stop::environment("no packages in dist/: run ./x build")),
    }
}

/// `hapkg test` on a suite, with its report in `report`.
pub fn command(hapkg: &Path, suite: &str, report: &Path) -> Command {
    let mut command = Command::new(hapkg);
    command
        .current_dir(root())
        .args(["test", "--suite", suite, "--report"])
        .arg(report)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// What `hapkg test` left for programs.
///
/// # Errors
/// `Environment`: it is not there; `Failed`: it is no JSON.
pub fn read(report: &Path) -> Result<Value, Stop> {
    let file = report.join("report.json");
    let text = std::fs::read_to_string(&file).during(format_args!("reading {}", file.display()))?;
    serde_json::from_str(&text).map_err(|e| Stop::failed(format!("{}: {e}", file.display())))
}

/// Runs the usual scenarios once, or `all` of the tested roles.
///
/// # Errors
/// `Environment`: QEMU, disk or image; of the rest nothing is known then.
/// `Failed`: hapkg died, or left trials out.
pub fn trials(world: &World, all: bool, report: &mut Report) -> Result<(), Stop> {
    let dir = world.scratch.join("vm-report");
    fresh_dir(&dir)?;
    let mut command = command(&world.hapkg, SUITE, &dir);
    let wanted: &[&str] = if all { &ALL } else { &USUAL };
    for pattern in wanted {
        command.args(["--scenario", pattern]);
    }
    command.args(["--repeat", "1", "--dist"]).arg(&world.new);
    if std::env::var_os("CI").is_some() {
        command.arg("--fail-fast");
    }
    say(&words(&command));
    let status = command
        .status()
        .during(format_args!("running {}", words(&command)))?;
    let results = read(&dir).map(|value| results(&value)).unwrap_or_default();
    let judged = judge(status, wanted, &results);
    for file in ["index.html", "report.json", "junit.xml"] {
        let page = dir.join(file);
        match std::fs::read(&page).during(format_args!("reading {}", page.display())) {
            Ok(data) => report.file(&format!("vm/{file}"), data),
            // One that died has left less, or nothing.
            Err(_) if judged.is_err() => {}
            Err(stop) => return Err(stop),
        }
    }
    for (name, took, outcome) in results {
        // With that exit status no trial failed but by the environment.
        if status.code() != Some(3) || matches!(outcome, Outcome::Passed(_)) {
            report.add(&name, took, outcome);
        }
    }
    judged
}

/// Whether the report says all that was to be known: one that a program left
/// that died has only the trials before.
fn judge(
    status: ExitStatus,
    wanted: &[&str],
    results: &[(String, Duration, Outcome)],
) -> Result<(), Stop> {
    let fits = |pattern: &&&str| {
        let pattern = format!("vm/{pattern}");
        results.iter().any(|(name, ..)| matches(&pattern, name))
    };
    match status.code() {
        Some(3) => Err(Stop::environment(
            "the trials in virtual machines could not be run",
        )),
        // A pattern that fits nothing any more must not go unnoticed.
        Some(0) => match wanted.iter().find(|pattern| !fits(pattern)) {
            None => Ok(()),
            Some(pattern) => Err(Stop::failed(format!(
                "hapkg test reports no trial of {pattern}"
            ))),
        },
        Some(1) if (results.iter()).any(|(.., outcome)| matches!(outcome, Outcome::Failed(_))) => {
            Ok(())
        }
        _ => Err(Stop::failed(format!(
            "hapkg test ended with {status} after {} trials, and none of them says why",
            results.len()
        ))),
    }
}

/// Name, duration and end of each trial in the report.
fn results(report: &Value) -> Vec<(String, Duration, Outcome)> {
    let trials = report["trials"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let millis = |value: &Value| Duration::from_millis(value.as_u64().unwrap_or(0));
    let result = |trial: &Value| {
        let name = format!(
            "vm/{}/{}/{}",
            text(&trial["role"]),
            text(&trial["suite"]),
            text(&trial["scenario"])
        );
        let outcome = match trial["verdict"].as_str() {
            Some("passed") => Outcome::Passed(1),
            _ => {
                let why = trial["why"].as_array().map_or(&[][..], Vec::as_slice);
                Outcome::Failed(why.iter().map(text).collect::<Vec<_>>().join("\n"))
            }
        };
        (
            name,
            millis(&trial["start"]) + millis(&trial["length"]),
            outcome,
        )
    };
    trials.iter().map(result).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;
    use std::time::Duration;

    use serde_json::json;

    use super::{ALL, USUAL, judge, results};
    use crate::report::Outcome;

    #[test]
    fn only_what_passed_has_passed() {
        let trial = |verdict: &str| {
            json!({
                "role": "vip", "suite": "noble", "scenario": "reset", "verdict": verdict,
                "start": 500, "length": 1500, "why": ["two holders"],
            })
        };
        let report = json!({ "trials": [trial("passed"), trial("failed"), trial("environment")] });
        let all = results(&report);
        let (name, took, outcome) = &all[0];
        assert_eq!(name, "vm/vip/noble/reset");
        assert_eq!(*took, Duration::from_secs(2));
        assert_eq!(*outcome, Outcome::Passed(1));
        for (_, _, outcome) in &all[1..] {
            assert_eq!(*outcome, Outcome::Failed("two holders".into()));
        }
        assert!(results(&json!({})).is_empty());
    }

    #[test]
    fn who_dies_or_leaves_trials_out_has_not_passed() {
        let ended = |code: i32| ExitStatus::from_raw(code << 8);
        let of = |names: &[&str], outcome: Outcome| -> Vec<(String, Duration, Outcome)> {
            (names.iter())
                .map(|name| (format!("vm/{name}"), Duration::ZERO, outcome.clone()))
                .collect()
        };
        let judged = |status, wanted: &[&str], results: &[_]| match judge(status, wanted, results) {
            Ok(()) => 0,
            Err(stop) => stop.exit_code(),
        };
        let passed = of(&USUAL, Outcome::Passed(1));
        assert_eq!(judged(ended(0), &USUAL, &passed), 0);
        assert_eq!(judged(ended(0), &USUAL, &passed[1..]), 1);
        assert_eq!(judged(ended(0), &USUAL, &[]), 1);
        // A panic, a signal, a wrong option, a "no" that nobody explains.
        for status in [ended(101), ExitStatus::from_raw(9), ended(2), ended(1)] {
            assert_eq!(judged(status, &USUAL, &passed), 1, "{status}");
            assert_eq!(judged(status, &USUAL, &[]), 1, "{status}");
        }
        let failed = of(&USUAL[..1], Outcome::Failed("two holders".into()));
        assert_eq!(judged(ended(1), &USUAL, &failed), 0);
        assert_eq!(judged(ended(3), &USUAL, &failed), 3);
        let each = of(
            &["vip/noble/x", "drbd/noble/x", "clvm/noble/x", "clc/noble/x"],
            Outcome::Passed(1),
        );
        assert_eq!(judged(ended(0), &ALL, &each), 0);
        assert_eq!(judged(ended(0), &ALL, &each[..3]), 1);
    }
}
