//! `hapkg test`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::print;
use super::progress::Progress;
use crate::build;
use crate::failure::Failure;
use crate::recipe::date::Date;
use crate::trial::report::{self, Report, Trial, Verdict};
use crate::trial::run::{self, Course};
use crate::trial::scenario::{ANY, Profile, load_all, load_profiles};
use crate::trial::schedule::schedule;
use crate::trial::select::{self, Chosen, Wanted};
use crate::trial::world::{Lab, Sources, Stage, Trouble, World, has_packages};

/// Install roles in virtual machines, break the clusters, and measure.
///
/// The packages are those of `hapkg build`. Exit status: 0 all passed, 1 a
/// scenario failed, 3 the environment did, so that nothing is known.
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
    /// Directory to leave the report in.
    #[arg(long, value_name = "DIR", default_value = "dist/report")]
    report: PathBuf,
    /// Directory that `hapkg build` has left its result in.
    #[arg(long, value_name = "DIR", default_value = "dist")]
    dist: PathBuf,
    /// Directory that holds the scenarios.
    #[arg(long, value_name = "DIR", default_value = "vm-tests")]
    scenarios: PathBuf,
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
        let earlier = std::fs::read_to_string(args.report.join("report.json"));
        let known = select::durations(&earlier.unwrap_or_default());
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
    };
    let lab = Lab::new(sources, build::context(recipes)?).map_err(failed)?;
    if args.shell {
        return shell_only(lab, &chosen, &profiles);
    }
    all(args, lab, &chosen, &profiles)
}

fn failed(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Environment(text) => Failure::Environment(text),
        Trouble::Guest(text) => Failure::No(text),
    }
}

/// Runs every trial and writes the report after each, so that a run that is
/// interrupted leaves what it knows.
fn all(
    args: &Args,
    mut lab: Lab,
    chosen: &[Chosen],
    profiles: &BTreeMap<String, Profile>,
) -> Result<(), Failure> {
    let began = Instant::now();
    let mut report = Report {
        began: now(),
        host: host(),
        ..Report::default()
    };
    let total: usize = chosen.iter().map(|one| usize::from(one.repeat)).sum();
    let mut last: Option<Stage> = None;
    'trials: for one in chosen {
        for repeat in 1..=one.repeat {
            drop(last.take());
            let number = report.trials.len() + 1;
            let (trial, stage) = trial(&mut lab, one, repeat, profiles, (number, total));
            eprintln!("{}", report::line(&trial));
            report.trials.push(trial);
            report.wall = began.elapsed();
            report::write(&report, &args.report)?;
            last = stage;
            let passed = report.count(Verdict::Passed) == report.trials.len();
            if args.fail_fast && !passed {
                break 'trials;
            }
        }
    }
    let page = args.report.join("index.html");
    print(&format!(
        "{}\n{}\n",
        report::summary(&report).trim_end(),
        page.display()
    ))?;
    if let Some(stage) = last.filter(|_| args.keep) {
        shells(stage)?;
    }
    if report.count(Verdict::Environment) > 0 {
        let lost = report
            .trials
            .iter()
            .find(|trial| trial.verdict == Verdict::Environment);
        let why = lost
            .and_then(|trial| trial.why.first().cloned())
            .unwrap_or_default();
        return Err(Failure::Environment(why));
    }
    match report.count(Verdict::Failed) {
        0 => Ok(()),
        _ => Err(Failure::no("")),
    }
}

fn trial(
    lab: &mut Lab,
    one: &Chosen,
    repeat: u16,
    profiles: &BTreeMap<String, Profile>,
    (number, total): (usize, usize),
) -> (Trial, Option<Stage>) {
    let progress = Progress::new();
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
    let mut stage = match lab.stage(&course, one.suite, &say) {
        Ok(stage) => stage,
        Err(Trouble::Environment(why)) => return (course.not_tried(why), None),
        Err(Trouble::Guest(why)) => {
            let mut trial = course.not_tried(why);
            trial.verdict = Verdict::Failed;
            return (trial, None);
        }
    };
    let mut trial = run::run(&mut stage.machines, &course, &mut |text| say(text));
    trial.cold = stage.cold;
    trial.start = stage.took;
    (trial, Some(stage))
}

fn shell_only(
    mut lab: Lab,
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
    let stage = lab
        .stage(&course, one.suite, &|text| progress.say(text))
        .map_err(failed)?;
    drop(progress);
    shells(stage)
}

/// Lines `NODE COMMAND` from stdin, until it ends.
fn shells(mut stage: Stage) -> Result<(), Failure> {
    let nodes = stage.machines.cluster().spec().nodes.clone();
    eprintln!(
        "{} run. Write NODE COMMAND, such as `{} ubuntu-ha status`; end with Ctrl-D, and they are gone.",
        nodes.join(", "),
        nodes[0]
    );
    let stdin = std::io::stdin();
    loop {
        if stdin.is_terminal() {
            eprint!("hapkg> ");
            let _ = std::io::stderr().flush();
        }
        let mut line = String::new();
        let read = stdin.lock().read_line(&mut line);
        if !matches!(read, Ok(length) if length > 0) {
            return Ok(());
        }
        let Some((node, command)) = line.trim().split_once(' ') else {
            continue;
        };
        if !nodes.iter().any(|one| one == node) {
            eprintln!("there is no node {node:?}; they are {}", nodes.join(", "));
            continue;
        }
        match stage
            .machines
            .run(node, command, "", Duration::from_secs(600))
        {
            Ok(output) => {
                print(&output.stdout)?;
                eprint!("{}", output.stderr);
                if output.status != 0 {
                    eprintln!("exit {}", output.status);
                }
            }
            Err(trouble) => eprintln!("{}", trouble.text()),
        }
    }
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

/// Processors and memory, for the report.
fn host() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let noun = if processors == 1 {
        "processor"
    } else {
        "processors"
    };
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|text| text.trim().split(' ').next()?.parse::<u64>().ok());
    match kib {
        Some(kib) => format!("{processors} {noun}, {} GiB", kib.div_ceil(1 << 20)),
        None => format!("{processors} {noun}"),
    }
}
