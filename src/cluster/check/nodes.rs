//! The nodes, their links, the quorum.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Draft;
use crate::cluster::Member;
use crate::cluster::refuse::Refusals;
use crate::cluster::settings::question::{NODES, QDEVICE, TOKEN};

/// Milliseconds. Corosync takes 127; a busy host is silent for longer.
const SMALLEST_TOKEN: u32 = 200;

/// Links of knet that we write.
const LINKS: usize = 2;

/// Bytes that nodes of two links are likely to share where both are on one
/// network.
const LIKELY_PREFIX: u8 = 24;

pub(super) fn check(draft: &Draft, refusals: &mut Refusals, notes: &mut Vec<String>) {
    let settings = draft.settings;
    let members = &settings.members;
    if members.len() < 2 {
        refusals.cluster(
            NODES,
            "names one node; write at least two, or admit one with `ubuntu-ha token`",
        );
    }
    names(members, refusals);
    addresses(members, refusals);
    links(members, refusals, notes);
    if settings.token < SMALLEST_TOKEN {
        refusals.cluster(
            TOKEN,
            format!(
                "{} ms is too small: a busy node would be taken for a dead one; write at least \
                 {SMALLEST_TOKEN}, such as 3000",
                settings.token
            ),
        );
    }
    quorum(draft, refusals, notes);
}

fn names(members: &[Member], refusals: &mut Refusals) {
    for (at, member) in members.iter().enumerate() {
        let same = |other: &&Member| other.name.eq_ignore_ascii_case(&member.name);
        if members[..at].iter().any(|other| same(&other)) {
            refusals.cluster(
                NODES,
                format!("names `{}` twice; write each node once", member.name),
            );
        }
    }
    let mut ids: BTreeMap<u32, &str> = BTreeMap::new();
    for member in members {
        if let Some(other) = ids.insert(member.id, &member.name) {
            refusals.cluster(
                NODES,
                format!(
                    "{other} and {} both have the node id {} in /etc/corosync/corosync.conf; give \
                     one of them another there",
                    member.name, member.id
                ),
            );
        }
    }
}

fn addresses(members: &[Member], refusals: &mut Refusals) {
    let mut holders: BTreeMap<IpAddr, &str> = BTreeMap::new();
    for member in members {
        for address in &member.addresses {
            let Some(other) = holders.insert(*address, &member.name) else {
                continue;
            };
            let message = if other == member.name {
                format!(
                    "gives {address} to both links of {other}; write another address for one of \
                     them"
                )
            } else {
                format!(
                    "gives {address} to {other} and {}; write each node's own address",
                    member.name
                )
            };
            refusals.cluster(NODES, message);
        }
    }
}

fn links(members: &[Member], refusals: &mut Refusals, notes: &mut Vec<String>) {
    let Some(first) = members.first() else { return };
    for member in members {
        let count = member.addresses.len();
        if count == 0 || count > LINKS {
            refusals.cluster(
                NODES,
                format!(
                    "gives {} {count} addresses; write one or {LINKS}, one for each link",
                    member.name
                ),
            );
        } else if count != first.addresses.len() {
            refusals.cluster(
                NODES,
                format!(
                    "gives {} {} addresses and {} {count}; write one for each link",
                    first.name,
                    first.addresses.len(),
                    member.name
                ),
            );
        }
        for (link, (a, b)) in first.addresses.iter().zip(&member.addresses).enumerate() {
            if a.is_ipv4() != b.is_ipv4() {
                refusals.cluster(
                    NODES,
                    format!(
                        "mixes IPv4 and IPv6 on link {link} ({a} of {}, {b} of {}); write one \
                         family for a link",
                        first.name, member.name
                    ),
                );
            }
        }
        let near = match member.addresses.as_slice() {
            [a @ IpAddr::V4(_), b @ IpAddr::V4(_)] => {
                super::virtual_ip::in_network(*a, *b, LIKELY_PREFIX)
            }
            _ => false,
        };
        if near {
            notes.push(format!(
                "Both links of {} seem to be in one network: what takes one of them down takes \
                 the other one too.",
                member.name
            ));
        }
    }
}

fn quorum(draft: &Draft, refusals: &mut Refusals, notes: &mut Vec<String>) {
    let settings = draft.settings;
    let Some(host) = &settings.qdevice else {
        return;
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-.:".contains(c);
    if !host.chars().all(is_host) {
        refusals.cluster(
            QDEVICE,
            format!("`{host}` is no host; write the name or the address of the quorum server"),
        );
    }
    let on_node = settings.members.iter().find(|member| {
        let address = host.parse::<IpAddr>();
        member.name.eq_ignore_ascii_case(host)
            || address.is_ok_and(|address| member.addresses.contains(&address))
    });
    if let Some(member) = on_node {
        refusals.cluster(
            QDEVICE,
            format!(
                "`{host}` is the node {}, which would lose its own vote together with the \
                 server's; write a host outside the cluster",
                member.name
            ),
        );
    }
    if settings.members.len() % 2 == 1 {
        notes.push(format!(
            "{} nodes have a majority without the vote of {host}: qdevice can be left empty.",
            settings.members.len()
        ));
    }
    notes.push(format!(
        "corosync-qdevice talks TLS to {host}: its certificates are made once, with \
         corosync-qdevice-net-certutil."
    ));
}
