//! What the CIB says beside what crm_mon tells: parameters, constraints, our
//! bookkeeping.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

/// Parameters that are looked at; the passwords of fence devices are not.
const PARAMS: [&str; 8] = [
    "cidr_netmask",
    "directory",
    "drbd_resource",
    "ip",
    "ipaddress",
    "lvname",
    "pcmk_host_list",
    "vgname",
];

/// A constraint that `crm_resource --move` or `--ban` left.
#[derive(Debug, Clone)]
pub struct Moved {
    pub id: String,
    pub resource: String,
    /// It keeps the resource off a node for good. One with an end has a rule,
    /// and crm_mon tells whether that holds.
    pub bans: bool,
}

/// What is of interest in a CIB.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Parameters of each primitive, by its id.
    params: BTreeMap<String, BTreeMap<String, String>>,
    /// Cluster properties of all sets; the first one counts.
    pub properties: BTreeMap<String, String>,
    pub moved: Vec<Moved>,
    /// Constraints of DRBD's crm-fence-peer.sh, and the resource they are for.
    pub drbd_fences: Vec<(String, String)>,
    /// A resource that never runs on a node.
    pub never: Vec<(String, String)>,
    /// Nodes whose pacemaker has reported what runs there.
    pub joined: Vec<String>,
    /// Every id of a resource, group or clone.
    pub resources: Vec<String>,
}

impl View {
    /// A document that is none gives an empty view.
    pub fn new(cib: &str) -> Self {
        let mut view = Self::default();
        let Ok(document) = Document::parse(cib) else {
            return view;
        };
        let configuration = document
            .descendants()
            .find(|node| node.has_tag_name("configuration"));
        for node in configuration.into_iter().flat_map(|c| c.descendants()) {
            let id = node.attribute("id").unwrap_or_default().to_string();
            match node.tag_name().name() {
                "primitive" => {
                    let sets = node
                        .children()
                        .filter(|set| set.has_tag_name("instance_attributes"));
                    let mut params = pairs(sets);
                    params.retain(|name, _| PARAMS.contains(&name.as_str()));
                    view.params.insert(id.clone(), params);
                    view.resources.push(id);
                }
                "group" | "clone" | "master" => view.resources.push(id),
                "cluster_property_set" => {
                    for (name, value) in pairs(std::iter::once(node)) {
                        view.properties.entry(name).or_insert(value);
                    }
                }
                "rsc_location" => view.location(node, id),
                _ => {}
            }
        }
        let states = document
            .descendants()
            .filter(|node| node.has_tag_name("node_state"));
        let joined = states.filter(|state| state.children().any(|child| child.has_tag_name("lrm")));
        view.joined = joined
            .filter_map(|state| state.attribute("uname").map(String::from))
            .collect();
        view
    }

    fn location(&mut self, node: Node<'_, '_>, id: String) {
        let resource = node.attribute("rsc").unwrap_or_default().to_string();
        if id.starts_with("cli-") {
            let bans = node.attribute("score") == Some("-INFINITY");
            self.moved.push(Moved { id, resource, bans });
        } else if id.starts_with("drbd-fence-by-handler-") {
            self.drbd_fences.push((id, resource));
        } else if let (Some(on), Some("-INFINITY")) =
            (node.attribute("node"), node.attribute("score"))
        {
            self.never.push((resource, on.into()));
        }
    }

    pub fn param(&self, resource: &str, name: &str) -> Option<&str> {
        self.params.get(resource)?.get(name).map(String::as_str)
    }

    /// Names of the DRBD resources that the cluster runs.
    pub fn drbd(&self) -> impl Iterator<Item = &str> {
        let all = self.params.values();
        all.filter_map(|params| params.get("drbd_resource").map(String::as_str))
    }

    /// What a resource is for, in the user's words: an address, a directory.
    pub fn what(&self, resource: &str, agent: &str) -> String {
        let param = |name| self.param(resource, name);
        let kind = agent.rsplit(':').next().unwrap_or(agent);
        match kind {
            "IPaddr2" => param("ip").map(|ip| match param("cidr_netmask") {
                Some(prefix) => format!("{ip}/{prefix}"),
                None => ip.to_string(),
            }),
            "IPsrcaddr" => param("ipaddress").map(|ip| format!("source address {ip}")),
            "Filesystem" => param("directory").map(String::from),
            "drbd" => param("drbd_resource").map(|name| format!("DRBD {name}")),
            "LVM-activate" => param("vgname").map(|group| match param("lvname") {
                Some(volume) => format!("LVM {group}/{volume}"),
                None => format!("LVM {group}"),
            }),
            _ if agent.starts_with("systemd:") => Some(format!("unit {kind}")),
            _ => None,
        }
        .unwrap_or_else(|| kind.to_string())
    }
}

/// Name and value of each pair in the sets.
fn pairs<'a, 'i: 'a>(sets: impl Iterator<Item = Node<'a, 'i>>) -> BTreeMap<String, String> {
    let all = sets.flat_map(|set| set.children());
    all.filter(|pair| pair.has_tag_name("nvpair"))
        .filter_map(|pair| {
            let value = pair.attribute("value").unwrap_or_default();
            Some((pair.attribute("name")?.to_string(), value.to_string()))
        })
        .collect()
}

/// The role whose resource this is: ids are `ROLE-ID`, and one role's name may
/// begin another's.
pub fn role_of<'a>(id: &str, roles: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let fits = |role: &&str| {
        let rest = id.strip_prefix(*role);
        rest.is_some_and(|rest| rest.starts_with('-') && rest.len() > 1)
    };
    roles.filter(fits).max_by_key(|role| role.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_belongs_to_the_role_with_the_longest_name() {
        let roles = ["clc", "clc-x", "vip"];
        let of = |id| role_of(id, roles.into_iter());
        assert_eq!(of("clc-ip"), Some("clc"));
        assert_eq!(of("clc-x-ip"), Some("clc-x"));
        assert_eq!(of("clc-"), None);
        assert_eq!(of("fence-alpha"), None);
    }
}
