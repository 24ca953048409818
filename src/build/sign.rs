//! Signatures by gpg itself.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// A key of the user's gpg, by whatever gpg takes as `--local-user`.
#[derive(Debug, Clone)]
pub struct Key(String);

impl Key {
    /// Finds the secret key.
    ///
    /// # Errors
    /// gpg is missing, or has no such secret key.
    pub fn find(id: &str) -> Result<Self, Failure> {
        let output = Command::new("gpg")
            .args(["--batch", "--list-secret-keys", "--with-colons", "--"])
            .arg(id)
            .output()
            .map_err(|e| Failure::environment(format!("gpg could not start: {e}")))?;
        if output.status.success() {
            Ok(Self(id.to_string()))
        } else {
            Err(Failure::usage(format!(
                "gpg has no secret key {id}; `gpg --list-secret-keys` shows the ones it has"
            )))
        }
    }

    /// The text with a cleartext signature around it: InRelease, .dsc, .changes.
    ///
    /// # Errors
    /// gpg refuses, in its own words.
    pub fn clearsign(&self, text: &[u8]) -> Result<Vec<u8>, Failure> {
        self.gpg(&["--clearsign"], text)
    }

    /// A detached, armoured signature: Release.gpg.
    ///
    /// # Errors
    /// gpg refuses, in its own words.
    pub fn detached(&self, text: &[u8]) -> Result<Vec<u8>, Failure> {
        self.gpg(&["--armor", "--detach-sign"], text)
    }

    fn gpg(&self, verb: &[&str], text: &[u8]) -> Result<Vec<u8>, Failure> {
        let start = |e: std::io::Error| Failure::environment(format!("running gpg: {e}"));
        let mut child = Command::new("gpg")
            .args([
                "--batch",
                "--yes",
                "--digest-algo",
                "SHA512",
                "--local-user",
                &self.0,
            ])
            .args(verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(start)?;
        let mut stdin = child
            .stdin
            .take()
            .ok_or_else(|| Failure::environment("gpg took no input"))?;
        // gpg reads all of its input before it writes more than a pipe holds.
        let fed = stdin.write_all(text);
        drop(stdin);
        let output = child.wait_with_output().map_err(start)?;
        if output.status.success() && fed.is_ok() {
            Ok(output.stdout)
        } else {
            Err(Failure::environment(format!(
                "gpg could not sign with {}: {}",
                self.0,
                String::from_utf8_lossy(&output.stderr).trim()
            )))
        }
    }
}
