//! Where a token comes from.

use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsFd;

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use crate::node::key::wipe;
use crate::node::problem::Failure;

/// A token as text; overwritten when it is not needed any more.
pub struct Text(Vec<u8>);

impl Text {
    pub fn new(text: String) -> Self {
        Self(text.into_bytes())
    }

    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Reads the token from standard input: all of it, or one line of a terminal,
/// which does not show it.
///
/// # Errors
/// It cannot be read, or is no text.
pub fn from_stdin() -> Result<Text, Failure> {
    let stdin = io::stdin();
    let read = match stdin.is_terminal() {
        true => from_terminal(),
        false => io::read_to_string(stdin.lock()),
    };
    read.map(Text::new).map_err(|error| {
        Failure::environment(
            format!("reading the token from standard input: {error}"),
            "paste it, or redirect a file that holds it".into(),
        )
    })
}

fn from_terminal() -> io::Result<String> {
    let mut line = String::new();
    eprint!("Token: ");
    io::stderr().flush()?;
    let silent = Silent::new();
    io::stdin().lock().read_line(&mut line)?;
    drop(silent);
    eprintln!();
    Ok(line)
}

/// Shows nothing that is typed until it is dropped. Lines are read whole, of
/// whatever length: in canonical mode a terminal cuts them at 4096 bytes.
struct Silent(Option<Termios>);

impl Silent {
    fn new() -> Self {
        let stdin = io::stdin();
        let before = tcgetattr(stdin.as_fd()).ok();
        if let Some(before) = &before {
            let mut silent = before.clone();
            silent.local_flags.remove(LocalFlags::ECHO);
            let _ = tcsetattr(stdin.as_fd(), SetArg::TCSAFLUSH, &silent);
        }
        Self(before)
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSANOW, before);
        }
    }
}
