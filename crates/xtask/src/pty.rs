//! A program on a terminal of its own, driven at its prompts like an
//! administrator would, with a screen that can be read back.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::stop::{During, Stop};

/// Tall enough that no frontend pages its help.
const ROWS: u16 = 120;
const COLUMNS: u16 = 100;

/// What the program has shown so far.
struct Shown {
    screen: vt100::Parser,
    /// Everything written since the last [`Terminal::send`], raw.
    since: Vec<u8>,
    /// Everything, for the log.
    all: Vec<u8>,
    ended: bool,
}

/// A running program and its terminal.
pub struct Terminal {
    child: Child,
    keys: File,
    shown: Arc<(Mutex<Shown>, Condvar)>,
    patience: Duration,
}

impl Terminal {
    /// Starts `command` as the leader of a session on a new terminal. It is
    /// given `patience` for each thing waited for.
    ///
    /// # Errors
    /// `Environment`: no terminal, or the command cannot be started.
    pub fn start(command: &Command, patience: Duration) -> Result<Terminal, Stop> {
        let what = "opening a terminal";
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)
            .and_then(|master| grantpt(&master).and(unlockpt(&master)).map(|()| master))
            .map_err(std::io::Error::from)
            .during(what)?;
        let size = Winsize {
            ws_row: ROWS,
            ws_col: COLUMNS,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size)
            .map_err(std::io::Error::from)
            .during(what)?;
        let name = ptsname(&master, Vec::new())
            .map_err(std::io::Error::from)
            .during(what)?;
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_string_lossy().as_ref())
            .during(what)?;
        let stream = || slave.try_clone().map(Stdio::from).during(what);
        let child = Command::new("setsid")
            .args(["--ctty", "--wait"])
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(stream()?)
            .stdout(stream()?)
            .stderr(stream()?)
            .spawn()
            .during("running setsid")?;
        drop(slave);
        let shown = Arc::new((
            Mutex::new(Shown {
                screen: vt100::Parser::new(ROWS, COLUMNS, 0),
                since: Vec::new(),
                all: Vec::new(),
                ended: false,
            }),
            Condvar::new(),
        ));
        let keys = File::from(master);
        let screen = keys.try_clone().during(what)?;
        let reader = Arc::clone(&shown);
        std::thread::spawn(move || follow(screen, &reader));
        Ok(Terminal {
            child,
            keys,
            shown,
            patience,
        })
    }

    /// Waits until `text` has been written since the last keys.
    ///
    /// # Errors
    /// `Failed` with what was shown, when it does not come or the program ends.
    pub fn wait_for(&self, text: &str) -> Result<(), Stop> {
        let wanted = flat(text);
        self.wait(&format!("{text:?}"), |shown| {
            flat(&plain(&shown.since)).contains(&wanted).then_some(())
        })
    }

    /// Waits until a line written since the last keys starts with one of the
    /// texts, and tells with which.
    ///
    /// # Errors
    /// As [`Terminal::wait_for`].
    pub fn wait_for_line(&self, starts: &[&str]) -> Result<usize, Stop> {
        self.wait(&format!("a line {starts:?}"), |shown| {
            let fresh = plain(&shown.since);
            starts
                .iter()
                .position(|start| fresh.lines().any(|line| line.starts_with(start)))
        })
    }

    /// Waits until `text` is on the screen: for programs that draw.
    ///
    /// # Errors
    /// As [`Terminal::wait_for`].
    pub fn wait_for_screen(&self, text: &str) -> Result<(), Stop> {
        self.wait_for_screen_any(&[text]).map(|_| ())
    }

    /// Waits until one of the texts is on the screen, and tells which.
    ///
    /// # Errors
    /// As [`Terminal::wait_for`].
    pub fn wait_for_screen_any(&self, texts: &[&str]) -> Result<usize, Stop> {
        let wanted: Vec<String> = texts.iter().map(|text| flat(text)).collect();
        self.wait(&format!("{texts:?} on the screen"), |shown| {
            let screen = flat(&shown.screen.screen().contents());
            wanted.iter().position(|text| screen.contains(text))
        })
    }

    /// Waits until `text` is no longer on the screen.
    ///
    /// # Errors
    /// As [`Terminal::wait_for`].
    pub fn wait_until_gone(&self, text: &str) -> Result<(), Stop> {
        let wanted = flat(text);
        self.wait(&format!("the end of {text:?}"), |shown| {
            let screen = flat(&shown.screen.screen().contents());
            (!screen.contains(&wanted)).then_some(())
        })
    }

    fn wait<T>(&self, what: &str, look: impl Fn(&Shown) -> Option<T>) -> Result<T, Stop> {
        let until = Instant::now() + self.patience;
        let (lock, changed) = &*self.shown;
        let mut shown = hold(lock);
        loop {
            if let Some(found) = look(&shown) {
                return Ok(found);
            }
            let left = until.saturating_duration_since(Instant::now());
            if shown.ended || left.is_zero() {
                let why = if shown.ended {
                    "the program ended"
                } else {
                    "time is up"
                };
                return Err(Stop::failed(format!(
                    "{why} while waiting for {what}; last shown:\n{}",
                    last_lines(&plain(&shown.all), 40)
                )));
            }
            shown = changed
                .wait_timeout(shown, left)
                .map_or_else(|e| e.into_inner().0, |(shown, _)| shown);
        }
    }

    /// Types keys.
    ///
    /// # Errors
    /// `Environment`: the terminal is gone.
    pub fn send(&mut self, keys: &str) -> Result<(), Stop> {
        hold(&self.shown.0).since.clear();
        self.keys
            .write_all(keys.as_bytes())
            .during("typing on the terminal")
    }

    /// Waits for the program's end; everything it wrote, without controls.
    ///
    /// # Errors
    /// `Failed` when it does not end.
    pub fn finish(mut self) -> Result<(ExitStatus, String), Stop> {
        let until = Instant::now() + self.patience;
        loop {
            if let Some(status) = self.child.try_wait().during("waiting for the program")? {
                // What the reader has not seen yet is in the kernel's buffer.
                std::thread::sleep(Duration::from_millis(100));
                return Ok((status, plain(&hold(&self.shown.0).all)));
            }
            if Instant::now() > until {
                return Err(Stop::failed(format!(
                    "the program does not end; last shown:\n{}",
                    last_lines(&plain(&hold(&self.shown.0).all), 40)
                )));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Killing the session's leader hangs the terminal up for the rest.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(mut screen: File, shown: &(Mutex<Shown>, Condvar)) {
    let mut buffer = [0; 4096];
    loop {
        // EIO is how a terminal's end reads.
        let count = screen.read(&mut buffer).unwrap_or(0);
        let mut now = hold(&shown.0);
        if count == 0 {
            now.ended = true;
        } else {
            now.screen.process(&buffer[..count]);
            now.since.extend_from_slice(&buffer[..count]);
            now.all.extend_from_slice(&buffer[..count]);
        }
        shown.1.notify_all();
        if count == 0 {
            return;
        }
    }
}

fn hold<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Text without terminal controls.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\n' => out.push('\n'),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// A control sequence (CSI), an operating system command, or a two- or
/// three-character escape.
fn skip_escape(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match rest.next() {
        Some('[') => while rest.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
        Some(']') => while rest.next().is_some_and(|c| c != '\u{7}') {},
        Some('(' | ')' | '*' | '+' | '#' | '%') => {
            rest.next();
        }
        _ => {}
    }
}

/// One line, single blanks, no box drawing: how texts are compared.
fn flat(text: &str) -> String {
    text.replace(|c| ('\u{2500}'..='\u{259f}').contains(&c), " ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::{Terminal, flat, plain};

    #[test]
    fn controls_vanish_and_lines_join() {
        assert_eq!(
            plain(b"\x1b[1;31mred\x1b[0m\r\n\x1b]0;title\x07a\x1b(Bb"),
            "red\nab"
        );
        assert_eq!(
            flat("│ Virtual   IP │\n│ address: │"),
            "Virtual IP address:"
        );
    }

    #[test]
    fn a_program_is_answered_at_its_prompts() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "stty -echo; printf 'Name: '; read -r n; echo \"hello $n\"",
        ]);
        let mut terminal = Terminal::start(&command, Duration::from_secs(20)).unwrap();
        assert_eq!(terminal.wait_for_line(&["ame:", "Name:"]).unwrap(), 1);
        terminal.send("alpha\r").unwrap();
        terminal.wait_for("hello alpha").unwrap();
        let (status, text) = terminal.finish().unwrap();
        assert!(status.success());
        assert!(text.contains("Name: "));
    }

    #[test]
    fn a_prompt_that_never_comes_is_a_failure() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo bye"]);
        let terminal = Terminal::start(&command, Duration::from_secs(20)).unwrap();
        let stop = terminal.wait_for("Name:").unwrap_err();
        assert!(stop.to_string().contains("bye"), "{stop}");
    }

    #[test]
    fn the_screen_is_what_is_left_after_drawing() {
        let mut command = Command::new("printf");
        command.arg("wrong\\033[2J\\033[Hright\\033[5;3Hlow");
        let terminal = Terminal::start(&command, Duration::from_secs(20)).unwrap();
        terminal.wait_for_screen("right low").unwrap();
    }
}
