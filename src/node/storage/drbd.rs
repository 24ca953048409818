//! DRBD as its kernel module and its tools tell it: drbdadm-8.4(8),
//! drbdadm-9.0(8).

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::super::host::Host;
use super::super::problem::Failure;
use super::device::Device;
use super::item::Drbd;

pub const LIMIT: Duration = Duration::from_secs(120);

/// The current UUID of metadata that was never in use.
const JUST_CREATED: &str = "0000000000000004";

/// One side of a resource, and what it knows of the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// In the words of 8.4: `WFConnection`, `Connected`, `SyncTarget`.
    pub connection: String,
    pub role: String,
    pub peer_role: String,
    pub disk: String,
    pub peer_disk: String,
}

/// What a state allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Not yet; what is waited for.
    Wait(String),
    /// Both sides are connected and neither was ever in use.
    BothFresh,
    /// One side is good, so that the other follows it.
    Ready,
    /// It does not get better by waiting; why, and what to do.
    Stuck(String),
}

impl State {
    pub fn next(&self, resource: &str) -> Next {
        if self.connection == "StandAlone" {
            return Next::Stuck(format!(
                "DRBD resource {resource} refuses its peer (StandAlone): the two sides do not \
                 have one history. Decide whose data are lost; on that node run: drbdadm \
                 secondary {resource}; drbdadm connect --discard-my-data {resource}; on the \
                 other: drbdadm connect {resource}"
            ));
        }
        if ["Diskless", "Failed", "Detaching"].contains(&self.disk.as_str()) {
            return Next::Stuck(format!(
                "DRBD resource {resource} has lost its disk ({}); look at the kernel's log, then \
                 run: drbdadm attach {resource}",
                self.disk
            ));
        }
        let connected = [
            "Connected",
            "Sync",
            "PausedSync",
            "WFBitMap",
            "WFSyncUUID",
            "StartingSync",
            "Verify",
            "Ahead",
            "Behind",
            "Established",
        ];
        if !connected
            .iter()
            .any(|word| self.connection.starts_with(word))
        {
            return Next::Wait(format!(
                "the other side of {resource} ({})",
                self.connection
            ));
        }
        if self.disk == "UpToDate" || self.peer_disk == "UpToDate" {
            return Next::Ready;
        }
        let fresh = [&self.disk, &self.peer_disk]
            .iter()
            .all(|disk| *disk == "Inconsistent");
        if fresh && ["Connected", "Established"].contains(&self.connection.as_str()) {
            return Next::BothFresh;
        }
        Next::Wait(format!(
            "the disks of {resource} ({}/{})",
            self.disk, self.peer_disk
        ))
    }
}

/// Major version of the kernel module; `None` where it is not loaded.
pub fn module(host: &Host) -> Option<u32> {
    let text = fs::read_to_string(host.layout.path("/proc/drbd")).ok()?;
    let version = text.strip_prefix("version: ")?;
    version.split('.').next()?.parse().ok()
}

/// The state of the resource; `None` where it is down.
///
/// # Errors
/// The module's answer cannot be had.
pub fn state(host: &Host, drbd: &Drbd<'_>) -> Result<Option<State>, Failure> {
    match module(host) {
        None => Ok(None),
        Some(8) => {
            let path = host.layout.path("/proc/drbd");
            let text = fs::read_to_string(&path)
                .map_err(|error| super::super::layout::reading(&path, &error))?;
            Ok(of_proc(&text, drbd.minor))
        }
        Some(_) => {
            let done = host.run("drbdsetup", &["status", drbd.resource, "--json"], LIMIT)?;
            Ok(of_json(&done.stdout, drbd.resource))
        }
    }
}

/// ` 2: cs:Connected ro:Secondary/Secondary ds:UpToDate/UpToDate C r-----`
fn of_proc(text: &str, minor: u32) -> Option<State> {
    let start = format!("{minor}: ");
    let line = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(&start))?;
    let word = |name: &str| {
        let mut words = line.split_whitespace();
        words.find_map(|word| word.strip_prefix(name))
    };
    let connection = word("cs:")?;
    if connection == "Unconfigured" {
        return None;
    }
    let (role, peer_role) = word("ro:")?.split_once('/')?;
    let (disk, peer_disk) = word("ds:")?.split_once('/')?;
    Some(State {
        connection: connection.into(),
        role: role.into(),
        peer_role: peer_role.into(),
        disk: disk.into(),
        peer_disk: peer_disk.into(),
    })
}

/// `drbdsetup status --json` of DRBD 9, with one peer and one volume.
fn of_json(text: &str, resource: &str) -> Option<State> {
    let all: Value = serde_json::from_str(text).ok()?;
    let mut resources = all.as_array()?.iter();
    let found = resources.find(|one| one["name"].as_str() == Some(resource))?;
    let word = |value: &Value| value.as_str().unwrap_or("Unknown").to_owned();
    let (peer, volume) = (&found["connections"][0], &found["devices"][0]);
    let connection = match peer["connection-state"].as_str().unwrap_or("StandAlone") {
        "Connected" => match peer["peer_devices"][0]["replication-state"].as_str() {
            Some("Established") | None => "Connected".into(),
            Some(other) => other.to_owned(),
        },
        "Connecting" => "WFConnection".into(),
        other => other.to_owned(),
    };
    Some(State {
        connection,
        role: word(&found["role"]),
        peer_role: word(&peer["peer-role"]),
        disk: word(&volume["disk-state"]),
        peer_disk: match peer["peer_devices"][0]["peer-disk-state"].as_str() {
            Some(disk) => disk.to_owned(),
            None => "DUnknown".into(),
        },
    })
}

/// Whether the resource's file on this host names the device.
///
/// # Errors
/// drbdadm cannot be started.
pub fn is_backed_by(host: &Host, resource: &str, device: &Device) -> Result<bool, Failure> {
    let file = host.layout.path(&format!("/etc/drbd.d/{resource}.res"));
    if !file.is_file() || host.program("drbdadm").is_none() {
        return Ok(false);
    }
    let done = host.run("drbdadm", &["sh-ll-dev", resource], LIMIT)?;
    let path = done.stdout.lines().next().unwrap_or_default().trim();
    let same = |other: Device| other.number == device.number;
    Ok(done.success && Device::find(host, path).is_ok_and(same))
}

/// Makes metadata on a device that was just found blank.
///
/// # Errors
/// drbdadm found something after all, or could not write. It is given no
/// confirmation.
pub fn create_metadata(host: &Host, resource: &str) -> Result<(), Failure> {
    host.must("drbdadm", &["create-md", resource], LIMIT)
        .map(drop)
}

/// # Errors
/// The module is missing.
pub fn load(host: &Host) -> Result<(), Failure> {
    if module(host).is_some() {
        return Ok(());
    }
    host.must("modprobe", &["drbd"], LIMIT).map(drop)
}

/// Whether this side was never in use.
///
/// # Errors
/// drbdadm cannot tell.
pub fn is_fresh(host: &Host, resource: &str) -> Result<bool, Failure> {
    let text = host.must("drbdadm", &["get-gi", resource], LIMIT)?;
    Ok(text.trim_start().starts_with(JUST_CREATED))
}

/// Declares two blank disks equal. The kernel refuses it for sides that were
/// in use.
///
/// # Errors
/// It did not.
pub fn skip_initial_sync(host: &Host, resource: &str) -> Result<(), Failure> {
    let volume = format!("{resource}/0");
    let args: &[&str] = match module(host) {
        Some(8) => &["--", "--clear-bitmap", "new-current-uuid", resource],
        _ => &["new-current-uuid", "--clear-bitmap", &volume],
    };
    host.must("drbdadm", args, LIMIT).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROC: &str = "version: 8.4.11 (api:1/proto:86-101)\n\
        srcversion: 0123456789ABCDEF\n\n \
        1: cs:Unconfigured\n \
        2: cs:Connected ro:Secondary/Primary ds:Inconsistent/UpToDate C r-----\n    \
        ns:0 nr:0 dw:0 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:262108\n\
        12: cs:WFConnection ro:Secondary/Unknown ds:UpToDate/DUnknown C r-----\n";

    #[test]
    fn the_minor_is_found_in_proc() {
        assert_eq!(of_proc(PROC, 1), None);
        assert_eq!(of_proc(PROC, 3), None);
        let two = of_proc(PROC, 2).unwrap();
        assert_eq!(
            (two.role.as_str(), two.peer_role.as_str()),
            ("Secondary", "Primary")
        );
        assert_eq!(
            (two.disk.as_str(), two.peer_disk.as_str()),
            ("Inconsistent", "UpToDate")
        );
        assert_eq!(of_proc(PROC, 12).unwrap().connection, "WFConnection");
    }

    #[test]
    fn version_9_answers_in_json() {
        let text = r#"[{"name": "data", "node-id": 0, "role": "Secondary",
            "devices": [{"volume": 0, "minor": 0, "disk-state": "Inconsistent"}],
            "connections": [{"peer-node-id": 1, "name": "beta",
                "connection-state": "Connected", "peer-role": "Secondary",
                "peer_devices": [{"volume": 0, "replication-state": "Established",
                    "peer-disk-state": "Inconsistent"}]}]}]"#;
        let state = of_json(text, "data").unwrap();
        assert_eq!(state.next("data"), Next::BothFresh);
        assert_eq!(of_json(text, "other"), None);
        let lost = text.replace("\"Connected\"", "\"Connecting\"");
        assert!(matches!(
            of_json(&lost, "data").unwrap().next("data"),
            Next::Wait(_)
        ));
    }

    #[test]
    fn only_two_unused_sides_are_declared_equal() {
        let cases = [
            ("Connected", "Inconsistent/Inconsistent", "fresh"),
            ("Connected", "UpToDate/UpToDate", "ready"),
            ("Connected", "UpToDate/Inconsistent", "ready"),
            ("SyncTarget", "Inconsistent/UpToDate", "ready"),
            ("PausedSyncT", "Inconsistent/UpToDate", "ready"),
            ("WFBitMapS", "UpToDate/Consistent", "ready"),
            ("WFBitMapT", "Inconsistent/Inconsistent", "wait"),
            ("Connected", "Consistent/Inconsistent", "wait"),
            ("Connected", "Inconsistent/Diskless", "wait"),
            ("WFConnection", "UpToDate/DUnknown", "wait"),
            ("WFConnection", "Inconsistent/DUnknown", "wait"),
            ("NetworkFailure", "Inconsistent/DUnknown", "wait"),
            ("StandAlone", "UpToDate/DUnknown", "stuck"),
            ("Connected", "Diskless/UpToDate", "stuck"),
            ("Connected", "Failed/UpToDate", "stuck"),
        ];
        for (connection, disks, wanted) in cases {
            let (disk, peer_disk) = disks.split_once('/').unwrap();
            let state = State {
                connection: connection.into(),
                role: "Secondary".into(),
                peer_role: "Secondary".into(),
                disk: disk.into(),
                peer_disk: peer_disk.into(),
            };
            let got = match state.next("data") {
                Next::Wait(_) => "wait",
                Next::BothFresh => "fresh",
                Next::Ready => "ready",
                Next::Stuck(_) => "stuck",
            };
            assert_eq!(got, wanted, "{connection} {disks}");
        }
    }
}
