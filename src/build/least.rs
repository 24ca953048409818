//! How old the node program and the agents may be for a role.
//!
//! The node program reads the role's file and refuses one with keys that it
//! does not know: a role asks for the version that it was built beside.

use std::collections::BTreeMap;

use debcrate::Paragraph;
use debversion::Version;

use super::previous::relations;
use crate::recipe::model::Recipe;
use crate::recipe::relation;

/// Gives each dependency of `recipe` that names one of `versions` without a
/// version that one as its least; the `~` lets every suite's build of it pass.
///
/// Where `known`, the paragraphs of a suite's index, has this very `version` of
/// the `package`, its least version is kept: what was published stays the same
/// when only the node program is newer.
pub fn ask_for(
    recipe: &mut Recipe,
    versions: &BTreeMap<String, String>,
    known: &[Paragraph],
    (package, version): (&str, &str),
) {
    let same = known.iter().find(|entry| {
        entry.get("Package") == Some(package) && entry.get("Version") == Some(version)
    });
    let asked = relations(same.and_then(|entry| entry.get("Depends")));
    for dependency in &mut recipe.packages.depends {
        let Some(version) = versions.get(dependency) else {
            continue;
        };
        let new = format!("{version}~");
        let old = asked.iter().find_map(|text| least(text, dependency));
        let least = old.filter(|old| !is_less(&new, old)).unwrap_or(new);
        *dependency = format!("{dependency} (>= {least})");
    }
}

/// The version that a relation asks for as the least of `package`.
fn least(text: &str, package: &str) -> Option<String> {
    let relation = relation::parse(text).ok()?;
    let [one] = &relation.0[..] else { return None };
    let (operator, version) = one.version.as_ref()?;
    (one.name == package && operator == ">=").then(|| version.clone())
}

fn is_less(one: &str, other: &str) -> bool {
    match (one.parse::<Version>(), other.parse::<Version>()) {
        (Ok(one), Ok(other)) => one < other,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(node: &str, depends: Option<&str>) -> Vec<String> {
        let mut recipe: Recipe = toml::from_str(
            "[role]\nname = \"web\"\nsummary = \"s\"\ndescription = \"d\"\nversion = \"1.0\"\n\
             [packages]\ndepends = [\"pacemaker\", \"ubuntu-ha-node\", \"ubuntu-ha-x (>= 7)\"]\n",
        )
        .unwrap();
        let versions = BTreeMap::from([
            ("ubuntu-ha-node".to_owned(), node.to_owned()),
            ("ubuntu-ha-x".to_owned(), "9".to_owned()),
        ]);
        let mut known = Paragraph::new();
        known.set("Package", "ubuntu-ha-web").unwrap();
        known.set("Version", "1.0~x").unwrap();
        if let Some(depends) = depends {
            known.set("Depends", depends).unwrap();
        }
        let own = ("ubuntu-ha-web", "1.0~x");
        ask_for(&mut recipe, &versions, &[known], own);
        recipe.packages.depends
    }

    #[test]
    fn a_role_asks_for_the_version_it_was_built_beside() {
        let wanted = [
            "pacemaker",
            "ubuntu-ha-node (>= 1.2~)",
            "ubuntu-ha-x (>= 7)",
        ];
        assert_eq!(asked("1.2", None), wanted);
        assert_eq!(asked("1.2", Some("ubuntu-ha-node, pacemaker")), wanted);
        let newest: Version = "1.2~".parse().unwrap();
        assert!(newest <= "1.2~ubuntu24.04.1".parse().unwrap());
        assert!(newest > "1.1.9".parse().unwrap());
    }

    #[test]
    fn a_version_that_is_built_again_asks_for_what_it_asked_for() {
        let before = "pacemaker, ubuntu-ha-node (>= 1.1~)";
        assert_eq!(asked("1.2", Some(before))[1], "ubuntu-ha-node (>= 1.1~)");
        assert_eq!(asked("1.0", Some(before))[1], "ubuntu-ha-node (>= 1.0~)");
    }
}
