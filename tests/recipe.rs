//! Recipes that are wrong, each with the report it must give; and properties
//! that hold for any text.
//!
//! `SNAPSHOTS=overwrite cargo test --test recipe` writes the reports anew.

use std::path::PathBuf;
use std::sync::LazyLock;

use hapkg::recipe::answer::parse_answer;
use hapkg::recipe::model::Question;
use hapkg::recipe::model::Recipe;
use hapkg::recipe::template::{self, Piece};
use hapkg::recipe::{Context, date, load, new_recipe, parse, schema};
use proptest::prelude::*;
use snapbox::{Assert, Data};

const NODE: &str = r#"
[role]
name = "node"
kind = "node"
summary = "node program"
description = "The node program of every role."
version = "1.0"

[[question]]
name = "nodes"
type = "node-list"
prompt = "Nodes:"
help = "Every node with its address."

[[changelog]]
version = "1.0"
date = "2026-11-01T12:00:00Z"
changes = ["First release."]
"#;

static NODE_RECIPE: LazyLock<Recipe> =
    LazyLock::new(|| parse("node.toml", NODE, &Context::default()).expect("NODE is sound"));

fn context() -> Context<'static> {
    Context {
        node: Some(&NODE_RECIPE),
    }
}

fn broken() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir("tests/broken")
        .expect("tests run in the directory of the package")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_broken_recipe_gives_its_report() {
    let paths = broken();
    assert!(paths.len() >= 60, "only {} broken recipes", paths.len());
    let assert = Assert::new().action_env("SNAPSHOTS");
    let mut differ = Vec::new();
    for path in &paths {
        let report = match load(path, &context()) {
            Ok(_) => panic!("{} is not broken", path.display()),
            Err(problems) => problems.to_string(),
        };
        let golden = Data::read_from(&path.with_extension("stderr"), None).raw();
        if let Err(error) = assert.try_eq(None, report.into(), golden) {
            differ.push(format!("{}\n{error}", path.display()));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn every_error_of_a_recipe_is_reported_at_once() {
    let path = PathBuf::from("tests/broken/many-errors.toml");
    let problems = load(&path, &context()).unwrap_err();
    let places: Vec<(usize, usize)> = problems.iter().map(|p| (p.line, p.column)).collect();
    assert_eq!(places.len(), 11, "{problems}");
    assert!(places.is_sorted(), "{places:?}");
    let first = problems.iter().next().unwrap();
    assert!(first.remedy.contains("lower-case"));
}

#[test]
fn a_recipe_that_cannot_be_read_is_a_problem_too() {
    let directory = tempfile::tempdir().unwrap();
    let missing = load(&directory.path().join("x.toml"), &context()).unwrap_err();
    assert!(missing.to_string().contains("cannot read"), "{missing}");
    let latin = directory.path().join("latin.toml");
    std::fs::write(&latin, b"[role]\nname = \"caf\xe9\"\n").unwrap();
    let problems = load(&latin, &context()).unwrap_err();
    let problem = problems.iter().next().unwrap();
    assert!(problem.message.contains("UTF-8"), "{problems}");
    assert_eq!((problem.line, problem.column), (2, 12));
}

fn new_web() -> String {
    new_recipe("web", date::parse("2026-11-01T12:00:00Z").unwrap())
}

#[test]
fn files_beside_the_recipe_are_looked_for_and_links_do_not_lead_away() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.toml");
    let entry = "\n[[file]]\npath = \"/usr/share/ubuntu-ha/web/x\"\nsource = \"x\"\n";
    std::fs::write(&path, new_web() + entry).unwrap();
    std::fs::write(directory.path().join("x"), "text").unwrap();
    assert!(load(&path, &context()).is_ok());
    std::fs::remove_file(directory.path().join("x")).unwrap();
    std::os::unix::fs::symlink(outside.path(), directory.path().join("x")).unwrap();
    let problems = load(&path, &context()).unwrap_err();
    assert!(
        problems.to_string().contains("leaves the recipe"),
        "{problems}"
    );
}

#[test]
fn a_misspelt_key_is_recognised_everywhere() {
    let schema = schema();
    for (definition, section) in [("Role", "[role]"), ("Question", "[[question]]")] {
        let properties = schema["$defs"][definition]["properties"].as_object();
        let keys = properties.unwrap().keys().filter(|key| key.len() >= 5);
        for key in keys {
            let slip = &key[..key.len() - 1];
            let text = format!("{section}\n{slip} = 1\n");
            let problems = parse("x.toml", &text, &context()).unwrap_err();
            let wanted = format!("did you mean `{key}`?");
            assert!(
                problems.iter().any(|p| p.line == 2 && p.remedy == wanted),
                "{slip}: {problems}"
            );
        }
    }
}

/// A sound recipe with every section, for the mutations.
static SOUND: LazyLock<String> = LazyLock::new(|| {
    let text = new_web();
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| !c.is_whitespace()) => rest,
        _ => line,
    });
    // Without hooks: each new text would start a shell.
    let hook = |line: &&str| {
        !["configure", "remove = \"", "purge"]
            .iter()
            .any(|h| line.starts_with(h))
    };
    lines.filter(hook).collect::<Vec<_>>().join("\n")
});

#[test]
fn the_recipe_that_is_mutated_is_sound() {
    if let Err(problems) = parse("sound.toml", &SOUND, &context()) {
        panic!("{problems}");
    }
}

/// Checks a text, and that its problems can be shown and point into it.
fn survives(text: &str) {
    let Err(problems) = parse("fuzz.toml", text, &context()) else {
        return;
    };
    let lines: Vec<&str> = text.split('\n').collect();
    assert!(problems.iter().count() > 0);
    for problem in &problems {
        let line = lines[problem.line - 1];
        assert!(problem.column <= line.chars().count() + 1, "{problem:?}");
        assert!(
            !problem.message.is_empty() && !problem.remedy.is_empty(),
            "{problem:?}"
        );
    }
    let shown = problems.to_string();
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn deep_nesting_is_a_problem_and_no_overflow() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!("a = {}1{}\n", open.repeat(20_000), close.repeat(20_000));
        survives(&text);
    }
    survives(&format!("[{}]\n", vec!["a"; 20_000].join(".")));
    survives(&format!("{} = 1\n", vec!["a"; 20_000].join(".")));
}

proptest! {
    #[test]
    fn no_text_makes_the_check_panic(text in "(?s).{0,200}") {
        survives(&text);
    }

    #[test]
    fn no_toml_like_text_makes_it_panic(
        text in "([a-z]{1,4}|[\\[\\]{}=.,\"'\\\\\n# ]|\"\"\"|[0-9é]|\\[\\[question\\]\\]\n){0,80}"
    ) {
        survives(&text);
    }

    #[test]
    fn no_change_to_a_recipe_makes_it_panic(
        start in 0usize..6000,
        length in 0usize..40,
        new in "([a-z{}.\"'=\\[\\]\n\u{202e}\u{7f}é-]|\\PC){0,12}",
    ) {
        let mut text = SOUND.clone();
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

    #[test]
    fn what_passes_is_printable(value in "(?s)([ -~]|.){1,20}") {
        let quoted = toml::Value::String(value.clone()).to_string();
        for (old, many_lines) in [
            ("\"service that follows the healthy node\"", false),
            ("\"Virtual IP address and prefix length:\"", false),
            ("\"HA cluster: web\"", false),
            ("\"First release.\"", false),
            ("\"ocf:heartbeat:IPaddr2\"", false),
            ("\"Left empty, the service decides by itself.\"", true),
        ] {
            prop_assert!(SOUND.contains(old), "{}", old);
            let text = SOUND.replacen(old, &quoted, 1);
            if parse("fuzz.toml", &text, &context()).is_ok() {
                let allowed = |c: char| !c.is_control() || (many_lines && c == '\n');
                prop_assert!(value.chars().all(allowed), "{:?}", value);
                prop_assert!(!value.contains("${") || !many_lines, "{:?}", value);
            }
        }
    }

    #[test]
    fn an_answer_reads_back_as_itself(
        kind in prop::sample::select(vec![
            "address", "address/prefix", "host-name", "host", "node-list", "block-device",
            "path", "integer", "boolean", "password", "string",
        ]),
        text in "(?s)([a-f0-9:./,= -]{0,30}|.{0,20}|/dev/[a-z./]{0,9}|(10\\.[0-9]\\.0\\.[0-9]{1,3}/[0-9]{1,2}))",
    ) {
        let question = format!("name = \"q\"\ntype = \"{kind}\"\nprompt = \"Q:\"\nhelp = \"H.\"\n");
        let question: Question = toml::from_str(&question).unwrap();
        match parse_answer(&question, &text) {
            Ok(answer) => {
                prop_assert_eq!(parse_answer(&question, &answer.text()), Ok(answer.clone()));
                prop_assert!(!answer.text().contains('\n'));
            }
            Err(message) => prop_assert!(!message.is_empty()),
        }
    }

    #[test]
    fn a_template_is_the_sum_of_its_pieces(text in "([a-z. ]|\\{\\{|\\}\\}|[{}é]){0,20}") {
        if let Ok(pieces) = template::parse(&text) {
            let whole: String = pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text(part) => part,
                    Piece::Reference(reference) => &text[reference.span.clone()],
                })
                .collect();
            prop_assert_eq!(whole, text);
        }
    }
}
