//! `hapkg report`.

use std::path::PathBuf;

use super::test::{conclude, tell};
use crate::failure::Failure;
use crate::trial::report;

/// Join the reports of several runs of `hapkg test` into one.
///
/// As of a fleet whose machines each had a part of the trials (`--partition`).
/// Where two have a trial in common the later one counts. Exit status: that of
/// `hapkg test`, over all trials; 3 where one that was chosen has no result.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directories that `hapkg test --report DIR` has left its reports in.
    #[arg(value_name = "DIR", required = true)]
    parts: Vec<PathBuf>,
    /// Directory to leave the joined report in.
    #[arg(long, value_name = "DIR", default_value = "dist/report")]
    report: PathBuf,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let remedy = "name directories that `hapkg test` has left a report.json in";
    let mut parts = Vec::new();
    for directory in &args.parts {
        match report::read(directory) {
            Ok(Some(part)) => parts.push(part),
            Ok(None) => {
                let place = directory.display();
                return Err(Failure::usage(format!("{place} has no report; {remedy}")));
            }
            Err(why) => return Err(Failure::usage(format!("{why}; {remedy}"))),
        }
    }
    let joined = report::join(parts);
    report::write(&joined, &args.report)?;
    tell(&joined, &args.report)?;
    conclude(&joined.trials.iter().collect::<Vec<_>>(), &joined.missing())
}
