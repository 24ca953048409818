//! What `ubuntu-ha token`, `join` and their options refuse, and that nothing is
//! written then.

#![cfg(feature = "packager")]

mod fake_host;
#[path = "token_support/mod.rs"]
mod support;

use fake_host::FakeHost;
use support::*;

/// Runs a command that must be refused, and finds the host as it was.
#[track_caller]
fn refused(host: &FakeHost, args: &[&str], input: &str, code: i32, part: &str) {
    let before = snapshot(host);
    let ran = host.run_with(args, input).expect(code);
    assert!(ran.stderr.contains(part), "{args:?}: {}", ran.stderr);
    assert_eq!(ran.stdout, "", "{args:?}");
    same(&before, &snapshot(host), &format!("{args:?}"));
}

#[test]
fn nodes_that_cannot_be_admitted() {
    let host = alpha();
    for (args, code, part) in [
        (&["token"][..], 2, "required"),
        (&["token", "gamma"], 2, "is not on the list of nodes"),
        (&["token", "alpha"], 2, "is this host"),
        (&["token", "beta", "192.0.2.99"], 1, "as beta=192.0.2.12"),
        (&["token", "BETA", "192.0.2.13"], 2, "names `BETA` twice"),
        (
            &["token", "gamma", "192.0.2.12"],
            2,
            "gives 192.0.2.12 twice",
        ),
        (
            &["token", "gamma", "192.0.2.13,198.51.100.13"],
            2,
            "different numbers of addresses",
        ),
        (
            &["token", "gamma", "192.0.2.13", "198.51.100.13"],
            2,
            "different numbers of addresses",
        ),
        (
            &["token", "gamma", "2001:db8::13"],
            2,
            "mixes IPv4 and IPv6",
        ),
        (&["token", "gamma", "192.0.2"], 2, "is no IP address"),
        (&["token", "gamma", "127.0.0.1"], 2, "loopback"),
        (&["token", "gamma", "224.0.0.1"], 2, "multicast"),
        (&["token", "gamma", "0.0.0.0"], 2, "unspecified"),
        (&["token", "ga_mma", "192.0.2.13"], 2, "holds '_'"),
        (&["token", "x/../gamma", "192.0.2.13"], 2, "holds '/'"),
        (
            &["token", "gamma=192.0.2.13 delta", "192.0.2.14"],
            2,
            "is not one node",
        ),
        (
            &["token", "gamma", "192.0.2.10"],
            1,
            "is the address of node gamma",
        ),
        (
            &["token", "gamma", "192.0.2.13", "--ipmi", "203.0.113.13"],
            2,
            "without management",
        ),
        (&["token", "beta", "--expires", "1"], 2, "has no unit"),
        (&["token", "beta", "--expires", "10s"], 2, "out of range"),
        (&["token", "beta", "--expires", "1y"], 2, "has no unit"),
        (
            &["token", "--revoke", "beta"],
            1,
            "no token was given out to beta",
        ),
        (&["token", "--list", "beta"], 2, "cannot be used with"),
    ] {
        refused(&host, args, "", code, part);
    }
}

#[test]
fn a_host_that_is_not_on_its_own_list_admits_nobody() {
    let host = alpha();
    host.answers(&cluster_toml("gamma=192.0.2.13 delta=192.0.2.14", ""), &[]);
    refused(&host, &["token", "delta"], "", 1, "this host is alpha");
}

#[test]
fn a_cluster_without_answers_admits_nobody() {
    let host = FakeHost::new("alpha", &[]);
    refused(
        &host,
        &["token", "beta", "192.0.2.12"],
        "",
        1,
        "no list of nodes",
    );
}

#[test]
fn controllers_have_to_be_named_where_fencing_uses_them() {
    let host = alpha();
    let fencing = "fencing = \"ipmi\"\nipmi_addresses = \"alpha=203.0.113.11 \
                   beta=203.0.113.12\"\nipmi_user = \"fence\"\n";
    let nodes = "alpha=192.0.2.11 beta=192.0.2.12";
    host.answers(
        &cluster_toml(nodes, fencing),
        &[("ipmi_password", "example-password-0001")],
    );
    let gamma = ["token", "gamma", "192.0.2.13"];
    refused(&host, &gamma, "", 2, "write its address behind --ipmi");
    let taken = [&gamma[..], &["--ipmi", "203.0.113.12"]].concat();
    refused(&host, &taken, "", 2, "gives 203.0.113.12 twice");
}

#[test]
fn a_secret_of_one_byte_gives_no_key() {
    let host = alpha();
    let nodes = "alpha=192.0.2.11 beta=192.0.2.12";
    host.answers(&cluster_toml(nodes, ""), &[("secret", "x")]);
    refused(&host, &["token", "beta"], "", 1, "is too short");
}

#[test]
fn tokens_that_cannot_be_used_here() {
    let token = token_for("beta");
    let beta = beta();
    let wrong_letter = swap_letter(&token, 80);
    let wrong_prefix = token.replace("uha1-", "uhal-");
    let other_version = token.replace("uha1-", "uha2-");
    let (cut, longer) = (&token[..token.len() - 1], format!("{token}a"));
    let half = &token[..token.len() / 2];
    for (text, part) in [
        ("", "the token is empty"),
        ("\n", "the token is empty"),
        ("hello", "this is no token"),
        (&wrong_prefix, "this is no token"),
        (&other_version, "another version"),
        (&wrong_letter, "mistyped"),
        (cut, "mistyped"),
        (half, "mistyped"),
        (&longer, "mistyped"),
        ("uha1-", "mistyped"),
        (&forge(&token, 40), "the token is wrong"),
        (&forge(&token, 190), "the token is wrong"),
        (
            &token_for("gamma"),
            "the token is for gamma, but this host is beta",
        ),
    ] {
        refused(&beta, &["join"], text, 1, part);
        refused(&beta, &["join", "-"], text, 1, part);
    }
    refused(&beta, &["join", &wrong_letter], "", 1, "mistyped");
}

#[test]
fn a_token_out_of_its_time() {
    let beta = beta();
    let expired = retime(&token_for("beta"), -7_200, -3_600);
    refused(&beta, &["join"], &expired, 1, "the token expired on ");
    let early = retime(&token_for("beta"), 3_600, 7_200);
    refused(&beta, &["join"], &early, 1, "which is yet to come");
}

#[test]
fn a_host_without_the_address_does_not_join() {
    let beta = beta();
    beta.write("run/fake/addresses", "192.0.2.77/24\n");
    refused(
        &beta,
        &["join"],
        &token_for("beta"),
        1,
        "knows this host by 192.0.2.12, but it has 192.0.2.77",
    );
}

#[test]
fn a_host_in_a_cluster_does_not_join() {
    let beta = beta();
    let token = token_for("beta");
    beta.write("var/lib/ubuntu-ha/formed", "other\n");
    let part = "of another cluster: this host belongs to cluster other";
    refused(&beta, &["join"], &token, 1, part);
    beta.write(
        "var/lib/ubuntu-ha/master",
        &format!("{}\n", master_of(&token)),
    );
    let part = "belongs to cluster other already";
    refused(&beta, &["join"], &token, 1, part);
}

#[test]
fn answers_that_are_no_toml_are_not_overwritten() {
    let beta = beta();
    beta.answers("cluster_name = \n", &[]);
    refused(&beta, &["join"], &token_for("beta"), 1, "cluster.toml:1:");
}
