//! What a system consists of, to be compared before and after.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::Machine;
use crate::stop::Stop;

/// Every path outside of caches, logs and apt's and dpkg's own records, with
/// type, mode, owner and link target; and the content of /etc and /var/lib.
const LIST: &str = r"export LC_ALL=C
prune='( -path /proc -o -path /dev -o -path /sys -o -path /run -o -path /tmp -o -path /srv -o -path /var/cache -o -path /var/log -o -path /var/lib/apt -o -path /var/lib/dpkg ) -prune -o'
find / -xdev $prune -printf '%p\t%y %m %U:%G %l\n'
find /etc /var/lib -xdev $prune -type f -exec sha256sum {} + | sed 's/^\([0-9a-f]*\)  \(.*\)/\2\t\1/'
";

/// Path to description; a file's hash comes under its path and `#`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<String, String>);

/// The system as it is.
///
/// # Errors
/// As [`Machine::sh`].
pub fn take(machine: &Machine) -> Result<Snapshot, Stop> {
    Ok(parse(&machine.quiet(LIST)?))
}

fn parse(text: &str) -> Snapshot {
    let mut all = BTreeMap::new();
    for line in text.lines() {
        if let Some((path, value)) = line.split_once('\t') {
            let known = all.contains_key(path);
            all.insert(
                format!("{path}{}", if known { "#" } else { "" }),
                value.into(),
            );
        }
    }
    Snapshot(all)
}

impl Snapshot {
    /// Paths that are not the same in `later`, each with what happened.
    pub fn changes(&self, later: &Snapshot) -> BTreeMap<String, String> {
        let paths: BTreeSet<&String> = self.0.keys().chain(later.0.keys()).collect();
        paths
            .into_iter()
            .filter_map(|path| {
                let what = match (self.0.get(path), later.0.get(path)) {
                    (Some(a), Some(b)) if a == b => return None,
                    (Some(a), Some(b)) => format!("{a} became {b}"),
                    (None, Some(b)) => format!("is new: {b}"),
                    (Some(_), None) => "is gone".to_owned(),
                    (None, None) => return None,
                };
                Some((path.trim_end_matches('#').to_owned(), what))
            })
            .collect()
    }
}

/// Fails unless only paths below one of `allowed` changed.
///
/// # Errors
/// `Failed` with the paths.
pub fn only_changed(before: &Snapshot, after: &Snapshot, allowed: &[&str]) -> Result<(), Stop> {
    let wrong: Vec<String> = before
        .changes(after)
        .into_iter()
        .filter(|(path, _)| !allowed.iter().any(|prefix| path.starts_with(prefix)))
        .map(|(path, what)| format!("{path} {what}"))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Stop::failed(format!(
        "these should be as they were:\n{}",
        wrong.join("\n")
    )))
}

/// Fails unless the purge of all our packages left the system as `before`,
/// debconf's and dpkg's records included.
///
/// # Errors
/// `Failed` with what is left.
pub fn all_gone(machine: &Machine, before: &Snapshot) -> Result<(), Stop> {
    only_changed(before, &take(machine)?, &[])?;
    let (left, text) = machine.try_sh("grep -n ubuntu-ha /var/cache/debconf/*.dat")?;
    if left {
        return Err(Stop::failed(format!("debconf still has:\n{text}")));
    }
    let records = machine.sh(
        "dpkg-query -W -f '${Package} ${db:Status-Status}\\n' | grep '^ubuntu-ha' || true; ls /var/lib/dpkg/info | grep '^ubuntu-ha' || true",
    )?;
    if records.trim().is_empty() {
        return Ok(());
    }
    Err(Stop::failed(format!("dpkg still has:\n{records}")))
}

#[cfg(test)]
mod tests {
    use super::{only_changed, parse};

    #[test]
    fn changes_of_mode_content_and_presence_are_seen() {
        let before = parse("/etc/a\tf 644 0:0 \n/etc/b\tf 644 0:0 \n/etc/a\thash1\n");
        let after = parse("/etc/a\tf 600 0:0 \n/etc/c\tf 644 0:0 \n/etc/a\thash2\n");
        let found = before.changes(&after);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found["/etc/b"], "is gone");
        assert!(only_changed(&before, &after, &["/etc/a", "/etc/b"]).is_err());
        assert!(only_changed(&before, &after, &["/etc/"]).is_ok());
        assert!(only_changed(&before, &before, &[]).is_ok());
    }

    #[test]
    fn a_changed_content_alone_is_seen() {
        let before = parse("/etc/a\tf 644 0:0 \n/etc/a\thash1\n");
        let after = parse("/etc/a\tf 644 0:0 \n/etc/a\thash2\n");
        assert!(only_changed(&before, &after, &[]).is_err());
    }
}
