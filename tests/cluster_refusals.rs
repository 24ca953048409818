//! Clusters that are refused: each for its own reason, said together with the
//! question to answer anew and what to write.

#[path = "cluster/setup.rs"]
mod setup;

use std::collections::BTreeMap;

use hapkg::cluster::{AgentMetadata, Parameter, Refusal};
use hapkg::recipe::answer::{Answer, Node};
use hapkg::recipe::model::{CloneSpec, Operation};
use setup::{Cluster, cluster_answer};

/// A cluster, who is to blame (`role/question`, `cluster/question`), and words
/// of the message: what is wrong, and the remedy.
type Bad = (Cluster, &'static str, &'static [&'static str]);

fn vip() -> Cluster {
    Cluster::example("vip")
}

fn ipmi(cluster: Cluster) -> Cluster {
    cluster
        .answer("fencing", "ipmi")
        .answer("ipmi_addresses", "alpha=203.0.113.11 beta=203.0.113.12")
        .answer("ipmi_user", "fence")
        .answer("ipmi_password", "example-ipmi-password-0001")
}

fn agent(parameters: &str) -> Cluster {
    vip()
        .answer("fencing", "agent")
        .answer("fence_agent", "fence_virsh")
        .answer("fence_parameters", parameters)
}

/// Nodes as no answer could give them.
fn nodes(cluster: Cluster, list: &[(&str, &[&str])]) -> Cluster {
    let mut cluster = cluster;
    let node = |(name, addresses): &(&str, &[&str])| Node {
        name: (*name).into(),
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
    };
    let nodes = list.iter().map(node).collect();
    cluster
        .cluster
        .insert("nodes".into(), Answer::NodeList(nodes));
    cluster
}

fn parameter(required: bool, kind: &str) -> Parameter {
    Parameter {
        required,
        kind: kind.into(),
        ..Parameter::default()
    }
}

/// An agent's name, and of each parameter its name, whether it is required, and
/// its kind.
type Agent = (&'static str, &'static [(&'static str, bool, &'static str)]);

/// The platform knows these agents, and no other.
fn known(mut cluster: Cluster, agents: &[Agent]) -> Cluster {
    cluster.platform.agents_known = true;
    for (name, parameters) in agents {
        let parameters: BTreeMap<String, Parameter> = parameters
            .iter()
            .map(|(name, required, kind)| ((*name).into(), parameter(*required, kind)))
            .collect();
        let metadata = AgentMetadata {
            parameters,
            actions: vec!["monitor".into()],
        };
        cluster.platform.agents.insert((*name).into(), metadata);
    }
    cluster
}

const IPADDR2: Agent = (
    "ocf:heartbeat:IPaddr2",
    &[
        ("ip", true, "string"),
        ("cidr_netmask", false, "string"),
        ("nic", false, "string"),
        ("arp_count", false, "integer"),
        ("lvs_support", false, "boolean"),
    ],
);

const VIRSH: Agent = (
    "stonith:fence_virsh",
    &[
        ("action", true, "string"),
        ("ip", true, "string"),
        ("plug", true, "string"),
        ("username", true, "string"),
        ("ipport", false, "integer"),
    ],
);

const VPC: Agent = (
    "stonith:fence_ibm_vpc",
    &[
        ("apikey", true, "string"),
        ("plug", true, "string"),
        ("region", true, "string"),
        ("token_file", false, "string"),
    ],
);

const IPSRCADDR: &str = "ocf:heartbeat:IPsrcaddr";

/// The role `vip` with a source address, all of IPv6.
fn vip_of_ipv6() -> Cluster {
    vip()
        .answer("nodes", "alpha=2001:db8::11 beta=2001:db8::12")
        .role_answer("vip", "vip", "2001:db8::10/64")
        .recipe("vip", |role| {
            let mut source = role.resource[0].clone();
            source.id = "source".into();
            source.agent = IPSRCADDR.into();
            let address = ("ipaddress".into(), "{{ vip.address }}".into());
            source.params = BTreeMap::from([address]);
            role.resource.push(source);
        })
}

fn of_nodes() -> Vec<Bad> {
    let two = "alpha=192.0.2.11 beta=192.0.2.12";
    vec![
        (
            vip().answer("nodes", ""),
            "cluster/nodes",
            &["not answered", "alpha=192.0.2.11"],
        ),
        (
            vip().answer("cluster_name", ""),
            "cluster/cluster_name",
            &["not answered", "such as `ha`"],
        ),
        (
            nodes(vip(), &[("alpha", &["192.0.2.11"])]),
            "cluster/nodes",
            &["one node", "at least two"],
        ),
        (
            nodes(
                vip(),
                &[("alpha", &["192.0.2.11"]), ("Alpha", &["192.0.2.12"])],
            ),
            "cluster/nodes",
            &["twice", "each node once"],
        ),
        (
            nodes(
                vip(),
                &[("alpha", &["192.0.2.11"]), ("beta", &["192.0.2.11"])],
            ),
            "cluster/nodes",
            &["192.0.2.11", "alpha and beta", "own address"],
        ),
        (
            nodes(
                vip(),
                &[
                    ("alpha", &["192.0.2.11", "192.0.2.11"]),
                    ("beta", &["192.0.2.12", "198.51.100.12"]),
                ],
            ),
            "cluster/nodes",
            &["both links of alpha", "another address"],
        ),
        (
            nodes(
                vip(),
                &[
                    ("alpha", &["192.0.2.11", "198.51.100.11"]),
                    ("beta", &["192.0.2.12"]),
                ],
            ),
            "cluster/nodes",
            &["alpha 2 addresses and beta 1", "one for each link"],
        ),
        (
            nodes(
                vip(),
                &[("alpha", &["192.0.2.11"]), ("beta", &["2001:db8::12"])],
            ),
            "cluster/nodes",
            &["mixes IPv4 and IPv6 on link 0", "one family"],
        ),
        (
            nodes(vip(), &[("alpha", &[]), ("beta", &[])]),
            "cluster/nodes",
            &["0 addresses", "one or 2"],
        ),
        (
            Cluster {
                ids: BTreeMap::from([("alpha".into(), 4), ("beta".into(), 4)]),
                ..vip()
            },
            "cluster/nodes",
            &["node id 4", "corosync.conf"],
        ),
        (
            vip().answer("token", "150"),
            "cluster/token",
            &["150 ms is too small", "at least 200"],
        ),
        (
            vip().answer("nodes", two).answer("qdevice", "beta"),
            "cluster/qdevice",
            &["is the node beta", "outside the cluster"],
        ),
        (
            vip().answer("qdevice", "192.0.2.12"),
            "cluster/qdevice",
            &["is the node beta", "outside the cluster"],
        ),
        (
            vip().answer("qdevice", "a host"),
            "cluster/qdevice",
            &["is no host", "quorum server"],
        ),
    ]
}

fn of_addresses() -> Vec<Bad> {
    let vip_is = |text: &str| vip().role_answer("vip", "vip", text);
    vec![
        (
            vip_is("192.0.2.12/24"),
            "vip/vip",
            &["address of node beta", "no host has"],
        ),
        (
            ipmi(vip()).role_answer("vip", "vip", "203.0.113.12/24"),
            "vip/vip",
            &["management controller of beta", "no host has"],
        ),
        (
            vip_is("192.0.2.20/24").answer("qdevice", "192.0.2.20"),
            "vip/vip",
            &["quorum server", "no host has"],
        ),
        (
            vip_is("10.0.0.10/24"),
            "vip/vip",
            &["10.0.0.10/24", "no network of alpha, beta", "interface"],
        ),
        (
            vip_is("192.0.2.130/25"),
            "vip/vip",
            &["no network of alpha, beta", "all nodes are in"],
        ),
        (
            vip_is("192.0.2.10/32"),
            "vip/vip",
            &["/32", "alone", "192.0.2.10/24"],
        ),
        (
            vip_is("2001:db8::10/128"),
            "vip/vip",
            &["/128", "alone", "2001:db8::10/64"],
        ),
        (
            vip_is("2001:db8::10/64"),
            "vip/vip",
            &["no network of alpha, beta"],
        ),
        (
            vip().role_answer("vip", "vip", ""),
            "vip/vip",
            &["no address to bring up", "192.0.2.10/24"],
        ),
    ]
}

fn of_roles() -> Vec<Bad> {
    let drbd = || Cluster::example("drbd");
    let apart = "cluster of its own";
    let two = |other: &str| {
        drbd()
            .role(other)
            .role_answer(other, "vip", "192.0.2.50/24")
            .role_answer(other, "device", "/dev/vdz")
    };
    // A leak is harmless in a test.
    let words = |words: &[&'static str]| -> &'static [&'static str] { words.to_vec().leak() };
    vec![
        (
            drbd().role("vip"),
            "vip/vip",
            &["192.0.2.10", "taken by role drbd", "write another"],
        ),
        (
            two("clc").role_answer("clc", "device", "/dev/disk/by-id/virtio-data"),
            "drbd/device",
            &["device /dev/disk/by-id/virtio-data", "taken by role clc"],
        ),
        (
            two("clc").role_answer("drbd", "mount", "/mnt/uecdata"),
            "drbd/mount",
            &["mount point /mnt/uecdata", "taken by role clc"],
        ),
        (
            two("clc").role_answer("drbd", "mount", "/mnt/uecdata/more"),
            "drbd/",
            words(&["/mnt/uecdata", apart]),
        ),
        (
            two("clc").recipe("clc", |role| role.drbd[0].minor = 0),
            "drbd/",
            words(&["DRBD minor 0", "taken by role clc", apart]),
        ),
        (
            two("clc").recipe("clc", |role| role.drbd[0].port = 7788),
            "drbd/",
            words(&["DRBD port 7788", "taken by role clc", apart]),
        ),
        (
            two("clc").recipe("clc", |role| role.drbd[0].id = "data".into()),
            "drbd/",
            words(&["DRBD resource data", "taken by role clc", apart]),
        ),
        (
            Cluster::example("clc")
                .role("walrus")
                .role_answer("walrus", "vip", "192.0.2.50/24")
                .role_answer("walrus", "device", "/dev/vdz"),
            "walrus/",
            words(&[
                "moves /var/lib/eucalyptus/bukkits",
                "role clc has /var/lib/eucalyptus",
                apart,
            ]),
        ),
        (
            Cluster::example("advanced").role("clvm").role_answer(
                "clvm",
                "shared_device",
                "/dev/vdz",
            ),
            "clvm/",
            words(&["ocf:pacemaker:controld", "taken by role advanced", apart]),
        ),
        (
            Cluster::example("advanced")
                .role("clvm")
                .recipe("clvm", |role| role.lvm[0].id = "advanced".into()),
            "clvm/",
            words(&["volume group advanced", "taken by role advanced", apart]),
        ),
        (
            Cluster::example("advanced").role_answer(
                "advanced",
                "shared_device",
                "/dev/disk/by-id/virtio-data",
            ),
            "advanced/shared_device",
            &["virtio-data", "taken by this role", "another device"],
        ),
        (
            Cluster::example("advanced")
                .role_answer("advanced", "mount", "/srv")
                .role_answer("advanced", "shared_mount", "/srv/shared"),
            "advanced/mount",
            &[
                "mounts at /srv,",
                "filesystem shared has /srv/shared",
                "in none",
            ],
        ),
        (
            Cluster::example("clc").recipe("clc", |role| {
                let mut more = role.filesystem[0].clone();
                more.mount = "/var/lib/eucalyptus/more".into();
                more.migrate.clear();
                role.filesystem.push(more);
            }),
            "clc/",
            &[
                "mounts at /var/lib/eucalyptus/more",
                "has /var/lib/eucalyptus:",
                "change the recipe",
            ],
        ),
        (
            Cluster::example("clvm").role("vip").recipe("vip", |role| {
                role.property
                    .insert("no-quorum-policy".into(), "stop".into());
            }),
            "vip/",
            words(&[
                "no-quorum-policy to be stop",
                "role clvm wants freeze",
                apart,
            ]),
        ),
        (
            drbd()
                .role("vip")
                .recipe("vip", |role| {
                    role.role.name = "drbd-a".into();
                    role.resource[0].id = "b".into();
                })
                .recipe("drbd", |role| role.resource[0].id = "a-b".into()),
            "drbd-a/",
            words(&["resource id drbd-a-b", "taken by role drbd", apart]),
        ),
    ]
}

fn of_limits() -> Vec<Bad> {
    let clvm = || Cluster::example("clvm");
    vec![
        (
            clvm()
                .role_answer("clvm", "shared_fstype", "ocfs2")
                .answer("cluster_name", "seventeen-letters"),
            "cluster/cluster_name",
            &["17 characters", "OCFS2", "takes 16", "shorter"],
        ),
        (
            clvm().answer("cluster_name", "a-name-of-thirty-three-characters"),
            "cluster/cluster_name",
            &["33 characters", "GFS2", "takes 32", "shorter"],
        ),
        (
            clvm().answer("cluster_name", "ha.example"),
            "cluster/cluster_name",
            &["holds '.'", "GFS2", "letters, digits and hyphens"],
        ),
        (
            clvm().recipe("clvm", |role| role.filesystem[0].id = "x".repeat(26)),
            "clvm/",
            &["lock space", "30 characters", "shorter id"],
        ),
        (
            clvm().recipe("clvm", |role| role.lvm[0].id = "x".repeat(61)),
            "clvm/",
            &["60 characters", "lvmlockd", "shorter name"],
        ),
    ]
}

fn of_fencing() -> Vec<Bad> {
    vec![
        (
            vip().answer("fencing", "later"),
            "cluster/fencing",
            &["`later`", "accept-split-brain"],
        ),
        (
            vip().answer("fencing", ""),
            "cluster/fencing",
            &["`later`", "accept-split-brain"],
        ),
        (
            Cluster::example("drbd").answer("fencing", "later"),
            "drbd/fencing",
            &["needs fencing", "ipmi, agent or sbd"],
        ),
        (
            Cluster::example("clvm").answer("fencing", "accept-split-brain"),
            "clvm/fencing",
            &[
                "needs fencing",
                "`accept-split-brain`",
                "ipmi, agent or sbd",
            ],
        ),
        (
            vip().answer("fencing", "prayer"),
            "cluster/fencing",
            &["`prayer`", "write ipmi"],
        ),
        (
            ipmi(vip()).answer("ipmi_addresses", "alpha=203.0.113.11 gamma=203.0.113.12"),
            "cluster/ipmi_addresses",
            &["names alpha, gamma", "nodes are alpha, beta"],
        ),
        (
            ipmi(vip()).answer("ipmi_addresses", "alpha=203.0.113.11 beta=192.0.2.11"),
            "cluster/ipmi_addresses",
            &["192.0.2.11", "node alpha itself", "its controller"],
        ),
        (
            ipmi(vip()).answer(
                "ipmi_addresses",
                "alpha=203.0.113.11,203.0.113.21 beta=203.0.113.12,203.0.113.22",
            ),
            "cluster/ipmi_addresses",
            &["alpha two addresses", "its controller"],
        ),
        (
            ipmi(vip()).answer("ipmi_user", ""),
            "cluster/ipmi_user",
            &["not answered", "controllers ask for"],
        ),
        (
            ipmi(vip()).answer("ipmi_password", ""),
            "cluster/ipmi_password",
            &["not answered", "controllers ask for"],
        ),
        (
            agent("ip=192.0.2.30").answer("fence_agent", ""),
            "cluster/fence_agent",
            &["not answered", "fence_virsh"],
        ),
        (
            agent("ip=192.0.2.30").answer("fence_agent", "virsh; reboot"),
            "cluster/fence_agent",
            &["no fence agent", "fence_virsh"],
        ),
        (
            agent("ip"),
            "cluster/fence_parameters",
            &["`ip` is no parameter", "name=value"],
        ),
        (
            agent("ip=192.0.2.30 ip=192.0.2.31"),
            "cluster/fence_parameters",
            &["ip twice", "once"],
        ),
        (
            agent("alpha:plug=a gamma:plug=c"),
            "cluster/fence_parameters",
            &["gamma, which is no node", "alpha beta"],
        ),
        (
            agent("ip=192.0.2.30 alpha:plug=a"),
            "cluster/fence_parameters",
            &["nothing of beta", "write beta:name=value"],
        ),
        (
            agent("pcmk_host_map=alpha:a"),
            "cluster/fence_parameters",
            &["leaves beta out", "pcmk_host_map"],
        ),
        (
            agent("pcmk_host_list=alpha"),
            "cluster/fence_parameters",
            &["leaves beta out", "pcmk_host_list"],
        ),
        (
            agent("passwd=x"),
            "cluster/fence_parameters",
            &["`passwd`", "everybody may read", "fence_password"],
        ),
        (
            agent("devices=/dev/vdz").answer("fence_agent", "fence_scsi"),
            "cluster/fence_agent",
            &["`fence_scsi` takes a shared disk", "choose sbd"],
        ),
        (
            agent("pcmk_delay_max=soon"),
            "cluster/fence_parameters",
            &["pcmk_delay_max=soon", "pcmk_delay_max=5s"],
        ),
        (
            vip().recipe("vip", |role| {
                role.resource[0].meta.insert("priority".into(), "1".into());
            }),
            "vip/",
            &["resource ip", "priority `1`", "at least 2"],
        ),
        (
            agent("pcmk_host_lst=x"),
            "cluster/fence_parameters",
            &["no pcmk_host_lst", "pcmk_host_list"],
        ),
        (
            vip().answer("fencing", "sbd"),
            "cluster/sbd_device",
            &["two nodes cannot tell", "shared disk"],
        ),
        (
            ipmi(vip()).answer("fencing", "ipmi-then-sbd"),
            "cluster/sbd_device",
            &["needs a shared disk", "name one"],
        ),
        (
            vip()
                .answer("fencing", "sbd")
                .answer("qdevice", "192.0.2.20"),
            "cluster/sbd_watchdog_timeout",
            &["is 5 s", "write 35"],
        ),
        (
            Cluster::example("clvm").answer("sbd_watchdog", "/etc/watchdog"),
            "cluster/sbd_watchdog",
            &["no device", "/dev/watchdog"],
        ),
        (
            Cluster::example("clvm").answer("sbd_device", "/dev/disk/by-id/virtio-shared"),
            "clvm/shared_device",
            &["disk of sbd", "write another device"],
        ),
        (
            ipmi(vip())
                .answer("nodes", "sbd=192.0.2.11 beta=192.0.2.12")
                .answer("ipmi_addresses", "sbd=203.0.113.11 beta=203.0.113.12")
                .answer("fencing", "ipmi-then-sbd")
                .answer("sbd_device", "/dev/vdz"),
            "cluster/nodes",
            &["`fence-sbd`", "another name"],
        ),
    ]
}

fn of_agents() -> Vec<Bad> {
    let virsh = |parameters| known(agent(parameters), &[IPADDR2, VIRSH]);
    let resource =
        |name: &'static str| vip().recipe("vip", |role| role.resource[0].agent = name.into());
    let service = |unit: &str| Cluster::example("drbd").role_answer("drbd", "service", unit);
    let with = |name: &'static str, value: &'static str| {
        known(vip(), &[IPADDR2]).recipe("vip", |role| {
            role.resource[0].params.insert(name.into(), value.into());
        })
    };
    vec![
        (
            resource("upstart:eucalyptus"),
            "vip/",
            &["drops `upstart:eucalyptus`", "write systemd:eucalyptus"],
        ),
        (
            resource("nagios:check_tcp"),
            "vip/",
            &["drops `nagios:check_tcp`", "systemd:check_tcp"],
        ),
        (
            resource("lsb:eucalyptus"),
            "vip/",
            &["no suite starts", "write systemd:eucalyptus"],
        ),
        (
            resource("heartbeat"),
            "vip/",
            &["`heartbeat` is no agent", "ocf:PROVIDER:TYPE"],
        ),
        (
            service("nginx apache2"),
            "drbd/service",
            &["`nginx apache2` is no unit", "systemctl"],
        ),
        (service(""), "drbd/service", &["`` is no unit", "systemctl"]),
        (
            Cluster::example("drbd").recipe("drbd", |role| {
                role.colocation[0].with_role = Some("Master".into());
            }),
            "drbd/",
            &["role Master", "write Promoted"],
        ),
        (
            Cluster::example("drbd").recipe("drbd", |role| {
                role.resource[0].operation.push(Operation {
                    name: "monitor".into(),
                    interval: Some("5s".into()),
                    timeout: None,
                    role: Some("Slave".into()),
                    depth: None,
                });
            }),
            "drbd/",
            &["role Slave", "write Unpromoted"],
        ),
        (
            known(vip(), &[]),
            "vip/",
            &["ocf:heartbeat:IPaddr2 is not installed", "on every node"],
        ),
        (
            known(Cluster::example("drbd"), &[IPADDR2]),
            "drbd/service",
            &["unit nginx is not installed", "another unit"],
        ),
        (with("adress", "x"), "vip/", &["no parameter adress"]),
        (
            with("arp_count", "many"),
            "vip/",
            &["arp_count", "`many`", "a whole number"],
        ),
        (
            with("lvs_support", "perhaps"),
            "vip/",
            &["lvs_support", "`perhaps`", "true or false"],
        ),
        (
            known(
                vip().recipe("vip", |role| {
                    role.resource[0].params.remove("cidr_netmask");
                }),
                &[(
                    "ocf:heartbeat:IPaddr2",
                    &[("ip", true, "string"), ("cidr_netmask", true, "string")],
                )],
            ),
            "vip/",
            &[
                "cannot do without the parameter cidr_netmask",
                "in the recipe",
            ],
        ),
        (
            known(
                vip_of_ipv6(),
                &[IPADDR2, (IPSRCADDR, &[("ipaddress", true, "string")])],
            ),
            "vip/vip",
            &["resource source", "no IPv6", "write an IPv4 address"],
        ),
        (
            known(agent("ip=192.0.2.30"), &[IPADDR2]),
            "cluster/fence_agent",
            &["fence_virsh is not installed", "on every node"],
        ),
        (
            virsh("ip=192.0.2.30 username=fence ipprot=22"),
            "cluster/fence_parameters",
            &["no parameter ipprot", "ipport"],
        ),
        (
            virsh("ip=192.0.2.30"),
            "cluster/fence_parameters",
            &["cannot do without username", "username=VALUE"],
        ),
        (
            virsh("ip=192.0.2.30 username=fence ipport=ssh"),
            "cluster/fence_parameters",
            &["ipport", "`ssh`", "a whole number"],
        ),
        (
            virsh("ip=192.0.2.30 username=fence").answer("fence_password", "example-0001"),
            "cluster/fence_password",
            &["no parameter password"],
        ),
        (
            known(
                agent("region=us").answer("fence_agent", "fence_ibm_vpc"),
                &[IPADDR2, VPC],
            ),
            "cluster/fence_password",
            &["cannot do without apikey", "write it as fence_password"],
        ),
        (
            known(ipmi(vip()), &[IPADDR2]),
            "cluster/fencing",
            &["fence_ipmilan is not installed", "another way to fence"],
        ),
    ]
}

fn blamed(refusal: &Refusal) -> String {
    format!(
        "{}/{}",
        refusal.role.as_deref().unwrap_or("cluster"),
        refusal.question.as_deref().unwrap_or_default()
    )
}

#[test]
fn every_bad_cluster_is_refused_with_a_remedy() {
    let mut all = of_nodes();
    all.extend(of_addresses());
    all.extend(of_roles());
    all.extend(of_limits());
    all.extend(of_fencing());
    all.extend(of_agents());
    assert!(all.len() >= 40, "{}", all.len());
    let mut wrong = Vec::new();
    for (number, (cluster, blame, words)) in all.iter().enumerate() {
        let refusals = match cluster.design() {
            Ok(_) => {
                wrong.push(format!("{number} {blame} {words:?}: not refused"));
                continue;
            }
            Err(refusals) => refusals,
        };
        let hit = refusals.iter().any(|refusal| {
            blamed(refusal) == *blame && words.iter().all(|word| refusal.message.contains(word))
        });
        if !hit {
            wrong.push(format!("{number} {blame} {words:?}: {refusals:#?}"));
        }
        for refusal in &refusals {
            let sentence = refusal.message.contains(';');
            assert!(sentence, "no remedy: {refusal:?}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn everything_is_refused_at_once() {
    let cluster = Cluster::example("drbd")
        .answer("fencing", "later")
        .answer("token", "130")
        .answer("qdevice", "beta")
        .role_answer("drbd", "vip", "192.0.2.11/24")
        .role_answer("drbd", "service", "a b");
    let blames: Vec<String> = cluster.design().unwrap_err().iter().map(blamed).collect();
    for blame in [
        "cluster/token",
        "cluster/qdevice",
        "drbd/fencing",
        "drbd/vip",
        "drbd/service",
    ] {
        assert!(blames.contains(&blame.to_owned()), "{blame}: {blames:?}");
    }
}

#[test]
fn what_is_allowed_is_not_refused() {
    let clone = |role: &mut hapkg::recipe::compiled::CompiledRole| {
        role.clone.push(CloneSpec {
            id: "everywhere".into(),
            of: "ip".into(),
            promotable: false,
            meta: BTreeMap::new(),
        });
    };
    let deprecated = {
        let mut cluster = known(agent("ipaddr=192.0.2.30 username=fence"), &[IPADDR2, VIRSH]);
        let virsh = cluster.platform.agents.get_mut("stonith:fence_virsh");
        let parameters = &mut virsh.unwrap().parameters;
        parameters.get_mut("ip").unwrap().replaces = vec!["ipaddr".into()];
        parameters.insert("ipaddr".into(), parameter(true, "string"));
        parameters.get_mut("ipaddr").unwrap().deprecated = true;
        cluster
    };
    for (what, cluster) in [
        (
            "an unknown agent on trust",
            vip().recipe("vip", |role| {
                role.resource[0].agent = "ocf:example:none".into();
            }),
        ),
        ("a clone", vip().recipe("vip", clone)),
        (
            "an address elsewhere, with its interface",
            vip()
                .role_answer("vip", "vip", "10.0.0.10/24")
                .role_answer("vip", "interface", "eth1"),
        ),
        ("an old parameter of a fence agent", deprecated),
        (
            "a key in the place of a password",
            known(
                agent("region=us")
                    .answer("fence_agent", "fence_ibm_vpc")
                    .answer("fence_password", "example-fence-password-0001"),
                &[IPADDR2, VPC],
            ),
        ),
        (
            "a source address of IPv6 where the agent knows it",
            known(
                vip_of_ipv6(),
                &[
                    IPADDR2,
                    (
                        IPSRCADDR,
                        &[("ipaddress", true, "string"), ("pref", false, "string")],
                    ),
                ],
            ),
        ),
        (
            "pacemaker's own parameters",
            known(
                agent("ip=192.0.2.30 username=fence pcmk_off_timeout=90s pcmk_host_check=status"),
                &[IPADDR2, VIRSH],
            ),
        ),
        (
            "two roles apart",
            Cluster::example("clc")
                .role("vip")
                .role_answer("vip", "vip", "192.0.2.50/24"),
        ),
        (
            "walrus and cc on one cluster",
            Cluster::example("cc")
                .role("walrus")
                .role_answer("walrus", "vip", "192.0.2.50/24")
                .role_answer("walrus", "device", "/dev/vdz"),
        ),
        (
            "a watchdog alone with a quorum server",
            vip()
                .answer("fencing", "sbd")
                .answer("sbd_watchdog_timeout", "35")
                .answer("qdevice", "192.0.2.20"),
        ),
    ] {
        if let Err(refusals) = cluster.design() {
            panic!("{what}: {refusals:#?}");
        }
    }
}

#[test]
fn no_refusal_tells_a_password() {
    let secret = "example-never-shown-0001";
    let cluster = known(agent("ip=192.0.2.30"), &[IPADDR2, VIRSH]).answer("fence_password", secret);
    let refusals = cluster.design().unwrap_err();
    assert!(!format!("{refusals:?}").contains(secret));
    assert!(matches!(
        cluster_answer("fence_password", secret),
        Answer::Password(_)
    ));
}
