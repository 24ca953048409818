//! All answers of a recipe together: what is missing, what does not apply.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Answer, expected, parse_answer};
use crate::recipe::model::{Question, QuestionType, alternatives};
use crate::recipe::suggest;

/// Valid answers by question name. A question that was not asked, or an
/// optional one left empty, is absent.
pub type Answers = BTreeMap<String, Answer>;

/// One answer that is missing or cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerProblem {
    /// The question's name, or the unknown name that was given.
    pub question: String,
    /// What is wrong and what to write instead.
    pub message: String,
    /// The question was not answered at all.
    pub missing: bool,
}

impl fmt::Display for AnswerProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.question, self.message)
    }
}

impl std::error::Error for AnswerProblem {}

/// Reads all answers, in the order of the questions.
///
/// - A question whose `when` does not hold is not asked: its answer is
///   neither read nor reported.
/// - A question without an entry in `given` takes its default.
/// - An entry that is empty counts as "no": right for an optional question,
///   a problem for any other.
/// - A name that is no question is a problem.
pub fn validate(
    questions: &[Question],
    given: &BTreeMap<String, String>,
) -> Result<Answers, Vec<AnswerProblem>> {
    let mut answers = Answers::new();
    let mut problems = Vec::new();
    let mut undecided = BTreeSet::new();
    for question in questions {
        if question.when.keys().any(|name| undecided.contains(name)) {
            undecided.insert(question.name.clone());
            continue;
        }
        if !holds(&question.when, &answers) {
            continue;
        }
        let text = given.get(&question.name).or(question.default.as_ref());
        let empty = text.is_none_or(|text| match question.kind {
            QuestionType::Password => text.is_empty(),
            _ => text.trim().is_empty(),
        });
        let message = match text.filter(|_| !empty) {
            Some(text) => match parse_answer(question, text) {
                Ok(answer) => {
                    answers.insert(question.name.clone(), answer);
                    continue;
                }
                Err(message) => message,
            },
            None if question.optional => continue,
            None => format!("is not answered; write {}", expected(question)),
        };
        undecided.insert(question.name.clone());
        problems.push(AnswerProblem {
            question: question.name.clone(),
            message,
            missing: empty,
        });
    }
    for name in given.keys() {
        if !questions.iter().any(|question| question.name == *name) {
            let known = questions.iter().map(|question| question.name.as_str());
            problems.push(AnswerProblem {
                question: name.clone(),
                message: format!("is no question; {}", suggest::remedy(name, known)),
                missing: false,
            });
        }
    }
    if problems.is_empty() {
        Ok(answers)
    } else {
        Err(problems)
    }
}

/// Whether a `when` holds: every question it names has one of the answers it
/// gives. A question that was not asked itself, or was left empty, equals only
/// the empty text.
pub fn holds(when: &BTreeMap<String, String>, answers: &Answers) -> bool {
    when.iter().all(|(name, wanted)| {
        let answer = answers.get(name).map(Answer::text).unwrap_or_default();
        alternatives(wanted).any(|one| one == answer)
    })
}
