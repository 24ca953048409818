//! Disks of a host that is a member, and of one that does not become one.

use crate::fake_host::FakeHost;
use crate::setup::{PAIR, SECRET};

/// Metadata of DRBD is the first word of the file that stands for the disk.
const WIPEFS: &str = "#!/bin/sh\n. \"$UBUNTU_HA_ROOT/run/fake/lib.sh\"\n\
    grep -qs '^drbd' \"$root/dev/vdb\" || exit 0\n\
    echo '{\"signatures\": [{\"type\": \"drbd\", \"uuid\": \"1\", \"label\": null}]}'\n";

/// A pair with a mirrored disk; the other node has brought it into service.
fn mirrored() -> FakeHost {
    let host = FakeHost::new("alpha", &["drbd"]);
    host.answers(
        &format!(
            "cluster_name = \"ha\"\nnodes = \"{PAIR}\"\nfencing = \"ipmi\"\n\
             ipmi_addresses = \"alpha=203.0.113.11 beta=203.0.113.12\"\nipmi_user = \"fence\"\n"
        ),
        &[("secret", SECRET), ("ipmi_password", "example-password-1")],
    );
    host.role(
        "drbd",
        "vip = \"192.0.2.10/24\"\ndevice = \"/dev/vdb\"\nerase = true\n",
    );
    host.peer("beta", true);
    host.program("wipefs", WIPEFS);
    host.program("mkfs.ext4", "#!/bin/sh\n");
    let real = host.read("usr/sbin/drbdadm");
    let make = "case $1 in create-md) printf drbd |\n    \
        dd of=\"$root/dev/vdb\" conv=notrunc status=none ;; esac\nexit 0\n";
    host.program("drbdadm", &real.replace("exit 0\n", make));
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
