//! The chroot tests, on every core.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use crate::case::Named;
use crate::host::say;
use crate::report::{Outcome, Report};
use crate::stop::Stop;

/// How often a run that has nothing to say tells what it is at.
const SILENCE: Duration = Duration::from_secs(30);

/// Runs all cases and adds them to the report. Under CI the first failure is
/// the last case; an environment failure ends every run.
///
/// # Errors
/// `Environment`, with what is missing.
pub fn cases(cases: &[Named], report: &mut Report) -> Result<(), Stop> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let fail_fast = std::env::var_os("CI").is_some();
    let next = AtomicUsize::new(0);
    let ended = AtomicBool::new(false);
    let running: Mutex<BTreeSet<&str>> = Mutex::default();
    let (sender, results) = mpsc::channel();
    let mut environment = None;
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let sender = sender.clone();
            let (next, ended, running) = (&next, &ended, &running);
            scope.spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    let Some(named) = cases.get(next.fetch_add(1, Ordering::Relaxed)) else {
                        break;
                    };
                    hold(running).insert(&named.name);
                    let start = Instant::now();
                    let result = (named.run)(&named.case);
                    hold(running).remove(named.name.as_str());
                    if sender.send((named, start.elapsed(), result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut done = 0;
        loop {
            let (named, took, result) = match results.recv_timeout(SILENCE) {
                Ok(one) => one,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let names: Vec<&str> = hold(&running).iter().copied().collect();
                    say(&format!("still at {}", names.join(", ")));
                    continue;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            };
            done += 1;
            report.log(&named.name, &named.case.log());
            let place = format!("{done}/{}", cases.len());
            let seconds = took.as_secs_f32();
            match result {
                Ok(()) => {
                    say(&format!("{place} ok {} ({seconds:.1} s)", named.name));
                    report.add(&named.name, took, Outcome::Passed(1));
                }
                Err(stop) => {
                    say(&format!(
                        "{place} FAILED {} ({seconds:.1} s)\n{stop}",
                        named.name
                    ));
                    if stop.is_environment() {
                        environment.get_or_insert(stop);
                        ended.store(true, Ordering::Relaxed);
                    } else {
                        report.add(&named.name, took, Outcome::Failed(stop.to_string()));
                        ended.fetch_or(fail_fast, Ordering::Relaxed);
                    }
                }
            }
        }
    });
    environment.map_or(Ok(()), Err)
}

fn hold<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
