//! Waiting for the cluster.

use std::time::{Duration, Instant};

use crate::node::host::Host;
use crate::node::live::{self, Live};
use crate::node::problem::Failure;

/// Reads the cluster again and again until `holds`, at most for `limit`; the
/// last state that was seen, and whether it held. A daemon that is away for a
/// while is waited for as well.
///
/// # Errors
/// Those of [`live::read`].
pub fn until(
    host: &Host,
    limit: Duration,
    mut holds: impl FnMut(&Live) -> bool,
) -> Result<(Live, bool), Failure> {
    let end = Instant::now() + limit;
    loop {
        let looked = Instant::now();
        let live = live::read(host)?;
        if holds(&live) {
            return Ok((live, true));
        }
        if Instant::now() >= end {
            return Ok((live, false));
        }
        host.pause_after(looked);
    }
}

/// How long to wait for something that takes `usual` on a real cluster.
pub fn patience(host: &Host, usual: Duration) -> Duration {
    match host.is_trial() {
        true => Duration::from_millis(300),
        false => usual,
    }
}

/// Waits until pacemaker has nothing left to do, probes among it; whether that
/// came within `limit`. What crm_mon shows is not enough: between two actions
/// nothing is under way.
///
/// # Errors
/// crm_resource is missing, or hangs.
pub fn at_rest(host: &Host, limit: Duration) -> Result<bool, Failure> {
    let timeout = format!("--timeout={}s", limit.as_secs());
    let limit = limit + Duration::from_secs(30);
    let done = host.run("crm_resource", &["--wait", &timeout], limit)?;
    Ok(done.success)
}
