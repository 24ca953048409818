//! The switch's thread: one poll loop over all ports.

use std::collections::HashMap;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::attachment::timeout;
use super::frame::Frame;
use super::link::Link;
use super::state::{Arrival, Direction, State};

#[derive(Debug, Default)]
struct Port {
    listener: Option<UnixListener>,
    link: Option<Link>,
}

pub struct Hub {
    state: Arc<Mutex<State>>,
    wake: UnixStream,
    ports: Vec<Port>,
    /// Where an address was seen last.
    seen: HashMap<[u8; 6], usize>,
}

pub fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    crate::vm::locked(state)
}

impl Hub {
    pub fn new(state: Arc<Mutex<State>>, wake: UnixStream) -> Self {
        Self {
            state,
            wake,
            ports: Vec::new(),
            seen: HashMap::new(),
        }
    }

    /// Until the state says stop.
    pub fn run(mut self) {
        let state = Arc::clone(&self.state);
        loop {
            let next = {
                let mut state = lock(&state);
                if state.stopping {
                    return;
                }
                self.welcome(&mut state);
                self.turn(&mut state);
                state.next_due()
            };
            self.wait(next);
        }
    }

    fn welcome(&mut self, state: &mut State) {
        for arrival in state.arrivals.drain(..) {
            let (index, listener, link) = match arrival {
                Arrival::Listener(index, listener) => (index, Some(listener), None),
                Arrival::Attached(index, link) => (index, None, Some(link)),
            };
            state.connected[index] = link.is_some();
            self.ports
                .resize_with(self.ports.len().max(index + 1), Port::default);
            self.ports[index] = Port { listener, link };
        }
    }

    fn turn(&mut self, state: &mut State) {
        let now = Instant::now();
        // Before what comes in now, which must not overtake it.
        for (direction, frame) in state.due(now) {
            self.deliver(direction, frame, state);
        }
        for index in 0..self.ports.len() {
            self.accept(index, state);
            let mut frames = Vec::new();
            let port = &mut self.ports[index];
            let alive = port.link.as_mut().is_none_or(|link| link.read(&mut frames));
            for frame in frames {
                self.switch(index, &frame, now, state);
            }
            if !alive {
                self.disconnect(index, state);
            }
        }
        for index in 0..self.ports.len() {
            let link = self.ports[index].link.as_mut();
            if !link.is_none_or(Link::flush) {
                self.disconnect(index, state);
            }
        }
    }

    /// The newest connection is the port's: a machine that was started anew
    /// may come before the end of its predecessor was seen.
    fn accept(&mut self, index: usize, state: &mut State) {
        while let Some(Ok((stream, _))) = self.ports[index]
            .listener
            .as_ref()
            .map(UnixListener::accept)
        {
            self.disconnect(index, state);
            self.ports[index].link = Link::new(stream).ok();
            state.connected[index] = self.ports[index].link.is_some();
        }
    }

    fn disconnect(&mut self, index: usize, state: &mut State) {
        self.ports[index].link = None;
        self.seen.retain(|_, port| *port != index);
        state.connected[index] = false;
    }

    fn switch(&mut self, from: usize, frame: &Frame, now: Instant, state: &mut State) {
        state.received[from] += 1;
        state.capture(frame);
        let is_group = |address: [u8; 6]| address[0] & 1 == 1;
        if !is_group(frame.source()) {
            self.seen.insert(frame.source(), from);
        }
        let targets = match self.seen.get(&frame.destination()) {
            Some(port) if !is_group(frame.destination()) => *port..*port + 1,
            _ => 0..self.ports.len(),
        };
        for to in targets.filter(|to| *to != from) {
            if state.admit((from, to), frame, now) {
                self.deliver((from, to), frame.clone(), state);
            }
        }
    }

    fn deliver(&mut self, direction: Direction, frame: Frame, state: &mut State) {
        let traffic = state.traffic.entry(direction).or_default();
        let Some(link) = &mut self.ports[direction.1].link else {
            traffic.absent += 1;
            return;
        };
        if link.push(frame) {
            traffic.forwarded += 1;
        } else {
            traffic.overflowed += 1;
        }
    }

    fn wait(&mut self, next: Option<Instant>) {
        let mut fds = vec![PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        for port in &self.ports {
            if let Some(listener) = &port.listener {
                fds.push(PollFd::new(listener.as_fd(), PollFlags::POLLIN));
            }
            if let Some(link) = &port.link {
                let mut events = PollFlags::POLLIN;
                if link.waits_to_write() {
                    events |= PollFlags::POLLOUT;
                }
                fds.push(PollFd::new(link.as_fd(), events));
            }
        }
        let limit = next.map_or(PollTimeout::NONE, |next| {
            timeout(next.saturating_duration_since(Instant::now()))
        });
        if let Err(error) = poll(&mut fds, limit)
            && error != Errno::EINTR
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut drain = [0; 64];
        while matches!(self.wake.read(&mut drain), Ok(length) if length == drain.len()) {}
    }
}
