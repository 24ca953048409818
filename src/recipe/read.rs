//! From a strict TOML file to the struct it is read as, with every problem of
//! its text and structure. What the values mean is checked by the caller.

use std::path::Path;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, Deserializer};

use super::document::Document;
use super::problem::Problems;
use super::schema::Shape;
use super::structure;

/// The kind of file that is read, as its problems are told.
pub(crate) struct Kind<'a> {
    /// What messages call the whole file: `the recipe`.
    pub called: &'a str,
    pub shape: &'a Shape,
    /// What to do where the file cannot be read at all.
    pub path_remedy: &'a str,
    /// Where to look up what may stand in it.
    pub reference: &'a str,
}

/// The text of a file.
pub(crate) fn text(path: &Path, kind: &Kind) -> Result<String, Problems> {
    let file = path.display().to_string();
    let problems = match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => return Ok(text),
        Ok(Err(error)) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let mut problems = Problems::new(&file, &text);
            problems.add(
                valid..valid + 1,
                "the file is not UTF-8 here".into(),
                "save it as UTF-8".into(),
            );
            problems
        }
        Err(error) => {
            let mut problems = Problems::new(&file, "");
            problems.add(
                0..0,
                format!("cannot read {file}: {error}"),
                kind.path_remedy.into(),
            );
            problems
        }
    };
    problems.or(|| None::<String>)
}

/// Reads the text; `None` where the problems found leave nothing to go on
/// with.
pub(crate) fn parse<'t, T: DeserializeOwned>(
    text: &'t str,
    kind: &Kind,
    problems: &mut Problems,
) -> Option<(T, Document<'t>)> {
    let (mut root, errors) = DeTable::parse_recoverable(text);
    let mut last_line = None;
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let line = text[..span.start.min(text.len())].matches('\n').count();
        // One slip often makes the parser stumble again in the same line.
        if last_line != Some(line) {
            problems.add(span, error.message().into(), syntax_remedy(error.message()));
        }
        last_line = Some(line);
    }
    let limit = errors
        .iter()
        .filter_map(|error| error.span())
        .map(|span| text[..span.start.min(text.len())].rfind('\n').unwrap_or(0))
        .min();
    let readable = structure::check(&mut root, kind.called, kind.shape, limit, problems);
    if !readable || limit.is_some() {
        return None;
    }
    match T::deserialize(Deserializer::from(root.clone())) {
        Ok(value) => Some((value, Document { text, root })),
        Err(error) => {
            problems.add(
                error.span().unwrap_or(0..0),
                error.message().into(),
                kind.reference.into(),
            );
            None
        }
    }
}

fn syntax_remedy(message: &str) -> String {
    let remedy = if message.contains("must be quoted") {
        "put the value in double quotes"
    } else if message.contains("duplicate key") {
        "keep one of the two; a list of tables is written [[name]]"
    } else if message.contains("array") {
        "close the list with `]` and put commas between its entries"
    } else if message.contains("string") {
        "close the string with the quote that opened it, and write control characters as escapes"
    } else if message.contains("escape") {
        "write `\\\\` for a backslash, or put the text in single quotes"
    } else if message.contains("table") {
        "write a section as [name] and an entry of a list as [[name]]"
    } else {
        "write `key = value`, one to a line"
    };
    remedy.into()
}
