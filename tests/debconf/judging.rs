//! What config thinks of answers, held against what the node program does.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use hapkg::recipe::answer::{parse_answer, validate};
use hapkg::recipe::model::{Question, QuestionType, Recipe, alternatives};
use proptest::prelude::*;

use crate::answers::{ADDRESSES, HOSTS, NODES, NUMBERS, PASSWORDS, PATHS, PREFIXES, TEXTS};
use crate::tools::{question, recipe, render};

/// The function of config that begins with `name() {`, and what follows it up
/// to the closing brace.
fn function<'a>(config: &'a str, name: &str) -> &'a str {
    let start = config.find(&format!("\n{name}() {{")).expect(name) + 1;
    let end = config[start..].find("\n}\n").unwrap() + 3;
    &config[start..start + end]
}

fn ask(kind: &str, more: &str) -> Recipe {
    recipe(&question("q", kind, more))
}

/// The verdict of config on each text.
fn verdicts(recipe: &Recipe, texts: &[&str]) -> Vec<String> {
    let config = render(recipe).config;
    let command = config
        .lines()
        .find_map(|line| line.trim().strip_prefix("ask required high q "));
    let mut script = function(&config, "judge").to_owned();
    script.push_str("set -f\nfor text; do\n");
    // What `ask` runs, on the words that the question gives to it.
    script.push_str("    set -- required high q ");
    script.push_str(command.expect("the question is asked"));
    script.push_str(
        "\n    printf '%s' \"$text\" | judge \"$4\" \"${5-}\" \"${6-}\"\n    echo\ndone\n",
    );
    let output = Command::new("dash")
        .args(["-c", &script, "dash"])
        .args(texts)
        .output()
        .expect("environment: dash");
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(str::to_owned).collect()
}

/// The verdict of the node program.
fn wanted(question: &Question, text: &str) -> &'static str {
    let given = BTreeMap::from([(question.name.clone(), text.to_owned())]);
    match validate(std::slice::from_ref(question), &given) {
        Ok(_) => "right",
        Err(problems) if problems[0].missing => "empty",
        Err(_) => "wrong",
    }
}

fn agree(recipe: &Recipe, texts: &[&str]) -> (usize, usize) {
    let question = &recipe.question[0];
    let mut counts = (0, 0);
    for (text, found) in texts.iter().zip(verdicts(recipe, texts)) {
        let wanted = wanted(question, text);
        assert_eq!(found, wanted, "{:?} {text:?}", question.kind);
        assert_eq!(wanted == "right", parse_answer(question, text).is_ok());
        match wanted {
            "right" => counts.0 += 1,
            _ => counts.1 += 1,
        }
    }
    counts
}

#[test]
fn config_and_the_node_program_agree() {
    let long = |length: usize| "x".repeat(length);
    let (x63, x64, x255, x256) = (long(63), long(64), long(255), long(256));
    let name253 = format!("{x63}.{x63}.{x63}.{}", long(61));
    let name254 = format!("{name253}x");
    let (path255, path256) = (format!("/dev/{}", long(250)), format!("/dev/{}", long(251)));
    let umlauts = ["ä".repeat(127), "ä".repeat(128)];
    let list = |count: usize| -> String {
        let nodes = (1..=count).map(|n| format!("n{n}=192.0.2.{n}"));
        nodes.collect::<Vec<_>>().join(" ")
    };
    let (nodes32, nodes33) = (list(32), list(33));
    let more: &[(&str, &str, &[&str], &[&str])] = &[
        ("address", "", ADDRESSES, &[]),
        ("address/prefix", "", PREFIXES, &[]),
        ("host-name", "", HOSTS, &[&x63, &x64, &name253, &name254]),
        ("host", "", HOSTS, &[&x63, &x64, &name253, &name254]),
        ("host", "", ADDRESSES, &[]),
        ("node-list", "", NODES, &[&nodes32, &nodes33]),
        ("block-device", "", PATHS, &[&path255, &path256]),
        ("path", "", PATHS, &[&path255, &path256]),
        ("integer", "", NUMBERS, &[]),
        ("integer", "min = 1", NUMBERS, &[]),
        ("integer", "max = 9", NUMBERS, &[]),
        ("integer", "min = -5\nmax = 10", NUMBERS, &[]),
        ("integer", "min = 9223372036854775807", NUMBERS, &[]),
        (
            "string",
            "",
            TEXTS,
            &[&x255, &x256, &umlauts[0], &umlauts[1]],
        ),
        ("password", "", PASSWORDS, &[&x255, &x256]),
        (
            "password",
            "min = 1\nmax = 12",
            PASSWORDS,
            &["a", " ", "a b"],
        ),
    ];
    for (kind, limits, texts, long) in more {
        let texts: Vec<&str> = texts.iter().chain(*long).copied().collect();
        let (right, not) = agree(&ask(kind, limits), &texts);
        assert!(right > 0 && not > 0, "{kind}: {right} right, {not} not");
    }
}

/// Every type is judged, or offered by debconf as a list of what is right.
#[test]
fn no_type_goes_unchecked() {
    for (kind, more, template) in [
        (
            "choice",
            "choices = [\"a\", \"b\"]",
            "Type: select\nChoices: a, b\n",
        ),
        ("boolean", "", "Type: boolean\n"),
    ] {
        let files = render(&ask(kind, more));
        assert!(files.templates_source.contains(template));
        assert!(files.config.contains("put high q || true"));
        assert!(!files.config.contains("judge"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn they_agree_on_anything(
        network in prop::collection::vec("[0-9a-f:./ ]{0,12}|[12]?[0-9]{1,2}(\\.[0-9]{1,3}){3}(/[0-9]{1,2})?|[0-9a-f]{0,4}(:[0-9a-f]{0,5}){2,8}(/[0-9]{1,3})?", 12),
        names in prop::collection::vec("[a-c0-9.-]{0,8}", 8),
        lists in prop::collection::vec("[ab](=192\\.0\\.2\\.[1-4](,2001:db8::[1-4])?)? {1,2}[bc]=192\\.0\\.2\\.[1-4](,2001:db8::[1-4])?", 8),
        paths in prop::collection::vec("(/dev)?(/[a.]{0,3}){0,3}", 8),
        numbers in prop::collection::vec("[+-]?[0-9]{0,20}", 8),
        any in prop::collection::vec("[^\\x00]{0,12}", 5),
    ) {
        let cases: [(&str, &[String]); 11] = [
            ("address", &network),
            ("address/prefix", &network),
            ("host-name", &names),
            ("host", &network),
            ("host", &names),
            ("node-list", &lists),
            ("block-device", &paths),
            ("path", &paths),
            ("integer", &numbers),
            ("string", &any),
            ("password", &any),
        ];
        for (kind, texts) in cases {
            let texts: Vec<&str> = texts.iter().chain(&any).map(String::as_str).collect();
            let min = if kind == "password" { 2 } else { -7 };
            agree(&ask(kind, &format!("min = {min}\nmax = 700")), &texts);
        }
    }

    #[test]
    fn a_condition_compares_the_text_itself(wanted in "[^\\p{Cc}]{1,40}|[ '\"$`\\\\(){}|&;<>*?#!~a-]{1,20}") {
        let mut recipe = recipe(&format!(
            "{}{}",
            question("a", "string", ""),
            question("b", "boolean", "when = { a = \"x\" }")
        ));
        prop_assume!(!["#DEBHELPER#", "#PACKAGE#"].contains(&wanted.as_str()));
        recipe.question[1].when = [("a".to_owned(), wanted.clone())].into();
        let config = render(&recipe).config;
        let directory = tempfile::tempdir().unwrap();
        let script = format!(
            "set -e\npackage=p\ndb_get() {{ RET=$answer; }}\n{}\n{}\n\
             for answer; do if wants_b; then echo wanted; else echo not; fi; done\n",
            function(&config, "is"),
            function(&config, "wants_b")
        );
        let (longer, first) = (format!("{wanted}x"), wanted.split('|').next().unwrap());
        let answers = [wanted.as_str(), &longer, "", "x", first];
        for (shell, path) in [("dash", "one"), ("bash", "two")] {
            let path = directory.path().join(path);
            fs::write(&path, &script).unwrap();
            let output = Command::new(shell)
                .arg(&path)
                .args(answers)
                .current_dir(directory.path())
                .output()
                .expect("environment: a shell");
            let verdict = |answer: &&str| match alternatives(&wanted).any(|one| one == *answer) {
                true => "wanted\n",
                false => "not\n",
            };
            prop_assert_eq!(
                String::from_utf8(output.stdout).unwrap(),
                answers.iter().map(verdict).collect::<String>()
            );
            prop_assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        }
        let mut child = Command::new("sh").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(config.as_bytes()).unwrap();
        prop_assert!(child.wait().unwrap().success());
    }
}

/// Whether config would put each question, for given answers.
fn put_questions(recipe: &Recipe, answers: &[(&str, &str)]) -> Vec<String> {
    let config = render(recipe).config;
    let start = config
        .find("\n# Whether question $1 is answered by one of")
        .unwrap();
    let end = config.find("\nif [ -f \"$file\" ]").unwrap();
    let mut script = String::from("set -e\npackage=p\ndb_get() { case $1 in\n");
    for (name, value) in answers {
        script.push_str(&format!("p/{name}) RET={value} ;;\n"));
    }
    script.push_str("*) RET= ;; esac; }\nask() { echo \"$3\"; }\nput() { echo \"$2\"; }\n");
    script.push_str(&config[start..end]);
    script.push_str(&config[config.find("\nstate=1\n").unwrap()..]);
    let output = Command::new("dash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let names = String::from_utf8(output.stdout).unwrap();
    names.lines().map(str::to_owned).collect()
}

#[test]
fn conditions_hold_as_the_node_program_says() {
    let recipe = recipe(&format!(
        "{}{}{}{}{}{}{}",
        question("a", "boolean", ""),
        question(
            "b",
            "choice",
            "choices = [\"x\", \"y\"]\nwhen = { a = \"true\" }"
        ),
        question("c", "boolean", "when = { b = \"x\" }"),
        question("d", "boolean", "when = { b = \"\" }"),
        question(
            "e",
            "string",
            "when = { a = \"true\", c = \"true\" }\noptional = true"
        ),
        question("f", "boolean", "when = { b = \"x|y\" }"),
        question("g", "boolean", "when = { b = \"y|\", c = \"|true\" }"),
    ));
    let values = [
        ("a", ["true", "false"]),
        ("b", ["x", "y"]),
        ("c", ["true", "false"]),
    ];
    for choice in 0..8 {
        let mut answers: Vec<(&str, &str)> = values
            .iter()
            .enumerate()
            .map(|(bit, (name, values))| (*name, values[choice >> bit & 1]))
            .collect();
        answers.extend([("d", "true"), ("e", "text"), ("f", "true"), ("g", "true")]);
        let given = answers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        let asked: Vec<String> = validate(&recipe.question, &given)
            .unwrap()
            .into_keys()
            .collect();
        assert_eq!(put_questions(&recipe, &answers), asked, "{answers:?}");
    }
    assert!(
        recipe
            .question
            .iter()
            .all(|q| q.kind != QuestionType::Password)
    );
}
