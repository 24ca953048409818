//! A client of the cluster in this process: it asks a virtual IP every few
//! milliseconds and writes through the service, so that an outage is a number.

mod audit;
mod engine;
mod outcome;
mod watch;
mod wire;
mod writer;

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use audit::{Audit, Writes, audit};
pub use engine::Identity;
pub use outcome::{Mac, Outage, Outcome, Probe, Question, outages, splits};
pub use watch::Pace;

use super::Error;
use super::switch::Attachment;
use engine::Engine;
use watch::Watch;
use writer::Writer;

/// An idle client looks around this often.
const IDLE: Duration = Duration::from_secs(1);

struct Shared {
    engine: Engine,
    stopping: bool,
    late: Duration,
}

/// Names a series of probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchId(usize);

/// Names a series of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterId(usize);

/// A host on one switch. Dropped, it ends its thread.
pub struct Client {
    origin: Instant,
    shared: Arc<Mutex<Shared>>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// A host at a port of a switch. Every time it tells is since `origin`.
    ///
    /// # Errors
    /// `Environment`: no thread or no socket to be had.
    pub fn new(port: Attachment, identity: Identity, origin: Instant) -> Result<Self, Error> {
        let failed = |error| Error::Environment(format!("starting a client: {error}"));
        let (wake, woken) = UnixStream::pair().map_err(failed)?;
        wake.set_nonblocking(true).map_err(failed)?;
        woken.set_nonblocking(true).map_err(failed)?;
        let shared = Arc::new(Mutex::new(Shared {
            engine: Engine::new(identity),
            stopping: false,
            late: Duration::ZERO,
        }));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("client".into())
            .spawn(move || run(port, &theirs, &woken, origin))
            .map_err(failed)?;
        Ok(Self {
            origin,
            shared,
            wake,
            thread: Some(thread),
        })
    }

    /// Begins to ask `target`.
    pub fn watch(&self, target: Ipv4Addr, question: Question, pace: Pace) -> WatchId {
        let now = self.origin.elapsed();
        let watches = &mut self.shared().engine.watches;
        let ident = watches.len() as u16;
        watches.push(Watch::new(target, question, pace, now, ident));
        self.wake();
        WatchId(watches.len() - 1)
    }

    /// Ends the asking; probes under way come to their end within the pace's
    /// patience.
    pub fn unwatch(&self, id: WatchId) {
        self.shared().engine.watches[id.0].stop();
    }

    /// The probes that came to an end so far, by their begin.
    pub fn probes(&self, id: WatchId) -> Vec<Probe> {
        self.shared().engine.watches[id.0].probes()
    }

    /// Begins to write numbered records to a port of `target`.
    pub fn write(&self, target: Ipv4Addr, port: u16, pace: Pace) -> WriterId {
        let now = self.origin.elapsed();
        let writers = &mut self.shared().engine.writers;
        writers.push(Writer::new(target, port, pace, now));
        self.wake();
        WriterId(writers.len() - 1)
    }

    /// Sends no more records.
    pub fn stop_writing(&self, id: WriterId) {
        self.shared().engine.writers[id.0].stop();
        self.wake();
    }

    /// What was written so far.
    pub fn writes(&self, id: WriterId) -> Writes {
        self.shared().engine.writers[id.0].writes.clone()
    }

    /// How late the client itself was at worst: outages are not known to less.
    pub fn lateness(&self) -> Duration {
        self.shared().late
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    fn wake(&self) {
        // A full socket wakes as well.
        let _ = (&self.wake).write(&[1]);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared().stopping = true;
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    crate::vm::locked(shared)
}

fn run(mut port: Attachment, shared: &Mutex<Shared>, mut woken: &UnixStream, origin: Instant) {
    let mut due = None;
    loop {
        let frames: Vec<_> = std::iter::from_fn(|| port.receive(Duration::ZERO)).collect();
        let now = origin.elapsed();
        let frames = {
            let mut shared = lock(shared);
            if shared.stopping {
                return;
            }
            let late = due.map_or(Duration::ZERO, |due| now.saturating_sub(due));
            shared.late = shared.late.max(late);
            for frame in frames {
                shared.engine.receive(frame, now);
            }
            let sent = shared.engine.advance(now);
            due = shared.engine.next_due(now);
            sent
        };
        for frame in frames {
            port.send(&frame);
        }
        let wait = due.map_or(IDLE, |due| due.saturating_sub(origin.elapsed()));
        port.wait(wait, Some(woken.as_fd()));
        let mut drain = [0; 64];
        while matches!(woken.read(&mut drain), Ok(length) if length == drain.len()) {}
    }
}

#[cfg(test)]
mod tests;
