//! What smoltcp sees of the network. ARP passes by here: smoltcp takes no
//! announcements, and a client that does not would blame the cluster for it.

use std::collections::{BTreeSet, VecDeque};
use std::net::Ipv4Addr;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr,
};

use super::outcome::Mac;

const HEADER: usize = 14;

/// Frames in and out, and whom smoltcp has asked for by ARP.
#[derive(Debug, Default)]
pub struct Wire {
    pub arrived: VecDeque<Vec<u8>>,
    pub sent: Vec<Vec<u8>>,
    pub asked: BTreeSet<Ipv4Addr>,
}

/// An ARP frame, as far as a client cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    pub operation: ArpOperation,
    pub from: (Mac, Ipv4Addr),
    pub to: (Mac, Ipv4Addr),
}

impl Arp {
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        if ethernet.ethertype() != EthernetProtocol::Arp {
            return None;
        }
        let packet = ArpPacket::new_checked(ethernet.payload()).ok()?;
        let ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr,
            source_protocol_addr,
            target_hardware_addr,
            target_protocol_addr,
        } = ArpRepr::parse(&packet).ok()?
        else {
            return None;
        };
        Some(Self {
            operation,
            from: (source_hardware_addr.0, source_protocol_addr),
            to: (target_hardware_addr.0, target_protocol_addr),
        })
    }

    /// A gratuitous ARP, request or reply (RFC 5227, section 3).
    pub fn is_announcement(&self) -> bool {
        self.from.1 == self.to.1
    }

    /// The frame, to `destination`.
    pub fn frame(&self, destination: Mac) -> Vec<u8> {
        let arp = ArpRepr::EthernetIpv4 {
            operation: self.operation,
            source_hardware_addr: EthernetAddress(self.from.0),
            source_protocol_addr: self.from.1,
            target_hardware_addr: EthernetAddress(self.to.0),
            target_protocol_addr: self.to.1,
        };
        let mut bytes = vec![0; HEADER + arp.buffer_len()];
        let header = EthernetRepr {
            src_addr: EthernetAddress(self.from.0),
            dst_addr: EthernetAddress(destination),
            ethertype: EthernetProtocol::Arp,
        };
        header.emit(&mut EthernetFrame::new_unchecked(&mut bytes));
        arp.emit(&mut ArpPacket::new_unchecked(&mut bytes[HEADER..]));
        bytes
    }
}

pub struct Arrived(Vec<u8>);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(&self.0)
    }
}

pub struct Sending<'a> {
    sent: &'a mut Vec<Vec<u8>>,
    asked: &'a mut BTreeSet<Ipv4Addr>,
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut frame = vec![0; length];
        let result = fill(&mut frame);
        if let Some(arp) = Arp::parse(&frame)
            && arp.operation == ArpOperation::Request
        {
            self.asked.insert(arp.to.1);
        }
        self.sent.push(frame);
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived, Sending<'_>)> {
        let frame = self.arrived.pop_front()?;
        let Self { sent, asked, .. } = self;
        Some((Arrived(frame), Sending { sent, asked }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        let Self { sent, asked, .. } = self;
        Some(Sending { sent, asked })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}
