//! What differs between this host and what it shall be. Changes nothing.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::corosync::{self, Action};
use super::ownership::{Owner, owner};
use super::units;
use crate::cluster::{Desired, MARK, Storage};
use crate::node::cib;
use crate::node::host::Host;
use crate::node::journal::Unit;
use crate::node::key::{self, Master};
use crate::node::layout::{Subject, reading};
use crate::node::loaded::Loaded;
use crate::node::problem::{Failure, Problem};
use crate::node::storage;
use crate::recipe::answer::Answer;

pub const COROSYNC_CONF: &str = "etc/corosync/corosync.conf";
pub const AUTHKEY: &str = "etc/corosync/authkey";
pub const SBD: &str = "etc/default/sbd";
/// Says that this host belongs to a cluster, and to which.
pub const FORMED: &str = "var/lib/ubuntu-ha/formed";
/// What was in the place of files that are ours now.
const ORIGINALS: &str = "var/lib/ubuntu-ha/original";

/// A file to be written.
pub struct Write {
    /// Below the root, without a leading slash.
    pub path: String,
    pub data: Vec<u8>,
    pub mode: u32,
}

impl Write {
    /// The DRBD resource whose configuration it is.
    pub fn drbd(&self) -> Option<&str> {
        let name = self.path.strip_prefix("etc/drbd.d/")?;
        name.strip_suffix(".res")
    }
}

/// A unit and what to do with it: `enable`, `disable`, `start`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitChange {
    pub verb: &'static str,
    pub name: String,
}

/// Everything that has to be done.
pub struct Survey {
    /// In the order of writing, corosync.conf last.
    pub files: Vec<Write>,
    pub corosync: Action,
    /// This host gets its first corosync.conf of ours.
    pub forming: bool,
    /// The marker is there.
    pub formed: bool,
    /// Units besides a start of corosync.
    pub units: Vec<UnitChange>,
    /// DRBD resources whose configuration changes while they may be up.
    pub adjust: Vec<String>,
    /// Whether the running CIB is what it shall be; `false` too where that
    /// cannot be known yet.
    pub cib_is_current: bool,
    /// What of the disks of a member has to be prepared, in words.
    pub storage: Vec<String>,
    pub master: Master,
    pub notes: Vec<String>,
}

impl Survey {
    pub fn is_nothing(&self) -> bool {
        self.files.is_empty()
            && self.corosync == Action::Nothing
            && self.units.is_empty()
            && self.cib_is_current
            && self.storage.is_empty()
            && self.formed
    }

    /// The names of the units that get this verb, in their order.
    pub fn units_to(&self, verb: &str) -> Vec<&str> {
        let units = self.units.iter().filter(|change| change.verb == verb);
        units.map(|change| change.name.as_str()).collect()
    }
}

/// Looks at this host. `pending` is what an earlier run of the transaction did
/// not come to do.
///
/// # Errors
/// [`Failure::Refused`]: files of somebody else, or a change that a running
/// cluster cannot make; all of them at once.
pub fn survey(host: &Host, loaded: &Loaded, me: u32, pending: Action) -> Result<Survey, Failure> {
    let desired = &loaded.desired;
    let mut problems = Vec::new();
    let formed = host.layout.path(FORMED).exists();
    let master = master(host, loaded, me)?;
    let authkey = key::authkey(&master).to_vec();
    let mut files = Files {
        host,
        list: Vec::new(),
        problems: &mut problems,
    };
    files.own("var/lib/ubuntu-ha/master", &master.to_file(), key::MODE)?;
    files.authkey(&authkey)?;
    for file in &desired.files {
        files.replace(&file.path, &file.content, file.mode)?;
    }
    let list = files.list;
    let running = units::installed(host, "corosync")?.active;
    problems.extend(masked(host, desired)?);
    let old = read(host, COROSYNC_CONF)?;
    let old = old.map(|text| String::from_utf8_lossy(&text).into_owned());
    let was_ours = old.as_ref().is_some_and(|text| text.starts_with(MARK));
    let new = desired.files.iter().find(|file| file.path == COROSYNC_CONF);
    let new = new.map(|file| String::from_utf8_lossy(&file.content).into_owned());
    let new = new.unwrap_or_default();
    if running && pending == Action::Nothing {
        problems.extend(other_cluster(host, old.as_deref())?);
    }
    let writes = |path: &str| list.iter().any(|write| write.path == path);
    let corosync = match (running, was_ours) {
        (false, _) => Action::Start,
        (true, false) => Action::Restart,
        (true, true) if writes(AUTHKEY) => Action::Restart,
        (true, true) if writes(COROSYNC_CONF) => Action::Reload,
        (true, true) => Action::Nothing,
    };
    let corosync = corosync.max(pending);
    if corosync == Action::Reload && writes(COROSYNC_CONF) {
        let reasons = corosync::not_reloadable(old.as_deref().unwrap_or_default(), &new);
        problems.extend(reasons.into_iter().map(|reason| not_running(host, &reason)));
    }
    if formed && running {
        problems.extend(sbd_too_late(host, desired)?);
        problems.extend(sbd_timeout(host, desired)?);
    }
    if !problems.is_empty() {
        return Err(Failure::Refused(problems));
    }
    let adjust = list
        .iter()
        .filter(|write| host.layout.path(&write.path).exists())
        .filter_map(Write::drbd)
        .map(str::to_string)
        .collect();
    let mut notes = desired.notes.clone();
    if writes(SBD) && units::state(host, "sbd")?.is_some_and(|unit| unit.active) {
        notes.push("sbd reads its new settings when corosync is started next".into());
    }
    let units = unit_changes(host, desired, &mut notes)?;
    let cib_is_current = corosync == Action::Nothing && cib_is_current(host, desired)?;
    let mut disks = storage::Survey::default();
    if formed {
        disks = storage::survey(host, desired, me)?;
        notes.append(&mut disks.notes);
    }
    Ok(Survey {
        files: list,
        corosync,
        forming: !was_ours,
        formed,
        units,
        adjust,
        cib_is_current,
        storage: disks.unprepared,
        master,
        notes,
    })
}

/// The master; the first node makes one where the answers give none.
fn master(host: &Host, loaded: &Loaded, me: u32) -> Result<Master, Failure> {
    let secret = match loaded.cluster.get("secret") {
        Some(Answer::Password(secret)) => Some(secret.expose()),
        _ => None,
    };
    if let Some(master) = key::master(host, secret, &loaded.desired.name)? {
        return Ok(master);
    }
    let first = loaded.desired.members.iter().min_by_key(|member| member.id);
    match first {
        Some(first) if first.id != me => Err(Failure::failed(
            "there is no secret, and this is not the first node: it has no key to the cluster"
                .into(),
            format!(
                "run `ubuntu-ha token {}` on {} and `ubuntu-ha join` here",
                host.name()?,
                first.name
            ),
        )),
        _ => key::new_master(),
    }
}

/// Files of the design, as far as they have to be written.
struct Files<'a> {
    host: &'a Host,
    list: Vec<Write>,
    problems: &'a mut Vec<Problem>,
}

impl Files<'_> {
    /// A file below our own directory.
    fn own(&mut self, path: &str, data: &[u8], mode: u32) -> Result<(), Failure> {
        if !self.is_there(path, data, mode)? {
            self.push(path, data, mode);
        }
        Ok(())
    }

    /// A file in the place of a package's own.
    fn replace(&mut self, path: &str, data: &[u8], mode: u32) -> Result<(), Failure> {
        if self.is_there(path, data, mode)? {
            return Ok(());
        }
        let present = read(self.host, path)?;
        if let Some(present) = present.filter(|present| present != data) {
            match owner(self.host, path, &present)? {
                Owner::Ours => {}
                Owner::Pristine => self.original(path, &present)?,
                Owner::Foreign => {
                    self.problems.push(foreign(self.host, path));
                    return Ok(());
                }
            }
        }
        self.push(path, data, mode);
        Ok(())
    }

    fn authkey(&mut self, data: &[u8]) -> Result<(), Failure> {
        if let Some(present) = read(self.host, AUTHKEY)? {
            let kept = key::read(&self.host.layout)?;
            let ours = kept.is_some_and(|kept| key::authkey(&kept)[..] == present[..]);
            if present != data && !ours {
                self.problems.push(foreign(self.host, AUTHKEY));
                return Ok(());
            }
        }
        self.own(AUTHKEY, data, 0o400)
    }

    /// Keeps a copy of what the package brought, for ever.
    fn original(&mut self, path: &str, data: &[u8]) -> Result<(), Failure> {
        let copy = format!("{ORIGINALS}/{path}");
        self.own(&copy, data, 0o600)
    }

    fn push(&mut self, path: &str, data: &[u8], mode: u32) {
        self.list.push(Write {
            path: path.into(),
            data: data.to_vec(),
            mode,
        });
    }

    fn is_there(&self, path: &str, data: &[u8], mode: u32) -> Result<bool, Failure> {
        let Some(present) = read(self.host, path)? else {
            return Ok(false);
        };
        let path = self.host.layout.path(path);
        let meta = fs::metadata(&path).map_err(|e| reading(&path, &e))?;
        Ok(present == data && meta.permissions().mode() & 0o7777 == mode)
    }
}

fn read(host: &Host, path: &str) -> Result<Option<Vec<u8>>, Failure> {
    let path = host.layout.path(path);
    match fs::read(&path) {
        Ok(data) => Ok(Some(data)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(reading(&path, &error)),
    }
}

fn foreign(host: &Host, path: &str) -> Problem {
    let file = host.layout.path(path);
    let message = "was not made by ubuntu-ha and is not as its package brought it; if nothing \
                   needs it, move it away, then run `ubuntu-ha apply` again";
    let command = format!("mv {} {}.before-ubuntu-ha", file.display(), file.display());
    Problem::new(&Subject::Cluster, message)
        .in_file(file, None)
        .mend_by(command)
}

fn not_running(host: &Host, reason: &str) -> Problem {
    let message = format!(
        "{reason}, which a running cluster cannot take over; put the old answer back, or run \
         `ubuntu-ha leave` on every node and form the cluster anew"
    );
    Problem::new(&Subject::Cluster, message)
        .in_file(host.layout.answers(&Subject::Cluster), None)
        .mend_by("ubuntu-ha plan".into())
}

/// Corosync runs, but not with the file that is there: somebody else's cluster.
fn other_cluster(host: &Host, conf: Option<&str>) -> Result<Option<Problem>, Failure> {
    let args = ["-g", "totem.cluster_name"];
    let done = host.run("corosync-cmapctl", &args, Duration::from_secs(30))?;
    let running = done.stdout.split_once("= ").map(|(_, name)| name.trim());
    let written = conf.and_then(|conf| corosync::value(conf, "totem.cluster_name"));
    let (Some(running), written) = (running, written.unwrap_or_default()) else {
        return Ok(None);
    };
    if running == written {
        return Ok(None);
    }
    let message = format!(
        "corosync runs for the cluster `{running}`, which is not that of its file (`{written}`); \
         if that cluster is not needed, stop corosync, then run `ubuntu-ha apply` again"
    );
    let problem = Problem::new(&Subject::Cluster, message)
        .in_file(host.layout.path(COROSYNC_CONF), None)
        .mend_by("systemctl stop pacemaker corosync".into());
    Ok(Some(problem))
}

/// Pacemaker ends where the configuration has a watchdog and sbd does not run,
/// and systemd starts sbd with corosync alone.
fn sbd_too_late(host: &Host, desired: &Desired) -> Result<Option<Problem>, Failure> {
    let wanted = desired.files.iter().any(|file| file.path == SBD);
    if !wanted || units::installed(host, "sbd")?.active {
        return Ok(None);
    }
    let message = "fencing: sbd has to start before corosync, which runs already";
    Ok(Some(needs_stop(host, message, "")))
}

/// Pacemaker ends where `stonith-watchdog-timeout` falls below the timeout that
/// sbd was started with, and nodes that go by different ones fence too early.
fn sbd_timeout(host: &Host, desired: &Desired) -> Result<Option<Problem>, Failure> {
    let present = read(host, SBD)?.and_then(|text| {
        let text = String::from_utf8_lossy(&text);
        let mut lines = text.lines();
        lines.find_map(|line| {
            line.strip_prefix("SBD_WATCHDOG_TIMEOUT=")?
                .parse::<u32>()
                .ok()
        })
    });
    let (Some(wanted), Some(present)) = (desired.sbd, present) else {
        return Ok(None);
    };
    let wanted = wanted.watchdog;
    if wanted == present || !units::installed(host, "sbd")?.active {
        return Ok(None);
    }
    let message = format!(
        "sbd_watchdog_timeout: changes from {present} s to {wanted} s, which nodes that run cannot \
         take over one by one"
    );
    Ok(Some(needs_stop(
        host,
        &message,
        "put the old answer back, or ",
    )))
}

/// What can only change while no node of the cluster runs. `first`: another way
/// out, with its "or".
fn needs_stop(host: &Host, message: &str, first: &str) -> Problem {
    let command = "systemctl stop pacemaker corosync";
    let message = format!(
        "{message}; {first}stop the cluster on every node (`{command}`), then run `ubuntu-ha \
         apply` on all of them"
    );
    Problem::new(&Subject::Cluster, message)
        .in_file(host.layout.answers(&Subject::Cluster), None)
        .mend_by(command.into())
}

/// The daemons of the cluster, in the order in which they are enabled.
fn daemons(desired: &Desired) -> Vec<&'static str> {
    let mut daemons = vec!["corosync", "pacemaker"];
    let conf = desired.files.iter().find(|file| file.path == COROSYNC_CONF);
    let conf = conf.map(|file| String::from_utf8_lossy(&file.content));
    if conf.is_some_and(|conf| conf.contains("device {")) {
        daemons.push("corosync-qdevice");
    }
    if desired.files.iter().any(|file| file.path == SBD) {
        daemons.insert(0, "sbd");
    }
    daemons
}

/// Systemd starts a masked unit for nobody, and says so in the middle of the
/// transaction only.
fn masked(host: &Host, desired: &Desired) -> Result<Option<Problem>, Failure> {
    let mut masked = Vec::new();
    for name in daemons(desired) {
        if units::is_masked(host, name)? {
            masked.push(name);
        }
    }
    if masked.is_empty() {
        return Ok(None);
    }
    let names = masked.join(", ");
    let message = format!("systemd must not start {names}: masked; unmask what the cluster needs");
    let problem = Problem::new(&Subject::Cluster, message)
        .mend_by(format!("systemctl unmask {}", masked.join(" ")));
    Ok(Some(problem))
}

/// What has to be done with the units. `notes`: what the administrator should
/// know of them.
///
/// # Errors
/// There is no systemctl, or a unit that the cluster needs is not installed.
pub fn unit_changes(
    host: &Host,
    desired: &Desired,
    notes: &mut Vec<String>,
) -> Result<Vec<UnitChange>, Failure> {
    let mut changes = Vec::new();
    let sbd = desired.files.iter().any(|file| file.path == SBD);
    for name in daemons(desired) {
        let unit = units::installed(host, name)?;
        let mut change = |verb| {
            let name = name.into();
            changes.push(UnitChange { verb, name });
        };
        if !unit.enabled {
            change("enable");
        }
        // Systemd starts sbd with corosync, and only so.
        if !unit.active && !["corosync", "sbd"].contains(&name) {
            change("start");
        }
    }
    let mut unwanted = Vec::new();
    if desired
        .storage
        .iter()
        .any(|s| matches!(s, Storage::Drbd { .. }))
    {
        unwanted.push("drbd");
    }
    let shared = |s: &Storage| matches!(s, Storage::VolumeGroup { shared: true, .. });
    if desired.storage.iter().any(shared) {
        unwanted.extend(["dlm", "lvmlockd", "lvmlocks"]);
    }
    if !sbd && read(host, SBD)?.is_some_and(|text| text.starts_with(MARK.as_bytes())) {
        unwanted.push("sbd");
    }
    for name in unwanted {
        if units::state(host, name)?.is_some_and(|unit| unit.enabled) {
            notes.push(format!(
                "{name}.service is not started at boot any more: the cluster does that"
            ));
            let (verb, name) = ("disable", name.into());
            changes.push(UnitChange { verb, name });
        }
    }
    for name in ["eucalyptus", "eucalyptus-cloud", "eucalyptus-cc"] {
        let clouds = ["clc", "cc", "sc", "walrus"];
        if desired
            .roles
            .iter()
            .any(|role| clouds.contains(&role.as_str()))
            && starts_at_boot(host, name)?
        {
            notes.push(format!(
                "{name} is started at boot, but the cluster has to do that: run \
                 systemctl disable {name}"
            ));
        }
    }
    Ok(changes)
}

fn starts_at_boot(host: &Host, name: &str) -> Result<bool, Failure> {
    Ok(units::state(host, name)?.is_some_and(|Unit { enabled, .. }| enabled))
}

fn cib_is_current(host: &Host, desired: &Desired) -> Result<bool, Failure> {
    if !units::installed(host, "pacemaker")?.active {
        return Ok(false);
    }
    let live = cib::query(host)?;
    let design = cib::design(&desired.cib)?;
    Ok(live.is_some_and(|live| cib::is_current(&live, &design)))
}
