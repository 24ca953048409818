//! `cargo xtask bench vm`: a cluster forked from a template beside the same
//! cluster booted and formed.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{middle, verdict};
use crate::host::{fresh_dir, root, say, words};
use crate::stop::{During, Stop};
use crate::{machines, setup, world};

const ROLE: &str = "vip";
const SUITE: &str = "noble";
/// The scenario that only waits for the start state.
const SCENARIO: &str = "serves";

const FORKS: usize = 10;
const COLD: usize = 2;

/// From the command to start until the address is served, with both shells
/// answering and quorum.
struct Start {
    /// Until the machines' shells answered; cold: also the packages.
    machines: Duration,
    served: Duration,
}

/// Runs both and prints them.
///
/// # Errors
/// `Environment`: no QEMU; `Failed`: a cluster did not come to serve.
pub fn run() -> Result<(), Stop> {
    setup::tests()?;
    let hapkg = world::release_hapkg()?;
    machines::built()?;
    let scratch = root().join("target/xtask/bench-vm");
    fresh_dir(&scratch)?;
    // The template is made by the first trial, which is counted without it.
    let (forks, by) = trials(&hapkg, &scratch.join("forked"), FORKS, &[])?;
    let (cold, _) = trials(&hapkg, &scratch.join("cold"), COLD, &["--no-snapshot"])?;
    println!("Two nodes of {ROLE} on {SUITE}, under {by}, median of {FORKS} and {COLD}:");
    let median =
        |starts: &[Start], pick: fn(&Start) -> Duration| middle(starts.iter().map(pick).collect());
    let mut served = Vec::new();
    for (what, starts) in [("forked", &forks), ("cold: booted and formed", &cold)] {
        let all = median(starts, |start| start.served);
        println!(
            "  {what:<24} {:>8.2} s until the shells answer, {:>8.2} s until the address is served",
            median(starts, |start| start.machines).as_secs_f64(),
            all.as_secs_f64()
        );
        served.push(all);
    }
    let (forked, cold) = (served[0], served[1]);
    println!(
        "  {:.1} times cheaper",
        cold.as_secs_f64() / forked.as_secs_f64()
    );
    verdict("at most 2 s", forked <= Duration::from_secs(2));
    verdict("40 times cheaper", cold >= forked * 40);
    Ok(())
}

fn trials(
    hapkg: &Path,
    report: &Path,
    times: usize,
    more: &[&str],
) -> Result<(Vec<Start>, String), Stop> {
    say(&format!("{times} starts {}", more.join(" ")));
    let mut command = machines::command(hapkg, SUITE, report);
    command
        .args([ROLE, "--scenario", SCENARIO, "--repeat", &times.to_string()])
        .args(["--jobs", "1"])
        .args(more);
    match command.status().during("running hapkg test")?.code() {
        Some(0) => {}
        Some(3) => return Err(Stop::environment("the trials could not be run")),
        _ => return Err(Stop::failed(format!("`{}` failed", words(&command)))),
    }
    starts(&machines::read(report)?)
        .ok_or_else(|| Stop::failed(format!("{}: no starts in it", report.display())))
}

fn starts(report: &Value) -> Option<(Vec<Start>, String)> {
    let trials = report["trials"].as_array()?;
    let all: Option<Vec<Start>> = trials.iter().map(start).collect();
    let by = trials.first()?["accelerator"].as_str()?.to_string();
    Some((all?, by))
}

fn start(trial: &Value) -> Option<Start> {
    let machines = Duration::from_millis(trial["start"].as_u64()?);
    let served = trial["served"].as_u64()?;
    Some(Start {
        machines,
        served: machines + Duration::from_millis(served),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::starts;

    #[test]
    fn a_start_ends_when_the_address_is_served() {
        let report = json!({ "trials": [
            { "start": 600, "accelerator": "TCG", "served": 900 },
        ]});
        let (all, by) = starts(&report).unwrap();
        assert_eq!(by, "TCG");
        assert_eq!(all[0].machines.as_millis(), 600);
        assert_eq!(all[0].served.as_millis(), 1500);
        assert!(starts(&json!({ "trials": [{ "start": 600, "served": null }] })).is_none());
    }
}
