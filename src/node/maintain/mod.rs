//! `ubuntu-ha maintain`.

mod after;
mod note;
mod standby;
mod wait;
mod whole;

use std::process::Command;

use clap::Subcommand;

use super::host::Host;
use super::live::{self, Live};
use super::problem::Failure;

pub use note::{Note, notes};
pub use standby::{drain, refuse_alone, set as set_standby};
pub use wait::{patience, until};

/// Hold the services where they are while packages are upgraded
///
/// `maintain on` sets the cluster property maintenance-mode: pacemaker then
/// neither watches, starts nor stops anything, and may itself be stopped,
/// upgraded and started again, as corosync may, while the services go on. When
/// the daemons run again on every node, `maintain off` has everything looked at
/// anew, shows what pacemaker would do, and gives control back only if nothing
/// that runs would be stopped or moved. `maintain run` wraps one command so.
///
/// It does not protect against everything. A service that fails meanwhile stays
/// down. A node that crashes or loses its network is fenced all the same:
/// maintenance mode holds back only the reactions to resources. DLM (GFS2,
/// OCFS2, shared LVM) does not outlive corosync: when corosync is restarted
/// below it, the node is fenced. There, and before a reboot, use --node: it
/// makes one node stand by, so that its services are served by another while
/// it is upgraded. sbd with a watchdog allows an orderly stop, but a hanging
/// one resets the node.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Begin
    On {
        /// Make NODE stand by instead: its services move to another one
        #[arg(long, value_name = "NODE")]
        node: Option<String>,
        /// Although DLM runs, or nothing can take over from NODE
        #[arg(long)]
        anyway: bool,
    },
    /// End
    Off {
        /// Let NODE serve again
        #[arg(long, value_name = "NODE")]
        node: Option<String>,
        /// Although something that runs would be stopped or moved
        #[arg(long, conflicts_with = "node")]
        anyway: bool,
    },
    /// Say whether it is on; the exit status is 1 if not
    Status {
        /// Ask about NODE instead of the cluster
        #[arg(long, value_name = "NODE")]
        node: Option<String>,
    },
    /// Begin, run a command, end
    ///
    /// The exit status is 1 when the command fails; maintenance is ended then
    /// too. When this is interrupted, it stays on until `maintain off`. Where it
    /// was on before, it stays on.
    Run {
        /// Although DLM runs
        #[arg(long)]
        anyway: bool,
        #[arg(required = true, last = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
}

/// Runs the command; its exit code.
///
/// # Errors
/// [`Failure::Failed`]: the cluster is not at rest, or would not stay so; and
/// what the environment refuses.
pub fn run(host: &Host, args: &Args) -> Result<u8, Failure> {
    match &args.action {
        Action::On { node: None, anyway } => whole::on(host, *anyway)?,
        Action::On {
            node: Some(node),
            anyway,
        } => standby::on(host, node, *anyway)?,
        Action::Off { node: None, anyway } => whole::off(host, *anyway)?,
        Action::Off {
            node: Some(node), ..
        } => standby::off(host, node)?,
        Action::Status { node } => return status(host, node.as_deref()),
        Action::Run { anyway, command } => return wrap(host, *anyway, command),
    }
    Ok(0)
}

fn status(host: &Host, node: Option<&str>) -> Result<u8, Failure> {
    let live = running(host)?;
    let on = match node {
        None => live.maintenance,
        Some(name) => known(&live, name)?.standby,
    };
    let what = match node {
        None => "maintenance mode is".to_string(),
        Some(name) => format!("standby of {name} is"),
    };
    let note = note::about(&host.layout, node).filter(|_| on);
    let note = note.map_or_else(String::new, |note| format!(", {note}"));
    let word = if on { "on" } else { "off" };
    super::cli::print(&format!("{what} {word}{note}\n"));
    Ok(u8::from(!on))
}

fn wrap(host: &Host, anyway: bool, command: &[String]) -> Result<u8, Failure> {
    let [program, args @ ..] = command else {
        return Err(Failure::usage(
            "no command was given".into(),
            "write it behind --".into(),
        ));
    };
    let begun = whole::begin(host, anyway)?;
    if let Some(places) = &begun {
        if let Err(failure) = whole::confirm(host, places) {
            if let Err(kept) = whole::off(host, false) {
                say(&format!("maintenance mode stays on: {}", kept.message()));
            }
            return Err(failure);
        }
    }
    let ended = Command::new(program).args(args).status();
    let off = match begun {
        Some(_) => whole::off(host, false),
        None => {
            say("maintenance mode was on before, and stays on");
            Ok(())
        }
    };
    let code = match ended {
        Ok(status) if status.success() => Ok(0),
        Ok(status) => Err(Failure::failed(
            format!("{program} ended with {status}"),
            "look at what it said".into(),
        )),
        Err(error) => Err(Failure::environment(
            format!("starting {program}: {error}"),
            "write a command that is installed".into(),
        )),
    };
    off.and(code)
}

/// The live cluster.
///
/// # Errors
/// [`Failure::Failed`]: it does not run here, or has no quorum.
pub fn running(host: &Host) -> Result<Live, Failure> {
    let live = live::read(host)?;
    let down = |what: &str, remedy: &str| Err(Failure::failed(what.into(), remedy.into()));
    if !live.corosync || !live.pacemaker {
        return down(
            "the cluster does not run on this node",
            "run `systemctl start corosync pacemaker`",
        );
    }
    if !live.connected {
        return down(
            "pacemaker does not answer",
            "run it as root; if pacemaker was just started, wait a moment",
        );
    }
    if !live.quorate || live.dc.is_none() {
        return down(
            "the cluster has no quorum, or no leader yet",
            "see `ubuntu-ha status`",
        );
    }
    Ok(live)
}

/// A node of the cluster by its name.
///
/// # Errors
/// [`Failure::Usage`]: there is no such node.
pub fn known<'a>(live: &'a Live, name: &str) -> Result<&'a live::LiveNode, Failure> {
    live.node(name).ok_or_else(|| {
        let names: Vec<&str> = live.nodes.iter().map(|node| node.name.as_str()).collect();
        Failure::usage(
            format!("{name} is no node of the cluster"),
            format!("the nodes are {}", names.join(", ")),
        )
    })
}

/// Who runs this command, behind sudo too.
fn user() -> String {
    let of = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match of("SUDO_USER") {
        Some(user) => format!("{user} (sudo)"),
        None => of("USER")
            .or_else(|| of("LOGNAME"))
            .unwrap_or_else(|| "root".into()),
    }
}

fn say(text: &str) {
    eprintln!("ubuntu-ha: {text}");
}
