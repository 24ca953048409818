//! The host's programs: found, run with a deadline, their output kept.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::layout::Layout;
use super::problem::Failure;

/// Directories of administration programs, whatever PATH says.
const DIRECTORIES: [&str; 4] = ["usr/sbin", "usr/bin", "sbin", "bin"];

/// Set by tests: a root that is not `/` has programs of its own that may be
/// run. Without it they are not: they would work on the running system.
const TRIAL: &str = "UBUNTU_HA_TRIAL";

const PAUSE: Duration = Duration::from_secs(1);
/// Fake daemons are quick.
const TRIAL_PAUSE: Duration = Duration::from_millis(20);

/// A host to work on: its files and its programs.
#[derive(Debug)]
pub struct Host {
    pub layout: Layout,
    trial: bool,
}

/// How a program ended.
#[derive(Debug)]
pub struct Done {
    pub success: bool,
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// The last line of what it said, for a message.
    pub fn last_words(&self) -> &str {
        let lines = self.stderr.lines().chain(self.stdout.lines());
        let mut said = lines.filter(|line| !line.trim().is_empty());
        said.next_back().map_or("it said nothing", str::trim)
    }
}

impl Host {
    pub fn new(layout: Layout) -> Self {
        let trial = std::env::var_os(TRIAL).is_some();
        Self { layout, trial }
    }

    /// A test's host, without the environment that a process would have.
    #[cfg(test)]
    pub fn of_test(layout: Layout) -> Self {
        Self {
            layout,
            trial: true,
        }
    }

    /// Whether this is a test's host, where test points are heeded.
    pub fn is_trial(&self) -> bool {
        self.trial
    }

    /// Between two looks at something that another process changes.
    pub fn pause(&self) {
        thread::sleep(if self.trial { TRIAL_PAUSE } else { PAUSE });
    }

    /// As [`Host::pause`], but twice as long as the look has taken that began
    /// at `looked`: crm_mon and its like must not keep a slow or busy node from
    /// what is waited for.
    pub fn pause_after(&self, looked: Instant) {
        let usual = if self.trial { TRIAL_PAUSE } else { PAUSE };
        let took = if self.trial {
            Duration::ZERO
        } else {
            looked.elapsed()
        };
        thread::sleep(usual.max(2 * took));
    }

    /// Where a program is; `None` where it is not installed.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let root = self.layout.root();
        if root != Path::new("/") && !self.trial {
            return None;
        }
        let mut places = DIRECTORIES.iter().map(|dir| root.join(dir).join(name));
        places.find(|path| path.is_file())
    }

    /// This host's name, as `uname -n` prints it.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn name(&self) -> Result<String, Failure> {
        let trial = std::env::var_os("UBUNTU_HA_TRIAL_NAME");
        if let Some(name) = trial.filter(|_| self.trial) {
            return Ok(name.to_string_lossy().into_owned());
        }
        let name = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
        name.map_err(|error| {
            Failure::environment(
                format!("reading the host's name: {error}"),
                "set it with hostnamectl".into(),
            )
        })
    }

    /// Runs a program to its end, without input. A secret never belongs into
    /// `args`: every user can see them.
    ///
    /// # Errors
    /// The program is missing, or did not end within `limit`; then it was
    /// killed.
    pub fn run(&self, program: &str, args: &[&str], limit: Duration) -> Result<Done, Failure> {
        self.run_with(program, args, b"", limit)
    }

    /// [`Host::run`] with `input` on standard input.
    ///
    /// # Errors
    /// Those of [`Host::run`].
    pub fn run_with(
        &self,
        program: &str,
        args: &[&str],
        input: &[u8],
        limit: Duration,
    ) -> Result<Done, Failure> {
        let path = self.program(program).ok_or_else(|| {
            Failure::environment(
                format!("the program {program} is not installed"),
                "run it on a node of the cluster, with the role's packages installed".into(),
            )
        })?;
        self.execute(Command::new(path), program, args, input, limit)
    }

    /// Runs an OCF agent, `usr/lib/ocf/resource.d/PROVIDER/TYPE`, with the
    /// environment that the standard gives it (OCF 1.1, 3.6).
    ///
    /// # Errors
    /// Those of [`Host::run`].
    pub fn run_agent(&self, agent: &str, args: &[&str], limit: Duration) -> Result<Done, Failure> {
        let mut command = Command::new(self.layout.path(agent));
        command.env("OCF_ROOT", self.layout.path("usr/lib/ocf"));
        self.execute(command, agent, args, b"", limit)
    }

    fn execute(
        &self,
        mut command: Command,
        program: &str,
        args: &[&str],
        input: &[u8],
        limit: Duration,
    ) -> Result<Done, Failure> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            Failure::environment(
                format!("{what} {program}: {error}"),
                "look at the journal".into(),
            )
        };
        command
            .args(args.iter().map(OsStr::new))
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if self.trial {
            command.env("UBUNTU_HA_ROOT", self.layout.root());
        }
        let mut child = command.spawn().map_err(|e| failed("starting", &e))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read its input is no failure.
            let _ = stdin.write_all(input);
        }
        match wait(child, limit).map_err(|e| failed("waiting for", &e))? {
            Some(output) => Ok(Done {
                success: output.status.success(),
                code: output.status.code(),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            }),
            None => Err(Failure::environment(
                format!(
                    "{program} {} did not end within {} s and was killed",
                    args.join(" "),
                    limit.as_secs()
                ),
                "look at the journal".into(),
            )),
        }
    }

    /// [`Host::run`], where anything but exit code 0 is a failure.
    ///
    /// # Errors
    /// Those of [`Host::run`], and [`Failure::Failed`] with the program's last
    /// words.
    pub fn must(&self, program: &str, args: &[&str], limit: Duration) -> Result<String, Failure> {
        let done = self.run(program, args, limit)?;
        if done.success {
            return Ok(done.stdout);
        }
        Err(Failure::failed(
            format!("{program} {}: {}", args.join(" "), done.last_words()),
            "put that right, then run the command again".into(),
        ))
    }
}

/// The output, or `None` when `limit` was over first. What a killed program's
/// children still hold open is not waited for.
fn wait(mut child: Child, limit: Duration) -> std::io::Result<Option<Output>> {
    let end = Instant::now() + limit;
    let (out, err) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let mut pause = Duration::from_millis(1);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    };
    // A daemon that the program left running may keep the pipes.
    let grace = Duration::from_millis(500);
    Ok(Some(Output {
        status,
        stdout: out.recv_timeout(grace).unwrap_or_default(),
        stderr: err.recv_timeout(grace).unwrap_or_default(),
    }))
}

fn drain(pipe: Option<impl std::io::Read + Send + 'static>) -> std::sync::mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut data = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut data);
        }
        let _ = sender.send(data);
    });
    receiver
}
