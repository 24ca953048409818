//! A wire between machines, without a switch.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use hapkg::vm::Error;

/// The simplest wire between machines: what one sends, all others get.
pub struct Hub {
    dir: PathBuf,
    ports: Arc<Mutex<Vec<(String, UnixStream)>>>,
}

impl Hub {
    pub fn new(dir: &Path) -> Result<Hub, Error> {
        Ok(Hub {
            dir: dir.to_path_buf(),
            ports: Arc::default(),
        })
    }

    pub fn port(&self, node: &str) -> Result<PathBuf, Error> {
        let path = self.dir.join(node);
        let listener = UnixListener::bind(&path)
            .map_err(|e| Error::Environment(format!("{}: {e}", path.display())))?;
        let (ports, node) = (Arc::clone(&self.ports), node.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Ok(other) = stream.try_clone() else {
                    return;
                };
                let mut all = ports.lock().unwrap();
                all.retain(|(name, _)| *name != node);
                all.push((node.clone(), other));
                drop(all);
                relay(stream, &node, &ports);
            }
        });
        Ok(path)
    }
}

fn relay(mut stream: UnixStream, node: &str, ports: &Mutex<Vec<(String, UnixStream)>>) {
    let mut head = [0; 4];
    while stream.read_exact(&mut head).is_ok() {
        let mut frame = vec![0; usize::try_from(u32::from_be_bytes(head)).unwrap()];
        if stream.read_exact(&mut frame).is_err() {
            return;
        }
        for (name, port) in ports.lock().unwrap().iter_mut() {
            if name != node {
                let _ = port.write_all(&[&head, frame.as_slice()].concat());
            }
        }
    }
}
