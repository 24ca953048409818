//! The command line of `hapkg`: words in, exit code out.
//!
//! stdout carries results, stderr progress and errors. Exit codes: 0 done, 1
//! the answer is no, 2 used wrongly, 3 the environment failed.

mod build;
mod check;
mod docs;
mod export;
mod graph;
mod image;
mod malloc;
mod new;
mod plan;
mod progress;
mod report;
mod shells;
mod test;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::failure::Failure;

/// Turns one recipe of a high-availability role into Ubuntu and Debian packages.
#[derive(Debug, Parser)]
#[command(name = "hapkg", version, max_term_width = 100)]
struct Cli {
    /// Directory that holds the recipes.
    #[arg(long, global = true, value_name = "DIR", default_value = "recipes")]
    recipes: PathBuf,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(build::Args),
    Check(check::Args),
    Plan(plan::Args),
    Graph(graph::Args),
    Schema(docs::SchemaArgs),
    New(new::Args),
    Test(test::Args),
    Report(report::Args),
    Export(export::Args),
    Image(image::Args),
    Man(docs::ManArgs),
    Completions(docs::CompletionsArgs),
}

/// Runs the program on `words` (the program's own name first).
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let recipes = cli.recipes;
    let done = match cli.command {
        Command::Build(args) => build::run(&args, &recipes),
        Command::Check(args) => check::run(&args, &recipes),
        Command::Plan(args) => plan::run(&args, &recipes),
        Command::Graph(args) => graph::run(&args, &recipes),
        Command::Schema(args) => docs::schema(&args),
        Command::New(args) => new::run(&args, &recipes),
        Command::Test(args) => test::run(&args, &recipes),
        Command::Report(args) => report::run(&args),
        Command::Export(args) => export::run(&args, &recipes),
        Command::Image(args) => image::run(&args),
        Command::Man(args) => docs::man(&args, &Cli::command()),
        Command::Completions(args) => docs::completions(&args, &mut Cli::command()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Prints a result; a reader that has gone away ends the program quietly.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::{ErrorKind, Write};
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::environment(format!("writing to stdout: {error}")))
        }
        _ => Ok(()),
    }
}
