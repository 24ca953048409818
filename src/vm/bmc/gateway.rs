//! The way from guests to their BMCs: a wire of its own from each machine to
//! this process, which answers for every BMC's address and passes UDP on to
//! ipmi_sim. So an address and the port 623 stay the same in every fork,
//! while the host's ports differ.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::packet::{End, Mac, Packet, arp_reply, datagram, parsed};
use super::{PORT, suites};
use crate::vm::Error;

/// Conversations that are kept; the oldest is forgotten first.
const CONVERSATIONS: usize = 64;

/// A guest that does not read loses frames.
const BACKLOG: usize = 1 << 16;

/// Runs until it is dropped.
#[derive(Debug)]
pub struct Gateway {
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
    sockets: Vec<PathBuf>,
}

/// One machine's end of the wire.
struct Wire {
    listener: UnixListener,
    stream: Option<UnixStream>,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

/// A guest's socket and the BMC that it talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Talk {
    wire: usize,
    guest: End,
    port: u16,
    bmc: Ipv4Addr,
}

impl Gateway {
    /// Listens on `wires`, one socket a machine, and passes on to the BMCs:
    /// address in the guests to port on 127.0.0.1.
    ///
    /// # Errors
    /// `Environment`: a socket cannot be made.
    pub fn start(wires: &[PathBuf], bmcs: BTreeMap<Ipv4Addr, u16>) -> Result<Gateway, Error> {
        let failed = |e: std::io::Error| Error::Environment(format!("the BMCs' gateway: {e}"));
        let mut relay = Relay {
            wires: wires
                .iter()
                .map(|path| wire(path))
                .collect::<Result<_, _>>()?,
            bmcs,
            talks: Vec::new(),
        };
        let (wake, woken) = UnixStream::pair().map_err(failed)?;
        let thread = thread::spawn(move || relay.run(&woken));
        Ok(Gateway {
            wake,
            thread: Some(thread),
            sockets: wires.to_vec(),
        })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.wake.write_all(b"x");
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for socket in &self.sockets {
            let _ = fs::remove_file(socket);
        }
    }
}

struct Relay {
    wires: Vec<Wire>,
    bmcs: BTreeMap<Ipv4Addr, u16>,
    talks: Vec<(Talk, UdpSocket)>,
}

impl Relay {
    fn run(&mut self, woken: &UnixStream) {
        loop {
            let mut fds = vec![PollFd::new(woken.as_fd(), PollFlags::POLLIN)];
            for wire in &self.wires {
                let mut wanted = PollFlags::POLLIN;
                let fd = match &wire.stream {
                    Some(stream) => {
                        if !wire.outgoing.is_empty() {
                            wanted |= PollFlags::POLLOUT;
                        }
                        stream.as_fd()
                    }
                    None => wire.listener.as_fd(),
                };
                fds.push(PollFd::new(fd, wanted));
            }
            for (_, socket) in &self.talks {
                fds.push(PollFd::new(socket.as_fd(), PollFlags::POLLIN));
            }
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(_) => return,
            }
            let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
            drop(fds);
            if ready[0] {
                return;
            }
            let (wires, talks) = ready[1..].split_at(self.wires.len());
            // The guests' frames may end conversations: answers come first.
            for number in (0..talks.len()).filter(|number| talks[*number]) {
                self.answer(number);
            }
            for number in (0..wires.len()).filter(|number| wires[*number]) {
                self.serve(number);
            }
        }
    }

    /// Takes what a BMC says to its guest.
    fn answer(&mut self, number: usize) {
        let talk = self.talks[number].0;
        let mut data = [0; 2048];
        while let Ok(count) = self.talks[number].1.recv(&mut data) {
            self.say(talk, &data[..count]);
        }
    }

    /// Sends a guest what its BMC says.
    fn say(&mut self, talk: Talk, data: &[u8]) {
        let from = End {
            mac: mac(talk.bmc),
            address: talk.bmc,
        };
        let frame = datagram(from, talk.guest, (PORT, talk.port), data);
        self.wires[talk.wire].send(&frame);
    }

    fn serve(&mut self, number: usize) {
        let wire = &mut self.wires[number];
        if wire.stream.is_none() {
            wire.accept();
            return;
        }
        wire.flush();
        for frame in wire.frames() {
            match parsed(&frame) {
                Some(Packet::ArpRequest { from, wanted }) if self.bmcs.contains_key(&wanted) => {
                    let own = End {
                        mac: mac(wanted),
                        address: wanted,
                    };
                    self.wires[number].send(&arp_reply(own, from));
                }
                Some(Packet::Datagram {
                    from,
                    to,
                    ports: (port, PORT),
                    data,
                }) => {
                    let talk = Talk {
                        wire: number,
                        guest: from,
                        port,
                        bmc: to,
                    };
                    self.pass(talk, &data);
                }
                _ => {}
            }
        }
    }

    fn pass(&mut self, talk: Talk, data: &[u8]) {
        let Some(&port) = self.bmcs.get(&talk.bmc) else {
            return;
        };
        if let Some(said) = suites::answer(data) {
            self.say(talk, &said);
            return;
        }
        if !self.talks.iter().any(|(known, _)| *known == talk) {
            let Ok(socket) = connected(port) else {
                return;
            };
            if self.talks.len() >= CONVERSATIONS {
                self.talks.remove(0);
            }
            self.talks.push((talk, socket));
        }
        let known = self.talks.iter().find(|(known, _)| *known == talk);
        if let Some((_, socket)) = known {
            // A BMC that is gone loses it, as a wire does.
            let _ = socket.send(data);
        }
    }
}

impl Wire {
    fn accept(&mut self) {
        self.incoming.clear();
        self.outgoing.clear();
        self.stream = self
            .listener
            .accept()
            .and_then(|(stream, _)| stream.set_nonblocking(true).map(|()| stream))
            .ok();
    }

    /// Queues a frame, and writes what the guest takes.
    fn send(&mut self, frame: &[u8]) {
        if self.outgoing.len() > BACKLOG {
            return;
        }
        let length = u32::try_from(frame.len()).unwrap_or(0);
        self.outgoing.extend(length.to_be_bytes());
        self.outgoing.extend_from_slice(frame);
        self.flush();
    }

    fn flush(&mut self) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        while !self.outgoing.is_empty() {
            match stream.write(&self.outgoing) {
                Ok(count) if count > 0 => drop(self.outgoing.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                _ => {
                    self.stream = None;
                    return;
                }
            }
        }
    }

    /// The whole frames that have come.
    fn frames(&mut self) -> Vec<Vec<u8>> {
        let mut chunk = [0; 1 << 14];
        while let Some(stream) = &mut self.stream {
            match stream.read(&mut chunk) {
                Ok(count) if count > 0 => self.incoming.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                _ => self.stream = None,
            }
        }
        let mut frames = Vec::new();
        while let Some((head, rest)) = self.incoming.split_at_checked(4) {
            let size = head
                .iter()
                .fold(0, |size, byte| size << 8 | usize::from(*byte));
            let Some(frame) = rest.get(..size) else {
                break;
            };
            frames.push(frame.to_vec());
            self.incoming.drain(..4 + size);
        }
        frames
    }
}

fn wire(path: &Path) -> Result<Wire, Error> {
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|e| Error::io("listening on", path, &e))?;
    Ok(Wire {
        listener,
        stream: None,
        incoming: Vec::new(),
        outgoing: Vec::new(),
    })
}

fn connected(port: u16) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A BMC's MAC, of its address.
fn mac(address: Ipv4Addr) -> Mac {
    let [_, _, third, fourth] = address.octets();
    [0x52, 0x54, 0, 0xfe, third, fourth]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::super::packet::{End, Packet, arp_reply, datagram, parsed};
    use super::{Gateway, mac};

    fn framed(frame: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(frame.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend_from_slice(frame);
        bytes
    }

    fn next(stream: &mut UnixStream) -> Vec<u8> {
        let mut size = [0; 4];
        stream.read_exact(&mut size).unwrap();
        let mut frame = vec![0; usize::try_from(u32::from_be_bytes(size)).unwrap()];
        stream.read_exact(&mut frame).unwrap();
        frame
    }

    #[test]
    fn guests_find_their_bmc_and_get_its_answers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wire");
        let bmc = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        bmc.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let address = Ipv4Addr::new(203, 0, 113, 111);
        let ports = BTreeMap::from([(address, bmc.local_addr().unwrap().port())]);
        let gateway = Gateway::start(std::slice::from_ref(&path), ports).unwrap();
        let guest = End {
            mac: [2, 0, 0, 0, 0, 1],
            address: Ipv4Addr::new(203, 0, 113, 11),
        };
        let there = End {
            mac: mac(address),
            address,
        };
        // A machine that loses its power comes back on the same wire.
        for round in 0..2_u16 {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(10)))
                .unwrap();
            let mut question = arp_reply(guest, there);
            question[21] = 1;
            stream.write_all(&framed(&question)).unwrap();
            assert_eq!(next(&mut stream), arp_reply(there, guest));
            let sent = datagram(guest, there, (40000 + round, 623), b"get power");
            // In two pieces, as a stream may come.
            let bytes = framed(&sent);
            stream.write_all(&bytes[..20]).unwrap();
            std::thread::sleep(Duration::from_millis(10));
            stream.write_all(&bytes[20..]).unwrap();
            let mut got = [0; 100];
            let (count, from) = bmc.recv_from(&mut got).unwrap();
            assert_eq!(&got[..count], b"get power");
            bmc.send_to(b"on", from).unwrap();
            let answer = parsed(&next(&mut stream)).unwrap();
            assert_eq!(
                answer,
                Packet::Datagram {
                    from: there,
                    to: guest.address,
                    ports: (623, 40000 + round),
                    data: b"on".to_vec(),
                }
            );
        }
        drop(gateway);
        assert!(!path.exists());
    }
}
