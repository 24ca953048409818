//! The files and the CIB of whole clusters, held against those in
//! `tests/cluster/`. `UPDATE_GOLDEN=1 cargo test --test cluster` writes them
//! anew; `cargo xtask test` shows them to the suites' own corosync, drbdadm and
//! pacemaker.

#[path = "cluster/setup.rs"]
mod setup;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hapkg::cluster::{Desired, Fencing};
use hapkg::recipe::answer::{Answer, validate};
use setup::{Cluster, golden};

const IPV6_NODES: &str = "alpha=2001:db8:1::11,2001:db8:2::11 beta=2001:db8:1::12,2001:db8:2::12";
const THREE_NODES: &str = "alpha=192.0.2.11,198.51.100.11 beta=192.0.2.12,198.51.100.12 \
                           gamma=192.0.2.13,198.51.100.13";

/// The clusters, by the name of their directory.
fn clusters() -> Vec<(&'static str, Cluster)> {
    let ipmi = |cluster: Cluster| {
        cluster
            .answer("fencing", "ipmi")
            .answer("ipmi_addresses", "alpha=203.0.113.11 beta=203.0.113.12")
            .answer("ipmi_user", "fence")
            .answer("ipmi_password", "example-ipmi-password-0001")
    };
    let mut all: Vec<(&str, Cluster)> = [
        "advanced", "cc", "clc", "clvm", "drbd", "sc", "vip", "walrus",
    ]
    .map(|role| (role, Cluster::example(role)))
    .into();
    all.extend([
        (
            "vip-ipv6",
            ipmi(Cluster::example("vip"))
                .answer("nodes", IPV6_NODES)
                .role_answer("vip", "vip", "2001:db8:1::10/64"),
        ),
        (
            "vip-one-link",
            Cluster::example("vip").answer("nodes", "alpha=192.0.2.11 beta=192.0.2.12"),
        ),
        (
            "vip-three-nodes-watchdog",
            Cluster::example("vip")
                .answer("nodes", THREE_NODES)
                .answer("fencing", "sbd"),
        ),
        (
            "vip-qdevice",
            ipmi(Cluster::example("vip"))
                .answer("qdevice", "quorum.example.org")
                .answer("token", "1000"),
        ),
        (
            "vip-agent",
            Cluster::example("vip")
                .answer("fencing", "agent")
                .answer("fence_agent", "fence_virsh")
                .answer(
                    "fence_parameters",
                    "ip=192.0.2.30 username=fence pcmk_host_map=alpha:vm-a;beta:vm-b",
                )
                .answer("fence_password", "example-fence-password-0001"),
        ),
        (
            "drbd-ipv6",
            Cluster::example("drbd")
                .answer("nodes", IPV6_NODES)
                .answer("ipmi_addresses", "alpha=2001:db8:3::11 beta=2001:db8:3::12")
                .role_answer("drbd", "vip", "2001:db8:1::10/64")
                .role_answer("drbd", "fstype", "xfs"),
        ),
        (
            "drbd-three-nodes",
            Cluster::example("drbd")
                .answer("nodes", THREE_NODES)
                .answer(
                    "ipmi_addresses",
                    "alpha=203.0.113.11 beta=203.0.113.12 gamma=203.0.113.13",
                ),
        ),
        ("drbd-9", Cluster::example("drbd").drbd_9()),
        (
            "drbd-topology",
            ipmi(Cluster::example("drbd"))
                .answer("fencing", "ipmi-then-sbd")
                .answer("sbd_device", "/dev/disk/by-id/virtio-sbd")
                .answer("sbd_watchdog_timeout", "60"),
        ),
        (
            "drbd-topology-agent",
            ipmi(Cluster::example("drbd"))
                .answer("fencing", "ipmi-then-agent")
                .answer("fence_agent", "fence_virsh")
                .answer(
                    "fence_parameters",
                    "ip=192.0.2.30 username=fence alpha:plug=vm-a beta:plug=vm-b",
                )
                .answer("fence_password", "example-fence-password-0001"),
        ),
        (
            "clvm-ocfs2-ipmi",
            ipmi(Cluster::example("clvm")).role_answer("clvm", "shared_fstype", "ocfs2"),
        ),
        (
            "advanced-sbd",
            Cluster::example("advanced")
                .answer("fencing", "sbd")
                .answer("qdevice", ""),
        ),
    ]);
    all
}

/// Every text of a design, by its path in the directory.
fn texts(desired: &Desired) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::from([("cib.xml".to_owned(), desired.cib.clone())]);
    for file in &desired.files {
        assert!(!file.secret && file.mode == 0o644, "{}", file.path);
        let text = String::from_utf8(file.content.clone()).unwrap();
        texts.insert(file.path.clone(), text);
    }
    let storage = desired.storage.iter().map(|one| format!("{one:#?}\n"));
    texts.insert("storage.txt".into(), storage.collect());
    texts
}

/// The files of a directory, by their path in it.
fn files_in(directory: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(directory).unwrap().to_str().unwrap();
            files.insert(name.to_owned(), fs::read_to_string(&path).unwrap());
        }
    }
    files
}

#[test]
fn every_file_is_as_expected() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for (name, cluster) in clusters() {
        let (directory, texts) = (golden(name), texts(&cluster.desired()));
        if update {
            let _ = fs::remove_dir_all(&directory);
            for (path, text) in &texts {
                let path = directory.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
        }
        let expected = files_in(&directory);
        let names = |all: &BTreeMap<String, String>| all.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&texts), names(&expected), "{name}");
        for (path, text) in &texts {
            snapbox::assert_data_eq!(text, &expected[path]);
        }
    }
}

#[test]
fn no_expected_file_is_left_over() {
    let mut names: Vec<&str> = clusters().iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    let mut there: Vec<String> = fs::read_dir(golden(""))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    there.sort();
    assert_eq!(there, names);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let one = Cluster::example("advanced").desired();
    assert_eq!(one, Cluster::example("advanced").desired());
}

#[test]
fn resources_know_what_they_stand_in() {
    let desired = Cluster::example("advanced").desired();
    for (id, outermost) in [
        ("advanced-fs", "advanced-active"),
        ("advanced-drbd", "advanced-replica"),
        ("advanced-shared-fs", "advanced-storage-clone"),
        ("fence-alpha", "fence-alpha"),
    ] {
        assert_eq!(desired.outermost(id), outermost);
    }
    let cib = roxmltree::Document::parse(&desired.cib).unwrap();
    for part in &desired.resources {
        let element = cib
            .descendants()
            .find(|node| node.attribute("id") == Some(&part.id))
            .unwrap_or_else(|| panic!("{part:?}"));
        let outer = element.parent().unwrap();
        let inside = outer
            .attribute("id")
            .filter(|_| !outer.has_tag_name("resources"));
        assert_eq!(inside, part.inside.as_deref(), "{part:?}");
        assert_eq!(part.agent.is_some(), element.has_tag_name("primitive"));
    }
    let devices = desired.resources.iter().filter(|part| part.role.is_none());
    assert_eq!(
        desired.resources_of("advanced").count() + devices.count(),
        desired.resources.len()
    );
}

#[test]
fn a_service_that_was_not_wanted_leaves_nothing_behind() {
    let desired = Cluster::example("drbd")
        .role_answer("drbd", "with_service", "false")
        .role_answer("drbd", "service", "")
        .desired();
    assert!(!desired.cib.contains("drbd-service"), "{}", desired.cib);
    let parts = desired.resources_of("drbd").map(|part| part.id.as_str());
    assert_eq!(
        parts.collect::<Vec<_>>(),
        [
            "drbd-replica",
            "drbd-active",
            "drbd-drbd",
            "drbd-fs",
            "drbd-ip"
        ]
    );
}

/// `priority-fencing-delay`, in seconds.
fn delay(desired: &Desired) -> u32 {
    let cib = roxmltree::Document::parse(&desired.cib).unwrap();
    let mut pairs = cib.descendants();
    let pair = pairs.find(|node| node.attribute("name") == Some("priority-fencing-delay"));
    let value = pair.and_then(|pair| pair.attribute("value")).unwrap();
    value.strip_suffix('s').unwrap().parse().unwrap()
}

/// Who was told to die by sbd's disk dies within its watchdog's timeout, and
/// shoots until then.
#[test]
fn the_half_that_shall_live_is_shot_after_the_other_is_dead() {
    for watchdog in [5, 15, 60] {
        let sbd = |cluster: Cluster| {
            let cluster = cluster
                .answer("fencing", "sbd")
                .answer("sbd_device", "/dev/disk/by-id/virtio-sbd")
                .answer("sbd_watchdog_timeout", &watchdog.to_string())
                .answer("qdevice", "");
            delay(&cluster.desired())
        };
        let drbd = || Cluster::example("drbd");
        assert!(sbd(Cluster::example("clvm")) > watchdog);
        assert!(sbd(Cluster::example("advanced")) > watchdog);
        // The half that is shot is not the Primary.
        assert_eq!(sbd(drbd()), 5);
        // It may be.
        let other = drbd()
            .role("vip")
            .role_answer("vip", "vip", "192.0.2.50/24");
        assert!(sbd(other) > watchdog);
        let pair = drbd()
            .role("walrus")
            .role_answer("walrus", "vip", "192.0.2.50/24")
            .role_answer("walrus", "device", "/dev/vdz");
        assert!(sbd(pair) > watchdog);
        let loose = drbd().recipe("drbd", |role| {
            role.group[0].members.pop();
        });
        assert!(sbd(loose) > watchdog);
    }
}

/// Pacemaker adds a device's own delay, of which the half that shall live may get
/// all and the other nothing.
#[test]
fn the_delays_of_a_fence_agent_are_outlasted() {
    let agent = |parameters: &str| {
        Cluster::example("vip")
            .answer("fencing", "agent")
            .answer("fence_agent", "fence_virsh")
            .answer("fence_parameters", &format!("ip=192.0.2.30 {parameters}"))
    };
    for (parameters, expected) in [
        ("", 10),
        ("pcmk_delay_max=15s", 40),
        ("pcmk_delay_base=alpha:0;beta:1min pcmk_delay_max=15s", 130),
        ("alpha:plug=a beta:plug=b beta:pcmk_delay_base=2500ms", 16),
    ] {
        let desired = agent(parameters).desired();
        assert_eq!(delay(&desired), expected, "{parameters}");
        let noted = |note: &String| note.contains("before the fence agent shoots");
        assert_eq!(
            desired.notes.iter().any(noted),
            expected > 10,
            "{parameters}"
        );
    }
    let three = agent("pcmk_delay_max=15s")
        .answer("nodes", THREE_NODES)
        .desired();
    assert!(!three.cib.contains("priority-fencing-delay"));
}

/// The one password that is asked for is what the agent calls its own.
#[test]
fn a_password_gets_the_agents_own_name() {
    for (agent, name) in [
        ("fence_virsh", "password"),
        ("fence_aws", "secret_key"),
        ("fence_ibm_vpc", "apikey"),
        ("fence_ibm_powervs", "token"),
    ] {
        let desired = Cluster::example("vip")
            .answer("fencing", "agent")
            .answer("fence_agent", agent)
            .answer("fence_password", "example-fence-password-0001")
            .desired();
        let pair = format!("name=\"{name}\" value=\"example-fence-password-0001\"");
        assert!(desired.cib.contains(&pair), "{agent}: {}", desired.cib);
        assert!(!desired.cib_redacted().contains("-password-0001"));
    }
}

/// What the devices for all nodes share says nothing of other nodes in that of
/// one.
#[test]
fn the_device_of_a_node_fences_nobody_else() {
    let desired = Cluster::example("vip")
        .answer("fencing", "agent")
        .answer("fence_agent", "fence_apc")
        .answer(
            "fence_parameters",
            "username=x pcmk_host_map=alpha:1;beta:2,3 pcmk_host_check=none \
             alpha:ip=192.0.2.31 beta:ip=192.0.2.32",
        )
        .desired();
    let Fencing::Devices(devices) = &desired.fencing else {
        panic!("{:?}", desired.fencing);
    };
    assert_eq!(devices.len(), 2);
    for (device, (node, map)) in devices
        .iter()
        .zip([("alpha", "alpha:1"), ("beta", "beta:2,3")])
    {
        let param = |name: &str| {
            let mut params = device.params.iter();
            let found = params.find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(device.targets, [node]);
        assert_eq!(param("pcmk_host_list"), Some(node));
        assert_eq!(param("pcmk_host_map"), Some(map));
        assert_eq!(param("pcmk_host_check"), None);
    }
}

/// Two halves are never even: one fence device counts, on one node, for less
/// than any work.
#[test]
fn one_fence_device_of_a_pair_settles_who_lives() {
    for (name, cluster) in clusters() {
        let desired = cluster.desired();
        let cib = roxmltree::Document::parse(&desired.cib).unwrap();
        let priorities = |of_devices: bool| -> Vec<u32> {
            let is_device = |node: &roxmltree::Node| node.attribute("class") == Some("stonith");
            (cib.descendants())
                .filter(|node| node.has_tag_name("primitive") && is_device(node) == of_devices)
                .flat_map(|primitive| primitive.descendants())
                .filter(|pair| pair.attribute("name") == Some("priority"))
                .map(|pair| pair.attribute("value").unwrap().parse().unwrap())
                .collect()
        };
        let devices = priorities(true);
        let delayed = desired.cib.contains("priority-fencing-delay");
        assert_eq!(devices.len(), usize::from(delayed), "{name}");
        let least = priorities(false).into_iter().min();
        let works = least.is_none_or(|least| devices.iter().all(|device| *device < least));
        assert!(works, "{name}: {devices:?} {least:?}");
    }
}

#[test]
fn no_shown_text_has_a_password() {
    for (name, cluster) in clusters() {
        let desired = cluster.desired();
        let shown = [
            desired.cib_redacted(),
            format!("{:?}", desired.fencing),
            format!("{:?}", desired.files),
        ]
        .concat();
        assert!(!shown.contains("-password-0001"), "{name}");
        assert_eq!(
            desired.cib.contains("-password-0001"),
            desired.cib_redacted().contains("(hidden)"),
            "{name}"
        );
    }
}

#[test]
fn every_id_of_a_cib_is_an_id_and_its_own() {
    for (name, cluster) in clusters() {
        let desired = cluster.desired();
        let cib = roxmltree::Document::parse(&desired.cib).unwrap();
        let mut ids: Vec<&str> = cib
            .descendants()
            .filter_map(|n| n.attribute("id"))
            .collect();
        for id in &ids {
            let sound = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            assert!(id.chars().all(sound), "{name}: {id}");
            assert!(
                id.starts_with(|c: char| c.is_ascii_alphabetic()),
                "{name}: {id}"
            );
        }
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{name}");
    }
}

#[test]
fn the_answers_of_the_clusters_could_be_given() {
    for (name, cluster) in clusters() {
        let texts = cluster.cluster.iter();
        let texts = texts.map(|(name, answer)| (name.clone(), answer.text()));
        if let Err(problems) = validate(&setup::node_questions(), &texts.collect()) {
            panic!("{name}: {problems:?}");
        }
    }
    for server in ["quorum.example.org", "192.0.2.20", "2001:db8::20"] {
        let answer = setup::cluster_answer("qdevice", server);
        assert_eq!(answer, Answer::HostName(server.into()));
    }
}
