//! A host of a test: a root directory with a stub of Eucalyptus whose init
//! scripts tell lies, and a web server that answers while the stub lives.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub const OK: i32 = 0;
pub const GENERIC: i32 = 1;
pub const UNIMPLEMENTED: i32 = 3;
pub const INSTALLED: i32 = 5;
pub const CONFIGURED: i32 = 6;
pub const NOT_RUNNING: i32 = 7;

pub const AGENTS: [&str; 4] = ["eucacc", "eucaclc", "eucasc", "eucawalrus"];

/// The stub of the init scripts. Its exit codes mean nothing, like those of
/// the real ones.
const SCRIPT: &str = r#"#!/bin/sh
echo "$1" >>"$ROOT/calls"
pidfile=$ROOT/var/run/eucalyptus/$NAME.pid
case $1 in
start)
	if [ -s "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2>/dev/null; then
		exit 0
	fi
	cp "$ROOT/var/lib/eucalyptus/services" "$ROOT/started-with" 2>/dev/null
	setsid "$DAEMON" httpd-cc.conf </dev/null >/dev/null 2>&1 &
	echo $! >"$pidfile"
	exit 3
	;;
stop)
	[ -e "$ROOT/lazy" ] && exit 0
	kill "$(cat "$pidfile")" 2>/dev/null
	rm -f "$pidfile"
	exit 1
	;;
esac
"#;

/// The stub of the daemon. It has a child, as the real ones have.
const DAEMON: &str = r#"#!/bin/sh
[ -e "$ROOT/dies" ] && exit 1
if [ -e "$ROOT/stubborn" ]; then
	trap '' TERM
else
	trap 'kill $child; exit 0' TERM
fi
sleep 1000 &
child=$!
echo $child >"$ROOT/child"
sleep "$(cat "$ROOT/delay" 2>/dev/null || echo 0)"
for part in cloud:eucalyptus walrus:walrus sc:storage; do
	enabled=false
	grep -qx "${part%%:*}" "$ROOT/started-with" 2>/dev/null && enabled=true
	printf 'name=%-20.20s enabled=%-10.10s local=%-10.10s initialized=true\n' \
		"${part##*:}" $enabled $enabled
done >"$ROOT/heartbeat"
echo $$ >"$ROOT/up"
while :; do
	sleep 0.1
done
"#;

pub fn agents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/agents")
}

/// One host; dropping it ends its processes.
pub struct Host {
    directory: tempfile::TempDir,
    port: u16,
    stop: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Host {
    /// A host on which Eucalyptus is installed and its data is mounted.
    pub fn new() -> Host {
        let host = Host::passive();
        for directory in ["var/lib/eucalyptus", "var/run/eucalyptus"] {
            fs::create_dir_all(host.root().join(directory)).unwrap();
        }
        for name in ["eucalyptus-cloud", "eucalyptus-cc"] {
            let daemon = host.directory.path().join("sbin").join(name);
            let set = format!(
                "ROOT={} NAME={name} DAEMON={}\nexport ROOT\n",
                host.root().display(),
                daemon.display()
            );
            let with_settings = |text: &str| text.replacen('\n', &format!("\n{set}"), 1);
            write_program(&daemon, &with_settings(DAEMON));
            write_program(&host.script(name), &with_settings(SCRIPT));
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
        fs::create_dir_all(directory.path().join("root")).unwrap();
        fs::create_dir_all(directory.path().join("state")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let root = directory.path().join("root");
        let stopped = Arc::clone(&stop);
        let server = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // A client that went away is its own affair.
                let _ = stream.and_then(|stream| answer(stream, &root));
            }
        });
        Host {
            directory,
            port,
            stop,
            server: Some(server),
        }
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

    /// Makes the stub behave: dies, stubborn, lazy, delay, sick.
    pub fn set(&self, behaviour: &str, value: &str) {
        fs::write(self.root().join(behaviour), value).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap_or_default()
    }

    pub fn services(&self) -> String {
        self.read("var/lib/eucalyptus/services")
    }

    pub fn command(&self, agent: &str, action: &str) -> Command {
        let daemon = match agent {
            "eucacc" => "eucalyptus-cc",
            _ => "eucalyptus-cloud",
        };
        let url = |page: &str| format!("http://127.0.0.1:{}/{page}", self.port);
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
            .env("OCF_RESKEY_heartbeat_url", url("services/Heartbeat"))
            .env("OCF_RESKEY_services_url", url("axis2/services/"))
            .env(
                "OCF_RESKEY_status_url",
                url(match agent {
                    "eucaclc" => "register",
                    "eucasc" => "services/Storage",
                    _ => "services/Walrus",
                }),
            )
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

    /// The pid that the stub's daemon wrote once it was up.
    pub fn pid(&self) -> u32 {
        self.read("up").trim().parse().unwrap()
    }

    pub fn child(&self) -> u32 {
        self.read("child").trim().parse().unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let pids = [
            "up",
            "child",
            "var/run/eucalyptus/eucalyptus-cloud.pid",
            "var/run/eucalyptus/eucalyptus-cc.pid",
        ];
        let mark = self.directory.path().to_string_lossy().to_string();
        for pid in pids.map(|path| self.read(path)) {
            let Ok(pid) = pid.trim().parse::<u32>() else {
                continue;
            };
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            if command.contains(&mark) || command == "sleep 1000 " {
                signal(pid, "KILL");
            }
        }
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(server) = self.server.take() {
            let _ = server.join();
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

fn write_program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn answer(mut stream: TcpStream, root: &Path) -> std::io::Result<()> {
    let mut request = String::new();
    BufReader::new(stream.try_clone()?).read_line(&mut request)?;
    let up = fs::read_to_string(root.join("up")).unwrap_or_default();
    if !up.trim().parse().is_ok_and(is_alive) {
        return Ok(());
    }
    let sick = root.join("sick").exists();
    let body = match request.split_whitespace().nth(1).unwrap_or_default() {
        "/services/Heartbeat" => fs::read_to_string(root.join("heartbeat"))?,
        "/register" if !sick => "CloudVersion=2.0".into(),
        "/axis2/services/" if !sick => "<h2>EucalyptusCC</h2>".into(),
        "/services/Walrus" | "/services/Storage" if sick => return Ok(()),
        _ => "nothing here".into(),
    };
    write!(
        stream,
        "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
