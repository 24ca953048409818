//! `ubuntu-ha check`: everything that is wrong, all at once.

use std::collections::{BTreeMap, BTreeSet};

use super::configure::{misplaced_password, not_plain, unknown};
use super::cross::{self, Checked};
use super::layout::{Layout, Subject};
use super::problem::{Failure, Problem};
use super::secrets;
use super::settings::{self, Settings};
use crate::recipe::answer;
use crate::recipe::compiled::CompiledRole;
use crate::recipe::suggest;

/// What was looked at, and what is wrong with it.
#[derive(Debug)]
pub struct Report {
    pub subjects: Vec<Subject>,
    pub problems: Vec<Problem>,
    /// The answers themselves, of everything that is installed.
    pub checked: Vec<Checked>,
}

/// Holds the answers of `wanted`, or of everything where that is empty,
/// against the installed packages.
///
/// # Errors
/// [`Failure::Usage`]: a role is neither installed nor answered.
/// [`Failure::Environment`]: a file cannot be read.
pub fn check(layout: &Layout, wanted: &[Subject]) -> Result<Report, Failure> {
    let installed: BTreeSet<Subject> = layout.installed()?.into_iter().collect();
    let answered: BTreeSet<Subject> = layout.answered()?.into_iter().collect();
    for subject in wanted {
        if *subject != Subject::Cluster && !answered.contains(subject) {
            layout.load(subject)?;
        }
    }
    let mut problems = Vec::new();
    let mut checked = Vec::new();
    let mut subjects = vec![Subject::Cluster];
    subjects.extend(installed.union(&answered).cloned());
    for subject in &subjects {
        if *subject != Subject::Cluster && !installed.contains(subject) {
            problems.push(not_installed(layout, subject, &installed));
            continue;
        }
        checked.push(check_one(
            layout,
            subject,
            layout.load(subject)?,
            &mut problems,
        )?);
    }
    problems.extend(secrets::inspect_top(layout)?);
    problems.extend(cross::check(&checked));
    if !wanted.is_empty() {
        subjects.retain(|subject| wanted.contains(subject));
        problems.retain(|problem| wanted.contains(&problem.subject));
    }
    Ok(Report {
        subjects,
        problems,
        checked,
    })
}

fn check_one(
    layout: &Layout,
    subject: &Subject,
    role: CompiledRole,
    problems: &mut Vec<Problem>,
) -> Result<Checked, Failure> {
    let file = layout.answers(subject);
    let mut checked = Checked {
        subject: subject.clone(),
        file: file.clone(),
        role,
        lines: BTreeMap::new(),
        answers: None,
    };
    let text = match layout.read_answers(subject) {
        Ok(Some(text)) => text,
        Ok(None) => {
            let message = format!("is not there: {subject} is not configured");
            problems.push(
                Problem::new(subject, message)
                    .in_file(file, None)
                    .mend_by(subject.reconfigure()),
            );
            return Ok(checked);
        }
        Err(Failure::Refused(unread)) => {
            problems.extend(unread);
            return Ok(checked);
        }
        Err(failure) => return Err(failure),
    };
    let settings = match Settings::parse(&text) {
        Ok(settings) => settings,
        Err(error) => {
            let message = format!("{}; write `name = \"value\"`", error.message);
            problems.push(Problem::new(subject, message).in_file(file, Some(error.line)));
            return Ok(checked);
        }
    };
    let questions = &checked.role.question;
    let mut given = secrets::load(layout, subject, questions)?;
    let mut found = Vec::new();
    for (name, entry) in settings.entries() {
        checked.lines.insert(name.to_string(), entry.line);
        let question = questions.iter().find(|question| question.name == name);
        let problem = match (question, &entry.value) {
            (None, _) => Some(unknown(subject, questions, name)),
            (Some(question), _) if !settings::is_kept(question) => {
                Some(misplaced_password(layout, subject, name))
            }
            (Some(_), Some(text)) => {
                given.insert(name.to_string(), text.clone());
                (!entry.plain).then(|| not_plain(subject, name))
            }
            (Some(_), None) => Some(not_plain(subject, name)),
        };
        found.extend(problem.map(|p| p.in_file(file.clone(), Some(entry.line))));
    }
    match answer::validate(questions, &given) {
        Ok(answers) => checked.answers = Some(answers),
        Err(wrong) => found.extend(wrong.into_iter().map(|wrong| {
            let problem = Problem::new(subject, wrong.to_string());
            let question = questions.iter().find(|q| q.name == wrong.question);
            if question.is_some_and(|question| !settings::is_kept(question)) {
                let path = layout.secrets(subject).join(&wrong.question);
                return problem.in_file(path, None).mend_by(subject.reconfigure());
            }
            problem.in_file(file.clone(), checked.lines.get(&wrong.question).copied())
        })),
    }
    found.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
    problems.extend(found);
    problems.extend(secrets::inspect(layout, subject, questions)?);
    Ok(checked)
}

fn not_installed(layout: &Layout, subject: &Subject, installed: &BTreeSet<Subject>) -> Problem {
    let known = installed.iter().map(Subject::name);
    let remedy = match suggest::nearest(subject.name(), known) {
        Some(near) => format!("did you mean {near}.toml?"),
        None => format!("install {} or remove the file", subject.package()),
    };
    Problem::new(subject, format!("{subject} is not installed; {remedy}"))
        .in_file(layout.answers(subject), None)
}
