//! `ubuntu-ha plan`.

use super::host::Host;
use super::problem::Failure;

/// Show what apply would change, and how a failover would run
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command; its exit code.
///
/// # Errors
/// Not written yet.
pub fn run(_host: &Host, _args: &Args) -> Result<u8, Failure> {
    Err(Failure::usage(
        "plan is not written yet".into(),
        "wait".into(),
    ))
}
