//! What the switch's thread and its handle share.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant, SystemTime};

use super::frame::Frame;
use super::link::Link;
use super::pcap::Pcap;
use super::rule::{Rule, Verdict};

/// Frames that a delay may hold at a time.
const HELD: usize = 1 << 16;

/// Frames of one direction between two ports since the switch began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Given to the receiving port.
    pub forwarded: u64,
    pub blocked: u64,
    /// Lost by a rule.
    pub lost: u64,
    /// Delayed by a rule; forwarded later.
    pub held: u64,
    /// Dropped because the receiver did not read.
    pub overflowed: u64,
    /// Dropped because nobody was connected.
    pub absent: u64,
}

/// From, to.
pub type Direction = (usize, usize);

#[derive(Debug)]
pub enum Arrival {
    Listener(usize, UnixListener),
    Attached(usize, Link),
}

#[derive(Debug, Default)]
pub struct State {
    pub names: Vec<String>,
    pub received: Vec<u64>,
    pub connected: Vec<bool>,
    pub rules: BTreeMap<Direction, Rule>,
    pub traffic: BTreeMap<Direction, Traffic>,
    pub arrivals: Vec<Arrival>,
    pub stopping: bool,
    held: BTreeMap<(Instant, u64), (Direction, Frame)>,
    numbered: u64,
    capture: Option<Pcap<BufWriter<File>>>,
    capture_error: Option<io::Error>,
}

impl State {
    /// Judges a frame's way in one direction; true: deliver it now.
    pub fn admit(&mut self, direction: Direction, frame: &Frame, now: Instant) -> bool {
        let verdict = self
            .rules
            .get_mut(&direction)
            .map_or(Verdict::Forward, Rule::judge);
        let traffic = self.traffic.entry(direction).or_default();
        match verdict {
            Verdict::Forward => return true,
            Verdict::Block => traffic.blocked += 1,
            Verdict::Lose => traffic.lost += 1,
            Verdict::Hold(_) if self.held.len() >= HELD => traffic.overflowed += 1,
            Verdict::Hold(delay) => {
                traffic.held += 1;
                self.numbered += 1;
                let due = (now + delay, self.numbered);
                self.held.insert(due, (direction, frame.clone()));
            }
        }
        false
    }

    /// The frames whose delay is over, in their order.
    pub fn due(&mut self, now: Instant) -> Vec<(Direction, Frame)> {
        let later = self.held.split_off(&(now, u64::MAX));
        std::mem::replace(&mut self.held, later)
            .into_values()
            .collect()
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.held.keys().next().map(|(due, _)| *due)
    }

    /// Lets go at once of what was held on the way of `which`, so that later
    /// frames do not overtake it.
    pub fn release(&mut self, now: Instant, which: impl Fn(Direction) -> bool) {
        let held = std::mem::take(&mut self.held);
        self.held = held
            .into_iter()
            .map(|((due, number), (direction, frame))| {
                let due = if which(direction) { due.min(now) } else { due };
                ((due, number), (direction, frame))
            })
            .collect();
    }

    pub fn capture(&mut self, frame: &Frame) {
        let Some(pcap) = &mut self.capture else {
            return;
        };
        let time = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        if let Err(error) = pcap.write(time, frame.ethernet()) {
            self.capture = None;
            self.capture_error = Some(error);
        }
    }

    pub fn start_capture(&mut self, file: File) -> io::Result<()> {
        self.stop_capture()?;
        self.capture = Some(Pcap::new(BufWriter::new(file))?);
        Ok(())
    }

    pub fn stop_capture(&mut self) -> io::Result<()> {
        if let Some(error) = self.capture_error.take() {
            return Err(error);
        }
        match self.capture.take() {
            Some(pcap) => pcap.finish().map(drop),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delayed_frames_come_when_due_and_in_their_order() {
        let (mut state, now) = (State::default(), Instant::now());
        let slow = Rule {
            delay: Duration::from_millis(30),
            ..Rule::default()
        };
        let quick = Rule {
            delay: Duration::from_millis(10),
            ..Rule::default()
        };
        state.rules.insert((0, 1), slow);
        state.rules.insert((2, 1), quick);
        for (from, mark) in [(0, 1), (0, 2), (2, 3)] {
            assert!(!state.admit((from, 1), &Frame::new(&[mark; 14]), now));
        }
        let mut marks_at = |milliseconds| -> Vec<u8> {
            state
                .due(now + Duration::from_millis(milliseconds))
                .iter()
                .map(|(_, frame)| frame.ethernet()[0])
                .collect()
        };
        assert!(marks_at(9).is_empty());
        assert_eq!(marks_at(29), [3]);
        assert_eq!(marks_at(30), [1, 2]);
        assert_eq!(state.next_due(), None);
    }
}
