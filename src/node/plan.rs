//! `ubuntu-ha plan`: what `apply` would do, without doing it.

use std::fs;
use std::io::ErrorKind;

use super::host::Host;
use super::layout::reading;
use super::loaded;
use super::problem::Failure;
use super::scheduler;
use crate::cluster::show::{FileChange, FileState, Plan, compare};
use crate::cluster::simulate::simulate;

/// Show what apply would change, and how a failover would run
///
/// The files are compared with those of this host, the cluster's
/// configuration with the running one, and pacemaker's own scheduler
/// simulates the first start and the failure of nodes. Nothing is changed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Simulate the failure of this node; of each node in turn if none is named
    #[arg(long, value_name = "NODE")]
    fail: Vec<String>,
    /// Show the whole cluster configuration too, without passwords
    #[arg(long)]
    cib: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command; its exit code.
///
/// # Errors
/// The answers are refused, a file cannot be read, or `crm_simulate` is
/// missing or failed.
pub fn run(host: &Host, args: &Args) -> Result<u8, Failure> {
    let loaded = loaded::load(host)?;
    let desired = &loaded.desired;
    let names: Vec<String> = desired.members.iter().map(|m| m.name.clone()).collect();
    if let Some(node) = args.fail.iter().find(|node| !names.contains(node)) {
        return Err(Failure::usage(
            format!("--fail {node}: there is no such node"),
            format!("write one of {}", names.join(", ")),
        ));
    }
    let files = desired
        .files
        .iter()
        .map(|file| {
            let path = host.layout.path(&file.path);
            match fs::read(&path) {
                Ok(data) => Ok(compare(file, Some(&data))),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(compare(file, None)),
                Err(error) => Err(reading(&path, &error)),
            }
        })
        .collect::<Result<Vec<FileChange>, Failure>>()?;
    let mut simulator = scheduler::find(host)?
        .ok_or_else(|| scheduler::broken("crm_simulate is not installed".into()))?;
    let fail = if args.fail.is_empty() {
        names
    } else {
        args.fail.clone()
    };
    let runs = simulate(desired, &fail, &mut simulator).map_err(scheduler::failed)?;
    let plan = Plan {
        desired,
        files,
        cib: FileState::New,
        runs,
    };
    let text = if args.json {
        format!("{:#}\n", plan.json())
    } else {
        plan.text(args.cib)
    };
    super::cli::print(&text);
    Ok(0)
}
