//! `ubuntu-ha leave`.

pub mod left;

mod files;
mod member;
mod role;

use super::host::Host;
use super::layout::Subject;
use super::problem::Failure;

/// Take a role out of the cluster, or this node
///
/// With ROLE, its resources are stopped in their order and taken out of the
/// running cluster, for all nodes. Its answers, disks and data stay as they
/// are; `ubuntu-ha apply ROLE` puts it back.
///
/// Without, this node leaves: it stands by until another serves what it
/// served, goes off the list of nodes, stops corosync and pacemaker, and gets
/// back the corosync.conf that the package brought. The key of the cluster is
/// deleted, and the answer `setup` becomes `later`: it does not come back at its
/// next boot. What is on its disks stays. On each of the other members
/// `ubuntu-ha apply` has to be run then.
///
/// With --node, NODE, which is off for good, is taken off the list by this one.
///
/// Run again, an interrupted leave is finished.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The role to take out
    #[arg(value_name = "ROLE", value_parser = Subject::parse, conflicts_with = "node")]
    role: Option<Subject>,
    /// Take out NODE, which is off, instead of this node
    #[arg(long, value_name = "NODE")]
    node: Option<String>,
    /// Leave although no other node can take over what runs here: it stops
    #[arg(long, conflicts_with = "role")]
    force_stop: bool,
}

/// Runs the command; its exit code.
///
/// # Errors
/// [`Failure::Failed`]: the services cannot run elsewhere, or something does
/// not stop. [`Failure::Usage`]: there is no such role or node.
pub fn run(host: &Host, args: &Args) -> Result<u8, Failure> {
    let _lock = super::apply::Lock::take(host)?;
    match (&args.role, &args.node) {
        (Some(Subject::Cluster), _) => {
            return Err(Failure::usage(
                "cluster is no role".into(),
                "run `ubuntu-ha leave` to take this node out of the cluster".into(),
            ));
        }
        (Some(Subject::Role(role)), _) => role::leave(host, role)?,
        (None, Some(node)) if *node != host.name()? => member::remove(host, node)?,
        (None, _) => member::leave(host, args.force_stop)?,
    }
    Ok(0)
}

fn say(text: &str) {
    eprintln!("ubuntu-ha: {text}");
}
