//! The command line of `ubuntu-ha`: parse, call, print, exit code.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::check::{self, Report};
use super::configure;
use super::host::Host;
use super::json;
use super::layout::{Layout, Subject};
use super::problem::Failure;
use super::{apply, guard, join, leave, maintain, plan, setup, status, token};

/// Form, keep and mend a high-availability cluster on this node
#[derive(Debug, Parser)]
#[command(name = "ubuntu-ha", version)]
#[command(after_help = "Exit status: 0 done, 1 the answer is no, \
    2 used wrongly, 3 the environment failed.")]
struct Cli {
    /// Work below DIR instead of /
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take answers from standard input and write them to /etc/ubuntu-ha
    ///
    /// Each line is NAME, one blank, and the answer. What a line does not
    /// name stays as it is in the file, and so do comments. Nothing is
    /// written unless all answers are valid, but passwords, which go to
    /// files of their own. The packages run this when they are configured.
    Configure {
        /// A role's name, or "cluster" for what all roles share
        #[arg(value_name = "ROLE", value_parser = Subject::parse)]
        subject: Subject,
    },
    /// Say everything that is wrong below /etc/ubuntu-ha
    ///
    /// Each file of answers is held against the installed packages, against
    /// the others, and against the modes that passwords need.
    Check {
        /// Roles to report on, or "cluster"; all of them if none is named
        #[arg(value_name = "ROLE", value_parser = Subject::parse)]
        subjects: Vec<Subject>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    Plan(plan::Args),
    Apply(apply::Args),
    Token(token::Args),
    Join(join::Args),
    Leave(leave::Args),
    Status(status::Args),
    Maintain(maintain::Args),
    #[command(hide = true)]
    Guard(guard::Args),
    #[command(hide = true)]
    Setup(setup::Args),
}

/// The command line itself, for the manual page and completions.
#[cfg(feature = "packager")]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs the program with the process's arguments and streams.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let layout = Layout::new(cli.root);
    let host = Host::new(layout.clone());
    let done = match &cli.command {
        Command::Configure { subject } => run_configure(&layout, subject),
        Command::Check { subjects, json } => run_check(&layout, subjects, *json),
        Command::Plan(args) => plan::run(&host, args),
        Command::Apply(args) => apply::run(&host, args),
        Command::Token(args) => token::run(&host, args),
        Command::Join(args) => join::run(&host, args),
        Command::Leave(args) => leave::run(&host, args),
        Command::Status(args) => status::run(&host, args),
        Command::Maintain(args) => maintain::run(&host, args),
        Command::Guard(args) => guard::run(&host, args),
        Command::Setup(args) => setup::run(&host, args),
    };
    ExitCode::from(match done {
        Ok(code) => code,
        Err(failure) => {
            tell(&failure);
            failure.exit_code()
        }
    })
}

fn run_configure(layout: &Layout, subject: &Subject) -> Result<u8, Failure> {
    let mut input = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut input)
        .map_err(|error| {
            Failure::environment(
                format!("reading standard input: {error}"),
                "pipe the answers in".into(),
            )
        })?;
    let done = configure::configure(layout, subject, &input)?;
    for note in &done.notes {
        eprintln!("ubuntu-ha: {note}");
    }
    let verb = if done.written { "wrote" } else { "unchanged:" };
    eprintln!("ubuntu-ha: {verb} {}", done.file.display());
    Ok(0)
}

fn run_check(layout: &Layout, subjects: &[Subject], json: bool) -> Result<u8, Failure> {
    let report = check::check(layout, subjects)?;
    if json {
        print(&as_json(&report));
    } else {
        print(&as_text(&report));
    }
    Ok(u8::from(!report.problems.is_empty()))
}

/// A reader that has seen enough is no error.
pub fn print(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

fn tell(failure: &Failure) {
    match failure {
        Failure::Refused(problems) => {
            for problem in problems {
                eprintln!("ubuntu-ha: {problem}");
            }
            if let Some(first) = problems.first() {
                let next = first.command.clone();
                let next = next.unwrap_or_else(|| first.subject.reconfigure());
                eprintln!(
                    "ubuntu-ha: {} is not configured. Next: {next}",
                    first.subject
                );
            }
        }
        Failure::Usage { message, remedy } => {
            eprintln!("ubuntu-ha: {message}; {remedy}\nTry 'ubuntu-ha --help'.");
        }
        Failure::Failed { message, remedy } | Failure::Environment { message, remedy } => {
            eprintln!("ubuntu-ha: {message}; {remedy}");
        }
    }
}

fn as_text(report: &Report) -> String {
    let mut text = String::new();
    for problem in &report.problems {
        text.push_str(&format!("{problem}\n"));
    }
    if report.problems.is_empty() {
        let names: Vec<&str> = report.subjects.iter().map(Subject::name).collect();
        return format!("Everything is valid: {}.\n", names.join(", "));
    }
    let count = match report.problems.len() {
        1 => "1 problem".into(),
        many => format!("{many} problems"),
    };
    text.push_str(&format!("{count}. Next: {}\n", next(report)));
    text
}

/// The first command that puts something right; without one the files have to
/// be edited.
fn next(report: &Report) -> String {
    let command = report.problems.iter().find_map(|p| p.command.clone());
    command.unwrap_or_else(|| {
        let file = report.problems.iter().find_map(|p| p.file.as_ref());
        let file = file.map_or_else(String::new, |f| format!("edit {}, then ", f.display()));
        format!("{file}run ubuntu-ha check")
    })
}

fn as_json(report: &Report) -> String {
    let list = |items: Vec<String>| match items.is_empty() {
        true => "[]".into(),
        false => format!("[\n    {}\n  ]", items.join(",\n    ")),
    };
    let problems = report.problems.iter().map(|problem| {
        format!(
            "{{\"subject\": {}, \"file\": {}, \"line\": {}, \"message\": {}, \"command\": {}}}",
            json::string(problem.subject.name()),
            json::optional(
                problem
                    .file
                    .as_ref()
                    .map(|f| f.display().to_string())
                    .as_deref()
            ),
            problem
                .line
                .map_or_else(|| "null".into(), |line| line.to_string()),
            json::string(&problem.message),
            json::optional(problem.command.as_deref()),
        )
    });
    let subjects = report
        .subjects
        .iter()
        .map(|subject| json::string(subject.name()));
    format!(
        "{{\n  \"valid\": {},\n  \"checked\": {},\n  \"problems\": {}\n}}\n",
        report.problems.is_empty(),
        list(subjects.collect()),
        list(problems.collect()),
    )
}
