//! Addresses, host names and node lists.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use super::{Answer, Node};

/// Nodes a cluster may have: one, until others are admitted or when they have
/// left; corosync is tested up to 32.
const NODES: std::ops::RangeInclusive<usize> = 1..=32;

/// Links per node that the roles use.
const LINKS: usize = 2;

fn any_address(text: &str) -> Result<IpAddr, String> {
    let Ok(address) = text.parse::<IpAddr>() else {
        return Err(format!(
            "`{text}` is no IP address; write one such as `192.0.2.10` or `2001:db8::10`"
        ));
    };
    let what = if address.is_unspecified() {
        "the unspecified address"
    } else if address.is_multicast() {
        "a multicast address"
    } else if address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        "the broadcast address"
    } else {
        return Ok(address);
    };
    Err(format!("{address} is {what}; write a host's own address"))
}

/// An address that another host can reach.
fn host_address(text: &str) -> Result<IpAddr, String> {
    let address = any_address(text)?;
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
    };
    let what = if address.is_loopback() {
        "a loopback address"
    } else if link_local {
        "a link-local address"
    } else {
        return Ok(address);
    };
    Err(format!(
        "{address} is {what}; write an address that the other hosts reach"
    ))
}

/// An IPv4 or IPv6 address of a host; a loopback one is accepted.
pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    if text.contains('/') {
        return Err(format!(
            "`{text}` holds a prefix length; write the address alone, without `/`"
        ));
    }
    any_address(text)
}

pub(super) fn address_prefix(text: &str) -> Result<Answer, String> {
    let Some((address, prefix)) = text.split_once('/') else {
        return Err(match any_address(text) {
            Ok(address) => format!(
                "`{text}` has no prefix length; write it behind a `/`, such as `{address}/{}`",
                if address.is_ipv4() { 24 } else { 64 }
            ),
            Err(message) => message,
        });
    };
    let address = host_address(address)?;
    let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix.parse::<u8>() {
        Ok(number) if (1..=bits).contains(&number) && number.to_string() == prefix => number,
        _ => {
            return Err(format!(
                "`{prefix}` is no prefix length of {address}; write a number from 1 to {bits} \
                 behind the `/`"
            ));
        }
    };
    let (number, ones) = match address {
        IpAddr::V4(v4) => (
            u128::from(v4.to_bits()),
            (1u128 << (32 - u32::from(prefix))) - 1,
        ),
        IpAddr::V6(v6) => (
            v6.to_bits(),
            u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0),
        ),
    };
    // RFC 3021 and RFC 6164: a network of two addresses has hosts only.
    if bits - prefix >= 2 {
        let host = number & ones;
        let what = if host == 0 {
            "the address of the network itself"
        } else if address.is_ipv4() && host == ones {
            "the network's broadcast address"
        } else {
            return Ok(Answer::AddressPrefix { address, prefix });
        };
        return Err(format!(
            "{address} is {what} in a /{prefix}; write a host's address in it"
        ));
    }
    Ok(Answer::AddressPrefix { address, prefix })
}

/// RFC 1123: labels of letters, digits and inner hyphens, 63 bytes each, 253
/// in all.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    let instead = "write a host name such as `alpha` or `alpha.example.org`";
    if text.len() > 253 {
        return Err(format!("is longer than 253 characters; {instead}"));
    }
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') || text.parse::<IpAddr>().is_ok() {
        return Err(format!("`{text}` is a number or an address; {instead}"));
    }
    for label in text.split('.') {
        let why = if label.is_empty() {
            "has an empty label"
        } else if label.len() > 63 {
            "has a label of more than 63 characters"
        } else if label.starts_with('-') || label.ends_with('-') {
            "has a hyphen at the edge of a label"
        } else if let Some(bad) = label
            .chars()
            .find(|c| !c.is_ascii_alphanumeric() && *c != '-')
        {
            return Err(format!("`{text}` holds {bad:?}; {instead}"));
        } else {
            continue;
        };
        return Err(format!("`{text}` {why}; {instead}"));
    }
    Ok(text.into())
}

/// The name of a host, or an address at which others reach it.
pub(super) fn host(text: &str) -> Result<String, String> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if is_number || text.contains(':') {
        return host_address(text).map(|address| address.to_string());
    }
    host_name(text)
}

/// `NAME=ADDRESS` for each node, further links after commas.
///
/// # Errors
/// What is wrong and what to write instead.
pub fn node_list(text: &str) -> Result<Vec<Node>, String> {
    let mut nodes: Vec<Node> = Vec::new();
    let (mut names, mut addresses) = (BTreeSet::new(), BTreeSet::new());
    for entry in text.split_whitespace() {
        let Some((name, list)) = entry.split_once('=') else {
            return Err(format!(
                "`{entry}` has no address; write `NAME=ADDRESS`, such as `alpha=192.0.2.11`"
            ));
        };
        let name = host_name(name)?;
        if !names.insert(name.to_ascii_lowercase()) {
            return Err(format!("names `{name}` twice; write each node once"));
        }
        let mut node = Node {
            name,
            addresses: Vec::new(),
        };
        for text in list.split(',') {
            if text.is_empty() {
                return Err(format!(
                    "`{entry}` lacks an address; write `{}=192.0.2.11`, without a blank before \
                     or behind `=` and `,`",
                    node.name
                ));
            }
            let address = host_address(text).map_err(|why| format!("{}: {why}", node.name))?;
            if !addresses.insert(address) {
                return Err(format!(
                    "gives {address} twice; write another address for each node and link"
                ));
            }
            node.addresses.push(address);
        }
        nodes.push(node);
    }
    same_links(&nodes)?;
    if !NODES.contains(&nodes.len()) {
        return Err(format!(
            "names {} nodes; write {} to {} of them",
            nodes.len(),
            NODES.start(),
            NODES.end()
        ));
    }
    Ok(nodes)
}

fn same_links(nodes: &[Node]) -> Result<(), String> {
    let Some((first, others)) = nodes.split_first() else {
        return Ok(());
    };
    for node in nodes {
        if node.addresses.len() > LINKS {
            return Err(format!(
                "gives `{}` {} addresses; write at most {LINKS}, one for each link",
                node.name,
                node.addresses.len()
            ));
        }
    }
    for node in others {
        if node.addresses.len() != first.addresses.len() {
            return Err(format!(
                "gives `{}` and `{}` different numbers of addresses; write one for each link",
                first.name, node.name
            ));
        }
        for (link, (a, b)) in first.addresses.iter().zip(&node.addresses).enumerate() {
            if a.is_ipv4() != b.is_ipv4() {
                return Err(format!(
                    "mixes IPv4 and IPv6 on link {link} ({a} and {b}); write one family for a link"
                ));
            }
        }
    }
    Ok(())
}
