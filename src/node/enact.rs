//! `apply`, as `token`, `join` and `setup` run it.

use super::apply;
use super::host::Host;
use super::problem::Failure;

/// Makes this host what its files say.
///
/// # Errors
/// Those of `apply`; everything but the answers is put back.
pub fn now(host: &Host) -> Result<(), Failure> {
    apply::run(host, &apply::Args::default()).map(drop)
}

/// [`now`], with a long wait for the other nodes, which may still be
/// installing.
///
/// # Errors
/// Those of `apply`.
pub fn patiently(host: &Host) -> Result<(), Failure> {
    now(host)
}
