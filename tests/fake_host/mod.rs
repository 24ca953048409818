//! A directory that stands for a host: its files, and small shell scripts in
//! the place of its programs. What the scripts know and keep is told at the
//! head of `lib.sh`.

#![allow(dead_code)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hapkg::recipe::compiled::CompiledRole;
use hapkg::recipe::{Context, load};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ubuntu-ha");

/// Units that the packages of a role bring.
const UNITS: [&str; 3] = ["corosync", "pacemaker", "sbd"];

/// The host's own address is the first one of this file.
pub const ADDRESSES: [(&str, &str); 3] = [
    ("alpha", "192.0.2.11/24"),
    ("beta", "192.0.2.12/24"),
    ("gamma", "192.0.2.13/24"),
];

pub struct FakeHost {
    root: tempfile::TempDir,
    pub name: String,
}

/// What a run of the real program ended with.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl FakeHost {
    /// A host called `name` after the packages of `roles` were installed:
    /// programs, units, the distribution's corosync.conf, both daemons running.
    pub fn new(name: &str, roles: &[&str]) -> Self {
        Self::on(tempfile::tempdir().unwrap(), name, roles)
    }

    /// [`FakeHost::new`] with a root that is there already.
    pub fn on(root: tempfile::TempDir, name: &str, roles: &[&str]) -> Self {
        let host = Self {
            root,
            name: name.into(),
        };
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_host");
        fs::create_dir_all(host.path("run/fake/cluster/online")).unwrap();
        for dir in ["units", "active", "enabled", "canned", "metadata", "stdin"] {
            fs::create_dir_all(host.fake(dir)).unwrap();
        }
        fs::create_dir_all(host.path("usr/sbin")).unwrap();
        fs::create_dir_all(host.path("var/lib")).unwrap();
        fs::copy(here.join("lib.sh"), host.fake("lib.sh")).unwrap();
        for entry in fs::read_dir(here.join("programs")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            host.program(name, &fs::read_to_string(&path).unwrap());
        }
        for unit in UNITS {
            host.write(&format!("run/fake/units/{unit}"), "");
        }
        let pristine = fs::read_to_string(here.join("corosync.conf")).unwrap();
        host.write("etc/corosync/corosync.conf", &pristine);
        let address = ADDRESSES.iter().find(|(node, _)| *node == name);
        let address = address.map_or("192.0.2.99/24", |(_, address)| address);
        host.write("run/fake/addresses", &format!("{address}\n"));
        host.install(roles);
        for unit in ["corosync", "pacemaker"] {
            host.succeed("systemctl", &["enable", "--now", unit]);
        }
        host.forget_calls();
        host
    }

    fn install(&self, roles: &[&str]) {
        let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
        let node = load(&recipes.join("support/node.toml"), &Context { node: None }).unwrap();
        let text = CompiledRole::from(&node).to_toml();
        self.write("usr/share/ubuntu-ha/node.toml", &text);
        for role in roles {
            let context = Context { node: Some(&node) };
            let recipe = load(&recipes.join(format!("{role}.toml")), &context).unwrap();
            let text = CompiledRole::from(&recipe).to_toml();
            self.write(&format!("usr/share/ubuntu-ha/roles/{role}.toml"), &text);
        }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn fake(&self, path: &str) -> PathBuf {
        self.path("run/fake").join(path)
    }

    /// Writes a file below the root, with its directories.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        let path = self.path(path);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    pub fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// Puts a program into /usr/sbin, or replaces it.
    pub fn program(&self, name: &str, script: &str) {
        let path = self.path("usr/sbin").join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Lets another name run the same script (`fence_virsh` as `fence_ipmilan`).
    pub fn program_as(&self, name: &str, like: &str) {
        let script = self.read(&format!("usr/sbin/{like}"));
        self.program(name, &script);
    }

    /// Makes a call answer with `code` and `text`: `key` is the program and its
    /// first arguments joined by dots, such as `systemctl.start.corosync`.
    pub fn answer(&self, key: &str, code: i32, text: &str) {
        self.write(
            &format!("run/fake/canned/{key}"),
            &format!("{code}\n{text}"),
        );
    }

    /// Takes [`FakeHost::answer`] back.
    pub fn answer_itself(&self, key: &str) {
        fs::remove_file(self.fake("canned").join(key)).unwrap();
    }

    /// What an agent says of itself: `ocf:heartbeat:IPaddr2`.
    pub fn metadata(&self, agent: &str, xml: &str) {
        let name = agent.replace(':', "_");
        self.write(&format!("run/fake/metadata/{name}"), xml);
    }

    /// Another node of the cluster is there (or not), without a root of its own.
    pub fn peer(&self, name: &str, online: bool) {
        let path = self.fake("cluster/online").join(name);
        if online {
            fs::write(path, "").unwrap();
        } else {
            let _ = fs::remove_file(path);
        }
    }

    /// Both hosts see the same members and the same CIB.
    pub fn share_cluster_with(&self, other: &FakeHost) {
        let mine = self.fake("cluster");
        fs::remove_dir_all(&mine).unwrap();
        symlink(other.fake("cluster"), mine).unwrap();
    }

    /// Answers of the cluster: TOML, and the passwords one by one.
    pub fn answers(&self, cluster: &str, passwords: &[(&str, &str)]) {
        self.write("etc/ubuntu-ha/cluster.toml", cluster);
        for (name, text) in passwords {
            let path = format!("etc/ubuntu-ha/secrets/cluster/{name}");
            self.write(&path, &format!("{text}\n"));
            let mode = |path: &str, mode| {
                let mode = fs::Permissions::from_mode(mode);
                fs::set_permissions(self.path(path), mode).unwrap();
            };
            mode(&path, 0o600);
            mode("etc/ubuntu-ha/secrets/cluster", 0o700);
            mode("etc/ubuntu-ha/secrets", 0o700);
        }
    }

    pub fn role(&self, role: &str, answers: &str) {
        self.write(&format!("etc/ubuntu-ha/roles/{role}.toml"), answers);
    }

    /// The calls of the fake programs since the last [`FakeHost::forget_calls`].
    pub fn calls(&self) -> Vec<String> {
        let log = fs::read_to_string(self.fake("log")).unwrap_or_default();
        log.lines().map(str::to_string).collect()
    }

    /// Those of one program or with these first words.
    pub fn calls_of(&self, start: &str) -> Vec<String> {
        let mut calls = self.calls();
        calls.retain(|call| call.starts_with(start));
        calls
    }

    pub fn forget_calls(&self) {
        let _ = fs::remove_file(self.fake("log"));
    }

    pub fn is_active(&self, unit: &str) -> bool {
        self.fake("active").join(unit).exists()
    }

    pub fn is_enabled(&self, unit: &str) -> bool {
        self.fake("enabled").join(unit).exists()
    }

    /// Runs a fake program by hand.
    pub fn succeed(&self, program: &str, args: &[&str]) -> String {
        let mut command = Command::new(self.path("usr/sbin").join(program));
        self.environment(&mut command);
        let output = command.args(args).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {args:?}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The real `ubuntu-ha` with these arguments on this host.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("--root").arg(self.root.path()).args(args);
        self.environment(&mut command);
        command
    }

    fn environment(&self, command: &mut Command) {
        command
            .env("UBUNTU_HA_TRIAL", "1")
            .env("UBUNTU_HA_TRIAL_NAME", &self.name)
            .env("UBUNTU_HA_ROOT", self.root.path());
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args), "")
    }

    pub fn run_with(&self, args: &[&str], input: &str) -> Ran {
        Ran::of(self.command(args), input)
    }

    /// Killed by SIGKILL at the point of the journal.
    pub fn run_until(&self, point: &str, args: &[&str]) -> Ran {
        let mut command = self.command(args);
        command.env("UBUNTU_HA_STOP_AT", point);
        Ran::of(command, "")
    }
}

impl Ran {
    pub fn of(mut command: Command, input: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output: Output = child.wait_with_output().unwrap();
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        let (out, err) = (&self.stdout, &self.stderr);
        assert_eq!(self.code, Some(code), "stdout:\n{out}stderr:\n{err}");
        self
    }
}
