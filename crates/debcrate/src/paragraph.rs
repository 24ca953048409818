//! Paragraphs of deb822(5) control data.

use std::fmt;

use crate::error::{Error, Result};

/// An ordered set of fields, as in deb822(5). Names compare without regard to
/// case and keep the spelling they were first set with.
///
/// A value is its lines joined by `'\n'`, without the blank that leads each
/// continuation line in a file and without the dot that stands for an empty
/// line there. Blanks at the end of a line, and empty lines at the end of a
/// value, carry nothing and are dropped.
///
/// ```
/// let mut control = debcrate::Paragraph::new();
/// control.set("Package", "hello")?;
/// control.set("Description", "greets\nOnce.\n\nAnd again.")?;
/// assert_eq!(
///     control.to_string(),
///     "Package: hello\nDescription: greets\n Once.\n .\n And again.\n"
/// );
/// # Ok::<(), debcrate::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paragraph {
    fields: Vec<(String, String)>,
}

impl Paragraph {
    /// A paragraph without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field, in place if it is there already, else behind the others.
    /// A value without content removes the field: an empty field is an error
    /// to Launchpad and dpkg writes none.
    ///
    /// Names are printable ASCII without `:`, and do not begin with `#` or
    /// `-`. A value may hold no control character but tab and newline, and no
    /// Unicode line separator, so no value can begin another field.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        check_name(name)?;
        let value = normal_value(name, value)?;
        let position = self.position(name);
        match (position, value.is_empty()) {
            (Some(index), true) => {
                self.fields.remove(index);
            }
            (Some(index), false) => self.fields[index].1 = value,
            (None, true) => {}
            (None, false) => self.fields.push((name.to_owned(), value)),
        }
        Ok(())
    }

    /// The value of a field, lines joined by `'\n'`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.position(name)
            .map(|index| self.fields[index].1.as_str())
    }

    /// Takes a field out and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.position(name).map(|index| self.fields.remove(index).1)
    }

    /// Name and value of every field, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Puts the fields into the given order; fields that it does not name
    /// follow by name, as dpkg writes them.
    pub fn sort_by(&mut self, order: &[&str]) {
        let rank = |name: &str| {
            order
                .iter()
                .position(|known| known.eq_ignore_ascii_case(name))
                .unwrap_or(order.len())
        };
        self.fields
            .sort_by(|(a, _), (b, _)| (rank(a), a).cmp(&(rank(b), b)));
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.fields
            .iter()
            .position(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Paragraph {
    /// The paragraph as in a file, ending in a newline, without the empty
    /// line that separates it from the next.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.fields {
            let mut lines = value.split('\n');
            let first = lines.next().unwrap_or_default();
            let blank = if first.is_empty() { "" } else { " " };
            writeln!(f, "{name}:{blank}{first}")?;
            for line in lines {
                // dpkg writes a line of dots with one dot more, so that a
                // single dot can stand for the empty line.
                let dot = if line.bytes().all(|byte| byte == b'.') {
                    "."
                } else {
                    ""
                };
                writeln!(f, " {dot}{line}")?;
            }
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<()> {
    let legal = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    if name.is_empty() || !name.bytes().all(legal) {
        return Err(Error::field(
            name,
            "a field name is printable ASCII without blanks and colons",
        ));
    }
    if name.starts_with(['#', '-']) {
        return Err(Error::field(
            name,
            "a field name does not begin with '#' or '-'",
        ));
    }
    Ok(())
}

fn normal_value(name: &str, value: &str) -> Result<String> {
    let illegal =
        |c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{2028}' || c == '\u{2029}';
    if let Some(found) = value.chars().find(|&c| illegal(c)) {
        return Err(Error::field(
            name,
            format!("the value holds the control character {found:?}; remove it"),
        ));
    }
    let mut normal = String::with_capacity(value.len());
    for (index, line) in value.split('\n').enumerate() {
        // dpkg ends a paragraph at ASCII blanks only; tools that decode the text first,
        // at any of Unicode's.
        let line = if line.trim().is_empty() { "" } else { line };
        if index == 0 {
            normal.push_str(line.trim_matches([' ', '\t']));
        } else {
            normal.push('\n');
            normal.push_str(line.trim_end_matches([' ', '\t']));
        }
    }
    normal.truncate(normal.trim_end_matches('\n').len());
    Ok(normal)
}

/// Reads control data: paragraphs separated by empty lines. Lines that begin
/// with `#` are comments. Fields without a value are left out. Signatures
/// around the text must have been taken off.
pub fn parse_paragraphs(text: &str) -> Result<Vec<Paragraph>> {
    let mut parser = Parser::default();
    for (index, line) in text.lines().enumerate() {
        parser.line(index + 1, line)?;
    }
    parser.end_paragraph()?;
    Ok(parser.paragraphs)
}

#[derive(Default)]
struct Parser {
    paragraphs: Vec<Paragraph>,
    paragraph: Paragraph,
    seen: Vec<String>,
    /// Line number, name and value of the field being read.
    field: Option<(usize, String, String)>,
}

impl Parser {
    fn line(&mut self, number: usize, line: &str) -> Result<()> {
        let line = line.trim_end_matches([' ', '\t', '\r']);
        if line.is_empty() {
            return self.end_paragraph();
        }
        if line.starts_with('#') {
            return Ok(());
        }
        if line.starts_with([' ', '\t']) {
            let Some((_, _, value)) = &mut self.field else {
                return Err(syntax(number, "a continuation line without a field"));
            };
            let content = &line[1..];
            let dots = content.bytes().all(|byte| byte == b'.');
            value.push('\n');
            value.push_str(
                content
                    .strip_prefix('.')
                    .filter(|_| dots)
                    .unwrap_or(content),
            );
            return Ok(());
        }
        self.end_field()?;
        let Some((name, value)) = line.split_once(':') else {
            return Err(syntax(number, "neither `Name: value` nor a continuation"));
        };
        if self.seen.iter().any(|seen| seen.eq_ignore_ascii_case(name)) {
            return Err(syntax(number, format!("field {name:?} occurs twice")));
        }
        self.seen.push(name.to_owned());
        self.field = Some((number, name.to_owned(), value.to_owned()));
        Ok(())
    }

    fn end_field(&mut self) -> Result<()> {
        if let Some((number, name, value)) = self.field.take() {
            self.paragraph
                .set(&name, &value)
                .map_err(|error| syntax(number, error.to_string()))?;
        }
        Ok(())
    }

    fn end_paragraph(&mut self) -> Result<()> {
        self.end_field()?;
        self.seen.clear();
        if !self.paragraph.is_empty() {
            self.paragraphs.push(std::mem::take(&mut self.paragraph));
        }
        Ok(())
    }
}

fn syntax(line: usize, reason: impl Into<String>) -> Error {
    Error::Syntax {
        line,
        reason: reason.into(),
    }
}
