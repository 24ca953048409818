//! From the files of this host to the cluster it shall be.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{self, Report};
use super::cross;
use super::host::Host;
use super::layout::{Subject, reading};
use super::platform;
use super::problem::{Failure, Problem};
use crate::cluster::{Desired, Input, MARK, design, node_ids};
use crate::recipe::answer::Answers;
use crate::recipe::compiled::CompiledRole;

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
    let Report {
        problems, checked, ..
    } = check::check(&host.layout, &[])?;
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

/// Node ids of a corosync.conf of ours: they outlive changes of the list.
fn known_ids(host: &Host) -> Result<BTreeMap<String, u32>, Failure> {
    let path = host.layout.path("etc/corosync/corosync.conf");
    match std::fs::read_to_string(&path) {
        Ok(text) if text.starts_with(MARK) => Ok(node_ids(&text)),
        Ok(_) => Ok(BTreeMap::new()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(reading(&path, &error)),
    }
}
