//! An Ethernet switch in this process: machines connect by QEMU's stream
//! netdev, so a partition has a direction and a capture needs no root.

mod attachment;
mod frame;
mod hub;
mod link;
mod pcap;
mod rule;
mod state;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use attachment::Attachment;
pub use rule::Loss;
pub use state::Traffic;

use super::Error;
use hub::{Hub, lock};
use link::Link;
use rule::Rule;
use state::{Arrival, Direction, State};

/// Learns addresses, forwards and floods; dropped, it ends its thread and
/// removes its sockets.
#[derive(Debug)]
pub struct Switch {
    dir: PathBuf,
    state: Arc<Mutex<State>>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
    sockets: Vec<PathBuf>,
}

impl Switch {
    /// A switch without ports, whose sockets will be in `dir`.
    ///
    /// # Errors
    /// `Environment`: no thread or no socket to be had.
    pub fn new(dir: &Path) -> Result<Self, Error> {
        let failed = |error| Error::io("starting a switch in", dir, &error);
        let (wake, woken) = UnixStream::pair().map_err(failed)?;
        wake.set_nonblocking(true).map_err(failed)?;
        woken.set_nonblocking(true).map_err(failed)?;
        let state = Arc::new(Mutex::new(State::default()));
        let hub = Hub::new(Arc::clone(&state), woken);
        let thread = std::thread::Builder::new()
            .name("switch".into())
            .spawn(|| hub.run())
            .map_err(failed)?;
        Ok(Self {
            dir: dir.to_owned(),
            state,
            wake,
            thread: Some(thread),
            sockets: Vec::new(),
        })
    }

    /// Adds a port and returns its socket, which listens already. One machine
    /// at a time: the latest connection counts.
    ///
    /// # Errors
    /// `Environment`: the name is taken, or the socket cannot be made.
    pub fn port(&mut self, name: &str) -> Result<PathBuf, Error> {
        self.refuse_taken(name)?;
        let path = self.dir.join(format!("{name}.sock"));
        let failed = |error| Error::io("listening on", &path, &error);
        let listener = UnixListener::bind(&path).map_err(failed)?;
        self.sockets.push(path.clone());
        listener.set_nonblocking(true).map_err(failed)?;
        self.add(name, |index| Arrival::Listener(index, listener));
        Ok(path)
    }

    /// Adds a port for this process.
    ///
    /// # Errors
    /// `Environment`: the name is taken, or no socket is to be had.
    pub fn attach(&mut self, name: &str) -> Result<Attachment, Error> {
        self.refuse_taken(name)?;
        let failed = |error| Error::io("attaching to the switch in", &self.dir, &error);
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let theirs = Link::new(theirs).map_err(failed)?;
        let attachment = Attachment::new(Link::new(ours).map_err(failed)?);
        self.add(name, |index| Arrival::Attached(index, theirs));
        Ok(attachment)
    }

    /// Stops every frame from one port to another; the way back stays open.
    ///
    /// # Errors
    /// `Environment`: no such port.
    pub fn block(&self, from: &str, to: &str) -> Result<(), Error> {
        self.rule(from, to, |rule| rule.blocked = true)
    }

    /// # Errors
    /// `Environment`: no such port.
    pub fn unblock(&self, from: &str, to: &str) -> Result<(), Error> {
        self.rule(from, to, |rule| rule.blocked = false)
    }

    /// Loses a share of the frames from one port to another.
    ///
    /// # Errors
    /// `Environment`: no such port.
    pub fn lose(&self, from: &str, to: &str, loss: Loss) -> Result<(), Error> {
        self.rule(from, to, |rule| rule.lose(loss))
    }

    /// Holds each frame from one port to another for `delay`, to a
    /// millisecond. What an earlier delay still holds is let go.
    ///
    /// # Errors
    /// `Environment`: no such port.
    pub fn delay(&self, from: &str, to: &str, delay: Duration) -> Result<(), Error> {
        self.rule(from, to, |rule| rule.delay = delay)?;
        let direction = self.direction(from, to)?;
        self.state()
            .release(Instant::now(), |held| held == direction);
        self.wake();
        Ok(())
    }

    /// Ends every rule; what a delay holds arrives at once.
    pub fn heal(&self) {
        let mut state = self.state();
        state.rules.clear();
        state.release(Instant::now(), |_| true);
        drop(state);
        self.wake();
    }

    /// Writes every frame that enters the switch from now on, also those that
    /// a rule stops later, to a capture file.
    ///
    /// # Errors
    /// `Environment`: the file cannot be written.
    pub fn capture(&self, path: &Path) -> Result<(), Error> {
        let failed = |error| Error::io("capturing to", path, &error);
        let file = File::create(path).map_err(failed)?;
        self.state().start_capture(file).map_err(failed)
    }

    /// Ends the capture; its file is whole then.
    ///
    /// # Errors
    /// `Environment`: something of it could not be written.
    pub fn stop_capture(&self) -> Result<(), Error> {
        let stopped = self.state().stop_capture();
        stopped.map_err(|error| Error::Environment(format!("writing the capture: {error}")))
    }

    /// The frames of one direction.
    ///
    /// # Errors
    /// `Environment`: no such port.
    pub fn traffic(&self, from: &str, to: &str) -> Result<Traffic, Error> {
        let direction = self.direction(from, to)?;
        Ok(self
            .state()
            .traffic
            .get(&direction)
            .copied()
            .unwrap_or_default())
    }

    /// How many frames came in by a port.
    ///
    /// # Errors
    /// `Environment`: no such port.
    pub fn received(&self, name: &str) -> Result<u64, Error> {
        let index = self.index(name)?;
        Ok(self.state().received[index])
    }

    /// Whether a machine is connected to a port.
    ///
    /// # Errors
    /// `Environment`: no such port.
    pub fn is_connected(&self, name: &str) -> Result<bool, Error> {
        let index = self.index(name)?;
        Ok(self.state().connected[index])
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn wake(&self) {
        // A full socket wakes as well.
        let _ = (&self.wake).write(&[1]);
    }

    fn add(&self, name: &str, arrival: impl FnOnce(usize) -> Arrival) {
        let mut state = self.state();
        let index = state.names.len();
        state.names.push(name.to_owned());
        state.received.push(0);
        state.connected.push(false);
        state.arrivals.push(arrival(index));
        drop(state);
        self.wake();
    }

    fn refuse_taken(&self, name: &str) -> Result<(), Error> {
        match self.index(name) {
            Ok(_) => Err(Error::Environment(format!(
                "the switch has a port {name} already"
            ))),
            Err(_) => Ok(()),
        }
    }

    fn index(&self, name: &str) -> Result<usize, Error> {
        let found = self.state().names.iter().position(|known| known == name);
        found.ok_or_else(|| Error::Environment(format!("the switch has no port {name}")))
    }

    fn direction(&self, from: &str, to: &str) -> Result<Direction, Error> {
        Ok((self.index(from)?, self.index(to)?))
    }

    fn rule(&self, from: &str, to: &str, change: impl FnOnce(&mut Rule)) -> Result<(), Error> {
        let direction = self.direction(from, to)?;
        change(self.state().rules.entry(direction).or_default());
        Ok(())
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.state().stopping = true;
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for socket in &self.sockets {
            let _ = fs::remove_file(socket);
        }
    }
}

#[cfg(test)]
mod tests;
