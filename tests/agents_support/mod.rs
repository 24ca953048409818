//! A host of a test: a root directory in which the stub of Eucalyptus of
//! vm-tests/eucalyptus-stub is installed, on ports of its own.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub const OK: i32 = 0;
pub const GENERIC: i32 = 1;
pub const UNIMPLEMENTED: i32 = 3;
pub const INSTALLED: i32 = 5;
pub const CONFIGURED: i32 = 6;
pub const NOT_RUNNING: i32 = 7;

pub const AGENTS: [&str; 4] = ["eucacc", "eucaclc", "eucasc", "eucawalrus"];

pub fn agents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/agents")
}

/// The sources of the package eucalyptus-cloud-stub.
pub fn stub() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vm-tests/eucalyptus-stub")
}

/// One host; dropping it ends its processes.
pub struct Host {
    directory: tempfile::TempDir,
    cloud: u16,
    register: u16,
    cc: u16,
}

impl Host {
    /// A host on which Eucalyptus is installed and its data is mounted.
    pub fn new() -> Host {
        let host = Host::passive();
        fs::create_dir_all(host.root().join("var/lib/eucalyptus")).unwrap();
        fs::create_dir(host.directory.path().join("init.d")).unwrap();
        for name in ["eucalyptus-cloud", "eucalyptus-cc"] {
            symlink(stub().join("init"), host.script(name)).unwrap();
        }
        host
    }

    /// A host without Eucalyptus and without its data.
    pub fn passive() -> Host {
        assert!(
            Path::new("/usr/lib/ocf/lib/heartbeat/ocf-shellfuncs").exists(),
            "the environment lacks the package resource-agents"
        );
        let directory = tempfile::tempdir().unwrap();
        for name in ["root", "state", "settings"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let host = Host {
            directory,
            cloud: free_port(),
            register: free_port(),
            cc: free_port(),
        };
        host.set("root", &host.root().to_string_lossy());
        host.set("program", &stub().join("eucalyptus-stub").to_string_lossy());
        host.set("cloud-port", &host.cloud.to_string());
        host.set("register-port", &host.register.to_string());
        host.set("cc-port", &host.cc.to_string());
        host.set("patience", "1");
        host
    }

    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    pub fn script(&self, name: &str) -> PathBuf {
        self.directory.path().join("init.d").join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state/eucalyptus-cloud")
    }

    fn settings(&self) -> PathBuf {
        self.directory.path().join("settings")
    }

    /// Sets a setting or mode of the stub.
    pub fn set(&self, name: &str, value: &str) {
        fs::write(self.settings().join(name), value).unwrap();
    }

    /// Ends a mode of the stub.
    pub fn unset(&self, mode: &str) {
        fs::remove_file(self.settings().join(mode)).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap_or_default()
    }

    /// What the init scripts were asked for, one word a line.
    pub fn calls(&self) -> String {
        ["cloud", "cc"]
            .map(|name| self.read(&format!("var/run/eucalyptus-stub/eucalyptus-{name}.calls")))
            .concat()
    }

    pub fn services(&self) -> String {
        self.read("var/lib/eucalyptus/services")
    }

    pub fn command(&self, agent: &str, action: &str) -> Command {
        let daemon = match agent {
            "eucacc" => "eucalyptus-cc",
            _ => "eucalyptus-cloud",
        };
        let cloud = |page: &str| format!("http://127.0.0.1:{}/services/{page}", self.cloud);
        let mut command = Command::new(agents().join(agent));
        command
            .arg(action)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("OCF_ROOT", "/usr/lib/ocf")
            .env("OCF_RESOURCE_INSTANCE", agent)
            .env("OCF_RESOURCE_TYPE", agent)
            .env("EUCA_LIB", agents())
            .env("EUCA_PATIENCE", "2")
            .env("HA_RSCTMP", self.directory.path().join("state"))
            .env("HA_LOGFACILITY", "none")
            .env("OCF_RESKEY_root", self.root())
            .env("OCF_RESKEY_script", self.script(daemon))
            .env("OCF_RESKEY_CRM_meta_timeout", "20000")
            .env("OCF_RESKEY_CRM_meta_interval", "20000")
            .env("OCF_RESKEY_heartbeat_url", cloud("Heartbeat"))
            .env(
                "OCF_RESKEY_services_url",
                format!("http://127.0.0.1:{}/axis2/services/", self.cc),
            )
            .env(
                "OCF_RESKEY_status_url",
                match agent {
                    "eucaclc" => format!("https://127.0.0.1:{}/register", self.register),
                    "eucasc" => cloud("Storage"),
                    _ => cloud("Walrus"),
                },
            )
            .env("EUCALYPTUS_STUB", self.settings())
            .stdin(Stdio::null());
        command
    }

    /// Runs an action to its end; gives its exit code.
    pub fn run(&self, agent: &str, action: &str) -> i32 {
        code(self.command(agent, action))
    }

    /// Runs a recurring monitor of that depth.
    pub fn monitor(&self, agent: &str, depth: u32) -> i32 {
        let mut command = self.command(agent, "monitor");
        command.env("OCF_CHECK_LEVEL", depth.to_string());
        code(command)
    }

    /// Runs the monitor that asks what a node has before anything is started.
    pub fn probe(&self, agent: &str) -> i32 {
        let mut command = self.command(agent, "monitor");
        command.env("OCF_RESKEY_CRM_meta_interval", "0");
        code(command)
    }

    pub fn begin(&self, agent: &str, action: &str) -> Child {
        self.command(agent, action)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// An init script as the administrator calls it.
    pub fn by_hand(&self, name: &str, action: &str) {
        Command::new(self.script(name))
            .arg(action)
            .env("EUCALYPTUS_STUB", self.settings())
            .status()
            .unwrap();
    }

    /// The daemon's two processes as it wrote them down: the one in charge and
    /// the one that answers.
    fn noted(&self) -> (u32, u32) {
        let text = ["cloud", "cc"]
            .map(|name| self.read(&format!("var/run/eucalyptus-stub/eucalyptus-{name}.pids")))
            .concat();
        let (parent, child) = text.trim().split_once(' ').expect("one daemon has started");
        (parent.parse().unwrap(), child.parse().unwrap())
    }

    pub fn pid(&self) -> u32 {
        self.noted().0
    }

    pub fn child(&self) -> u32 {
        self.noted().1
    }

    /// All living processes of the stub on this host.
    pub fn processes(&self) -> Vec<u32> {
        let mark = self.settings().to_string_lossy().into_owned();
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line);
                line.contains("/eucalyptus-stub\0") && line.contains(&mark)
            })
            .collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for pid in self.processes() {
            signal(pid, "KILL");
        }
    }
}

/// A port that nobody listens on, below those that the kernel gives to
/// clients, and not given out twice.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 400) as u16 * 50;
    loop {
        let port = 10_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
}

/// Exit code of a command, with its messages in the test's output.
pub fn code(mut command: Command) -> i32 {
    let output = command.output().unwrap();
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    output.status.code().expect("an agent ends by itself")
}

pub fn signal(pid: u32, name: &str) {
    Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .stderr(Stdio::null())
        .status()
        .unwrap();
}

/// Whether the process runs; one that nobody has reaped yet does not.
pub fn is_alive(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// Waits at most ten seconds.
pub fn eventually(what: &str, check: impl Fn() -> bool) {
    let begin = Instant::now();
    while !check() {
        assert!(begin.elapsed() < Duration::from_secs(10), "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}
