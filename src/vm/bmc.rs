//! Baseboard management controllers: OpenIPMI's ipmi_sim, one a machine. It
//! speaks IPMI 2.0 over LAN; the power it switches is the machine's.

mod chassis;
mod gateway;
mod packet;
mod suites;

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use chassis::Control;
pub use chassis::{Behaviour, Call, Power};
pub use gateway::Gateway;

use crate::atomic;
use crate::vm::Error;
use crate::vm::owner::Owner;

/// The account that fence_ipmilan uses.
pub const USER: &str = "admin";
pub const PASSWORD: &str = "secret";

/// The port of IPMI over LAN.
pub const PORT: u16 = 623;

/// ipmi_sim answers within a tenth of a second of its start.
const START: Duration = Duration::from_secs(10);

/// Another process may take the port between our look at it and ipmi_sim's.
const TRIES: usize = 5;

/// A running BMC. Dropped, it is gone.
#[derive(Debug)]
pub struct Bmc {
    name: String,
    port: u16,
    simulator: Child,
    control: Control,
}

impl Bmc {
    /// Starts the BMC of a machine; its files lie in `dir`, which is made.
    ///
    /// # Errors
    /// `Environment`: ipmi_sim or perl is missing, or does not start.
    pub fn start(
        owner: &Owner,
        dir: &Path,
        name: &str,
        power: Arc<dyn Power>,
    ) -> Result<Bmc, Error> {
        fs::create_dir_all(dir).map_err(|e| Error::io("making", dir, &e))?;
        let control = Control::start(dir, power)?;
        let mut reason = String::new();
        for _ in 0..TRIES {
            let port = free_port()?;
            match simulator(owner, dir, name, port)? {
                Ok(simulator) => {
                    return Ok(Bmc {
                        name: name.into(),
                        port,
                        simulator,
                        control,
                    });
                }
                Err(said) => reason = said,
            }
        }
        Err(Error::Environment(format!(
            "ipmi_sim did not start for {name}: {reason}"
        )))
    }

    /// The machine it belongs to.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The host's UDP port on 127.0.0.1. Guests reach it by a [`Gateway`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How it treats what it is asked from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.control.behave(behaviour);
    }

    /// What was asked of the chassis so far.
    pub fn calls(&self) -> Vec<Call> {
        self.control.calls()
    }
}

impl Drop for Bmc {
    fn drop(&mut self) {
        let _ = self.simulator.kill();
        let _ = self.simulator.wait();
    }
}

fn free_port() -> Result<u16, Error> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|socket| socket.local_addr())
        .map(|address| address.port())
        .map_err(|e| Error::Environment(format!("looking for a free UDP port: {e}")))
}

/// ipmi_sim, answering; or what it said when it ended.
fn simulator(
    owner: &Owner,
    dir: &Path,
    name: &str,
    port: u16,
) -> Result<Result<Child, String>, Error> {
    let (lan, emulation, log) = (dir.join("lan.conf"), dir.join("emu.conf"), dir.join("log"));
    write(&lan, &lan_conf(dir, name, port), 0o600)?;
    write(&emulation, EMULATION, 0o600)?;
    let output = fs::File::create(&log).map_err(|e| Error::io("making", &log, &e))?;
    let errors = output
        .try_clone()
        .map_err(|e| Error::io("making", &log, &e))?;
    let mut command = Command::new("ipmi_sim");
    command
        .arg("-c")
        .arg(&lan)
        .arg("-f")
        .arg(&emulation)
        .arg("-n")
        .arg("-s")
        .arg(dir.join("state"))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    let mut child = owner.spawn(&mut command)?;
    let start = Instant::now();
    while !answers(port)? {
        let ended = !matches!(child.try_wait(), Ok(None));
        if ended || start.elapsed() > START {
            let _ = child.kill();
            let _ = child.wait();
            let said = fs::read(&log).unwrap_or_default();
            return Ok(Err(String::from_utf8_lossy(&said).trim_end().into()));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(Ok(child))
}

/// Whether a BMC answers an RMCP presence ping (ASF 2.0, 3.2.4.2).
fn answers(port: u16) -> Result<bool, Error> {
    let failed = |e: std::io::Error| Error::Environment(format!("asking ipmi_sim: {e}"));
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    socket
        .connect((Ipv4Addr::LOCALHOST, port))
        .and_then(|()| socket.set_read_timeout(Some(Duration::from_millis(50))))
        .map_err(failed)?;
    let ping = [6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, 0, 0, 0];
    let mut pong = [0; 64];
    // Refused while nobody listens.
    let got = socket.send(&ping).and_then(|_| socket.recv(&mut pong));
    Ok(matches!(got, Ok(count) if count > 8 && pong[8] == 0x40))
}

const EMULATION: &str = "\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
";

fn lan_conf(dir: &Path, name: &str, port: u16) -> String {
    let script = script_path(dir);
    let script = script.display();
    format!(
        "name \"{name}\"
set_working_mc 0x20
startlan 1
  addr 127.0.0.1 {port}
  priv_limit admin
  allowed_auths_callback none md2 md5 straight
  allowed_auths_user none md2 md5 straight
  allowed_auths_operator none md2 md5 straight
  allowed_auths_admin none md2 md5 straight
  guid {:032x}
endlan
chassis_control \"{script} 0x20\"
user 1 true \"\" \"\" user 10 none md2 md5 straight
user 2 true \"{USER}\" \"{PASSWORD}\" admin 10 none md2 md5 straight
",
        0x1ab0_0000_0000_0000_0000_0000_0000_0000_u128 + u128::from(port)
    )
}

fn script_path(dir: &Path) -> PathBuf {
    dir.join("chassis")
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    atomic::write(path, text.as_bytes(), mode).map_err(|e| Error::Environment(e.to_string()))
}
