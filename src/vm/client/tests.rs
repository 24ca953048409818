//! Against a second host in this process, on a clock that the test turns.

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::Instant as Time;
use smoltcp::wire::{ArpOperation, EthernetAddress, HardwareAddress, IpCidr};

use super::wire::{Arp, Wire};
use super::*;

const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
const ALPHA: Mac = [2, 0, 0, 0, 0, 1];
const BETA: Mac = [2, 0, 0, 0, 0, 2];

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A node that has the address while `up`. Servers listen on port 7 and
/// acknowledge records, they drop the connection after every tenth; one on
/// port 80 answers every request with `page`.
struct Host {
    mac: Mac,
    up: bool,
    wire: Wire,
    iface: Interface,
    sockets: SocketSet<'static>,
    servers: Vec<SocketHandle>,
    text: String,
    stored: Vec<u64>,
    web: SocketHandle,
    request: String,
    page: &'static str,
}

impl Host {
    fn new(mac: Mac) -> Self {
        let mut wire = Wire::default();
        let config = Config::new(HardwareAddress::Ethernet(EthernetAddress(mac)));
        let mut iface = Interface::new(config, &mut wire, Time::ZERO);
        iface.update_ip_addrs(|list| list.push(IpCidr::new(VIP.into(), 24)).unwrap());
        let buffer = || tcp::SocketBuffer::new(vec![0; 1024]);
        let mut sockets = SocketSet::new(Vec::new());
        let servers = (0..4)
            .map(|_| sockets.add(tcp::Socket::new(buffer(), buffer())))
            .collect();
        let (text, stored) = (String::new(), Vec::new());
        let web = sockets.add(tcp::Socket::new(buffer(), buffer()));
        Self {
            mac,
            up: false,
            wire,
            iface,
            sockets,
            servers,
            text,
            stored,
            web,
            request: String::new(),
            page: "",
        }
    }

    /// What the host answers to a frame and of itself.
    fn turn(&mut self, frames: &[Vec<u8>], now: Duration) -> Vec<Vec<u8>> {
        if !self.up {
            return Vec::new();
        }
        for frame in frames {
            match Arp::parse(frame) {
                Some(arp) if arp.operation == ArpOperation::Request && arp.to.1 == VIP => {
                    let reply = Arp {
                        operation: ArpOperation::Reply,
                        from: (self.mac, VIP),
                        to: arp.from,
                    };
                    self.wire.sent.push(reply.frame(arp.from.0));
                    if !arp.from.1.is_unspecified() {
                        self.wire.arrived.push_back(frame.clone());
                    }
                }
                _ => self.wire.arrived.push_back(frame.clone()),
            }
        }
        let time = Time::from_micros(now.as_micros() as i64);
        self.iface.poll(time, &mut self.wire, &mut self.sockets);
        for server in self.servers.clone() {
            self.serve(server);
        }
        self.answer();
        self.iface.poll(time, &mut self.wire, &mut self.sockets);
        std::mem::take(&mut self.wire.sent)
    }

    fn answer(&mut self) {
        let socket: &mut tcp::Socket = self.sockets.get_mut(self.web);
        take(socket, 80, &mut self.request);
        if self.request.ends_with("\r\n\r\n") {
            assert!(
                self.request
                    .starts_with("GET /state HTTP/1.1\r\nHost: 192.0.2.100\r\n")
            );
            self.request.clear();
            socket.send_slice(self.page.as_bytes()).unwrap();
            socket.close();
        }
    }

    fn serve(&mut self, server: SocketHandle) {
        let socket: &mut tcp::Socket = self.sockets.get_mut(server);
        if socket.state() == tcp::State::CloseWait {
            socket.abort();
        }
        take(socket, 7, &mut self.text);
        while let Some((line, rest)) = self.text.split_once('\n') {
            let number: u64 = line.parse().unwrap();
            self.text = rest.to_owned();
            self.stored.push(number);
            if number % 10 == 0 {
                socket.abort();
                return;
            }
            socket
                .send_slice(format!("ok {number}\n").as_bytes())
                .unwrap();
        }
    }
}

/// What has come in, behind what had; a closed socket listens again.
fn take(socket: &mut tcp::Socket, port: u16, text: &mut String) {
    if !socket.is_open() {
        text.clear();
        socket.listen(port).unwrap();
    }
    let mut bytes = [0; 256];
    while let Ok(length @ 1..) = socket.recv_slice(&mut bytes) {
        *text += std::str::from_utf8(&bytes[..length]).unwrap();
    }
}

struct World {
    now: Duration,
    engine: Engine,
    hosts: [Host; 2],
    to_hosts: Vec<Vec<u8>>,
    /// Something was due before the time that it was planned at.
    overdue: bool,
}

impl World {
    fn new() -> Self {
        let identity = Identity {
            mac: [2, 0, 0, 0, 0, 9],
            address: Ipv4Addr::new(192, 0, 2, 9),
            prefix: 24,
            seed: 1,
        };
        Self {
            now: Duration::ZERO,
            engine: Engine::new(identity),
            hosts: [Host::new(ALPHA), Host::new(BETA)],
            to_hosts: Vec::new(),
            overdue: false,
        }
    }

    fn watch(&mut self, question: Question) -> usize {
        let ident = self.engine.watches.len() as u16;
        let watch = Watch::new(VIP, question, Pace::default(), self.now, ident);
        self.engine.watches.push(watch);
        ident.into()
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += ms(1);
            let frames = std::mem::take(&mut self.to_hosts);
            for host in &mut self.hosts {
                let mac = host.mac;
                let is_for = |frame: &&Vec<u8>| frame[0] == 0xff || frame[..6] == mac;
                let heard: Vec<_> = frames.iter().filter(is_for).cloned().collect();
                for frame in host.turn(&heard, self.now) {
                    self.engine.receive(frame, self.now);
                }
            }
            self.to_hosts = self.engine.advance(self.now);
            let due = self.engine.next_due(self.now);
            self.overdue |= due.is_some_and(|due| due < self.now);
        }
    }

    fn announce(&mut self, mac: Mac) {
        let arp = Arp {
            operation: ArpOperation::Request,
            from: (mac, VIP),
            to: ([0; 6], VIP),
        };
        self.engine.receive(arp.frame([0xff; 6]), self.now);
    }
}

#[test]
fn an_address_that_moves_is_followed_by_its_announcement() {
    let mut world = World::new();
    world.hosts[0].up = true;
    let ids = [
        Question::Arp,
        Question::Ping,
        Question::Connect(7),
        Question::Connect(9),
    ]
    .map(|question| world.watch(question));
    world.run(ms(500));
    world.hosts[0].up = false;
    world.run(ms(700));
    world.hosts[1].up = true;
    world.announce(BETA);
    world.run(ms(2000));
    let [arp, ping, connect, refused] = ids.map(|id| world.engine.watches[id].probes());
    for (name, probes) in [("arp", &arp), ("ping", &ping), ("connect", &connect)] {
        let outages = outages(probes);
        assert_eq!(outages.len(), 1, "{name}: {outages:?}");
        let length = outages[0].length.unwrap();
        assert!((ms(690)..=ms(760)).contains(&length), "{name}: {length:?}");
    }
    assert_eq!(arp[0].outcome, Outcome::Held(vec![ALPHA]));
    assert_eq!(arp.last().unwrap().outcome, Outcome::Held(vec![BETA]));
    assert!(splits(&arp).is_empty());
    assert!(
        refused
            .iter()
            .any(|probe| probe.outcome == Outcome::Refused)
    );
    assert!(refused.iter().all(|probe| !probe.is_good()));
}

#[test]
fn a_page_is_there_when_its_status_says_so() {
    let mut world = World::new();
    world.hosts[0].up = true;
    let id = world.watch(Question::Get(80, "/state".into()));
    for (page, good) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes", true),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", false),
        ("SSH-2.0-x\r\n", false),
    ] {
        world.hosts[0].page = page;
        // What was under way is over before the next page.
        world.run(ms(1500));
        let from = world.now;
        world.run(ms(1500));
        let probes = world.engine.watches[id].probes();
        let asked: Vec<&Probe> = (probes.iter())
            .filter(|probe| probe.at >= from && probe.outcome != Outcome::Refused)
            .collect();
        assert!(!asked.is_empty(), "{page}: {probes:?}");
        assert!(
            asked.iter().all(|probe| probe.is_good() == good),
            "{page}: {asked:?}"
        );
        if good {
            let body = Outcome::Http {
                status: 200,
                body: "yes".into(),
            };
            assert_eq!(asked[0].outcome, body);
        }
    }
}

#[test]
fn two_holders_are_seen() {
    let mut world = World::new();
    world.hosts[0].up = true;
    let arp = world.watch(Question::Arp);
    world.run(ms(100));
    world.hosts[1].up = true;
    world.run(ms(60));
    world.hosts[0].up = false;
    world.run(ms(1500));
    let probes = world.engine.watches[arp].probes();
    let splits = splits(&probes);
    assert_eq!(splits.len(), 3, "{splits:?}");
    assert_eq!(splits[0].outcome, Outcome::Held(vec![ALPHA, BETA]));
}

#[test]
fn a_gratuitous_reply_is_no_answer() {
    let mut world = World::new();
    world.hosts[0].up = true;
    let arp = world.watch(Question::Arp);
    world.run(ms(60));
    // The announcer's own address for a target, which ends like that of round 2.
    for target in [VIP, Ipv4Addr::UNSPECIFIED] {
        let reply = Arp {
            operation: ArpOperation::Reply,
            from: (BETA, VIP),
            to: (BETA, target),
        };
        world.engine.receive(reply.frame([0xff; 6]), world.now);
    }
    world.run(ms(1500));
    let probes = world.engine.watches[arp].probes();
    assert_eq!(probes[2].outcome, Outcome::Held(vec![ALPHA]));
    assert!(splits(&probes).is_empty());
}

#[test]
fn a_server_that_drops_loses_nothing_acknowledged() {
    let mut world = World::new();
    world.hosts[0].up = true;
    let pace = Pace {
        interval: ms(5),
        patience: ms(200),
    };
    world
        .engine
        .writers
        .push(Writer::new(VIP, 7, pace, world.now));
    world.run(ms(3000));
    let writes = world.engine.writers[0].writes.clone();
    let mut stored = world.hosts[0].stored.clone();
    assert!(writes.sent > 50 && writes.losses.len() >= 5, "{writes:?}");
    assert!(writes.garbled.is_empty(), "{writes:?}");
    assert!(
        writes
            .acknowledged
            .iter()
            .all(|(number, _)| number % 10 != 0)
    );
    assert!(audit(&writes, &stored).is_clean());
    let forgotten = stored.remove(3);
    assert_eq!(audit(&writes, &stored).missing, [forgotten]);
}

#[test]
fn what_is_due_at_once_does_not_make_the_client_late() {
    let mut world = World::new();
    world.run(ms(2000));
    let page = Question::Get(80, "/state".into());
    for question in [Question::Ping, Question::Connect(7), page] {
        world.watch(question);
    }
    let pace = Pace {
        interval: ms(5),
        patience: ms(200),
    };
    let writer = Writer::new(VIP, 7, pace, world.now);
    world.engine.writers.push(writer);
    for up in [false, true, false, true] {
        world.hosts[0].up = up;
        world.run(ms(1500));
    }
    assert!(!world.overdue);
}

#[test]
fn a_client_probes_over_a_real_switch() {
    let dir = tempfile::tempdir().unwrap();
    let mut switch = super::super::switch::Switch::new(dir.path()).unwrap();
    let mut node = switch.attach("node").unwrap();
    let port = switch.attach("client").unwrap();
    let origin = Instant::now();
    let client = Client::new(port, World::new().engine.identity(), origin).unwrap();
    let pace = Pace {
        interval: ms(1),
        patience: ms(50),
    };
    let id = client.watch(VIP, Question::Arp, pace);
    let mut host = Host::new(ALPHA);
    host.up = true;
    let end = Instant::now() + Duration::from_secs(60);
    while !client.probes(id).iter().any(Probe::is_good) {
        assert!(Instant::now() < end, "no answer: {:?}", client.probes(id));
        let frames: Vec<_> = node.receive(ms(5)).into_iter().collect();
        for frame in host.turn(&frames, origin.elapsed()) {
            node.send(&frame);
        }
    }
    client.unwatch(id);
}
