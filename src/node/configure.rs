//! `ubuntu-ha configure`: from answers on stdin to the file in /etc.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::layout::{Layout, Subject};
use super::problem::{Failure, Problem};
use super::secrets;
use super::settings::{self, Change, Settings, means};
use crate::atomic;
use crate::recipe::answer::{self, Answers};
use crate::recipe::model::Question;
use crate::recipe::suggest;

/// How `configure` ended well.
#[derive(Debug)]
pub struct Configured {
    pub file: PathBuf,
    /// Whether the file was written, or left alone.
    pub written: bool,
    /// What the administrator may want to know; nothing stands in the way.
    pub notes: Vec<Problem>,
}

/// Validates the answers of `input`, lines of `NAME VALUE`, together with
/// those the file has already, and writes what differs. An answer that
/// `input` does not name keeps what the file has. Passwords are kept apart,
/// and kept even when other answers are refused.
///
/// # Errors
/// [`Failure::Refused`]: incomplete or invalid, and the file is as it was.
/// [`Failure::Environment`]: not written, and the file is as it was.
pub fn configure(layout: &Layout, subject: &Subject, input: &[u8]) -> Result<Configured, Failure> {
    let role = layout.load(subject)?;
    let questions = &role.question;
    let (given, mut problems) = read_input(subject, input);
    problems.extend(secrets::store(layout, subject, questions, &given)?);

    let file = layout.answers(subject);
    let text = match layout.read_answers(subject) {
        Err(Failure::Refused(unread)) => {
            problems.extend(unread);
            return Err(Failure::Refused(problems));
        }
        text => text?,
    };
    let settings = match Settings::parse(text.as_deref().unwrap_or_default()) {
        Ok(settings) => settings,
        Err(error) => {
            problems.push(
                Problem::new(subject, format!("{}; this is no TOML", error.message))
                    .in_file(file, Some(error.line))
                    .mend_by(format!("ubuntu-ha check {}", subject.name())),
            );
            return Err(Failure::Refused(problems));
        }
    };
    let mut notes = Vec::new();
    for (name, entry) in settings.entries() {
        let problem = match questions.iter().find(|question| question.name == name) {
            None => {
                let note = unknown(subject, questions, name);
                notes.push(note.in_file(file.clone(), Some(entry.line)));
                continue;
            }
            Some(question) if !settings::is_kept(question) => {
                misplaced_password(layout, subject, name)
            }
            Some(_) if !entry.plain => not_plain(subject, name),
            Some(_) => continue,
        };
        problems.push(problem.in_file(file.clone(), Some(entry.line)));
    }

    let mut all = secrets::load(layout, subject, questions)?;
    for question in questions
        .iter()
        .filter(|question| settings::is_kept(question))
    {
        let kept = settings
            .get(&question.name)
            .and_then(|entry| entry.value.clone());
        if let Some(text) = given.get(&question.name).cloned().or(kept) {
            all.insert(question.name.clone(), text);
        }
    }
    for name in given.keys() {
        if questions.iter().all(|question| question.name != *name) {
            all.insert(name.clone(), String::new());
        }
    }
    let answers = match answer::validate(questions, &all) {
        Ok(answers) => answers,
        Err(wrong) => {
            let of_file = |name: &str| !given.contains_key(name);
            for wrong in wrong {
                let refused = problems
                    .iter()
                    .any(|p| p.message.starts_with(&format!("{}: ", wrong.question)));
                let mut problem = Problem::new(subject, wrong.to_string());
                if let Some(entry) = settings
                    .get(&wrong.question)
                    .filter(|_| of_file(&wrong.question))
                {
                    problem = problem.in_file(file.clone(), Some(entry.line));
                }
                if !refused {
                    problems.push(problem);
                }
            }
            Answers::new()
        }
    };
    if !problems.is_empty() {
        return Err(Failure::Refused(problems));
    }

    let changes = changes(questions, &settings, &given, &answers);
    if changes.is_empty() && text.is_some() {
        return Ok(Configured {
            file,
            written: false,
            notes,
        });
    }
    let old = text.unwrap_or_else(|| settings::header(&subject.package(), subject.name()));
    let new = settings::edit(&old, &changes).map_err(|error| {
        Failure::Refused(vec![
            Problem::new(subject, error.message).in_file(file.clone(), Some(error.line)),
        ])
    })?;
    if let Some(dir) = file.parent() {
        atomic::create_dir_all(dir, 0o755)?;
    }
    atomic::replace(&file, new.as_bytes(), 0o644)?;
    Ok(Configured {
        file,
        written: true,
        notes,
    })
}

/// The answers of stdin by name. A line that is none is a problem.
fn read_input(subject: &Subject, input: &[u8]) -> (BTreeMap<String, String>, Vec<Problem>) {
    let mut given = BTreeMap::new();
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(input.split(|&byte| byte == b'\n')) {
        if line.is_empty() {
            continue;
        }
        let mut refuse = |what: &str| {
            let message = format!("stdin, line {number}: {what}");
            problems.push(Problem::new(subject, message));
        };
        let Ok(line) = std::str::from_utf8(line) else {
            refuse("is not UTF-8; write the answer in plain text");
            continue;
        };
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        if given.insert(name.to_string(), value.to_string()).is_some() {
            refuse(&format!("{name} is answered twice; answer it once"));
        }
    }
    (given, problems)
}

fn changes<'a>(
    questions: &'a [Question],
    settings: &Settings,
    given: &BTreeMap<String, String>,
    answers: &'a Answers,
) -> Vec<Change<'a>> {
    let mut changes = Vec::new();
    for question in questions
        .iter()
        .filter(|question| settings::is_kept(question))
    {
        let entry = settings.get(&question.name);
        match (answers.get(&question.name), entry) {
            (Some(answer), Some(entry)) if means(entry, question, answer) => {}
            (Some(answer), _) => changes.push(Change::Set(question, answer)),
            (None, Some(entry)) => {
                let had = entry.value.as_deref().is_some_and(|text| !text.is_empty());
                let taken = given
                    .get(&question.name)
                    .is_some_and(|text| text.trim().is_empty());
                if had && taken {
                    changes.push(Change::Clear(question));
                }
            }
            (None, None) => {}
        }
    }
    changes
}

/// A name that the role does not ask for, or does not ask for any more.
pub fn unknown(subject: &Subject, questions: &[Question], name: &str) -> Problem {
    let known = questions
        .iter()
        .filter(|question| settings::is_kept(question));
    let near = suggest::nearest(name, known.map(|question| question.name.as_str()));
    let remedy = near.map_or("remove the line".into(), |near| {
        format!("did you mean `{near}`?")
    });
    let package = subject.package();
    Problem::new(
        subject,
        format!("{name} is no question of {package}; {remedy}"),
    )
}

/// A password that stands where everybody can read it.
pub fn misplaced_password(layout: &Layout, subject: &Subject, name: &str) -> Problem {
    let path = layout.secrets(subject).join(name);
    Problem::new(
        subject,
        format!(
            "{name} is a password and everybody can read it here; remove the line and write \
             the password to {} with mode 0600",
            path.display()
        ),
    )
}

/// An answer that debconf's config script would not find.
pub fn not_plain(subject: &Subject, name: &str) -> Problem {
    Problem::new(
        subject,
        format!(
            "{name} stands in a form that debconf cannot read back; write `{name} = \"…\"` \
             (or a number, true, false) on a line of its own, without backslashes"
        ),
    )
}
