//! `ubuntu-ha apply`: one transaction from what a host is to what it shall be.
//!
//! Everything is checked before anything is written; all files are staged
//! beside their places before the first one is replaced; corosync.conf comes
//! last. A run that was stopped before that is put back by the next one, a
//! later one is finished, unless it was being put back itself.

mod configuration;
mod corosync;
mod fencing;
mod lock;
mod membership;
mod ownership;
mod preflight;
mod rollback;
mod survey;
mod transaction;
mod units;

use std::time::Duration;

use super::host::Host;
use super::journal::{Journal, point};
use super::layout::Subject;
use super::leave;
use super::loaded::{self, Loaded};
use super::problem::Failure;
use super::{ids, json, live, members};
use corosync::Action;
use survey::Survey;
use transaction::{Broken, Options};

pub use lock::Lock;
pub use survey::{AUTHKEY, unit_changes};
pub use units::{state as unit_state, systemctl};

/// How long other nodes are waited for, where nothing else is asked for.
const WAIT: u64 = 120;

/// Until pacemaker has started everything: the slowest start takes 600 s.
const SETTLE: Duration = Duration::from_secs(900);

/// Make this host what /etc/ubuntu-ha says it is, as one transaction
///
/// Checks everything first, writes the files of corosync, DRBD and sbd, starts
/// the daemons, waits for the other nodes, prepares the storage, and gives the
/// cluster its configuration. When a step fails, what was changed is put back.
/// A run that was interrupted is finished, or put back, by the next one. Run
/// again, it changes nothing.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Roles to take, besides those the cluster has already; all of them if
    /// none is named
    #[arg(value_name = "ROLE", value_parser = Subject::parse)]
    pub roles: Vec<Subject>,
    /// Put back what an interrupted run has changed, and do nothing else
    #[arg(long, conflicts_with_all = ["roles", "wait", "overwrite"])]
    pub rollback: bool,
    /// How long to wait for the other nodes [default: 120]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub wait: Option<u64>,
    /// Push this host's configuration although another node has changed the
    /// cluster's
    #[arg(long)]
    pub overwrite: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// After a failure that putting files back would make worse.
const UNFINISHED: &str = "the cluster runs, without what is missing: run `ubuntu-ha apply` again, \
    or `ubuntu-ha apply --rollback` to take this host out of it";

/// What a run has done.
#[derive(Debug, Default)]
pub struct Outcome {
    changed: bool,
    /// Files that were written, or what was put back.
    done: Vec<String>,
    pub notes: Vec<String>,
    /// What does not work in the cluster, which is formed all the same.
    pub failed: Vec<String>,
}

/// Runs the command; its exit code. Takes the [`Lock`].
///
/// # Errors
/// [`Failure::Refused`]: something has to be put right first, and nothing was
/// written. [`Failure::Failed`] and [`Failure::Environment`]: the message says
/// whether everything was put back.
pub fn run(host: &Host, args: &Args) -> Result<u8, Failure> {
    let _lock = Lock::take(host)?;
    let outcome = change(host, args, true)?;
    let failed = !outcome.failed.is_empty();
    tell(&outcome, args.json);
    Ok(u8::from(failed))
}

/// [`run`] for another command, which has the lock and says what was done. The
/// list of nodes is not taken over from the running cluster.
///
/// # Errors
/// Those of [`run`].
pub fn under(_lock: &Lock, host: &Host, args: &Args) -> Result<Outcome, Failure> {
    change(host, args, false)
}

/// `adopt`: first take the list of nodes over from the running cluster.
fn change(host: &Host, args: &Args, adopt: bool) -> Result<Outcome, Failure> {
    preflight::clean(host)?;
    let open = Journal::open(host)?;
    if args.rollback {
        return roll_back(host, open);
    }
    let mut open = recover(host, open)?;
    let adopted = match adopt {
        true => adopt_nodes(host, &mut open)?,
        false => None,
    };
    let mut outcome = match prepare(host, args, transaction::pending(open.as_ref())) {
        Ok(ready) if open.is_none() && ready.survey.is_nothing() => {
            members::confirm(host, &ready.loaded.desired)?;
            Outcome {
                notes: ready.survey.notes,
                ..Outcome::default()
            }
        }
        Ok(ready) if only_adopted(&open, adopted.as_ref()) && ready.survey.is_nothing() => {
            // Only the list itself had to be taken over.
            open.map_or(Ok(()), Journal::close)?;
            members::confirm(host, &ready.loaded.desired)?;
            Outcome {
                changed: true,
                notes: ready.survey.notes,
                ..Outcome::default()
            }
        }
        Ok(ready) => enact(host, args, open, ready)?,
        Err(failure) => match open {
            Some(journal) if !journal.is_committed() => return Err(undo(host, journal, failure)),
            _ => return Err(failure),
        },
    };
    outcome.notes.extend(adopted);
    Ok(outcome)
}

/// The journal is there for the list of nodes alone.
fn only_adopted(open: &Option<Journal>, adopted: Option<&String>) -> bool {
    adopted.is_some() && open.as_ref().is_some_and(|journal| !journal.is_committed())
}

/// What a change starts from.
struct Ready {
    loaded: Loaded,
    me: u32,
    survey: Survey,
}

fn prepare(host: &Host, args: &Args, pending: Action) -> Result<Ready, Failure> {
    let loaded = loaded::load_roles(host, &args.roles)?;
    let me = loaded.me(host)?;
    let survey = survey::survey(host, &loaded, me, pending)?;
    Ok(Ready { loaded, me, survey })
}

/// A node that was away learns of those that came and went.
fn adopt_nodes<'a>(
    host: &'a Host,
    open: &mut Option<Journal<'a>>,
) -> Result<Option<String>, Failure> {
    if !host.layout.path(survey::FORMED).exists() || !live::is_active(host, "pacemaker")? {
        return Ok(None);
    }
    let Some(cib) = live::cib(host)? else {
        return Ok(None);
    };
    if !members::differs(host, &cib)? {
        return Ok(None);
    }
    if open.is_none() {
        *open = Some(Journal::begin(host, "apply")?);
    }
    if let Some(journal) = open {
        journal.keep(&host.layout.answers(&Subject::Cluster))?;
        journal.keep(&ids::path(&host.layout))?;
        journal.point("taking over the list of nodes");
    }
    let adopted = members::adopt(host, &cib)?;
    Ok(Some(adopted.unwrap_or_else(|| {
        "took over the ids of the nodes".into()
    })))
}

fn enact(
    host: &Host,
    args: &Args,
    open: Option<Journal>,
    ready: Ready,
) -> Result<Outcome, Failure> {
    let Ready { loaded, me, survey } = ready;
    leave::left::take_back(host, &args.roles)?;
    let mut outcome = Outcome {
        notes: survey.notes.clone(),
        ..Outcome::default()
    };
    point(host, "checking what the change needs");
    match preflight::preflight(host, &loaded, me, &survey) {
        Ok(notes) => outcome.notes.extend(notes),
        Err(failure) => {
            return Err(match open {
                Some(journal) if !journal.is_committed() => undo(host, journal, failure),
                _ => failure,
            });
        }
    }
    let mut journal = match open {
        Some(journal) => journal,
        None => Journal::begin(host, "apply")?,
    };
    let options = Options {
        wait: Duration::from_secs(args.wait.unwrap_or(WAIT)),
        overwrite: args.overwrite,
    };
    journal.point("the journal is open");
    match transaction::run(host, &mut journal, &loaded.desired, me, &survey, options) {
        Ok(notes) => outcome.notes.extend(notes),
        Err(Broken { failure, formed }) if formed => return Err(with_end(failure, UNFINISHED)),
        Err(Broken { failure, .. }) => return Err(undo(host, journal, failure)),
    }
    journal.close()?;
    members::confirm(host, &loaded.desired)?;
    point(host, "waiting until everything runs");
    outcome.failed = configuration::settle(host, SETTLE)?;
    outcome.changed = true;
    let files = survey.files.into_iter();
    outcome.done = files.map(|file| format!("wrote /{}", file.path)).collect();
    let disks = survey.storage.into_iter();
    outcome
        .done
        .extend(disks.map(|what| format!("prepared {what}")));
    Ok(outcome)
}

/// What to do with a run that was stopped.
fn recover<'a>(host: &'a Host, open: Option<Journal<'a>>) -> Result<Option<Journal<'a>>, Failure> {
    let Some(journal) = open else {
        return Ok(None);
    };
    let command = journal.command().to_string();
    if journal.is_committed() {
        eprintln!(
            "ubuntu-ha: a run of `{command}` was stopped after its files were in place; \
             finishing it"
        );
        return Ok(Some(journal));
    }
    let when = match journal.is_undoing() {
        true => "while it was put back",
        false => "before its files were in place",
    };
    eprintln!(
        "ubuntu-ha: a run of `{command}` was stopped {when}; putting back what it changed, then \
         starting anew"
    );
    let told = rollback::put_back(host, journal)?;
    for line in told.done.iter().chain(&told.left) {
        eprintln!("ubuntu-ha: {line}");
    }
    Ok(None)
}

fn roll_back(host: &Host, open: Option<Journal>) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    if let Some(journal) = open {
        let told = rollback::put_back(host, journal)?;
        outcome.done = told.done;
        outcome.notes = told.left;
        outcome.changed = true;
    } else {
        outcome.notes.push("no run was interrupted".into());
    }
    Ok(outcome)
}

/// Puts everything back, and says so.
fn undo(host: &Host, journal: Journal, failure: Failure) -> Failure {
    eprintln!("ubuntu-ha: that failed; putting everything back");
    match rollback::put_back(host, journal) {
        Ok(told) if told.left.is_empty() => with_end(failure, "everything was put back"),
        Ok(told) => {
            let left = told.left.join("; ");
            with_end(
                failure,
                &format!("everything else was put back, but {left}"),
            )
        }
        Err(Failure::Failed { message, remedy } | Failure::Environment { message, remedy }) => {
            with_end(failure, &format!("and then: {message}; {remedy}"))
        }
        Err(_) => with_end(failure, "not everything could be put back"),
    }
}

fn with_end(failure: Failure, end: &str) -> Failure {
    match failure {
        Failure::Failed { message, remedy } => Failure::failed(message, format!("{remedy}; {end}")),
        Failure::Environment { message, remedy } => {
            Failure::environment(message, format!("{remedy}; {end}"))
        }
        other => {
            eprintln!("ubuntu-ha: {end}");
            other
        }
    }
}

fn tell(outcome: &Outcome, as_json: bool) {
    if as_json {
        let list = |items: &[String]| {
            let items: Vec<String> = items.iter().map(|item| json::string(item)).collect();
            format!("[{}]", items.join(", "))
        };
        super::cli::print(&format!(
            "{{\n  \"changed\": {},\n  \"done\": {},\n  \"notes\": {},\n  \"failed\": {}\n}}\n",
            outcome.changed,
            list(&outcome.done),
            list(&outcome.notes),
            list(&outcome.failed)
        ));
        return;
    }
    super::cli::print(&as_text(outcome));
}

fn as_text(outcome: &Outcome) -> String {
    let mut text = String::new();
    for line in &outcome.done {
        text.push_str(&format!("{line}\n"));
    }
    for line in &outcome.notes {
        text.push_str(&format!("note: {line}\n"));
    }
    for line in &outcome.failed {
        text.push_str(&format!("failed: {line}\n"));
    }
    text.push_str(match (outcome.changed, outcome.failed.is_empty()) {
        (false, _) => "nothing to change\n",
        (true, true) => "done\n",
        (true, false) => "the cluster is formed, but not everything works\n",
    });
    text
}
