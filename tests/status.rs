//! `ubuntu-ha status` on a host whose tools answer what those of two real
//! clusters answered, pacemaker 2.1.6 (noble) and 3.0.1 (resolute): below
//! tests/status. DRBD and the filesystem were stand-ins there.

#![cfg(feature = "packager")]

mod fake_host;

use std::fs;
use std::path::{Path, PathBuf};

use fake_host::FakeHost;
use snapbox::assert_data_eq;

const CLUSTER: &str = "cluster_name = \"ha-drbd\"\n\
    nodes = \"alpha=192.0.2.11,198.51.100.11 beta=192.0.2.12,198.51.100.12\"\n\
    fencing = \"ipmi\"\n\
    ipmi_addresses = \"alpha=203.0.113.11 beta=203.0.113.12\"\n\
    ipmi_user = \"fence\"\n";

const ROLE: &str = "vip = \"192.0.2.10/24\"\n\
    device = \"/dev/disk/by-id/virtio-data\"\n\
    erase = true\n\
    fstype = \"ext4\"\n\
    mount = \"/srv/data\"\n\
    with_service = true\n\
    service = \"nginx\"\n";

const PASSWORD: &str = "example-ipmi-password-0001";

const MIRRORED: &str = "version: 8.4.11 (api:1/proto:86-101)\n\n 0: cs:Connected \
    ro:Primary/Secondary ds:UpToDate/UpToDate C r-----\n";

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn text(path: &str) -> String {
    let path = here().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A member of a formed cluster whose files are what the answers ask for, and
/// whose tools answer as in `sample`.
fn member(sample: &str) -> FakeHost {
    let host = FakeHost::new("alpha", &["drbd"]);
    host.answers(CLUSTER, &[("ipmi_password", PASSWORD)]);
    host.role("drbd", ROLE);
    host.write("var/lib/ubuntu-ha/formed", "ha-drbd\n");
    for file in ["corosync/corosync.conf", "drbd.d/data.res"] {
        let golden = text(&format!("cluster/drbd/etc/{file}"));
        host.write(&format!("etc/{file}"), &golden);
    }
    host.write("etc/corosync/authkey", "key");
    mirror(&host, MIRRORED);
    running(&host, sample);
    cib(&host, |cib| cib);
    host
}

/// The kernel's table, for the minor that the resource has.
fn mirror(host: &FakeHost, proc: &str) {
    let res = host.read("etc/drbd.d/data.res");
    let (_, rest) = res.split_once("minor ").unwrap();
    let minor = rest.split(';').next().unwrap();
    host.write(
        "proc/drbd",
        &proc.replace(" 0: cs", &format!(" {minor}: cs")),
    );
}

fn running(host: &FakeHost, sample: &str) {
    let answer = |key: &str, file: &str| {
        host.answer(key, 0, &text(&format!("status/{sample}/{file}")));
    };
    answer("crm_mon", "crm_mon.xml");
    answer("corosync-quorumtool", "corosync-quorumtool.txt");
    answer("corosync-cfgtool", "corosync-cfgtool.txt");
}

/// The running CIB: the one the answers ask for, after a change.
fn cib(host: &FakeHost, change: impl Fn(String) -> String) {
    host.answer("cibadmin.--query", 0, &change(text("cluster/drbd/cib.xml")));
}

fn monitor(host: &FakeHost, sample: &str, change: impl Fn(String) -> String) {
    let xml = text(&format!("status/{sample}/crm_mon.xml"));
    host.answer("crm_mon", 0, &change(xml));
}

/// Text and exit code of `status`, which must change nothing.
#[track_caller]
fn status(host: &FakeHost, code: i32) -> String {
    host.run(&["status"]).expect(code).stdout
}

macro_rules! golden {
    ($text:expr, $name:literal) => {
        assert_data_eq!($text, snapbox::file![$name].raw())
    };
}

#[test]
fn two_healthy_nodes() {
    golden!(status(&member("noble/healthy"), 0), "status/healthy.txt");
}

#[test]
fn pacemaker_3_is_read_as_well() {
    let host = member("resolute/failed");
    let told = status(&host, 1);
    assert!(
        told.contains("drbd-ip failed: monitor on beta (not running, "),
        "{told}"
    );
    let host = member("resolute/dead");
    let told = status(&host, 1);
    assert!(told.contains("beta   offline"), "{told}");
}

#[test]
fn a_dead_node_that_was_fenced() {
    let host = member("noble/dead");
    mirror(
        &host,
        " 0: cs:WFConnection ro:Primary/Unknown ds:UpToDate/Outdated C r-----\n",
    );
    golden!(status(&host, 1), "status/dead.txt");
}

#[test]
fn a_dead_node_that_cannot_be_fenced() {
    golden!(status(&member("noble/unfenced"), 1), "status/unfenced.txt");
    let told = status(&member("resolute/unfenced"), 1);
    assert!(told.contains("beta is lost and not fenced"), "{told}");
}

#[test]
fn a_node_that_stands_by() {
    golden!(status(&member("noble/standby"), 1), "status/standby.txt");
}

#[test]
fn a_failed_action() {
    golden!(status(&member("noble/failed"), 1), "status/failed.txt");
}

#[test]
fn maintenance_mode() {
    let host = member("resolute/maintenance");
    host.write(
        "var/lib/ubuntu-ha/maintain",
        "[[note]]\nsince = 1764072000\nby = \"root\"\n",
    );
    golden!(status(&host, 1), "status/maintenance.txt");
}

#[test]
fn a_node_that_waits_for_the_other_after_its_start() {
    golden!(status(&member("noble/noquorum"), 1), "status/noquorum.txt");
    let told = status(&member("resolute/starting"), 1);
    assert!(told.contains("no node leads the cluster yet"), "{told}");
}

#[test]
fn diverged_copies() {
    let host = member("noble/healthy");
    mirror(
        &host,
        " 0: cs:StandAlone ro:Primary/Unknown ds:UpToDate/DUnknown   r-----\n",
    );
    golden!(status(&host, 1), "status/diverged.txt");
}

#[test]
fn a_resync_is_not_redundant_yet() {
    let host = member("noble/healthy");
    mirror(
        &host,
        " 0: cs:SyncSource ro:Primary/Secondary ds:UpToDate/Inconsistent C r-----\n\
         \t[=>..................] sync'ed: 12.5% (900/1028)M\n\tfinish: 0:01:40 speed: 9,000\n",
    );
    let told = status(&host, 1);
    assert!(
        told.contains("data: SyncSource 12.5 %, Primary/Secondary, UpToDate/Inconsistent, 0:01:40"),
        "{told}"
    );
    assert!(
        told.contains("until then the other node's copy cannot be used"),
        "{told}"
    );
}

#[test]
fn a_host_without_a_cluster_is_told_the_next_command() {
    let host = FakeHost::new("alpha", &["vip"]);
    golden!(status(&host, 1), "status/unconfigured.txt");
    host.answers(
        "cluster_name = \"x\"\nnodes = \"alpha=192.0.2.11 beta=192.0.2.12\"\n\
         fencing = \"accept-split-brain\"\n",
        &[],
    );
    host.role("vip", "vip = \"192.0.2.10/24\"\n");
    let told = status(&host, 1);
    assert!(
        told.contains("ubuntu-ha apply   # forms the cluster"),
        "{told}"
    );
    assert!(!told.contains("dpkg-reconfigure"), "{told}");
}

#[test]
fn what_was_changed_behind_the_back_of_the_files_is_told() {
    let host = member("noble/healthy");
    cib(&host, |cib| {
        cib.replace("value=\"192.0.2.10\"", "value=\"192.0.2.99\"")
    });
    let told = status(&host, 1);
    assert!(told.contains("drbd-active is different"), "{told}");
    cib(&host, |cib| cib);
    let conf = host.read("etc/corosync/corosync.conf");
    host.write("etc/corosync/corosync.conf", &conf.replace("3000", "4000"));
    let told = status(&host, 1);
    assert!(
        told.contains("not what the answers ask for: /etc/corosync/corosync.conf"),
        "{told}"
    );
    assert!(told.contains("ubuntu-ha apply"), "{told}");
}

#[test]
fn a_directory_in_the_place_of_a_link_is_told() {
    let host = member("noble/healthy");
    let role = host.read("usr/share/ubuntu-ha/roles/drbd.toml");
    assert!(role.contains("migrate = []"), "{role}");
    let role = role.replace("migrate = []", "migrate = [\"/var/lib/things\"]");
    host.write("usr/share/ubuntu-ha/roles/drbd.toml", &role);
    let told = status(&host, 1);
    assert!(told.contains("/var/lib/things is missing"), "{told}");
    fs::create_dir_all(host.path("var/lib/things")).unwrap();
    let told = status(&host, 1);
    assert!(
        told.contains("/var/lib/things has to be a link to /srv/data/var/lib/things, but is"),
        "{told}"
    );
    assert!(
        told.contains("ln -s /srv/data/var/lib/things /var/lib/things"),
        "{told}"
    );
    fs::remove_dir(host.path("var/lib/things")).unwrap();
    let link = host.path("var/lib/things");
    std::os::unix::fs::symlink("/srv/data/var/lib/things", link).unwrap();
    let told = status(&host, 0);
    assert!(!told.contains("/var/lib/things"), "{told}");
}

#[test]
fn a_role_that_left_is_no_drift() {
    let host = member("noble/healthy");
    cib(&host, |_| {
        "<cib><configuration><crm_config><cluster_property_set id=\"ubuntu-ha-left\">\
         <nvpair id=\"x\" name=\"ubuntu-ha-left-drbd\" value=\"true\"/></cluster_property_set>\
         </crm_config><resources/><constraints/></configuration></cib>"
            .into()
    });
    let told = status(&host, 1);
    assert!(
        told.contains("ubuntu-ha apply drbd   # puts it back"),
        "{told}"
    );
    assert!(!told.contains("drbd-active is missing"), "{told}");
    assert!(told.contains("fence-alpha is missing"), "{told}");
}

#[test]
fn leftovers_of_moves_and_of_drbd_are_told() {
    let host = member("noble/healthy");
    cib(&host, |cib| {
        cib.replace(
            "</constraints>",
            "<rsc_location id=\"cli-ban-drbd-active-on-beta\" rsc=\"drbd-active\" \
             node=\"beta\" score=\"-INFINITY\"/>\
             <rsc_location id=\"drbd-fence-by-handler-data-drbd-replica\" rsc=\"drbd-replica\"/>\
             </constraints>",
        )
    });
    let told = status(&host, 1);
    assert!(
        told.contains("drbd-active is banned from a node by hand"),
        "{told}"
    );
    assert!(
        told.contains("crm_resource --clear -r drbd-active"),
        "{told}"
    );
    assert!(
        told.contains("'<rsc_location id=\"drbd-fence-by-handler-data-drbd-replica\"/>'"),
        "{told}"
    );
}

#[test]
fn a_ban_is_wrong_and_a_preference_is_not() {
    let host = member("noble/healthy");
    let constraint = |xml: &str| {
        cib(&host, |cib| {
            cib.replace("</constraints>", &format!("{xml}</constraints>"))
        });
    };
    constraint(
        "<rsc_location id=\"cli-prefer-drbd-active\" rsc=\"drbd-active\" node=\"alpha\" \
         score=\"INFINITY\"/>",
    );
    let told = status(&host, 0);
    assert!(told.contains("drbd-active was moved by hand"), "{told}");
    // With an end, the score is the rule's, and crm_mon knows whether it is over.
    constraint(
        "<rsc_location id=\"cli-ban-drbd-active-on-beta\" rsc=\"drbd-active\">\
         <rule id=\"cli-ban-drbd-active-on-beta-rule\" score=\"-INFINITY\"/></rsc_location>",
    );
    status(&host, 0);
    monitor(&host, "noble/healthy", |xml| {
        xml.replace(
            "</bans>",
            "<ban id=\"cli-ban-drbd-active-on-beta-rule\" resource=\"drbd-active\" \
             node=\"beta\" weight=\"-1000000\"/></bans>",
        )
    });
    let told = status(&host, 1);
    assert!(told.contains("drbd-active is banned from"), "{told}");
}

#[test]
fn a_unit_or_a_key_that_the_next_boot_lacks_is_told() {
    let host = member("noble/healthy");
    host.succeed("systemctl", &["disable", "pacemaker"]);
    host.write("run/fake/units/drbd", "");
    host.succeed("systemctl", &["enable", "drbd"]);
    let told = status(&host, 1);
    for part in [
        "pacemaker is not started at boot",
        "drbd is started at boot",
    ] {
        assert!(told.contains(part), "{told}");
    }
    let host = member("noble/healthy");
    fs::remove_file(host.path("run/fake/units/pacemaker")).unwrap();
    let told = status(&host, 1);
    assert!(
        told.contains("pacemaker.service is not installed"),
        "{told}"
    );
    let host = member("noble/healthy");
    fs::remove_file(host.path("etc/corosync/authkey")).unwrap();
    let told = status(&host, 1);
    let key = "not what the answers ask for: /etc/corosync/authkey";
    assert!(told.contains(key), "{told}");
    host.write("etc/corosync/authkey", "key");
    host.write("var/lib/ubuntu-ha/master", &"5a".repeat(32));
    let told = status(&host, 1);
    assert!(told.contains(key), "{told}");
}

#[test]
fn sbd_is_looked_at_with_a_disk_too() {
    let host = member("noble/healthy");
    let sbd = "fencing = \"sbd\"\nsbd_device = \"/dev/disk/by-id/virtio-sbd\"\n";
    let (answers, _) = CLUSTER.split_once("fencing").unwrap();
    host.answers(&format!("{answers}{sbd}"), &[]);
    let told = status(&host, 1);
    assert!(
        told.contains("sbd does not run on this node: no message"),
        "{told}"
    );
    assert!(told.contains("sbd is not started at boot"), "{told}");
    host.write("run/fake/active/sbd", "");
    host.write("run/fake/enabled/sbd", "");
    let told = status(&host, 1);
    assert!(!told.contains("sbd does not run"), "{told}");
    assert!(!told.contains("sbd is not started"), "{told}");
}

#[test]
fn a_third_node_has_no_part_in_the_data() {
    let mut host = member("noble/healthy");
    mirror(&host, "version: 8.4.11 (api:1/proto:86-101)\n");
    let told = status(&host, 1);
    assert!(told.contains("data is not up on this node"), "{told}");
    host.name = "gamma".into();
    let told = host.run(&["status"]).stdout;
    assert!(!told.contains("data is not up"), "{told}");
}

#[test]
fn accepted_split_brain_is_shown_for_ever_and_is_no_failure() {
    let host = FakeHost::new("alpha", &["vip"]);
    let answers = "cluster_name = \"ha-vip\"\n\
        nodes = \"alpha=192.0.2.11,198.51.100.11 beta=192.0.2.12,198.51.100.12\"\n\
        fencing = \"accept-split-brain\"\n";
    host.answers(answers, &[]);
    host.role("vip", "vip = \"192.0.2.10/24\"\n");
    host.write("var/lib/ubuntu-ha/formed", "ha-vip\n");
    let conf = text("cluster/vip/etc/corosync/corosync.conf");
    host.write("etc/corosync/corosync.conf", &conf);
    host.write("etc/corosync/authkey", "key");
    running(&host, "noble/healthy");
    monitor(&host, "noble/healthy", |xml| {
        let (head, rest) = xml.split_once("<resources>").unwrap();
        let (_, tail) = rest.split_once("</resources>").unwrap();
        let ip = "<resource id=\"vip-ip\" resource_agent=\"ocf:heartbeat:IPaddr2\" \
                  role=\"Started\" managed=\"true\"><node name=\"beta\"/></resource>";
        format!("{head}<resources>{ip}</resources>{tail}")
            .replace("stonith-enabled=\"true\"", "stonith-enabled=\"false\"")
    });
    host.answer("cibadmin.--query", 0, &text("cluster/vip/cib.xml"));
    let told = status(&host, 0);
    assert!(
        told.contains("nothing fences a lost node (accept-split-brain)"),
        "{told}"
    );
    assert!(told.contains("vip-ip  192.0.2.10/24  beta"), "{told}");
}

#[test]
fn a_lost_link_and_a_resource_that_runs_nowhere() {
    let host = member("noble/healthy");
    let links = text("status/noble/healthy/corosync-cfgtool.txt");
    let (first, second) = links.split_once("LINK ID 1").unwrap();
    let second = second.replace("\tconnected", "\tdisconnected");
    host.answer("corosync-cfgtool", 0, &format!("{first}LINK ID 1{second}"));
    monitor(&host, "noble/healthy", |xml| {
        let (head, rest) = xml.split_once("<resource id=\"drbd-ip\"").unwrap();
        let (_, tail) = rest.split_once("</resource>").unwrap();
        let stopped = "<resource id=\"drbd-ip\" resource_agent=\"ocf:heartbeat:IPaddr2\" \
                       role=\"Stopped\" managed=\"true\" nodes_running_on=\"0\"/>";
        format!("{head}{stopped}{tail}")
    });
    let told = status(&host, 1);
    assert!(
        told.contains("ping -I 198.51.100.11 198.51.100.12"),
        "{told}"
    );
    assert!(told.contains("drbd-ip runs nowhere"), "{told}");
    assert!(told.contains("crm_resource --why -r drbd-ip"), "{told}");
}

#[test]
fn a_node_without_daemons() {
    let host = member("noble/healthy");
    host.succeed("systemctl", &["stop", "pacemaker"]);
    let told = status(&host, 1);
    assert!(
        told.contains("pacemaker does not run on this node"),
        "{told}"
    );
    host.succeed("systemctl", &["stop", "corosync"]);
    let told = status(&host, 1);
    assert!(
        told.contains("systemctl start corosync pacemaker"),
        "{told}"
    );
    assert!(told.contains("alpha  offline  (this node)"), "{told}");
}

#[test]
fn it_cannot_be_told_when_pacemaker_does_not_answer() {
    let host = member("noble/healthy");
    host.answer("crm_mon", 102, "");
    let told = status(&host, 3);
    assert!(told.contains("pacemaker does not answer"), "{told}");
    host.answer("crm_mon", 0, "nonsense\n");
    let ran = host.run(&["status"]).expect(3);
    assert!(
        ran.stderr.contains("the answer of crm_mon"),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_admitted_node_is_awaited_and_then_given_up() {
    let host = member("noble/dead");
    let admission = |expires: u64| {
        format!(
            "node = \"beta\"\naddresses = \"192.0.2.12\"\ntoken = \"01\"\nissued = 1\n\
             expires = {expires}\nadded = true\n"
        )
    };
    // It was fenced, so it was a member.
    host.write(
        "var/lib/ubuntu-ha/admitted/beta.toml",
        &admission(9_999_999_999),
    );
    let told = status(&host, 1);
    assert!(told.contains("beta is offline"), "{told}");
    monitor(&host, "noble/dead", |xml| {
        xml.split_inclusive('\n')
            .filter(|line| !line.contains("fence_event"))
            .collect()
    });
    let told = status(&host, 1);
    assert!(told.contains("beta may join until"), "{told}");
    // Nothing takes over until then, whatever the reason.
    assert!(told.contains("without one more"), "{told}");
    host.write("var/lib/ubuntu-ha/admitted/beta.toml", &admission(2));
    let told = status(&host, 1);
    assert!(told.contains("ubuntu-ha token --revoke beta"), "{told}");
}

#[test]
fn a_quorum_device_that_corosync_does_not_know_of_is_told() {
    let host = member("noble/healthy");
    let conf = host.read("etc/corosync/corosync.conf");
    let device = "quorum {\n    device {\n        model: net\n    }\n";
    host.write(
        "etc/corosync/corosync.conf",
        &conf.replace("quorum {\n", device),
    );
    let told = status(&host, 1);
    assert!(told.contains("the quorum device does not vote"), "{told}");
}

#[test]
fn the_json_says_the_same_and_holds_no_password() {
    let host = member("noble/unfenced");
    let ran = host.run(&["status", "--json"]).expect(1);
    assert!(!ran.stdout.contains(PASSWORD));
    golden!(ran.stdout, "status/unfenced.json");
}

#[test]
fn status_only_asks() {
    let host = member("noble/failed");
    host.forget_calls();
    status(&host, 1);
    const QUESTIONS: [&str; 9] = [
        "systemctl is-active",
        "systemctl is-enabled",
        "corosync-quorumtool -s",
        "corosync-cfgtool -s",
        "crm_mon --output-as=xml -1",
        "cibadmin --query",
        "crm_resource --show-metadata",
        "pacemakerd --",
        "stonith_admin --metadata",
    ];
    for call in host.calls() {
        assert!(QUESTIONS.iter().any(|one| call.starts_with(one)), "{call}");
    }
}
