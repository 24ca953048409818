//! Whether a token is for this host, now.

use std::net::IpAddr;
use std::time::Duration;

use crate::node::host::Host;
use crate::node::key;
use crate::node::problem::Failure;
use crate::node::token::{self, TOLERANCE, Token};
use crate::recipe::answer::{Node, node_list};

const LIMIT: Duration = Duration::from_secs(30);

/// Holds a token that is complete and genuine against this host.
///
/// # Errors
/// [`Failure::Failed`]: it is for another host, not valid now, or this host is
/// in a cluster.
pub fn check(host: &Host, token: &Token) -> Result<(), Failure> {
    let name = host.name()?;
    if token.node != name {
        return Err(Failure::failed(
            format!("the token is for {}, but this host is {name}", token.node),
            format!("run `ubuntu-ha token {name} ADDRESS` on a node of the cluster"),
        ));
    }
    in_time(token, token::now())?;
    if let Some(cluster) = token::formed(host)? {
        let same = key::read(&host.layout)?.is_some_and(|master| master == token.master);
        return Err(match same {
            true => Failure::failed(
                format!("this host belongs to cluster {cluster} already"),
                "look at `ubuntu-ha status`; `ubuntu-ha apply` mends it".into(),
            ),
            false => Failure::failed(
                format!("the token is of another cluster: this host belongs to cluster {cluster}"),
                "run `ubuntu-ha leave` first to take it out of that".into(),
            ),
        });
    }
    let node = node(token)?;
    let local = addresses(host)?;
    match node
        .addresses
        .iter()
        .find(|address| !local.contains(address))
    {
        None => Ok(()),
        Some(missing) => Err(Failure::failed(
            format!(
                "the cluster knows this host by {missing}, but it has {}",
                local
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            format!(
                "set the address, or have the token revoked and issued again: `ubuntu-ha token \
                 --revoke {name}`, then `ubuntu-ha token {name} ADDRESS`"
            ),
        )),
    }
}

fn in_time(token: &Token, now: u64) -> Result<(), Failure> {
    let clock = format!("the clock of this host says {}", token::show_time(now));
    if now > token.expires + TOLERANCE {
        return Err(Failure::failed(
            format!(
                "the token expired on {}; {clock}",
                token::show_time(token.expires)
            ),
            format!(
                "if that clock is right, run `ubuntu-ha token {}` on a node of the cluster for a \
                 new one",
                token.node
            ),
        ));
    }
    if now + TOLERANCE < token.issued {
        return Err(Failure::failed(
            format!(
                "the token was issued on {}, which is yet to come: {clock}",
                token::show_time(token.issued)
            ),
            "set the clocks of all nodes, as by NTP".into(),
        ));
    }
    Ok(())
}

/// What the token's list of nodes says of its node.
fn node(token: &Token) -> Result<Node, Failure> {
    let nodes = token.answers.get("nodes").map(String::as_str);
    let nodes = nodes
        .and_then(|text| node_list(text).ok())
        .unwrap_or_default();
    let node = nodes.into_iter().find(|node| node.name == token.node);
    node.ok_or_else(|| {
        Failure::failed(
            format!("the token does not say the addresses of {}", token.node),
            "have a new one issued by `ubuntu-ha token` on a node of the cluster".into(),
        )
    })
}

/// All addresses of this host, by ip-address(8).
fn addresses(host: &Host) -> Result<Vec<IpAddr>, Failure> {
    let text = host.must("ip", &["-o", "address", "show"], LIMIT)?;
    Ok(parse_addresses(&text))
}

fn parse_addresses(text: &str) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let family = words.find(|word| ["inet", "inet6"].contains(word));
        if let Some(address) = family.and(words.next()) {
            let address = address.split('/').next().unwrap_or_default();
            addresses.extend(address.parse::<IpAddr>().ok());
        }
    }
    addresses.retain(|address| !address.is_loopback());
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_what_ip_prints() {
        let text = "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever\n\
                    2: eth0    inet 192.0.2.12/24 brd 192.0.2.255 scope global eth0\\ valid\n\
                    2: eth0    inet6 2001:db8::12/64 scope global \\       valid_lft forever\n\
                    3: tun0    inet 10.0.0.1 peer 10.0.0.2/32 scope global tun0\n";
        let addresses: Vec<String> = parse_addresses(text)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(addresses, ["192.0.2.12", "2001:db8::12", "10.0.0.1"]);
    }
}
