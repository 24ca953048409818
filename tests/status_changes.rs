//! `ubuntu-ha maintain`, `leave` and `guard` on a host whose tools keep just
//! the state that these commands look at.

#![cfg(feature = "packager")]

mod fake_host;

use std::fs;
use std::path::Path;

use fake_host::FakeHost;

const CONF: &str = "# Made by ubuntu-ha\ntotem {\n cluster_name: ha\n}\nnodelist {\n node {\n  \
    ring0_addr: 192.0.2.11\n  name: alpha\n  nodeid: 1\n }\n node {\n  ring0_addr: 192.0.2.12\n  \
    name: beta\n  nodeid: 2\n }\n}\nquorum {\n two_node: 1\n}\n";

const CIB: &str = r#"<cib epoch="7" num_updates="0" admin_epoch="0" validate-with="pacemaker-3.9">
  <configuration>
    <crm_config>
      <cluster_property_set id="ubuntu-ha">
        <nvpair id="n" name="ubuntu-ha-nodes" value="alpha=192.0.2.11 beta=192.0.2.12"/>
      </cluster_property_set>
    </crm_config>
    <nodes/>
    <resources>
      <primitive id="vip-ip" class="ocf" provider="heartbeat" type="IPaddr2"/>
      <primitive id="own-thing" class="ocf" provider="heartbeat" type="Dummy"/>
    </resources>
    <constraints>
      <rsc_location id="cli-ban-vip-ip" rsc="vip-ip" node="beta" score="-INFINITY"/>
    </constraints>
  </configuration>
  <status/>
</cib>
"#;

const ANSWERS: &str = "etc/ubuntu-ha/cluster.toml";

/// One of two members, which serves a virtual address.
fn member() -> FakeHost {
    let host = FakeHost::new("alpha", &["vip"]);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/status/programs");
    for name in ["crm_mon", "crm_attribute"] {
        host.program(name, &fs::read_to_string(here.join(name)).unwrap());
    }
    host.answers(
        "cluster_name = \"ha\"\nnodes = \"alpha=192.0.2.11 beta=192.0.2.12\"\n\
         fencing = \"accept-split-brain\"\n",
        &[],
    );
    host.role("vip", "vip = \"192.0.2.10/24\"\n");
    let pristine = host.read("etc/corosync/corosync.conf");
    host.write(
        "var/lib/ubuntu-ha/original/etc/corosync/corosync.conf",
        &pristine,
    );
    host.write("etc/corosync/corosync.conf", CONF);
    host.write("etc/corosync/authkey", "key");
    host.write("var/lib/ubuntu-ha/formed", "ha\n");
    host.write("var/lib/ubuntu-ha/master", "master\n");
    host.write("var/lib/pacemaker/cib/cib.xml", CIB);
    host.peer("beta", true);
    host.succeed("systemctl", &["restart", "corosync"]);
    host.write("run/fake/cluster/cib.xml", CIB);
    host.write(
        "run/fake/cluster/started",
        "vip-ip ocf:heartbeat:IPaddr2 Started alpha\n",
    );
    // Both have been seen: one is enough from now on.
    host.succeed("corosync-quorumtool", &["-s"]);
    host.forget_calls();
    host
}

fn cib(host: &FakeHost) -> String {
    host.read("run/fake/cluster/cib.xml")
}

#[test]
fn maintenance_goes_on_and_off_and_the_service_stays() {
    let host = member();
    host.run(&["maintain", "status"]).expect(1);
    host.run(&["maintain", "on"]).expect(0);
    assert!(host.exists("run/fake/cluster/maintenance"));
    let told = host.run(&["maintain", "status"]).expect(0).stdout;
    assert!(told.contains("maintenance mode is on, since "), "{told}");
    host.run(&["maintain", "on"]).expect(0);
    host.run(&["maintain", "off"]).expect(0);
    assert!(!host.exists("run/fake/cluster/maintenance"));
    assert!(!host.exists("var/lib/ubuntu-ha/maintain"));
    assert_eq!(host.calls_of("crm_resource --refresh").len(), 1);
    host.run(&["maintain", "off"]).expect(0);
}

#[test]
fn maintenance_is_not_ended_while_a_node_that_served_is_away() {
    let host = member();
    let started = "vip-ip ocf:heartbeat:IPaddr2 Started beta\n";
    host.write("run/fake/cluster/started", started);
    host.run(&["maintain", "on"]).expect(0);
    host.peer("beta", false);
    let told = host.run(&["maintain", "off"]).expect(1).stderr;
    assert!(told.contains("beta is no member of the cluster"), "{told}");
    assert!(told.contains("started a second time"), "{told}");
    assert!(host.exists("run/fake/cluster/maintenance"));
    host.peer("beta", true);
    host.run(&["maintain", "off"]).expect(0);
}

#[test]
fn maintenance_is_not_ended_when_pacemaker_would_interrupt_a_service() {
    let host = member();
    host.run(&["maintain", "on"]).expect(0);
    let move_it = "#!/bin/sh\ncat >/dev/null\necho 'Transition Summary:'\n\
                   echo '  * Move       vip-ip     ( alpha -> beta )'\n";
    host.program("crm_simulate", move_it);
    let told = host.run(&["maintain", "off"]).expect(1).stderr;
    assert!(told.contains("Move vip-ip ( alpha -> beta )"), "{told}");
    assert!(host.exists("run/fake/cluster/maintenance"));
    host.run(&["maintain", "off", "--anyway"]).expect(0);
    assert!(!host.exists("run/fake/cluster/maintenance"));
}

#[test]
fn dlm_is_no_matter_for_maintenance() {
    let host = member();
    let xml = CIB.replace("id=\"own-thing\"", "id=\"clvm-dlm\"");
    host.write("run/fake/cluster/cib.xml", &xml);
    let started = "clvm-dlm ocf:pacemaker:controld Started alpha\n";
    host.write("run/fake/cluster/started", started);
    let told = host.run(&["maintain", "on"]).expect(1).stderr;
    assert!(told.contains("the node is fenced"), "{told}");
    assert!(told.contains("--node"), "{told}");
    assert!(!host.exists("run/fake/cluster/maintenance"));
    host.run(&["maintain", "on", "--anyway"]).expect(0);
}

#[test]
fn a_command_is_wrapped_and_maintenance_ended_even_when_it_fails() {
    let host = member();
    host.run(&["maintain", "run", "--", "/bin/true"]).expect(0);
    assert!(!host.exists("run/fake/cluster/maintenance"));
    let told = host.run(&["maintain", "run", "--", "/bin/false"]).expect(1);
    assert!(
        told.stderr.contains("/bin/false ended with"),
        "{}",
        told.stderr
    );
    assert!(!host.exists("run/fake/cluster/maintenance"));
    assert_eq!(
        host.calls_of("crm_attribute --name maintenance-mode").len(),
        4
    );
    host.run(&["maintain", "run"]).expect(2);
}

#[test]
fn a_wrapped_command_ends_no_maintenance_of_another() {
    let host = member();
    host.run(&["maintain", "on"]).expect(0);
    for (command, code) in [("/bin/true", 0), ("/bin/false", 1)] {
        let ran = host.run(&["maintain", "run", "--", command]).expect(code);
        assert!(ran.stderr.contains("was on before"), "{}", ran.stderr);
        assert!(host.exists("run/fake/cluster/maintenance"));
        assert!(host.exists("var/lib/ubuntu-ha/maintain"));
    }
}

#[test]
fn maintenance_that_does_not_hold_is_ended_and_nothing_run() {
    let host = member();
    let address = "crm_resource.--resource.vip-ip.--get-parameter.ip";
    host.answer(address, 0, "192.0.2.99\n");
    let mark = host.path("ran").display().to_string();
    let command = ["maintain", "run", "--", "/usr/bin/touch", &mark];
    let told = host.run(&command).expect(1).stderr;
    assert!(told.contains("is on no interface"), "{told}");
    assert!(!host.exists("ran") && !host.exists("run/fake/cluster/maintenance"));
    // The command `on` leaves it on, and says how it ends.
    host.run(&["maintain", "on"]).expect(1);
    assert!(host.exists("run/fake/cluster/maintenance"));
}

#[test]
fn maintenance_whose_answer_is_lost_is_taken_back() {
    let host = member();
    let script = host.read("usr/sbin/crm_attribute");
    let lost = script + "\n[ -n \"$delete\" ] || exit 1\n";
    host.program("crm_attribute", &lost);
    for command in [&["on"][..], &["run", "--", "/bin/true"]] {
        host.run(&[&["maintain"], command].concat()).expect(1);
        assert!(!host.exists("run/fake/cluster/maintenance"));
        assert!(!host.exists("var/lib/ubuntu-ha/maintain"));
    }
}

#[test]
fn one_node_stands_by_and_serves_again() {
    let host = member();
    host.run(&["maintain", "on", "--node", "alpha"]).expect(0);
    let told = host.run(&["status"]).expect(1).stdout;
    assert!(told.contains("alpha stands by, since "), "{told}");
    let anyway = ["maintain", "off", "--node", "alpha", "--anyway"];
    host.run(&anyway).expect(2);
    host.run(&["maintain", "off", "--node", "alpha"]).expect(0);
    assert!(!host.exists("run/fake/cluster/standby/alpha"));
    host.run(&["maintain", "on", "--node", "gamma"]).expect(2);
    host.peer("beta", false);
    let told = host
        .run(&["maintain", "on", "--node", "alpha"])
        .expect(1)
        .stderr;
    assert!(
        told.contains("no other node could take over vip-ip"),
        "{told}"
    );
    assert!(!host.exists("run/fake/cluster/standby/alpha"));
}

#[test]
fn a_role_leaves_stopped_first_and_nothing_else_goes() {
    let host = member();
    host.run(&["leave", "vip"]).expect(0);
    let cib = cib(&host);
    assert!(!cib.contains("vip-ip"), "{cib}");
    assert!(
        cib.contains("own-thing") && cib.contains("ubuntu-ha-nodes"),
        "{cib}"
    );
    assert!(cib.contains("name=\"ubuntu-ha-left-vip\""), "{cib}");
    assert_eq!(host.calls_of("cibadmin --replace").len(), 2);
    assert!(host.exists("etc/ubuntu-ha/roles/vip.toml"));
    // Again: nothing to do; and another role was never there.
    host.run(&["leave", "vip"]).expect(0);
    assert_eq!(host.calls_of("cibadmin --replace").len(), 2);
    host.run(&["leave", "clc"]).expect(2);
    let told = host.run(&["status"]).expect(1).stdout;
    assert!(told.contains("left the cluster"), "{told}");
}

#[test]
fn a_role_that_does_not_stop_stays() {
    let host = member();
    host.write("run/fake/cluster/stuck", "");
    let told = host.run(&["leave", "vip"]).expect(1).stderr;
    assert!(told.contains("role vip does not stop: vip-ip"), "{told}");
    assert!(cib(&host).contains("<primitive id=\"vip-ip\""));
}

#[test]
fn a_role_s_leave_that_was_killed_is_finished() {
    for point in ["stopping role vip", "taking role vip out of the cluster"] {
        let host = member();
        assert_eq!(host.run_until(point, &["leave", "vip"]).code, None);
        assert!(cib(&host).contains("vip-ip"), "{point}");
        host.run(&["leave", "vip"]).expect(0);
        assert!(!cib(&host).contains("vip-ip"), "{point}");
    }
}

/// What has to hold of a host that is out of the cluster.
fn is_out(host: &FakeHost) {
    let pristine = include_str!("fake_host/corosync.conf");
    assert_eq!(host.read("etc/corosync/corosync.conf"), pristine);
    for path in [
        "etc/corosync/authkey",
        "var/lib/ubuntu-ha/master",
        "var/lib/ubuntu-ha/formed",
        "var/lib/ubuntu-ha/journal",
        "var/lib/pacemaker/cib/cib.xml",
    ] {
        assert!(!host.exists(path), "{path}");
    }
    for unit in ["corosync", "pacemaker"] {
        assert!(!host.is_active(unit) && !host.is_enabled(unit), "{unit}");
    }
    assert!(host.exists("etc/ubuntu-ha/cluster.toml"));
}

#[test]
fn a_node_leaves_and_the_others_are_told() {
    let host = member();
    let told = host.run(&["leave"]).expect(0).stderr;
    is_out(&host);
    assert!(
        told.contains("on beta, for a node that joins: ubuntu-ha token"),
        "{told}"
    );
    let told = host.calls_of("crm_attribute --type crm_config").join("\n");
    assert!(told.contains("--update beta=192.0.2.12"), "{told}");
    assert!(told.contains("removed alpha"), "{told}");
    assert!(host.exists("run/fake/cluster/standby/alpha"));
    let told = host.run(&["leave"]).expect(1).stderr;
    assert!(told.contains("belongs to no cluster"), "{told}");
}

/// The next boot starts ubuntu-ha-setup.service: the marker is gone.
#[test]
fn a_node_that_left_does_not_come_back_by_itself() {
    for answered in ["", "setup = \"form\" # preseeded\n", "setup = \"later\"\n"] {
        let host = member();
        let answers = host.read(ANSWERS);
        host.answers(&format!("{answers}{answered}"), &[]);
        host.run(&["leave"]).expect(0);
        is_out(&host);
        let left = host.read(ANSWERS);
        assert!(left.starts_with(&answers), "{left}");
        assert_eq!(left.matches("setup = \"later\"").count(), 1, "{left}");
        host.forget_calls();
        let ran = host.run(&["setup"]).expect(0);
        assert_eq!((ran.stderr, host.calls()), (String::new(), vec![]));
        is_out(&host);
    }
}

#[test]
fn answers_that_are_no_toml_are_found_before_a_node_leaves() {
    let host = member();
    host.answers("setup = form\n", &[]);
    let told = host.run(&["leave"]).expect(1).stderr;
    assert!(told.contains("cluster.toml:1"), "{told}");
    assert!(host.is_active("pacemaker"));
    assert!(!host.exists("run/fake/cluster/standby/alpha"));
    assert!(!host.exists("var/lib/ubuntu-ha/journal"));
}

#[test]
fn a_node_does_not_leave_with_services_that_nobody_else_can_run() {
    let host = member();
    host.peer("beta", false);
    let told = host.run(&["leave"]).expect(1).stderr;
    assert!(
        told.contains("no other node could take over vip-ip"),
        "{told}"
    );
    assert!(told.contains("--force-stop"), "{told}");
    assert!(host.exists("etc/corosync/authkey") && host.is_active("pacemaker"));
    assert!(!host.exists("run/fake/cluster/standby/alpha"));
    assert!(!host.exists("var/lib/ubuntu-ha/journal"));
    host.run(&["leave", "--force-stop"]).expect(0);
    is_out(&host);
}

#[test]
fn a_node_that_leaves_without_quorum_says_what_the_others_need() {
    let host = member();
    let quorum = host.succeed("corosync-quorumtool", &["-s"]);
    let none = quorum.replace("Quorate:          Yes", "Quorate:          No");
    host.answer("corosync-quorumtool", 0, &none);
    let told = host.run(&["leave"]).expect(1).stderr;
    assert!(told.contains("no quorum here"), "{told}");
    let told = host.run(&["leave", "--force-stop"]).expect(0).stderr;
    is_out(&host);
    let next = "Next, on one of the remaining nodes: ubuntu-ha leave --node alpha";
    assert!(told.contains(next), "{told}");
}

#[test]
fn a_node_s_leave_that_was_killed_at_any_point_is_finished() {
    let points = member();
    let list = points.path("points");
    let mut command = points.command(&["leave"]);
    command.env("UBUNTU_HA_POINTS", &list);
    fake_host::Ran::of(command, "").expect(0);
    let names = fs::read_to_string(list).unwrap();
    assert!(names.lines().count() >= 8, "{names}");
    for point in names.lines() {
        let host = member();
        host.answers(&(host.read(ANSWERS) + "setup = \"form\"\n"), &[]);
        assert_eq!(host.run_until(point, &["leave"]).code, None, "{point}");
        let comes_back = host.read(ANSWERS).contains("\"form\"");
        assert!(
            host.exists("var/lib/ubuntu-ha/formed") || !comes_back,
            "{point}"
        );
        host.run(&["leave"]).expect(0);
        assert!(!host.read(ANSWERS).contains("\"form\""), "{point}");
        is_out(&host);
        let told = host.calls_of("crm_attribute --type crm_config").join("\n");
        assert!(told.contains("removed alpha"), "{point}: {told}");
    }
}

#[test]
fn a_node_that_is_off_is_taken_off_the_list_by_another() {
    let host = member();
    let told = host.run(&["leave", "--node", "beta"]).expect(1).stderr;
    assert!(told.contains("run `ubuntu-ha leave` on beta"), "{told}");
    host.peer("beta", false);
    let told = host.run(&["leave", "--node", "beta"]).expect(0).stderr;
    assert!(
        told.contains("beta is off the list of nodes. Next, on alpha, for a node that joins"),
        "{told}"
    );
    assert!(cib(&host).contains("removed beta"));
    assert_eq!(host.calls_of("crm_node --force --remove beta").len(), 1);
    host.run(&["leave", "--node", "gamma"]).expect(2);
}

#[test]
fn a_package_that_the_cluster_needs_is_not_removed() {
    let host = member();
    let told = host.run(&["guard", "vip"]).expect(1).stderr;
    assert!(told.contains("active are vip-ip on alpha"), "{told}");
    assert!(told.contains("ubuntu-ha leave vip"), "{told}");
    let told = host.run(&["guard", "cluster"]).expect(1).stderr;
    assert!(told.contains("ubuntu-ha leave"), "{told}");
    host.run(&["guard", "clc"]).expect(0);
    host.run(&["leave", "vip"]).expect(0);
    host.run(&["guard", "vip"]).expect(0);
    host.run(&["leave"]).expect(0);
    host.run(&["guard", "cluster"]).expect(0);
}

#[test]
fn nothing_is_refused_where_no_cluster_runs() {
    let host = member();
    host.succeed("systemctl", &["stop", "corosync"]);
    host.run(&["guard", "vip"]).expect(0);
    host.run(&["guard", "cluster"]).expect(0);
    // Corosync as its package started it.
    let fresh = FakeHost::new("alpha", &["vip"]);
    fresh.run(&["guard", "vip"]).expect(0);
    fresh.run(&["guard", "cluster"]).expect(0);
    // An image that is built: no systemd.
    let image = member();
    fs::remove_file(image.path("usr/sbin/systemctl")).unwrap();
    image.run(&["guard", "vip"]).expect(0);
    image.run(&["guard", "cluster"]).expect(0);
}
