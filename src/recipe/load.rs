//! From a file to a checked recipe.

use std::path::Path;

use super::check;
use super::model::Recipe;
use super::problem::Problems;
use super::read::{self, Kind};
use super::schema;

/// What a recipe may refer to besides itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// The node recipe: its questions are `{{ cluster.NAME }}` in templates.
    /// Without it, no such reference is known.
    pub node: Option<&'a Recipe>,
}

fn kind() -> Kind<'static> {
    Kind {
        called: "the recipe",
        shape: &schema::RECIPE,
        path_remedy: "give the path of a recipe",
        reference: "see `hapkg schema` for what may stand here",
    }
}

/// Reads and checks a recipe, and the files it names.
pub fn load(path: &Path, context: &Context) -> Result<Recipe, Problems> {
    let text = read::text(path, &kind())?;
    recipe(&path.display().to_string(), &text, context, Some(path))
}

/// Checks a recipe's text. `file` is what the report calls it; files that the
/// recipe names are not looked for.
pub fn parse(file: &str, text: &str, context: &Context) -> Result<Recipe, Problems> {
    recipe(file, text, context, None)
}

fn recipe(
    file: &str,
    text: &str,
    context: &Context,
    path: Option<&Path>,
) -> Result<Recipe, Problems> {
    let mut problems = Problems::new(file, text);
    let Some((recipe, document)) = read::parse::<Recipe>(text, &kind(), &mut problems) else {
        return problems.or(|| None);
    };
    check::check(&recipe, &document, context, path, &mut problems);
    problems.or(|| Some(recipe))
}
