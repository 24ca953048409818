//! What config thinks of answers, held against what the node program does.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use hapkg::recipe::answer::{parse_answer, validate};
use hapkg::recipe::model::{Question, QuestionType, Recipe};
use proptest::prelude::*;

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

const ADDRESSES: &[&str] = &[
    "192.0.2.1",
    "0.0.0.1",
    "1.2.3.4",
    "10.0.0.255",
    "127.0.0.1",
    "169.254.1.1",
    "198.51.100.7",
    "223.255.255.255",
    "240.0.0.1",
    "2001:db8::1",
    "2001:DB8:0::1",
    "::1",
    "::2",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "fe7f::1",
    "::ffff:192.0.2.1",
    "::192.0.2.1",
    "64:ff9b::192.0.2.33",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7::",
    "::2:3:4:5:6:7:8",
    "1:2:3:4:5:6:1.2.3.4",
    " 192.0.2.1 ",
    "\u{3000}192.0.2.1\u{a0}",
    "fd00::a",
    "abcd::",
    "",
    " ",
    "\t",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "239.1.2.3",
    "255.255.255.255",
    "ff02::1",
    "192.0.2.256",
    "192.0.2",
    "192.0.2.01",
    "192.0.2.1.",
    "1.2.3.4.5",
    "0x7f.1",
    "127.1",
    "1e3",
    "192.0.2.1/24",
    "fe80::1%eth0",
    "192.0.2.1\n",
    "\t192.0.2.1",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "12345::",
    "::00001",
    ":1",
    "1:",
    "g::",
    "::1.2.3",
    "1.2.3.4::",
    "::01.2.3.4",
    "[::1]",
    "١٩٢.0.2.1",
    "192.0.2.1 192.0.2.2",
    "$(id)",
    "-1",
    "\u{85}192.0.2.1",
    "192,0.2.1",
];

const PREFIXES: &[&str] = &[
    "192.0.2.10/24",
    "192.0.2.0/31",
    "192.0.2.255/32",
    "192.0.2.0/16",
    "192.0.2.10/1",
    "2001:db8::10/64",
    "2001:db8::/127",
    "2001:db8::/128",
    "2001:db8::1/1",
    "2001:db8::ffff/112",
    " 192.0.2.10/24 ",
    "240.0.0.1/4",
    "::2/126",
    "192.0.2.10/30",
    "",
    "192.0.2.10",
    "2001:db8::10",
    "192.0.2.10/",
    "192.0.2.10/33",
    "192.0.2.10/0",
    "192.0.2.10/+8",
    "192.0.2.10/08",
    "192.0.2.10/255.255.255.0",
    "192.0.2.10/24/24",
    "192.0.2.10/ 24",
    "192.0.2.10 /24",
    "2001:db8::10/129",
    "2001:db8::10/0",
    "192.0.2.0/24",
    "192.0.2.255/24",
    "192.0.2.3/30",
    "192.0.2.8/30",
    "2001:db8::/64",
    "127.0.0.1/8",
    "::1/128",
    "169.254.1.1/16",
    "fe80::1/64",
    "224.0.0.1/4",
    "/24",
    "a/24",
    "192.0.2.10/1000",
    "192.0.2.10/٢",
    "255.255.255.254/31",
    "255.255.255.255/32",
    "128.0.0.0/1",
    "255.0.0.1/1",
];

const HOSTS: &[&str] = &[
    "alpha",
    "a-1.example.org",
    "3com",
    "A",
    "a",
    "1a",
    "a1",
    "x--y",
    "1.2.3.x",
    " alpha ",
    "",
    "-alpha",
    "alpha-",
    "alpha.",
    ".alpha",
    "a..b",
    "al_pha",
    "192.0.2.1",
    "12",
    "1.2",
    "älpha",
    "a b",
    "a/b",
    "::1",
    "a-.b",
    "a.-b",
    "alpha\n",
    "alpha;id",
    ".",
    "-",
];

const NODES: &[&str] = &[
    "alpha=192.0.2.11 beta=192.0.2.12",
    " alpha=192.0.2.11   beta=192.0.2.12 ",
    "alpha=192.0.2.11\u{3000}beta=192.0.2.12",
    "abcd=97.98.99.100 b=192.0.2.1",
    "alpha=192.0.2.11,2001:db8::1 beta=192.0.2.12,2001:db8::2",
    "a=2001:db8::1 b=2001:db8::2 c=2001:db8::3",
    "a=192.0.2.1,198.51.100.1 b=192.0.2.2,198.51.100.2",
    "a.b=192.0.2.1 a.c=192.0.2.2",
    "a=::ffff:192.0.2.1 b=::ffff:192.0.2.2",
    "",
    "alpha beta",
    "alpha=192.0.2.11",
    "alpha=192.0.2.11 alpha=192.0.2.12",
    "alpha=192.0.2.11 ALPHA=192.0.2.12",
    "alpha=192.0.2.11 beta=192.0.2.11",
    "alpha= beta=192.0.2.12",
    "alpha=192.0.2.11, beta=192.0.2.12",
    "=192.0.2.11 beta=192.0.2.12",
    "alpha=192.0.2.11,198.51.100.11 beta=192.0.2.12",
    "alpha=192.0.2.11 beta=2001:db8::2",
    "a=192.0.2.1,192.0.2.2,192.0.2.3 b=192.0.2.4,192.0.2.5,192.0.2.6",
    "a=192.0.2.1,192.0.2.1 b=192.0.2.2,192.0.2.3",
    "a=192.0.2.1,2001:db8::1 b=2001:db8::2,192.0.2.2",
    "alpha=127.0.0.1 beta=192.0.2.12",
    "al!=192.0.2.11 beta=192.0.2.12",
    "a==192.0.2.1 b=192.0.2.2",
    "a=192.0.2.1\tb=192.0.2.2",
    "a=192.0.2.1/24 b=192.0.2.2",
    "12=192.0.2.1 b=192.0.2.2",
    "a=2001:db8::1 b=2001:db8:0::1",
    "a=::ffff:192.0.2.1 b=192.0.2.1",
];

const PATHS: &[&str] = &[
    "/dev/vdb",
    "/dev/disk/by-path/pci-0000:00:05.0-part1",
    "/dev/mapper/a@b,c=d%e~f#g",
    "/dev/...",
    "/dev/a..b",
    "/dev/.a",
    " /dev/vdb ",
    "/srv/data",
    "/srv/disk",
    "/devil/x",
    "/dev",
    "",
    "vdb",
    "/dev/../etc/passwd",
    "/dev/..",
    "/dev/.",
    "/./dev/x",
    "/dev/",
    "/dev//x",
    "/dev/a b",
    "/",
    "//",
    "srv",
    "/srv/../etc",
    "/srv//x",
    "/srv/$(id)",
    "/srv/a;b",
    "/srv/a\\b",
    "/srv/a'b",
    "/srv/a\"b",
    "/srv/ä",
    "/srv/a*",
    "/dev/x\n",
    "~/x",
    "/srv/a[b]",
    "/srv/a!",
    "/srv/(a)",
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "10",
    "65535",
    "-5",
    "-0",
    " 7 ",
    "9223372036854775807",
    "-9223372036854775808",
    "",
    "1.5",
    "+1",
    "007",
    "-",
    "-01",
    "00",
    "1e3",
    "0x10",
    "1_000",
    "9223372036854775808",
    "-9223372036854775809",
    "99999999999999999999",
    "18446744073709551616",
    "٣",
    "a",
    "1 2",
    "1\n",
    "--1",
    "inf",
    "nan",
];

const TEXTS: &[&str] = &[
    "Größe & <co> $x",
    "a",
    "  a  b ",
    "$(id) ${x} #DEBHELPER# %s",
    "日本",
    "a\u{a0}b",
    "0",
    "",
    " ",
    "\u{3000}",
    "a\"b",
    "a'b",
    "a\\b",
    "a`b",
    "a\u{1b}b",
    "a\u{7f}b",
    "a\u{9b}b",
    "a\nb",
    "\ta",
    "a\u{85}",
];

const PASSWORDS: &[&str] = &[
    "p4ss w\"or'd\\",
    "12345678",
    "~!@#$%^&*()",
    "a      b",
    "%s%n%s%n",
    "",
    "1234567",
    " 12345678",
    "12345678 ",
    "1234\t5678",
    "пароль1234",
    "12345678\n",
    "        ",
    "\n12345678",
];

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
        let cases: [(&str, &[String]); 9] = [
            ("address", &network),
            ("address/prefix", &network),
            ("host-name", &names),
            ("node-list", &lists),
            ("block-device", &paths),
            ("path", &paths),
            ("integer", &numbers),
            ("string", &any),
            ("password", &any),
        ];
        for (kind, texts) in cases {
            let texts: Vec<&str> = texts.iter().chain(&any).map(String::as_str).collect();
            agree(&ask(kind, "min = -7\nmax = 700"), &texts);
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
        for (shell, path) in [("dash", "one"), ("bash", "two")] {
            let path = directory.path().join(path);
            fs::write(&path, &script).unwrap();
            let output = Command::new(shell)
                .arg(&path)
                .args([&wanted, &format!("{wanted}x"), "", "x"])
                .current_dir(directory.path())
                .output()
                .expect("environment: a shell");
            let plain = if wanted == "x" { "wanted" } else { "not" };
            prop_assert_eq!(
                String::from_utf8(output.stdout).unwrap(),
                format!("wanted\nnot\nnot\n{plain}\n")
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
        .find("\n# Whether question $1 is answered $2.")
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
        "{}{}{}{}{}",
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
        answers.extend([("d", "true"), ("e", "text")]);
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
