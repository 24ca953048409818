//! `ubuntu-ha setup`.

use super::host::Host;
use super::problem::Failure;

/// Form or join the cluster when that was answered; run by ubuntu-ha-setup.service
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command; its exit code.
///
/// # Errors
/// Not written yet.
pub fn run(_host: &Host, _args: &Args) -> Result<u8, Failure> {
    Err(Failure::usage(
        "setup is not written yet".into(),
        "wait".into(),
    ))
}
