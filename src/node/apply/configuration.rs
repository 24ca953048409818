//! The cluster's configuration: pushed by one node, awaited by the others.

use std::fs;
use std::time::{Duration, Instant};

use crate::cluster::{Desired, Member};
use crate::node::cib::{self, Element};
use crate::node::host::Host;
use crate::node::journal::Journal;
use crate::node::live;
use crate::node::problem::Failure;

/// Digest of the configuration that was last seen or pushed by this host.
pub const APPLIED: &str = "var/lib/ubuntu-ha/applied";

/// How long the first node may take to prepare the storage, which may mean to
/// copy data, before it pushes.
const STORAGE: Duration = Duration::from_secs(4 * 3600);

/// What this host does about the live CIB.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Done,
    Push,
    Wait,
}

/// Makes the running CIB the desired one, or waits until another node has.
///
/// A cluster without a configuration gets it from its lowest node, when all are
/// there. Later a node pushes when nobody else did since it last saw the
/// configuration; `overwrite` pushes in any case.
///
/// # Errors
/// [`Failure::Failed`]: pacemaker refuses it, an id is taken, or another node
/// has pushed something else.
pub fn establish(
    host: &Host,
    journal: &mut Journal,
    desired: &Desired,
    me: u32,
    overwrite: bool,
    limit: Duration,
) -> Result<bool, Failure> {
    let design = cib::design(&desired.cib)?;
    let start = Instant::now();
    let (mut told, mut pushed) = (false, false);
    let mut patience = limit;
    loop {
        let live = cib::query(host)?;
        let turn = match &live {
            Some(live) => turn(host, live, &design, desired, me, overwrite)?,
            None => Turn::Wait,
        };
        match (turn, live) {
            (Turn::Done, _) => return Ok(pushed),
            (Turn::Push, Some(live)) => {
                journal.point("pushing the configuration of the cluster");
                pushed |= push(host, &live, &design)?;
            }
            (_, live) => {
                let fresh = |live: &Element| cib::pushed_digest(live).is_none();
                if live.as_ref().is_some_and(fresh) && !desired.storage.is_empty() {
                    patience = limit.max(STORAGE);
                }
                if start.elapsed() >= patience {
                    return Err(too_late(live.as_ref(), patience));
                }
                if !told {
                    told = true;
                    eprintln!("ubuntu-ha: waiting for the node that pushes the configuration");
                }
            }
        }
        if start.elapsed() >= patience * 2 {
            return Err(Failure::failed(
                "the configuration of the cluster changes all the time".into(),
                "find out what changes it: crm_mon, journalctl -u pacemaker".into(),
            ));
        }
        host.pause();
    }
}

fn turn(
    host: &Host,
    live: &Element,
    design: &Element,
    desired: &Desired,
    me: u32,
    overwrite: bool,
) -> Result<Turn, Failure> {
    if cib::is_current(live, design) {
        return Ok(Turn::Done);
    }
    if overwrite {
        return Ok(Turn::Push);
    }
    if let Some(pushed) = cib::pushed_digest(live) {
        let known = fs::read_to_string(host.layout.path(APPLIED)).unwrap_or_default();
        // The same digest: changed by hand since.
        let ours = pushed == known.trim() || pushed == cib::digest(design);
        return Ok(if ours { Turn::Push } else { Turn::Wait });
    }
    let live = live::read(host)?;
    if !live.connected {
        return Ok(Turn::Wait);
    }
    let gone = |member: &&Member| !live.node(&member.name).is_some_and(|node| node.online);
    if let Some(gone) = desired.members.iter().find(gone) {
        return Err(Failure::failed(
            format!(
                "{} left before the cluster had its configuration",
                gone.name
            ),
            format!("look at what `ubuntu-ha apply` said on {}", gone.name),
        ));
    }
    let lowest = desired.members.iter().map(|member| member.id).min();
    Ok(if lowest == Some(me) {
        Turn::Push
    } else {
        Turn::Wait
    })
}

fn push(host: &Host, live: &Element, design: &Element) -> Result<bool, Failure> {
    let merged = cib::merge(live, design);
    if !merged.taken.is_empty() {
        return Err(Failure::failed(
            format!(
                "the cluster has elements of these ids that ubuntu-ha did not make: {}",
                merged.taken.join(", ")
            ),
            "rename or delete them first".into(),
        ));
    }
    cib::push(host, &merged.document)
}

fn too_late(live: Option<&Element>, limit: Duration) -> Failure {
    let seconds = limit.as_secs();
    if live.is_some_and(|live| cib::pushed_digest(live).is_some()) {
        return Failure::failed(
            "the cluster has another configuration, which another node has pushed".into(),
            "make the files in /etc/ubuntu-ha the same on all nodes, then run `ubuntu-ha apply` \
             again; `ubuntu-ha apply --overwrite` pushes those of this host"
                .into(),
        );
    }
    Failure::failed(
        format!("after {seconds} s no node has pushed the configuration of the cluster"),
        "run `ubuntu-ha apply` on the first node too".into(),
    )
}

/// Waits until pacemaker has nothing to do, and says what failed, each with the
/// command that shows more.
///
/// # Errors
/// A tool is missing.
pub fn settle(host: &Host, limit: Duration) -> Result<Vec<String>, Failure> {
    let timeout = format!("--timeout={}s", limit.as_secs());
    let args = ["--wait", timeout.as_str()];
    let done = host.run("crm_resource", &args, limit + Duration::from_secs(30))?;
    let mut failed = Vec::new();
    if !done.success {
        failed.push(format!(
            "after {} s pacemaker is still at work: crm_mon shows more",
            limit.as_secs()
        ));
    }
    let live = live::read(host)?;
    for failure in &live.failures {
        let reason = match failure.reason.as_str() {
            "" => String::new(),
            reason => format!(" ({reason})"),
        };
        failed.push(format!(
            "{} of {} on {} failed: {}{reason}: crm_mon -1f shows more, and when it is put right, \
             crm_resource --cleanup --resource {} starts it again",
            failure.task, failure.resource, failure.node, failure.status, failure.resource
        ));
    }
    for resource in &live.resources {
        if resource.blocked {
            failed.push(format!(
                "{} is blocked: ubuntu-ha status shows more",
                resource.id
            ));
        }
    }
    Ok(failed)
}
