//! The files of a node that leaves: back to what its packages brought.

use std::fs;
use std::path::{Path, PathBuf};

use crate::atomic;
use crate::cluster::MARK;
use crate::node::host::Host;
use crate::node::journal::Journal;
use crate::node::layout::{Layout, Subject, entries, reading};
use crate::node::problem::{Failure, Problem};
use crate::node::settings::{self, Change, Settings};
use crate::recipe::answer::Answer;

/// The command in the journal.
pub const COMMAND: &str = "leave";

/// What packages had in the place of our files, kept by `apply`.
const ORIGINALS: &str = "var/lib/ubuntu-ha/original";

/// Files in the place of those of packages, or of none.
const REPLACED: [&str; 3] = [
    "etc/corosync/corosync.conf",
    "etc/default/sbd",
    "etc/dlm/dlm.conf",
];

/// State of our own that says that this host is a member; the marker last.
const STATE: [&str; 7] = [
    "master", "ids", "roles", "applied", "maintain", "admitted", "formed",
];

/// Continues the journal of an earlier leave, or begins one.
///
/// # Errors
/// Another command's transaction is open.
pub fn journal(host: &Host) -> Result<Journal<'_>, Failure> {
    match Journal::open(host)? {
        Some(open) if open.command() == COMMAND && !open.is_undoing() => Ok(open),
        Some(open) => Err(Failure::failed(
            format!(
                "a run of `{}` was stopped before it was finished",
                open.command()
            ),
            "run `ubuntu-ha apply` first, or `ubuntu-ha apply --rollback`".into(),
        )),
        None => Journal::begin(host, COMMAND),
    }
}

/// Puts the packages' files back and forgets the cluster; every step may be
/// done again.
///
/// # Errors
/// A file cannot be read or written.
pub fn restore(host: &Host, journal: &mut Journal) -> Result<(), Failure> {
    let layout = &host.layout;
    for path in REPLACED {
        let (target, original) = (layout.path(path), layout.path(ORIGINALS).join(path));
        let ours = read(&target)?.is_some_and(|text| text.starts_with(MARK.as_bytes()));
        if !ours {
            continue;
        }
        match read(&original)? {
            Some(data) => {
                journal.point(&format!("putting back /{path}"));
                journal.stage(&target, &data, 0o644)?;
                journal.set(&target)?;
            }
            None => {
                journal.point(&format!("removing /{path}"));
                journal.remove(&target)?;
            }
        }
    }
    journal.point("deleting the key of the cluster");
    journal.remove(&layout.path("etc/corosync/authkey"))?;
    // Else pacemaker would start the services of the cluster on its own.
    let cib = layout.path("var/lib/pacemaker/cib");
    journal.point("deleting the configuration of pacemaker");
    for path in below(&cib)? {
        journal.remove(&path)?;
    }
    // Else ubuntu-ha-setup.service would form or join anew at the next boot: it
    // starts wherever the marker is gone.
    if let Some(text) = answered_later(layout)? {
        let path = layout.answers(&Subject::Cluster);
        journal.point("answering that the cluster is set up later");
        journal.keep(&path)?;
        atomic::replace(&path, text.as_bytes(), 0o644)?;
    }
    journal.point("forgetting the cluster");
    for name in STATE {
        for path in below(&layout.state().join(name))? {
            journal.remove(&path)?;
        }
    }
    Ok(())
}

/// The text of cluster.toml with the answer that nothing is formed or joined,
/// which debconf reads back; `None` where it has it, or where there is no file.
///
/// # Errors
/// [`Failure::Refused`]: it is no TOML.
pub fn answered_later(layout: &Layout) -> Result<Option<String>, Failure> {
    const QUESTION: &str = "setup";
    const LATER: &str = "later";
    let Some(text) = layout.read_answers(&Subject::Cluster)? else {
        return Ok(None);
    };
    let no_toml = |error: settings::SyntaxError| {
        let message = format!("{}; this is no TOML", error.message);
        let problem = Problem::new(&Subject::Cluster, message);
        let file = layout.answers(&Subject::Cluster);
        Failure::Refused(vec![problem.in_file(file, Some(error.line))])
    };
    let answers = Settings::parse(&text).map_err(no_toml)?;
    let answer = answers
        .get(QUESTION)
        .and_then(|entry| entry.value.as_deref());
    let questions = layout.load(&Subject::Cluster)?.question;
    let question = questions.iter().find(|question| question.name == QUESTION);
    match question {
        Some(question) if answer != Some(LATER) => {
            let later = Answer::Choice(LATER.into());
            let text = settings::edit(&text, &[Change::Set(question, &later)]);
            text.map(Some).map_err(no_toml)
        }
        _ => Ok(None),
    }
}

/// A file itself, or those of a directory; none where there is nothing.
fn below(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path.is_dir() {
        let names = entries(path)?.into_iter().map(|name| path.join(name));
        return Ok(names.filter(|path| path.is_file()).collect());
    }
    Ok(path
        .exists()
        .then(|| path.to_path_buf())
        .into_iter()
        .collect())
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match fs::read(path) {
        Ok(data) => Ok(Some(data)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(reading(path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::layout::Layout;

    #[test]
    fn a_leave_that_is_being_put_back_is_not_continued() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(Layout::new(root.path().into()));
        drop(journal(&host).unwrap());
        let mut open = journal(&host).unwrap();
        open.undo().unwrap();
        drop(open);
        let failure = journal(&host).unwrap_err();
        assert!(failure.message().contains("`leave` was stopped"));
    }
}
