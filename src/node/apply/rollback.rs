//! Putting a host back: its files, and its daemons as they were.

use std::time::Duration;

use super::corosync::Action;
use super::transaction::{ADJUSTED, COROSYNC, NEW_DRBD};
use super::units::{state, systemctl};
use crate::node::host::Host;
use crate::node::journal::Journal;
use crate::node::problem::Failure;

const PATIENCE: Duration = Duration::from_secs(120);

/// Puts everything back and forgets the transaction; what was done is returned,
/// one line each.
///
/// # Errors
/// Something cannot be put back; the journal stays, and
/// `ubuntu-ha apply --rollback` tries again.
pub fn put_back(host: &Host, mut journal: Journal) -> Result<Vec<String>, Failure> {
    let again = |failure: Failure| match failure {
        Failure::Failed { message, remedy } | Failure::Environment { message, remedy } => {
            Failure::environment(
                format!("putting back: {message}"),
                format!("{remedy}; then run `ubuntu-ha apply --rollback`"),
            )
        }
        other => other,
    };
    journal.undo().map_err(again)?;
    let told = daemons_and_files(host, &mut journal).map_err(again)?;
    journal.forget().map_err(again)?;
    Ok(told)
}

fn daemons_and_files(host: &Host, journal: &mut Journal) -> Result<Vec<String>, Failure> {
    let mut told = Vec::new();
    let units = journal.units();
    let action = journal
        .noted(COROSYNC)
        .map_or(Action::Nothing, Action::parse);
    let touched = |name: &str| units.iter().any(|unit| unit.name == name);
    if action >= Action::Start && (touched("corosync") || touched("pacemaker")) {
        for name in ["pacemaker", "corosync"] {
            if state(host, name)?.is_some_and(|unit| unit.active) {
                journal.point(&format!("stopping {name}"));
                systemctl(host, "stop", &[name])?;
            }
        }
    }
    for resource in journal
        .noted(NEW_DRBD)
        .unwrap_or_default()
        .split_whitespace()
    {
        // Its file may not be there yet, or not be loaded.
        if host.program("drbdadm").is_some() {
            let _ = host.run("drbdadm", &["down", resource], PATIENCE);
        }
    }
    told.extend(journal.put_back()?);
    if action == Action::Reload && state(host, "corosync")?.is_some_and(|unit| unit.active) {
        journal.point("reloading corosync");
        host.must("corosync-cfgtool", &["-R"], PATIENCE)?;
    }
    for resource in journal
        .noted(ADJUSTED)
        .unwrap_or_default()
        .split_whitespace()
    {
        host.must("drbdadm", &["adjust", resource], PATIENCE)?;
    }
    for unit in &units {
        let Some(now) = state(host, &unit.name)? else {
            continue;
        };
        let verb = |wanted: bool, yes, no| if wanted { yes } else { no };
        if now.enabled != unit.enabled {
            let verb = verb(unit.enabled, "enable", "disable");
            systemctl(host, verb, &[&unit.name])?;
            told.push(format!("{verb}d {}", unit.name));
        }
        if now.active != unit.active {
            let verb = verb(unit.active, "start", "stop");
            journal.point(&format!("{verb} {} again", unit.name));
            systemctl(host, verb, &[&unit.name])?;
            let done = if unit.active { "started" } else { "stopped" };
            told.push(format!("{done} {}", unit.name));
        }
    }
    Ok(told)
}
