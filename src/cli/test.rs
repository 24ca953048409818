//! `hapkg test`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::malloc::one_arena;
use super::print;
use super::progress::{Progress, Screen};
use super::shells::shells;
use crate::build;
use crate::failure::Failure;
use crate::recipe::date::Date;
use crate::trial::report::{self, Report, Trial, Verdict};
use crate::trial::run::{self, Course};
use crate::trial::scenario::{ANY, Profile, load_all, load_profiles};
use crate::trial::schedule::schedule;
use crate::trial::select::{self, Chosen, Wanted};
use crate::trial::world::{Heard, Lab, Sources, Stage, has_packages, readable};
use crate::vm::locked;

/// Install roles in virtual machines, break the clusters, and measure.
///
/// The packages are those of `hapkg build`. Exit status: 0 all passed, 1 a
/// scenario failed, 3 none did, but the environment, so that not all is known.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of roles [default: all].
    #[arg(value_name = "RECIPE")]
    roles: Vec<String>,
    /// Suite to try on [default: all].
    #[arg(long = "suite", value_name = "SUITE")]
    suites: Vec<String>,
    /// Only scenarios whose name, or ROLE/SUITE/NAME, fits this pattern; may be given again.
    #[arg(long = "scenario", value_name = "GLOB")]
    scenario: Vec<String>,
    /// Only the I-th of N parts of equal duration, for a fleet of machines.
    #[arg(long, value_name = "I/N", value_parser = select::partition)]
    partition: Option<(usize, usize)>,
    /// A report.json that tells how long trials take; the same for all parts.
    #[arg(long, value_name = "FILE", requires = "partition")]
    durations: Option<PathBuf>,
    /// Run each scenario this often, whatever it says itself.
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u16).range(1..))]
    repeat: Option<u16>,
    /// Instead of the scenarios, random schedules of three faults, one for each of these seeds.
    #[arg(
        long,
        value_name = "SEED",
        value_delimiter = ',',
        conflicts_with = "scenario"
    )]
    random: Vec<u64>,
    /// Clusters at once [default: as many as processors and memory bear; figures are best by 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
    /// Directory to leave the report in.
    #[arg(long, value_name = "DIR", default_value = "dist/report")]
    report: PathBuf,
    /// Directory that `hapkg build` has left its result in.
    #[arg(long, value_name = "DIR", default_value = "dist")]
    dist: PathBuf,
    /// Directory that holds the scenarios.
    #[arg(long, value_name = "DIR", default_value = "vm-tests")]
    scenarios: PathBuf,
    /// Go on with the report in --report: what passed there with the same packages, image,
    /// scenario and accelerator is not run again, and nothing of it is lost. The exit status is
    /// about the trials chosen now.
    #[arg(long, conflicts_with_all = ["keep", "shell", "list"])]
    resume: bool,
    /// Directory to write all frames of every trial to, a pcap file for each link, as tcpdump
    /// and wireshark read them.
    #[arg(long, value_name = "DIR")]
    capture: Option<PathBuf>,
    /// Boot and form every cluster anew instead of forking a template.
    #[arg(long)]
    no_snapshot: bool,
    /// End at the first trial that does not pass.
    #[arg(long)]
    fail_fast: bool,
    /// Leave the cluster of the last trial up and give a shell to its nodes.
    #[arg(long)]
    keep: bool,
    /// Give a shell to a cluster in its start state, and try nothing.
    #[arg(long)]
    shell: bool,
    /// Say which trials there would be.
    #[arg(long)]
    list: bool,
}

pub fn run(args: &Args, recipes: &Path) -> Result<(), Failure> {
    one_arena();
    let suites = match args.suites.is_empty() {
        true => Vec::new(),
        false => build::suites(&args.suites)?,
    };
    let scenarios = match args.random.as_slice() {
        [] => load_all(&args.scenarios).map_err(Failure::Recipes)?,
        seeds => (seeds.iter())
            .map(|seed| schedule(ANY, *seed))
            .collect::<Result<_, _>>()?,
    };
    let profiles = load_profiles(&args.scenarios).map_err(Failure::Recipes)?;
    let wanted = Wanted {
        roles: &args.roles,
        suites: &suites,
        patterns: &args.scenario,
        repeat: args.repeat,
    };
    let mut chosen = select::choose(&scenarios, &profiles, &wanted).map_err(Failure::usage)?;
    if let Some(part) = args.partition {
        let known = match &args.durations {
            Some(file) => durations(file)?,
            None => BTreeMap::new(),
        };
        chosen = select::share(chosen, part, &known);
    }
    if args.list {
        let lines: String = (chosen.iter())
            .map(|one| format!("{} ×{}: {}\n", one.path(), one.repeat, one.scenario.summary))
            .collect();
        return print(&lines);
    }
    if !has_packages(&args.dist) {
        return Err(Failure::usage(format!(
            "there are no packages in {}: run `hapkg build` first, or name the directory by --dist",
            args.dist.display()
        )));
    }
    let sources = Sources {
        recipes: recipes.to_path_buf(),
        dist: args.dist.clone(),
        cold: args.no_snapshot,
        capture: args.capture.clone(),
    };
    let earlier = match args.resume {
        true => earlier(&args.report)?,
        false => None,
    };
    let surroundings = build::context(recipes)?;
    let courses: Vec<Course> = (chosen.iter())
        .map(|one| {
            let profile = profiles.get(one.role);
            Course::new(one.scenario, one.role, one.suite.name, 1, profile)
        })
        .collect();
    readable(recipes, &surroundings, &courses)?;
    if args.shell {
        let lab = Lab::new(sources, surroundings)?;
        return shell_only(&lab, &chosen, &profiles);
    }
    // From now on what is there is about this run, also if it ends at once.
    let report = begun(args, &chosen);
    report::write(&whole(&earlier, &report), &args.report)?;
    let lab = Lab::new(sources, surroundings)?;
    all(args, &lab, &chosen, &profiles, (earlier, report))
}

/// The report of a run that has tried nothing yet.
fn begun(args: &Args, chosen: &[Chosen]) -> Report {
    Report {
        began: now(),
        host: host(jobs(args, chosen)),
        chosen: (chosen.iter())
            .map(|one| (one.path(), one.repeat))
            .collect(),
        ..Report::default()
    }
}

/// With what is known from the run that this one goes on with.
fn whole(earlier: &Option<Report>, report: &Report) -> Report {
    match earlier {
        Some(earlier) => report::join(vec![earlier.clone(), report.clone()]),
        None => report.clone(),
    }
}

/// How long trials took, by `ROLE/SUITE/NAME`.
fn durations(file: &Path) -> Result<BTreeMap<String, Duration>, Failure> {
    let wrong = |why: String| {
        let file = file.display();
        Failure::usage(format!(
            "--durations: {file}: {why}; name the report.json of an earlier run"
        ))
    };
    let text = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
    select::durations(&text).map_err(wrong)
}

/// The report that a run goes on with.
fn earlier(directory: &Path) -> Result<Option<Report>, Failure> {
    let mut report = report::read(directory).map_err(|why| {
        Failure::usage(format!(
            "--resume: {why}; leave --resume out, or name another directory by --report"
        ))
    })?;
    for trial in report.iter_mut().flat_map(|report| &mut report.trials) {
        trial.kept = true;
    }
    Ok(report)
}

/// MiB that a cluster of two nodes needs, with QEMU's own and the packages
/// that a template is formed from.
const CLUSTER: u64 = 3072;

/// As many clusters as have two processors each and fit into memory that is
/// free; at least one.
fn jobs_here() -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let memory = memory("MemAvailable:").unwrap_or(0) / 1024 / CLUSTER;
    (processors / 2)
        .min(usize::try_from(memory).unwrap_or(usize::MAX))
        .max(1)
}

/// As many as were asked for, or as this host bears, and not more than there are
/// trials.
fn jobs(args: &Args, chosen: &[Chosen]) -> usize {
    let trials = chosen.iter().map(|one| usize::from(one.repeat)).sum();
    (args.jobs.map_or_else(jobs_here, usize::from)).min(trials)
}

/// What the trials at work share.
struct Running {
    report: Report,
    last: Option<Stage>,
    failure: Option<Failure>,
}

/// Runs every trial and writes the report after each, so that a run that is
/// interrupted leaves what it knows.
fn all(
    args: &Args,
    lab: &Lab,
    chosen: &[Chosen],
    profiles: &BTreeMap<String, Profile>,
    (earlier, report): (Option<Report>, Report),
) -> Result<(), Failure> {
    let passed: BTreeMap<(String, u16), &Trial> = (earlier.iter())
        .flat_map(|report| &report.trials)
        .filter(|trial| trial.verdict == Verdict::Passed)
        .map(|trial| ((trial.path(), trial.repeat), trial))
        .collect();
    let work: Vec<(&Chosen, u16)> = (chosen.iter())
        .flat_map(|one| (1..=one.repeat).map(move |repeat| (one, repeat)))
        .collect();
    let jobs = jobs(args, chosen);
    let began = Instant::now();
    let running = Mutex::new(Running {
        report,
        last: None,
        failure: None,
    });
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let screen = Screen::new();
    let worker = || {
        while !over.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((one, repeat)) = work.get(index) else {
                return;
            };
            let number = (index + 1, work.len());
            let known = passed.get(&(one.path(), *repeat)).copied();
            let one = (*one, *repeat);
            let (trial, stage) = trial(lab, one, profiles, number, screen.progress(), known);
            screen.print(&report::line(&trial));
            if trial.kept {
                continue;
            }
            let ends = args.fail_fast && trial.verdict != Verdict::Passed;
            let mut running = locked(&running);
            running.report.trials.push(trial);
            running.report.wall = began.elapsed();
            if args.keep && (ends || number.0 == number.1) {
                running.last = stage;
            }
            if let Err(error) = report::write(&whole(&earlier, &running.report), &args.report) {
                running.failure = Some(error.into());
            }
            if ends || running.failure.is_some() {
                over.store(true, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(worker);
        }
    });
    let Running {
        report,
        last,
        failure,
    } = running.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(failure) = failure {
        return Err(failure);
    }
    let report = whole(&earlier, &report);
    tell(&report, &args.report)?;
    if let Some(stage) = last {
        shells(stage)?;
    }
    let chosen: BTreeSet<(String, u16)> = (work.iter())
        .map(|(one, repeat)| (one.path(), *repeat))
        .collect();
    let missing: Vec<String> = (work.iter().map(|(one, repeat)| (one.path(), *repeat)))
        .filter(|key| {
            let same = |trial: &Trial| (trial.path(), trial.repeat) == *key;
            !report.trials.iter().any(same)
        })
        .map(|(path, _)| path)
        .collect();
    let (of, others): (Vec<&Trial>, Vec<&Trial>) =
        (report.trials.iter()).partition(|trial| chosen.contains(&(trial.path(), trial.repeat)));
    let wrong = |trial: &&&Trial| trial.verdict != Verdict::Passed;
    match others.iter().filter(wrong).count() {
        0 => {}
        1 => eprintln!("One trial did not pass in an earlier run and was not chosen now."),
        more => eprintln!("{more} trials did not pass in earlier runs and were not chosen now."),
    }
    conclude(&of, &missing)
}

/// Prints the table, and where the report is.
pub(super) fn tell(report: &Report, directory: &Path) -> Result<(), Failure> {
    print(&format!(
        "{}\n{}\n",
        report::summary(report).trim_end(),
        directory.join("index.html").display()
    ))
}

/// How trials ended, as exit status: a known failure weighs most, then what is
/// not known.
pub(super) fn conclude(trials: &[&Trial], missing: &[String]) -> Result<(), Failure> {
    let ended = |verdict: Verdict| trials.iter().find(move |trial| trial.verdict == verdict);
    let lost = match (ended(Verdict::Environment), missing) {
        (Some(lost), _) => Some(lost.why.first().cloned().unwrap_or_default()),
        (None, []) => None,
        (None, missing) => Some(format!(
            "{} of the chosen trials have no result: {}; run them with `hapkg test --resume`",
            missing.len(),
            report::few(missing)
        )),
    };
    match (ended(Verdict::Failed), lost) {
        (Some(_), lost) => {
            if let Some(why) = lost {
                eprintln!("Not all is known: {why}");
            }
            Err(Failure::no(""))
        }
        (None, Some(why)) => Err(Failure::Environment(why)),
        (None, None) => Ok(()),
    }
}

/// Runs a trial, unless it has the fingerprint of the one that is `known`: then
/// that one.
fn trial(
    lab: &Lab,
    (one, repeat): (&Chosen, u16),
    profiles: &BTreeMap<String, Profile>,
    (number, total): (usize, usize),
    progress: Progress,
    known: Option<&Trial>,
) -> (Trial, Option<Stage>) {
    let began = now();
    let course = Course::new(
        one.scenario,
        one.role,
        one.suite.name,
        repeat,
        profiles.get(one.role),
    );
    let path = one.path();
    // In a log each new line; on a terminal one line that changes.
    let terminal = std::io::stderr().is_terminal();
    let last = RefCell::new(String::new());
    let say = |text: &str| {
        if terminal {
            progress.say(&format!("[{number}/{total}] {path}: {text}"));
        } else if *last.borrow() != text {
            eprintln!("[{number}/{total}] {path}: {text}");
            text.clone_into(&mut last.borrow_mut());
        }
    };
    let heard = Heard {
        steps: &say,
        tools: &|text| progress.say(&format!("[{number}/{total}] {path}: {text}")),
        lasting: &|text| progress.print(text),
    };
    let ground = match lab.ground(&course, one.suite, heard) {
        Ok(ground) => ground,
        Err(trouble) => {
            let mut trial = course.not_tried(&trouble);
            trial.began = began;
            return (trial, None);
        }
    };
    let fingerprint = ground.fingerprint(&course);
    if let Some(known) = known.filter(|known| known.fingerprint == fingerprint) {
        return (known.clone(), None);
    }
    let (mut trial, stage) = match lab.stage(&course, &ground, heard) {
        Ok(mut stage) => {
            let mut trial = run::run(&mut stage.machines, &course, &mut |text| say(text));
            if let Err(trouble) = stage.machines.end_capture() {
                trial.verdict = Verdict::Environment;
                trial.why.push(trouble.text().into());
            }
            trial.cold = stage.cold;
            trial.start = stage.took;
            (trial, Some(stage))
        }
        Err(unformed) => {
            let mut trial = course.not_tried(&unformed.trouble);
            trial.attachments = unformed.logs;
            (trial, None)
        }
    };
    trial.began = began;
    trial.fingerprint = fingerprint;
    trial.packages = ground.packages().to_vec();
    (trial, stage)
}

fn shell_only(
    lab: &Lab,
    chosen: &[Chosen],
    profiles: &BTreeMap<String, Profile>,
) -> Result<(), Failure> {
    let Some(one) = chosen.first() else {
        return Err(Failure::usage("there is no such scenario"));
    };
    let progress = Progress::new();
    let course = Course::new(
        one.scenario,
        one.role,
        one.suite.name,
        1,
        profiles.get(one.role),
    );
    let say = |text: &str| progress.say(text);
    let heard = Heard {
        steps: &say,
        tools: &say,
        lasting: &|text| progress.print(text),
    };
    let ground = lab.ground(&course, one.suite, heard)?;
    let stage = (lab.stage(&course, &ground, heard)).map_err(|unformed| unformed.trouble)?;
    drop(progress);
    shells(stage)
}

/// RFC 3339, UTC.
fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(0));
    let date = Date { seconds, offset: 0 };
    let second = seconds % 86_400;
    format!(
        "{}T{:02}:{:02}:{:02}Z",
        date.day(),
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Processors, memory and clusters at once, for the report.
fn host(jobs: usize) -> String {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let noun = match processors {
        1 => "processor",
        _ => "processors",
    };
    let mut host = format!("{processors} {noun}");
    if let Some(kib) = memory("MemTotal:") {
        host += &format!(", {} GiB", kib.div_ceil(1 << 20));
    }
    if jobs > 1 {
        host += &format!(", {jobs} clusters at once");
    }
    host
}

/// KiB, of a field of proc_meminfo(5).
fn memory(field: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::conclude;
    use crate::failure::Failure;
    use crate::trial::report::{Trial, Verdict};

    fn ended(verdicts: &[Verdict], missing: &[String]) -> Result<(), Failure> {
        let report = crate::trial::report::sample::report();
        let trials: Vec<Trial> = (verdicts.iter())
            .map(|verdict| Trial {
                verdict: *verdict,
                ..report.trials[0].clone()
            })
            .collect();
        conclude(&trials.iter().collect::<Vec<_>>(), missing)
    }

    #[test]
    fn a_known_failure_weighs_most_and_then_what_is_not_known() {
        use Verdict::{Environment, Failed, Passed};
        let code = |verdicts: &[Verdict], missing: &[&str]| {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            ended(verdicts, &missing).map_or_else(|failure| failure.exit_code(), |()| 0)
        };
        assert_eq!(code(&[], &[]), 0);
        assert_eq!(code(&[Passed], &[]), 0);
        assert_eq!(code(&[Passed, Failed], &[]), 1);
        assert_eq!(code(&[Passed, Environment], &[]), 3);
        assert_eq!(code(&[Failed, Environment], &[]), 1);
        assert_eq!(code(&[Passed], &["vip/noble/reset"]), 3);
        assert_eq!(code(&[Failed], &["vip/noble/reset"]), 1);
    }
}
