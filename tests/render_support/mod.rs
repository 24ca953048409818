//! Recipes of the repository, rendered for tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hapkg::recipe::model::Recipe;
use hapkg::recipe::suite;
use hapkg::render::debconf::Catalogs;
use hapkg::render::{Error, Inputs, Rendered, render};

/// A recipe with what surrounds it.
pub struct Source {
    pub recipe: Recipe,
    sources: BTreeMap<String, Vec<u8>>,
    catalogs: Catalogs,
    pub roles: Vec<Recipe>,
    pub dependency_changes: Vec<String>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

impl Source {
    /// Reads a recipe by its path in the repository.
    pub fn new(path: &str) -> Source {
        let path = root().join(path);
        let recipe: Recipe = toml::from_str(&read(&path)).unwrap();
        let sources = recipe
            .file
            .iter()
            .filter_map(|file| file.source.clone())
            .map(|name| {
                let data = fs::read(path.with_file_name(&name)).unwrap();
                (name, data)
            })
            .collect();
        let mut roles: Vec<PathBuf> = fs::read_dir(root().join("recipes"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
            .collect();
        roles.sort();
        Source {
            recipe,
            sources,
            catalogs: Catalogs::embedded(),
            roles: roles
                .iter()
                .map(|path| toml::from_str(&read(path)).unwrap())
                .collect(),
            dependency_changes: Vec::new(),
        }
    }

    pub fn render(&self, suite: &str) -> Result<Rendered, Error> {
        render(&Inputs {
            recipe: &self.recipe,
            suite: suite::find(suite).unwrap(),
            sources: &self.sources,
            catalogs: &self.catalogs,
            roles: &self.roles,
            node_tree: None,
            node_build: None,
            dependency_changes: &self.dependency_changes,
        })
    }
}
