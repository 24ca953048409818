//! Scenarios: those of vm-tests are sound, and broken ones give their report.
//!
//! `SNAPSHOTS=overwrite cargo test --test scenario` writes the reports anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hapkg::trial::scenario::{
    ANY, Fencing, FormedBy, Verb, Who, load, load_all, load_profile, load_profiles, parse,
};
use proptest::prelude::*;
use snapbox::{Assert, Data};

fn broken() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir("tests/broken-scenarios")
        .expect("tests run in the directory of the package")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_broken_scenario_gives_its_report() {
    let paths = broken();
    assert!(paths.len() >= 25, "only {} broken scenarios", paths.len());
    let assert = Assert::new().action_env("SNAPSHOTS");
    let mut differ = Vec::new();
    for path in &paths {
        let profile = path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("profile-");
        let problems = match profile {
            true => load_profile(path).err(),
            false => load(path).err(),
        };
        let Some(problems) = problems else {
            panic!("{} is not broken", path.display());
        };
        for problem in &problems {
            assert!(!problem.remedy.is_empty(), "{problem:?}");
        }
        let golden = Data::read_from(&path.with_extension("stderr"), None).raw();
        if let Err(error) = assert.try_eq(None, problems.to_string().into(), golden) {
            differ.push(format!("{}\n{error}", path.display()));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn the_scenarios_of_vm_tests_are_sound() {
    let directory = Path::new("vm-tests");
    let scenarios = load_all(directory).unwrap_or_else(|broken| {
        panic!(
            "{}",
            broken.iter().map(ToString::to_string).collect::<String>()
        )
    });
    let profiles = load_profiles(directory).unwrap_or_else(|broken| panic!("{broken:?}"));
    assert!(scenarios.len() >= 40, "only {}", scenarios.len());
    let mut names = BTreeSet::new();
    for scenario in &scenarios {
        assert!(
            names.insert(&scenario.name),
            "{} is there twice",
            scenario.name
        );
        for role in scenario.roles.iter().filter(|role| *role != ANY) {
            assert!(
                profiles.contains_key(role),
                "{}: no profile of {role}",
                scenario.name
            );
        }
        for role in scenario.start.also.iter().chain(profiles.keys()) {
            let recipe = Path::new("recipes").join(format!("{role}.toml"));
            assert!(recipe.is_file(), "{}: no recipe of {role}", scenario.name);
        }
    }
}

#[test]
fn a_profile_says_what_a_scenario_leaves_open() {
    let profiles = load_profiles(Path::new("vm-tests")).unwrap();
    let text = |start: &str| {
        format!(
            "name = \"x\"\nsummary = \"x\"\nrole = \"drbd\"\n{start}\n[expect]\nvip = \"holder\"\n"
        )
    };
    let open = parse("x.toml", &text("")).unwrap();
    let (start, client) = open.for_role(profiles.get("drbd"));
    assert_eq!(start.disks, Some(vec![256 << 20]));
    assert_eq!(client.http, Some(("/".into(), 80)));
    let (start, client) = open.for_role(None);
    assert_eq!((start.disks, client.http), (None, None));
    let said = "[start]\ndisks = [\"1G\", \"2G\"]\nfencing = \"unfenced\"\n[client]\nping = false";
    let said = parse("x.toml", &text(said)).unwrap();
    let (start, client) = said.for_role(profiles.get("drbd"));
    assert_eq!(start.disks, Some(vec![1 << 30, 2 << 30]));
    assert_eq!(start.fenced_by(), Fencing::Unfenced);
    assert_eq!((client.ping, client.http), (false, None));
}

#[test]
fn a_scenario_is_read_as_it_is_written() {
    let scenario = load(Path::new("vm-tests/any/both-off.toml")).unwrap();
    assert_eq!(scenario.name, "both-off");
    assert_eq!(scenario.roles, [ANY]);
    assert_eq!(scenario.suites.len(), 3);
    assert_eq!(scenario.start.formed_by, FormedBy::Secret);
    assert_eq!(scenario.start.members(), ["alpha", "beta"]);
    assert_eq!(scenario.steps.len(), 5);
    let Verb::Heal(_, Some(Who::Name(name))) = &scenario.steps[2].verb else {
        panic!("{:?}", scenario.steps[2].verb);
    };
    assert_eq!(name, "alpha");
    assert!(scenario.steps[2].line > scenario.steps[1].line);
    let told = scenario.steps[1]
        .verb
        .told(|who| Ok::<_, ()>(who.to_string()));
    assert_eq!(told, Ok("cut the power of beta".into()));
}

/// Checks a text, and that its problems can be shown and point into it.
fn survives(text: &str) {
    let Err(problems) = parse("fuzz.toml", text) else {
        return;
    };
    let lines: Vec<&str> = text.split('\n').collect();
    for problem in &problems {
        let line = lines[problem.line - 1];
        assert!(problem.column <= line.chars().count() + 1, "{problem:?}");
        assert!(
            !problem.message.is_empty() && !problem.remedy.is_empty(),
            "{problem:?}"
        );
    }
    assert!(!problems.to_string().contains('\u{1b}'));
}

proptest! {
    #[test]
    fn no_change_to_a_scenario_makes_it_panic(
        start in 0usize..900,
        length in 0usize..40,
        new in "([a-z{}.\"'=\\[\\]\n\u{202e}\u{7f}é-]|\\PC){0,12}",
    ) {
        let mut text = std::fs::read_to_string("vm-tests/any/partition.toml").unwrap();
        let border = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let range = border(start)..border(start + length);
        text.replace_range(range, &new);
        survives(&text);
    }
}
