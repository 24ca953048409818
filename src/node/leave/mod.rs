//! `ubuntu-ha leave`.

pub mod left;

use super::host::Host;
use super::problem::Failure;

/// Take this node, or a role, out of the cluster
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command; its exit code.
///
/// # Errors
/// Not written yet.
pub fn run(_host: &Host, _args: &Args) -> Result<u8, Failure> {
    Err(Failure::usage(
        "leave is not written yet".into(),
        "wait".into(),
    ))
}
