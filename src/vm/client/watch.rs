//! One question, asked again and again.

use std::net::Ipv4Addr;
use std::time::Duration;

use smoltcp::iface::SocketHandle;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::{icmp, tcp};
use smoltcp::wire::{ArpOperation, Icmpv4Packet, Icmpv4Repr};

use super::engine::Net;
use super::outcome::{Mac, Outcome, Probe, Question};
use super::wire::Arp;

/// Bodies are cut here.
const BODY: usize = 8192;

/// How often, and for how long an answer may take.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub interval: Duration,
    pub patience: Duration,
}

impl Default for Pace {
    /// Every 20 ms, with a patience of a second.
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(20),
            patience: Duration::from_secs(1),
        }
    }
}

#[derive(Debug)]
struct Open {
    at: Duration,
    round: u16,
    holders: Vec<Mac>,
    answered: Option<Duration>,
    socket: Option<SocketHandle>,
    asked: bool,
    text: Vec<u8>,
}

#[derive(Debug)]
pub struct Watch {
    pub target: Ipv4Addr,
    question: Question,
    pace: Pace,
    next: Option<Duration>,
    round: u16,
    ident: u16,
    echo: Option<SocketHandle>,
    open: Vec<Open>,
    done: Vec<Probe>,
}

impl Watch {
    pub fn new(
        target: Ipv4Addr,
        question: Question,
        pace: Pace,
        now: Duration,
        ident: u16,
    ) -> Self {
        Self {
            target,
            question,
            pace,
            next: Some(now),
            round: 0,
            ident,
            echo: None,
            open: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Asks no more; what is under way still comes to its end.
    pub fn stop(&mut self) {
        self.next = None;
    }

    /// Those that came to an end, by their begin.
    pub fn probes(&self) -> Vec<Probe> {
        let mut probes = self.done.clone();
        probes.sort_by_key(|probe| probe.at);
        probes
    }

    pub fn next_due(&self) -> Option<Duration> {
        let expiry = self.open.first().map(|open| open.at + self.pace.patience);
        self.next.into_iter().chain(expiry).min()
    }

    /// An ARP reply, which counts where it is to a round's own address; `mac`
    /// is the client's.
    pub fn heard(&mut self, arp: &Arp, mac: Mac, now: Duration) {
        // A gratuitous reply has the announcer's own address or nobody's for a target.
        if self.question != Question::Arp || arp.from.1 != self.target || arp.is_announcement() {
            return;
        }
        let ident = self.ident;
        let of_round = |open: &&mut Open| arp.to.0 == own(mac, ident, open.round);
        if let Some(open) = self.open.iter_mut().rev().find(of_round) {
            open.holders.push(arp.from.0);
            open.answered.get_or_insert(now);
        }
    }

    pub fn advance(&mut self, net: &mut Net, now: Duration) {
        self.collect_echoes(net, now);
        let mut open = std::mem::take(&mut self.open);
        open.retain_mut(|open| match self.end_of(open, net, now) {
            Some(probe) => {
                open.socket
                    .take()
                    .into_iter()
                    .for_each(|socket| net.abort(socket));
                self.done.push(probe);
                false
            }
            None => true,
        });
        self.open = open;
        if let Some(next) = self.next.filter(|next| *next <= now) {
            self.ask(net, now);
            // What a late thread missed is not made up for in a burst.
            let missed = (now - next).as_nanos() / self.pace.interval.as_nanos().max(1);
            let steps = u32::try_from(missed + 1).unwrap_or(u32::MAX);
            self.next = Some(next + self.pace.interval * steps);
        }
    }

    fn end_of(&self, open: &mut Open, net: &mut Net, now: Duration) -> Option<Probe> {
        let expired = now >= open.at + self.pace.patience;
        let outcome = match &self.question {
            // A second holder may be slower.
            Question::Arp if !expired => None,
            Question::Arp if open.holders.is_empty() => None,
            Question::Arp => Some(Outcome::Held(open.holders.clone())),
            Question::Ping => open.answered.map(|_| Outcome::Answered),
            Question::Connect(_) => connected(net.tcp(open.socket?)),
            Question::Get(_, path) => got(open, net.tcp(open.socket?), self.target, path),
        };
        let outcome = outcome.or(expired.then_some(Outcome::Silent))?;
        Some(Probe {
            at: open.at,
            outcome,
            rtt: open.answered.unwrap_or(now) - open.at,
        })
    }

    fn ask(&mut self, net: &mut Net, now: Duration) {
        let socket = match self.question {
            Question::Arp => {
                net.wire.sent.push(self.who_has(net.identity.mac));
                None
            }
            Question::Ping => {
                self.echo(net);
                None
            }
            Question::Connect(port) | Question::Get(port, _) => {
                Some(net.connect(self.target, port))
            }
        };
        self.open.push(Open {
            at: now,
            round: self.round,
            holders: Vec::new(),
            answered: None,
            socket,
            asked: false,
            text: Vec::new(),
        });
        self.round = self.round.wrapping_add(1);
    }

    /// An ARP probe (RFC 5227: from 0.0.0.0, so that it changes nobody's
    /// table) from an address of its round's own, so that each reply is
    /// counted in the round that it answers.
    fn who_has(&self, mac: Mac) -> Vec<u8> {
        let arp = Arp {
            operation: ArpOperation::Request,
            from: (own(mac, self.ident, self.round), Ipv4Addr::UNSPECIFIED),
            to: ([0; 6], self.target),
        };
        arp.frame([0xff; 6])
    }

    fn echo(&mut self, net: &mut Net) {
        let handle = *self.echo.get_or_insert_with(|| {
            let buffer = || {
                let slots = vec![icmp::PacketMetadata::EMPTY; 64];
                icmp::PacketBuffer::new(slots, vec![0; 64 * 64])
            };
            let mut socket = icmp::Socket::new(buffer(), buffer());
            // A fresh socket binds.
            let _ = socket.bind(icmp::Endpoint::Ident(self.ident));
            net.sockets.add(socket)
        });
        let request = Icmpv4Repr::EchoRequest {
            ident: self.ident,
            seq_no: self.round,
            data: b"hapkg",
        };
        let socket: &mut icmp::Socket = net.sockets.get_mut(handle);
        // No room: the earlier ones wait for the neighbour, and so would this.
        if let Ok(bytes) = socket.send(request.buffer_len(), self.target.into()) {
            let mut packet = Icmpv4Packet::new_unchecked(bytes);
            request.emit(&mut packet, &ChecksumCapabilities::default());
        }
    }

    fn collect_echoes(&mut self, net: &mut Net, now: Duration) {
        let Some(handle) = self.echo else {
            return;
        };
        let socket: &mut icmp::Socket = net.sockets.get_mut(handle);
        while let Ok((bytes, _)) = socket.recv() {
            let Ok(packet) = Icmpv4Packet::new_checked(bytes) else {
                continue;
            };
            if let Ok(Icmpv4Repr::EchoReply { seq_no, .. }) =
                Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default())
                && let Some(open) = self.open.iter_mut().find(|open| open.round == seq_no)
            {
                open.answered.get_or_insert(now);
            }
        }
    }
}

/// The address that a round asks from.
fn own(mac: Mac, ident: u16, round: u16) -> Mac {
    [0x06, mac[3], mac[4], mac[5], ident as u8, round as u8]
}

fn connected(socket: &tcp::Socket) -> Option<Outcome> {
    match socket.state() {
        tcp::State::Closed => Some(Outcome::Refused),
        tcp::State::SynSent => None,
        _ => Some(Outcome::Answered),
    }
}

/// HTTP/1.1 (RFC 9112), the connection closed by the server after its answer.
fn got(open: &mut Open, socket: &mut tcp::Socket, host: Ipv4Addr, path: &str) -> Option<Outcome> {
    if !open.asked && socket.may_send() {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        open.asked = socket.send_slice(request.as_bytes()).is_ok();
    }
    while socket.can_recv() {
        let text = &mut open.text;
        let take = |bytes: &mut [u8]| {
            text.extend_from_slice(bytes);
            (bytes.len(), ())
        };
        if socket.recv(take).is_err() {
            break;
        }
    }
    let ended = matches!(socket.state(), tcp::State::CloseWait | tcp::State::Closed);
    if !ended && open.text.len() < BODY {
        return None;
    }
    if open.text.is_empty() {
        return Some(Outcome::Refused);
    }
    Some(parse(&open.text).unwrap_or(Outcome::Garbled))
}

fn parse(text: &[u8]) -> Option<Outcome> {
    let text = String::from_utf8_lossy(text);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    Some(Outcome::Http {
        status: status.parse().ok()?,
        body: body.to_owned(),
    })
}
