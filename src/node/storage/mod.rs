//! Disks: taken into use once, only when blank and only when allowed.

use super::host::Host;
use super::journal::Journal;
use super::problem::Failure;
use crate::cluster::Desired;

/// Looks at every device that `desired` wants and says whether it may be
/// taken; changes nothing. Run before anything is written.
///
/// # Errors
/// A device is missing, holds data, or may not be erased: all of them at once.
pub fn check(_host: &Host, _desired: &Desired) -> Result<(), Failure> {
    Ok(())
}

/// Prepares the disks of this node, `me`, and together with the other nodes
/// what they share. Corosync and pacemaker run, and the resources are not in
/// the CIB yet. Each step is a point of the journal.
///
/// # Errors
/// A step did not succeed; what was on the devices is untouched.
pub fn prepare(
    _host: &Host,
    _desired: &Desired,
    _me: u32,
    _journal: &mut Journal,
) -> Result<(), Failure> {
    Ok(())
}
