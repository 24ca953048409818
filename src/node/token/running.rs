//! Whether this host's cluster is formed and runs.

use crate::node::host::Host;
use crate::node::live::{self, Live};
use crate::node::problem::Failure;

/// A formed cluster that runs here.
#[derive(Debug)]
pub struct Running {
    pub live: Live,
    pub cib: String,
}

/// What runs here; `None` before the cluster is formed.
///
/// # Errors
/// The cluster is formed, but not running on this node or without quorum.
pub fn read(host: &Host) -> Result<Option<Running>, Failure> {
    if formed(host)?.is_none() {
        return Ok(None);
    }
    let down = |what: &str| {
        Failure::failed(
            format!("the cluster is formed, but {what} on this node"),
            "look at `ubuntu-ha status` and mend that first, or use another node".into(),
        )
    };
    if !live::is_active(host, "corosync")? || !live::is_active(host, "pacemaker")? {
        return Err(down("does not run"));
    }
    let live = live::read(host)?;
    if !live.quorate {
        return Err(down("has no quorum"));
    }
    match live::cib(host)? {
        Some(cib) => Ok(Some(Running { live, cib })),
        None => Err(down("pacemaker does not answer")),
    }
}

/// The name of the cluster that this host was made a member of.
///
/// # Errors
/// The marker is there but cannot be read.
pub fn formed(host: &Host) -> Result<Option<String>, Failure> {
    let path = host.layout.state().join("formed");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(crate::node::layout::reading(&path, &error)),
    }
}
