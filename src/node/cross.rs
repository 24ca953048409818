//! What no single file can tell: answers that contradict one another.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::layout::Subject;
use super::problem::Problem;
use crate::cluster::{Input, Platform, Refusal, RoleAnswers, design};
use crate::recipe::answer::Answers;
use crate::recipe::compiled::CompiledRole;

/// Without an answer to this there is no cluster yet: the node will join one.
const NODES: &str = "nodes";

/// May be put off until there is a role.
const FENCING: &str = "fencing";

/// A file of answers after it was looked at on its own.
#[derive(Debug)]
pub struct Checked {
    pub subject: Subject,
    pub file: PathBuf,
    pub role: CompiledRole,
    /// Line of each answer.
    pub lines: BTreeMap<String, usize>,
    /// Absent where the file has problems of its own.
    pub answers: Option<Answers>,
}

/// The cluster's answers and those of the roles that have some.
pub fn answered(all: &[Checked]) -> Option<(&Answers, Vec<RoleAnswers<'_>>)> {
    let is_cluster = |one: &&Checked| one.subject == Subject::Cluster;
    let cluster = all.iter().find(is_cluster)?.answers.as_ref()?;
    let roles = all.iter().filter(|one| !is_cluster(one));
    let roles = roles.filter_map(|one| {
        let answers = one.answers.as_ref()?;
        Some(RoleAnswers {
            role: &one.role,
            answers,
        })
    });
    Some((cluster, roles.collect()))
}

/// All contradictions between the files, whatever software is installed.
pub fn check(all: &[Checked]) -> Vec<Problem> {
    let Some((cluster, roles)) = answered(all) else {
        return Vec::new();
    };
    if !cluster.contains_key(NODES) {
        return Vec::new();
    }
    let input = Input {
        cluster,
        roles,
        platform: &Platform::trusted(),
        ids: &BTreeMap::new(),
    };
    let alone = input.roles.is_empty();
    let mut refusals = design(&input).err().unwrap_or_default();
    // Nothing runs yet that would need the decision.
    refusals.retain(|one| !alone || one.question.as_deref() != Some(FENCING));
    problems(all, refusals)
}

/// Refusals of a design, with the file and line of the answer.
pub fn problems(all: &[Checked], refusals: Vec<Refusal>) -> Vec<Problem> {
    let problem = |refusal| problem(all, refusal);
    refusals.into_iter().map(problem).collect()
}

fn problem(all: &[Checked], refusal: Refusal) -> Problem {
    let subject = refusal.role.map_or(Subject::Cluster, Subject::Role);
    let Some(checked) = all.iter().find(|one| one.subject == subject) else {
        return Problem::new(&subject, refusal.message);
    };
    let file = checked.file.clone();
    let Some(question) = refusal.question else {
        return Problem::new(&subject, refusal.message).in_file(file, None);
    };
    let own = checked.role.question.iter().any(|q| q.name == question);
    if !own && subject != Subject::Cluster {
        return Problem::new(&subject, refusal.message)
            .in_file(file, None)
            .mend_by(Subject::Cluster.reconfigure());
    }
    let line = checked.lines.get(&question).copied();
    let message = format!("{question}: {}", refusal.message);
    let problem = Problem::new(&subject, message).in_file(file, line);
    match line {
        Some(_) => problem,
        None => problem.mend_by(subject.reconfigure()),
    }
}
