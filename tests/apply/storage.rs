//! Disks of a host that is a member, and of one that does not become one.

use crate::fake_host::FakeHost;
use crate::setup::{PAIR, SECRET};

/// Metadata of DRBD is the first word of the file that stands for the disk.
const WIPEFS: &str = "#!/bin/sh\n. \"$UBUNTU_HA_ROOT/run/fake/lib.sh\"\n\
    grep -qs '^drbd' \"$root/dev/vdb\" || exit 0\n\
    echo '{\"signatures\": [{\"type\": \"drbd\", \"uuid\": \"1\", \"label\": null}]}'\n";

/// A pair with a mirrored disk; the other node has brought it into service.
fn mirrored() -> FakeHost {
    mirrored_with("drbd")
}

fn mirrored_with(role: &str) -> FakeHost {
    let host = FakeHost::new("alpha", &[role]);
    host.answers(
        &format!(
            "cluster_name = \"ha\"\nnodes = \"{PAIR}\"\nfencing = \"ipmi\"\n\
             ipmi_addresses = \"alpha=203.0.113.11 beta=203.0.113.12\"\nipmi_user = \"fence\"\n"
        ),
        &[("secret", SECRET), ("ipmi_password", "example-password-1")],
    );
    host.role(
        role,
        "vip = \"192.0.2.10/24\"\ndevice = \"/dev/vdb\"\nerase = true\n",
    );
    host.peer("beta", true);
    host.program("wipefs", WIPEFS);
    host.program("mkfs.ext4", "#!/bin/sh\n");
    let real = host.read("usr/sbin/drbdadm");
    let make = "case $1 in create-md) printf drbd |\n    \
        dd of=\"$root/dev/vdb\" conv=notrunc status=none ;; esac\nexit 0\n";
    host.program("drbdadm", &real.replace("exit 0\n", make));
    host.program("attrd_updater", "#!/bin/sh\n");
    host.answer(
        "ip.-4.-o.route.show.match.192.0.2.10.scope.link",
        0,
        "192.0.2.0/24 dev eth1 proto kernel scope link\n",
    );
    host.answer(
        "ip.-4.-o.route.show.default.dev.eth1",
        0,
        "default via 192.0.2.1 \n",
    );
    blank(&host);
    host.answer("cibadmin.--query.--xpath", 0, "");
    host
}

fn blank(host: &FakeHost) {
    host.write("dev/vdb", "");
    let disk = std::fs::File::create(host.path("dev/vdb")).unwrap();
    disk.set_len(64 << 20).unwrap();
}

#[test]
fn a_blank_disk_of_a_member_is_something_to_change() {
    let host = mirrored();
    host.run(&["apply"]).expect(0);
    assert_eq!(host.calls_of("drbdadm create-md").len(), 1);
    let ran = host.run(&["apply"]).expect(0);
    assert_eq!(ran.stdout, "nothing to change\n");
    blank(&host);
    let ran = host.run(&["apply"]).expect(0);
    assert!(
        ran.stdout.contains("prepared DRBD resource data\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(host.calls_of("drbdadm create-md").len(), 2);
    let ran = host.run(&["apply"]).expect(0);
    assert_eq!(ran.stdout, "nothing to change\n");
}

/// What the kernel shows of the resource.
fn shown(host: &FakeHost, line: &str) {
    let text = format!("version: 8.4.11 (api:1/proto:86-101)\n{line}\n");
    host.write("proc/drbd", &text);
}

#[test]
fn what_drbd_does_not_let_go_is_not_put_back() {
    let host = mirrored();
    let res = "etc/drbd.d/data.res";
    host.peer("beta", false);
    // The cluster does not have it.
    host.answer("cibadmin.--query.--xpath", 105, "");
    shown(
        &host,
        " 0: cs:Connected ro:Secondary/Primary ds:UpToDate/UpToDate C",
    );
    let ran = host.run(&["apply", "--wait", "1"]).expect(1);
    let told = ran.stderr;
    assert!(told.contains("these nodes are no members: beta"), "{told}");
    assert!(
        told.contains("data is in use on the other node, which would have this one fenced"),
        "{told}"
    );
    assert!(!told.contains("everything was put back"), "{told}");
    assert!(host.read(res).contains("minor 0;"));
    assert!(host.is_active("corosync") && host.is_active("pacemaker"));
    assert_eq!(host.calls_of("drbdadm down").len(), 0);

    shown(
        &host,
        " 0: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C",
    );
    let ran = host.run(&["apply", "--rollback"]).expect(3);
    let told = ran.stderr;
    assert!(
        told.contains("DRBD resource data is in use on this node"),
        "{told}"
    );
    assert!(told.contains("run `ubuntu-ha apply --rollback`"), "{told}");
    assert!(host.exists(res) && host.exists("var/lib/ubuntu-ha/journal"));
    assert_eq!(host.calls_of("drbdadm down").len(), 0);

    shown(
        &host,
        " 0: cs:Connected ro:Secondary/Secondary ds:UpToDate/UpToDate C",
    );
    let ran = host.run(&["apply"]).expect(3);
    let told = ran.stderr;
    assert!(told.contains("is up still after drbdadm down"), "{told}");
    assert!(host.exists(res));

    let real = host.read("usr/sbin/drbdadm");
    let down = "down) echo 'version: 8.4.11' >\"$root/proc/drbd\"; rm";
    host.program("drbdadm", &real.replace("down) rm", down));
    let ran = host.run(&["apply", "--rollback"]).expect(0);
    assert!(ran.stdout.contains("removed /etc/drbd.d/data.res"));
    assert!(!host.exists(res) && !host.exists("var/lib/ubuntu-ha/journal"));
    assert!(host.is_active("corosync") && host.is_active("pacemaker"));
}

#[test]
fn a_directory_that_was_moved_comes_back_unless_services_have_run() {
    for served in [false, true] {
        let host = mirrored_with("clc");
        host.write("var/lib/eucalyptus/keys/key", "of the cloud");
        let ran = host.run_until("waiting for the nodes", &["apply"]);
        assert_eq!(ran.code, None, "{}", ran.stderr);
        // As the preparation would leave it.
        let place = host.path("var/lib/eucalyptus");
        let aside = "var/lib/eucalyptus.before-ubuntu-ha-20261101";
        std::fs::rename(&place, host.path(aside)).unwrap();
        let target = "/mnt/uecdata/var/lib/eucalyptus";
        std::os::unix::fs::symlink(target, &place).unwrap();
        host.answer("cibadmin.--query.--xpath", if served { 0 } else { 105 }, "");
        // The second one finds pacemaker stopped.
        host.run_until(
            "putting back /etc/corosync/corosync.conf",
            &["apply", "--rollback"],
        );
        let ran = host.run(&["apply", "--rollback"]).expect(0);
        assert!(host.read("etc/corosync/corosync.conf").contains("debian"));
        assert_eq!(host.exists(aside), served);
        let command = format!("rm /var/lib/eucalyptus && mv /{aside} /var/lib/eucalyptus\n");
        assert_eq!(ran.stdout.contains(&command), served, "{}", ran.stdout);
        if !served {
            assert_eq!(host.read("var/lib/eucalyptus/keys/key"), "of the cloud");
        }
    }
}
