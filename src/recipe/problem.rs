//! What is wrong with a recipe, where, and what to write instead.

use std::fmt;
use std::ops::Range;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity,
    SourceCode,
};
use serde::Serialize;

/// One error in a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The recipe's path as it was given.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// In characters; at least 1.
    pub length: usize,
    pub message: String,
    /// What to write instead.
    pub remedy: String,
    #[serde(skip)]
    span: Range<usize>,
}

/// Every error of one recipe, in the order of the text.
#[derive(Clone)]
pub struct Problems {
    file: String,
    text: String,
    problems: Vec<Problem>,
}

impl Problems {
    pub(crate) fn new(file: &str, text: &str) -> Self {
        Problems {
            file: file.into(),
            text: text.into(),
            problems: Vec::new(),
        }
    }

    /// Adds a problem at these bytes of the text.
    pub(crate) fn add(&mut self, span: Range<usize>, message: String, remedy: String) {
        let span = clamp(&self.text, span);
        let before = &self.text[..span.start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        self.problems.push(Problem {
            file: self.file.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            length: self.text[span.clone()].chars().count().max(1),
            message,
            remedy,
            span,
        });
    }

    /// The recipe, when nothing is wrong with it.
    pub(crate) fn or<T>(mut self, recipe: impl FnOnce() -> Option<T>) -> Result<T, Problems> {
        if self.problems.is_empty() {
            if let Some(recipe) = recipe() {
                return Ok(recipe);
            }
        }
        self.problems
            .sort_by_key(|problem| (problem.span.start, problem.span.end));
        self.problems.dedup();
        Err(self)
    }

    /// The text there, up to the end of its line.
    pub(super) fn excerpt(&self, span: &Range<usize>) -> &str {
        &self.text[clamp(&self.text, span.clone())]
    }

    /// The problems in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.problems.iter()
    }

    /// The report for people: each problem with its line and a caret.
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(100)
            .without_primary_span_start()
            .without_syntax_highlighting()
            .with_links(false);
        let text = printable(&self.text);
        let mut report = String::new();
        for problem in &self.problems {
            let place = format!("{}:{}:{}", problem.file, problem.line, problem.column);
            let shown = Shown {
                source: NamedSource::new(printable(&place), text.clone()),
                message: printable(&problem.message),
                remedy: printable(&problem.remedy),
                span: problem.span.clone(),
            };
            let written = handler.render_report(&mut report, &shown);
            debug_assert!(written.is_ok(), "a String takes any text");
        }
        report
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.problems).finish()
    }
}

impl std::error::Error for Problems {}

/// What miette draws of one problem.
#[derive(Debug)]
struct Shown {
    source: NamedSource<String>,
    message: String,
    remedy: String,
    span: Range<usize>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn severity(&self) -> Option<Severity> {
        Some(Severity::Error)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.remedy.is_empty()).then(|| Box::new(&self.remedy) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = LabeledSpan::new_with_span(None, self.span.clone());
        Some(Box::new(std::iter::once(span)))
    }
}

/// Whether a character may reach a terminal, a control file or a script:
/// no control characters, no invisible or direction-changing ones.
pub(super) fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    !(c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(
            c,
            '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
        ))
}

/// The text with whatever could upset a terminal replaced, byte for byte.
fn printable(text: &str) -> String {
    if text.chars().all(|c| is_printable(c) || c == '\n') {
        return text.into();
    }
    let mut result = String::with_capacity(text.len());
    for c in text.chars() {
        if is_printable(c) || matches!(c, '\n' | '\t') {
            result.push(c);
        } else {
            let stand_in = if c == '\r' { " " } else { "?" };
            result.push_str(&stand_in.repeat(c.len_utf8()));
        }
    }
    result
}

/// The span within one line and on character borders.
fn clamp(text: &str, span: Range<usize>) -> Range<usize> {
    let border = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = border(span.start);
    let end = border(span.end.max(start));
    let line = text[start..end]
        .find('\n')
        .map_or(end, |length| start + length);
    start..line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str, span: Range<usize>) -> Problem {
        let mut problems = Problems::new("f.toml", text);
        problems.add(span, "m".into(), "r".into());
        problems.problems.remove(0)
    }

    #[test]
    fn places_count_characters_from_one() {
        let problem = one("a = 1\né = \"ü\"\n", 11..15);
        assert_eq!((problem.line, problem.column, problem.length), (2, 5, 3));
        let problem = one("", 0..0);
        assert_eq!((problem.line, problem.column, problem.length), (1, 1, 1));
        let problem = one("a\nb", 700..900);
        assert_eq!((problem.line, problem.column, problem.length), (2, 2, 1));
    }

    #[test]
    fn a_span_ends_with_its_line_and_on_a_character() {
        assert_eq!(one("ab\ncd", 1..5).length, 1);
        assert_eq!(one("é", 1..2).column, 1);
    }

    #[test]
    fn nothing_that_upsets_a_terminal_is_shown() {
        let mut problems = Problems::new("f\u{1b}.toml", "a\u{1b}[31m\u{9b}\r\n\u{202e}");
        problems.add(0..1, "m\u{1b}".into(), "r\u{7}".into());
        let shown = problems.render(false);
        assert!(
            shown.chars().all(|c| is_printable(c) || c == '\n'),
            "{shown:?}"
        );
        assert!(shown.contains("f?.toml:1:1"), "{shown}");
    }

    #[test]
    fn json_has_every_field() {
        let mut problems = Problems::new("f.toml", "abc");
        problems.add(1..3, "m".into(), "r".into());
        assert_eq!(
            serde_json::to_value(&problems.problems).unwrap(),
            serde_json::json!([{"file": "f.toml", "line": 1, "column": 2, "length": 2,
                                "message": "m", "remedy": "r"}])
        );
    }
}
