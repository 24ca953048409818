//! Files of /etc/drbd.d: drbd.conf-8.4(5) and drbd.conf-9.0(5).

use std::fmt::Write as _;
use std::net::IpAddr;

use super::corosync::HEADER;
use super::settings::Settings;
use super::{DrbdVersion, Member};

/// A resource with its templates expanded.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub name: String,
    /// Backing device.
    pub device: String,
    pub minor: u32,
    pub port: u16,
}

/// Of ubuntu-ha-node: the handler of drbd-utils 9.22 cannot read the node states
/// of Pacemaker 2.1.7 and later without it.
const FENCE_PEER: &str = "/usr/lib/ubuntu-ha/drbd/fence-peer";

/// Where the file lies, below the root.
pub(super) fn path(resource: &str) -> String {
    format!("etc/drbd.d/{resource}.res")
}

/// The members that hold a replica: the first two.
pub(super) fn peers(members: &[Member]) -> &[Member] {
    &members[..members.len().min(2)]
}

/// The text of a resource's file.
///
/// Nothing is discarded after a split brain, except on a node that has written
/// nothing: there is nothing to discard.
///
/// DRBD's own `c-min-rate`, 250 KiB/s, leaves a cluster that is written to
/// without its second copy for hours after a node came back.
pub(super) fn conf(resource: &Resource, members: &[Member], version: DrbdVersion) -> String {
    let peers = peers(members);
    let (net, disk, options, suffix, cleared) = match version {
        DrbdVersion::V8_4 => (
            "",
            "        fencing resource-and-stonith;\n",
            "",
            "",
            "after-resync-target",
        ),
        DrbdVersion::V9 => (
            "        fencing resource-and-stonith;\n",
            "",
            "    options {\n        auto-promote no;\n    }\n",
            ".9",
            "unfence-peer",
        ),
    };
    let mut text = format!(
        "{HEADER}
resource {name} {{
    net {{
        protocol C;
        verify-alg sha256;
        after-sb-0pri discard-zero-changes;
        after-sb-1pri disconnect;
        after-sb-2pri disconnect;
{net}    }}
    disk {{
        on-io-error detach;
        c-min-rate 10M;
{disk}    }}
{options}    handlers {{
        fence-peer \"{FENCE_PEER} /usr/lib/drbd/crm-fence-peer{suffix}.sh\";
        {cleared} \"/usr/lib/drbd/crm-unfence-peer{suffix}.sh\";
    }}
",
        name = resource.name,
    );
    for member in peers {
        let _ = writeln!(text, "    on {} {{", member.name);
        if version == DrbdVersion::V9 {
            let _ = writeln!(text, "        node-id {};", member.id - 1);
        }
        let _ = writeln!(
            text,
            "        device /dev/drbd{minor} minor {minor};\n        disk \"{}\";",
            resource.device,
            minor = resource.minor,
        );
        if let Some(address) = Settings::replication_address(member) {
            let _ = writeln!(text, "        address {};", socket(address, resource.port));
        }
        text.push_str("        meta-disk internal;\n    }\n");
    }
    if version == DrbdVersion::V9 {
        let hosts: Vec<&str> = peers.iter().map(|peer| peer.name.as_str()).collect();
        let _ = write!(
            text,
            "    connection-mesh {{\n        hosts {};\n    }}\n",
            hosts.join(" ")
        );
    }
    text.push_str("}\n");
    text
}

fn socket(address: IpAddr, port: u16) -> String {
    match address {
        IpAddr::V4(address) => format!("ipv4 {address}:{port}"),
        IpAddr::V6(address) => format!("ipv6 [{address}]:{port}"),
    }
}
