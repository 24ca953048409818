//! `[[question]]`: what debconf can ask and the node program can check.

use super::{Checker, text, wrong_and_remedy};
use crate::recipe::answer::{SHORTEST_PASSWORD, parse_answer};
use crate::recipe::document::{Step, at};
use crate::recipe::model::{Question, QuestionType, alternatives};
use crate::recipe::suggest;
use crate::recipe::template::CLUSTER;

/// Longest prompt (lintian: too-long-short-description-in-templates).
const PROMPT: usize = 75;

/// What may limit the length of an answer, in bytes: a password is no shorter,
/// and debconf's frontends take no longer line.
const LENGTHS: std::ops::RangeInclusive<i64> = SHORTEST_PASSWORD as i64..=4096;

/// Most lines of help on an 80-column terminal (debconf-devel(7)).
const HELP_LINES: usize = 20;

pub(super) fn check(checker: &mut Checker) {
    let questions = &checker.recipe.question;
    for (index, question) in questions.iter().enumerate() {
        name(checker, index, question);
        prompt(checker, index, question);
        help(checker, index, question);
        choices(checker, index, question);
        range(checker, index, question);
        default(checker, index, question);
        when(checker, index, question);
        if question.optional && question.kind == QuestionType::Boolean {
            checker.value(
                at!["question", index, "optional"],
                "a boolean cannot be left empty",
                "take `optional` out",
            );
        }
    }
}

fn name(checker: &mut Checker, index: usize, question: &Question) {
    let path = at!["question", index, "name"];
    let name = &question.name;
    let sound = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !sound {
        checker.value(
            path,
            format!("`{name}` is no name for a question"),
            "begin with a lower-case letter and go on with letters, digits and `_`",
        );
    } else if name.starts_with("invalid_") || name.len() > 40 {
        checker.value(
            path,
            "the name is longer than 40 characters, or begins as the error messages do",
            "give the question another name, without `invalid_` before it",
        );
    } else if name == CLUSTER {
        checker.value(
            path,
            "`cluster` stands for the cluster-wide questions in templates",
            "give the question another name",
        );
    } else if checker.recipe.question[..index]
        .iter()
        .any(|earlier| earlier.name == *name)
    {
        checker.value(
            path,
            format!("there are two questions `{name}`"),
            "give one of them another name",
        );
    }
}

fn prompt(checker: &mut Checker, index: usize, question: &Question) {
    let path = at!["question", index, "prompt"];
    let prompt = &question.prompt;
    let (end, kind) = match question.kind {
        QuestionType::Boolean => ('?', "a boolean"),
        _ => (':', "such a question"),
    };
    let length = prompt.chars().count();
    if !prompt.ends_with(end) || prompt.trim() != prompt || length < 2 {
        checker.value(
            path,
            format!("the prompt of {kind} ends with `{end}`"),
            format!("write it as \"…{end}\", without blanks at its ends"),
        );
    }
    if length > PROMPT {
        checker.value(
            path,
            format!("the prompt has {length} characters, {PROMPT} are allowed"),
            "shorten it; the help has room for the rest",
        );
    }
    let first = prompt.split_whitespace().next().unwrap_or_default();
    let lower = first.to_lowercase();
    let asks = ["what", "who", "when", "where", "which", "how"];
    let orders = [
        "Please", "Choose", "Chose", "Enter", "Select", "Specify", "Give",
    ];
    match question.kind {
        QuestionType::Boolean => {}
        QuestionType::Choice if orders.contains(&first) => checker.part(
            path,
            0..first.len(),
            format!("the prompt gives an order: `{first}`"),
            "name what is wanted, such as \"Filesystem:\"",
        ),
        QuestionType::Choice => {}
        // Lintian goes by the first letters, so "Whichever" counts too.
        _ if asks.iter().any(|word| lower.starts_with(word)) => checker.part(
            path,
            0..first.len(),
            "the prompt is a question, but an answer is typed behind it",
            "name what is wanted, such as \"Virtual IP address:\"",
        ),
        _ => {}
    }
    text::no_variables(checker, path, prompt);
    text::prose(checker, path, prompt);
}

fn help(checker: &mut Checker, index: usize, question: &Question) {
    let path = at!["question", index, "help"];
    let help = &question.help;
    if help.trim().is_empty() {
        checker.value(
            path,
            "the help is empty",
            "say what the answer is used for and how it looks",
        );
        return;
    }
    let lines = wrapped_lines(help);
    if lines > HELP_LINES {
        checker.value(
            path,
            format!("the help fills {lines} lines, {HELP_LINES} are allowed"),
            "shorten it; the rest belongs into the description",
        );
    }
    let mut at = 0;
    for word in help.split(|c: char| c.is_whitespace()) {
        if word.len() > 1 && word.ends_with('?') {
            checker.part(
                path,
                at..at + word.len(),
                "the help asks a question",
                "only the prompt of a boolean does; write a statement",
            );
            break;
        }
        at += word.len() + 1;
    }
    if question.kind == QuestionType::Boolean {
        if let Some(span) = says_yes(help) {
            checker.part(
                path,
                span,
                "the help speaks of a button that a frontend may not have",
                "say what happens when the question is affirmed",
            );
        }
    }
    let mut at = 0;
    for line in help.split('\n') {
        if line.trim_start().starts_with('.') {
            checker.part(
                path,
                at..at + line.len(),
                "a line of help cannot begin with a full stop",
                "begin it with a word, and part paragraphs by an empty line",
            );
        }
        at += line.len() + 1;
    }
    text::no_variables(checker, path, help);
    text::prose(checker, path, help);
}

/// Lines when each paragraph is filled to 78 columns; an indented line stays
/// alone.
fn wrapped_lines(help: &str) -> usize {
    let (mut lines, mut column) = (0, 0);
    for line in help.trim().lines() {
        if line.trim().is_empty() {
            (lines, column) = (lines + 1, 0);
            continue;
        }
        if line.starts_with(' ') {
            column = 0;
        }
        for word in line.split_whitespace() {
            let width = word.chars().count();
            if column == 0 || column + 1 + width > 78 {
                (lines, column) = (lines + 1, width);
            } else {
                column += 1 + width;
            }
        }
    }
    lines
}

fn says_yes(help: &str) -> Option<std::ops::Range<usize>> {
    let lower = help.to_ascii_lowercase();
    let around = |at: usize| lower.as_bytes().get(at).copied().unwrap_or(b' ');
    lower
        .match_indices("yes")
        .map(|(at, word)| at..at + word.len())
        .find(|span| {
            let before = span.start.checked_sub(1).map_or(b' ', around);
            b" '\"\n".contains(&before) && b" '\",;.\n".contains(&around(span.end))
        })
}

fn choices(checker: &mut Checker, index: usize, question: &Question) {
    let path = at!["question", index, "choices"];
    let choices = &question.choices;
    if question.kind != QuestionType::Choice {
        if !choices.is_empty() {
            checker.key(
                path,
                "only a choice has `choices`",
                "take it out, or write type = \"choice\"",
            );
        }
        return;
    }
    if choices.len() < 2 {
        checker.key(
            path,
            "a choice offers at least two values",
            "write a list: choices = [\"ext4\", \"xfs\"]",
        );
    }
    for (at, choice) in choices.iter().enumerate() {
        let path = at!["question", index, "choices", at];
        if choices[..at].contains(choice) {
            checker.value(path, format!("`{choice}` is offered twice"), "keep one");
        } else if choice.contains(',') {
            checker.value(
                path,
                "debconf separates choices at commas",
                "write the value without a comma",
            );
        } else if choice.is_empty()
            || choice.trim() != choice
            || choice.contains(['"', '\'', '\\', '`', '$', '|'])
            || choice.chars().count() > 60
        {
            checker.value(
                path,
                "the value cannot be offered",
                "write up to 60 characters, without quotes, `\\`, `$`, `|` and outer blanks",
            );
        }
    }
}

fn range(checker: &mut Checker, index: usize, question: &Question) {
    let integer = question.kind == QuestionType::Integer;
    let password = question.kind == QuestionType::Password;
    if question.min.is_some() && !integer && !password {
        checker.key(
            at!["question", index, "min"],
            "only an integer and a password have `min`",
            "take it out, or write type = \"integer\"",
        );
    }
    if let Some(min) = question.min.filter(|_| password) {
        let most = question.max.unwrap_or(*LENGTHS.end());
        if !(1..=most).contains(&min) {
            checker.value(
                at!["question", index, "min"],
                format!("a password cannot be at least {min} bytes long"),
                format!("write a length from 1 to {most}"),
            );
        }
    }
    let Some(max) = question.max else {
        return;
    };
    let path = at!["question", index, "max"];
    if question.kind.has_length() {
        if !LENGTHS.contains(&max) {
            checker.value(
                path,
                format!("an answer cannot be limited to {max} bytes"),
                format!(
                    "write a length from {} to {}",
                    LENGTHS.start(),
                    LENGTHS.end()
                ),
            );
        }
    } else if !integer {
        checker.key(
            path,
            "only an integer, a password and a string have `max`",
            "take it out, or write type = \"integer\"",
        );
    } else if question.min.is_some_and(|min| min > max) {
        checker.value(
            at!["question", index, "min"],
            format!(
                "no number is at least {} and at most {max}",
                question.min.unwrap_or_default()
            ),
            "exchange `min` and `max`",
        );
    }
}

fn default(checker: &mut Checker, index: usize, question: &Question) {
    let Some(default) = &question.default else {
        return;
    };
    let path = at!["question", index, "default"];
    if question.kind == QuestionType::Password {
        checker.key(
            path,
            "a password has no default: every installation would share it",
            "take it out; `optional = true` allows none",
        );
    } else if default.is_empty() {
        checker.value(
            path,
            "the default is empty",
            "take it out; `optional = true` allows no answer",
        );
    } else if let Err(message) = parse_answer(question, default) {
        let (wrong, remedy) = wrong_and_remedy(&message);
        checker.value(
            path,
            format!("the default is no valid answer: {wrong}"),
            remedy,
        );
    }
    text::no_variables(checker, path, default);
}

fn when(checker: &mut Checker, index: usize, question: &Question) {
    for (name, value) in &question.when {
        let path = at!["question", index, "when", name];
        let earlier = &checker.recipe.question[..index];
        condition(checker, path, earlier, name, value);
    }
}

/// `when` of a question or a resource: one of these questions has one of these
/// answers.
pub(super) fn condition(
    checker: &mut Checker,
    path: &[Step],
    questions: &[Question],
    name: &str,
    value: &str,
) {
    let Some(asked) = questions.iter().find(|question| question.name == name) else {
        let all = &checker.recipe.question;
        if all.iter().any(|question| question.name == name) {
            checker.key(
                path,
                format!("`{name}` is not asked before this question"),
                "move this question behind it",
            );
        } else {
            let known = questions.iter().map(|question| question.name.as_str());
            checker.key(
                path,
                format!("`{name}` is no question"),
                suggest::remedy(name, known),
            );
        }
        return;
    };
    if asked.kind == QuestionType::Password {
        checker.key(
            path,
            "a password is no condition",
            "ask a boolean or a choice first",
        );
        return;
    }
    for (index, one) in alternatives(value).enumerate() {
        if alternatives(value).take(index).any(|other| other == one) {
            checker.value(path, format!("{one:?} stands there twice"), "keep one");
            continue;
        }
        if one.is_empty() && asked.optional {
            continue;
        }
        let never = format!("`{name}` is never {one:?}");
        match parse_answer(asked, one) {
            Ok(answer) if answer.text() == one => {}
            Ok(answer) => checker.value(
                path,
                never,
                format!("write it as answers are kept: {:?}", answer.text()),
            ),
            Err(message) => {
                let (wrong, remedy) = wrong_and_remedy(&message);
                checker.value(path, format!("{never}: {wrong}"), remedy);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_counted_as_a_frontend_fills_it() {
        assert_eq!(wrapped_lines("one\ntwo\n\nthree"), 3);
        assert_eq!(wrapped_lines(&"word ".repeat(16)), 2);
        assert_eq!(wrapped_lines("a\n  b\n  c"), 3);
    }

    #[test]
    fn yes_is_found_where_lintian_finds_it() {
        assert_eq!(says_yes("If you answer Yes, it goes."), Some(14..17));
        assert_eq!(says_yes("say 'yes'"), Some(5..8));
        assert_eq!(says_yes("eyes yesterday"), None);
    }
}
