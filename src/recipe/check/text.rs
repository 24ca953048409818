//! Characters that could break a control file, a script or a terminal.

use toml::de::{DeTable, DeValue};

use super::Checker;
use crate::recipe::document::Step;
use crate::recipe::problem::is_printable;

/// Every string of the recipe, and every key. Only texts may have lines.
pub(super) fn check(checker: &mut Checker) {
    let document = checker.document;
    table(checker, &mut Vec::new(), document.root.get_ref());
}

fn table<'d>(checker: &mut Checker, path: &mut Vec<Step<'d>>, table: &'d DeTable) {
    for (key, value) in table.iter() {
        path.push(Step::Key(key.get_ref()));
        if !key.get_ref().chars().all(is_printable) {
            checker.key(
                path,
                "the key holds a control or an invisible character",
                "write the key without it",
            );
        }
        value_at(checker, path, value.get_ref());
        path.pop();
    }
}

fn value_at<'d>(checker: &mut Checker, path: &mut Vec<Step<'d>>, value: &'d DeValue) {
    match value {
        DeValue::Table(inner) => table(checker, path, inner),
        DeValue::Array(array) => {
            for (index, element) in array.iter().enumerate() {
                path.push(Step::Index(index));
                value_at(checker, path, element.get_ref());
                path.pop();
            }
        }
        DeValue::String(text) => string(checker, path, text),
        _ => {}
    }
}

fn string(checker: &mut Checker, path: &[Step], text: &str) {
    if text.chars().all(is_printable) {
        return;
    }
    let many_lines = may_have_lines(path);
    let tabs = matches!(path, [Step::Key("hooks"), ..] | [Step::Key("file"), ..]);
    for (at, c) in text.char_indices() {
        if is_printable(c) || (c == '\n' && many_lines) || (c == '\t' && tabs) {
            continue;
        }
        let span = at..at + c.len_utf8();
        if c == '\n' {
            checker.part(
                path,
                span,
                "the value must be one line",
                "write it on one line, in single or double quotes",
            );
        } else if c == '\t' {
            checker.part(path, span, "the value holds a tab", "write blanks instead");
        } else if c == '\r' {
            checker.part(
                path,
                span,
                "the value holds a carriage return",
                "save the file with Unix line ends",
            );
        } else {
            checker.part(
                path,
                span,
                format!("the value holds the character U+{:04X}", u32::from(c)),
                "take it out: it cannot be seen, or controls a terminal",
            );
        }
        return;
    }
}

fn may_have_lines(path: &[Step]) -> bool {
    use Step::{Index, Key};
    matches!(
        path,
        [Key("role"), Key("description")]
            | [Key("question"), Index(_), Key("help")]
            | [Key("tasksel"), Key("description")]
            | [Key("file"), Index(_), Key("content")]
            | [Key("hooks"), Key(_)]
    )
}

/// Debconf and tasksel replace what looks like a variable.
pub(super) fn no_variables(checker: &mut Checker, path: &[Step], text: &str) {
    if let Some(at) = text.find("${") {
        checker.part(
            path,
            at..at + 2,
            "`${` begins a variable of debconf and dpkg",
            "write the text without `${`",
        );
    }
}

/// What a description of a package or a task may say (policy 5.6.13, and
/// what lintian makes of it).
pub(super) fn description(checker: &mut Checker, path: &[Step], text: &str) {
    if text.trim().is_empty() {
        checker.value(
            path,
            "the description is empty",
            "describe in a few lines what it is for",
        );
        return;
    }
    no_variables(checker, path, text);
    prose(checker, path, text);
    let mut at = 0;
    let mut first = true;
    for line in text.split('\n') {
        let span = at..at + line.len();
        at += line.len() + 1;
        if line.trim().is_empty() {
            continue;
        }
        if line.trim_start().starts_with('.') {
            checker.part(
                path,
                span.clone(),
                "a line of a description cannot begin with a full stop",
                "begin it with a word, and part paragraphs by an empty line",
            );
        }
        if first && line.starts_with(' ') {
            checker.part(
                path,
                span.clone(),
                "the description begins with blanks",
                "take them out; only an indented list or example begins so",
            );
        }
        if line.starts_with(' ') && line.chars().count() > 78 {
            checker.part(
                path,
                span,
                "an indented line is kept as it is, and this one is longer than 78 characters",
                "break it",
            );
        }
        first = false;
    }
}

/// Style that lintian demands of every description.
pub(super) fn prose(checker: &mut Checker, path: &[Step], text: &str) {
    const FIRST_PERSON: [&str; 14] = [
        "I", "my", "My", "our", "Our", "ours", "Ours", "mine", "myself", "ourself", "me", "us",
        "we", "We",
    ];
    let mut at = 0;
    for word in text.split(|c: char| c.is_whitespace()) {
        if word.len() <= 8 && FIRST_PERSON.contains(&word) {
            checker.part(
                path,
                at..at + word.len(),
                format!("`{word}` speaks in the first person"),
                "say it without the speaker",
            );
            return;
        }
        at += word.len() + 1;
    }
}

/// A comma without a blank behind it, outside numbers.
pub(super) fn commas(checker: &mut Checker, path: &[Step], text: &str) {
    for (at, _) in text.match_indices(',') {
        let next = text[at + 1..].chars().next();
        if next.is_some_and(|c| !c.is_whitespace() && !c.is_ascii_digit()) {
            checker.part(
                path,
                at..at + 1,
                "no blank follows the comma",
                "write a blank behind it",
            );
            return;
        }
    }
}
