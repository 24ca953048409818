//! What an image has to hold so that a role installs without a network.

use crate::recipe::model::Recipe;
use crate::recipe::relation::{self, Alternative};
use crate::recipe::suite::Suite;
use crate::recipe::view;

/// Names of the distribution's packages that the recipes depend on or
/// recommend in that suite: the first alternative of each relation. Our own
/// are left out, and so is what no archive has.
pub fn names(recipes: &[&Recipe], suite: &'static Suite, absent: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for recipe in recipes {
        let packages = view::for_suite(recipe, suite).packages;
        let relations = packages.depends.iter().chain(&packages.recommends);
        for text in relations {
            let Ok(relation) = relation::parse(text) else {
                continue;
            };
            names.extend(
                relation
                    .0
                    .first()
                    .map(|Alternative { name, .. }| name.clone()),
            );
        }
    }
    let ours = |name: &String| name.starts_with("ubuntu-ha-") || name.starts_with("${");
    names.retain(|name| !ours(name) && !absent.iter().any(|prefix| name.starts_with(prefix)));
    names.sort();
    names.dedup();
    names
}
