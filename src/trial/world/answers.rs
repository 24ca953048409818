//! The answers of a trial: those of recipes/answers, with the addresses,
//! fencing and disks that the machines have.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::build::Answers;
use crate::trial::scenario::{Fencing, FormedBy, Start};

/// What the machines are like, as far as answers name it.
pub trait Addresses {
    /// Of a node on a link, by their places.
    fn address(&self, node: usize, link: usize) -> String;
    /// Of a node's BMC.
    fn bmc(&self, node: usize) -> String;
    /// Name and password at the BMCs.
    fn account(&self) -> (&'static str, &'static str);
    /// For how long sbd's watchdog waits, in seconds; `None` as it is asked for.
    fn sbd_watchdog_timeout(&self) -> Option<u32>;
}

/// Answers for the members `members`, which are to form one cluster.
pub fn adapt(
    example: &Answers,
    role: &str,
    start: &Start,
    members: &[&str],
    addresses: &dyn Addresses,
) -> Answers {
    let mut cluster = example.cluster.clone();
    let mut put = |name: &str, value: String| {
        cluster.insert(name.into(), value);
    };
    let links = usize::from(start.links);
    let list = |of: &dyn Fn(usize) -> String| {
        let entries = members.iter().enumerate();
        let entries = entries.map(|(place, node)| format!("{node}={}", of(place)));
        entries.collect::<Vec<_>>().join(" ")
    };
    put("cluster_name", format!("ha-{role}"));
    put(
        "nodes",
        list(&|node| {
            let all = (0..links).map(|link| addresses.address(node, link));
            all.collect::<Vec<_>>().join(",")
        }),
    );
    put("setup", "form".into());
    if let Some(token) = start.token {
        put("token", milliseconds(token));
    }
    let bmcs = list(&|node| addresses.bmc(node));
    for name in FENCING {
        cluster.remove(name);
    }
    let mut put = |name: &str, value: &str| {
        cluster.insert(name.into(), value.into());
    };
    match start.fenced_by() {
        Fencing::Unfenced => put("fencing", "accept-split-brain"),
        Fencing::Ipmi => {
            let (user, password) = addresses.account();
            put("fencing", "ipmi");
            put("ipmi_addresses", &bmcs);
            put("ipmi_user", user);
            put("ipmi_password", password);
        }
        Fencing::SbdDisk => {
            put("fencing", "sbd");
            put("sbd_device", "/dev/disk/by-id/virtio-sbd");
        }
        Fencing::Watchdog => put("fencing", "sbd"),
    }
    let sbd = matches!(start.fenced_by(), Fencing::SbdDisk | Fencing::Watchdog);
    if let Some(seconds) = addresses.sbd_watchdog_timeout().filter(|_| sbd) {
        put("sbd_watchdog_timeout", &seconds.to_string());
    }
    if start.formed_by == FormedBy::Token {
        // Its command forms it, when the tokens are given out.
        cluster.insert("setup".into(), "later".into());
        cluster.remove("secret");
    }
    let mut own = example.role.clone();
    let mine = start.answers.iter().filter(|(name, _)| !name.contains('.'));
    own.extend(mine.map(|(name, value)| (name.clone(), value.clone())));
    Answers { cluster, role: own }
}

/// The answers that a scenario gives another role on the cluster, as
/// `ROLE.QUESTION`.
pub fn of_another(example: &Answers, role: &str, start: &Start) -> BTreeMap<String, String> {
    let mut own = example.role.clone();
    for (name, value) in &start.answers {
        if let Some(question) = name
            .strip_prefix(role)
            .and_then(|rest| rest.strip_prefix('.'))
        {
            own.insert(question.into(), value.clone());
        }
    }
    own
}

const FENCING: [&str; 11] = [
    "fencing",
    "ipmi_addresses",
    "ipmi_user",
    "ipmi_password",
    "fence_agent",
    "fence_parameters",
    "fence_password",
    "sbd_device",
    "sbd_watchdog",
    "sbd_watchdog_timeout",
    "qdevice",
];

fn milliseconds(time: Duration) -> String {
    time.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::scenario::parse;

    struct Fixed;

    impl Addresses for Fixed {
        fn address(&self, node: usize, link: usize) -> String {
            format!("192.0.{link}.{}", node + 11)
        }
        fn bmc(&self, node: usize) -> String {
            format!("203.0.113.{}", node + 111)
        }
        fn account(&self) -> (&'static str, &'static str) {
            ("admin", "secret")
        }
        fn sbd_watchdog_timeout(&self) -> Option<u32> {
            Some(15)
        }
    }

    fn adapted(start: &str) -> Answers {
        let text = format!(
            "name = \"x\"\nsummary = \"x\"\nrole = \"clc\"\n[start]\n{start}\n[expect]\nmoves = 0\n"
        );
        let scenario = parse("x.toml", &text).unwrap();
        let example =
            crate::build::answers(std::path::Path::new("recipes/answers/cc.toml")).unwrap();
        adapt(&example, "cc", &scenario.start, &["alpha", "beta"], &Fixed)
    }

    #[test]
    fn addresses_and_fencing_are_the_machines() {
        let answers = adapted("token = \"1s\"");
        let cluster = |name: &str| answers.cluster.get(name).map(String::as_str);
        assert_eq!(
            cluster("nodes"),
            Some("alpha=192.0.0.11,192.0.1.11 beta=192.0.0.12,192.0.1.12")
        );
        assert_eq!(cluster("fencing"), Some("ipmi"));
        assert_eq!(
            cluster("ipmi_addresses"),
            Some("alpha=203.0.113.111 beta=203.0.113.112")
        );
        assert_eq!(cluster("fence_agent"), None);
        assert_eq!(cluster("sbd_watchdog_timeout"), None);
        assert_eq!(cluster("token"), Some("1000"));
        assert_eq!(answers.role["fstype"], "ext4");
    }

    #[test]
    fn a_scenario_changes_what_it_names() {
        let answers = adapted(
            "formed-by = \"token\"\nlinks = 1\nfencing = \"sbd-disk\"\n\
             answers = { fstype = \"xfs\", \"vip.vip\" = \"192.0.2.20/24\" }",
        );
        assert_eq!(answers.role["fstype"], "xfs");
        assert!(!answers.role.contains_key("vip.vip"));
        assert_eq!(answers.cluster.get("secret"), None);
        assert_eq!(answers.cluster["setup"], "later");
        assert_eq!(answers.cluster["nodes"], "alpha=192.0.0.11 beta=192.0.0.12");
        assert_eq!(answers.cluster["fencing"], "sbd");
        assert_eq!(answers.cluster["sbd_watchdog_timeout"], "15");
        assert_eq!(answers.cluster.get("ipmi_user"), None);
    }
}
