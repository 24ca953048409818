//! The real debconf with databases of its own, and a user at its frontend.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use hapkg::recipe::model::Recipe;
use tempfile::TempDir;

use crate::tools::{render, run, scripts, text};

pub const PACKAGE: &str = "ubuntu-ha-sample";

/// A host on which the package of a recipe is being installed.
pub struct Session {
    directory: TempDir,
}

/// What the user meets, in order.
#[derive(Debug, Clone)]
pub enum Step {
    /// The question is put; this is typed.
    Answer(&'static str, &'static str),
    /// The question is put; the user goes back.
    Back(&'static str),
    /// An error is shown that holds this text.
    Error(&'static str, &'static str),
}

impl Session {
    pub fn new(recipe: &Recipe) -> Session {
        let session = Session {
            directory: tempfile::tempdir().unwrap(),
        };
        let files = render(recipe);
        for directory in ["db", "info", "sbin", "bin", "etc/roles", "etc/secrets"] {
            fs::create_dir_all(session.path(directory)).unwrap();
        }
        for name in ["systemctl", "deb-systemd-helper", "deb-systemd-invoke"] {
            let note = format!(
                "#!/bin/sh\necho \"{name} $*\" >>{}\n",
                session.path("services").display()
            );
            write_program(&session.path("bin").join(name), &note);
        }
        let info = |name: &str| session.path(&format!("info/{PACKAGE}.{name}"));
        fs::write(info("templates"), &files.templates_binary).unwrap();
        let etc = session.path("etc").display().to_string();
        let program = session.path("sbin/ubuntu-ha").display().to_string();
        for (name, script) in scripts(&files) {
            let script = script
                .replace("/etc/ubuntu-ha", &etc)
                .replace("/usr/sbin/ubuntu-ha", &program)
                .replace(
                    "/run/systemd/system",
                    &session.path("systemd").display().to_string(),
                )
                .replace(
                    "/var/lib/ubuntu-ha",
                    &session.path("state").display().to_string(),
                );
            write_program(&info(name), &script);
        }
        let db = session.path("db").display().to_string();
        fs::write(
            session.path("debconf.conf"),
            format!(
                "Config: config\nTemplates: templates\nAdmin-Email:\n\n\
                 Name: plain\nDriver: File\nReject-Type: password\nFilename: {db}/config.dat\n\n\
                 Name: passwords\nDriver: File\nAccept-Type: password\nMode: 600\n\
                 Filename: {db}/passwords.dat\n\n\
                 Name: config\nDriver: Stack\nStack: plain, passwords\n\n\
                 Name: templates\nDriver: File\nFilename: {db}/templates.dat\n"
            ),
        )
        .unwrap();
        // The passthrough frontend converts with Text::Iconv, which debconf
        // only recommends. From UTF-8 to UTF-8 there is nothing to do.
        fs::create_dir_all(session.path("perl/Text")).unwrap();
        fs::write(
            session.path("perl/Text/Iconv.pm"),
            "package Text::Iconv;\nsub new { bless {} }\n\
             sub convert { my $text = $_[1]; utf8::encode($text) if utf8::is_utf8($text); $text }\n1\n",
        )
        .unwrap();
        session.say(&format!(
            "X_LOADTEMPLATEFILE {} {PACKAGE}",
            info("templates").display()
        ));
        session
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn info(&self, name: &str) -> PathBuf {
        self.path(&format!("info/{PACKAGE}.{name}"))
    }

    /// A program of debconf, or one that runs below it. It is stopped when it
    /// takes longer than anything here may.
    fn debconf(&self, program: &str) -> Command {
        let mut command = Command::new("timeout");
        command
            .args(["60", program])
            .env("DEBCONF_SYSTEMRC", self.path("debconf.conf"))
            .env("HOME", self.directory.path())
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C.UTF-8")
            .env("PERL5LIB", self.path("perl"))
            .env(
                "PATH",
                format!(
                    "{}:/usr/sbin:/usr/bin:/sbin:/bin",
                    self.path("bin").display()
                ),
            )
            .env_remove("DEBIAN_PRIORITY")
            .env_remove("DEBIAN_HAS_FRONTEND")
            .stdin(Stdio::null());
        command
    }

    /// Says one line of the protocol; the reply without its code.
    fn say(&self, line: &str) -> String {
        let mut child = self
            .debconf("debconf-communicate")
            .arg(PACKAGE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("environment: debconf-communicate");
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{line}").unwrap();
        drop(stdin);
        let reply = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let reply = reply.strip_suffix('\n').unwrap();
        let (code, value) = reply.split_once(' ').unwrap_or((reply, ""));
        assert_eq!(code, "0", "{line}: {reply}");
        value.to_owned()
    }

    pub fn get(&self, name: &str) -> String {
        self.say(&format!("GET {PACKAGE}/{name}"))
    }

    pub fn flag(&self, name: &str, flag: &str) -> String {
        self.say(&format!("FGET {PACKAGE}/{name} {flag}"))
    }

    pub fn set(&self, name: &str, value: &str) {
        self.say(&format!("SET {PACKAGE}/{name} {value}"));
    }

    pub fn preseed(&self, name: &str, kind: &str, value: &str) {
        let path = self.path("preseed");
        fs::write(
            &path,
            format!("{PACKAGE} {PACKAGE}/{name} {kind} {value}\n"),
        )
        .unwrap();
        run(self.debconf("debconf-set-selections").arg(path));
    }

    /// Everything debconf has on disk.
    pub fn databases(&self) -> String {
        ["config.dat", "passwords.dat", "templates.dat"]
            .iter()
            .filter_map(|name| fs::read_to_string(self.path("db").join(name)).ok())
            .collect()
    }

    /// Writes the administrator's file.
    pub fn admin_file(&self, text: &str) {
        fs::write(self.path("etc/roles/sample.toml"), text).unwrap();
    }

    /// Runs config where nobody sits.
    pub fn config(&self) -> String {
        let output = run(self
            .debconf("debconf")
            .args(["-o", PACKAGE])
            .arg(self.info("config"))
            .args(["configure", ""]));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Runs config with a user who takes the steps, and no other.
    pub fn interactive(&self, priority: &str, steps: &[Step]) {
        let socket = self.path("socket");
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let steps: VecDeque<Step> = steps.to_vec().into();
        let user = thread::spawn(move || User::new(steps).serve(listener.accept().unwrap().0));
        let output = self
            .debconf("debconf")
            .args(["-o", PACKAGE, "-f", "passthrough", "-p", priority])
            .arg(self.info("config"))
            .args(["configure", ""])
            .env("DEBIAN_FRONTEND", "passthrough")
            .env("DEBCONF_PIPE", &socket)
            .output()
            .expect("environment: debconf");
        let met = user.join().unwrap();
        assert_eq!(met, Ok(()), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{output:?}");
    }

    /// Runs config in a frontend that asks on standard input, which is at its
    /// end: `apt install </dev/null`.
    pub fn config_without_input(&self) {
        run(self
            .debconf("debconf")
            .args(["-o", PACKAGE, "-f", "teletype", "-p", "low"])
            .arg(self.info("config"))
            .args(["configure", ""])
            .env("DEBIAN_FRONTEND", "teletype"));
    }

    /// Lets the host have been booted with systemd.
    pub fn booted(&self) {
        fs::create_dir_all(self.path("systemd")).unwrap();
    }

    /// What was asked of systemd since the last call.
    pub fn services(&self) -> String {
        let path = self.path("services");
        let asked = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        asked
    }

    /// Puts a program in ubuntu-ha's place.
    pub fn program(&self, body: &str) {
        let body = format!(
            "#!/bin/sh\n[ \"$1\" != --help ] || exit 0\ncd {}\n{body}\n",
            self.path(".").display()
        );
        write_program(&self.path("sbin/ubuntu-ha"), &body);
    }

    /// Runs a maintainer script as dpkg does.
    pub fn script(&self, name: &str, arguments: &[&str]) -> Output {
        self.debconf("sh")
            .arg(self.info(name))
            .args(arguments)
            .env_remove("DEBCONF_REDIR")
            .output()
            .expect("environment: sh")
    }

    /// The questions that debconf knows of the package.
    pub fn questions(&self) -> Vec<String> {
        let output = run(self.debconf("debconf-show").arg(PACKAGE));
        text(output).lines().map(str::to_owned).collect()
    }

    /// Drives config in the readline frontend with an expect(1) script.
    pub fn expect(&self, script: &str) -> String {
        let path = self.path("session.exp");
        let head = format!(
            r#"
set timeout 20
proc fail {{what}} {{
    puts "\n$what"
    exit 1
}}
proc see {{text}} {{
    expect -ex $text {{}} timeout {{ fail "not seen: $text" }} eof {{ fail "ended before: $text" }}
}}
spawn debconf -o {PACKAGE} -f readline -p low {} configure ""
"#,
            self.info("config").display()
        );
        fs::write(
            &path,
            head + script + "\nexpect eof\nexit [lindex [wait] 3]\n",
        )
        .unwrap();
        let mut command = self.debconf("expect");
        text(run(command
            .arg("-f")
            .arg(&path)
            .env("DEBIAN_FRONTEND", "readline")
            .env("TERM", "dumb")))
    }
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The far end of debconf's passthrough frontend.
struct User {
    steps: VecDeque<Step>,
    /// Extended description of each question, and what was typed.
    descriptions: BTreeMap<String, String>,
    typed: BTreeMap<String, String>,
    /// The questions of the present page.
    page: Vec<String>,
}

impl User {
    fn new(steps: VecDeque<Step>) -> User {
        User {
            steps,
            descriptions: BTreeMap::new(),
            typed: BTreeMap::new(),
            page: Vec::new(),
        }
    }

    fn serve(mut self, stream: UnixStream) -> Result<(), String> {
        let mut writer = stream.try_clone().unwrap();
        for line in BufReader::new(stream).lines() {
            let line = line.unwrap();
            let reply = self.reply(&line)?;
            writeln!(writer, "{reply}").unwrap();
        }
        match self.steps.pop_front() {
            None => Ok(()),
            Some(step) => Err(format!("ended before {step:?}")),
        }
    }

    fn reply(&mut self, line: &str) -> Result<String, String> {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (command, tag, item, rest) = (word(), word(), word(), word());
        let name = tag.rsplit('/').next().unwrap_or_default();
        match command {
            "CAPB" => return Ok("0 backup".into()),
            "DATA" if item == "extended_description" => {
                self.descriptions.insert(name.into(), rest.into());
            }
            "SET" => {
                self.typed
                    .insert(name.into(), format!("{item} {rest}").trim_end().into());
            }
            "INPUT" => self
                .page
                .push(item.rsplit('/').next().unwrap_or_default().into()),
            "GO" => return self.go(),
            "GET" => {
                let value = self.typed.get(name).cloned().unwrap_or_default();
                return Ok(format!("0 {value}"));
            }
            _ => {}
        }
        Ok("0".into())
    }

    fn go(&mut self) -> Result<String, String> {
        let page = std::mem::take(&mut self.page);
        let [shown] = page.as_slice() else {
            return Err(format!("one page puts {page:?}"));
        };
        match self.steps.pop_front() {
            Some(Step::Answer(name, value)) if name == shown => {
                self.typed.insert(name.into(), value.into());
                Ok("0".into())
            }
            Some(Step::Back(name)) if name == shown => Ok("30".into()),
            Some(Step::Error(name, wanted)) if name == shown => match &self.descriptions[shown] {
                text if text.contains(wanted) => Ok("0".into()),
                text => Err(format!("{name} lacks `{wanted}`: {text}")),
            },
            step => Err(format!("{shown} is shown, not {step:?}")),
        }
    }
}
