//! What a cluster of machines is made of.

use std::net::Ipv4Addr;

use crate::chroot;
use crate::vm::Error;
use crate::vm::accelerator::{self, Accelerator, Kind};
use crate::vm::image::Image;
use crate::vm::machine::Watchdog;

/// Raised when the same input gives another template than before.
const LAYOUT: &str = "template 3";

/// The network between nodes and their BMCs (TEST-NET-3, RFC 5737).
const BMC_NETWORK: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 0);

/// Where the first node is in each network, and its BMC in the BMCs'.
const FIRST_NODE: u32 = 11;
const FIRST_BMC: u32 = 111;

/// The host of each link that default routes lead to, as on a server in a rack;
/// whoever works for the nodes from outside is there.
pub const GATEWAY: u8 = 200;

/// The network card that leads to the BMCs.
pub const BMC_LINK: &str = "bmc";

/// A network that all nodes are on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Name of the network card, and of its switch: `ring0`.
    pub id: String,
    /// The first node has the network's address plus 11, the second plus 12.
    pub network: Ipv4Addr,
    pub prefix: u8,
}

/// An empty disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blank {
    /// In the guest /dev/disk/by-id/virtio-ID; at most 20 bytes.
    pub id: String,
    /// Bytes.
    pub size: u64,
}

/// A cluster before it runs.
#[derive(Debug, Clone)]
pub struct Spec {
    pub image: Image,
    pub accelerator: Accelerator,
    /// Host names, 1 to 32 of them.
    pub nodes: Vec<String>,
    pub links: Vec<Link>,
    /// MiB of each node.
    pub memory: u32,
    pub watchdog: Watchdog,
    /// Each node has its own of these.
    pub disks: Vec<Blank>,
    /// All nodes see the same ones.
    pub shared: Vec<Blank>,
    /// Whether every node has a BMC, and a network card to reach them all.
    pub bmcs: bool,
}

impl Spec {
    /// A node's address on a link, by their places in [`Spec::nodes`] and
    /// [`Spec::links`].
    pub fn address(&self, node: usize, link: usize) -> Ipv4Addr {
        self.links.get(link).map_or(Ipv4Addr::UNSPECIFIED, |link| {
            within(link.network, FIRST_NODE, node)
        })
    }

    /// The address that guests reach a node's BMC at, port 623.
    pub fn bmc_address(&self, node: usize) -> Ipv4Addr {
        within(BMC_NETWORK, FIRST_BMC, node)
    }

    /// A card's MAC address.
    pub fn mac(&self, node: usize, link: usize) -> String {
        format!("52:54:00:68:{link:02x}:{:02x}", node + 1)
    }

    /// Ids of all network cards, the BMCs' last.
    pub fn cards(&self) -> Vec<&str> {
        let own = self.links.iter().map(|link| link.id.as_str());
        own.chain(self.bmcs.then_some(BMC_LINK)).collect()
    }

    /// What a node is told of itself and its peers on the kernel's command
    /// line; `vm-tests/guest/identity.sh` reads it.
    pub(super) fn command_line(&self, node: usize) -> String {
        let mut words = vec![
            format!("systemd.machine_id={}", self.machine_id(node)),
            format!("hapkg.node={}", self.nodes[node]),
        ];
        for (number, link) in self.links.iter().enumerate() {
            let gateway = match number {
                0 => format!(",{}", within(link.network, GATEWAY.into(), 0)),
                _ => String::new(),
            };
            words.push(format!(
                "hapkg.link={},{}/{}{gateway}",
                self.mac(node, number),
                self.address(node, number),
                link.prefix
            ));
        }
        if self.bmcs {
            words.push(format!(
                "hapkg.link={},{}/24",
                self.mac(node, self.links.len()),
                within(BMC_NETWORK, FIRST_NODE, node)
            ));
        }
        if !self.links.is_empty() {
            for (number, name) in self.nodes.iter().enumerate() {
                words.push(format!("hapkg.host={name},{}", self.address(number, 0)));
            }
        }
        words.join(" ")
    }

    /// A hash over all of it, QEMU's version, and the processor where guests
    /// see it: whoever has the same may use the same template.
    ///
    /// # Errors
    /// `Environment`: QEMU is missing.
    pub fn fingerprint(&self) -> Result<String, Error> {
        Ok(self.hash(&accelerator::version()?, &accelerator::processor()))
    }

    fn hash(&self, qemu: &str, processor: &str) -> String {
        let mut lines: Vec<String> = (0..self.nodes.len())
            .map(|node| self.command_line(node))
            .collect();
        if self.accelerator.kind == Kind::Kvm {
            lines.push(processor.into());
        }
        let made_of = format!(
            "{:?}",
            (
                self.accelerator.kind,
                &self.links,
                self.memory,
                self.watchdog,
                &self.disks,
                &self.shared,
            )
        );
        let parts = [LAYOUT, qemu, &self.image.key, &made_of];
        chroot::hash(&[&parts.map(str::to_owned)[..], &lines[..]].concat())
    }

    /// A fixed one for each node, as the command line must stay the same.
    fn machine_id(&self, node: usize) -> String {
        let name = &self.nodes[node];
        ["1", "2"]
            .map(|half| chroot::hash(&["machine", name, half]))
            .concat()
    }
}

fn within(network: Ipv4Addr, first: u32, number: usize) -> Ipv4Addr {
    let number = u32::try_from(number).unwrap_or(0);
    Ipv4Addr::from(u32::from(network) + first + number)
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::Ipv4Addr;

    use super::{Link, Spec};
    use crate::vm::accelerator::{Accelerator, Kind};
    use crate::vm::image::Image;
    use crate::vm::machine::Watchdog;

    pub fn spec() -> Spec {
        Spec {
            image: Image::fake(),
            accelerator: Accelerator {
                kind: Kind::Tcg,
                scale: 5.0,
                reason: "test".into(),
            },
            nodes: vec!["alpha".into(), "beta".into()],
            links: vec![Link {
                id: "ring0".into(),
                network: Ipv4Addr::new(192, 0, 2, 0),
                prefix: 24,
            }],
            memory: 1024,
            watchdog: Watchdog::Reset,
            disks: vec![],
            shared: vec![],
            bmcs: true,
        }
    }

    #[test]
    fn nodes_are_told_who_they_are() {
        let spec = spec();
        let line = spec.command_line(1);
        for word in [
            "hapkg.node=beta",
            "hapkg.link=52:54:00:68:00:02,192.0.2.12/24,192.0.2.200",
            "hapkg.link=52:54:00:68:01:02,203.0.113.12/24",
            "hapkg.host=alpha,192.0.2.11",
            "hapkg.host=beta,192.0.2.12",
        ] {
            assert!(line.split(' ').any(|one| one == word), "{word} in {line}");
        }
        assert_eq!(spec.bmc_address(1), Ipv4Addr::new(203, 0, 113, 112));
        assert_eq!(spec.cards(), ["ring0", "bmc"]);
        let id = line.split(' ').next().unwrap().split_once('=').unwrap().1;
        assert_eq!(id.len(), 32);
        assert_ne!(spec.machine_id(0), spec.machine_id(1));
    }

    #[test]
    fn another_cluster_has_another_fingerprint() {
        let one = spec();
        let mut other = spec();
        assert_eq!(one.hash("10.0", "x"), other.hash("10.0", "x"));
        assert_ne!(one.hash("10.0", "x"), other.hash("10.1", "x"));
        other.memory = 2048;
        assert_ne!(one.hash("10.0", "x"), other.hash("10.0", "x"));
        other = spec();
        other.nodes[1] = "gamma".into();
        assert_ne!(one.hash("10.0", "x"), other.hash("10.0", "x"));
    }

    #[test]
    fn guests_see_the_processor_under_kvm_only() {
        let mut one = spec();
        assert_eq!(one.hash("10.0", "x"), one.hash("10.0", "y"));
        one.accelerator.kind = Kind::Kvm;
        assert_ne!(one.hash("10.0", "x"), one.hash("10.0", "y"));
    }
}
