//! The steps of a change, in their order.

use std::time::Duration;

use super::configuration::{self, APPLIED};
use super::corosync::Action;
use super::membership;
use super::survey::{COROSYNC_CONF, FORMED, Survey};
use super::units;
use crate::cluster::Desired;
use crate::node::cib;
use crate::node::host::Host;
use crate::node::journal::Journal;
use crate::node::layout::entries;
use crate::node::loaded::ROLES;
use crate::node::problem::Failure;
use crate::node::storage;

/// Notes of the journal: the most that was done to corosync, and what of it is
/// left to do.
pub const COROSYNC: &str = "corosync";
const LEFT: &str = "corosync-left";
pub const ADJUSTED: &str = "adjusted";
/// DRBD resources that get their first file.
pub const NEW_DRBD: &str = "new-drbd";
/// Directories that move onto them.
pub const MOVING: &str = "moving";
const FORMING: &str = "forming";

/// A step of the journal.
const CLEARED: &str = "cleared the former configuration of pacemaker";

const PATIENCE: Duration = Duration::from_secs(120);

/// What the user asked for.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long other nodes are waited for.
    pub wait: Duration,
    /// Push the configuration in any case.
    pub overwrite: bool,
}

/// Why a transaction ended, and whether it can be put back.
#[derive(Debug)]
pub struct Broken {
    pub failure: Failure,
    /// The cluster has its configuration: putting the files back would undo less
    /// than it would break.
    pub formed: bool,
}

/// Makes the change; what is worth knowing is returned.
///
/// # Errors
/// A step failed. The journal is open.
pub fn run(
    host: &Host,
    journal: &mut Journal,
    desired: &Desired,
    me: u32,
    survey: &Survey,
    options: Options,
) -> Result<Vec<String>, Broken> {
    let before = |failure| Broken {
        failure,
        formed: false,
    };
    let after = |failure| Broken {
        failure,
        formed: true,
    };
    write_files(host, journal, desired, survey).map_err(before)?;
    daemons(host, journal, desired, me, survey).map_err(before)?;
    journal.point("waiting for the nodes");
    let notes = membership::wait(host, desired, me, survey.formed, options.wait).map_err(before)?;
    journal.point("all nodes that are needed are there");
    storage::prepare(host, desired, me, journal).map_err(before)?;
    journal.point("comparing the configuration of the cluster");
    let Options { wait, overwrite } = options;
    configuration::establish(host, journal, desired, me, overwrite, wait).map_err(before)?;
    journal.point("the cluster has its configuration");
    mark(host, journal, desired).map_err(after)?;
    Ok(notes)
}

/// What an earlier run of this transaction did not come to do.
pub fn pending(journal: Option<&Journal>) -> Action {
    let left = journal.and_then(|journal| journal.noted(LEFT));
    left.map_or(Action::Nothing, Action::parse)
}

/// First everything that needs room on the disk, then renames alone.
fn write_files(
    host: &Host,
    journal: &mut Journal,
    desired: &Desired,
    survey: &Survey,
) -> Result<(), Failure> {
    let path = |write: &super::survey::Write| host.layout.path(&write.path);
    if survey.corosync != Action::Nothing {
        let most = journal
            .noted(COROSYNC)
            .map_or(Action::Nothing, Action::parse);
        journal.note(COROSYNC, survey.corosync.max(most).name())?;
        journal.note(LEFT, survey.corosync.name())?;
    }
    if survey.forming {
        journal.note(FORMING, "yes")?;
    }
    let new: Vec<&str> = survey
        .files
        .iter()
        .filter(|write| !path(write).exists())
        .filter_map(super::survey::Write::drbd)
        .collect();
    if !new.is_empty() && journal.noted(NEW_DRBD).is_none() {
        let moving = storage::undo::directories(host, desired, &host.name()?, &new)?;
        journal.note(MOVING, &moving)?;
        journal.note(NEW_DRBD, &new.join(" "))?;
    }
    for write in &survey.files {
        let target = path(write);
        journal.point(&format!("staging /{}", write.path));
        if let Some(parent) = target.parent() {
            let state = target.starts_with(host.layout.state());
            journal.make_dir(parent, if state { 0o700 } else { 0o755 })?;
        }
        journal.stage(&target, &write.data, write.mode)?;
        journal.keep(&target)?;
    }
    if journal.noted(FORMING).is_some() {
        for file in former_configuration(host)? {
            journal.keep(&file)?;
        }
    }
    journal.point("all files are staged");
    for write in &survey.files {
        journal.point(&format!("writing /{}", write.path));
        journal.set(&path(write))?;
        if write.path == COROSYNC_CONF {
            journal.point("corosync.conf is in place");
        }
    }
    journal.commit()?;
    journal.point("all files are in place");
    Ok(())
}

/// The CIB of the pacemaker that ran alone: its node may have the id of another
/// node of the cluster.
fn former_configuration(host: &Host) -> Result<Vec<std::path::PathBuf>, Failure> {
    let dir = host.layout.path("var/lib/pacemaker/cib");
    let names = entries(&dir)?;
    let cibs = names.iter().filter(|name| name.starts_with("cib"));
    Ok(cibs.map(|name| dir.join(name)).collect())
}

fn daemons(
    host: &Host,
    journal: &mut Journal,
    desired: &Desired,
    me: u32,
    survey: &Survey,
) -> Result<(), Failure> {
    storage::prepare_fencing(host, desired, me, journal)?;
    for verb in ["enable", "disable"] {
        units::change_all(host, journal, verb, &survey.units_to(verb))?;
    }
    if survey.corosync >= Action::Start || !units::installed(host, "pacemaker")?.active {
        read_units(host, journal)?;
    }
    match survey.corosync {
        Action::Nothing => {}
        Action::Reload => {
            journal.point("reloading corosync");
            host.must("corosync-cfgtool", &["-R"], PATIENCE)?;
            journal.point("corosync is reloaded");
        }
        Action::Start | Action::Restart => {
            // Noted first: a stop of corosync takes pacemaker with it.
            for name in ["pacemaker", "corosync"] {
                journal.keep_unit(&units::installed(host, name)?)?;
            }
            units::change(host, journal, "stop", "pacemaker")?;
            if survey.corosync == Action::Restart {
                units::change(host, journal, "stop", "corosync")?;
            }
            if journal.noted(FORMING).is_some() && !journal.is_done(CLEARED) {
                for file in former_configuration(host)? {
                    journal.point(&format!("clearing {}", name(&file)));
                    journal.remove(&file)?;
                }
                journal.done(CLEARED)?;
            }
            units::change(host, journal, "start", "corosync")?;
        }
    }
    if journal.noted(LEFT).is_some() {
        journal.note(LEFT, Action::Nothing.name())?;
    }
    if !units::installed(host, "pacemaker")?.active {
        units::change(host, journal, "start", "pacemaker")?;
    }
    for name in survey.units_to("start") {
        if !units::installed(host, name)?.active {
            units::change(host, journal, "start", name)?;
        }
    }
    for resource in &survey.adjust {
        adjust(host, journal, resource)?;
    }
    Ok(())
}

/// Has systemd read the files of units that came after it had loaded them, as
/// our packages' for the units of others: it starts those as it knows them.
fn read_units(host: &Host, journal: &mut Journal) -> Result<(), Failure> {
    let ask = ["show", "--property=NeedDaemonReload", "--value"];
    let names = ["sbd", "sbd_remote", "corosync", "pacemaker"];
    let asked = host.run("systemctl", &[&ask[..], &names].concat(), PATIENCE)?;
    if asked.stdout.lines().any(|line| line.trim() == "yes") {
        journal.point("having systemd read its files anew");
        host.must("systemctl", &["daemon-reload"], PATIENCE)?;
    }
    Ok(())
}

/// Lets a DRBD resource that is up follow its file.
fn adjust(host: &Host, journal: &mut Journal, resource: &str) -> Result<(), Failure> {
    journal.point(&format!("adjusting {resource}"));
    let mut all = journal.noted(ADJUSTED).unwrap_or_default().to_string();
    if !all.split_whitespace().any(|known| known == resource) {
        all = format!("{all} {resource}").trim().to_string();
        journal.note(ADJUSTED, &all)?;
    }
    host.must("drbdadm", &["adjust", resource], PATIENCE)?;
    Ok(())
}

/// What says that this host belongs to the cluster.
fn mark(host: &Host, journal: &mut Journal, desired: &Desired) -> Result<(), Failure> {
    let digest = cib::digest(&cib::design(&desired.cib)?);
    let texts = [
        (APPLIED, digest),
        (ROLES, desired.roles.join(" ")),
        (FORMED, desired.name.clone()),
    ];
    for (path, text) in texts {
        let text = format!("{text}\n");
        let target = host.layout.path(path);
        if std::fs::read(&target).is_ok_and(|present| present == text.as_bytes()) {
            continue;
        }
        journal.stage(&target, text.as_bytes(), 0o600)?;
        journal.set(&target)?;
        journal.point(&format!("wrote /{path}"));
    }
    Ok(())
}

fn name(path: &std::path::Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
