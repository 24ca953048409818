//! From the files of this host to the cluster it shall be.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{self, Report};
use super::cross::{self, Checked};
use super::host::Host;
use super::ids;
use super::layout::{Subject, reading};
use super::leave;
use super::platform;
use super::problem::{Failure, Problem};
use crate::cluster::{Desired, Input, MARK, design, node_ids};
use crate::recipe::answer::Answers;
use crate::recipe::compiled::CompiledRole;

/// The roles that `apply` has given to the cluster, separated by blanks.
pub const ROLES: &str = "var/lib/ubuntu-ha/roles";

/// Valid answers, and what they amount to.
#[derive(Debug)]
pub struct Loaded {
    /// Answers of the node recipe; the passwords among them.
    pub cluster: Answers,
    /// Roles that are installed and answered, sorted by name.
    pub roles: Vec<(CompiledRole, Answers)>,
    pub desired: Desired,
}

impl Loaded {
    /// The member that this host is.
    ///
    /// # Errors
    /// The list of nodes does not have it.
    pub fn me(&self, host: &Host) -> Result<u32, Failure> {
        let name = host.name()?;
        let me = self
            .desired
            .members
            .iter()
            .find(|member| member.name == name);
        me.map(|member| member.id).ok_or_else(|| {
            let known: Vec<&str> = self
                .desired
                .members
                .iter()
                .map(|m| m.name.as_str())
                .collect();
            let message = format!(
                "nodes: this host is {name}, but the nodes are {}; write the name that \
                 `uname -n` prints",
                known.join(", ")
            );
            let file = host.layout.answers(&Subject::Cluster);
            Failure::Refused(vec![
                Problem::new(&Subject::Cluster, message).in_file(file, None),
            ])
        })
    }
}

/// Reads, checks and designs.
///
/// # Errors
/// [`Failure::Refused`]: every problem of the answers, or of their design, at
/// once. [`Failure::Environment`]: a file or an agent cannot be read.
pub fn load(host: &Host) -> Result<Loaded, Failure> {
    load_roles(host, &[])
}

/// [`load`] for the roles that are named, and for those that the cluster has
/// already; for all of them where none is named.
///
/// # Errors
/// Those of [`load`].
pub fn load_roles(host: &Host, wanted: &[Subject]) -> Result<Loaded, Failure> {
    load_with(host, wanted, |_| ())
}

/// [`load_roles`], with answers that are not in the files yet.
///
/// # Errors
/// Those of [`load`].
pub fn load_with(
    host: &Host,
    wanted: &[Subject],
    change: impl FnOnce(&mut [Checked]),
) -> Result<Loaded, Failure> {
    let mut left = leave::left::known(host)?;
    left.retain(|role| !wanted.iter().any(|one| one.name() == role));
    let wanted = with_present(host, wanted)?;
    let Report {
        mut problems,
        mut checked,
        ..
    } = check::check(&host.layout, &wanted)?;
    if !wanted.is_empty() {
        checked.retain(|one| wanted.contains(&one.subject));
    }
    // What was taken out on purpose comes back only when it is named.
    let away = |subject: &Subject| left.iter().any(|role| subject.name() == role);
    checked.retain(|one| !away(&one.subject));
    problems.retain(|problem| !away(&problem.subject));
    if problems.is_empty() {
        change(&mut checked);
        problems = cross::check(&checked);
    }
    if !problems.is_empty() {
        return Err(Failure::Refused(problems));
    }
    let Some((cluster, roles)) = cross::answered(&checked) else {
        return Err(unanswered(host));
    };
    let agents: BTreeSet<String> = crate::cluster::agents(cluster, roles.iter().copied());
    let platform = platform::detect(host, &agents)?;
    let ids = known_ids(host)?;
    let input = Input {
        cluster,
        roles,
        platform: &platform,
        ids: &ids,
    };
    let desired =
        design(&input).map_err(|refusals| Failure::Refused(cross::problems(&checked, refusals)))?;
    let mut loaded = Loaded {
        cluster: cluster.clone(),
        roles: Vec::new(),
        desired,
    };
    for one in checked {
        if let (Subject::Role(_), Some(answers)) = (one.subject, one.answers) {
            loaded.roles.push((one.role, answers));
        }
    }
    Ok(loaded)
}

fn unanswered(host: &Host) -> Failure {
    let problem = Problem::new(
        &Subject::Cluster,
        "is not there: the cluster is not configured",
    )
    .in_file(host.layout.answers(&Subject::Cluster), None)
    .mend_by(Subject::Cluster.reconfigure());
    Failure::Refused(vec![problem])
}

/// Names of the roles of the configuration that this host has seen last.
fn with_present(host: &Host, wanted: &[Subject]) -> Result<Vec<Subject>, Failure> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = vec![Subject::Cluster];
    all.extend(wanted.iter().cloned());
    let path = host.layout.path(ROLES);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let roles = text
                .split_whitespace()
                .map(|name| Subject::Role(name.into()));
            all.extend(roles.filter(|role| host.layout.answers(role).exists()));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(reading(&path, &error)),
    }
    all.sort();
    all.dedup();
    Ok(all)
}

/// Node ids of a corosync.conf of ours: they outlive changes of the list. For
/// other nodes, those that a token or the running cluster told.
fn known_ids(host: &Host) -> Result<BTreeMap<String, u32>, Failure> {
    let path = host.layout.path("etc/corosync/corosync.conf");
    let mut ids = match std::fs::read_to_string(&path) {
        Ok(text) if text.starts_with(MARK) => node_ids(&text),
        Ok(_) => BTreeMap::new(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(reading(&path, &error)),
    };
    for (name, id) in ids::read(&host.layout)? {
        if !ids.values().any(|other| *other == id) {
            ids.entry(name).or_insert(id);
        }
    }
    Ok(ids)
}
