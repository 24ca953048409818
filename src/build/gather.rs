//! Which recipes a command is about, and what they need to be understood.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::recipe::model::{Kind, Recipe};
use crate::recipe::suite::{self, SUITES, Suite};
use crate::recipe::view::package_name;
use crate::recipe::{self, Context, Problems, suggest};

/// The node recipe that every role is read against when the recipes directory
/// has none of its own.
const NODE_RECIPE: &str = include_str!("../../recipes/support/node.toml");

/// What surrounds a recipe: the cluster-wide questions.
#[derive(Debug)]
pub struct Surroundings {
    node: Recipe,
}

impl Surroundings {
    pub fn as_context(&self) -> Context<'_> {
        Context {
            node: Some(&self.node),
        }
    }

    /// The recipe of `ubuntu-ha-node`.
    pub fn node(&self) -> &Recipe {
        &self.node
    }
}

/// Reads the node recipe of a recipes directory, or the built-in one.
///
/// # Errors
/// The directory's node recipe has errors.
pub fn context(recipes: &Path) -> Result<Surroundings, Failure> {
    let path = recipes.join("support/node.toml");
    let bare = Context { node: None };
    let node = if path.is_file() {
        recipe::load(&path, &bare)?
    } else {
        recipe::parse("node.toml", NODE_RECIPE, &bare)?
    };
    Ok(Surroundings { node })
}

/// A recipe, where it came from, and the files it names.
#[derive(Debug)]
pub struct Loaded {
    pub path: PathBuf,
    pub recipe: Recipe,
    /// Content of every `[[file]] source`, by the name the recipe gives it.
    pub sources: BTreeMap<String, Vec<u8>>,
}

/// The recipe files that `words` name: a path, a role's name, or every recipe
/// of the directory where `words` is empty. Sorted, each once.
///
/// # Errors
/// A word that names nothing, with the nearest name that does.
pub fn find(words: &[String], recipes: &Path) -> Result<Vec<PathBuf>, Failure> {
    let all = list(recipes);
    if words.is_empty() {
        return match all {
            Ok(paths) if !paths.is_empty() => Ok(paths),
            Ok(_) => Err(Failure::usage(format!(
                "{} holds no recipe",
                recipes.display()
            ))),
            Err(error) => Err(Failure::usage(format!(
                "reading the recipes directory {}: {error}; name it with --recipes DIR",
                recipes.display()
            ))),
        };
    }
    let all = all.unwrap_or_default();
    let mut found = Vec::new();
    for word in words {
        let path = if word.ends_with(".toml") || word.contains('/') {
            Some(PathBuf::from(word)).filter(|path| path.is_file())
        } else {
            let name = word.strip_prefix("ubuntu-ha-").unwrap_or(word);
            all.iter().find(|path| stem(path) == name).cloned()
        };
        let Some(path) = path else {
            let names: Vec<&str> = all.iter().map(|path| stem(path)).collect();
            return Err(Failure::usage(format!(
                "no recipe {word} in {}: {}",
                recipes.display(),
                suggest::remedy(word, names.iter().copied())
            )));
        };
        if !found.contains(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The packages that the recipes of a directory are built into, with the word
/// that builds each; none where there is no directory.
pub fn packages(recipes: &Path) -> BTreeMap<String, String> {
    let paths = list(recipes).unwrap_or_default();
    paths
        .iter()
        .map(|path| (package_name(stem(path)), stem(path).to_owned()))
        .collect()
}

fn stem(path: &Path) -> &str {
    path.file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default()
}

/// Every `*.toml` of the directory and of its `support/`, sorted.
fn list(recipes: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for dir in [recipes.to_path_buf(), recipes.join("support")] {
        if dir != recipes && !dir.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ext| ext == "toml") && path.is_file() {
                paths.push(path);
            }
        }
    }
    paths.sort();
    Ok(paths)
}

/// Loads all of `paths`, or reports the errors of all of them at once.
///
/// # Errors
/// [`Failure::Recipes`] with every problem; a file a recipe names that cannot
/// be read.
pub fn load(paths: &[PathBuf], surroundings: &Surroundings) -> Result<Vec<Loaded>, Failure> {
    let mut problems: Vec<Problems> = Vec::new();
    let mut loaded = Vec::new();
    for path in paths {
        match recipe::load(path, &surroundings.as_context()) {
            Ok(recipe) => loaded.push((path, recipe)),
            Err(more) => problems.push(more),
        }
    }
    if !problems.is_empty() {
        return Err(Failure::Recipes(problems));
    }
    loaded
        .into_iter()
        .map(|(path, recipe)| {
            Ok(Loaded {
                sources: sources(path, &recipe)?,
                path: path.clone(),
                recipe,
            })
        })
        .collect()
}

fn sources(path: &Path, recipe: &Recipe) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut sources = BTreeMap::new();
    for name in recipe.file.iter().filter_map(|file| file.source.as_ref()) {
        let from = dir.join(name);
        let data = fs::read(&from)
            .map_err(|e| Failure::environment(format!("reading {}: {e}", from.display())))?;
        sources.insert(name.clone(), data);
    }
    Ok(sources)
}

/// The recipes that have a task: what `ubuntu-ha-tasks` lists. Roles of the
/// directory count even when only some recipes are built.
///
/// # Errors
/// A recipe of the directory has errors.
pub fn roles(
    recipes: &Path,
    loaded: &[Loaded],
    surroundings: &Surroundings,
) -> Result<Vec<Recipe>, Failure> {
    let mut roles: BTreeMap<String, Recipe> = BTreeMap::new();
    if loaded.iter().any(|one| one.recipe.role.kind == Kind::Tasks) {
        let missing: Vec<PathBuf> = list(recipes)
            .unwrap_or_default()
            .into_iter()
            .filter(|path| loaded.iter().all(|one| one.path != *path))
            .collect();
        for one in load(&missing, surroundings)? {
            roles.insert(one.recipe.role.name.clone(), one.recipe);
        }
    }
    for one in loaded {
        roles.insert(one.recipe.role.name.clone(), one.recipe.clone());
    }
    roles.retain(|_, recipe| recipe.role.kind == Kind::Role);
    Ok(roles.into_values().collect())
}

/// The versions of the packages that a role may be too new for, by package: the
/// node program, and agents of the directory that a recipe depends on.
///
/// # Errors
/// A recipe of agents has errors.
pub fn versions(
    recipes: &Path,
    loaded: &[Loaded],
    surroundings: &Surroundings,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut versions = BTreeMap::new();
    let mut add = |recipe: &Recipe| {
        if matches!(recipe.role.kind, Kind::Node | Kind::Agents) {
            let package = package_name(&recipe.role.name);
            versions.insert(package, recipe.role.version.clone());
        }
    };
    add(surroundings.node());
    for path in list(recipes).unwrap_or_default() {
        let package = package_name(stem(&path));
        let asks = |one: &Loaded| one.recipe.packages.depends.contains(&package);
        if package != package_name("node") && loaded.iter().any(asks) {
            add(&recipe::load(&path, &surroundings.as_context())?);
        }
    }
    loaded.iter().for_each(|one| add(&one.recipe));
    Ok(versions)
}

/// The suites that `words` name, or all of them.
///
/// # Errors
/// An unknown suite, with the known ones.
pub fn suites(words: &[String]) -> Result<Vec<&'static Suite>, Failure> {
    if words.is_empty() {
        return Ok(SUITES.iter().collect());
    }
    let mut chosen: Vec<&'static Suite> = Vec::new();
    for word in words {
        let suite = suite::find(word).ok_or_else(|| {
            let known = SUITES.iter().map(|suite| suite.name);
            Failure::usage(format!("no suite {word}: {}", suggest::remedy(word, known)))
        })?;
        if !chosen.contains(&suite) {
            chosen.push(suite);
        }
    }
    Ok(chosen)
}
