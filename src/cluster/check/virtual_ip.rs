//! Addresses that move: nobody else's, and of a network that the nodes are in.

use std::net::IpAddr;

use super::Draft;
use crate::cluster::expand::{Resource, Role};
use crate::cluster::refuse::Refusals;
use crate::cluster::settings::question::{IPMI_ADDRESSES, NODES};

/// An address that a resource brings up.
pub(super) struct VirtualIp<'a> {
    pub address: IpAddr,
    prefix: Option<u8>,
    interface: Option<&'a str>,
    /// The question whose answer it is.
    pub question: Option<&'a str>,
}

const AGENTS: [&str; 3] = [
    "ocf:heartbeat:IPaddr2",
    "ocf:heartbeat:IPaddr",
    "ocf:heartbeat:IPv6addr",
];

/// The virtual addresses of a role; none of a resource whose address is none.
pub(super) fn all<'a>(role: &'a Role<'a>) -> impl Iterator<Item = VirtualIp<'a>> {
    carriers(role).filter_map(|resource| of(role, resource))
}

fn carriers<'a>(role: &'a Role<'a>) -> impl Iterator<Item = &'a Resource<'a>> {
    let resources = role.resources.iter();
    resources.filter(|resource| AGENTS.contains(&resource.agent.as_str()))
}

fn template<'a>(resource: &Resource<'a>) -> Option<&'a str> {
    let params = &resource.recipe.params;
    let template = params.get("ip").or_else(|| params.get("ipv6addr"));
    template.map(String::as_str)
}

fn of<'a>(role: &'a Role<'a>, resource: &'a Resource<'a>) -> Option<VirtualIp<'a>> {
    let param = |name: &str| resource.params.get(name).map(String::as_str);
    let template = template(resource)?;
    let prefix = param("cidr_netmask").and_then(|text| text.parse().ok());
    Some(VirtualIp {
        address: param("ip").or_else(|| param("ipv6addr"))?.parse().ok()?,
        prefix: prefix.or_else(|| role.prefix_in(template)),
        interface: param("nic"),
        question: role.question_in(template),
    })
}

pub(super) fn check(draft: &Draft, role: &Role, refusals: &mut Refusals, notes: &mut Vec<String>) {
    for resource in carriers(role) {
        let Some(ip) = of(role, resource) else {
            let question = template(resource).and_then(|template| role.question_in(template));
            let message = format!(
                "the resource {} has no address to bring up; answer with one such as \
                 `192.0.2.10/24`",
                resource.recipe.id
            );
            refusals.role(role.name, question, message);
            continue;
        };
        taken(draft, role, &ip, refusals);
        outside(draft, role, &ip, refusals, notes);
    }
}

fn taken(draft: &Draft, role: &Role, ip: &VirtualIp, refusals: &mut Refusals) {
    let settings = draft.settings;
    for (list, what) in [
        (NODES, "node"),
        (IPMI_ADDRESSES, "the management controller of"),
    ] {
        let mut nodes = settings.nodes(list).iter();
        if let Some(node) = nodes.find(|node| node.addresses.contains(&ip.address)) {
            let message = format!(
                "{} is the address of {what} {}; write one that no host has",
                ip.address, node.name
            );
            refusals.role(role.name, ip.question, message);
            return;
        }
    }
    let server = settings.qdevice.as_ref().and_then(|host| host.parse().ok());
    if server == Some(ip.address) {
        let message = format!(
            "{} is the address of the quorum server; write one that no host has",
            ip.address
        );
        refusals.role(role.name, ip.question, message);
    }
}

/// IPaddr2 finds the interface by an address of the same network; without one
/// it has to be named.
fn outside(
    draft: &Draft,
    role: &Role,
    ip: &VirtualIp,
    refusals: &mut Refusals,
    notes: &mut Vec<String>,
) {
    let Some(prefix) = ip.prefix else { return };
    let bits = if ip.address.is_ipv4() { 32 } else { 128 };
    if prefix >= bits {
        let message = format!(
            "/{prefix} is a network of {} alone, in which no node is; write the prefix length of \
             the nodes' network, such as {}/{}",
            ip.address,
            ip.address,
            if bits == 32 { 24 } else { 64 }
        );
        refusals.role(role.name, ip.question, message);
        return;
    }
    let members = &draft.settings.members;
    let outside: Vec<&str> = members
        .iter()
        .filter(|member| {
            let mut addresses = member.addresses.iter();
            !addresses.any(|address| in_network(ip.address, *address, prefix))
        })
        .map(|member| member.name.as_str())
        .collect();
    if outside.is_empty() {
        return;
    }
    if let Some(interface) = ip.interface {
        notes.push(format!(
            "{}/{prefix} is in no network of the cluster's links; every node must reach it through \
             its interface {interface}.",
            ip.address
        ));
        return;
    }
    let message = format!(
        "{}/{prefix} is in no network of {}; write an address of a network that all nodes are in, \
         or name the interface that reaches it",
        ip.address,
        outside.join(", ")
    );
    refusals.role(role.name, ip.question, message);
}

/// Whether two addresses are in one network of this prefix length.
pub(super) fn in_network(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    let shifted = |number: u128, bits: u8| {
        let host = bits.saturating_sub(prefix);
        number.checked_shr(u32::from(host)).unwrap_or(0)
    };
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            shifted(a.to_bits().into(), 32) == shifted(b.to_bits().into(), 32)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => shifted(a.to_bits(), 128) == shifted(b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::in_network;

    #[test]
    fn networks_are_told_by_their_prefix() {
        let same =
            |a: &str, b: &str, prefix| in_network(a.parse().unwrap(), b.parse().unwrap(), prefix);
        assert!(same("192.0.2.10", "192.0.2.200", 24));
        assert!(!same("192.0.2.10", "192.0.2.200", 25));
        assert!(same("192.0.2.10", "10.0.0.1", 0));
        assert!(same("2001:db8::1", "2001:db8::ffff", 64));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1", 64));
        assert!(same("::1", "ffff::1", 0));
        assert!(!same("192.0.2.10", "::1", 0));
    }
}
