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

/// Packages of ours, beside ubuntu-ha-node, that the recipes depend on.
pub fn ours(recipes: &[Recipe]) -> Vec<String> {
    let mut names: Vec<String> = (recipes.iter())
        .flat_map(|recipe| &recipe.packages.depends)
        .filter_map(|text| relation::parse(text).ok())
        .filter_map(|relation| relation.0.first().map(|one| one.name.clone()))
        .filter(|name| name.starts_with("ubuntu-ha-") && name != "ubuntu-ha-node")
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Context, load, suite};

    /// An image without them leaves a role that cannot be installed.
    #[test]
    fn what_the_agents_need_is_in_the_image_of_a_controller() {
        let read = |path: &str, node: Option<&Recipe>| {
            load(std::path::Path::new(path), &Context { node }).unwrap()
        };
        let node = read("recipes/support/node.toml", None);
        let clc = [read("recipes/clc.toml", Some(&node))];
        assert_eq!(ours(&clc), ["ubuntu-ha-resource-agents"]);
        let agents = read("recipes/support/resource-agents.toml", Some(&node));
        let noble = suite::find("noble").unwrap();
        let names = names(&[&clc[0], &agents], noble, &["eucalyptus", "image-store"]);
        assert!(names.iter().any(|name| name == "curl"), "{names:?}");
        assert!(
            names.iter().all(|name| !name.starts_with("eucalyptus")),
            "{names:?}"
        );
    }
}
