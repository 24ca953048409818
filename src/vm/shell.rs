//! A root shell in a guest, over a virtio-serial port: no network, no login.
//! The other end is `vm-tests/guest/shell.pl`.

mod frame;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use frame::{Frame, Parser};

use crate::vm::{Error, locked};

/// One request of a push or pull, bytes.
const CHUNK: usize = 1 << 20;

/// What a request may take beyond the command's own time: the guest kills at
/// the deadline, and two seconds later for good.
const GRACE: Duration = Duration::from_secs(10);

/// A ping is repeated after that long: the guest may have been reset.
const PING: Duration = Duration::from_secs(2);

/// The port's name in the guest: /dev/virtio-ports/….
pub const PORT: &str = "hapkg.shell";

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status; 128 + number for a signal, 127 where there is no such program.
    pub status: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Output {
    /// Whether it ended with status 0.
    pub fn success(&self) -> bool {
        self.status == 0
    }

    /// stdout as text, without the last line's end.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().into()
    }

    /// stderr as text, without the last line's end.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim_end().into()
    }
}

/// Which boot answered, and how long that has lasted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// /proc/sys/kernel/random/boot_id.
    pub id: String,
    /// Time that the guest ran, without what it was stopped.
    pub up: Duration,
}

/// A handle; clones share the machine, over every boot of it. All durations
/// are those of a machine under KVM: they are stretched by its accelerator's
/// scale.
#[derive(Debug, Clone)]
pub struct Shell {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    scale: f64,
    number: AtomicU32,
    line: Mutex<Option<Arc<Line>>>,
}

/// The connection to one QEMU.
#[derive(Debug)]
struct Line {
    stream: UnixStream,
    /// A thread of its own writes, as a guest that is frozen does not read.
    outgoing: Mutex<Sender<Vec<u8>>>,
    waiting: Mutex<HashMap<u32, Sender<Frame>>>,
    open: AtomicBool,
    /// When the guest was heard last; `None` since its power-on or reset.
    heard: Mutex<Option<SystemTime>>,
}

impl Shell {
    /// A shell that has no machine yet. `name` is for messages.
    pub(super) fn new(name: &str, scale: f64) -> Shell {
        Shell {
            inner: Arc::new(Inner {
                name: name.into(),
                scale,
                number: AtomicU32::new(0),
                line: Mutex::new(None),
            }),
        }
    }

    /// Speaks to a new QEMU from now on.
    pub(super) fn attach(&self, stream: UnixStream) -> Result<(), Error> {
        let line = Line::open(stream).map_err(|e| {
            Error::Environment(format!("the shell's port of {}: {e}", self.inner.name))
        })?;
        *locked(&self.inner.line) = Some(line);
        Ok(())
    }

    /// Runs a command as root in /root; none of its processes may outlive it
    /// but those that left its process group. 32 MiB of each stream are kept.
    ///
    /// # Errors
    /// `Timeout`: it was killed, or the guest does not answer; `Off`.
    pub fn run(&self, argv: &[&str], timeout: Duration) -> Result<Output, Error> {
        self.feed(argv, b"", timeout)
    }

    /// As [`Shell::run`], a POSIX shell script.
    ///
    /// # Errors
    /// As [`Shell::run`].
    pub fn script(&self, script: &str, timeout: Duration) -> Result<Output, Error> {
        self.feed(&["/bin/sh", "-c", script], b"", timeout)
    }

    /// As [`Shell::run`], with `input` on stdin, at most 60 MiB.
    ///
    /// # Errors
    /// As [`Shell::run`].
    pub fn feed(&self, argv: &[&str], input: &[u8], timeout: Duration) -> Result<Output, Error> {
        let real = self.stretched(timeout);
        let milliseconds = real.as_millis().to_string();
        let mut fields = vec![milliseconds.as_bytes(), input];
        fields.extend(argv.iter().map(|word| word.as_bytes()));
        let answer = self.ask(b'x', &fields, real + GRACE)?;
        let [status, late, stdout, stderr] = answer.as_slice() else {
            return Err(self.nonsense());
        };
        if late.as_slice() == b"1" {
            return Err(Error::Timeout(format!(
                "{}: `{}` did not end in {real:?}: {}",
                self.inner.name,
                argv.join(" "),
                String::from_utf8_lossy(stderr).trim_end()
            )));
        }
        Ok(Output {
            status: number(status).ok_or_else(|| self.nonsense())?,
            stdout: stdout.clone(),
            stderr: stderr.clone(),
        })
    }

    /// stdout of a script that has to succeed.
    ///
    /// # Errors
    /// `Guest` with both streams where the status is not 0; else as [`Shell::run`].
    pub fn succeed(&self, script: &str, timeout: Duration) -> Result<String, Error> {
        let output = self.script(script, timeout)?;
        if output.success() {
            return Ok(output.text());
        }
        Err(Error::Guest(format!(
            "{}: `{script}` ended with {}\n{}\n{}",
            self.inner.name,
            output.status,
            output.text(),
            output.errors()
        )))
    }

    /// Writes a file, making its directories. It is in place piece by piece.
    ///
    /// # Errors
    /// `Guest`: it cannot be written; else as [`Shell::run`].
    pub fn push(&self, data: &[u8], path: &str, mode: u32) -> Result<(), Error> {
        let mode = format!("{mode:o}");
        let mut rest = data;
        let mut append: &[u8] = b"";
        loop {
            let (now, later) = rest.split_at(rest.len().min(CHUNK));
            let fields = [path.as_bytes(), mode.as_bytes(), append, now];
            self.ask(b'w', &fields, self.stretched(Duration::from_secs(30)))?;
            if later.is_empty() {
                return Ok(());
            }
            (rest, append) = (later, b"1");
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// `Guest`: it cannot be read; else as [`Shell::run`].
    pub fn pull(&self, path: &str) -> Result<Vec<u8>, Error> {
        let mut data = Vec::new();
        loop {
            let (offset, size) = (data.len().to_string(), CHUNK.to_string());
            let fields = [path.as_bytes(), offset.as_bytes(), size.as_bytes()];
            let answer = self.ask(b'g', &fields, self.stretched(Duration::from_secs(30)))?;
            let [piece, end] = answer.as_slice() else {
                return Err(self.nonsense());
            };
            data.extend_from_slice(piece);
            if end.as_slice() == b"1" {
                return Ok(data);
            }
        }
    }

    /// Reads small files, as those of proc(5), with no process started for it;
    /// empty where one cannot be read.
    ///
    /// # Errors
    /// `Timeout`; `Off`.
    pub fn files(&self, paths: &[&str], patience: Duration) -> Result<Vec<Vec<u8>>, Error> {
        let fields: Vec<&[u8]> = paths.iter().map(|path| path.as_bytes()).collect();
        let answer = self.ask(b'l', &fields, self.stretched(patience))?;
        match answer.len() == paths.len() {
            true => Ok(answer),
            false => Err(self.nonsense()),
        }
    }

    /// Which boot answers.
    ///
    /// # Errors
    /// `Timeout`; `Off`.
    pub fn ping(&self, patience: Duration) -> Result<Boot, Error> {
        self.ping_within(self.stretched(patience))
    }

    /// Waits until the shell answers: a boot's end, as far as it concerns us.
    ///
    /// # Errors
    /// `Timeout`; `Off`: the machine has lost its power.
    pub fn wait(&self, patience: Duration) -> Result<Boot, Error> {
        let end = Instant::now() + self.stretched(patience);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.ping_within(left.min(PING)) {
                Err(Error::Timeout(_)) if left > PING => {}
                // A greeting of a new boot; only a closed line is final.
                Err(Error::Off(_)) if self.connected() && !left.is_zero() => {}
                other => return other,
            }
        }
    }

    /// Whether the guest was heard since its power-on or reset: one that boots
    /// can be asked, but answers only when it is up.
    pub fn is_up(&self) -> bool {
        let line = locked(&self.inner.line).clone();
        line.is_some_and(|line| line.open.load(Ordering::Acquire) && locked(&line.heard).is_some())
    }

    /// The guest was reset at that time; what it was asked before is lost.
    pub(super) fn was_reset(&self, at: SystemTime) {
        let Some(line) = locked(&self.inner.line).clone() else {
            return;
        };
        let mut heard = locked(&line.heard);
        if heard.is_some_and(|heard| heard < at) {
            *heard = None;
            locked(&line.waiting).clear();
        }
    }

    /// Waits until systemd has started everything; `running`, or `degraded`
    /// where a unit failed (systemctl(1), is-system-running).
    ///
    /// # Errors
    /// As [`Shell::run`].
    pub fn wait_booted(&self, patience: Duration) -> Result<String, Error> {
        let argv = ["systemctl", "is-system-running", "--wait"];
        Ok(self.run(&argv, patience)?.text())
    }

    /// After a fork: sets the guest's clock to the host's and gives it random
    /// state of its own.
    pub(super) fn resume(&self) -> Result<(), Error> {
        let mut seed = [0; 64];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut seed))
            .map_err(|e| Error::Environment(format!("reading /dev/urandom: {e}")))?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let (seconds, rest) = (now.as_secs().to_string(), now.subsec_nanos().to_string());
        let fields: [&[u8]; 3] = [seconds.as_bytes(), rest.as_bytes(), &seed];
        self.ask(b's', &fields, self.stretched(Duration::from_secs(20)))
            .map(drop)
    }

    fn ping_within(&self, patience: Duration) -> Result<Boot, Error> {
        let answer = self.ask(b'p', &[], patience)?;
        let [id, up] = answer.as_slice() else {
            return Err(self.nonsense());
        };
        let up: f64 = number(up).ok_or_else(|| self.nonsense())?;
        Ok(Boot {
            id: String::from_utf8_lossy(id).into(),
            up: Duration::try_from_secs_f64(up).unwrap_or_default(),
        })
    }

    /// The fields of the answer to one request.
    fn ask(&self, kind: u8, fields: &[&[u8]], patience: Duration) -> Result<Vec<Vec<u8>>, Error> {
        let name = &self.inner.name;
        let off = |how: &str| Error::Off(format!("{name} {how}"));
        let line = locked(&self.inner.line)
            .clone()
            .filter(|line| line.open.load(Ordering::Acquire))
            .ok_or_else(|| off("is off"))?;
        let id = self.inner.number.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, answer) = mpsc::channel();
        locked(&line.waiting).insert(id, sender);
        let frame = Frame::new(id, kind, fields).encoded();
        let sent = locked(&line.outgoing).send(frame);
        // The line may have closed between the look at it and the insertion.
        if sent.is_err() || !line.open.load(Ordering::Acquire) {
            locked(&line.waiting).remove(&id);
            return Err(off("lost its power"));
        }
        let got = answer.recv_timeout(patience);
        locked(&line.waiting).remove(&id);
        match got {
            Ok(frame) if frame.kind == b'e' => Err(Error::Guest(format!(
                "{name}: {}",
                String::from_utf8_lossy(frame.fields.first().map_or(b"", Vec::as_slice)).trim_end()
            ))),
            Ok(frame) => Ok(frame.fields),
            Err(RecvTimeoutError::Timeout) => Err(Error::Timeout(format!(
                "{name} did not answer in {patience:?}"
            ))),
            Err(RecvTimeoutError::Disconnected) if line.open.load(Ordering::Acquire) => {
                Err(off("booted anew meanwhile"))
            }
            Err(RecvTimeoutError::Disconnected) => Err(off("lost its power")),
        }
    }

    fn connected(&self) -> bool {
        locked(&self.inner.line)
            .as_ref()
            .is_some_and(|line| line.open.load(Ordering::Acquire))
    }

    fn stretched(&self, time: Duration) -> Duration {
        time.mul_f64(self.inner.scale)
    }

    fn nonsense(&self) -> Error {
        Error::Environment(format!(
            "{}: the shell's answer makes no sense",
            self.inner.name
        ))
    }
}

impl Line {
    fn open(stream: UnixStream) -> std::io::Result<Arc<Line>> {
        let (mut reader, mut writer) = (stream.try_clone()?, stream.try_clone()?);
        let (outgoing, frames) = mpsc::channel::<Vec<u8>>();
        let line = Arc::new(Line {
            stream,
            outgoing: Mutex::new(outgoing),
            waiting: Mutex::default(),
            open: AtomicBool::new(true),
            heard: Mutex::default(),
        });
        thread::spawn(move || {
            for frame in frames {
                if writer.write_all(&frame).is_err() {
                    break;
                }
            }
        });
        // Weak: the last handle's end closes the stream, and with it the thread.
        let weak = Arc::downgrade(&line);
        thread::spawn(move || {
            let mut parser = Parser::default();
            let mut chunk = vec![0; 1 << 16];
            while let Ok(count) = reader.read(&mut chunk)
                && count > 0
                && let Some(line) = weak.upgrade()
            {
                parser.add(&chunk[..count]);
                while let Some(frame) = parser.next() {
                    line.take(frame);
                }
            }
            if let Some(line) = weak.upgrade() {
                line.open.store(false, Ordering::Release);
                locked(&line.waiting).clear();
            }
        });
        Ok(line)
    }

    fn take(&self, frame: Frame) {
        *locked(&self.heard) = Some(SystemTime::now());
        let mut waiting = locked(&self.waiting);
        if frame.kind == b'h' {
            // A new boot: nobody will answer what the old one was asked.
            waiting.clear();
        } else if let Some(sender) = waiting.remove(&frame.id) {
            let _ = sender.send(frame);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
