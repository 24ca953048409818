//! `ubuntu-ha maintain`.

use super::host::Host;
use super::problem::Failure;

/// Hold the services where they are while packages are upgraded
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command; its exit code.
///
/// # Errors
/// Not written yet.
pub fn run(_host: &Host, _args: &Args) -> Result<u8, Failure> {
    Err(Failure::usage(
        "maintain is not written yet".into(),
        "wait".into(),
    ))
}
