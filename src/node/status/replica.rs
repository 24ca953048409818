//! DRBD: what the kernel says of each resource, /proc/drbd (8.4) or
//! `drbdadm status` (9).

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

use crate::node::host::Host;
use crate::node::layout::entries;
use crate::node::live::PATIENCE;
use crate::node::problem::Failure;

/// The state of a resource on this node, in DRBD's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replica {
    pub resource: String,
    /// `Connected`, `WFConnection`, `StandAlone`, `SyncSource`, …
    pub connection: String,
    pub role: String,
    pub peer_role: String,
    pub disk: String,
    pub peer_disk: String,
    /// Percent that is in sync, while a resync runs.
    pub synced: Option<String>,
    /// Time that the resync still takes, as DRBD estimates it.
    pub finish: Option<String>,
}

impl Replica {
    /// Both sides hold the same data, and go on doing so.
    pub fn is_redundant(&self) -> bool {
        let verify = ["Connected", "VerifyS", "VerifyT"].contains(&self.connection.as_str());
        verify && self.disk == "UpToDate" && self.peer_disk == "UpToDate"
    }

    pub fn is_syncing(&self) -> bool {
        const SYNCING: [&str; 10] = [
            "SyncSource",
            "SyncTarget",
            "PausedSyncS",
            "PausedSyncT",
            "StartingSyncS",
            "StartingSyncT",
            "WFBitMapS",
            "WFBitMapT",
            "WFSyncUUID",
            "Ahead",
        ];
        SYNCING.contains(&self.connection.as_str())
    }
}

/// The resources of /etc/drbd.d that this host has a part in and their states,
/// sorted by name; one that the kernel does not have is `Unconfigured`.
///
/// # Errors
/// A file is there but cannot be read.
pub fn read(host: &Host) -> Result<Vec<Replica>, Failure> {
    let minors = configured(host)?;
    if minors.is_empty() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(host.layout.path("/proc/drbd")).unwrap_or_default();
    let nine = text.starts_with("version: 9");
    let found = if nine {
        let done = host.run("drbdadm", &["status"], PATIENCE)?;
        nine_status(&done.stdout)
    } else {
        let by_minor = proc_drbd(&text);
        let named = minors.iter().filter_map(|(name, minor)| {
            let mut replica = by_minor.get(minor)?.clone();
            replica.resource.clone_from(name);
            Some(replica)
        });
        named.collect()
    };
    let mut replicas = Vec::new();
    for name in minors.keys() {
        let known = found.iter().find(|replica| replica.resource == *name);
        replicas.push(known.cloned().unwrap_or_else(|| unconfigured(name)));
    }
    Ok(replicas)
}

fn unconfigured(name: &str) -> Replica {
    Replica {
        resource: name.into(),
        connection: "Unconfigured".into(),
        role: String::new(),
        peer_role: String::new(),
        disk: String::new(),
        peer_disk: String::new(),
        synced: None,
        finish: None,
    }
}

/// Name and minor number of each resource in /etc/drbd.d/*.res.
fn configured(host: &Host) -> Result<BTreeMap<String, u32>, Failure> {
    let dir = host.layout.path("/etc/drbd.d");
    let me = host.name()?;
    let mut minors = BTreeMap::new();
    for name in entries(&dir)? {
        if name.ends_with(".res") && !name.starts_with('.') {
            let text = fs::read_to_string(dir.join(&name)).unwrap_or_default();
            minors.extend(resources(&text, &me));
        }
    }
    Ok(minors)
}

/// Without those that are `on` other hosts only: of three nodes the third has
/// the file too.
fn resources(text: &str, me: &str) -> BTreeMap<String, u32> {
    let mut minors = BTreeMap::new();
    let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut resource = None;
    for line in text
        .lines()
        .map(|line| line.split('#').next().unwrap_or(""))
    {
        let mut words = line
            .split_whitespace()
            .map(|word| word.trim_matches(['"', ';', '{']));
        match words.next() {
            Some("resource") => resource = words.next().map(String::from),
            Some("on") => {
                let on = hosts.entry(resource.clone().unwrap_or_default());
                on.or_default().extend(words.map(String::from));
            }
            Some("device") => {
                let minor = words.skip_while(|word| *word != "minor").nth(1);
                if let (Some(name), Some(Ok(minor))) = (&resource, minor.map(str::parse)) {
                    minors.insert(name.clone(), minor);
                }
            }
            _ => {}
        }
    }
    minors.retain(|name, _| {
        let on = hosts.get(name);
        on.is_none_or(|on| on.iter().any(|host| host == me))
    });
    minors
}

/// By minor number.
fn proc_drbd(text: &str) -> BTreeMap<u32, Replica> {
    let mut replicas: BTreeMap<u32, Replica> = BTreeMap::new();
    let mut last = None;
    for line in text.lines() {
        let line = line.trim_start();
        if let Some((minor, rest)) = line.split_once(": cs:") {
            let Ok(minor) = minor.parse() else { continue };
            let mut words = rest.split_whitespace();
            let mut replica = unconfigured("");
            replica.connection = words.next().unwrap_or_default().into();
            for word in words {
                let (here, there) = word.split_once('/').unwrap_or((word, ""));
                if let Some(role) = here.strip_prefix("ro:") {
                    (replica.role, replica.peer_role) = (role.into(), there.into());
                } else if let Some(disk) = here.strip_prefix("ds:") {
                    (replica.disk, replica.peer_disk) = (disk.into(), there.into());
                }
            }
            replicas.insert(minor, replica);
            last = Some(minor);
        } else if let Some(replica) = last.and_then(|minor| replicas.get_mut(&minor)) {
            if let Some((_, rest)) = line.split_once("sync'ed:") {
                replica.synced = rest.split('%').next().map(|part| part.trim().to_string());
            } else if let Some(rest) = line.strip_prefix("finish: ") {
                replica.finish = rest.split_whitespace().next().map(String::from);
            }
        }
    }
    replicas
}

/// `drbdadm status` of DRBD 9: resources at the margin, what belongs to them
/// indented, peers by their names.
fn nine_status(text: &str) -> Vec<Replica> {
    let mut replicas: Vec<Replica> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace().peekable();
        let Some(first) = words.peek().copied() else {
            continue;
        };
        let value = |key: &str| {
            let mut found = line
                .split_whitespace()
                .filter_map(|word| word.split_once(':'));
            found.find_map(|(name, value)| (name == key).then(|| value.to_string()))
        };
        if !line.starts_with(char::is_whitespace) {
            let mut replica = unconfigured(first);
            replica.connection = "StandAlone".into();
            replica.role = value("role").unwrap_or_default();
            replicas.push(replica);
            continue;
        }
        let Some(replica) = replicas.last_mut() else {
            continue;
        };
        if let Some(state) = value("connection") {
            replica.connection = match state.as_str() {
                "Connecting" => "WFConnection".into(),
                _ => state,
            };
        } else if let Some(role) = value("role") {
            replica.connection = "Connected".into();
            replica.peer_role = role;
        }
        if let Some(disk) = value("disk") {
            replica.disk = disk;
        }
        if let Some(disk) = value("peer-disk") {
            replica.peer_disk = disk;
        }
        if let Some(state) = value("replication").filter(|state| state != "Established") {
            replica.connection = state;
        }
        replica.synced = value("done").or(replica.synced.take());
    }
    replicas
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROC: &str = "\
version: 8.4.11 (api:1/proto:86-101)
srcversion: 5A6D1CA51BF0EF8B5D3E0E2

 2: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----
    ns:4 nr:0 dw:4 dr:2 al:1 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:0
 3: cs:SyncTarget ro:Secondary/Primary ds:Inconsistent/UpToDate C r-----
    ns:0 nr:20480 dw:20480 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:1028028
\t[>....................] sync'ed:  2.1% (1028028/1048508)K
\tfinish: 0:01:40 speed: 10,240 (10,240) want: 10,240 K/sec
 4: cs:StandAlone ro:Primary/Unknown ds:UpToDate/DUnknown   r-----
 5: cs:Unconfigured
";

    #[test]
    fn the_kernel_s_table_is_read() {
        let replicas = proc_drbd(PROC);
        assert_eq!(replicas.len(), 4);
        assert!(replicas[&2].is_redundant() && replicas[&2].role == "Primary");
        let syncing = &replicas[&3];
        assert!(syncing.is_syncing() && !syncing.is_redundant());
        assert_eq!(syncing.synced.as_deref(), Some("2.1"));
        assert_eq!(syncing.finish.as_deref(), Some("0:01:40"));
        assert_eq!(replicas[&4].connection, "StandAlone");
        assert_eq!(replicas[&4].peer_disk, "DUnknown");
        assert_eq!(replicas[&5], unconfigured(""));
    }

    #[test]
    fn resources_are_found_in_their_files() {
        let text = "# resource no\nresource uec-clc {\n  on alpha {\n    device /dev/drbd2 minor 2;\n  }\n}\n\
                    resource \"b\" { \n device minor 7;\n}\n";
        let minors = resources(text, "alpha");
        assert_eq!(minors["uec-clc"], 2);
        assert_eq!(minors["b"], 7);
        let elsewhere = resources(text, "gamma");
        assert_eq!(elsewhere.into_keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn drbd_9_is_read() {
        let text = "data role:Primary\n  disk:UpToDate\n  beta role:Secondary\n    peer-disk:UpToDate\n\n\
                    other role:Secondary\n  disk:Inconsistent\n  beta role:Primary\n    \
                    replication:SyncTarget peer-disk:UpToDate done:12.30\n\n\
                    lone role:Secondary\n  disk:UpToDate\n  beta connection:Connecting\n\n\
                    split role:Primary\n  disk:UpToDate\n  beta connection:StandAlone\n";
        let replicas = nine_status(text);
        assert!(replicas[0].is_redundant());
        assert_eq!(replicas[1].connection, "SyncTarget");
        assert_eq!(replicas[1].synced.as_deref(), Some("12.30"));
        assert_eq!(replicas[2].connection, "WFConnection");
        assert_eq!(replicas[3].connection, "StandAlone");
    }
}
