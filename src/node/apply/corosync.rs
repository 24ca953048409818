//! What a change of corosync.conf asks of the running daemon.

use std::collections::BTreeMap;

/// What has to be done for a configuration to take effect, from nothing to
/// most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    Nothing,
    /// `corosync-cfgtool -R`.
    Reload,
    Start,
    Restart,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Reload => "reload",
            Self::Start => "start",
            Self::Restart => "restart",
        }
    }

    pub fn parse(name: &str) -> Self {
        let all = [Self::Reload, Self::Start, Self::Restart];
        let found = all.into_iter().find(|action| action.name() == name);
        found.unwrap_or(Self::Nothing)
    }
}

/// Keys and values of corosync.conf(5); nodes by their name.
type Keys = BTreeMap<String, String>;

/// What of the change the running corosync cannot take over, in words; empty
/// where a reload is enough (corosync.conf(5), corosync-cfgtool(8)).
pub fn not_reloadable(old: &str, new: &str) -> Vec<String> {
    let (old, new) = (keys(old), keys(new));
    let mut reasons = Vec::new();
    for key in old.keys().chain(new.keys()) {
        let (before, after) = (old.get(key), new.get(key));
        if before == after {
            continue;
        }
        let word = |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
        let (from, to) = (word(before), word(after));
        let reason = match key.split('.').collect::<Vec<_>>().as_slice() {
            ["totem", "token" | "token_coefficient" | "consensus"]
            | ["quorum", ..]
            | ["logging", ..]
            | ["system", ..] => continue,
            // A node that comes or goes is reloaded; one that moves is not.
            ["node", ..] if before.is_none() || after.is_none() => continue,
            ["node", name, what] => format!("{what} of node {name} changes from {from} to {to}"),
            ["totem", what] => format!("{what} changes from {from} to {to}"),
            _ => format!("{key} changes from {from} to {to}"),
        };
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons
}

/// The value of one key, such as `totem.cluster_name`.
pub fn value(conf: &str, key: &str) -> Option<String> {
    keys(conf).remove(key)
}

fn keys(conf: &str) -> Keys {
    let mut keys = Keys::new();
    let mut sections: Vec<String> = Vec::new();
    let mut node: Vec<(String, String)> = Vec::new();
    for line in conf.lines().map(str::trim) {
        if line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_suffix('{') {
            sections.push(name.trim().into());
        } else if line == "}" {
            if sections.pop().as_deref() == Some("node") {
                let name = node.iter().find(|(key, _)| key == "name");
                let name = name.map_or_else(String::new, |(_, name)| name.replace('.', "_"));
                for (key, value) in node.drain(..) {
                    keys.insert(format!("node.{name}.{key}"), value);
                }
            }
        } else if let Some((key, value)) = line.split_once(':') {
            let (key, value) = (key.trim().to_string(), value.trim().to_string());
            if sections.last().is_some_and(|section| section == "node") {
                node.push((key, value));
            } else {
                keys.insert(format!("{}.{key}", sections.join(".")), value);
            }
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(name: &str, token: u32, nodes: &[(&str, &str)]) -> String {
        let nodes: String = nodes
            .iter()
            .map(|(name, address)| {
                format!("node {{\n name: {name}\n nodeid: 1\n ring0_addr: {address}\n }}\n")
            })
            .collect();
        format!(
            "totem {{\n cluster_name: {name}\n token: {token}\n}}\nnodelist {{\n{nodes}}}\n\
             quorum {{\n two_node: 1\n}}\n"
        )
    }

    #[test]
    fn a_node_more_and_another_token_are_reloaded() {
        let old = conf("ha", 3000, &[("alpha", "192.0.2.1")]);
        let new = conf("ha", 1000, &[("alpha", "192.0.2.1"), ("beta", "192.0.2.2")]);
        assert_eq!(not_reloadable(&old, &new), Vec::<String>::new());
        assert_eq!(not_reloadable(&new, &old), Vec::<String>::new());
    }

    #[test]
    fn another_name_or_address_is_not() {
        let old = conf("ha", 3000, &[("alpha", "192.0.2.1")]);
        let new = conf("hb", 3000, &[("alpha", "192.0.2.9")]);
        assert_eq!(
            not_reloadable(&old, &new),
            [
                "ring0_addr of node alpha changes from 192.0.2.1 to 192.0.2.9",
                "cluster_name changes from ha to hb"
            ]
        );
        assert_eq!(value(&old, "totem.cluster_name").as_deref(), Some("ha"));
    }
}
