//! `ubuntu-ha token`.

mod clock;
mod format;
mod ledger;

use super::host::Host;
use super::problem::Failure;

/// Admit a host to the cluster and print the token it joins with
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command; its exit code.
///
/// # Errors
/// Not written yet.
pub fn run(_host: &Host, _args: &Args) -> Result<u8, Failure> {
    Err(Failure::usage(
        "token is not written yet".into(),
        "wait".into(),
    ))
}
