//! `cargo xtask test`: the whole run, from the cheapest check to the dearest.

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::case::table;
use crate::host::{cargo, memory_dir, root, say, words};
use crate::report::{Outcome, Report};
use crate::stop::{During, Stop};
use crate::{lacking, machines, run, setup, world};

/// Runs the tests and tells how many passed. `filter` leaves the checks of the
/// source out; `reuse` does not build the repositories again.
///
/// # Errors
/// `Environment`: nothing can be said about what was tested.
pub fn test(all: bool, filter: Option<&str>, reuse: bool) -> Result<ExitCode, Stop> {
    setup::tests()?;
    let mut report = Report::default();
    let done = run_all(all, filter, reuse, &mut report);
    report.write(&root().join("dist/checks"))?;
    println!("{}", report.closing_line());
    match done {
        // What is known to be wrong weighs more than what is not known.
        Err(stop) if stop.is_environment() && report.failed() > 0 => eprintln!("{stop}"),
        done => done?,
    }
    Ok(ExitCode::from(u8::from(report.failed() > 0)))
}

fn run_all(all: bool, filter: Option<&str>, reuse: bool, report: &mut Report) -> Result<(), Stop> {
    if filter.is_none() && !source_checks(report)? {
        return Ok(());
    }
    let start = Instant::now();
    let world = match world::prepare(reuse) {
        Err(Stop::Failed(text)) => {
            report.add("hapkg build", start.elapsed(), Outcome::Failed(text));
            return Ok(());
        }
        other => other?,
    };
    report.add("hapkg build", start.elapsed(), Outcome::Passed(1));
    run::cases(&table(&world, all, filter), report)?;
    let failed = report.failed() > 0 && std::env::var_os("CI").is_some();
    if failed || filter.is_some() {
        return Ok(());
    }
    machines::trials(&world, all, report)?;
    lacking::trials(&world.hapkg, &world.new, None, report)
}

/// Formatting, clippy, and every Rust test. Whether to go on.
fn source_checks(report: &mut Report) -> Result<bool, Stop> {
    let checks: [(&str, &[&str]); 4] = [
        ("cargo fmt", &["fmt", "--all", "--check"]),
        (
            "cargo clippy",
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ],
        ),
        (
            "cargo clippy, node program",
            &[
                "clippy",
                "--no-default-features",
                "--bin",
                "ubuntu-ha",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ],
        ),
        ("cargo test", &["test", "--workspace", "--quiet"]),
    ];
    for (name, args) in checks {
        let mut command = cargo();
        command.args(args);
        let memory = (args[0] == "test").then(memory_dir).flatten();
        if let Some(dir) = &memory {
            command.env("TMPDIR", dir.path());
        }
        say(&words(&command));
        let start = Instant::now();
        let (success, text) = follow(&mut command)?;
        let (passed, failed) = counted(&text);
        let outcome = if success {
            Outcome::Passed(passed.max(1))
        } else {
            eprintln!("{}", text.trim_end());
            Outcome::Failed(format!("{failed} failed:\n{text}"))
        };
        report.add(name, start.elapsed(), outcome);
        if !success {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Runs a command to its end; both streams, as one text.
fn follow(command: &mut Command) -> Result<(bool, String), Stop> {
    let done = command
        .stdin(Stdio::null())
        .output()
        .during(format_args!("running {}", words(command)))?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    Ok((done.status.success(), text))
}

/// Sums of cargo's lines `test result: ok. 3 passed; 0 failed; …`.
fn counted(text: &str) -> (usize, usize) {
    let mut sums = (0, 0);
    for line in text.lines().filter(|line| line.starts_with("test result:")) {
        let words: Vec<&str> = line.split([' ', ';']).collect();
        for pair in words.windows(2) {
            let number = pair[0].parse().unwrap_or(0);
            match pair[1] {
                "passed" => sums.0 += number,
                "failed" => sums.1 += number,
                _ => {}
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn cargo_results_are_summed() {
        let text = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\ntest result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 5 filtered out\n";
        assert_eq!(counted(text), (5, 1));
        assert_eq!(counted(""), (0, 0));
    }
}
