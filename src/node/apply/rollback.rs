//! Putting a host back: its files, and its daemons as they were.

use std::time::Duration;

use super::corosync::Action;
use super::transaction::{ADJUSTED, COROSYNC, MOVING, NEW_DRBD};
use super::units::{state, systemctl};
use crate::node::host::Host;
use crate::node::journal::Journal;
use crate::node::problem::Failure;
use crate::node::storage::undo::{self, PutBack};

const PATIENCE: Duration = Duration::from_secs(120);

/// Services may have worked on what is on DRBD.
const SERVED: &str = "served";

/// Puts everything back and forgets the transaction; what was done is returned,
/// and what is left to a person.
///
/// # Errors
/// Something cannot be put back; the journal stays, and
/// `ubuntu-ha apply --rollback` tries again.
pub fn put_back(host: &Host, mut journal: Journal) -> Result<PutBack, Failure> {
    let again = |failure: Failure| match failure {
        Failure::Failed { message, remedy } | Failure::Environment { message, remedy } => {
            Failure::environment(
                format!("putting back: {message}"),
                format!("{remedy}; then run `ubuntu-ha apply --rollback`"),
            )
        }
        other => other,
    };
    let told = daemons_and_files(host, &mut journal).map_err(again)?;
    journal.forget().map_err(again)?;
    Ok(told)
}

fn daemons_and_files(host: &Host, journal: &mut Journal) -> Result<PutBack, Failure> {
    let units = journal.units();
    let action = journal
        .noted(COROSYNC)
        .map_or(Action::Nothing, Action::parse);
    let touched = |name: &str| units.iter().any(|unit| unit.name == name);
    let stops = action >= Action::Start && (touched("corosync") || touched("pacemaker"));
    let resources = words(journal, NEW_DRBD);
    // While nothing is changed yet, the run can be finished still.
    for resource in &resources {
        may_stop(host, journal, resource, stops)?;
    }
    journal.undo()?;
    if stops {
        for name in ["pacemaker", "corosync"] {
            if state(host, name)?.is_some_and(|unit| unit.active) {
                journal.point(&format!("stopping {name}"));
                systemctl(host, "stop", &[name])?;
            }
        }
    }
    for resource in &resources {
        journal.point(&format!("stopping DRBD resource {resource}"));
        undo::stop(host, resource)?;
    }
    let moving = journal.noted(MOVING).unwrap_or_default();
    let served = journal.noted(SERVED).is_some();
    let PutBack {
        done: mut told,
        left,
    } = undo::put_back(host, moving, served)?;
    told.extend(journal.put_back()?);
    if action == Action::Reload && state(host, "corosync")?.is_some_and(|unit| unit.active) {
        journal.point("reloading corosync");
        host.must("corosync-cfgtool", &["-R"], PATIENCE)?;
    }
    for resource in words(journal, ADJUSTED) {
        host.must("drbdadm", &["adjust", &resource], PATIENCE)?;
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
    Ok(PutBack { done: told, left })
}

/// Whether a DRBD resource of the transaction can go down, as far as that is
/// seen before.
fn may_stop(
    host: &Host,
    journal: &mut Journal,
    resource: &str,
    stops: bool,
) -> Result<(), Failure> {
    let running = state(host, "pacemaker")?.is_some_and(|unit| unit.active);
    let served = undo::is_in_cluster(host, resource, running)?;
    if served && running && !stops {
        return Err(Failure::failed(
            format!("the cluster runs DRBD resource {resource} already"),
            "run `ubuntu-ha apply` to finish it, or take the role's resources out of the \
             cluster's configuration"
                .into(),
        ));
    }
    if served {
        journal.note(SERVED, "yes")?;
    }
    // Pacemaker takes down what it runs.
    if served && running {
        return Ok(());
    }
    undo::wait_for_peer(host, resource)
}

fn words(journal: &Journal, note: &str) -> Vec<String> {
    let words = journal.noted(note).unwrap_or_default().split_whitespace();
    words.map(String::from).collect()
}
