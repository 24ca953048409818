//! Changes of a cluster that runs, and steps that fail.

use crate::fake_host::FakeHost;
use crate::setup::{PAIR, SECRET, TRIO, cluster, difference, pair, stamps, tree};

fn formed() -> FakeHost {
    let host = pair();
    host.run(&["apply"]).expect(0);
    host.forget_calls();
    host
}

/// Calls that change something.
fn acts(host: &FakeHost) -> Vec<String> {
    let asks = [
        "systemctl is-",
        "corosync -t",
        "corosync-cmapctl",
        "corosync-quorumtool",
        "corosync-cfgtool -s",
        "crm_mon",
        "crm_verify",
        "cibadmin --query",
        "ip ",
        "crm_resource --wait",
        // The confirmation of the list of nodes.
        "crm_attribute --node",
    ];
    let mut calls = host.calls();
    calls.retain(|call| !asks.iter().any(|ask| call.starts_with(ask)));
    calls
}

#[test]
fn another_token_is_reloaded() {
    let host = formed();
    host.answers(&(cluster(PAIR) + "token = 1000\n"), &[]);
    let ran = host.run(&["apply"]).expect(0);
    assert!(
        ran.stdout.contains("wrote /etc/corosync/corosync.conf"),
        "{}",
        ran.stdout
    );
    assert_eq!(acts(&host), ["corosync-cfgtool -R"]);
    assert!(host.read("run/fake/corosync.conf").contains("token: 1000"));
    host.forget_calls();
    host.run(&["apply"]).expect(0);
    assert_eq!(acts(&host), Vec::<String>::new());
}

#[test]
fn another_address_is_one_atomic_push() {
    let host = formed();
    let before = stamps(&host);
    host.role("vip", "vip = \"192.0.2.20/24\"\n");
    host.run(&["apply"]).expect(0);
    assert_eq!(acts(&host), ["cibadmin --replace --xml-pipe"]);
    assert!(
        host.succeed("cibadmin", &["--query"])
            .contains("192.0.2.20")
    );
    let mut after = stamps(&host);
    let mut before = before;
    for stamps in [&mut before, &mut after] {
        // The digest of what was pushed, and the answer itself.
        stamps.retain(|path, _| {
            path != "var/lib/ubuntu-ha/applied" && path != "etc/ubuntu-ha/roles/vip.toml"
        });
    }
    assert_eq!(before, after);
}

#[test]
fn another_name_of_the_cluster_is_refused_with_the_way_out() {
    let host = FakeHost::new("alpha", &["vip"]);
    host.role("vip", "vip = \"192.0.2.10/24\"\n");
    host.peer("beta", true);
    host.answers(&cluster(PAIR), &[]);
    host.run(&["apply"]).expect(0);
    let before = tree(&host);
    let text = cluster(PAIR).replace("\"ha\"", "\"hb\"");
    host.answers(&text, &[]);
    let ran = host.run(&["apply"]).expect(1);
    assert!(
        ran.stderr.contains("cluster_name changes from ha to hb"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("ubuntu-ha leave"), "{}", ran.stderr);
    assert_eq!(
        difference(&before, &tree(&host)),
        ["etc/ubuntu-ha/cluster.toml"]
    );
}

#[test]
fn sbd_comes_with_a_start_of_corosync_alone() {
    let host = pair();
    host.answers(&cluster(TRIO), &[]);
    host.peer("gamma", true);
    host.run(&["apply"]).expect(0);
    host.forget_calls();
    host.write("dev/watchdog", "");
    host.answers(&cluster(TRIO).replace("accept-split-brain", "sbd"), &[]);
    let ran = host.run(&["apply"]).expect(1);
    assert!(
        ran.stderr.contains("sbd has to start before corosync"),
        "{}",
        ran.stderr
    );
    assert_eq!(acts(&host), Vec::<String>::new());
    host.succeed("systemctl", &["stop", "pacemaker", "corosync"]);
    host.run(&["apply"]).expect(0);
    assert!(host.is_enabled("sbd") && host.is_active("sbd"));
    assert!(
        host.read("etc/default/sbd")
            .contains("SBD_WATCHDOG_TIMEOUT=5\n")
    );
    assert!(
        host.succeed("cibadmin", &["--query"])
            .contains("stonith-watchdog-timeout")
    );
    let ran = host.run(&["apply"]).expect(0);
    assert!(
        ran.stdout.ends_with("nothing to change\n"),
        "{}",
        ran.stdout
    );
    let text = cluster(TRIO).replace(
        "\"accept-split-brain\"",
        "\"sbd\"\nsbd_watchdog_timeout = 15",
    );
    host.answers(&text, &[]);
    host.forget_calls();
    let ran = host.run(&["apply"]).expect(1);
    assert!(
        ran.stderr.contains("changes from 5 s to 15 s"),
        "{}",
        ran.stderr
    );
    assert_eq!(acts(&host), Vec::<String>::new());
    host.succeed("systemctl", &["stop", "pacemaker", "corosync"]);
    host.run(&["apply"]).expect(0);
    assert!(host.succeed("cibadmin", &["--query"]).contains("\"30s\""));
}

#[test]
fn a_resource_of_somebody_else_stays() {
    let host = formed();
    let theirs = "<primitive id=\"theirs\" class=\"ocf\" provider=\"heartbeat\" type=\"Dummy\"/>\n    </resources>";
    let cib = host
        .read("run/fake/cluster/cib.xml")
        .replace("</resources>", theirs);
    host.write("run/fake/cluster/cib.xml", &cib);
    let ran = host.run(&["apply"]).expect(0);
    assert!(
        ran.stdout.ends_with("nothing to change\n"),
        "{}",
        ran.stdout
    );
    host.role("vip", "vip = \"192.0.2.20/24\"\n");
    host.run(&["apply"]).expect(0);
    let cib = host.succeed("cibadmin", &["--query"]);
    assert!(
        cib.contains("id=\"theirs\"") && cib.contains("192.0.2.20"),
        "{cib}"
    );
}

#[test]
fn a_push_that_came_too_late_is_done_again() {
    let host = formed();
    host.role("vip", "vip = \"192.0.2.20/24\"\n");
    let real = host.read("usr/sbin/cibadmin");
    let once = "#!/bin/sh\nonce=$UBUNTU_HA_ROOT/run/fake/once\n\
        case $1 in --replace) [ -e \"$once\" ] || { : >\"$once\"; cat >/dev/null; \
        echo 'Call failed: Update was older than existing configuration' >&2; exit 103; } ;; esac\n";
    host.program(
        "cibadmin",
        &format!("{once}{}", real.trim_start_matches("#!/bin/sh\n")),
    );
    host.run(&["apply"]).expect(0);
    assert!(
        host.succeed("cibadmin", &["--query"])
            .contains("192.0.2.20")
    );
}

#[test]
fn missing_nodes_are_named_and_everything_is_put_back() {
    let host = pair();
    host.peer("beta", false);
    let before = tree(&host);
    let ran = host.run(&["apply", "--wait", "1"]).expect(1);
    assert!(
        ran.stderr.contains("these nodes are no members: beta"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("everything was put back"),
        "{}",
        ran.stderr
    );
    assert_eq!(difference(&before, &tree(&host)), Vec::<String>::new());
    assert!(host.is_active("corosync") && host.is_active("pacemaker"));
    assert!(
        host.read("run/fake/corosync.conf")
            .contains("cluster_name: debian")
    );
}

#[test]
fn a_daemon_that_does_not_start_puts_everything_back() {
    for key in ["systemctl.start.corosync", "systemctl.start.pacemaker"] {
        let host = pair();
        let fails = format!(
            "#!/bin/sh\nif [ \"$1.$2\" = {} ] && ! grep -q debian \
             \"$UBUNTU_HA_ROOT/etc/corosync/corosync.conf\"; then echo 'Job failed.' >&2; exit 1; fi\n",
            key.trim_start_matches("systemctl.")
        );
        let real = host.read("usr/sbin/systemctl");
        host.program(
            "systemctl",
            &format!("{fails}{}", real.trim_start_matches("#!/bin/sh\n")),
        );
        let before = tree(&host);
        let ran = host.run(&["apply"]).expect(1);
        assert!(ran.stderr.contains("Job failed."), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("everything was put back"),
            "{}",
            ran.stderr
        );
        assert_eq!(
            difference(&before, &tree(&host)),
            Vec::<String>::new(),
            "{key}"
        );
        assert!(
            host.is_active("corosync") && host.is_active("pacemaker"),
            "{key}"
        );
    }
}

#[test]
fn a_resource_that_does_not_start_is_told_and_the_cluster_stays() {
    let host = pair();
    let real = host.read("usr/sbin/crm_mon");
    let failure = "<failures><failure op_key=\"vip-ip_start_0\" node=\"alpha\" exitstatus=\"error\" \
        exitreason=\"no such interface\" exitcode=\"1\" call=\"5\" status=\"complete\" \
        last-rc-change=\"now\" queued=\"0\" exec=\"1\" interval=\"0\" task=\"start\"/></failures>";
    host.program(
        "crm_mon",
        &real.replace("  </resources>\n", &format!("  </resources>\n{failure}\n")),
    );
    let ran = host.run(&["apply"]).expect(1);
    assert!(
        ran.stdout.contains("start of vip-ip on alpha failed"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("no such interface"), "{}", ran.stdout);
    assert!(
        ran.stdout
            .contains("crm_resource --cleanup --resource vip-ip"),
        "{}",
        ran.stdout
    );
    assert!(host.exists("var/lib/ubuntu-ha/formed"));
    assert!(!host.exists("var/lib/ubuntu-ha/journal"));
}

#[test]
fn two_nodes_form_one_cluster_and_only_the_first_pushes() {
    let (alpha, beta) = (pair(), FakeHost::new("beta", &["vip"]));
    alpha.peer("beta", false);
    beta.answers(&cluster(PAIR), &[("secret", SECRET)]);
    beta.role("vip", "vip = \"192.0.2.10/24\"\n");
    for host in [&alpha, &beta] {
        host.succeed("systemctl", &["stop", "corosync"]);
    }
    beta.share_cluster_with(&alpha);
    std::thread::scope(|scope| {
        let runs = [&alpha, &beta].map(|host| scope.spawn(|| host.run(&["apply"])));
        for run in runs {
            run.join().unwrap().expect(0);
        }
    });
    assert_eq!(alpha.calls_of("cibadmin --replace").len(), 1);
    assert_eq!(beta.calls_of("cibadmin --replace").len(), 0);
    for path in ["etc/corosync/authkey", "etc/corosync/corosync.conf"] {
        let read = |host: &FakeHost| std::fs::read(host.path(path)).unwrap();
        assert_eq!(read(&alpha), read(&beta), "{path}");
    }
    let ran = beta.run(&["apply"]).expect(0);
    assert!(
        ran.stdout.ends_with("nothing to change\n"),
        "{}",
        ran.stdout
    );
    // A change may be made on any of them; the other one must have it too.
    beta.role("vip", "vip = \"192.0.2.20/24\"\n");
    beta.run(&["apply"]).expect(0);
    let ran = alpha.run(&["apply", "--wait", "1"]).expect(1);
    assert!(
        ran.stderr.contains("another node has pushed"),
        "{}",
        ran.stderr
    );
    alpha.role("vip", "vip = \"192.0.2.20/24\"\n");
    alpha.run(&["apply"]).expect(0);
    let ran = alpha.run(&["apply"]).expect(0);
    assert!(
        ran.stdout.ends_with("nothing to change\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn json_tells_the_same() {
    let host = pair();
    let ran = host.run(&["apply", "--json"]).expect(0);
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["changed"], true);
    let ran = host.run(&["apply", "--json"]).expect(0);
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["changed"], false);
    assert_eq!(told["failed"], serde_json::json!([]));
}
