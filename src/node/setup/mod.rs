//! `ubuntu-ha setup`.

mod dpkg;

use std::fs;
use std::io;

use super::apply::{self, Lock};
use super::host::Host;
use super::join::{self, FORMING};
use super::key::wipe;
use super::layout::{Subject, reading};
use super::problem::Failure;
use super::secrets;
use super::settings::{self, Change, Settings};
use super::token;
use crate::atomic;
use crate::recipe::answer::Answer;

const QUESTION: &str = "setup";
const TOKEN: &str = "join_token";

/// Form or join the cluster when that was answered; run by ubuntu-ha-setup.service
#[derive(Debug, clap::Args)]
pub struct Args {}

/// The answer to the question `setup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Later,
    Form,
    Join,
}

/// Does what was answered, each step one line on standard error; silent where
/// that is nothing. May be run again at any time. The exit code is 1 where the
/// cluster is formed or joined, and something in it does not work.
///
/// # Errors
/// Those of `apply` and `join`, and a package manager that does not come to
/// its end.
pub fn run(host: &Host, _args: &Args) -> Result<u8, Failure> {
    if wanted(host)? == Wanted::Later {
        return Ok(0);
    }
    dpkg::wait(host)?;
    // It may have been answered anew meanwhile.
    let works = match wanted(host)? {
        Wanted::Later => {
            say("the answer has become `later`: nothing is done");
            true
        }
        Wanted::Form => form(host)?,
        Wanted::Join => match join(host)? {
            Some(works) => works,
            None => form(host)?,
        },
    };
    Ok(u8::from(!works))
}

fn say(text: &str) {
    eprintln!("ubuntu-ha: {text}");
}

/// Whether everything works in the cluster that is formed now.
fn form(host: &Host) -> Result<bool, Failure> {
    say("forming the cluster, as was answered");
    let args = apply::Args {
        wait: Some(FORMING),
        ..apply::Args::default()
    };
    let lock = Lock::take(host)?;
    let outcome = apply::under(&lock, host, &args)?;
    for line in outcome.notes.iter().chain(&outcome.failed) {
        say(line);
    }
    let works = outcome.failed.is_empty();
    say(match works {
        true => "the cluster is formed",
        false => "the cluster is formed, but not everything works: see `ubuntu-ha status`",
    });
    Ok(works)
}

/// Joins with the answered token: whether everything works then; `None` where
/// that has been done before.
fn join(host: &Host) -> Result<Option<bool>, Failure> {
    if let Some(cluster) = token::formed(host)? {
        say(&format!("this host belongs to cluster {cluster} already"));
        secrets::forget(&host.layout, &Subject::Cluster, TOKEN)?;
        answer_form(host)?;
        return Ok(None);
    }
    let path = host.layout.secrets(&Subject::Cluster).join(TOKEN);
    let mut data = match fs::read(&path) {
        Ok(data) => data,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::failed(
                format!(
                    "{} is not there, though joining was answered",
                    path.display()
                ),
                "run `ubuntu-ha join`, and paste the token".into(),
            ));
        }
        Err(error) => return Err(reading(&path, &error)),
    };
    say("joining the cluster, as was answered");
    let done = join::join(host, std::str::from_utf8(&data).unwrap_or_default(), None);
    wipe(&mut data);
    let joined = done?;
    joined.tell(host)?;
    Ok(Some(joined.failed.is_empty()))
}

fn wanted(host: &Host) -> Result<Wanted, Failure> {
    let text = host.layout.read_answers(&Subject::Cluster)?;
    let settings = Settings::parse(&text.unwrap_or_default()).ok();
    let entry = settings
        .as_ref()
        .and_then(|settings| settings.get(QUESTION));
    Ok(match entry.and_then(|entry| entry.value.as_deref()) {
        Some("form") => Wanted::Form,
        Some("join") => Wanted::Join,
        _ => Wanted::Later,
    })
}

/// A host that has joined is from now on like those that formed the cluster.
fn answer_form(host: &Host) -> Result<(), Failure> {
    let questions = host.layout.load(&Subject::Cluster)?.question;
    let question = questions.iter().find(|question| question.name == QUESTION);
    let text = host.layout.read_answers(&Subject::Cluster)?;
    let (Some(question), Some(text)) = (question, text) else {
        return Ok(());
    };
    let form = Answer::Choice("form".into());
    if let Ok(text) = settings::edit(&text, &[Change::Set(question, &form)]) {
        let path = host.layout.answers(&Subject::Cluster);
        atomic::replace(&path, text.as_bytes(), 0o644)?;
    }
    Ok(())
}
