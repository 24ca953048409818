//! The client without its thread: frames and the time go in, frames and
//! results come out.

use std::net::Ipv4Addr;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{ArpOperation, EthernetAddress, HardwareAddress, IpCidr};

use super::outcome::Mac;
use super::watch::Watch;
use super::wire::{Arp, Wire};
use super::writer::Writer;

const EPHEMERAL: u16 = 49152;

/// Who the client is on its network.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    pub mac: Mac,
    pub address: Ipv4Addr,
    /// The network's prefix length, in bits.
    pub prefix: u8,
    /// Another one for each client gives other TCP sequence numbers.
    pub seed: u64,
}

/// The stack below the probes.
pub struct Net {
    pub identity: Identity,
    pub wire: Wire,
    pub iface: Interface,
    pub sockets: SocketSet<'static>,
    /// Reset, and to be removed when the reset is sent.
    dead: Vec<SocketHandle>,
    next_port: u16,
}

impl Net {
    /// Begins a connection.
    pub fn connect(&mut self, to: Ipv4Addr, port: u16) -> SocketHandle {
        let buffer = |size| tcp::SocketBuffer::new(vec![0; size]);
        let mut socket = tcp::Socket::new(buffer(8192), buffer(2048));
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        // Fails only for addresses and ports that are zero; it stays closed then.
        let _ = socket.connect(self.iface.context(), (to, port), self.next_port);
        self.next_port = self.next_port.checked_add(1).unwrap_or(EPHEMERAL);
        self.sockets.add(socket)
    }

    pub fn tcp(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Resets a connection and forgets it.
    pub fn abort(&mut self, handle: SocketHandle) {
        self.tcp(handle).abort();
        self.dead.push(handle);
    }

    fn poll(&mut self, now: Duration) {
        let now = instant(now);
        self.iface.poll(now, &mut self.wire, &mut self.sockets);
        for handle in self.dead.drain(..) {
            self.sockets.remove(handle);
        }
    }

    fn tell_neighbour(&mut self, mac: Mac, address: Ipv4Addr) {
        let reply = Arp {
            operation: ArpOperation::Reply,
            from: (mac, address),
            to: (self.identity.mac, self.identity.address),
        };
        self.wire.arrived.push_back(reply.frame(self.identity.mac));
    }
}

fn instant(now: Duration) -> Instant {
    Instant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

pub struct Engine {
    net: Net,
    pub watches: Vec<Watch>,
    pub writers: Vec<Writer>,
}

impl Engine {
    pub fn new(identity: Identity) -> Self {
        let mut wire = Wire::default();
        let mac = HardwareAddress::Ethernet(EthernetAddress(identity.mac));
        let mut config = Config::new(mac);
        config.random_seed = identity.seed;
        let mut iface = Interface::new(config, &mut wire, Instant::ZERO);
        iface.update_ip_addrs(|addresses| {
            // There is room for the first one.
            let _ = addresses.push(IpCidr::new(identity.address.into(), identity.prefix));
        });
        let net = Net {
            identity,
            wire,
            iface,
            sockets: SocketSet::new(Vec::new()),
            dead: Vec::new(),
            next_port: EPHEMERAL + (identity.seed % 8192) as u16,
        };
        Self {
            net,
            watches: Vec::new(),
            writers: Vec::new(),
        }
    }

    #[cfg(test)]
    pub fn identity(&self) -> Identity {
        self.net.identity
    }

    /// Takes a frame from the network.
    pub fn receive(&mut self, frame: Vec<u8>, now: Duration) {
        let Some(arp) = Arp::parse(&frame) else {
            self.net.wire.arrived.push_back(frame);
            return;
        };
        let (mac, address) = arp.from;
        if arp.operation == ArpOperation::Reply && arp.to.0 != self.net.identity.mac {
            for watch in &mut self.watches {
                watch.heard(&arp, self.net.identity.mac, now);
            }
        }
        let known = self.watches.iter().any(|watch| watch.target == address)
            || self.writers.iter().any(|writer| writer.target == address);
        let awaited = arp.operation == ArpOperation::Reply && self.net.wire.asked.remove(&address);
        if awaited || (arp.is_announcement() && known) {
            self.net.tell_neighbour(mac, address);
        } else if arp.operation == ArpOperation::Request {
            self.net.wire.arrived.push_back(frame);
        }
    }

    /// Does what is to be done by `now`; returns the frames to send.
    pub fn advance(&mut self, now: Duration) -> Vec<Vec<u8>> {
        self.net.poll(now);
        for watch in &mut self.watches {
            watch.advance(&mut self.net, now);
        }
        for writer in &mut self.writers {
            writer.advance(&mut self.net, now);
        }
        self.net.poll(now);
        std::mem::take(&mut self.net.wire.sent)
    }

    /// When `advance` is due again, also when no frame comes: `now` at the earliest.
    /// The stack's word for at once is the clock's beginning.
    pub fn next_due(&mut self, now: Duration) -> Option<Duration> {
        let at = self.net.iface.poll_at(instant(now), &self.net.sockets);
        let stack = at.map(|at| Duration::from_micros(at.total_micros().unsigned_abs()));
        let watches = self.watches.iter().filter_map(Watch::next_due);
        let writers = self.writers.iter().filter_map(Writer::next_due);
        let due = watches.chain(writers).chain(stack).min()?;
        Some(due.max(now))
    }
}
