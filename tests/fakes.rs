//! The fake host answers as a host would, as far as the program looks.

#![cfg(feature = "packager")]

mod fake_host;

use fake_host::FakeHost;

#[test]
fn it_starts_with_the_daemons_of_a_fresh_installation() {
    let host = FakeHost::new("alpha", &["vip"]);
    assert!(host.is_active("corosync") && host.is_enabled("pacemaker"));
    assert_eq!(host.calls(), Vec::<String>::new());
    assert!(host.succeed("cibadmin", &["--query"]).contains("<cib "));
    assert!(host.succeed("crm_mon", &["-1"]).contains("<nodes>"));
    assert_eq!(host.calls(), ["cibadmin --query", "crm_mon -1"]);
    host.run(&["check", "--json"]).expect(1);
}

#[test]
fn calls_can_be_answered_by_hand_and_members_come_and_go() {
    let host = FakeHost::new("alpha", &[]);
    host.answer("cibadmin.--query", 0, "<cib/>\n");
    assert_eq!(host.succeed("cibadmin", &["--query"]), "<cib/>\n");
    host.answer_itself("cibadmin.--query");
    let conf = "totem {\n cluster_name: x\n}\nnodelist {\n node {\n  ring0_addr: 192.0.2.11\n  \
        name: alpha\n  nodeid: 1\n }\n node {\n  ring0_addr: 192.0.2.12\n  name: beta\n  \
        nodeid: 2\n }\n}\nquorum {\n two_node: 1\n}\n";
    host.write("etc/corosync/corosync.conf", conf);
    host.peer("beta", true);
    host.succeed("systemctl", &["restart", "corosync"]);
    assert!(host.is_active("pacemaker"));
    let told = host.succeed("corosync-quorumtool", &["-s"]);
    assert!(told.contains("Quorate:          Yes"), "{told}");
    host.peer("beta", false);
    let told = host.succeed("corosync-cmapctl", &["runtime.members"]);
    assert!(told.contains("members.1.status (str) = joined"), "{told}");
    assert!(!told.contains("members.2"), "{told}");
}
