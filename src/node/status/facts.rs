//! Everything that the state of the cluster is judged from.

use std::fs;
use std::io;

use super::cib::{View, role_of};
use super::drift;
use super::replica::{self, Replica};
use crate::cluster::{Desired, MARK, Member, Storage};
use crate::node::apply::{AUTHKEY, unit_changes};
use crate::node::host::Host;
use crate::node::key;
use crate::node::layout::{Subject, reading};
use crate::node::leave;
use crate::node::live::{self, Live};
use crate::node::loaded;
use crate::node::maintain;
use crate::node::problem::{Failure, Problem};
use crate::node::storage::{self, Unlinked};
use crate::node::token::{self, Admission};

/// What was found on this host.
#[derive(Debug, Default)]
pub struct Facts {
    /// Name of this host.
    pub me: String,
    /// Whether this process may see everything.
    pub root: bool,
    pub files: Files,
    /// Name of the cluster that was formed here.
    pub formed: Option<String>,
    /// corosync.conf was made by this program.
    pub ours: bool,
    /// corosync.conf names a quorum device.
    pub qdevice: bool,
    pub live: Live,
    pub cib: View,
    /// Roles that were taken out of the running cluster on purpose.
    pub left: Vec<String>,
    /// Installed roles, answered or not.
    pub roles: Vec<String>,
    pub replicas: Vec<Replica>,
    /// Who put this node or the cluster into maintenance.
    pub notes: Vec<maintain::Note>,
    /// Files and units that are not what the answers ask for.
    pub unapplied: Vec<String>,
    /// What the running CIB has otherwise than the answers ask for.
    pub drift: Vec<String>,
    /// Directories whose content does not follow the service.
    pub unlinked: Vec<Unlinked>,
    /// A run of `apply` was interrupted.
    pub interrupted: bool,
    /// Tokens that this node has given out.
    pub admissions: Vec<Admission>,
    /// Unix seconds.
    pub now: u64,
    /// `sbd.service` runs.
    pub sbd: bool,
}

/// What the files below /etc/ubuntu-ha amount to.
#[derive(Debug)]
pub enum Files {
    Valid(Box<Desired>),
    /// They have to be changed first.
    Refused(Vec<Problem>),
    /// It cannot be told, and why.
    Unreadable(String),
}

impl Default for Files {
    fn default() -> Self {
        Self::Unreadable(String::new())
    }
}

impl Facts {
    /// Members of the cluster as the files have them; none where they are not
    /// valid.
    pub fn members(&self) -> &[Member] {
        match &self.files {
            Files::Valid(desired) => &desired.members,
            _ => &[],
        }
    }

    pub fn role_of(&self, id: &str) -> Option<&str> {
        role_of(id, self.roles.iter().map(String::as_str))
    }

    /// Name of a node by its id.
    pub fn node_name(&self, id: u32) -> String {
        let live = self.live.nodes.iter().find(|node| node.id == id);
        let member = self.members().iter().find(|member| member.id == id);
        live.map(|node| node.name.clone())
            .or_else(|| member.map(|member| member.name.clone()))
            .unwrap_or_else(|| format!("node {id}"))
    }

    /// The token of a node that has never been a member, as far as can be told.
    pub fn awaited(&self, node: &str) -> Option<&Admission> {
        let seen = self.cib.joined.iter().any(|name| name == node)
            || self.live.fences.iter().any(|fence| fence.target == node);
        let mut admissions = self.admissions.iter().filter(|_| !seen);
        admissions.find(|admission| admission.node == node)
    }

    /// Fencing relies on sbd's watchdog alone.
    pub fn fences_by_watchdog(&self) -> bool {
        let properties = &self.cib.properties;
        properties.contains_key("stonith-watchdog-timeout")
    }

    /// Fencing relies on sbd, with a disk or without.
    pub fn needs_sbd(&self) -> bool {
        let wanted = matches!(&self.files, Files::Valid(desired) if desired.sbd.is_some());
        wanted || self.fences_by_watchdog()
    }

    /// This host belongs to a cluster of ours.
    pub fn configured(&self) -> bool {
        self.formed.is_some() || self.ours
    }
}

/// Looks at everything.
///
/// # Errors
/// [`Failure::Environment`]: a tool is missing or a file cannot be read.
pub fn gather(host: &Host) -> Result<Facts, Failure> {
    let layout = &host.layout;
    let conf = text(host, "/etc/corosync/corosync.conf")?.unwrap_or_default();
    let formed = text(host, "/var/lib/ubuntu-ha/formed")?;
    let mut facts = Facts {
        me: host.name()?,
        root: host.is_trial() || nix::unistd::geteuid().is_root(),
        files: files(host),
        formed: formed.map(|name| name.trim().to_string()),
        ours: conf.starts_with(MARK),
        qdevice: conf.contains("device {"),
        notes: maintain::notes(layout),
        interrupted: is_interrupted(host),
        now: token::now(),
        ..Facts::default()
    };
    let mut roles: Vec<Subject> = layout.installed()?;
    roles.extend(layout.answered()?);
    facts.roles = roles.iter().map(|role| role.name().to_string()).collect();
    facts.roles.sort();
    facts.roles.dedup();
    if !facts.configured() {
        return Ok(facts);
    }
    // For root alone; without them less is told.
    facts.admissions = token::admissions(layout).unwrap_or_default();
    facts.live = live::read(host)?;
    facts.replicas = replica::read(host)?;
    if let Files::Valid(desired) = &facts.files {
        // The file of a role that has left stays.
        let wanted = |name: &str| {
            let mut all = desired.storage.iter();
            all.any(|one| matches!(one, Storage::Drbd { resource, .. } if resource == name))
        };
        facts.replicas.retain(|replica| wanted(&replica.resource));
    }
    facts.unapplied = unapplied(host, &facts.files);
    if let Files::Valid(desired) = &facts.files {
        facts.unapplied.extend(units(host, desired));
    }
    let running = match facts.live.connected {
        true => live::cib(host)?,
        false => None,
    };
    let Some(cib) = running else {
        return Ok(facts);
    };
    facts.cib = View::new(&cib);
    facts.left = leave::left::roles(&cib);
    if facts.needs_sbd() {
        facts.sbd = live::is_active(host, "sbd")?;
    }
    if let Files::Valid(desired) = &facts.files {
        let left = |id: &str| {
            let role = facts.role_of(id);
            role.is_some_and(|role| facts.left.iter().any(|left| left == role))
        };
        facts.drift = drift::between(&desired.cib, &cib, left);
        for resource in facts.cib.drbd() {
            let found = storage::unlinked(host, desired, &facts.me, resource);
            facts.unlinked.extend(found);
        }
    }
    Ok(facts)
}

fn files(host: &Host) -> Files {
    match loaded::load(host) {
        Ok(loaded) => Files::Valid(Box::new(loaded.desired)),
        Err(Failure::Refused(problems)) => Files::Refused(problems),
        Err(
            Failure::Usage { message, .. }
            | Failure::Failed { message, .. }
            | Failure::Environment { message, .. },
        ) => Files::Unreadable(message),
    }
}

fn text(host: &Host, path: &str) -> Result<Option<String>, Failure> {
    let path = host.layout.path(path);
    match fs::read(&path) {
        Ok(data) => Ok(Some(String::from_utf8_lossy(&data).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // The state's directory is for root alone: without it nothing is known.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(reading(&path, &error)),
    }
}

fn unapplied(host: &Host, files: &Files) -> Vec<String> {
    let Files::Valid(desired) = files else {
        return Vec::new();
    };
    let differs = |path: &str, content: &[u8]| {
        let have = fs::read(host.layout.path(path));
        have.map_or_else(
            |e| e.kind() == io::ErrorKind::NotFound,
            |have| have != content,
        )
    };
    // For root alone; a host without a master is told nothing but that its key
    // is gone.
    let key = key::read(&host.layout).ok().flatten();
    let key = key.map(|master| key::authkey(&master).to_vec());
    let key_differs = match &key {
        Some(key) => differs(AUTHKEY, key),
        None => !host.layout.path(AUTHKEY).exists(),
    };
    desired
        .files
        .iter()
        .filter(|file| differs(&file.path, &file.content))
        .map(|file| format!("/{}", file.path))
        .chain(key_differs.then(|| format!("/{AUTHKEY}")))
        .collect()
}

/// What does not start with the host, or must not. Daemons that do not run have
/// lines of their own.
fn units(host: &Host, desired: &Desired) -> Vec<String> {
    let changes = match unit_changes(host, desired, &mut Vec::new()) {
        Ok(changes) => changes,
        Err(failure) => return vec![failure.message()],
    };
    let told = changes.into_iter().filter_map(|change| match change.verb {
        "enable" => Some(format!("{} is not started at boot", change.name)),
        "disable" => Some(format!("{} is started at boot", change.name)),
        _ => None,
    });
    told.collect()
}

/// The journal of a transaction that was not finished.
fn is_interrupted(host: &Host) -> bool {
    let dir = host.layout.state().join("journal");
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some())
}
