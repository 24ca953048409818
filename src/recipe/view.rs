//! A recipe as one suite sees it.

use super::model::{Packages, Recipe, SuiteChange};
use super::relation::{self, Alternative, Relation};
use super::suite::Suite;

/// A recipe with the differences of one suite applied.
#[derive(Debug, Clone)]
pub struct SuiteView<'a> {
    pub recipe: &'a Recipe,
    pub suite: &'static Suite,
    /// Binary package name.
    pub package: String,
    /// Source package name.
    pub source: String,
    /// Version of both: the recipe's and the suite's suffix.
    pub version: String,
    /// Relations, each list sorted and without duplicates.
    pub packages: Packages,
}

/// The package that a recipe's name stands for.
pub fn package_name(name: &str) -> String {
    format!("ubuntu-ha-{name}")
}

/// Applies the recipe's changes for the suite (remove, replace, add), and the
/// suite's own names for packages that the recipe does not replace itself.
/// A version stays with each name that stands for the old one.
pub fn for_suite<'a>(recipe: &'a Recipe, suite: &'static Suite) -> SuiteView<'a> {
    let none = SuiteChange::default();
    let change = recipe.suite.get(suite.name).unwrap_or(&none);
    let lists = |list: fn(&Packages) -> &Vec<String>| {
        let mut result: Vec<String> = list(&recipe.packages)
            .iter()
            .flat_map(|text| match relation::parse(text) {
                Ok(relation) => in_suite(&relation, change, suite),
                Err(_) => Vec::new(),
            })
            .chain(
                list(&change.add)
                    .iter()
                    .filter_map(|text| relation::parse(text).ok()),
            )
            .map(|relation| relation.to_string())
            .collect();
        result.sort();
        result.dedup();
        result
    };
    let package = package_name(&recipe.role.name);
    SuiteView {
        recipe,
        suite,
        source: package.clone(),
        package,
        version: format!("{}{}", recipe.role.version, suite.version_suffix),
        packages: Packages {
            depends: lists(|p| &p.depends),
            recommends: lists(|p| &p.recommends),
            suggests: lists(|p| &p.suggests),
            conflicts: lists(|p| &p.conflicts),
            breaks: lists(|p| &p.breaks),
            replaces: lists(|p| &p.replaces),
            provides: lists(|p| &p.provides),
        },
    }
}

/// One relation may become several: `a | b`, where `b` is now `c` and `d`,
/// becomes `a | c` and `a | d`.
fn in_suite(relation: &Relation, change: &SuiteChange, suite: &Suite) -> Vec<Relation> {
    let mut results: Vec<Vec<Alternative>> = vec![Vec::new()];
    for alternative in &relation.0 {
        let names = names_in_suite(&alternative.name, change, suite);
        if names.is_empty() || change.remove.contains(&alternative.name) {
            continue;
        }
        results = results
            .into_iter()
            .flat_map(|before| {
                names.iter().map(move |name| {
                    let mut after = before.clone();
                    after.push(Alternative {
                        name: name.to_string(),
                        version: alternative.version.clone(),
                    });
                    after
                })
            })
            .collect();
    }
    results
        .into_iter()
        .filter(|alternatives| !alternatives.is_empty())
        .map(Relation)
        .collect()
}

fn names_in_suite<'a>(name: &'a str, change: &'a SuiteChange, suite: &Suite) -> Vec<&'a str> {
    if let Some(names) = change.replace.get(name) {
        return names.iter().map(String::as_str).collect();
    }
    match suite.renames.iter().find(|(old, _)| *old == name) {
        Some((_, names)) => names.to_vec(),
        None => vec![name],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::suite;

    fn recipe(packages: &str) -> Recipe {
        let head =
            "[role]\nname = \"web\"\nsummary = \"s\"\ndescription = \"d\"\nversion = \"1.0\"\n";
        toml::from_str(&format!("{head}{packages}")).unwrap()
    }

    fn depends(recipe: &Recipe, suite: &str) -> Vec<String> {
        for_suite(recipe, suite::find(suite).unwrap())
            .packages
            .depends
    }

    #[test]
    fn names_and_version_follow_the_suite() {
        let recipe = recipe("");
        let view = for_suite(&recipe, suite::find("trixie").unwrap());
        assert_eq!(view.package, "ubuntu-ha-web");
        assert_eq!(view.source, "ubuntu-ha-web");
        assert_eq!(view.version, "1.0~debian13.1");
    }

    #[test]
    fn the_suites_own_names_apply() {
        let recipe = recipe("[packages]\ndepends = [\"resource-agents (>= 4.9)\", \"corosync\"]");
        assert_eq!(
            depends(&recipe, "noble"),
            [
                "corosync",
                "resource-agents-base (>= 4.9)",
                "resource-agents-extra (>= 4.9)"
            ]
        );
        assert_eq!(
            depends(&recipe, "trixie"),
            ["corosync", "resource-agents (>= 4.9)"]
        );
    }

    #[test]
    fn the_recipes_own_changes_come_first() {
        let recipe = recipe(
            "[packages]\ndepends = [\"fence-agents\", \"b2 | a1\", \"gone | kept\", \"gone\"]\n\
             [suite.noble]\nremove = [\"gone\"]\n\
             replace = { fence-agents = [\"fence-agents-base\"], a1 = [\"c3\", \"d4\"] }\n\
             add.depends = [\"kept\", \"z9\"]",
        );
        assert_eq!(
            depends(&recipe, "noble"),
            ["b2 | c3", "b2 | d4", "fence-agents-base", "kept", "z9"]
        );
        assert_eq!(
            depends(&recipe, "trixie"),
            ["b2 | a1", "fence-agents", "gone", "gone | kept"]
        );
    }

    #[test]
    fn a_replacement_by_nothing_drops_the_name() {
        let recipe =
            recipe("[packages]\ndepends = [\"a1\", \"a1 | b2\"]\n[suite.noble.replace]\na1 = []");
        assert_eq!(depends(&recipe, "noble"), ["b2"]);
    }
}
