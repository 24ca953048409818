//! `ubuntu-ha status`.

use super::host::Host;
use super::problem::Failure;

/// Say in one screen what serves where, and what is wrong
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command; its exit code.
///
/// # Errors
/// Not written yet.
pub fn run(_host: &Host, _args: &Args) -> Result<u8, Failure> {
    Err(Failure::usage(
        "status is not written yet".into(),
        "wait".into(),
    ))
}
