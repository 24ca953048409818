//! What a node tells of itself: one command for all of it, so that a round
//! costs one exchange, and the parts of its answer.

use std::fmt;
use std::time::Duration;

use roxmltree::{Document, Node};

use crate::cluster::unescaped;

/// The shell that makes a node tell; [`Seen::parse`] reads what it prints.
pub const ASK: &str = "\
export LC_ALL=C
echo '@@ boot'; cat /proc/sys/kernel/random/boot_id; cut -d' ' -f1 /proc/uptime
echo '@@ ip'; ip -o addr show 2>/dev/null
echo '@@ mounts'; cat /proc/mounts
echo '@@ drbd'; cat /proc/drbd 2>/dev/null
grep -q '^version: 9' /proc/drbd 2>/dev/null && timeout 5 drbdadm status 2>/dev/null
echo '@@ quorum'; timeout 5 corosync-quorumtool -s 2>/dev/null
echo '@@ monitor'; timeout 10 crm_mon --output-as=xml --fence-history=3 2>/dev/null
echo '@@ end'";

/// What a glance reads: name and file. Under emulation [`ASK`] takes a guest
/// two seconds, most of it in crm_mon; this takes some milliseconds.
pub const GLANCE: [(&str, &str); 6] = [
    ("boot", "/proc/sys/kernel/random/boot_id"),
    ("uptime", "/proc/uptime"),
    ("fib", "/proc/net/fib_trie"),
    ("ip6", "/proc/net/if_inet6"),
    ("mounts", "/proc/mounts"),
    ("drbd", "/proc/drbd"),
];

/// One node's answer.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub boot: String,
    pub uptime: Duration,
    /// Addresses without prefix length.
    pub addresses: Vec<String>,
    /// Type and directory of mounts that a role may make.
    pub mounts: Vec<(String, String)>,
    pub primary: bool,
    /// DRBD's connection states.
    pub connections: Vec<String>,
    /// DRBD's disk states, those of peers too.
    pub disks: Vec<String>,
    pub quorum: Option<Quorum>,
    pub monitor: Option<Monitor>,
    pub crm_mon: String,
    pub quorumtool: String,
}

impl Seen {
    /// `None`: the answer is not whole.
    pub fn parse(text: &str) -> Option<Self> {
        let mut seen = Self::default();
        let mut whole = false;
        let parts = text
            .split("@@ ")
            .filter_map(|part| part.split_once('\n').or(Some((part, ""))));
        for (name, body) in parts {
            match name.trim() {
                "boot" => {
                    let mut lines = body.lines();
                    seen.boot = lines.next()?.trim().into();
                    let uptime: f64 = lines.next()?.trim().parse().ok()?;
                    seen.uptime = Duration::try_from_secs_f64(uptime).ok()?;
                }
                "ip" => seen.addresses = addresses(body),
                "mounts" => seen.mounts = mounts(body),
                "drbd" => seen.drbd(body),
                "quorum" => {
                    seen.quorum = Quorum::parse(body);
                    seen.quorumtool = body.into();
                }
                "monitor" => {
                    seen.monitor = Document::parse(body.trim())
                        .ok()
                        .and_then(|xml| Monitor::of(&xml));
                    seen.crm_mon = body.trim().into();
                }
                "end" => whole = true,
                _ => {}
            }
        }
        whole.then_some(seen)
    }

    /// The files of [`GLANCE`], in that order; `None`: the node did not tell its
    /// boot. What they do not tell is as `earlier`, if that is of this boot.
    pub fn glance(files: &[Vec<u8>], earlier: Option<&Self>) -> Option<Self> {
        let text = |name: &str| {
            let at = GLANCE.iter().position(|(known, _)| *known == name);
            let file = at.and_then(|at| files.get(at));
            String::from_utf8_lossy(file.map_or(&[], Vec::as_slice)).into_owned()
        };
        let boot = text("boot").trim().to_string();
        let uptime: f64 = text("uptime").split_whitespace().next()?.parse().ok()?;
        let mut seen = match earlier.filter(|earlier| earlier.boot == boot) {
            Some(earlier) => earlier.clone(),
            None => Self::default(),
        };
        seen.boot = boot;
        seen.uptime = Duration::try_from_secs_f64(uptime).ok()?;
        seen.addresses = local(&text("fib"));
        seen.addresses.extend(local6(&text("ip6")));
        seen.mounts = mounts(&text("mounts"));
        let drbd = text("drbd");
        // DRBD 9 tells its state only to drbdadm.
        if !drbd.starts_with("version: 9") {
            (seen.primary, seen.connections, seen.disks) = (false, Vec::new(), Vec::new());
            seen.drbd(&drbd);
        }
        Some(seen)
    }

    /// The address is on one of its interfaces.
    pub fn has(&self, address: &str) -> bool {
        self.addresses.iter().any(|one| one == address)
    }

    /// A filesystem that only one node may mount: a machine has none but its root
    /// and what its roles mount.
    pub fn single_mount(&self) -> bool {
        let single = |kind: &str| ["ext4", "xfs"].contains(&kind);
        self.mounts
            .iter()
            .any(|(kind, dir)| single(kind) && dir != "/")
    }

    /// Whether every replica is connected and holds all data; what is not.
    pub fn unmirrored(&self) -> Option<String> {
        if self.connections.is_empty() {
            return Some("DRBD has no connection".into());
        }
        let wrong = |list: &[String], good: &str| list.iter().find(|one| *one != good).cloned();
        let state = wrong(&self.connections, "Connected").or(wrong(&self.disks, "UpToDate"))?;
        Some(format!("DRBD is {state}"))
    }

    /// /proc/drbd of 8.4, then `drbdadm status` of 9.
    fn drbd(&mut self, text: &str) {
        for line in text.lines() {
            let mut peer = line.starts_with("  ");
            for word in line.split_whitespace() {
                let Some((name, state)) = word.split_once(':') else {
                    continue;
                };
                match name {
                    "cs" => {
                        self.connections.push(state.into());
                        // 8.4 has one indented line for a device.
                        peer = false;
                    }
                    "ro" => self.primary |= state.starts_with("Primary/"),
                    "ds" => self.disks.extend(state.split('/').map(str::to_string)),
                    "role" => {
                        self.primary |= !peer && state == "Primary";
                        if peer {
                            self.connections.push("Connected".into());
                        }
                    }
                    "connection" => self.connections.push(state.into()),
                    "disk" | "peer-disk" => self.disks.push(state.into()),
                    _ => {}
                }
            }
        }
    }
}

/// The kernel's routing trie: an address of this host is a leaf that `host LOCAL`
/// follows.
fn local(trie: &str) -> Vec<String> {
    let mut leaf = "";
    let mut all: Vec<String> = Vec::new();
    for line in trie.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address;
        } else if line.ends_with("host LOCAL") && !all.iter().any(|one| one == leaf) {
            all.push(leaf.into());
        }
    }
    all
}

/// /proc/net/if_inet6: each line begins with 32 hexadecimal digits.
fn local6(text: &str) -> Vec<String> {
    let address = |line: &str| {
        let digits = line.split_whitespace().next()?;
        let bits = u128::from_str_radix(digits, 16).ok()?;
        Some(std::net::Ipv6Addr::from_bits(bits).to_string())
    };
    text.lines().filter_map(address).collect()
}

/// `ip -o addr`: the word after `inet` or `inet6`.
fn addresses(text: &str) -> Vec<String> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        words.find(|word| *word == "inet" || *word == "inet6")?;
        let with_prefix = words.next()?;
        Some(with_prefix.split('/').next()?.to_string())
    };
    text.lines().filter_map(address).collect()
}

/// /proc/mounts, fstab(5).
fn mounts(text: &str) -> Vec<(String, String)> {
    let mount = |line: &str| {
        let mut words = line.split(' ');
        let (_, dir, kind) = (words.next()?, words.next()?, words.next()?);
        let disk = ["ext4", "xfs", "gfs2", "ocfs2"].contains(&kind);
        (disk && dir != "/").then(|| (kind.to_string(), dir.to_string()))
    };
    text.lines().filter_map(mount).collect()
}

/// `corosync-quorumtool -s`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    pub quorate: bool,
    /// Nodes of the membership.
    pub members: usize,
}

impl Quorum {
    /// `None` where corosync did not answer.
    pub fn parse(text: &str) -> Option<Self> {
        let quorate = text
            .lines()
            .find_map(|line| line.strip_prefix("Quorate:"))?;
        let (_, list) = text.split_once("Nodeid")?;
        let member = |line: &&str| {
            let mut words = line.split_whitespace();
            let id = words
                .next()
                .is_some_and(|word| word.parse().is_ok_and(|id: u32| id > 0));
            id && words
                .next()
                .is_some_and(|votes| votes.parse::<u32>().is_ok())
        };
        Some(Self {
            quorate: quorate.trim() == "Yes",
            members: list.lines().filter(member).count(),
        })
    }
}

/// `crm_mon --output-as=xml`.
#[derive(Debug, Clone, Default)]
pub struct Monitor {
    pub nodes: Vec<Member>,
    pub resources: Vec<Instance>,
    pub failures: Vec<Failure>,
    pub fences: Vec<Fence>,
}

/// An action that failed and was not cleaned up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub resource: String,
    pub node: String,
    /// In plain words.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub online: bool,
    pub unclean: bool,
    pub standby: bool,
    pub maintenance: bool,
    pub pending: bool,
}

impl Member {
    pub fn state(&self) -> &'static str {
        if self.unclean {
            "unclean"
        } else if self.pending {
            "pending"
        } else if !self.online {
            "offline"
        } else if self.standby {
            "standby"
        } else if self.maintenance {
            "in maintenance"
        } else {
            "online"
        }
    }
}

/// A resource on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Without an instance's number.
    pub id: String,
    /// `Started`, `Promoted`, `Unpromoted`, …; the words of pacemaker 2.1.
    pub role: String,
    pub node: String,
}

/// An entry of the fencing history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    pub target: String,
    pub action: String,
    /// `success`, `failed`, `pending`.
    pub status: String,
    /// As pacemaker writes it; tells entries apart.
    pub completed: String,
}

/// Told as active while its start is under way.
fn is_starting(resource: Node) -> bool {
    ["role", "pending"]
        .map(|name| resource.attribute(name))
        .contains(&Some("Starting"))
}

impl Monitor {
    /// `None`: it is another document.
    pub fn of(xml: &Document) -> Option<Self> {
        let root = xml.root_element();
        let known = ["pacemaker-result", "crm_mon"].contains(&root.tag_name().name());
        let list = root.children().find(|child| child.has_tag_name("nodes"))?;
        let mut monitor = Self::default();
        for node in list.children().filter(|child| child.has_tag_name("node")) {
            monitor.nodes.push(Member {
                name: text(node, "name"),
                online: flag(node, "online"),
                unclean: flag(node, "unclean"),
                standby: flag(node, "standby") || flag(node, "standby_onfail"),
                maintenance: flag(node, "maintenance"),
                pending: flag(node, "pending"),
            });
        }
        for node in root.descendants() {
            match node.tag_name().name() {
                "resource" if flag(node, "active") && !is_starting(node) => {
                    monitor.instance(node);
                }
                "failure" => monitor.failures.push(failure(node)),
                "fence_event" => monitor.fences.push(Fence {
                    target: text(node, "target"),
                    action: text(node, "action"),
                    status: text(node, "status"),
                    completed: text(node, "completed"),
                }),
                _ => {}
            }
        }
        known.then_some(monitor)
    }

    fn instance(&mut self, resource: Node) {
        let role = match resource.attribute("role").unwrap_or_default() {
            "Master" => "Promoted",
            "Slave" => "Unpromoted",
            role => role,
        };
        let id = text(resource, "id");
        for node in resource
            .children()
            .filter(|child| child.has_tag_name("node"))
        {
            self.resources.push(Instance {
                id: id.split(':').next().unwrap_or(&id).to_string(),
                role: role.into(),
                node: text(node, "name"),
            });
        }
    }

    /// Nodes where a resource is active; only where promoted, if asked so.
    pub fn places(&self, id: &str, promoted: bool) -> Vec<&str> {
        let here = |one: &&Instance| one.id == id && (!promoted || one.role == "Promoted");
        let mut nodes: Vec<&str> = (self.resources.iter().filter(here))
            .map(|one| one.node.as_str())
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }
}

fn failure(node: Node) -> Failure {
    let key = node
        .attribute("op_key")
        .or(node.attribute("id"))
        .unwrap_or_default();
    // RESOURCE_TASK_INTERVAL; a resource's id may have underscores itself.
    let mut parts = key.rsplitn(3, '_').skip(1);
    let task = parts.next().unwrap_or("action");
    let resource = parts.next().unwrap_or(key);
    let reason = unescaped(&text(node, "exitreason"));
    let reason = if reason.is_empty() {
        String::new()
    } else {
        format!(" ({reason})")
    };
    let told = format!(
        "{task} of {resource} on {}: {}{reason}",
        text(node, "node"),
        text(node, "exitstatus")
    );
    Failure {
        resource: resource.into(),
        node: text(node, "node"),
        text: told,
    }
}

fn text(node: Node, name: &str) -> String {
    node.attribute(name).unwrap_or_default().into()
}

fn flag(node: Node, name: &str) -> bool {
    node.attribute(name) == Some("true")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROC_DRBD: &str = "\
version: 8.4.11 (api:1/proto:86-101)
srcversion: 1
 0: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----
    ns:1 nr:0 dw:1 dr:2
";

    #[test]
    fn what_is_starting_is_not_there_yet() {
        let xml = "<pacemaker-result><nodes/><resources>\
             <resource id=\"fs:0\" role=\"Started\" active=\"true\"><node name=\"beta\"/></resource>\
             <resource id=\"fs:1\" role=\"Starting\" active=\"true\"><node name=\"alpha\"/></resource>\
             <resource id=\"ip\" role=\"Started\" active=\"true\" pending=\"Starting\">\
             <node name=\"alpha\"/></resource></resources></pacemaker-result>";
        let monitor = Monitor::of(&Document::parse(xml).unwrap()).unwrap();
        assert_eq!(monitor.places("fs", false), ["beta"]);
        assert!(monitor.places("ip", false).is_empty());
    }

    #[test]
    fn an_answer_is_taken_apart() {
        let text = format!(
            "@@ boot\nb00t-id\n93.55\n@@ ip\n1: lo    inet 127.0.0.1/8 scope host lo\\       valid\n\
             2: enp0s3    inet 192.0.2.10/24 brd 192.0.2.255 scope global secondary enp0s3\n\
             @@ mounts\n/dev/vda / ext4 rw 0 0\n/dev/drbd0 /srv/data ext4 rw 0 0\nproc /proc proc rw 0 0\n\
             @@ drbd\n{PROC_DRBD}@@ quorum\n{}@@ monitor\n{}@@ end\n",
            include_str!("../../tests/status/resolute/healthy/corosync-quorumtool.txt"),
            include_str!("../../tests/status/resolute/healthy/crm_mon.xml"),
        );
        let seen = Seen::parse(&text).unwrap();
        assert_eq!(seen.boot, "b00t-id");
        assert_eq!(seen.uptime, Duration::from_millis(93_550));
        assert!(seen.has("192.0.2.10") && !seen.has("192.0.2.1"));
        assert!(seen.single_mount());
        assert_eq!(seen.mounts, [("ext4".to_string(), "/srv/data".to_string())]);
        assert!(seen.primary);
        assert_eq!(seen.connections, ["Connected"]);
        assert_eq!(seen.disks, ["UpToDate", "UpToDate"]);
        assert_eq!(seen.unmirrored(), None);
        assert_eq!(
            seen.quorum,
            Some(Quorum {
                quorate: true,
                members: 2
            })
        );
        let monitor = seen.monitor.as_ref().unwrap();
        assert_eq!(monitor.places("drbd-ip", false).len(), 1);
        assert_eq!(monitor.places("drbd-drbd", false), ["alpha", "beta"]);
        assert_eq!(monitor.places("drbd-drbd", true).len(), 1);
        let cut = &text[..text.len() - 5];
        assert!(Seen::parse(cut).is_none(), "half an answer");
    }

    #[test]
    fn a_glance_tells_addresses_and_keeps_what_this_boot_said() {
        let files = |boot: &str, drbd: &str| -> Vec<Vec<u8>> {
            let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
                        \x20    |-- 192.0.2.10\n        /32 host LOCAL\n     |-- 192.0.2.255\n\
                        \x20       /32 link BROADCAST\n";
            let ip6 = "20010db8000000000000000000000010 02 40 00 80   enp0s3\n";
            let mounts = "/dev/drbd0 /srv/data ext4 rw 0 0\n";
            [boot, "93.55 12.00\n", trie, ip6, mounts, drbd]
                .map(|text| text.as_bytes().to_vec())
                .into()
        };
        let earlier = Seen {
            boot: "one".into(),
            crm_mon: "said".into(),
            connections: vec!["old".into()],
            ..Seen::default()
        };
        let seen = Seen::glance(&files("one\n", PROC_DRBD), Some(&earlier)).unwrap();
        assert_eq!(seen.addresses, ["192.0.2.10", "2001:db8::10"]);
        assert_eq!(seen.uptime, Duration::from_millis(93_550));
        assert!(seen.primary && seen.single_mount());
        assert_eq!(seen.connections, ["Connected"]);
        assert_eq!(seen.crm_mon, "said");
        let nine = Seen::glance(&files("one\n", "version: 9.2.0\n"), Some(&earlier)).unwrap();
        assert_eq!(nine.connections, ["old"]);
        let booted = Seen::glance(&files("two\n", ""), Some(&earlier)).unwrap();
        assert!(booted.crm_mon.is_empty() && booted.connections.is_empty());
        assert!(Seen::glance(&[], Some(&earlier)).is_none());
    }

    /// Primary, and the connections.
    fn drbd(text: &str) -> (bool, Vec<String>) {
        let mut seen = Seen::default();
        seen.drbd(text);
        (seen.primary, seen.connections)
    }

    #[test]
    fn a_lost_replica_is_told() {
        let told = |text: &str| {
            let mut seen = Seen::default();
            seen.drbd(text);
            seen.unmirrored()
        };
        let line = " 0: cs:SyncSource ro:Primary/Secondary ds:UpToDate/Inconsistent C r-----";
        assert_eq!(told(line), Some("DRBD is SyncSource".into()));
        let line = " 0: cs:Connected ro:Primary/Secondary ds:Diskless/UpToDate C r-----";
        assert_eq!(told(line), Some("DRBD is Diskless".into()));
        assert!(told("").is_some());
        let whole = "data role:Primary\n  disk:UpToDate\n  beta role:Secondary\n    \
                     peer-disk:UpToDate\n";
        assert_eq!(told(whole), None);
    }

    #[test]
    fn a_node_without_a_cluster_tells_so() {
        let text = "@@ boot\nb\n1.0\n@@ ip\n@@ mounts\n@@ drbd\n@@ quorum\n@@ monitor\n@@ end\n";
        let seen = Seen::parse(text).unwrap();
        assert!(seen.monitor.is_none() && seen.quorum.is_none() && !seen.primary);
    }

    #[test]
    fn drbd_nine_is_read_too() {
        let text = "version: 9.2.1\ndata role:Secondary\n  disk:UpToDate\n  beta role:Primary\n    peer-disk:UpToDate\n";
        assert_eq!(drbd(text), (false, vec!["Connected".to_string()]));
        let text = "data role:Primary\n  disk:UpToDate\n  beta connection:Connecting\n";
        assert_eq!(drbd(text), (true, vec!["Connecting".to_string()]));
        assert_eq!(drbd(""), (false, Vec::new()));
    }

    #[test]
    fn the_words_of_older_pacemaker_mean_the_same() {
        let xml = include_str!("../../tests/status/noble/healthy/crm_mon.xml")
            .replace("role=\"Promoted\"", "role=\"Master\"");
        let document = Document::parse(&xml).unwrap();
        let monitor = Monitor::of(&document).unwrap();
        assert_eq!(monitor.places("drbd-drbd", true).len(), 1);
        assert!(monitor.failures.is_empty());
    }
}
