//! QEMU's sockets and its migrations, from our side.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::vm::Error;
use crate::vm::qmp::Qmp;

/// QEMU connects to its sockets before anything else.
pub const START: Duration = Duration::from_secs(30);

/// A socket that QEMU will connect to.
pub fn listen(path: &Path) -> Result<UnixListener, Error> {
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).map_err(|e| Error::io("listening on", path, &e))?;
    listener
        .set_nonblocking(true)
        .map_err(|e| Error::io("listening on", path, &e))?;
    Ok(listener)
}

/// QEMU's connection, unless it has ended before.
pub fn accept(listener: &UnixListener, child: &mut Child) -> Result<UnixStream, Error> {
    let failed = |e: std::io::Error| Error::Environment(format!("waiting for QEMU: {e}"));
    let start = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).map_err(failed)?;
                return Ok(stream);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(failed(error)),
        }
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Err(Error::Environment(format!("it ended with {status}")));
        }
        if start.elapsed() > START {
            return Err(Error::Environment("it did not open its sockets".into()));
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// RAM that lies in a file stays there in a migration.
pub fn ignore_shared(qmp: &Qmp) -> Result<(), Error> {
    let on = json!({ "capabilities": [{ "capability": "x-ignore-shared", "state": true }] });
    qmp.execute("migrate-set-capabilities", &on).map(drop)
}

/// A state's file as a migration's end.
pub fn uri(state: &Path) -> String {
    format!("file:{}", state.display())
}

/// Waits for the end of a migration in either direction.
pub fn migrated(qmp: &Qmp) -> Result<(), Error> {
    let start = Instant::now();
    loop {
        let answer = qmp.execute("query-migrate", &json!({}))?;
        match answer["status"].as_str() {
            Some("completed") => return Ok(()),
            Some("failed" | "cancelled") => {
                return Err(Error::Environment(format!("QEMU's state: {answer}")));
            }
            _ if start.elapsed() > 4 * START => {
                return Err(Error::Environment(format!(
                    "QEMU's state is still not there: {answer}"
                )));
            }
            _ => thread::sleep(Duration::from_millis(5)),
        }
    }
}
