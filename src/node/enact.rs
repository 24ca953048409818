//! `apply`, as `token`, `join` and `setup` run it.

use super::apply;
use super::host::Host;
use super::problem::Failure;

/// Seconds.
const PATIENCE: u64 = 1800;

/// Makes this host what its files say.
///
/// # Errors
/// Those of `apply`; everything but the answers is put back.
pub fn now(host: &Host) -> Result<(), Failure> {
    apply::quietly(host, &apply::Args::default())
}

/// [`now`], with a long wait for the other nodes, which may still be
/// installing.
///
/// # Errors
/// Those of `apply`.
pub fn patiently(host: &Host) -> Result<(), Failure> {
    let args = apply::Args {
        wait: Some(PATIENCE),
        ..apply::Args::default()
    };
    apply::quietly(host, &args)
}
