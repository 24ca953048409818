//! What stands in the way is told, and nothing is written.

use crate::fake_host::FakeHost;
use crate::setup::{PAIR, SECRET, TRIO, cluster, difference, pair, tree};

/// Runs `apply`, which must refuse with these words and leave everything.
#[track_caller]
fn refused(host: &FakeHost, code: i32, words: &[&str]) {
    let before = tree(host);
    let units = |host: &FakeHost| [host.is_active("corosync"), host.is_active("pacemaker")];
    let running = units(host);
    host.forget_calls();
    let ran = host.run(&["apply"]).expect(code);
    for word in words {
        assert!(ran.stderr.contains(word), "no `{word}` in: {}", ran.stderr);
    }
    assert_eq!(difference(&before, &tree(host)), Vec::<String>::new());
    assert_eq!(running, units(host));
    for verb in ["start", "stop", "restart", "enable", "disable"] {
        let calls = host.calls_of(&format!("systemctl {verb} "));
        assert_eq!(calls, Vec::<String>::new());
    }
    assert!(!host.exists("var/lib/ubuntu-ha/journal"));
}

#[test]
fn a_corosync_conf_of_somebody_else() {
    let host = pair();
    let text = host.read("etc/corosync/corosync.conf") + "# my own\n";
    host.write("etc/corosync/corosync.conf", &text);
    refused(
        &host,
        1,
        &["corosync.conf", "was not made by ubuntu-ha", "mv "],
    );
}

#[test]
fn a_conffile_that_dpkg_knows_is_taken() {
    let host = pair();
    host.program("md5sum", "#!/bin/sh\nexec /usr/bin/md5sum \"$@\"\n");
    host.write(
        "etc/corosync/corosync.conf",
        "totem {\n cluster_name: debian\n}\n",
    );
    host.succeed("systemctl", &["restart", "corosync"]);
    refused(&host, 1, &["was not made by ubuntu-ha"]);
    let sum = host.succeed(
        "md5sum",
        &[host.path("etc/corosync/corosync.conf").to_str().unwrap()],
    );
    let sum = sum.split_whitespace().next().unwrap();
    let status = format!("Package: corosync\nConffiles:\n /etc/corosync/corosync.conf {sum}\n");
    host.write("var/lib/dpkg/status", &status);
    host.run(&["apply"]).expect(0);
}

#[test]
fn a_key_of_somebody_else() {
    let host = pair();
    host.write("etc/corosync/authkey", "another key");
    refused(&host, 1, &["authkey", "was not made by ubuntu-ha"]);
}

#[test]
fn a_running_cluster_that_is_not_that_of_the_file() {
    let host = pair();
    let text = host
        .read("run/fake/corosync.conf")
        .replace("debian", "theirs");
    host.write("run/fake/corosync.conf", &text);
    refused(&host, 1, &["corosync runs for the cluster `theirs`"]);
}

#[test]
fn a_host_that_is_not_on_the_list() {
    let mut host = pair();
    host.name = "gamma".into();
    refused(&host, 1, &["this host is gamma", "alpha, beta"]);
}

#[test]
fn an_address_that_no_interface_has() {
    let host = pair();
    host.write("run/fake/addresses", "192.0.2.77/24\n");
    refused(&host, 1, &["192.0.2.11", "no interface", "192.0.2.77"]);
}

#[test]
fn a_daemon_that_is_masked() {
    let host = pair();
    host.write("run/fake/masked/pacemaker", "");
    refused(
        &host,
        1,
        &["must not start pacemaker", "systemctl unmask pacemaker"],
    );
}

#[test]
fn what_corosync_or_pacemaker_judge_wrong() {
    let host = pair();
    host.answer(
        "corosync.-t",
        8,
        "error   [MAIN  ] parse error in config: bad thing\n",
    );
    refused(&host, 1, &["corosync refuses", "bad thing"]);
    host.answer_itself("corosync.-t");
    host.answer("crm_verify", 78, "error: worse thing\n");
    refused(&host, 1, &["pacemaker refuses", "worse thing"]);
}

#[test]
fn resources_of_somebody_else_in_the_local_cib() {
    let host = pair();
    let path = "var/lib/pacemaker/cib/cib.xml";
    let text = host.read(path).replace(
        "<resources/>",
        "<resources><primitive id=\"theirs\" class=\"ocf\" provider=\"heartbeat\" type=\"Dummy\"/></resources>",
    );
    host.write(path, &text);
    refused(&host, 1, &["theirs", "would forget"]);
}

#[test]
fn no_key_on_a_node_that_is_not_the_first() {
    let host = FakeHost::new("beta", &["vip"]);
    host.answers(&cluster(PAIR), &[]);
    host.role("vip", "vip = \"192.0.2.10/24\"\n");
    refused(
        &host,
        1,
        &["there is no secret", "ubuntu-ha token beta", "on alpha"],
    );
}

#[test]
fn a_package_that_is_missing() {
    let host = pair();
    std::fs::remove_file(host.path("run/fake/units/pacemaker")).unwrap();
    refused(
        &host,
        3,
        &["pacemaker.service is not installed", "apt-get install"],
    );
}

const IPMI: &str = "cluster_name = \"ha\"\nnodes = \"alpha=192.0.2.11 beta=192.0.2.12\"\n\
    fencing = \"ipmi\"\nipmi_addresses = \"alpha=203.0.113.11 beta=203.0.113.12\"\n\
    ipmi_user = \"fence\"\n";
const PASSWORD: &str = "example-ipmi-password-0001";

fn fenced() -> FakeHost {
    let host = pair();
    host.answers(IPMI, &[("secret", SECRET), ("ipmi_password", PASSWORD)]);
    host
}

#[test]
fn the_fence_device_is_asked_without_its_password_on_the_command_line() {
    let host = fenced();
    host.run(&["apply"]).expect(0);
    assert_eq!(host.calls_of("fence_ipmilan"), ["fence_ipmilan"; 2]);
    let read = host.read("run/fake/stdin/fence_ipmilan");
    assert!(read.starts_with("action=status\n"), "{read}");
    assert!(read.contains(&format!("password={PASSWORD}\n")), "{read}");
    assert!(read.contains("ip=203.0.113.12\n"), "{read}");
    assert!(!read.contains("pcmk_"), "{read}");
    for call in host.calls() {
        assert!(!call.contains(PASSWORD), "{call}");
    }
}

#[test]
fn a_fence_device_that_does_not_answer_is_told() {
    let host = fenced();
    host.answer(
        "fence_ipmilan",
        1,
        &format!("Unable to connect with {PASSWORD}\n"),
    );
    // A role without storage goes on.
    let ran = host.run(&["apply"]).expect(0);
    let note =
        "fencing does not work: fence-alpha (fence_ipmilan) does not tell the state of alpha";
    assert!(ran.stdout.contains(note), "{}", ran.stdout);
    assert!(!ran.stdout.contains(PASSWORD), "{}", ran.stdout);
}

#[test]
fn a_source_address_without_a_network_or_a_default_route() {
    let host = pair();
    let role = host.read("usr/share/ubuntu-ha/roles/vip.toml");
    let source = "\n[[resource]]\nid = \"source\"\nagent = \"ocf:heartbeat:IPsrcaddr\"\n\
                  params = { ipaddress = \"{{ vip.address }}\" }\n";
    host.write("usr/share/ubuntu-ha/roles/vip.toml", &(role + source));
    let near = "ip.-4.-o.route.show.match.192.0.2.10.scope.link";
    let default = "ip.-4.-o.route.show.default.dev.eth1";
    host.answer(near, 0, "");
    let own = "no interface of this host is in its network";
    refused(
        &host,
        1,
        &["come from 192.0.2.10", own, "address of its own"],
    );
    host.answer(near, 0, "192.0.2.0/24 dev eth1 proto kernel scope link\n");
    host.answer(default, 0, "");
    refused(&host, 1, &["eth1 has no default route", "give it one"]);
    host.answer(default, 0, "default via 192.0.2.1 \n");
    host.run(&["apply"]).expect(0);
}

#[test]
fn a_source_address_of_ipv6() {
    let host = pair();
    let nodes = "alpha=2001:db8::11 beta=2001:db8::12";
    host.answers(&cluster(nodes), &[("secret", SECRET)]);
    host.role("vip", "vip = \"2001:db8::10/64\"\n");
    host.write("run/fake/addresses", "2001:db8::11/64\n");
    let role = host.read("usr/share/ubuntu-ha/roles/vip.toml");
    let source = "\n[[resource]]\nid = \"source\"\nagent = \"ocf:heartbeat:IPsrcaddr\"\n\
                  params = { ipaddress = \"{{ vip.address }}\" }\n";
    host.write("usr/share/ubuntu-ha/roles/vip.toml", &(role + source));
    let default = "ip.-6.-o.route.show.default.dev.eth1";
    host.answer(
        "ip.-6.-o.route.show.match.2001:db8::10",
        0,
        "2001:db8::/64 dev eth1 proto kernel metric 256 pref medium\n",
    );
    host.answer(default, 0, "");
    refused(&host, 1, &["eth1 has no default route", "ip -6 route show"]);
    host.answer(default, 0, "default via fe80::1 proto ra \n");
    host.run(&["apply"]).expect(0);
}

#[test]
fn a_watchdog_that_is_not_there() {
    let host = pair();
    host.answers(
        &cluster(TRIO).replace("accept-split-brain", "sbd"),
        &[("secret", SECRET)],
    );
    refused(&host, 1, &["there is no /dev/watchdog", "softdog"]);
}

#[test]
fn one_run_at_a_time() {
    let host = pair();
    let slow = "#!/bin/sh\necho > \"$UBUNTU_HA_ROOT/run/fake/judged\"\nsleep 2\n";
    host.program("crm_verify", slow);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| host.run(&["apply"]));
        while !host.exists("run/fake/judged") {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let second = host.run(&["apply"]).expect(1);
        assert!(
            second.stderr.contains("another ubuntu-ha"),
            "{}",
            second.stderr
        );
        first.join().unwrap().expect(0);
    });
}
