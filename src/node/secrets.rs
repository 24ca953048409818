//! Passwords: one file each, readable by root alone.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::layout::{Layout, Subject, entries, reading};
use super::problem::{Failure, Problem};
use crate::atomic;
use crate::recipe::answer::{Answer, parse_answer};
use crate::recipe::model::{Question, QuestionType};

const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The passwords that are kept for `subject`, by question name.
///
/// # Errors
/// The directory is there but cannot be read.
pub fn load(
    layout: &Layout,
    subject: &Subject,
    questions: &[Question],
) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    for question in passwords(questions) {
        let path = layout.secrets(subject).join(&question.name);
        match fs::read(&path) {
            Ok(data) => {
                let text = String::from_utf8_lossy(&data);
                let text = text.strip_suffix('\n').unwrap_or(&text);
                found.insert(question.name.clone(), text.to_string());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(reading(&path, &error)),
        }
    }
    Ok(found)
}

/// Keeps the passwords among `given`; an empty one leaves the present one.
/// What is wrong with the others is returned, and these are not kept.
///
/// # Errors
/// A file could not be written; it is then as it was.
pub fn store(
    layout: &Layout,
    subject: &Subject,
    questions: &[Question],
    given: &BTreeMap<String, String>,
) -> Result<Vec<Problem>, Failure> {
    let mut problems = Vec::new();
    let present = load(layout, subject, questions)?;
    for question in passwords(questions) {
        let Some(text) = given.get(&question.name).filter(|text| !text.is_empty()) else {
            continue;
        };
        match parse_answer(question, text) {
            Ok(Answer::Password(secret)) => {
                let dir = layout.secrets(subject);
                atomic::create_dir_all(&layout.etc(), 0o755)?;
                atomic::create_dir_all(&dir, DIR_MODE)?;
                tighten(&layout.all_secrets(), DIR_MODE)?;
                tighten(&dir, DIR_MODE)?;
                let path = dir.join(&question.name);
                if present.get(&question.name).map(String::as_str) == Some(secret.expose()) {
                    tighten(&path, FILE_MODE)?;
                } else {
                    let line = format!("{}\n", secret.expose());
                    atomic::write(&path, line.as_bytes(), FILE_MODE)?;
                }
            }
            Ok(_) => {}
            Err(message) => {
                problems.push(Problem::new(
                    subject,
                    format!("{}: {message}", question.name),
                ));
            }
        }
    }
    Ok(problems)
}

/// Removes a password, if it is there.
///
/// # Errors
/// It cannot be removed.
pub fn forget(layout: &Layout, subject: &Subject, name: &str) -> Result<(), Failure> {
    let path = layout.secrets(subject).join(name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::environment(
            format!("removing {}: {error}", path.display()),
            "remove it by hand".into(),
        )),
        _ => Ok(()),
    }
}

/// Who but root may read the passwords of `subject`, and files there that are
/// none of its passwords.
///
/// # Errors
/// A directory is there but cannot be read.
pub fn inspect(
    layout: &Layout,
    subject: &Subject,
    questions: &[Question],
) -> Result<Vec<Problem>, Failure> {
    let dir = layout.secrets(subject);
    let names = entries(&dir)?;
    let mut problems = Vec::new();
    if dir.is_dir() {
        problems.extend(exposed(subject, &dir, DIR_MODE)?);
    }
    for name in names {
        let path = dir.join(&name);
        problems.extend(exposed(subject, &path, FILE_MODE)?);
        if !passwords(questions).any(|question| question.name == name) {
            problems.push(
                Problem::new(subject, "is no password of it; remove the file").in_file(path, None),
            );
        }
    }
    Ok(problems)
}

/// Whether others may look into the directory that holds all passwords.
///
/// # Errors
/// It is there but its mode cannot be read.
pub fn inspect_top(layout: &Layout) -> Result<Option<Problem>, Failure> {
    let dir = layout.all_secrets();
    if dir.is_dir() {
        exposed(&Subject::Cluster, &dir, DIR_MODE)
    } else {
        Ok(None)
    }
}

fn passwords(questions: &[Question]) -> impl Iterator<Item = &Question> {
    questions
        .iter()
        .filter(|question| question.kind == QuestionType::Password)
}

fn mode(path: &Path) -> Result<u32, Failure> {
    let meta = fs::metadata(path).map_err(|e| reading(path, &e))?;
    Ok(meta.permissions().mode() & 0o7777)
}

fn tighten(path: &Path, wanted: u32) -> Result<(), Failure> {
    if mode(path)? & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(wanted)).map_err(|error| {
        Failure::environment(
            format!("changing the mode of {}: {error}", path.display()),
            "run it as root".into(),
        )
    })
}

fn exposed(subject: &Subject, path: &Path, wanted: u32) -> Result<Option<Problem>, Failure> {
    let mode = mode(path)?;
    if mode & 0o077 == 0 {
        return Ok(None);
    }
    let who = if mode & 0o007 != 0 {
        "everybody"
    } else {
        "a group"
    };
    let problem = Problem::new(
        subject,
        format!(
            "is open to {who} (mode {mode:04o}); make it {wanted:04o}, and think of a new password"
        ),
    );
    let command = format!("chmod {wanted:04o} {}", path.display());
    Ok(Some(
        problem.in_file(path.to_path_buf(), None).mend_by(command),
    ))
}
