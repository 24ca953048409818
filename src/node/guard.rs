//! `ubuntu-ha guard`: may a package be removed?

use super::host::Host;
use super::layout::Subject;
use super::live;
use super::problem::Failure;
use super::status::role_of;
use crate::cluster::MARK;

/// Refuse the removal of a package that the running cluster needs
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A role's name, or "cluster"
    #[arg(value_name = "ROLE", value_parser = Subject::parse)]
    subject: Subject,
}

/// Runs the command; its exit code. Without a cluster of ours that runs here,
/// and so in a chroot too, nothing is refused.
///
/// # Errors
/// [`Failure::Failed`]: what is needed, and the way out.
pub fn run(host: &Host, args: &Args) -> Result<u8, Failure> {
    if host.program("systemctl").is_none() || !ours(host) {
        return Ok(0);
    }
    match &args.subject {
        Subject::Cluster => cluster(host)?,
        Subject::Role(role) => guard_role(host, role)?,
    }
    Ok(0)
}

/// corosync.conf has our mark, or a cluster was formed here.
fn ours(host: &Host) -> bool {
    let conf = host.layout.path("/etc/corosync/corosync.conf");
    let conf = std::fs::read_to_string(conf).unwrap_or_default();
    conf.starts_with(MARK) || host.layout.state().join("formed").exists()
}

fn cluster(host: &Host) -> Result<(), Failure> {
    if !live::is_active(host, "corosync")? {
        return Ok(());
    }
    Err(Failure::failed(
        "this node is a member of a running cluster, which could be neither seen nor mended \
         without ubuntu-ha-node"
            .into(),
        "run `ubuntu-ha leave` first, then remove the package".into(),
    ))
}

fn guard_role(host: &Host, role: &str) -> Result<(), Failure> {
    if !live::is_active(host, "pacemaker")? || host.program("cibadmin").is_none() {
        return Ok(());
    }
    let Some(cib) = live::cib(host)? else {
        return Err(Failure::failed(
            format!(
                "pacemaker runs but does not answer, so it cannot be told whether it runs role {role}"
            ),
            "try again in a moment, or run `systemctl stop pacemaker` first".into(),
        ));
    };
    let mut names: Vec<String> = (host.layout.installed()?.iter())
        .map(|one| one.name().to_string())
        .collect();
    names.push(role.into());
    let ours = |id: &str| role_of(id, names.iter().map(String::as_str)) == Some(role);
    let live = live::read(host)?;
    let mut places: Vec<String> = Vec::new();
    for one in live
        .resources
        .iter()
        .filter(|one| ours(&one.id) && one.is_active())
    {
        let node = one.node.as_deref().unwrap_or_default();
        places.push(format!("{} on {node}", one.id));
    }
    places.sort();
    places.dedup();
    if places.is_empty() && !in_cib(&cib, ours) {
        return Ok(());
    }
    let runs = match places.is_empty() {
        true => "none of its resources is active at the moment".into(),
        false => format!("active are {}", places.join(", ")),
    };
    Err(Failure::failed(
        format!("role {role} is in the running cluster: {runs}"),
        format!("run `ubuntu-ha leave {role}` first, then remove the package; its data stays"),
    ))
}

fn in_cib(cib: &str, ours: impl Fn(&str) -> bool) -> bool {
    let Ok(document) = roxmltree::Document::parse(cib) else {
        return false;
    };
    let resources = document
        .descendants()
        .filter(|node| node.has_tag_name("primitive"));
    let mut ids = resources.filter_map(|node| node.attribute("id"));
    ids.any(ours)
}
