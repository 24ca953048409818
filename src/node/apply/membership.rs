//! Waiting until the nodes of the list are one cluster.

use std::time::{Duration, Instant};

use crate::cluster::{Desired, Member};
use crate::node::cib;
use crate::node::host::Host;
use crate::node::live::{self, Live};
use crate::node::problem::Failure;

/// How often the user is told what is waited for.
const TELL: Duration = Duration::from_secs(10);

/// Waits until every node of the list is a member, in corosync and pacemaker.
///
/// A host that belongs to the cluster already goes on as soon as there is
/// quorum; one that joins a cluster with a configuration does so at the
/// deadline. A new cluster needs all its nodes: the first thing that pacemaker
/// would do with one that it never saw is to fence it.
///
/// # Errors
/// [`Failure::Failed`]: the deadline passed; the nodes that are missing are
/// named.
pub fn wait(
    host: &Host,
    desired: &Desired,
    me: u32,
    formed: bool,
    limit: Duration,
) -> Result<Vec<String>, Failure> {
    let start = Instant::now();
    let mut told = start;
    loop {
        let looked = Instant::now();
        let live = live::read(host)?;
        let missing = missing(&live, desired);
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let here = desired.members.iter().find(|member| member.id == me);
        let usable = live.quorate
            && live.dc.is_some()
            && here.is_some_and(|here| !missing.iter().any(|m| m.id == here.id));
        let names = names(&missing);
        let note = || vec![format!("not a member at the moment: {names}")];
        if usable && formed {
            return Ok(note());
        }
        if start.elapsed() >= limit {
            let joined = cib::query(host)?.is_some_and(|cib| cib::pushed_digest(&cib).is_some());
            if usable && joined {
                return Ok(note());
            }
            return Err(too_late(&live, &names, limit));
        }
        if told.elapsed() >= TELL {
            told = Instant::now();
            eprintln!("ubuntu-ha: waiting for {names}");
        }
        host.pause_after(looked);
    }
}

/// Members of the list that are not there yet.
fn missing<'a>(live: &Live, desired: &'a Desired) -> Vec<&'a Member> {
    let there = |member: &&Member| {
        let corosync = live.quorum.as_ref();
        corosync.is_some_and(|quorum| quorum.members.contains(&member.id))
            && live
                .node(&member.name)
                .is_some_and(|node| node.online && !node.pending)
    };
    let all = desired.members.iter();
    all.filter(|member| !there(member)).collect()
}

fn names(members: &[&Member]) -> String {
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    names.join(", ")
}

fn too_late(live: &Live, names: &str, limit: Duration) -> Failure {
    let seconds = limit.as_secs();
    if !live.corosync {
        return Failure::failed(
            "corosync ended after it was started".into(),
            "journalctl -u corosync -b shows why".into(),
        );
    }
    Failure::failed(
        format!("after {seconds} s these nodes are no members: {names}"),
        "run `ubuntu-ha apply` on all nodes at the same time, with the same secret and the same \
         list of nodes; UDP port 5405 must be open between them"
            .into(),
    )
}
