//! A port for a program in this process.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::frame::Frame;
use super::link::Link;

/// Rounded up, so that nobody wakes before the time; never longer than a minute.
pub fn timeout(until: Duration) -> PollTimeout {
    let milliseconds = until.as_micros().div_ceil(1000).min(60_000) as u16;
    PollTimeout::from(milliseconds)
}

/// Sends and receives Ethernet frames; both never block longer than asked.
#[derive(Debug)]
pub struct Attachment {
    link: Link,
    arrived: VecDeque<Frame>,
    open: bool,
}

impl Attachment {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            arrived: VecDeque::new(),
            open: true,
        }
    }

    /// Sends a frame of at least 14 bytes. False when it was dropped: the
    /// switch is gone, or too many frames wait.
    pub fn send(&mut self, ethernet: &[u8]) -> bool {
        let sent = self.open && self.link.push(Frame::new(ethernet));
        self.open = self.link.flush() && self.open;
        sent
    }

    /// The next frame, if one comes within `wait`.
    pub fn receive(&mut self, wait: Duration) -> Option<Vec<u8>> {
        let end = Instant::now() + wait;
        loop {
            if let Some(frame) = self.arrived.pop_front() {
                return Some(frame.ethernet().to_vec());
            }
            let rest = end.saturating_duration_since(Instant::now());
            self.wait(rest, None);
            if self.arrived.is_empty() && (!self.open || Instant::now() >= end) {
                return None;
            }
        }
    }

    /// Whether the switch is still there.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Waits for frames, or until `wake` can be read, and takes what came.
    pub(in crate::vm) fn wait(&mut self, at_most: Duration, wake: Option<BorrowedFd<'_>>) {
        let mut events = PollFlags::POLLIN;
        if self.link.waits_to_write() {
            events |= PollFlags::POLLOUT;
        }
        let link = if self.open {
            self.link.as_fd()
        } else {
            wake.unwrap_or(self.link.as_fd())
        };
        let mut fds = vec![PollFd::new(link, events)];
        fds.extend(wake.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        if poll(&mut fds, timeout(at_most)).is_err() || !self.open {
            return;
        }
        let mut frames = Vec::new();
        self.open = self.link.flush() && self.link.read(&mut frames);
        self.arrived.extend(frames);
    }
}
