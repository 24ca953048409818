//! Whose a file is that stands in the way.

use std::fs;
use std::path::Path;
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::cluster::MARK;
use crate::node::host::Host;
use crate::node::problem::Failure;

/// SHA-256 of the corosync.conf that the package brings.
const PRISTINE: [&str; 2] = [
    // Ubuntu 22.04 to 26.04
    "0bb561f0c7c3b146753d8f636622585bcaea5501abef89d5339d5addd02f49e8",
    // Debian 12 and 13
    "f9a31fbca16bc2bc9a7ae0f846794b9733c76204e08ce828835d0748b905c67a",
];

/// What may be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// It has our mark.
    Ours,
    /// As a package brought it.
    Pristine,
    /// Somebody wrote it.
    Foreign,
}

/// Whose `content` is, the content of `path` (from the root on).
///
/// # Errors
/// dpkg's database cannot be read.
pub fn owner(host: &Host, path: &str, content: &[u8]) -> Result<Owner, Failure> {
    if content.starts_with(MARK.as_bytes()) {
        return Ok(Owner::Ours);
    }
    let sum = HEXLOWER.encode(&Sha256::digest(content));
    if path.ends_with("corosync.conf") && PRISTINE.contains(&sum.as_str()) {
        return Ok(Owner::Pristine);
    }
    let recorded = recorded(&host.layout.path("var/lib/dpkg/status"), path);
    match recorded {
        Some(recorded) if md5(host, path)? == Some(recorded.clone()) => Ok(Owner::Pristine),
        _ => Ok(Owner::Foreign),
    }
}

/// The MD5 that dpkg has of a conffile (deb-conffiles(5)): what the package
/// brought, whatever became of it.
fn recorded(status: &Path, path: &str) -> Option<String> {
    let text = fs::read(status).ok()?;
    let text = String::from_utf8_lossy(&text);
    let start = format!(" /{path} ");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(&start));
    let sum = lines.find(|rest| !rest.contains("obsolete"))?;
    Some(sum.trim().to_string())
}

fn md5(host: &Host, path: &str) -> Result<Option<String>, Failure> {
    if host.program("md5sum").is_none() {
        return Ok(None);
    }
    let path = host.layout.path(path);
    let args = [&*path.to_string_lossy()];
    let done = host.run("md5sum", &args, Duration::from_secs(10))?;
    let sum = done.stdout.split_whitespace().next().map(str::to_string);
    Ok(sum.filter(|_| done.success))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::layout::Layout;

    fn host() -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(Layout::new(root.path().into()));
        (root, host)
    }

    #[test]
    fn the_packages_own_file_is_known_and_an_edited_one_is_not() {
        let (_root, host) = host();
        let path = "etc/corosync/corosync.conf";
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake_host/corosync.conf");
        let text = std::fs::read_to_string(sample).unwrap();
        let of = |text: &str| owner(&host, path, text.as_bytes()).unwrap();
        assert_eq!(of(&text), Owner::Pristine);
        assert_eq!(of(&format!("{text}\n")), Owner::Foreign);
        assert_eq!(of("# Made by ubuntu-ha from …\n"), Owner::Ours);
        assert_eq!(of(""), Owner::Foreign);
    }

    #[test]
    fn dpkg_says_what_it_brought() {
        let (root, _host) = host();
        let status = root.path().join("status");
        let text = "Package: sbd\nConffiles:\n /etc/default/sbd abc\n /etc/x def obsolete\n";
        fs::write(&status, text).unwrap();
        assert_eq!(recorded(&status, "etc/default/sbd"), Some("abc".into()));
        assert_eq!(recorded(&status, "etc/x"), None);
        assert_eq!(recorded(&status, "etc/default"), None);
    }
}
