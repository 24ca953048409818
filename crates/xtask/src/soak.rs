//! `cargo xtask soak`: many trials in a row, and trials that are killed, leave
//! nothing behind and need no more with time.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::host::{fresh_dir, root, say};
use crate::report::{Outcome, Report};
use crate::stop::{During, Stop};
use crate::{machines, setup, world};

const ROLE: &str = "vip";
const SUITE: &str = "noble";
const SCENARIO: &str = "serves";

/// Sockets lie below it, and their paths must be short.
const RUNS: &str = "/var/tmp/hapkg-soak";

/// Until everything of a killed run is gone.
const GONE: Duration = Duration::from_secs(20);

/// What the process needs after a trial.
#[derive(Debug, Clone, Copy)]
struct Needs {
    kilobytes: u64,
    threads: u64,
    files: usize,
}

/// Runs `times` trials in one process, then two runs that end by SIGINT and by
/// SIGKILL; prints what they needed and left.
///
/// # Errors
/// `Environment`: no packages, no QEMU.
pub fn run(times: u16) -> Result<ExitCode, Stop> {
    setup::tests()?;
    let hapkg = world::release_hapkg()?;
    machines::built()?;
    fresh_dir(Path::new(RUNS))?;
    let mut report = Report::default();
    let mut tell = |name: &str, start: Instant, outcome: Outcome| {
        match &outcome {
            Outcome::Passed(_) => say(&format!("{name}: passed")),
            Outcome::Failed(why) => say(&format!("{name}: FAILED: {why}")),
        }
        report.add(name, start.elapsed(), outcome);
    };
    let start = Instant::now();
    tell("soak/in-a-row", start, in_a_row(&hapkg, times)?);
    for signal in ["INT", "KILL"] {
        let start = Instant::now();
        let outcome = killed(&hapkg, signal)?;
        tell(&format!("soak/SIG{signal}"), start, outcome);
    }
    let _ = fs::remove_dir_all(RUNS);
    println!("{}", report.closing_line());
    Ok(ExitCode::from(u8::from(report.failed() > 0)))
}

fn start(hapkg: &Path, times: u16) -> Result<Child, Stop> {
    machines::command(hapkg, SUITE, &root().join("target/xtask/soak"))
        .arg(ROLE)
        .env("TMPDIR", RUNS)
        .args(["--scenario", SCENARIO, "--repeat", &times.to_string()])
        .args(["--jobs", "1"])
        .stderr(Stdio::piped())
        .spawn()
        .during("starting hapkg test")
}

fn in_a_row(hapkg: &Path, times: u16) -> Result<Outcome, Stop> {
    let mut child = start(hapkg, times)?;
    let mut all: Vec<Needs> = Vec::new();
    let mut passed = 0;
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if !line.starts_with('[') {
                say(&line);
            }
            if line.starts_with("passed ") {
                passed += 1;
                all.extend(needs(child.id()));
            }
        }
    }
    let status = child.wait().during("waiting for hapkg test")?;
    if status.code() == Some(3) {
        return Err(Stop::environment("the trials could not be run"));
    }
    let left = left();
    for (name, of) in [
        ("resident kB", (|n| n.kilobytes) as fn(&Needs) -> u64),
        ("threads", |n| n.threads),
        ("open files", |n| n.files as u64),
    ] {
        let list: Vec<String> = all.iter().map(|one| of(one).to_string()).collect();
        println!("{name} after each trial: {}", list.join(" "));
    }
    Ok(match judge(&all) {
        _ if !status.success() || passed != usize::from(times) => {
            Outcome::Failed(format!("{passed} of {times} trials passed"))
        }
        _ if !left.is_empty() => Outcome::Failed(format!("left behind: {}", left.join(", "))),
        Err(why) => Outcome::Failed(why),
        Ok(()) => Outcome::Passed(1),
    })
}

/// The last quarter must need no more than the second one: what is loaded once
/// is loaded by then. Medians, because some looks fall on the moment in which
/// the report is written. A tenth of memory is the allocator's.
fn judge(all: &[Needs]) -> Result<(), String> {
    let quarter = all.len() / 4;
    if quarter == 0 {
        return Err("too few trials to tell".into());
    }
    let (early, late) = (&all[quarter..quarter * 2], &all[all.len() - quarter..]);
    let median = |list: &[Needs], of: fn(&Needs) -> u64| {
        let mut all: Vec<u64> = list.iter().map(of).collect();
        all.sort_unstable();
        all[all.len() / 2]
    };
    for (name, of, slack) in [
        ("kilobytes", (|n| n.kilobytes) as fn(&Needs) -> u64, 10),
        ("threads", |n| n.threads, 0),
        ("open files", |n| n.files as u64, 0),
    ] {
        let (before, after) = (median(early, of), median(late, of));
        if after > before + before * slack / 100 {
            return Err(format!("{name} grew from {before} to {after}"));
        }
    }
    Ok(())
}

fn killed(hapkg: &Path, signal: &str) -> Result<Outcome, Stop> {
    let mut child = start(hapkg, 50)?;
    let mut lines = match child.stderr.take() {
        Some(stderr) => BufReader::new(stderr).lines(),
        None => return Err(Stop::environment("hapkg test has no stderr")),
    };
    // In the middle of the second trial, with machines running.
    let middle = lines
        .by_ref()
        .map_while(Result::ok)
        .any(|line| line.starts_with("[2/") && !line.contains("template"));
    let running = left();
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", signal, &pid]).status();
    let ended = ends(&mut child);
    if !middle || !sent.during("running kill")?.success() {
        return Ok(Outcome::Failed("there was no second trial".into()));
    }
    if !running.iter().any(|one| one.contains("qemu")) {
        return Ok(Outcome::Failed("no machine ran when it was killed".into()));
    }
    if !ended {
        return Ok(Outcome::Failed(
            "it went on; does it inherit that the signal is ignored, as a script's \
             background job does?"
                .into(),
        ));
    }
    let end = Instant::now() + GONE;
    while !left().is_empty() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(match left().as_slice() {
        [] => Outcome::Passed(1),
        left => Outcome::Failed(format!("left behind: {}", left.join(", "))),
    })
}

/// Whether it ends by itself in time; it does not outlive this.
fn ends(child: &mut Child) -> bool {
    let end = Instant::now() + GONE;
    while Instant::now() < end {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

fn needs(pid: u32) -> Option<Needs> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let status = fs::read_to_string(proc.join("status")).ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some(Needs {
        kilobytes: field("VmRSS:")?,
        threads: field("Threads:")?,
        files: fs::read_dir(proc.join("fd")).ok()?.count(),
    })
}

/// Processes that speak of the runs' directory, and files in it.
fn left() -> Vec<String> {
    let mut left = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        if words.contains(RUNS) {
            let name: Vec<&str> = words.split(' ').take(3).collect();
            left.push(format!("process {}", name.join(" ")));
        }
    }
    let runs = fs::read_dir(RUNS).into_iter().flatten().flatten();
    for user in runs {
        let entries = fs::read_dir(user.path()).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        // The lock that runs take in turn belongs to none.
        left.extend(names.filter(|name| name != "turn"));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::{Needs, judge};

    fn all(of: impl Fn(usize) -> u64) -> Vec<Needs> {
        let one = |number| Needs {
            kilobytes: 40_000 + of(number),
            threads: 9,
            files: 30 + of(number) as usize / 1000,
        };
        (0..20).map(one).collect()
    }

    #[test]
    fn a_moment_is_no_growth_and_one_file_is() {
        let mut needs = all(|_| 0);
        needs[17].files += 1;
        assert_eq!(judge(&needs), Ok(()));
        for late in &mut needs[12..] {
            late.files += 1;
        }
        assert!(judge(&needs).unwrap_err().contains("open files"));
    }

    #[test]
    fn growth_is_told_and_a_warm_up_is_none() {
        assert_eq!(judge(&all(|_| 500)), Ok(()));
        assert_eq!(
            judge(&all(|number| if number < 3 { 0 } else { 900 })),
            Ok(())
        );
        assert!(judge(&all(|number| number as u64 * 1000)).is_err());
        assert!(
            judge(&all(|number| number as u64 * 400))
                .unwrap_err()
                .contains("open files")
        );
        assert!(judge(&[]).is_err());
    }
}
