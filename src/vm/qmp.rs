//! The QEMU Machine Protocol, as docs/interop/qmp-spec of QEMU describes it.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::vm::Error;

/// QEMU answers at once unless the host is starved.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection whose capabilities are negotiated. May be shared by threads.
#[derive(Debug)]
pub struct Qmp {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    stream: UnixStream,
    pending: Vec<u8>,
    /// When the last event of each name came, until somebody asked.
    events: BTreeMap<String, SystemTime>,
}

impl Qmp {
    /// Takes the greeting and negotiates on a connection that QEMU made.
    ///
    /// # Errors
    /// `Environment`: it is no QEMU, or does not answer.
    pub fn over(stream: UnixStream) -> Result<Qmp, Error> {
        let mut inner = Inner {
            stream,
            pending: Vec::new(),
            events: BTreeMap::new(),
        };
        let end = Instant::now() + PATIENCE;
        let greeting = inner.message(end)?.ok_or_else(silent)?;
        if greeting.get("QMP").is_none() {
            return Err(Error::Environment(format!(
                "no greeting of QEMU: {greeting}"
            )));
        }
        inner.execute("qmp_capabilities", &json!({}))?;
        Ok(Qmp {
            inner: Mutex::new(inner),
        })
    }

    /// What the command returns.
    ///
    /// # Errors
    /// `Off`: QEMU has ended; `Environment`: it refuses the command, or does
    /// not answer within a minute.
    pub fn execute(&self, command: &str, arguments: &Value) -> Result<Value, Error> {
        self.lock().execute(command, arguments)
    }

    /// When the last event of that name came, of those that QEMU sent before
    /// its last answer; none if it came before the last call.
    pub fn last(&self, name: &str) -> Option<SystemTime> {
        self.lock().events.remove(name)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        crate::vm::locked(&self.inner)
    }
}

impl Inner {
    fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value, Error> {
        let line = format!(
            "{}\n",
            json!({ "execute": command, "arguments": arguments })
        );
        self.stream
            .write_all(line.as_bytes())
            .map_err(|_| ended())?;
        let end = Instant::now() + PATIENCE;
        loop {
            let mut message = self.message(end)?.ok_or_else(silent)?;
            if let Some(name) = message["event"].as_str() {
                if let Some(at) = time(&message) {
                    self.events.insert(name.to_owned(), at);
                }
            } else if let Some(error) = message.get("error") {
                let text = error["desc"].as_str().unwrap_or_default();
                return Err(Error::Environment(format!(
                    "QEMU refused {command}: {text}"
                )));
            } else {
                return Ok(message["return"].take());
            }
        }
    }

    /// The next message, or none until `end`.
    fn message(&mut self, end: Instant) -> Result<Option<Value>, Error> {
        loop {
            if let Some(at) = self.pending.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=at).collect();
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(|e| Error::Environment(format!("QEMU sent no JSON: {e}")));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream
                .set_read_timeout(Some(left))
                .map_err(|e| Error::Environment(format!("waiting for QEMU: {e}")))?;
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ended()),
                Ok(count) => self.pending.extend_from_slice(&chunk[..count]),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(_) => return Err(ended()),
            }
        }
    }
}

/// An event's `timestamp`.
fn time(event: &Value) -> Option<SystemTime> {
    let stamp = &event["timestamp"];
    let seconds = Duration::from_secs(stamp["seconds"].as_u64()?);
    let rest = Duration::from_micros(stamp["microseconds"].as_u64()?);
    Some(SystemTime::UNIX_EPOCH + seconds + rest)
}

fn ended() -> Error {
    Error::Off("QEMU has ended".into())
}

fn silent() -> Error {
    Error::Environment(format!("QEMU did not answer within {PATIENCE:?}"))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;
    use std::thread;
    use std::time::{Duration, SystemTime};

    use serde_json::json;

    use super::{Error, Qmp};

    /// A QEMU that answers each command with the next of `answers`.
    fn fake(answers: &'static [&'static str]) -> UnixStream {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            theirs.write_all(b"{\"QMP\": {}}\n").unwrap();
            let mut lines = BufReader::new(theirs.try_clone().unwrap()).lines();
            lines.next();
            theirs.write_all(b"{\"return\": {}}\n").unwrap();
            for answer in answers {
                lines.next();
                // In pieces, as a socket may give them.
                for piece in answer.as_bytes().chunks(7) {
                    theirs.write_all(piece).unwrap();
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        ours
    }

    #[test]
    fn answers_are_told_from_events() {
        let qmp = Qmp::over(fake(&[
            "{\"event\": \"STOP\"}\n{\"event\": \"RESUME\"}\n{\"return\": {\"status\": \"paused\"}}\n",
        ]))
        .unwrap();
        let status = qmp.execute("query-status", &json!({})).unwrap();
        assert_eq!(status["status"], "paused");
        let gone = qmp.execute("query-status", &json!({})).unwrap_err();
        assert!(matches!(gone, Error::Off(_)), "{gone}");
    }

    #[test]
    fn the_last_event_of_a_name_is_told_once() {
        let qmp = Qmp::over(fake(&[
            "{\"event\": \"RESET\", \"timestamp\": {\"seconds\": 7, \"microseconds\": 1}}\n\
             {\"event\": \"STOP\", \"timestamp\": {\"seconds\": 8, \"microseconds\": 2}}\n\
             {\"event\": \"RESET\", \"timestamp\": {\"seconds\": 8, \"microseconds\": 2}}\n\
             {\"return\": {}}\n",
        ]))
        .unwrap();
        assert_eq!(qmp.last("RESET"), None);
        qmp.execute("query-status", &json!({})).unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(8_000_002);
        assert_eq!(qmp.last("RESET"), Some(at));
        assert_eq!(qmp.last("RESET"), None);
        assert_eq!(qmp.last("STOP"), Some(at));
    }

    #[test]
    fn a_refusal_says_what_qemu_said() {
        let qmp = Qmp::over(fake(&[
            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such device\"}}\n",
        ]));
        let error = qmp.unwrap().execute("device_del", &json!({"id": "x"}));
        assert_eq!(
            error.unwrap_err(),
            Error::Environment("QEMU refused device_del: no such device".into())
        );
    }
}
