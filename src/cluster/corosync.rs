//! corosync.conf(5), and what of it can be read back.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Member;
use super::settings::Settings;

/// The first words of every file that we make in another package's place.
pub const MARK: &str = "# Made by ubuntu-ha";

/// What stands below the mark.
pub(super) const HEADER: &str = "\
# Made by ubuntu-ha from the answers in /etc/ubuntu-ha. What is written here by
# hand is lost: change the answers, then run: ubuntu-ha apply
";

/// The text of the file.
pub(super) fn conf(settings: &Settings) -> String {
    let mut text = String::from(HEADER);
    let _ = write!(
        text,
        "
totem {{
    version: 2
    cluster_name: {}
    transport: knet
    crypto_cipher: aes256
    crypto_hash: sha256
    token: {}
}}

nodelist {{
",
        settings.name, settings.token
    );
    for member in &settings.members {
        node(&mut text, member);
    }
    text.push_str("}\n\nquorum {\n    provider: corosync_votequorum\n");
    match &settings.qdevice {
        Some(host) => device(&mut text, host),
        // Implies wait_for_all: a node that boots alone does not start.
        None if settings.is_pair() => text.push_str("    two_node: 1\n"),
        None => {}
    }
    text.push_str(
        "}

logging {
    to_stderr: no
    to_syslog: yes
    to_logfile: yes
    logfile: /var/log/corosync/corosync.log
    timestamp: on
    debug: off
}

system {
    # Lets corosync start in a container.
    allow_knet_handle_fallback: yes
}
",
    );
    text
}

fn node(text: &mut String, member: &Member) {
    let _ = write!(
        text,
        "    node {{\n        name: {}\n        nodeid: {}\n",
        member.name, member.id
    );
    for (link, address) in member.addresses.iter().enumerate() {
        let _ = writeln!(text, "        ring{link}_addr: {address}");
    }
    text.push_str("    }\n");
}

/// corosync-qdevice(8): of two equal halves, one gets the vote.
fn device(text: &mut String, host: &str) {
    let _ = write!(
        text,
        "    device {{
        model: net
        votes: 1
        net {{
            host: {host}
            algorithm: ffsplit
            tls: on
        }}
    }}
"
    );
}

/// The ids that a corosync.conf gives to its nodes, by name. Nodes without a
/// name are left out.
pub fn node_ids(conf: &str) -> BTreeMap<String, u32> {
    let mut ids = BTreeMap::new();
    let (mut name, mut id) = (None, None);
    for line in conf.lines().map(str::trim) {
        if line == "}" {
            if let (Some(name), Some(id)) = (name.take(), id.take()) {
                ids.insert(name, id);
            }
        } else if let Some((key, value)) = line.split_once(':') {
            match key.trim() {
                "name" => name = Some(value.trim().to_owned()),
                "nodeid" => id = value.trim().parse().ok(),
                _ => {}
            }
        } else if line.ends_with('{') {
            (name, id) = (None, None);
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::node_ids;

    #[test]
    fn ids_are_read_back() {
        let conf = "totem {\n name: x\n}\nnodelist {\n  node {\n    name: alpha\n    nodeid: 3\n\
                    ring0_addr: ::1\n  }\n  node {\n    nodeid: 7\n  }\n}\n";
        let ids: Vec<_> = node_ids(conf).into_iter().collect();
        assert_eq!(ids, [("alpha".to_owned(), 3)]);
    }
}
