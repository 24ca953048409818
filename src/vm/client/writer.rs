//! Writes numbered records and keeps what was acknowledged.

use std::net::Ipv4Addr;
use std::time::Duration;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;

use super::audit::Writes;
use super::engine::Net;
use super::watch::Pace;

/// Sends "N\n" over TCP, waits for "ok N\n", and connects again after a loss.
#[derive(Debug)]
pub struct Writer {
    pub target: Ipv4Addr,
    port: u16,
    pace: Pace,
    socket: Option<SocketHandle>,
    /// A number was sent and not answered.
    waiting: bool,
    /// When the next number, or the next connection, may go out.
    next: Option<Duration>,
    /// When the connection counts as lost.
    deadline: Duration,
    /// Connected, and nothing sent yet.
    is_fresh: bool,
    /// The server answered what it was not asked.
    is_confused: bool,
    text: Vec<u8>,
    pub writes: Writes,
}

impl Writer {
    pub fn new(target: Ipv4Addr, port: u16, pace: Pace, now: Duration) -> Self {
        Self {
            target,
            port,
            pace,
            socket: None,
            waiting: false,
            next: Some(now),
            deadline: now,
            is_fresh: false,
            is_confused: false,
            text: Vec::new(),
            writes: Writes::default(),
        }
    }

    /// Sends no more numbers; an answer that is due is still waited for.
    pub fn stop(&mut self) {
        self.next = None;
    }

    pub fn next_due(&self) -> Option<Duration> {
        let busy = self.waiting || self.socket.is_some();
        match self.next {
            Some(next) if !self.waiting => Some(next),
            _ => busy.then_some(self.deadline),
        }
    }

    pub fn advance(&mut self, net: &mut Net, now: Duration) {
        let Some(handle) = self.socket else {
            if self.next.is_some_and(|next| next <= now) {
                self.socket = Some(net.connect(self.target, self.port));
                self.deadline = now + self.pace.patience;
                self.next = Some(self.deadline);
                self.is_fresh = true;
            }
            return;
        };
        let socket = net.tcp(handle);
        self.read(socket, now);
        let state = socket.state();
        if matches!(state, tcp::State::SynSent) {
            if now >= self.deadline {
                self.lose(net, now);
            }
            return;
        }
        let is_gone = matches!(state, tcp::State::Closed | tcp::State::CloseWait);
        if is_gone || self.is_confused {
            self.lose(net, now);
        } else if self.waiting {
            if now >= self.deadline {
                self.lose(net, now);
            }
        } else if self.next.is_none() {
            self.socket = None;
            net.abort(handle);
        } else if self.is_fresh || self.next <= Some(now) {
            self.send(net.tcp(handle), now);
        }
    }

    fn send(&mut self, socket: &mut tcp::Socket, now: Duration) {
        let line = format!("{}\n", self.writes.sent + 1);
        if socket.send_slice(line.as_bytes()) == Ok(line.len()) {
            self.writes.sent += 1;
            self.waiting = true;
            self.is_fresh = false;
            self.deadline = now + self.pace.patience;
            self.next = Some(now + self.pace.interval);
        }
    }

    fn read(&mut self, socket: &mut tcp::Socket, now: Duration) {
        let mut bytes = [0; 256];
        while let Ok(length @ 1..) = socket.recv_slice(&mut bytes) {
            self.text.extend_from_slice(&bytes[..length]);
        }
        while let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.text.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]).into_owned();
            if self.waiting && line == format!("ok {}", self.writes.sent) {
                self.waiting = false;
                self.writes.acknowledged.push((self.writes.sent, now));
            } else {
                self.writes.garbled.push(line);
                self.is_confused = true;
            }
        }
    }

    fn lose(&mut self, net: &mut Net, now: Duration) {
        if let Some(handle) = self.socket.take() {
            net.abort(handle);
        }
        self.writes.losses.push(now);
        self.waiting = false;
        self.is_confused = false;
        self.text.clear();
        if self.next.is_some() {
            self.next = Some(now + self.pace.interval);
        }
    }
}
