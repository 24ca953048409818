//! Every `{{ … }}` names a question, and a field that its answers have.

use super::Checker;
use crate::recipe::document::{Step, at};
use crate::recipe::model::{Question, QuestionType};
use crate::recipe::suggest;
use crate::recipe::template::{self, Piece, Reference};

/// Types that a templated value takes its text from.
const ANY: &[QuestionType] = &[
    QuestionType::Address,
    QuestionType::AddressPrefix,
    QuestionType::HostName,
    QuestionType::Host,
    QuestionType::NodeList,
    QuestionType::BlockDevice,
    QuestionType::Path,
    QuestionType::Integer,
    QuestionType::Choice,
    QuestionType::Boolean,
    QuestionType::Text,
    QuestionType::Password,
];

pub(super) fn check(checker: &mut Checker) {
    let recipe = checker.recipe;
    for (index, drbd) in recipe.drbd.iter().enumerate() {
        device(checker, at!["drbd", index, "device"], &drbd.device);
    }
    for (index, lvm) in recipe.lvm.iter().enumerate() {
        device(checker, at!["lvm", index, "device"], &lvm.device);
        for (volume, size) in &lvm.volumes {
            let path = at!["lvm", index, "volumes", volume];
            value(
                checker,
                path,
                size,
                &[QuestionType::Text, QuestionType::Choice],
            );
        }
    }
    for (index, filesystem) in recipe.filesystem.iter().enumerate() {
        let path = at!["filesystem", index, "device"];
        let devices = &[QuestionType::BlockDevice];
        value(checker, path, &filesystem.device, devices);
        let path = at!["filesystem", index, "type"];
        value(checker, path, &filesystem.kind, &[QuestionType::Choice]);
        let path = at!["filesystem", index, "mount"];
        value(checker, path, &filesystem.mount, &[QuestionType::Path]);
        for (entry, directory) in filesystem.migrate.iter().enumerate() {
            let path = at!["filesystem", index, "migrate", entry];
            value(checker, path, directory, &[QuestionType::Path]);
        }
    }
    for (index, resource) in recipe.resource.iter().enumerate() {
        let path = at!["resource", index, "agent"];
        let words = &[QuestionType::Text, QuestionType::Choice];
        value(checker, path, &resource.agent, words);
        for (name, text) in &resource.params {
            value(checker, at!["resource", index, "params", name], text, ANY);
        }
        for (name, text) in &resource.meta {
            value(checker, at!["resource", index, "meta", name], text, ANY);
        }
    }
    for (index, clone) in recipe.clone.iter().enumerate() {
        for (name, text) in &clone.meta {
            value(checker, at!["clone", index, "meta", name], text, ANY);
        }
    }
    for (name, text) in &recipe.property {
        value(checker, at!["property", name], text, ANY);
    }
}

fn device(checker: &mut Checker, path: &[Step], text: &str) {
    value(checker, path, text, &[QuestionType::BlockDevice]);
}

fn value(checker: &mut Checker, path: &[Step], text: &str, kinds: &[QuestionType]) {
    match template::parse(text) {
        Ok(pieces) => {
            for piece in pieces {
                if let Piece::Reference(reference) = piece {
                    check_reference(checker, path, &reference, kinds);
                }
            }
        }
        Err(error) => checker.part(
            path,
            error.span,
            error.message,
            "write `{{ question }}`, `{{ question.field }}` or `{{ cluster.question }}`",
        ),
    }
}

fn check_reference(
    checker: &mut Checker,
    path: &[Step],
    reference: &Reference,
    kinds: &[QuestionType],
) {
    let node = checker.context.node;
    let (questions, whose): (&[Question], &str) = match (reference.cluster, node) {
        (false, _) => (&checker.recipe.question, "question"),
        (true, Some(node)) => (&node.question, "question of the node recipe"),
        (true, None) => (
            &[],
            "question of the node recipe, for there is no node recipe",
        ),
    };
    let name = reference.question;
    let part = reference.span.clone();
    let Some(question) = questions.iter().find(|question| question.name == name) else {
        let remedy = if !reference.cluster && is_question(node.map(|n| &n.question), name) {
            let field = reference.field.map(|field| format!(".{field}"));
            let field = field.unwrap_or_default();
            format!("write `{{{{ cluster.{name}{field} }}}}`: it is asked for the whole cluster")
        } else {
            suggest::remedy(
                name,
                questions.iter().map(|question| question.name.as_str()),
            )
        };
        checker.part(path, part, format!("`{name}` is no {whose}"), remedy);
        return;
    };
    let fields = template::fields(question.kind);
    let known = |field: &str| fields.contains(&field);
    match reference.field {
        Some(field) if !known(field) => {
            let remedy = match fields {
                [] => format!("write `{{{{ {name} }}}}`: such an answer is used whole"),
                _ => suggest::remedy(field, fields.iter().copied()),
            };
            let message = format!("an answer to `{name}` has no field `{field}`");
            checker.part(path, part, message, remedy);
        }
        _ if question.kind == QuestionType::Password => checker.part(
            path,
            part,
            format!(
                "`{name}` is a password, and every node shows its configuration to whoever asks"
            ),
            "leave the password out; what needs it reads its file under /etc/ubuntu-ha/secrets",
        ),
        _ if !kinds.contains(&question.kind) => {
            let wanted: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            checker.part(
                path,
                part,
                format!(
                    "an answer of type {} cannot stand here",
                    question.kind.name()
                ),
                format!("refer to a question of type {}", wanted.join(" or ")),
            );
        }
        _ => {}
    }
}

fn is_question(questions: Option<&Vec<Question>>, name: &str) -> bool {
    questions.is_some_and(|all| all.iter().any(|question| question.name == name))
}
