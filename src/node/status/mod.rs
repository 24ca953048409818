//! `ubuntu-ha status`.

mod cib;
mod drift;
mod facts;
mod findings;
mod replica;
mod report;
mod text;

use std::io::{self, IsTerminal, Write};

use super::host::Host;
use super::problem::Failure;

pub use cib::role_of;

/// Say in one screen what serves where, and what is wrong
///
/// Shows quorum, nodes, links, what every role runs where, fencing and
/// replication; then what is wrong, what is accepted, and below each the
/// commands that mend it. Changes nothing.
///
/// The exit status is 0 when every service runs and the next failure would be
/// survived, 1 when not or when no cluster was formed here, 3 when it cannot
/// be told.
///
/// With --json the same is one object: state (ok, degraded, unconfigured,
/// unknown), cluster, node, maintenance, quorum, nodes, links, roles (each with
/// resources and their instances), fencing, replication, and problems (each with
/// level, which is wrong, warning or note, message and commands). Later
/// versions add members and keep these.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command; its exit code.
///
/// # Errors
/// [`Failure::Environment`]: a tool is missing or a file cannot be read.
pub fn run(host: &Host, args: &Args) -> Result<u8, Failure> {
    let report = report::report(&facts::gather(host)?);
    let text = match args.json {
        true => serde_json::to_string_pretty(&report).expect("texts and numbers are JSON") + "\n",
        false => text::render(&report, text::Paint(coloured())),
    };
    // A reader that has seen enough is no error.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    Ok(report.state.exit_code())
}

/// On a terminal, unless the user wants none (<https://no-color.org>).
fn coloured() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !unwanted
}
