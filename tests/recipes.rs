//! The recipes that come with hapkg: each is sound for every suite, and its
//! example answers answer its questions.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hapkg::recipe::answer::validate;
use hapkg::recipe::model::{Kind, Recipe};
use hapkg::recipe::suite::SUITES;
use hapkg::recipe::view::for_suite;
use hapkg::recipe::{self, Context};
use hapkg::render::debconf::{Catalogs, messages};

const ROLES: [&str; 8] = [
    "advanced", "cc", "clc", "clvm", "drbd", "sc", "vip", "walrus",
];
const SUPPORT: [&str; 3] = ["node", "resource-agents", "tasks"];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes")
}

fn load(path: &Path, node: Option<&Recipe>) -> Recipe {
    recipe::load(path, &Context { node }).unwrap_or_else(|problems| panic!("{problems}"))
}

fn node() -> Recipe {
    load(&directory().join("support/node.toml"), None)
}

fn role(name: &str) -> Recipe {
    load(&directory().join(format!("{name}.toml")), Some(&node()))
}

fn support(name: &str) -> Recipe {
    let path = directory().join(format!("support/{name}.toml"));
    load(&path, Some(&node()))
}

fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn the_recipes_are_the_ones_these_tests_know() {
    assert_eq!(names_in(&directory()), ROLES);
    assert_eq!(names_in(&directory().join("support")), SUPPORT);
    assert_eq!(names_in(&directory().join("answers")), ROLES);
}

#[test]
fn every_recipe_has_no_problem() {
    for name in ROLES {
        assert_eq!(role(name).role.kind, Kind::Role, "{name}");
    }
    for name in SUPPORT {
        assert_ne!(support(name).role.kind, Kind::Role, "{name}");
    }
}

#[test]
fn every_role_can_be_chosen_in_tasksel() {
    let mut titles: Vec<String> = ROLES
        .iter()
        .map(|name| role(name).tasksel.unwrap_or_else(|| panic!("{name}")).title)
        .collect();
    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), ROLES.len());
}

#[test]
fn a_role_depends_on_no_role_and_on_nothing_of_eucalyptus() {
    for name in ROLES {
        let recipe = role(name);
        for suite in SUITES {
            let packages = for_suite(&recipe, suite).packages;
            for relation in &packages.depends {
                assert!(
                    !ROLES
                        .iter()
                        .any(|r| relation.starts_with(&format!("ubuntu-ha-{r}"))),
                    "{name} on {}: {relation}",
                    suite.name
                );
                let absent = ["eucalyptus", "image-store-proxy"];
                assert!(
                    !absent.iter().any(|package| relation.starts_with(package)),
                    "{name} on {}: {relation}",
                    suite.name
                );
            }
            // An enabled sbd without a device keeps corosync from starting.
            assert!(!packages.depends.contains(&"sbd".to_string()));
            assert!(!packages.recommends.contains(&"sbd".to_string()));
        }
    }
}

#[test]
fn resource_agents_have_the_suites_names() {
    let drbd = role("drbd");
    for suite in SUITES {
        let depends = for_suite(&drbd, suite).packages.depends;
        let agents: Vec<&str> = depends
            .iter()
            .map(String::as_str)
            .filter(|name| name.starts_with("resource-agents"))
            .collect();
        match suite.name {
            "trixie" => assert_eq!(agents, ["resource-agents"]),
            _ => assert_eq!(agents, ["resource-agents-base", "resource-agents-extra"]),
        }
        let vip = for_suite(&role("vip"), suite).packages.depends;
        assert!(!vip.contains(&"resource-agents-extra".to_string()));
    }
}

#[test]
fn drbd_resources_of_two_roles_do_not_collide() {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for name in ROLES {
        for drbd in role(name).drbd {
            for key in [
                format!("resource {}", drbd.id),
                format!("minor {}", drbd.minor),
                format!("port {}", drbd.port),
            ] {
                if let Some(other) = seen.insert(key.clone(), name) {
                    panic!("{name} and {other} both have the {key}");
                }
            }
        }
    }
    assert_eq!(seen.len(), 6 * 3);
}

fn answers(role: &str, table: &str) -> BTreeMap<String, String> {
    let path = directory().join(format!("answers/{role}.toml"));
    let text = fs::read_to_string(&path).unwrap();
    let document: toml::Table = toml::from_str(&text).unwrap();
    let tables: Vec<&str> = document.keys().map(String::as_str).collect();
    assert_eq!(tables, ["cluster", "role"], "{}", path.display());
    document[table]
        .as_table()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let text = match value {
                toml::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (name.clone(), text)
        })
        .collect()
}

#[test]
fn the_example_answers_are_valid() {
    for name in ROLES {
        for (table, recipe) in [("cluster", node()), ("role", role(name))] {
            let given = answers(name, table);
            if let Err(problems) = validate(&recipe.question, &given) {
                panic!("{name}, [{table}]: {problems:?}");
            }
        }
    }
}

/// An example that leaves a question out shows nobody how to answer it.
#[test]
fn the_example_answers_leave_out_only_what_is_optional_or_not_asked() {
    for name in ROLES {
        let recipe = role(name);
        let given = answers(name, "role");
        for question in &recipe.question {
            assert!(
                question.optional || given.contains_key(&question.name),
                "{name}: {}",
                question.name
            );
        }
    }
}

#[test]
fn only_roles_without_storage_may_go_without_fencing() {
    for name in ROLES {
        let recipe = role(name);
        let storage = !recipe.drbd.is_empty() || !recipe.lvm.is_empty();
        let required = recipe.fencing.need == hapkg::recipe::model::FencingNeed::Required;
        assert_eq!(storage, required, "{name}");
    }
}

#[test]
fn a_slow_start_of_eucalyptus_is_waited_for() {
    for name in ["clc", "sc", "walrus"] {
        let recipe = role(name);
        let agent = recipe
            .resource
            .iter()
            .find(|resource| resource.agent.starts_with("ocf:ubuntu:"))
            .unwrap();
        for (operation, timeout) in [("start", "600s"), ("stop", "150s")] {
            let found = agent.operation.iter().find(|o| o.name == operation);
            assert_eq!(found.unwrap().timeout.as_deref(), Some(timeout), "{name}");
        }
    }
}

#[test]
fn a_templated_unit_names_a_question_of_the_role() {
    let path = directory().join("drbd.toml");
    let text = fs::read_to_string(&path).unwrap();
    let node = node();
    for (unit, message) in [
        ("{{ servce }}", "`servce` is no question"),
        ("{{ erase }}", "an answer of type boolean cannot stand here"),
    ] {
        let text = text.replace("systemd:{{ service }}", &format!("systemd:{unit}"));
        let context = Context { node: Some(&node) };
        let problems = recipe::parse("drbd.toml", &text, &context).unwrap_err();
        assert_eq!(problems.iter().count(), 1, "{problems}");
        assert!(problems.to_string().contains(message), "{problems}");
    }
}

#[test]
fn every_string_has_its_spanish_translation() {
    let catalogs = Catalogs::load(&directory().join("po")).unwrap();
    let mut used = Vec::new();
    let roles = ROLES.iter().map(|name| role(name));
    for recipe in roles.chain(SUPPORT.iter().map(|name| support(name))) {
        for message in messages(&recipe).unwrap() {
            let spanish = catalogs.translation("es", &message);
            let spanish = spanish.unwrap_or_else(|| panic!("es.po lacks {message:?}"));
            assert_ne!(spanish, message);
            // A prompt keeps the character that says how it is answered.
            for end in [":", "?"] {
                assert_eq!(message.ends_with(end), spanish.ends_with(end), "{message}");
            }
            used.push(message);
        }
    }
    assert!(used.len() > 60);
}

#[test]
fn the_agents_find_their_library_where_it_is_installed() {
    let recipe = support("resource-agents");
    for file in &recipe.file {
        let source = directory()
            .join("support")
            .join(file.source.as_ref().unwrap());
        let text = fs::read_to_string(source).unwrap();
        let (directory, name) = file.path.rsplit_once('/').unwrap();
        if directory == "/usr/lib/ocf/resource.d/ubuntu" {
            let (_, rest) = text.split_once("${EUCA_LIB=").unwrap();
            let (library, rest) = rest.split_once('}').unwrap();
            let (_, rest) = rest.split_once(". \"$EUCA_LIB/").unwrap();
            let (wanted, _) = rest.split_once('"').unwrap();
            let path = format!("{library}/{wanted}");
            assert!(recipe.file.iter().any(|f| f.path == path), "{path}");
            assert_eq!(file.mode, "0755", "{name}");
        } else {
            assert_eq!(file.mode, "0644", "{name}");
        }
    }
    assert_eq!(recipe.file.len(), 6);
}
