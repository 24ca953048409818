//! The networks of a cluster: a switch a link, and the client on the first.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::trial::fact::{Probe, ProbeKind};
use crate::trial::scenario::{Client as Wanted, Direction, VIP};
use crate::vm::Error;
use crate::vm::client::{Client, Identity, Outcome, Pace, Question, WatchId, WriterId};
use crate::vm::switch::{Loss, Switch};
use crate::vm::template::GATEWAY;

/// The client's place in the network that it shares with the nodes: where their
/// default routes lead.
const CLIENT: (Ipv4Addr, u8) = (Ipv4Addr::new(192, 0, 2, GATEWAY), 24);
const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x68, 0xff, 0x01];

/// Names of the nodes' network cards, by link.
pub const CARDS: [&str; 2] = ["ring0", "ring1"];

/// A rule between two ports.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    Block,
    Unblock,
    /// In percent; nought ends it.
    Lose(u8),
    Delay(Duration),
}

/// Switches with a port for each node.
pub struct Wires {
    switches: Vec<Switch>,
    sockets: HashMap<(String, String), PathBuf>,
    client: Option<Client>,
    watches: Vec<(ProbeKind, WatchId)>,
    writer: Option<WriterId>,
}

impl Wires {
    /// # Errors
    /// `Environment`: no socket or thread to be had.
    pub fn new(dir: &Path, nodes: &[&str], links: usize) -> Result<Self, Error> {
        let mut switches = Vec::new();
        let mut sockets = HashMap::new();
        for card in CARDS.iter().take(links) {
            let place = dir.join(card);
            std::fs::create_dir_all(&place).map_err(|e| Error::io("making", &place, &e))?;
            let mut switch = Switch::new(&place)?;
            for node in nodes {
                let socket = switch.port(node)?;
                sockets.insert(((*node).to_string(), (*card).to_string()), socket);
            }
            switches.push(switch);
        }
        Ok(Self {
            switches,
            sockets,
            client: None,
            watches: Vec::new(),
            writer: None,
        })
    }

    /// Where a node's card connects to.
    pub fn socket(&self, node: &str, card: &str) -> Result<PathBuf, Error> {
        let key = (node.to_string(), card.to_string());
        self.sockets
            .get(&key)
            .cloned()
            .ok_or_else(|| Error::Environment(format!("{node} has no link {card}")))
    }

    /// Writes every frame of each link to `STEM-LINK.pcap` in `dir`, which is made
    /// where needed.
    ///
    /// # Errors
    /// `Environment`: a file cannot be written.
    pub fn capture(&self, dir: &Path, stem: &str) -> Result<(), Error> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io("making", dir, &e))?;
        (self.switches.iter().zip(CARDS))
            .try_for_each(|(switch, card)| switch.capture(&dir.join(format!("{stem}-{card}.pcap"))))
    }

    /// Ends that; the files are whole then.
    ///
    /// # Errors
    /// `Environment`: something of them could not be written.
    pub fn end_capture(&self) -> Result<(), Error> {
        self.switches.iter().try_for_each(Switch::stop_capture)
    }

    /// Begins to ask the address; times are since `origin`. Pages and records are
    /// asked for ten times a second, pages with a patience of a second: both times
    /// are stretched by the accelerator's `scale`.
    ///
    /// # Errors
    /// `Environment`: no socket or thread to be had.
    pub fn begin(
        &mut self,
        wanted: &Wanted,
        address: bool,
        scale: f64,
        origin: Instant,
    ) -> Result<(), Error> {
        if !address {
            return Ok(());
        }
        let Some(first) = self.switches.first_mut() else {
            return Ok(());
        };
        let identity = Identity {
            mac: MAC,
            address: CLIENT.0,
            prefix: CLIENT.1,
            seed: 1,
        };
        let client = Client::new(first.attach("client")?, identity, origin)?;
        let target: Ipv4Addr = VIP.parse().unwrap_or(CLIENT.0);
        let pace = Pace::default();
        let mut watch = |kind, question| {
            self.watches
                .push((kind, client.watch(target, question, pace)));
        };
        watch(ProbeKind::Arp, Question::Arp);
        if wanted.ping {
            watch(ProbeKind::Ping, Question::Ping);
        }
        // A connection or a page takes a socket, a record a write on both sides of a mirror: at
        // the pace of an echo they take an emulated node half its processor, and its
        // monitors fail for want of the rest.
        let seldom = Duration::from_millis(100).mul_f64(scale);
        let connecting = Pace {
            interval: seldom,
            patience: pace.patience.mul_f64(scale),
        };
        if let Some(port) = wanted.tcp {
            let id = client.watch(target, Question::Connect(port), connecting);
            self.watches.push((ProbeKind::Tcp, id));
        }
        if let Some((path, port)) = &wanted.http {
            let id = client.watch(target, Question::Get(*port, path.clone()), connecting);
            self.watches.push((ProbeKind::Http, id));
        }
        if let Some(port) = wanted.records {
            let pace = Pace {
                interval: seldom,
                patience: Duration::from_secs(5),
            };
            self.writer = Some(client.write(target, port, pace));
        }
        self.client = Some(client);
        Ok(())
    }

    /// Every probe that has ended, and how each write did.
    pub fn probes(&self) -> Vec<Probe> {
        let Some(client) = &self.client else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for (kind, id) in &self.watches {
            for probe in client.probes(*id) {
                let good = probe.is_good();
                let from = match &probe.outcome {
                    Outcome::Held(macs) => macs.iter().map(|mac| text(*mac)).collect(),
                    _ => Vec::new(),
                };
                // Good when it was answered; bad from when it was asked.
                let at = if good { probe.at + probe.rtt } else { probe.at };
                all.push(Probe {
                    at,
                    kind: *kind,
                    good,
                    from,
                });
            }
        }
        if let Some(writer) = self.writer {
            let writes = client.writes(writer);
            let write = |at, good| Probe {
                at,
                kind: ProbeKind::Write,
                good,
                from: Vec::new(),
            };
            all.extend(writes.acknowledged.iter().map(|(_, at)| write(*at, true)));
            all.extend(writes.losses.iter().map(|at| write(*at, false)));
        }
        all.sort_by_key(|probe| probe.at);
        all
    }

    /// How late the client was at worst, by its own plan.
    pub fn lateness(&self) -> Duration {
        self.client
            .as_ref()
            .map_or(Duration::ZERO, Client::lateness)
    }

    /// Ends the writing; the acknowledged numbers. `None`: nobody wrote.
    pub fn acknowledged(&self) -> Option<Vec<u64>> {
        let (client, writer) = (self.client.as_ref()?, self.writer?);
        client.stop_writing(writer);
        std::thread::sleep(Duration::from_secs(1));
        let writes = client.writes(writer);
        Some(
            writes
                .acknowledged
                .iter()
                .map(|(number, _)| *number)
                .collect(),
        )
    }

    /// Lays a rule between two nodes.
    ///
    /// # Errors
    /// `Environment`: there is no such port.
    pub fn rule(
        &self,
        between: &[String; 2],
        direction: Direction,
        link: Option<u8>,
        rule: Rule,
    ) -> Result<(), Error> {
        let [a, b] = between;
        let mut ways = vec![(a, b)];
        if direction == Direction::Both {
            ways.push((b, a));
        }
        for (number, switch) in self.switches.iter().enumerate() {
            if link.is_some_and(|link| usize::from(link) != number + 1) {
                continue;
            }
            for (from, to) in &ways {
                match rule {
                    Rule::Block => switch.block(from, to)?,
                    Rule::Unblock => switch.unblock(from, to)?,
                    Rule::Lose(percent) => switch.lose(
                        from,
                        to,
                        Loss {
                            percent: percent.into(),
                            seed: 1,
                        },
                    )?,
                    Rule::Delay(delay) => switch.delay(from, to, delay)?,
                }
            }
        }
        Ok(())
    }
}

/// `52:54:00:68:00:01`.
pub fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
