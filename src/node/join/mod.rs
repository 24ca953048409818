//! `ubuntu-ha join`.

use super::host::Host;
use super::problem::Failure;

/// Join the cluster that a token names
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command; its exit code.
///
/// # Errors
/// Not written yet.
pub fn run(_host: &Host, _args: &Args) -> Result<u8, Failure> {
    Err(Failure::usage(
        "join is not written yet".into(),
        "wait".into(),
    ))
}
