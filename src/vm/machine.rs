//! One virtual machine: its power, links, disks, shell and console.

mod args;
mod console;
mod disk;
mod qemu;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

pub use console::{Alarm, Sign, alarms, sign};
pub use disk::{Disk, Format};
pub(super) use disk::{moved, overlay, whole_copy};

use crate::vm::accelerator::Accelerator;
use crate::vm::owner::Owner;
use crate::vm::qmp::Qmp;
use crate::vm::shell::Shell;
use crate::vm::{Error, locked};
use qemu::{START, accept, ignore_shared, listen, migrated, uri};

/// Between the end of QEMU's sockets and its own, before the stretch.
const ENDING: Duration = Duration::from_secs(1);

/// What the emulated i6300esb watchdog does when nobody strokes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Watchdog {
    Reset,
    Poweroff,
}

/// A network card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// Unique in the machine.
    pub id: String,
    /// As `52:54:00:…`.
    pub mac: String,
    /// Where somebody listens: frames with a big-endian u32 length each.
    pub socket: PathBuf,
}

/// What a machine is made of; a fork is started with the same as its template.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub name: String,
    pub kernel: PathBuf,
    pub initrd: Option<PathBuf>,
    /// The kernel's command line, beside root and console.
    pub append: String,
    pub accelerator: Accelerator,
    /// MiB.
    pub memory: u32,
    pub watchdog: Watchdog,
    /// The first one holds the root filesystem.
    pub disks: Vec<Disk>,
    pub nics: Vec<Nic>,
}

/// Where a machine's RAM is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory<'a> {
    /// Nowhere but in QEMU.
    Own,
    /// In a file that becomes part of a template.
    Shared(&'a Path),
    /// In a template's file, copied page by page when written.
    Forked(&'a Path),
}

/// A handle; clones share the machine. Its processes end with the [`Owner`].
#[derive(Debug, Clone)]
pub struct Machine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    owner: Arc<Owner>,
    dir: PathBuf,
    config: Config,
    /// Whether its RAM lies in a file from the first power-on.
    template: bool,
    shell: Shell,
    qemu: Mutex<Option<Qemu>>,
    /// What the host did to it.
    fault: Mutex<Option<String>>,
}

#[derive(Debug)]
struct Qemu {
    child: Child,
    qmp: Arc<Qmp>,
}

impl Machine {
    /// A machine without power. `dir` is made; sockets, console and, with
    /// `template`, RAM lie there.
    pub(super) fn new(
        owner: &Arc<Owner>,
        dir: PathBuf,
        config: Config,
        template: bool,
    ) -> Result<Machine, Error> {
        fs::create_dir_all(&dir).map_err(|e| Error::io("making", &dir, &e))?;
        let shell = Shell::new(&config.name, config.accelerator.scale);
        Ok(Machine {
            inner: Arc::new(Inner {
                owner: Arc::clone(owner),
                dir,
                config,
                template,
                shell,
                qemu: Mutex::new(None),
                fault: Mutex::new(None),
            }),
        })
    }

    pub fn name(&self) -> &str {
        &self.inner.config.name
    }

    /// What it is made of.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Its root shell, over every boot.
    pub fn shell(&self) -> Shell {
        self.inner.shell.clone()
    }

    /// Whether it has power: QEMU lives.
    pub fn is_on(&self) -> bool {
        self.running(&mut self.lock())
    }

    /// What this host did to it that says nothing of the guest: QEMU crashed or
    /// was killed, or had no room for a write and stopped the guest. Such a one
    /// is switched off, so that nobody waits for it any more.
    pub fn host_fault(&self) -> Option<String> {
        let name = self.name();
        if self.is_on() {
            match self.execute("query-status", &json!({})) {
                Ok(status) if status["status"] == "io-error" => {
                    let text = format!("this host has no room left for the disks of {name}");
                    *locked(&self.inner.fault) = Some(text);
                    let _ = self.power_off();
                }
                Ok(_) => {}
                // Its sockets close before its end can be waited for.
                Err(_) => drop(self.wait_off(ENDING)),
            }
        }
        locked(&self.inner.fault).clone()
    }

    /// Gives it power; nothing where it has. Returns before the guest is up:
    /// see [`Shell::wait`].
    ///
    /// # Errors
    /// `Environment`: QEMU does not start.
    pub fn power_on(&self) -> Result<(), Error> {
        let mut qemu = self.lock();
        if self.running(&mut qemu) {
            return Ok(());
        }
        let ram = self.inner.dir.join("ram");
        let memory = if self.inner.template {
            // Another file: what is left in the old one is no power-on state.
            let _ = fs::remove_file(&ram);
            Memory::Shared(&ram)
        } else {
            Memory::Own
        };
        *qemu = Some(self.start(memory, false)?);
        Ok(())
    }

    /// Starts from a template's RAM and device state; it stays stopped until
    /// [`Machine::thaw`].
    pub(super) fn incoming(&self, ram: &Path, state: &Path) -> Result<(), Error> {
        let mut qemu = self.lock();
        let started = self.start(Memory::Forked(ram), true)?;
        let qmp = Arc::clone(&started.qmp);
        *qemu = Some(started);
        drop(qemu);
        ignore_shared(&qmp)?;
        qmp.execute("migrate-incoming", &json!({ "uri": uri(state) }))?;
        migrated(&qmp)
    }

    /// Writes the device state of a stopped machine; its RAM stays where it
    /// is, and QEMU ends.
    pub(super) fn save(&self, state: &Path) -> Result<(), Error> {
        let qmp = self.qmp()?;
        ignore_shared(&qmp)?;
        qmp.execute("migrate", &json!({ "uri": uri(state) }))?;
        migrated(&qmp)?;
        qmp.execute("quit", &json!({}))?;
        self.wait_off(START)
    }

    /// Takes its power away at once, as a pulled plug does.
    ///
    /// # Errors
    /// `Environment`: QEMU cannot be killed.
    pub fn power_off(&self) -> Result<(), Error> {
        let Some(mut qemu) = self.lock().take() else {
            return Ok(());
        };
        qemu.child
            .kill()
            .and_then(|()| qemu.child.wait())
            .map(drop)
            .map_err(|e| Error::program("kill", &e))
    }

    /// Resets it, as its button does.
    ///
    /// # Errors
    /// `Off`.
    pub fn reset(&self) -> Result<(), Error> {
        self.execute("system_reset", &json!({})).map(drop)
    }

    /// Presses the power button: ACPI, the guest may shut down.
    ///
    /// # Errors
    /// `Off`.
    pub fn press_power(&self) -> Result<(), Error> {
        self.execute("system_powerdown", &json!({})).map(drop)
    }

    /// Stops the machine; its own time stands.
    ///
    /// # Errors
    /// `Off`.
    pub fn freeze(&self) -> Result<(), Error> {
        self.execute("stop", &json!({})).map(drop)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// `Off`.
    pub fn thaw(&self) -> Result<(), Error> {
        self.execute("cont", &json!({})).map(drop)
    }

    /// The carrier of a network card.
    ///
    /// # Errors
    /// `Off`; `Environment`: no card of that id.
    pub fn link(&self, id: &str, up: bool) -> Result<(), Error> {
        self.execute("set_link", &json!({ "name": id, "up": up }))
            .map(drop)
    }

    /// Any QMP command.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn execute(&self, command: &str, arguments: &Value) -> Result<Value, Error> {
        let qmp = self.qmp()?;
        let result = qmp.execute(command, arguments);
        if let Some(at) = qmp.last("RESET") {
            self.inner.shell.was_reset(at);
        }
        result
    }

    /// Waits until QEMU has ended, the guest having shut down. `patience` is
    /// stretched by the accelerator's scale.
    ///
    /// # Errors
    /// `Timeout`.
    pub fn wait_off(&self, patience: Duration) -> Result<(), Error> {
        let patience = patience.mul_f64(self.inner.config.accelerator.scale);
        let start = Instant::now();
        while self.is_on() {
            if start.elapsed() > patience {
                return Err(Error::Timeout(format!(
                    "{} still has power after {patience:?}",
                    self.name()
                )));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Everything that its serial console said, over all boots.
    ///
    /// # Errors
    /// `Environment`: the log cannot be read.
    pub fn console(&self) -> Result<String, Error> {
        let path = self.inner.dir.join("console");
        match fs::read(&path) {
            Ok(data) => Ok(String::from_utf8_lossy(&data).into()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(Error::io("reading", &path, &error)),
        }
    }

    /// The console's lines that tell of a broken kernel.
    ///
    /// # Errors
    /// As [`Machine::console`].
    pub fn alarms(&self) -> Result<Vec<Alarm>, Error> {
        Ok(alarms(&self.console()?))
    }

    /// Its directory in the run.
    pub(super) fn dir(&self) -> &Path {
        &self.inner.dir
    }

    fn qmp(&self) -> Result<Arc<Qmp>, Error> {
        let mut qemu = self.lock();
        let on = self.running(&mut qemu);
        qemu.as_ref()
            .filter(|_| on)
            .map(|qemu| Arc::clone(&qemu.qmp))
            .ok_or_else(|| Error::Off(format!("{} is off", self.name())))
    }

    fn start(&self, memory: Memory, incoming: bool) -> Result<Qemu, Error> {
        let (dir, config) = (&self.inner.dir, &self.inner.config);
        let (monitor, port) = (listen(&dir.join("qmp"))?, listen(&dir.join("shell"))?);
        let errors = dir.join("qemu.err");
        let stderr = fs::File::create(&errors).map_err(|e| Error::io("making", &errors, &e))?;
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(args::machine(config, dir, memory, incoming))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        let mut child = self.inner.owner.spawn(&mut command)?;
        let started = accept(&monitor, &mut child).and_then(|monitor| {
            let port = accept(&port, &mut child)?;
            self.inner.shell.attach(port)?;
            Qmp::over(monitor)
        });
        match started {
            Ok(qmp) => Ok(Qemu {
                child,
                qmp: Arc::new(qmp),
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                let said = fs::read_to_string(&errors).unwrap_or_default();
                Err(Error::Environment(format!(
                    "QEMU did not start {}: {error}\n{}",
                    config.name,
                    said.trim_end()
                )))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Qemu>> {
        locked(&self.inner.qemu)
    }

    /// Whether QEMU lives; a dead one is forgotten, but not how it died.
    fn running(&self, qemu: &mut Option<Qemu>) -> bool {
        let end = match qemu.as_mut().map(|qemu| qemu.child.try_wait()) {
            Some(Ok(None)) => return true,
            Some(Ok(end)) => end,
            Some(Err(_)) | None => None,
        };
        *qemu = None;
        if let Some(end) = end.filter(|end| !end.success()) {
            let mut text = format!("the QEMU of {} ended with {end}", self.name());
            if end.signal() == Some(Signal::SIGBUS as i32) {
                text += ": this host has no room left for its memory";
            }
            *locked(&self.inner.fault) = Some(text);
        }
        false
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let qemu = self.qemu.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut qemu) = qemu.take() {
            let _ = qemu.child.kill();
            let _ = qemu.child.wait();
        }
    }
}
