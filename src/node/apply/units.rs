//! systemd's units.

use std::time::Duration;

use crate::node::host::Host;
use crate::node::journal::{Journal, Unit};
use crate::node::problem::Failure;

/// systemctl asks a daemon that answers at once.
const ASK: Duration = Duration::from_secs(30);
/// Pacemaker stops when its resources have stopped.
const CHANGE: Duration = Duration::from_secs(900);

/// The state of a unit; `None` where there is none of that name.
///
/// # Errors
/// There is no systemctl.
pub fn state(host: &Host, name: &str) -> Result<Option<Unit>, Failure> {
    let enabled = host.run("systemctl", &["is-enabled", name], ASK)?;
    let said = enabled.stdout.trim();
    if said == "not-found" || (said.is_empty() && !enabled.success) {
        return Ok(None);
    }
    let active = host.run("systemctl", &["is-active", name], ASK)?;
    Ok(Some(Unit {
        name: name.into(),
        enabled: said == "enabled",
        active: ["active", "reloading", "activating"].contains(&active.stdout.trim()),
    }))
}

/// Whether it is masked, for good or until the next boot (systemctl(1), `mask`).
///
/// # Errors
/// There is no systemctl.
pub fn is_masked(host: &Host, name: &str) -> Result<bool, Failure> {
    let enabled = host.run("systemctl", &["is-enabled", name], ASK)?;
    Ok(["masked", "masked-runtime"].contains(&enabled.stdout.trim()))
}

/// [`state`] of a unit that has to be there.
///
/// # Errors
/// It is not installed.
pub fn installed(host: &Host, name: &str) -> Result<Unit, Failure> {
    state(host, name)?.ok_or_else(|| {
        Failure::environment(
            format!("the unit {name}.service is not installed"),
            format!("apt-get install {name}"),
        )
    })
}

/// [`change_all`] of one unit.
///
/// # Errors
/// Those of [`change_all`].
pub fn change(host: &Host, journal: &mut Journal, verb: &str, name: &str) -> Result<(), Failure> {
    change_all(host, journal, verb, &[name])
}

/// Runs one verb of systemctl on units, after their states were noted: one call,
/// because systemd reads all its files anew after each. None: nothing is run.
///
/// # Errors
/// It fails; the message has the command that shows more.
pub fn change_all(
    host: &Host,
    journal: &mut Journal,
    verb: &str,
    names: &[&str],
) -> Result<(), Failure> {
    if names.is_empty() {
        return Ok(());
    }
    let all = names.join(" ");
    journal.point(&format!("{verb} {all}"));
    for name in names {
        if let Some(unit) = state(host, name)? {
            journal.keep_unit(&unit)?;
        }
    }
    systemctl(host, verb, names)?;
    journal.point(&format!("{verb} {all}: done"));
    Ok(())
}

/// Runs one verb of systemctl on units.
///
/// # Errors
/// It fails; the message has the command that shows more.
pub fn systemctl(host: &Host, verb: &str, names: &[&str]) -> Result<(), Failure> {
    let done = host.run("systemctl", &[&[verb], names].concat(), CHANGE)?;
    if done.success {
        return Ok(());
    }
    let units: Vec<String> = names.iter().map(|name| format!("-u {name}")).collect();
    Err(Failure::failed(
        format!(
            "systemctl {verb} {}: {}",
            names.join(" "),
            done.last_words()
        ),
        format!("journalctl {} -b shows more", units.join(" ")),
    ))
}
