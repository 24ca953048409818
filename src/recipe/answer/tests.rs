use std::collections::BTreeMap;

use super::*;

fn question(kind: &str, more: &str) -> Question {
    let text = format!("name = \"q\"\ntype = \"{kind}\"\nprompt = \"Q:\"\nhelp = \"H.\"\n{more}");
    toml::from_str(&text).unwrap()
}

/// Type, further keys, text, what is read.
const GOOD: &[(&str, &str, &str, &str)] = &[
    ("address", "", "192.0.2.1", "192.0.2.1"),
    ("address", "", " 2001:DB8:0::1 ", "2001:db8::1"),
    ("address", "", "127.0.0.1", "127.0.0.1"),
    ("address/prefix", "", "192.0.2.10/24", "192.0.2.10/24"),
    ("address/prefix", "", "192.0.2.0/31", "192.0.2.0/31"),
    ("address/prefix", "", "192.0.2.255/32", "192.0.2.255/32"),
    ("address/prefix", "", "192.0.2.0/16", "192.0.2.0/16"),
    ("address/prefix", "", "2001:db8::10/64", "2001:db8::10/64"),
    ("address/prefix", "", "2001:db8::/127", "2001:db8::/127"),
    ("address/prefix", "", "2001:db8::/128", "2001:db8::/128"),
    ("address/prefix", "", "2001:db8::1/1", "2001:db8::1/1"),
    ("host-name", "", "alpha", "alpha"),
    ("host-name", "", "a-1.example.org", "a-1.example.org"),
    ("host-name", "", "3com", "3com"),
    ("host", "", "alpha.example.org", "alpha.example.org"),
    ("host", "", "192.0.2.20", "192.0.2.20"),
    ("host", "", "2001:DB8:0::20", "2001:db8::20"),
    (
        "node-list",
        "",
        " alpha=192.0.2.11   beta=192.0.2.12 ",
        "alpha=192.0.2.11 beta=192.0.2.12",
    ),
    (
        "node-list",
        "",
        "alpha=192.0.2.11,2001:db8::1 beta=192.0.2.12,2001:db8::2",
        "alpha=192.0.2.11,2001:db8::1 beta=192.0.2.12,2001:db8::2",
    ),
    ("block-device", "", "/dev/vdb", "/dev/vdb"),
    (
        "block-device",
        "",
        "/dev/disk/by-path/pci-0000:00:05.0-part1",
        "/dev/disk/by-path/pci-0000:00:05.0-part1",
    ),
    ("path", "", "/srv/data", "/srv/data"),
    ("integer", "", "-5", "-5"),
    ("integer", "min = 0\nmax = 10", "0", "0"),
    ("integer", "min = 0\nmax = 10", "10", "10"),
    ("choice", "choices = [\"ext4\", \"xfs\"]", "xfs", "xfs"),
    ("boolean", "", "true", "true"),
    ("boolean", "", "false", "false"),
    ("password", "", "p4ss w\"or'd\\", "p4ss w\"or'd\\"),
    ("string", "", "Größe & <co> $x", "Größe & <co> $x"),
];

/// Type, further keys, text, part of the message.
const BAD: &[(&str, &str, &str, &str)] = &[
    ("address", "", "", "is empty; write an address"),
    ("address", "", "192.0.2.256", "is no IP address"),
    ("address", "", "192.0.2", "is no IP address"),
    ("address", "", "192.0.2.01", "is no IP address"),
    ("address", "", "192.0.2.1/24", "write the address alone"),
    ("address", "", "0.0.0.0", "unspecified"),
    ("address", "", "::", "unspecified"),
    ("address", "", "224.0.0.1", "multicast"),
    ("address", "", "ff02::1", "multicast"),
    ("address", "", "255.255.255.255", "broadcast"),
    ("address", "", "fe80::1%eth0", "is no IP address"),
    ("address", "", "192.0.2.1\n", "control character"),
    (
        "address/prefix",
        "",
        "192.0.2.10",
        "such as `192.0.2.10/24`",
    ),
    ("address/prefix", "", "2001:db8::10", "`2001:db8::10/64`"),
    ("address/prefix", "", "192.0.2.10/", "from 1 to 32"),
    ("address/prefix", "", "192.0.2.10/33", "from 1 to 32"),
    ("address/prefix", "", "192.0.2.10/0", "from 1 to 32"),
    ("address/prefix", "", "192.0.2.10/+8", "from 1 to 32"),
    ("address/prefix", "", "192.0.2.10/08", "from 1 to 32"),
    (
        "address/prefix",
        "",
        "192.0.2.10/255.255.255.0",
        "from 1 to 32",
    ),
    ("address/prefix", "", "2001:db8::10/129", "from 1 to 128"),
    (
        "address/prefix",
        "",
        "192.0.2.0/24",
        "of the network itself",
    ),
    ("address/prefix", "", "192.0.2.255/24", "broadcast"),
    ("address/prefix", "", "192.0.2.3/30", "broadcast"),
    (
        "address/prefix",
        "",
        "2001:db8::/64",
        "of the network itself",
    ),
    ("address/prefix", "", "127.0.0.1/8", "loopback"),
    ("address/prefix", "", "::1/128", "loopback"),
    ("address/prefix", "", "169.254.1.1/16", "link-local"),
    ("address/prefix", "", "fe80::1/64", "link-local"),
    ("address/prefix", "", "224.0.0.1/4", "multicast"),
    ("host-name", "", "-alpha", "hyphen"),
    ("host-name", "", "alpha.", "empty label"),
    ("host-name", "", "al_pha", "holds '_'"),
    ("host-name", "", "192.0.2.1", "an address"),
    ("host-name", "", "12", "a number"),
    ("host-name", "", "älpha", "holds 'ä'"),
    ("host", "", "-alpha", "hyphen"),
    ("host", "", "192.0.2.300", "no IP address"),
    ("host", "", "127.0.0.1", "loopback"),
    ("host", "", "fe80::1", "link-local"),
    ("host", "", "a:b", "no IP address"),
    ("node-list", "", "alpha beta", "has no address"),
    (
        "node-list",
        "",
        "alpha=192.0.2.11 alpha=192.0.2.12",
        "twice",
    ),
    (
        "node-list",
        "",
        "alpha=192.0.2.11 ALPHA=192.0.2.12",
        "twice",
    ),
    ("node-list", "", "alpha=192.0.2.11 beta=192.0.2.11", "twice"),
    (
        "node-list",
        "",
        "alpha= beta=192.0.2.12",
        "lacks an address",
    ),
    (
        "node-list",
        "",
        "alpha=192.0.2.11, beta=192.0.2.12",
        "lacks an",
    ),
    (
        "node-list",
        "",
        "alpha=192.0.2.11,198.51.100.11 beta=192.0.2.12",
        "different numbers",
    ),
    (
        "node-list",
        "",
        "alpha=192.0.2.11 beta=2001:db8::2",
        "mixes",
    ),
    (
        "node-list",
        "",
        "a=192.0.2.1,192.0.2.2,192.0.2.3 b=192.0.2.4,192.0.2.5,192.0.2.6",
        "at most 2",
    ),
    (
        "node-list",
        "",
        "alpha=127.0.0.1 beta=192.0.2.12",
        "loopback",
    ),
    (
        "node-list",
        "",
        "al!=192.0.2.11 beta=192.0.2.12",
        "holds '!'",
    ),
    ("block-device", "", "vdb", "not absolute"),
    ("block-device", "", "/srv/disk", "not below /dev"),
    ("block-device", "", "/dev/../etc/passwd", "holds `..`"),
    ("block-device", "", "/dev/", "empty name"),
    ("block-device", "", "/dev/a b", "holds ' '"),
    ("path", "", "srv", "not absolute"),
    ("path", "", "/srv/../etc", "holds `..`"),
    ("path", "", "/srv//x", "empty name"),
    ("path", "", "/srv/$(id)", "holds '$'"),
    ("path", "", "/", "empty name"),
    ("integer", "", "1.5", "no whole number"),
    ("integer", "", "+1", "no whole number"),
    ("integer", "", "007", "no whole number"),
    ("integer", "", "-", "no whole number"),
    ("integer", "", "99999999999999999999", "no whole number"),
    (
        "integer",
        "min = 1",
        "0",
        "too small; write a whole number of at least 1",
    ),
    (
        "integer",
        "max = 9",
        "10",
        "too large; write a whole number of at most 9",
    ),
    ("choice", "choices = [\"ext4\", \"xfs\"]", "ext3", "`ext4`?"),
    ("boolean", "", "yes", "write `true` or `false`"),
    ("boolean", "", "True", "write `true` or `false`"),
    ("password", "", "", "is empty"),
    ("password", "", "1234567", "too short"),
    ("password", "", " 12345678", "blank"),
    ("password", "", "1234\t5678", "printable"),
    ("password", "", "пароль1234", "printable"),
    ("string", "", "a\"b", "without quotes"),
    ("string", "", "a\\b", "without quotes"),
    ("string", "", "a\u{1b}b", "control character"),
];

#[test]
fn good_answers_are_read_and_written_back() {
    for (kind, more, text, wanted) in GOOD {
        let question = question(kind, more);
        let answer = parse_answer(&question, text).unwrap_or_else(|e| panic!("{kind} {text}: {e}"));
        assert_eq!(answer.text(), *wanted, "{kind} {text}");
        assert_eq!(parse_answer(&question, wanted), Ok(answer));
    }
}

#[test]
fn bad_answers_say_what_to_write_instead() {
    for (kind, more, text, part) in BAD {
        let message = parse_answer(&question(kind, more), text)
            .expect_err(&format!("{kind} `{text}` was taken"));
        assert!(message.contains(part), "{kind} `{text}`: {message}");
        assert!(
            message.contains("write ") || message.contains("did you mean"),
            "{message}"
        );
    }
}

#[test]
fn long_answers_are_refused() {
    let long = "x".repeat(256);
    for (kind, text) in [
        ("string", long.clone()),
        ("password", long.clone()),
        ("path", format!("/{long}")),
        ("host-name", long.clone()),
        ("host-name", "x".repeat(64)),
    ] {
        assert!(parse_answer(&question(kind, ""), &text).is_err(), "{kind}");
    }
    let nodes: Vec<String> = (1..=33).map(|n| format!("n{n}=192.0.2.{n}")).collect();
    let list = question("node-list", "");
    assert!(
        parse_answer(&list, &nodes.join(" "))
            .unwrap_err()
            .contains("33 nodes")
    );
    assert!(parse_answer(&list, &nodes[..32].join(" ")).is_ok());
}

#[test]
fn a_password_is_never_shown() {
    let question = question("password", "");
    for text in ["hunter2", " hunter2 hunter2", "hunter2\u{7}hunter2"] {
        let message = parse_answer(&question, text).unwrap_err();
        assert!(!message.contains("hunter2"), "{message}");
    }
    let answer = parse_answer(&question, "hunter2hunter2").unwrap();
    assert!(!format!("{answer:?}").contains("hunter2"));
    assert_eq!(answer.text(), "hunter2hunter2");
}

#[test]
fn a_question_may_set_the_longest_length() {
    for kind in ["password", "string"] {
        let question = question(kind, "max = 300");
        assert!(parse_answer(&question, &"x".repeat(300)).is_ok());
        let message = parse_answer(&question, &"x".repeat(301)).unwrap_err();
        assert!(
            message.contains("300") || message.contains("too long"),
            "{message}"
        );
    }
    assert!(
        parse_answer(
            &question("path", "max = 300"),
            &format!("/{}", "x".repeat(256))
        )
        .is_err()
    );
}

#[test]
fn a_condition_holds_for_each_alternative() {
    let when = |wanted: &str| BTreeMap::from([("mode".to_string(), wanted.to_string())]);
    let answers = |text: &str| match text {
        "" => Answers::new(),
        text => Answers::from([("mode".to_string(), Answer::Choice(text.to_string()))]),
    };
    for (wanted, text, holds_then) in [
        ("a", "a", true),
        ("a", "", false),
        ("a|b", "b", true),
        ("a|b", "a|b", false),
        ("a|b", "ab", false),
        ("", "", true),
        ("b|", "", true),
        ("b|", "a", false),
        ("a |b", "a", false),
    ] {
        assert_eq!(
            holds(&when(wanted), &answers(text)),
            holds_then,
            "{wanted} {text}"
        );
    }
    assert!(holds(&BTreeMap::new(), &Answers::new()));
}

fn questions() -> Vec<Question> {
    #[derive(serde::Deserialize)]
    struct Questions {
        question: Vec<Question>,
    }
    let text = r#"
        [[question]]
        name = "storage"
        type = "boolean"
        prompt = "Storage?"
        help = "H."
        default = "false"
        [[question]]
        name = "device"
        type = "block-device"
        prompt = "Device:"
        help = "H."
        when = { storage = "true" }
        [[question]]
        name = "label"
        type = "string"
        prompt = "Label:"
        help = "H."
        optional = true
        [[question]]
        name = "size"
        type = "integer"
        prompt = "Size:"
        help = "H."
        default = "5"
        when = { device = "/dev/vdb" }
    "#;
    toml::from_str::<Questions>(text).unwrap().question
}

fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

#[test]
fn questions_that_are_not_asked_need_no_answer() {
    let answers = validate(&questions(), &given(&[("device", "nonsense")])).unwrap();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers["storage"], Answer::Boolean(false));
}

#[test]
fn conditions_chain() {
    let pairs = [("storage", "true"), ("device", "/dev/vdb")];
    let answers = validate(&questions(), &given(&pairs)).unwrap();
    assert_eq!(answers["size"], Answer::Integer(5));
}

#[test]
fn every_problem_is_reported_once() {
    let pairs = [("storage", "true"), ("label", "\""), ("lable", "x")];
    let problems = validate(&questions(), &given(&pairs)).unwrap_err();
    let seen: Vec<(&str, bool)> = problems
        .iter()
        .map(|p| (p.question.as_str(), p.missing))
        .collect();
    assert_eq!(seen, [("device", true), ("label", false), ("lable", false)]);
    assert!(
        problems[0]
            .to_string()
            .starts_with("device: is not answered; write a device")
    );
    assert!(problems[2].message.contains("did you mean `label`?"));
}

#[test]
fn an_emptied_answer_is_missing_unless_optional() {
    let problems = validate(&questions(), &given(&[("storage", ""), ("label", "  ")])).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].question, "storage");
    assert!(problems[0].missing);
}
