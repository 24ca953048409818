//! `ubuntu-ha guard`.

use super::host::Host;
use super::problem::Failure;

/// Refuse the removal of a package that the running cluster needs
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command; its exit code.
///
/// # Errors
/// Not written yet.
pub fn run(_host: &Host, _args: &Args) -> Result<u8, Failure> {
    Err(Failure::usage(
        "guard is not written yet".into(),
        "wait".into(),
    ))
}
