//! config below the real debconf.

use std::fs;

use crate::session::Session;
use crate::session::Step::{Answer, Back, Error};
use crate::tools::{question, recipe, sample};

/// Steps through the sample with right answers, from the question `nodes` on.
const NODES: &str = "alpha=192.0.2.11 beta=192.0.2.12";

#[test]
fn nobody_answers_and_config_ends() {
    let session = Session::new(&sample());
    session.config();
    assert_eq!(session.get("vip"), "");
    assert_eq!(session.get("filesystem"), "ext4");
    assert_eq!(session.flag("vip", "seen"), "false");
}

#[test]
fn wrong_preseeds_end_too_and_stay_as_they_are() {
    let session = Session::new(&sample());
    session.preseed("vip", "string", "192.0.2.0/24");
    session.preseed("nodes", "string", "alpha");
    session.preseed("storage", "boolean", "true");
    session.preseed("filesystem", "select", "btrfs");
    session.preseed("secret", "password", "short");
    let shown = session.config();
    assert_eq!(session.get("vip"), "192.0.2.0/24");
    assert_eq!(session.get("nodes"), "alpha");
    // Debconf itself would have put its first choice in place of this one.
    assert_eq!(session.get("filesystem"), "btrfs");
    assert!(!shown.contains("short"), "{shown}");
}

#[test]
fn a_choice_that_nobody_made_is_not_made_for_them() {
    let session = Session::new(&recipe(&question(
        "fs",
        "choice",
        "choices = [\"ext4\", \"xfs\"]",
    )));
    session.config();
    assert_eq!(session.get("fs"), "");
}

#[test]
fn wrong_answers_below_the_threshold_do_not_loop() {
    let session = Session::new(&sample());
    session.set("port", "http");
    session.set("witness", "-");
    session.set("vip", "192.0.2.10/24");
    session.interactive(
        "critical",
        &[
            Answer("nodes", "alpha"),
            Error("invalid_node_list", "\"alpha\" is not a list"),
            Answer("nodes", NODES),
        ],
    );
    assert_eq!(session.get("port"), "http");
}

#[test]
fn a_wrong_answer_is_put_again() {
    let session = Session::new(&sample());
    session.interactive(
        "high",
        &[
            Answer("vip", "192.0.2.300/24"),
            Error("invalid_address_prefix", "\"192.0.2.300/24\" is not"),
            Answer("vip", ""),
            Error("missing", "Virtual IP address and prefix length:"),
            Answer("vip", "  192.0.2.10/24"),
            Answer("nodes", NODES),
            Answer("storage", "true"),
            Answer("device", "/dev/a  b\\ ${value} \"$(id)\""),
            Error(
                "invalid_block_device",
                "\"/dev/a  b\\ ${value} \"$(id)\"\" is not",
            ),
            Answer("device", "/dev/vdb"),
            Answer("filesystem", "xfs"),
            Answer("mount", "/"),
            Error("invalid_path", "\"/\" is not"),
            Answer("mount", "/srv"),
            Answer("secret", "correct horse"),
        ],
    );
    assert_eq!(session.get("device"), "/dev/vdb");
    assert_eq!(session.get("secret"), "correct horse");
    assert_eq!(session.flag("vip", "seen"), "true");
    // Seen questions are not put again when postinst runs config once more.
    session.interactive("high", &[]);
}

#[test]
fn low_priorities_and_limits_are_put_to_who_wants_them() {
    let session = Session::new(&sample());
    session.interactive(
        "low",
        &[
            Answer("vip", "2001:db8::10/64"),
            Answer("gateway", ""),
            Answer("witness", "a b"),
            Error("invalid_host_name", "\"a b\""),
            Answer("witness", "gamma"),
            Answer("nodes", NODES),
            Answer("storage", "false"),
            Answer("port", "65536"),
            Error("invalid_integer", "limits 1 <= n <= 65535"),
            Answer("port", "7788"),
            Answer("comment", "it's"),
            Error("invalid_string", "\"it's\" cannot"),
            Answer("comment", "Größe"),
            Answer("secret", "correct horse"),
        ],
    );
    assert_eq!(session.get("comment"), "Größe");
}

#[test]
fn going_back_skips_what_does_not_apply() {
    let session = Session::new(&sample());
    session.interactive(
        "high",
        &[
            Answer("vip", "192.0.2.10/24"),
            Answer("nodes", NODES),
            Answer("storage", "false"),
            Back("secret"),
            Answer("storage", "true"),
            Answer("device", "/dev/vdc"),
            Answer("filesystem", "ext4"),
            Back("secret"),
            Back("filesystem"),
            Back("device"),
            Back("storage"),
            Back("nodes"),
            Answer("vip", "192.0.2.11/24"),
            Answer("nodes", "x"),
            Error("invalid_node_list", "\"x\""),
            Back("nodes"),
            Answer("vip", "192.0.2.12/24"),
            Answer("nodes", NODES),
            Answer("storage", "false"),
            Answer("secret", "correct horse"),
        ],
    );
    assert_eq!(session.get("vip"), "192.0.2.12/24");
    assert_eq!(session.get("storage"), "false");
}

#[test]
fn alternatives_are_asked_for_and_skipped() {
    let recipe = recipe(&format!(
        "{}{}{}{}",
        question("how", "choice", "choices = [\"a\", \"b\", \"c\"]"),
        question("both", "address", "when = { how = \"a|b\" }"),
        question("one", "address", "when = { how = \"c\" }"),
        question("none", "string", "when = { both = \"|192.0.2.1\" }"),
    ));
    Session::new(&recipe).interactive("high", &[Answer("how", "b"), Answer("both", "192.0.2.2")]);
    Session::new(&recipe).interactive(
        "high",
        &[
            Answer("how", "c"),
            Answer("one", "192.0.2.3"),
            Back("none"),
            Back("one"),
            Answer("how", "a"),
            Back("both"),
            Answer("how", "b"),
            Answer("both", "192.0.2.1"),
            Answer("none", "x"),
        ],
    );
}

#[test]
fn a_question_may_set_its_own_longest_length() {
    let session = Session::new(&recipe(&format!(
        "{}{}{}",
        question("token", "password", "max = 4096"),
        question("words", "string", "max = 300"),
        question("plain", "string", ""),
    )));
    let long: &'static str = "x".repeat(4096).leak();
    let longer: &'static str = "x".repeat(4097).leak();
    session.interactive(
        "high",
        &[
            Answer("token", longer),
            Error("invalid_password", "8 to 4096"),
            Answer("token", long),
            Answer("words", &long[..301]),
            Error("invalid_string", "at most 300 characters"),
            Answer("words", &long[..300]),
            Answer("plain", &long[..256]),
            Error("invalid_string", "at most 255 characters"),
            Answer("plain", &long[..255]),
        ],
    );
    assert_eq!(session.get("token"), long);
    session.program("cat >input");
    assert!(
        session
            .script("postinst", &["configure", ""])
            .status
            .success()
    );
    assert!(!session.databases().contains(&long[..301]));
    let input = fs::read_to_string(session.path("input")).unwrap();
    assert!(input.starts_with(&format!("token {long}\n")));
}

#[test]
fn going_back_from_the_first_question_leaves() {
    let session = Session::new(&sample());
    session.interactive("high", &[Back("vip")]);
    assert_eq!(session.flag("vip", "seen"), "false");
    // The first question that is shown need not be the first there is.
    session.preseed("vip", "string", "192.0.2.10/24");
    session.interactive("high", &[Back("nodes")]);
}

#[test]
fn the_same_wrong_answer_ends_the_asking() {
    let session = Session::new(&recipe(&format!(
        "{}{}",
        question("a", "address", ""),
        question("b", "string", "optional = true")
    )));
    session.interactive(
        "high",
        &[
            Answer("a", ""),
            Error("missing", "The a:"),
            Answer("a", "1"),
            Error("invalid_address", "\"1\""),
            Answer("a", "2"),
            Error("invalid_address", "\"2\""),
            Answer("a", "2"),
            Error("invalid_address", "\"2\""),
            Answer("a", "2"),
            Answer("b", ""),
        ],
    );
}

#[test]
fn the_end_of_input_ends_the_asking() {
    let session = Session::new(&sample());
    session.config_without_input();
    assert_eq!(session.get("vip"), "");
    assert_eq!(session.flag("secret", "seen"), "true");
}

#[test]
fn a_choice_may_hold_commas_and_variables() {
    let session = Session::new(&recipe(&question(
        "fs",
        "choice",
        "choices = [\"ext4, journalled\", \"${x} y\"]",
    )));
    session.interactive("high", &[Answer("fs", "ext4, journalled")]);
    assert_eq!(session.get("fs"), "ext4, journalled");
    session.set("fs", "${x} y");
    session.config();
    assert_eq!(session.get("fs"), "${x} y");
}

#[test]
fn a_wrong_password_is_neither_shown_nor_kept() {
    let session = Session::new(&recipe(&question("secret", "password", "")));
    session.interactive(
        "high",
        &[
            Answer("secret", "hunter2"),
            Error("invalid_password", "8 to 255"),
            Answer("secret", "hunter2hunter2 "),
            Error("invalid_password", "The secret:"),
            Back("secret"),
        ],
    );
    assert!(!session.databases().contains("hunter2"));
    session.interactive(
        "high",
        &[
            Answer("secret", ""),
            Error("missing", "The secret:"),
            Answer("secret", "p4ss  w\"or'd\\"),
        ],
    );
    assert_eq!(session.get("secret"), "p4ss  w\"or'd\\");
}

#[test]
fn a_password_in_its_file_need_not_be_given_again() {
    let session = Session::new(&recipe(&question("secret", "password", "")));
    fs::create_dir(session.path("etc/secrets/sample")).unwrap();
    fs::write(session.path("etc/secrets/sample/secret"), "hunter2hunter2").unwrap();
    session.interactive("high", &[Answer("secret", "")]);
    assert_eq!(session.get("secret"), "");
    assert!(!session.databases().contains("hunter2"));
}

#[test]
fn the_administrators_file_is_read() {
    let cases = [
        ("comment = \"plain\"", "plain"),
        ("comment=\"a  b\"   # why", "a  b"),
        (
            "  comment = 'single # quoted \"x\"'",
            "single # quoted \"x\"",
        ),
        ("comment = \"a # b\"# c", "a # b"),
        (
            "comment = \"Größe $(id) `id` ${x}\"\r",
            "Größe $(id) `id` ${x}",
        ),
        ("comment = true", "true"),
        ("comment = -12 # n", "-12"),
        ("comment = \"\"", ""),
        ("comment = ''", ""),
        ("comment = \" \\u00e9\"", "before"),
        ("comment = \"unfinished", "before"),
        ("comment = \"\"\"multi\"\"\"", "before"),
        ("commentary = \"x\"", "before"),
        ("# comment = \"x\"", "before"),
        ("my-comment = \"x\"", "before"),
    ];
    let session = Session::new(&sample());
    for (line, wanted) in cases {
        session.set("comment", "before");
        session.admin_file(&format!("# Vip:\nvip = \"x\"\n{line}\nport = 1\n"));
        session.config();
        assert_eq!(session.get("comment"), wanted, "{line}");
        assert_eq!(session.get("port"), "1");
    }
}

#[test]
fn a_password_is_not_read_from_the_file() {
    let session = Session::new(&sample());
    session.admin_file("secret = \"hunter2hunter2\"\nvip = \"192.0.2.9/24\"\n");
    session.config();
    assert_eq!(session.get("secret"), "");
    assert_eq!(session.get("vip"), "192.0.2.9/24");
}

#[test]
fn an_answer_just_given_survives_the_second_run() {
    let session = Session::new(&recipe(&question("a", "address", "")));
    session.admin_file("a = \"192.0.2.1\"\n");
    session.interactive("high", &[Answer("a", "192.0.2.2")]);
    session.config();
    assert_eq!(session.get("a"), "192.0.2.2");
    // postinst has taken it; from now on the file counts again.
    session.program("cat >/dev/null");
    assert!(
        session
            .script("postinst", &["configure", ""])
            .status
            .success()
    );
    session.config();
    assert_eq!(session.get("a"), "192.0.2.1");
}

/// A host whose file answers `a`, `b` and `c`, and whose postinst has seen it.
fn configured() -> Session {
    let session = Session::new(&recipe(&format!(
        "{}{}{}{}",
        question("a", "string", "optional = true"),
        question("b", "integer", "default = \"5\""),
        question("c", "string", ""),
        question("new", "string", "optional = true"),
    )));
    session.admin_file("a = \"x\"\nb = 6\nc = \"y\"\n");
    session.program("cat >input");
    session.config();
    postinst(&session);
    session
}

fn postinst(session: &Session) {
    let output = session.script("postinst", &["configure", "1.0"]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_line_taken_out_of_the_file_does_not_come_back() {
    let session = configured();
    assert_eq!(session.flag("a", "kept"), "true");
    assert_eq!(session.flag("new", "kept"), "false");
    session.admin_file("# a = \"x\"\nc = \"y\"\n");
    session.config();
    for (name, value) in [("a", ""), ("b", "5"), ("c", "y")] {
        assert_eq!(session.get(name), value, "{name}");
    }
    // Nobody is asked again for what somebody has taken out.
    session.interactive("high", &[Answer("c", "y"), Answer("new", "")]);
    session.config();
    postinst(&session);
    let input = fs::read_to_string(session.path("input")).unwrap();
    assert_eq!(input, "a \nb 5\nc y\nnew \n");
    assert_eq!(session.flag("a", "kept"), "false");
    assert_eq!(session.flag("c", "kept"), "true");
    session.admin_file("a = \"z\"\n");
    session.config();
    assert_eq!(session.get("a"), "z");
    assert_eq!(session.get("c"), "");
}

#[test]
fn only_a_line_that_was_there_can_be_taken_out() {
    let session = configured();
    // An answer preseeded for a question that the file never had, a line that
    // only the node program can read, and an answer that was given just now.
    session.preseed("new", "string", "preseeded");
    session.admin_file("a = \"x\"\nb = \"\\u0037\"\nc = \"y\"\n");
    session.config();
    assert_eq!(session.get("new"), "preseeded");
    assert_eq!(session.get("b"), "6");
    assert_eq!(session.flag("b", "kept"), "true");
    let given = [Answer("a", "given"), Answer("b", "7"), Answer("c", "z")];
    session.interactive("high", &given);
    session.admin_file("");
    session.config();
    assert_eq!(session.get("a"), "given");
}

#[test]
fn without_the_file_debconf_has_the_answers() {
    let session = configured();
    fs::remove_file(session.path("etc/roles/sample.toml")).unwrap();
    session.config();
    assert_eq!(session.get("a"), "x");
    // Purged and installed again, nothing is left of the marks.
    assert!(session.script("postrm", &["purge"]).status.success());
    assert!(session.questions().is_empty());
}

#[test]
fn the_readline_frontend_asks_again() {
    let session = Session::new(&recipe(&format!(
        "{}{}",
        question("a", "address/prefix", ""),
        question("b", "boolean", "default = \"false\"")
    )));
    let shown = session.expect(
        r#"
        see "The a: "
        send "192.0.2.1\r"
        see "Invalid IP address and prefix length"
        see "\"192.0.2.1\" is not the address"
        see "The a: "
        send "\r"
        see "Answer required"
        see "The a: "
        send "192.0.2.10/24\r"
        see "The b:"
        send "yes\r"
        "#,
    );
    assert_eq!(session.get("a"), "192.0.2.10/24", "{shown}");
    assert_eq!(session.get("b"), "true");
}
