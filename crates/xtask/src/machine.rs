//! A throw-away system under test: a chroot trial with our repository in it,
//! and a log of everything that was done there.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use hapkg::chroot::{Base, Network, Trial};

use crate::pty::Terminal;
use crate::stop::{During, Stop};

/// How long a frontend may take for its next prompt: a package may be
/// configured between two of them, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

const SOURCES: &str = "/etc/apt/sources.list.d/hapkg.sources";
const KEYRING: &str = "/etc/apt/keyrings/hapkg.gpg";

/// Only our own source is read again, and the others' lists stay.
pub const UPDATE: &str = "apt-get update -q -o Dir::Etc::SourceList=/etc/apt/sources.list.d/hapkg.sources -o Dir::Etc::SourceParts=- -o APT::Get::List-Cleanup=0 -o APT::Update::Error-Mode=any";

/// Services asked for, one line a call; policy-rc.d(8) refuses them all.
const POLICY: &str = "#!/bin/sh\necho \"$@\" >>/run/asked-services\nexit 101\n";

/// A system under test.
pub struct Machine {
    trial: Trial,
    network: Network,
    log: Mutex<String>,
}

impl Machine {
    /// A fresh system on `base`. Only one that has to download needs the
    /// network.
    ///
    /// # Errors
    /// As [`Trial::new`].
    pub fn new(base: &Base, network: Network) -> Result<Machine, Stop> {
        let machine = Machine {
            trial: Trial::new(base)?,
            network,
            log: Mutex::default(),
        };
        machine
            .trial
            .write("/usr/sbin/policy-rc.d", POLICY.as_bytes(), "0755")?;
        Ok(machine)
    }

    /// Makes the repository of `dist` the one that apt knows, verified by
    /// `keyring`.
    ///
    /// # Errors
    /// `Failed`: apt refuses the repository.
    pub fn add_repository(&self, dist: &Path, suite: &str, keyring: &Path) -> Result<(), Stop> {
        let name = dist.file_name().unwrap_or_default().to_string_lossy();
        let inside = format!("/srv/{name}");
        self.trial.bind(&dist.join("apt"), &inside)?;
        let key = std::fs::read(keyring).during("reading the test keyring")?;
        self.write(KEYRING, &key)?;
        self.write(
            SOURCES,
            format!(
                "Types: deb\nURIs: file:{inside}\nSuites: {suite}\nComponents: main\nSigned-By: {KEYRING}\n"
            )
            .as_bytes(),
        )?;
        self.sh(UPDATE).map(|_| ())
    }

    /// Writes a file, 0644.
    ///
    /// # Errors
    /// As [`Trial::write`].
    pub fn write(&self, path: &str, data: &[u8]) -> Result<(), Stop> {
        Ok(self.trial.write(path, data, "0644")?)
    }

    /// Reads a file that must be there.
    ///
    /// # Errors
    /// `Failed`: there is none.
    pub fn read(&self, path: &str) -> Result<String, Stop> {
        let data = self
            .trial
            .read(path)?
            .ok_or_else(|| Stop::failed(format!("there is no {path}")))?;
        Ok(String::from_utf8_lossy(&data).into_owned())
    }

    /// Runs a shell script that must succeed; both its streams.
    ///
    /// # Errors
    /// `Failed` with the output.
    pub fn sh(&self, script: &str) -> Result<String, Stop> {
        let (success, text) = self.try_sh(script)?;
        if success {
            return Ok(text);
        }
        Err(Stop::failed(format!("`{script}` failed:\n{text}")))
    }

    /// Runs a shell script; whether it succeeded, and both its streams.
    ///
    /// # Errors
    /// It could not be run at all.
    pub fn try_sh(&self, script: &str) -> Result<(bool, String), Stop> {
        let wrapped = format!("exec 2>&1\n{script}");
        let output = self
            .trial
            .command(self.network, &["sh", "-euc", &wrapped])
            .stdin(Stdio::null())
            .output()
            .during("running unshare")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        self.note(&format!("$ {script}\n{text}[{}]", output.status));
        Ok((output.status.success(), text))
    }

    /// As [`Machine::sh`], with only the script and its status in the log.
    ///
    /// # Errors
    /// As [`Machine::sh`].
    pub fn quiet(&self, script: &str) -> Result<String, Stop> {
        let output = self
            .trial
            .command(self.network, &["sh", "-euc", script])
            .stdin(Stdio::null())
            .output()
            .during("running unshare")?;
        self.note(&format!("$ {script}\n[{}]", output.status));
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Stop::failed(format!(
            "`{script}` failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        )))
    }

    /// apt-get as a script runs it: no terminal, no question.
    ///
    /// # Errors
    /// As [`Machine::sh`].
    pub fn apt(&self, words: &str) -> Result<String, Stop> {
        self.sh(&format!(
            "DEBIAN_FRONTEND=noninteractive apt-get -q -y {words}"
        ))
    }

    /// Starts a shell script on a terminal; it ends with
    /// [`Machine::FINISHED`] and its status.
    ///
    /// # Errors
    /// As [`Terminal::start`].
    pub fn terminal(&self, script: &str) -> Result<Terminal, Stop> {
        self.note(&format!("on a terminal: $ {script}"));
        let wrapped = format!(
            "stty cols 100 rows 120 2>/dev/null || true\nstatus=0\n({script}) || status=$?\necho {} $status",
            Self::FINISHED
        );
        let command = self.trial.command(self.network, &["sh", "-uc", &wrapped]);
        Terminal::start(&command, PATIENCE)
    }

    /// What a script on a terminal ends with, before its status.
    pub const FINISHED: &str = "hapkg-script-finished";

    /// Adds to the log.
    pub fn note(&self, text: &str) {
        let mut log = self
            .log
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = writeln!(log, "{text}\n");
    }

    /// Everything that happened.
    pub fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Shows a directory of the host inside, read-only.
    ///
    /// # Errors
    /// As [`Trial::bind`].
    pub fn bind(&self, source: &Path, target: &str) -> Result<(), Stop> {
        Ok(self.trial.bind(source, target)?)
    }
}
