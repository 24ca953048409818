//! postinst, prerm and postrm, run as dpkg runs them.

use std::fs;
use std::path::Path;
use std::process::Output;

use hapkg::recipe::model::Kind;

use crate::session::{PACKAGE, Session};
use crate::tools::{question, recipe};

/// A program that notes how it was called, and ends with `code`.
fn noting(code: u8) -> String {
    format!("cat >input\necho \"$@\" >arguments\nenv >environment\necho chatter\nexit {code}")
}

const HOOKS: &str = "[hooks]\nconfigure = 'echo configured >&2'\nremove = 'echo removing >&2'\n\
                     purge = 'echo purging >&2'\n";

fn host() -> Session {
    Session::new(&recipe(&format!(
        "{}{}{}{HOOKS}",
        question("a", "string", "optional = true"),
        question("secret", "password", ""),
        question("b", "boolean", "default = \"false\""),
    )))
}

fn read(session: &Session, name: &str) -> String {
    fs::read_to_string(session.path(name)).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Nothing may reach stdout, which is debconf's.
fn ended(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn answers_reach_the_program_and_secrets_nothing_else() {
    for secret in [
        "hunter2 hunter2",
        "hunter2\\nhunter2",
        "hunter2\\\\n\\\\\\t$(id)`id`'\"hunter2\\n",
        "%s%n hunter2  hunter2",
    ] {
        let session = host();
        session.preseed("a", "string", "two  words \\ %s $(id)");
        session.preseed("secret", "password", secret);
        session.program(&noting(0));
        let output = session.script("postinst", &["configure", ""]);
        ended(&output, 0);
        assert_eq!(
            read(&session, "input"),
            format!("a two  words \\ %s $(id)\nsecret {secret}\nb false\n")
        );
        assert_eq!(read(&session, "arguments"), "configure sample\n");
        assert!(!read(&session, "environment").contains("hunter2"));
        assert!(!session.databases().contains("hunter2"));
        assert_eq!(session.get("secret"), "");
        assert_eq!(session.get("a"), "two  words \\ %s $(id)");
        assert!(stderr(&output).contains("chatter\nconfigured\n"));
    }
}

#[test]
fn an_incomplete_configuration_is_no_failure() {
    let session = host();
    session.preseed("secret", "password", "hunter2hunter2");
    session.program(&noting(1));
    let output = session.script("postinst", &["configure", "1.0"]);
    ended(&output, 0);
    assert!(stderr(&output).contains(&format!("{PACKAGE}: installed, not configured\n")));
    assert!(!stderr(&output).contains("configured\nconfigured"));
    assert!(!session.databases().contains("hunter2"));
}

#[test]
fn a_failed_write_loses_nothing() {
    for code in [2, 3, 101] {
        let session = host();
        session.preseed("secret", "password", "hunter2hunter2");
        session.program(&noting(code));
        let output = session.script("postinst", &["configure", ""]);
        ended(&output, 1);
        assert!(stderr(&output).contains(&format!("dpkg --configure {PACKAGE}")));
        assert_eq!(session.get("secret"), "hunter2hunter2");
        session.program(&noting(0));
        ended(&session.script("postinst", &["configure", ""]), 0);
        assert!(read(&session, "input").contains("secret hunter2hunter2\n"));
        assert_eq!(session.get("secret"), "");
    }
}

#[test]
fn a_program_that_does_not_run_is_named() {
    let session = host();
    session.preseed("secret", "password", "hunter2hunter2");
    let program = session.path("sbin/ubuntu-ha");
    let wrong_machine = b"\x7fELF\x02\x01\x01\0not for here";
    for content in [None, Some(&wrong_machine[..])] {
        match content {
            Some(content) => {
                session.program("");
                fs::write(&program, content).unwrap();
            }
            None => assert!(!program.exists()),
        }
        let output = session.script("postinst", &["configure", ""]);
        ended(&output, 1);
        let message = stderr(&output);
        assert!(
            message.contains("ubuntu-ha does not run on this machine"),
            "{message}"
        );
        assert_eq!(session.get("secret"), "hunter2hunter2");
    }
}

#[test]
fn the_other_ways_to_call_postinst() {
    let session = host();
    session.program(&noting(0));
    for argument in ["abort-upgrade", "abort-remove", "abort-deconfigure"] {
        ended(&session.script("postinst", &[argument, "1.0"]), 0);
        assert!(!session.path("input").exists(), "{argument}");
    }
    ended(&session.script("postinst", &["reconfigure", "1.0"]), 0);
    assert!(session.path("input").exists());
    for arguments in [&["explode"][..], &[]] {
        let output = session.script("postinst", arguments);
        ended(&output, 1);
        assert!(stderr(&output).contains("unknown argument"));
    }
}

#[test]
fn removal_runs_its_hook_and_an_upgrade_does_not() {
    let session = host();
    for (arguments, wanted) in [
        (&["remove"][..], "removing\n"),
        (&["upgrade", "2.0"], ""),
        (&["failed-upgrade", "0.9"], ""),
        (&["deconfigure", "in-favour", "x", "1"], ""),
    ] {
        let output = session.script("prerm", arguments);
        ended(&output, 0);
        assert_eq!(stderr(&output), wanted);
    }
    ended(&session.script("prerm", &["explode"]), 1);
}

/// The packages whose scripts deal with the service: a role, the node package.
fn of_cluster() -> [(Session, bool); 2] {
    [false, true].map(|is_node| {
        let mut recipe = recipe(&question("a", "string", "optional = true"));
        if is_node {
            recipe.role.kind = Kind::Node;
        }
        let session = Session::new(&recipe);
        session.program(&noting(0));
        (session, is_node)
    })
}

const START: &str = "deb-systemd-invoke start ubuntu-ha-setup.service\n";

#[test]
fn the_service_starts_when_that_was_answered() {
    for (session, is_node) in of_cluster() {
        let cluster = session.path("etc/cluster.toml");
        let enabled = "deb-systemd-helper --quiet was-enabled ubuntu-ha-setup.service\n\
                       deb-systemd-helper enable ubuntu-ha-setup.service\n";
        let enabled = if is_node { enabled } else { "" };
        // The drop-ins of the node package count at once, whatever was answered.
        let reload = "systemctl --system daemon-reload\n";
        let reload = if is_node { reload } else { "" };
        let started = format!("{reload}{enabled}{START}");
        for booted in [false, true] {
            if booted {
                session.booted();
            }
            for (text, asked_for) in [
                (None, false),
                (Some("setup = \"later\"\n"), false),
                (Some("# setup = \"form\"\nsetup_later = \"join\"\n"), false),
                (Some("nodes = \"x\"\nsetup = \"form\" # now\n"), true),
                (Some("  setup='join'\n"), true),
            ] {
                match text {
                    Some(text) => fs::write(&cluster, text).unwrap(),
                    None => assert!(fs::remove_file(&cluster).is_ok() == booted),
                }
                let output = session.script("postinst", &["configure", ""]);
                ended(&output, 0);
                let wanted = match (asked_for, booted) {
                    (false, false) => "",
                    (false, true) => reload,
                    (true, false) => enabled,
                    (true, true) => &started,
                };
                assert_eq!(session.services(), wanted, "{text:?}, {booted}");
            }
        }
        // Answers that do not fit start nothing.
        session.program(&noting(1));
        ended(&session.script("postinst", &["configure", ""]), 0);
        assert_eq!(session.services(), reload);
    }
}

#[test]
fn a_service_that_does_not_start_is_no_failure() {
    for (session, _) in of_cluster() {
        session.booted();
        fs::write(session.path("etc/cluster.toml"), "setup = \"form\"\n").unwrap();
        for name in ["systemctl", "deb-systemd-helper", "deb-systemd-invoke"] {
            fs::write(session.path("bin").join(name), "#!/bin/sh\nexit 1\n").unwrap();
        }
        ended(&session.script("postinst", &["configure", ""]), 0);
        ended(&session.script("prerm", &["remove"]), 0);
        ended(&session.script("postrm", &["remove"]), 0);
        ended(&session.script("postrm", &["purge"]), 0);
    }
}

#[test]
fn the_cluster_is_asked_before_a_removal() {
    for (session, is_node) in of_cluster() {
        let subject = if is_node { "cluster" } else { "sample" };
        // Without systemd there is no cluster here.
        session.program(&noting(1));
        ended(&session.script("prerm", &["remove"]), 0);
        assert!(!session.path("arguments").exists());
        session.booted();
        ended(&session.script("prerm", &["upgrade", "2.0"]), 0);
        assert!(!session.path("arguments").exists());
        for (code, wanted) in [(1, 1), (0, 0), (2, 0), (3, 0), (101, 0)] {
            session.program(&noting(code));
            ended(&session.script("prerm", &["remove"]), wanted);
            assert_eq!(read(&session, "arguments"), format!("guard {subject}\n"));
            let stopped = "deb-systemd-invoke stop ubuntu-ha-setup.service\n";
            let stopped = if is_node && wanted == 0 { stopped } else { "" };
            assert_eq!(session.services(), stopped, "{code}");
        }
        fs::remove_file(session.path("sbin/ubuntu-ha")).unwrap();
        ended(&session.script("prerm", &["remove"]), 0);
    }
}

#[test]
fn the_key_of_the_cluster_goes_with_a_purge_only() {
    for (session, is_node) in of_cluster() {
        fs::create_dir_all(session.path("state/journal")).unwrap();
        for arguments in [&["remove"][..], &["upgrade", "2.0"]] {
            ended(&session.script("postrm", arguments), 0);
        }
        assert!(session.path("state/journal").exists());
        ended(&session.script("postrm", &["purge"]), 0);
        assert_eq!(session.path("state").exists(), !is_node);
    }
}

/// What is left below `etc`.
fn left(session: &Session) -> Vec<String> {
    fn walk(directory: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            if path.is_dir() {
                walk(&path, found);
            }
        }
    }
    let mut found = Vec::new();
    if session.path("etc").exists() {
        walk(&session.path("etc"), &mut found);
    }
    found.sort();
    found
}

#[test]
fn a_purge_leaves_nothing_of_its_own() {
    let session = host();
    session.admin_file("a = \"x\"\n");
    fs::create_dir(session.path("etc/secrets/sample")).unwrap();
    fs::write(session.path("etc/secrets/sample/secret"), "x").unwrap();
    for arguments in [
        &["remove"][..],
        &["upgrade", "2.0"],
        &["failed-upgrade", "1.0"],
        &["abort-install"],
        &["abort-upgrade", "2.0"],
        &["disappear", "other", "1.0"],
    ] {
        ended(&session.script("postrm", arguments), 0);
    }
    assert!(left(&session).contains(&"sample.toml".to_owned()));
    assert!(!session.questions().is_empty());

    let output = session.script("postrm", &["purge"]);
    ended(&output, 0);
    assert_eq!(stderr(&output), "purging\n");
    assert_eq!(left(&session), [""; 0]);
    assert!(!session.path("etc").exists());
    assert!(session.questions().is_empty());
    // Purged once more, as after an interrupted purge.
    ended(&session.script("postrm", &["purge"]), 0);
    ended(&session.script("postrm", &["explode"]), 1);
}

#[test]
fn a_purge_leaves_the_other_roles_alone() {
    let session = host();
    session.admin_file("a = \"x\"\n");
    fs::write(session.path("etc/roles/other.toml"), "").unwrap();
    fs::create_dir(session.path("etc/secrets/sample")).unwrap();
    fs::create_dir(session.path("etc/secrets/other")).unwrap();
    ended(&session.script("postrm", &["purge"]), 0);
    assert_eq!(left(&session), ["other", "other.toml", "roles", "secrets"]);
}
