//! `[packages]` and `[suite.*]`.

use std::collections::BTreeSet;

use super::{Checker, wrong_and_remedy};
use crate::recipe::document::{Step, at};
use crate::recipe::model::Packages;
use crate::recipe::relation::{self, Alternative, Relation};
use crate::recipe::suggest;
use crate::recipe::suite::{self, SUITES};
use crate::recipe::view::package_name;

/// A relation field and its list, strongest first.
fn lists(packages: &Packages) -> [(&'static str, &Vec<String>); 7] {
    [
        ("depends", &packages.depends),
        ("recommends", &packages.recommends),
        ("suggests", &packages.suggests),
        ("conflicts", &packages.conflicts),
        ("breaks", &packages.breaks),
        ("replaces", &packages.replaces),
        ("provides", &packages.provides),
    ]
}

pub(super) fn check(checker: &mut Checker) {
    let recipe = checker.recipe;
    let common = check_lists(checker, at!["packages"], &recipe.packages);
    for (name, change) in &recipe.suite {
        if suite::find(name).is_none() {
            let known = SUITES.iter().map(|suite| suite.name);
            checker.key(
                at!["suite", name],
                format!("`{name}` is no suite"),
                suggest::remedy(name, known),
            );
        }
        check_lists(checker, at!["suite", name, "add"], &change.add);
        for old in change.replace.keys() {
            known_package(checker, at!["suite", name, "replace", old], old, &common);
        }
        for (index, old) in change.remove.iter().enumerate() {
            let path = at!["suite", name, "remove", index];
            known_package(checker, path, old, &common);
            if change.replace.contains_key(old) {
                checker.value(
                    path,
                    format!("`{old}` is replaced and removed"),
                    "keep one of the two",
                );
            }
        }
        for (old, names) in &change.replace {
            for (index, new) in names.iter().enumerate() {
                let path = at!["suite", name, "replace", old, index];
                if let Err(remedy) = relation::package_name(new) {
                    let (wrong, remedy) = wrong_and_remedy(&remedy);
                    checker.value(path, wrong, remedy);
                } else if names[..index].contains(new) {
                    checker.value(path, format!("`{new}` is here twice"), "keep one of them");
                }
            }
        }
    }
}

fn known_package(checker: &mut Checker, path: &[Step], name: &str, known: &BTreeSet<String>) {
    if !known.contains(name) {
        checker.key(
            path,
            format!("`{name}` is in no list of [packages]"),
            suggest::remedy(name, known.iter().map(String::as_str)),
        );
    }
}

/// Checks the lists and returns the names in them.
fn check_lists(checker: &mut Checker, path: &[Step], packages: &Packages) -> BTreeSet<String> {
    let own = package_name(&checker.recipe.role.name);
    let mut names = BTreeSet::new();
    let mut single: Vec<(&str, Alternative)> = Vec::new();
    for (field, list) in lists(packages) {
        let mut seen: Vec<Relation> = Vec::new();
        for (index, text) in list.iter().enumerate() {
            let mut path = path.to_vec();
            path.extend_from_slice(at![field, index]);
            let relation = match relation::parse(text) {
                Ok(relation) => relation,
                Err(remedy) => {
                    let (wrong, remedy) = wrong_and_remedy(&remedy);
                    let message = format!("{text:?} is no relation: {wrong}");
                    checker.value(&path, message, remedy);
                    continue;
                }
            };
            for alternative in &relation.0 {
                names.insert(alternative.name.clone());
                if alternative.name == own {
                    checker.value(
                        &path,
                        format!("the package names itself in `{field}`"),
                        "take it out",
                    );
                }
            }
            if let [only] = relation.0.as_slice() {
                if let Some(message) = redundant(field, only, &single) {
                    checker.value(&path, message, "keep one of the two, the stronger");
                }
                single.push((field, only.clone()));
            } else if !["depends", "recommends", "suggests"].contains(&field) {
                checker.value(
                    &path,
                    format!("`{field}` knows no alternatives (policy 7.1)"),
                    "write each package as an entry of its own",
                );
            } else if seen.contains(&relation) {
                checker.value(&path, format!("{text:?} is here twice"), "keep one of them");
            }
            let unversioned = relation.0.iter().all(|alternative| {
                let operator = alternative.version.as_ref().map(|(operator, _)| operator);
                operator.is_none_or(|operator| operator == "=")
            });
            if field == "provides" && !unversioned {
                checker.value(
                    &path,
                    "what is provided has one version (policy 7.5)",
                    "write it without a version or with `=`",
                );
            }
            seen.push(relation);
        }
    }
    names
}

/// The relation says nothing that an earlier one does not say: dpkg-gencontrol
/// would drop one of them.
fn redundant(field: &str, new: &Alternative, earlier: &[(&str, Alternative)]) -> Option<String> {
    let strength = ["depends", "recommends", "suggests"];
    for (other, old) in earlier.iter().filter(|(_, old)| old.name == new.name) {
        if *other == field {
            let same_side = match (&old.version, &new.version) {
                (Some((a, _)), Some((b, _))) => a == b,
                _ => true,
            };
            if same_side {
                return Some(format!("`{}` is in `{field}` twice", new.name));
            }
        } else if strength.contains(other) && strength.contains(&field) {
            return Some(format!("`{}` is in `{other}` and in `{field}`", new.name));
        }
    }
    None
}
