//! Tokens: given out, shown, taken back.

#![cfg(feature = "packager")]

mod fake_host;
#[path = "token_support/mod.rs"]
mod support;

use std::os::unix::fs::PermissionsExt;

use support::*;

const ADMITTED: &str = "var/lib/ubuntu-ha/admitted/beta.toml";
const MASTER: &str = "var/lib/ubuntu-ha/master";
const ANSWERS: &str = "etc/ubuntu-ha/cluster.toml";

fn mode(host: &fake_host::FakeHost, path: &str) -> u32 {
    let meta = std::fs::metadata(host.path(path)).unwrap();
    meta.permissions().mode() & 0o7777
}

#[test]
fn the_first_token_makes_the_key_and_changes_no_answer() {
    let host = alpha();
    let before = host.read(ANSWERS);
    let ran = host.run(&["token", "beta"]).expect(0);
    let token = ran.stdout.strip_suffix('\n').unwrap();
    assert!(token.starts_with("uha1-") && !token.contains(char::is_whitespace));
    for part in [
        "beta (192.0.2.12) may join until 20",
        "hand it over as you would a password",
        "Next, on alpha: ubuntu-ha apply",
        "on beta: ubuntu-ha join",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains(token));
    assert_eq!(host.read(ANSWERS), before);
    assert_eq!(host.read(MASTER).trim_end(), master_of(token));
    assert_eq!(
        (mode(&host, MASTER), mode(&host, "var/lib/ubuntu-ha")),
        (0o600, 0o700)
    );
    assert_eq!(mode(&host, ADMITTED), 0o600);
    assert!(!host.read(ADMITTED).contains(&master_of(token)));
    assert_eq!(host.calls_of("systemctl start"), Vec::<String>::new());
}

#[test]
fn a_second_token_is_another_one_with_the_same_key() {
    let host = alpha();
    let first = host.run(&["token", "beta", "192.0.2.12"]).expect(0).stdout;
    let admitted = host.read(ADMITTED);
    let second = host.run(&["token", "beta"]).expect(0).stdout;
    assert_ne!(first, second);
    assert_eq!(master_of(first.trim_end()), master_of(second.trim_end()));
    assert_ne!(host.read(ADMITTED), admitted);
}

#[test]
fn a_secret_makes_the_key_of_the_token() {
    let host = alpha();
    host.answers(
        &cluster_toml(NODES, ""),
        &[("secret", "example-shared-secret-0001")],
    );
    let tokens = [0, 1].map(|_| host.run(&["token", "beta"]).expect(0).stdout);
    assert_eq!(
        master_of(tokens[0].trim_end()),
        master_of(tokens[1].trim_end())
    );
    let secret = "example-shared-secret-0001";
    for token in &tokens {
        let bytes = open_bytes(token.trim_end());
        assert!(
            !bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes())
        );
    }
}

#[test]
fn a_node_that_is_not_on_the_list_goes_to_its_end_and_comments_stay() {
    let host = alpha();
    let before = host.read(ANSWERS);
    host.run(&["token", "gamma", "192.0.2.13"]).expect(0);
    let line = "nodes = \"alpha=192.0.2.11 beta=192.0.2.12 gamma=192.0.2.13\" # two\n";
    let after = host.read(ANSWERS);
    assert!(
        after.contains(line) && after.starts_with("# ours\n"),
        "{after}"
    );
    let ran = host.run(&["token", "--revoke", "gamma"]).expect(0);
    assert!(
        ran.stderr.contains("gamma is off the list of nodes again"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("give the cluster a new secret"),
        "{}",
        ran.stderr
    );
    assert_eq!(host.read(ANSWERS), before);
    assert!(!host.exists("var/lib/ubuntu-ha/admitted/gamma.toml"));
}

#[test]
fn a_revoked_node_that_was_on_the_list_stays_on_it() {
    let host = alpha();
    let before = host.read(ANSWERS);
    host.run(&["token", "beta"]).expect(0);
    let ran = host.run(&["token", "--revoke", "beta"]).expect(0);
    assert!(ran.stderr.contains("stays there"), "{}", ran.stderr);
    assert_eq!(host.read(ANSWERS), before);
    assert!(!host.exists(ADMITTED));
    host.run(&["token", "--revoke", "beta"]).expect(1);
}

#[test]
fn tokens_are_listed_without_what_is_secret() {
    let host = alpha();
    let none = "No token was given out on this node.\n";
    assert_eq!(host.run(&["token", "--list"]).expect(0).stdout, none);
    assert_eq!(
        host.run(&["token", "--list", "--json"]).expect(0).stdout,
        "[]\n"
    );
    let token = host
        .run(&["token", "beta", "--expires", "2d"])
        .expect(0)
        .stdout;
    let text = host.run(&["token", "--list"]).expect(0).stdout;
    assert!(
        text.starts_with("beta 192.0.2.12: may join until 20"),
        "{text}"
    );
    assert!(
        text.contains("for another 47 h") || text.contains("for another 2 days"),
        "{text}"
    );
    let json = host.run(&["token", "--list", "--json"]).expect(0).stdout;
    let list: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(list[0]["node"], "beta");
    assert_eq!(list[0]["addresses"][0], "192.0.2.12");
    assert_eq!(list[0]["state"], "waiting");
    let valid = list[0]["expires"].as_u64().unwrap() - list[0]["issued"].as_u64().unwrap();
    assert_eq!(valid, 2 * 86_400);
    assert!(!json.contains(token.trim_end()) && !json.contains(&master_of(token.trim_end())));

    let past = host.read(ADMITTED);
    let expires = past
        .lines()
        .find(|line| line.starts_with("expires"))
        .unwrap();
    host.write(ADMITTED, &past.replace(expires, "expires = 1790000000"));
    let text = host.run(&["token", "--list"]).expect(0).stdout;
    assert!(text.contains("its token expired on 2026-09-21"), "{text}");
    assert!(text.contains("ubuntu-ha token --revoke beta"), "{text}");
}

#[test]
fn json_has_the_token_and_when_it_ends() {
    let host = alpha();
    let ran = host.run(&["token", "beta", "--json"]).expect(0);
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["node"], "beta");
    let token = told["token"].as_str().unwrap();
    assert_eq!(master_of(token), host.read(MASTER).trim_end());
    assert_eq!(
        told["expires"].as_u64().unwrap() - told["issued"].as_u64().unwrap(),
        3_600
    );
}

#[test]
fn the_largest_cluster_has_a_token_that_debconf_takes() {
    let host = alpha();
    let name = |number: usize| match number {
        0 => "alpha".to_string(),
        n => format!("node-{n}.example.org"),
    };
    let node = |n: usize| {
        let link = format!("2001:db8:1111:2222:3333:4444:5555:{n:x}a");
        format!("{}=192.0.2.{},{link}", name(n), 100 + n)
    };
    let nodes: Vec<String> = (0..32).map(node).collect();
    host.answers(&cluster_toml(&nodes.join(" "), ""), &[]);
    let token = host.run(&["token", &name(31)]).expect(0).stdout;
    assert!(token.trim_end().len() <= 4096, "{}", token.len());
}
