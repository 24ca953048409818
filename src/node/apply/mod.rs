//! `ubuntu-ha apply`.

use super::host::Host;
use super::problem::Failure;

/// Make this host what /etc/ubuntu-ha says it is, as one transaction
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command; its exit code.
///
/// # Errors
/// Not written yet.
pub fn run(_host: &Host, _args: &Args) -> Result<u8, Failure> {
    Err(Failure::usage(
        "apply is not written yet".into(),
        "wait".into(),
    ))
}
