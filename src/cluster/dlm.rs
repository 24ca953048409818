//! /etc/dlm/dlm.conf: dlm.conf(5).

use super::corosync::HEADER;
use super::expand::Role;

/// Where the file lies, below the root.
pub(super) const PATH: &str = "etc/dlm/dlm.conf";

/// Of ubuntu-ha-node: dlm_stonith, the default, does not find the library of
/// Pacemaker 3 on trixie, so that no lock of a lost node is ever given back.
const FENCE: &str = "/usr/lib/ubuntu-ha/dlm/fence";

/// Whether pacemaker starts dlm_controld.
pub(super) fn is_used(roles: &[Role]) -> bool {
    let mut resources = roles.iter().flat_map(|role| &role.resources);
    resources.any(|resource| resource.agent == "ocf:pacemaker:controld")
}

/// The text of the file.
pub(super) fn conf() -> String {
    format!("{HEADER}\nfence_all {FENCE}\n")
}
