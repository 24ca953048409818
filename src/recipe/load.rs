//! From a file to a checked recipe.

use std::path::Path;

use serde::Deserialize;
use toml::de::{DeTable, Deserializer};

use super::check;
use super::document::Document;
use super::model::Recipe;
use super::problem::Problems;
use super::schema;
use super::structure;

/// What a recipe may refer to besides itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// The node recipe: its questions are `{{ cluster.NAME }}` in templates.
    /// Without it, no such reference is known.
    pub node: Option<&'a Recipe>,
}

/// Reads and checks a recipe, and the files it names.
pub fn load(path: &Path, context: &Context) -> Result<Recipe, Problems> {
    let file = path.display().to_string();
    match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => read(&file, &text, context, Some(path)),
        Ok(Err(error)) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let mut problems = Problems::new(&file, &text);
            problems.add(
                valid..valid + 1,
                "the file is not UTF-8 here".into(),
                "save it as UTF-8".into(),
            );
            problems.or(|| None)
        }
        Err(error) => {
            let mut problems = Problems::new(&file, "");
            problems.add(
                0..0,
                format!("cannot read {file}: {error}"),
                "give the path of a recipe".into(),
            );
            problems.or(|| None)
        }
    }
}

/// Checks a recipe's text. `file` is what the report calls it; files that the
/// recipe names are not looked for.
pub fn parse(file: &str, text: &str, context: &Context) -> Result<Recipe, Problems> {
    read(file, text, context, None)
}

fn read(
    file: &str,
    text: &str,
    context: &Context,
    path: Option<&Path>,
) -> Result<Recipe, Problems> {
    let mut problems = Problems::new(file, text);
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
    let readable = structure::check(&mut root, &schema::RECIPE, limit, &mut problems);
    if !readable || limit.is_some() {
        return problems.or(|| None);
    }
    let recipe = match Recipe::deserialize(Deserializer::from(root.clone())) {
        Ok(recipe) => recipe,
        Err(error) => {
            problems.add(
                error.span().unwrap_or(0..0),
                error.message().into(),
                "see `hapkg schema` for what may stand here".into(),
            );
            return problems.or(|| None);
        }
    };
    let document = Document { text, root };
    check::check(&recipe, &document, context, path, &mut problems);
    problems.or(|| Some(recipe))
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
