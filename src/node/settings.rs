//! Files of answers: one `name = value` per line, comments kept.

use std::collections::BTreeMap;

use toml_edit::{Document, DocumentMut, Formatted, Item, Value};

use crate::recipe::answer::Answer;
use crate::recipe::model::{Question, QuestionType};

/// A file of answers as it was read.
#[derive(Debug)]
pub struct Settings {
    entries: BTreeMap<String, Entry>,
}

/// One answer in the file.
#[derive(Debug)]
pub struct Entry {
    /// From 1.
    pub line: usize,
    /// The answer as text; `None` for a table, a list, a date or a float.
    pub value: Option<String>,
    /// Stands on its line as debconf's reader expects it.
    pub plain: bool,
}

/// Why a file is no TOML.
#[derive(Debug)]
pub struct SyntaxError {
    /// From 1.
    pub line: usize,
    pub message: String,
}

impl Settings {
    /// Reads a file of answers.
    ///
    /// # Errors
    /// `text` is no TOML; the first thing wrong.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let document = Document::parse(text).map_err(|error| SyntaxError {
            line: line_at(text, error.span().map_or(0, |span| span.start)),
            message: error.message().trim_end().replace('\n', "; "),
        })?;
        let table = document.as_table();
        let mut entries = BTreeMap::new();
        for (name, item) in table {
            let span = table.key(name).and_then(|key| key.span());
            let start = span.or_else(|| item.span()).map_or(0, |span| span.start);
            let line = line_at(text, start);
            let source = text.lines().nth(line - 1).unwrap_or_default();
            entries.insert(
                name.to_string(),
                Entry {
                    line,
                    value: as_text(item),
                    plain: is_plain(source, name),
                },
            );
        }
        Ok(Self { entries })
    }

    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries
            .iter()
            .map(|(name, entry)| (name.as_str(), entry))
    }

    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }
}

fn as_text(item: &Item) -> Option<String> {
    match item.as_value()? {
        Value::String(text) => Some(text.value().clone()),
        Value::Integer(number) => Some(number.value().to_string()),
        Value::Boolean(truth) => Some(truth.value().to_string()),
        _ => None,
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}

/// `name = "text"`, `name = 'text'`, `name = 12` or `name = true`, a comment may follow: what
/// the shell of debconf's config script understands too.
fn is_plain(line: &str, name: &str) -> bool {
    let Some(value) = line
        .trim_start()
        .strip_prefix(name)
        .and_then(|rest| rest.trim_start().strip_prefix('='))
        .map(str::trim_start)
    else {
        return false;
    };
    let rest = if let Some(text) = value.strip_prefix('"') {
        match text.split_once('"') {
            Some((text, rest)) if !text.contains('\\') && !rest.starts_with('"') => rest,
            _ => return false,
        }
    } else if let Some(text) = value.strip_prefix('\'') {
        match text.split_once('\'') {
            Some((_, rest)) if !rest.starts_with('\'') => rest,
            _ => return false,
        }
    } else {
        let end = value.find([' ', '\t', '#']).unwrap_or(value.len());
        let (word, rest) = value.split_at(end);
        let digits = word.strip_prefix('-').unwrap_or(word);
        let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if !number && word != "true" && word != "false" {
            return false;
        }
        rest
    };
    let rest = rest.trim_start();
    rest.is_empty() || rest.starts_with('#')
}

/// What an answer becomes.
#[derive(Debug)]
pub enum Change<'a> {
    Set(&'a Question, &'a Answer),
    /// An optional answer that was taken back.
    Clear(&'a Question),
}

/// `text` with the changes made and everything else as it was. A new answer
/// goes to the end, below its question's prompt.
///
/// # Errors
/// `text` is no TOML.
pub fn edit(text: &str, changes: &[Change<'_>]) -> Result<String, SyntaxError> {
    let mut document: DocumentMut =
        text.parse()
            .map_err(|error: toml_edit::TomlError| SyntaxError {
                line: line_at(text, error.span().map_or(0, |span| span.start)),
                message: error.message().to_string(),
            })?;
    let mut comment = take_last_comment(&mut document);
    let table = document.as_table_mut();
    for change in changes {
        let (question, mut value) = match change {
            Change::Set(question, answer) => (question, native(answer)),
            Change::Clear(question) => (question, basic_string("")),
        };
        if let Some(old) = table.get_mut(&question.name).and_then(Item::as_value_mut) {
            *value.decor_mut() = old.decor().clone();
            *old = value;
            continue;
        }
        table.insert(&question.name, Item::Value(value));
        if let Some(mut key) = table.key_mut(&question.name) {
            let prompt = question.prompt.replace('\n', " ");
            let before = std::mem::take(&mut comment);
            key.leaf_decor_mut()
                .set_prefix(format!("{before}\n# {prompt}\n"));
        }
    }
    let rest = document.trailing().as_str().unwrap_or_default().to_string();
    document.set_trailing(rest + &comment);
    Ok(document.to_string())
}

/// The comment below the last answer, so that new answers can follow it. Below
/// a table it stays: an answer there would be the table's.
fn take_last_comment(document: &mut DocumentMut) -> String {
    if document.iter().any(|(_, item)| !item.is_value()) {
        return String::new();
    }
    let comment = document.trailing().as_str().unwrap_or_default().to_string();
    document.set_trailing("");
    comment
}

/// The comment at the head of a new file.
pub fn header(package: &str, name: &str) -> String {
    format!(
        "# Answers to the questions of {package}: one `name = value` a line.\n\
         # Edit them here, or run dpkg-reconfigure {package}, which starts from\n\
         # this file. Then run: ubuntu-ha check {name}\n"
    )
}

fn native(answer: &Answer) -> Value {
    match answer {
        Answer::Integer(number) => Value::from(*number),
        Answer::Boolean(truth) => Value::from(*truth),
        other => basic_string(&other.text()),
    }
}

/// `"…"` whatever the text: the shell that reads it knows no other string.
fn basic_string(text: &str) -> Value {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
        .parse()
        .unwrap_or_else(|_| Value::String(Formatted::new(text.into())))
}

/// Whether the file's answer means the same as `answer`.
pub fn means(entry: &Entry, question: &Question, answer: &Answer) -> bool {
    let text = entry.value.as_deref().unwrap_or_default();
    crate::recipe::answer::parse_answer(question, text).as_ref() == Ok(answer)
}

/// Whether the answers file may hold the answer to this question.
pub fn is_kept(question: &Question) -> bool {
    question.kind != QuestionType::Password
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::answer::parse_answer;

    fn question(name: &str, kind: &str) -> Question {
        toml::from_str(&format!(
            "name = \"{name}\"\ntype = \"{kind}\"\nprompt = \"What:\"\nhelp = \"H\"\n"
        ))
        .unwrap()
    }

    fn set(text: &str, name: &str, kind: &str, answer: &str) -> String {
        let question = question(name, kind);
        let answer = parse_answer(&question, answer).unwrap();
        edit(text, &[Change::Set(&question, &answer)]).unwrap()
    }

    #[test]
    fn comments_and_order_survive() {
        let old = "# mine\n\nb = 1   # why\na = \"x\"\n# last words\n";
        assert_eq!(
            set(old, "b", "integer", "2"),
            "# mine\n\nb = 2   # why\na = \"x\"\n# last words\n"
        );
    }

    #[test]
    fn new_answers_are_flat_and_native() {
        let text = set("", "a", "string", "plain text");
        let text = set(&text, "n", "integer", "-4");
        let text = set(&text, "yes", "boolean", "true");
        assert_eq!(
            text,
            "\n# What:\na = \"plain text\"\n\n# What:\nn = -4\n\n# What:\nyes = true\n"
        );
    }

    #[test]
    fn new_answers_follow_what_the_file_ends_with() {
        assert_eq!(
            set("a = 1\n# last words\n", "n", "integer", "4"),
            "a = 1\n# last words\n\n# What:\nn = 4\n"
        );
        assert_eq!(
            set("[t]\nx = 1\n# last words\n", "n", "integer", "4"),
            "\n# What:\nn = 4\n[t]\nx = 1\n# last words\n"
        );
    }

    #[test]
    fn an_answer_taken_back_is_an_empty_string() {
        let question = question("a", "string");
        let text = edit("a = \"x\" # c\n", &[Change::Clear(&question)]).unwrap();
        assert_eq!(text, "a = \"\" # c\n");
    }

    #[test]
    fn entries_know_their_line_and_form() {
        let text = "# c\na = \"x\" # y\nb = 'x'#z\nc = [1]\nd = 0x10\ne = true\n\"f\" = 1\ng = \"a\\u0041\"\nh = '''x'''\n";
        let settings = Settings::parse(text).unwrap();
        let plain: Vec<_> = settings
            .entries()
            .map(|(name, entry)| (name, entry.line, entry.plain, entry.value.is_some()))
            .collect();
        assert_eq!(
            plain,
            [
                ("a", 2, true, true),
                ("b", 3, true, true),
                ("c", 4, false, false),
                ("d", 5, false, true),
                ("e", 6, true, true),
                ("f", 7, false, true),
                ("g", 8, false, true),
                ("h", 9, false, true),
            ]
        );
    }

    #[test]
    fn a_syntax_error_has_its_line() {
        assert_eq!(Settings::parse("a = 1\nb = = 2\n").unwrap_err().line, 2);
        assert_eq!(Settings::parse("a = 1\na = 2\n").unwrap_err().line, 2);
    }

    #[test]
    fn the_same_answer_in_other_words_is_no_change() {
        let settings = Settings::parse("a = \"2001:DB8::1\"\n").unwrap();
        let question = question("a", "address");
        let answer = parse_answer(&question, "2001:db8::1").unwrap();
        assert!(means(settings.get("a").unwrap(), &question, &answer));
    }
}
