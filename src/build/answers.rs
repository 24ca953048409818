//! Answers files: what debconf would have asked, as TOML.

use std::collections::BTreeMap;
use std::path::Path;

use crate::failure::Failure;
use crate::recipe::answer;
use crate::recipe::model::Recipe;

/// The content of an answers file, by question name.
#[derive(Debug, Default)]
pub struct Answers {
    /// Cluster-wide answers: table `[cluster]`.
    pub cluster: BTreeMap<String, String>,
    /// The role's own: table `[role]`.
    pub role: BTreeMap<String, String>,
}

/// Reads an answers file. Values are strings, integers or booleans.
///
/// # Errors
/// The file cannot be read, is no TOML, or has another table or value.
pub fn answers(path: &Path) -> Result<Answers, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::usage(format!("reading {shown}: {e}")))?;
    let table: toml::Table = text
        .parse()
        .map_err(|e| Failure::no(format!("{shown}: {e}")))?;
    let mut answers = Answers::default();
    for (name, value) in table {
        let into = match name.as_str() {
            "cluster" => &mut answers.cluster,
            "role" => &mut answers.role,
            _ => {
                return Err(Failure::no(format!(
                    "{shown}: unknown table [{name}]; write [cluster] or [role]"
                )));
            }
        };
        let toml::Value::Table(values) = value else {
            return Err(Failure::no(format!(
                "{shown}: {name} must be a table [{name}]"
            )));
        };
        for (question, value) in values {
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(truth) => truth.to_string(),
                _ => {
                    return Err(Failure::no(format!(
                        "{shown}: {name}.{question} must be a string, a whole number, true or false"
                    )));
                }
            };
            into.insert(question, text);
        }
    }
    Ok(answers)
}

/// Holds answers against the questions of the role and of the node.
///
/// # Errors
/// All that is wrong with them, a line each.
pub fn validate(
    path: &Path,
    answers: &Answers,
    recipe: &Recipe,
    node: &Recipe,
) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for (table, questions, given) in [
        ("cluster", &node.question, &answers.cluster),
        ("role", &recipe.question, &answers.role),
    ] {
        for name in given.keys() {
            if questions.iter().all(|question| question.name != *name) {
                wrong.push(format!(
                    "{}: [{table}] has no question {name}; remove the line",
                    path.display()
                ));
            }
        }
        if let Err(problems) = answer::validate(questions, given) {
            wrong.extend(
                problems
                    .iter()
                    .map(|problem| format!("{}: [{table}] {problem}", path.display())),
            );
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Failure::no(wrong.join("\n       ")))
    }
}
