//! Recipes of the repository, rendered for tests.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use debcrate::{Entry, Tree};
use hapkg::recipe::model::Recipe;
use hapkg::recipe::suite;
use hapkg::render::debconf::Catalogs;
use hapkg::render::{Inputs, Rendered, render};

/// A recipe with what surrounds it.
pub struct Source {
    pub recipe: Recipe,
    sources: BTreeMap<String, Vec<u8>>,
    catalogs: Catalogs,
    roles: Vec<Recipe>,
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

    /// Puts the relations, files and changelog of another text into the recipe.
    pub fn add(&mut self, text: &str) {
        let head = "[role]\nname = \"x\"\nsummary = \"s\"\ndescription = \"d\"\nversion = \"1\"\n";
        let more: Recipe = toml::from_str(&format!("{head}{text}")).unwrap();
        self.recipe.packages = more.packages;
        self.recipe.file.extend(more.file);
        self.recipe.changelog.extend(more.changelog);
    }

    pub fn render(&self, suite: &str) -> Rendered {
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
        .unwrap()
    }
}

/// Writes the files of a tree below a new directory.
pub fn write_tree(dir: &Path, tree: &Tree) {
    for (path, entry) in tree.iter() {
        let path = dir.join(path);
        match entry {
            Entry::File { data, mode } => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, data).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            }
            Entry::Dir { .. } => fs::create_dir_all(&path).unwrap(),
            Entry::Symlink { target } => std::os::unix::fs::symlink(target, &path).unwrap(),
        }
    }
}
