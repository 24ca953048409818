//! A plan for people and for programs.

use std::fmt::Write;

use serde_json::{Value, json};
use similar::TextDiff;

use super::simulate::{Event, Run};
use super::{Desired, DesiredFile, Fencing, FilesystemOn, Storage};

/// What would happen to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Absolute.
    pub path: String,
    pub state: FileState,
    /// Unified diff; empty where nothing changes or nothing may be shown.
    pub diff: String,
}

/// How a file differs from the wanted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    New,
    Changed,
    Same,
}

impl FileState {
    fn word(self) -> &'static str {
        match self {
            FileState::New => "new",
            FileState::Changed => "changed",
            FileState::Same => "unchanged",
        }
    }
}

/// Everything a plan says.
#[derive(Debug)]
pub struct Plan<'a> {
    pub desired: &'a Desired,
    pub files: Vec<FileChange>,
    pub cib: FileState,
    pub runs: Vec<Run>,
}

/// Compares a wanted file with the present text of that path.
pub fn compare(file: &DesiredFile, present: Option<&[u8]>) -> FileChange {
    let path = format!("/{}", file.path);
    let state = match present {
        None => FileState::New,
        Some(data) if data == file.content => FileState::Same,
        Some(_) => FileState::Changed,
    };
    let diff = if state == FileState::Same || file.secret {
        String::new()
    } else {
        let old = String::from_utf8_lossy(present.unwrap_or_default());
        let new = String::from_utf8_lossy(&file.content);
        let before = match state {
            FileState::New => "/dev/null",
            _ => path.as_str(),
        };
        TextDiff::from_lines(&*old, &*new)
            .unified_diff()
            .header(before, &path)
            .to_string()
    };
    FileChange { path, state, diff }
}

impl Plan<'_> {
    /// Readable text; `cib` adds the whole CIB, without passwords.
    pub fn text(&self, cib: bool) -> String {
        let mut out = String::new();
        let desired = self.desired;
        let nodes: Vec<String> = desired
            .members
            .iter()
            .map(|member| {
                let addresses: Vec<String> =
                    member.addresses.iter().map(ToString::to_string).collect();
                format!("{} ({})", member.name, addresses.join(", "))
            })
            .collect();
        let _ = writeln!(out, "Cluster {}", desired.name);
        let _ = writeln!(out, "  nodes    {}", nodes.join(", "));
        let _ = writeln!(out, "  roles    {}", or_none(&desired.roles));
        let _ = writeln!(out, "  fencing  {}", fencing(&desired.fencing));
        for note in &desired.notes {
            let _ = writeln!(out, "  note     {note}");
        }
        out.push_str("\nFiles\n");
        for file in &self.files {
            let _ = writeln!(out, "  {:<10} {}", file.state.word(), file.path);
        }
        let _ = writeln!(
            out,
            "  {:<10} cluster information base (CIB)",
            self.cib.word()
        );
        for file in &self.files {
            if !file.diff.is_empty() {
                let _ = write!(out, "\n{}", file.diff);
            }
        }
        if cib {
            let _ = writeln!(out, "\nCIB\n{}", desired.cib_redacted().trim_end());
        }
        if !desired.storage.is_empty() {
            out.push_str("\nStorage, made once and only on blank devices\n");
            for storage in &desired.storage {
                let _ = writeln!(out, "  {}", sentence(storage));
            }
        }
        for run in &self.runs {
            let _ = writeln!(out, "\n{}, simulated", title(&run.event));
            if run.steps.is_empty() {
                out.push_str("  nothing happens\n");
            }
            for (number, step) in (1..).zip(&run.steps) {
                let _ = writeln!(out, "  {number:>2}. {step}");
            }
            let mut idle = Vec::new();
            let mut serving: Vec<(String, Vec<&str>)> = Vec::new();
            for (resource, places) in &run.places {
                if places.is_empty() {
                    idle.push(resource.as_str());
                }
                for place in places {
                    let at = match place.role.as_str() {
                        "Started" => place.node.clone(),
                        role => format!("{} ({role})", place.node),
                    };
                    match serving.iter_mut().find(|(node, _)| *node == at) {
                        Some((_, resources)) => resources.push(resource),
                        None => serving.push((at, vec![resource])),
                    }
                }
            }
            serving.sort();
            for (node, resources) in serving {
                let _ = writeln!(out, "  then on {node}: {}", resources.join(", "));
            }
            if !idle.is_empty() {
                let _ = writeln!(out, "  then nowhere: {}", idle.join(", "));
            }
        }
        out
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let desired = self.desired;
        json!({
            "cluster": desired.name,
            "nodes": desired.members.iter().map(|member| json!({
                "id": member.id, "name": member.name, "addresses": member.addresses,
            })).collect::<Vec<_>>(),
            "roles": desired.roles,
            "fencing": fencing(&desired.fencing),
            "notes": desired.notes,
            "files": self.files.iter().map(|file| json!({
                "path": file.path, "state": file.state.word(), "diff": file.diff,
            })).collect::<Vec<_>>(),
            "cib": { "state": self.cib.word(), "xml": desired.cib_redacted() },
            "storage": desired.storage.iter().map(sentence).collect::<Vec<_>>(),
            "simulated": self.runs.iter().map(run_json).collect::<Vec<_>>(),
        })
    }
}

fn run_json(run: &Run) -> Value {
    let (event, node) = match &run.event {
        Event::FirstStart => ("first start", None),
        Event::Failure(node) => ("node fails", Some(node)),
    };
    let places: serde_json::Map<String, Value> = run
        .places
        .iter()
        .map(|(resource, places)| {
            let places = places
                .iter()
                .map(|place| json!({ "node": place.node, "role": place.role }));
            (resource.clone(), places.collect())
        })
        .collect();
    json!({
        "event": event,
        "node": node,
        "steps": run.steps.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "places": places,
    })
}

fn title(event: &Event) -> String {
    match event {
        Event::FirstStart => "First start".into(),
        Event::Failure(node) => format!("{node} fails"),
    }
}

fn or_none(words: &[String]) -> String {
    if words.is_empty() {
        "none".into()
    } else {
        words.join(", ")
    }
}

fn fencing(fencing: &Fencing) -> String {
    match fencing {
        Fencing::Devices(devices) => {
            let devices: Vec<String> = devices
                .iter()
                .map(|device| {
                    let (agent, targets) = (&device.agent, device.targets.join(" and "));
                    match device.level {
                        1 => format!("{agent} for {targets}"),
                        level => format!("{agent} for {targets} (level {level})"),
                    }
                })
                .collect();
            devices.join(", ")
        }
        Fencing::Watchdog { device } => format!("watchdog {device} (sbd without a disk)"),
        Fencing::AcceptSplitBrain => {
            "none: split brain is accepted, two nodes may hold an address at once".into()
        }
    }
}

fn sentence(storage: &Storage) -> String {
    match storage {
        Storage::Drbd {
            resource,
            device,
            minor,
            port,
            ..
        } => format!("DRBD resource {resource}: {device} as /dev/drbd{minor}, port {port}"),
        Storage::VolumeGroup {
            name,
            device,
            shared,
            volumes,
            ..
        } => {
            let volumes: Vec<String> = volumes
                .iter()
                .map(|(name, size)| format!("{name} ({size})"))
                .collect();
            let kind = if *shared {
                "shared volume group"
            } else {
                "volume group"
            };
            format!("{kind} {name} on {device}: {}", volumes.join(", "))
        }
        Storage::Filesystem {
            on,
            kind,
            mount,
            migrate,
            ..
        } => {
            let on = match on {
                FilesystemOn::Drbd(resource) => format!("DRBD resource {resource}"),
                FilesystemOn::Lvm { group, volume } => format!("volume {group}/{volume}"),
                FilesystemOn::Path(path) => path.clone(),
            };
            let moved = match migrate.len() {
                0 => String::new(),
                _ => format!("; moved there: {}", migrate.join(", ")),
            };
            format!("{kind} on {on}, mounted at {mount}{moved}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(secret: bool) -> DesiredFile {
        DesiredFile {
            path: "etc/x".into(),
            content: b"a\nb\n".to_vec(),
            mode: 0o644,
            secret,
        }
    }

    #[test]
    fn a_change_is_a_diff_unless_it_is_secret() {
        let change = compare(&file(false), Some(b"a\nc\n"));
        assert_eq!(change.state, FileState::Changed);
        assert_eq!(
            change.diff,
            "--- /etc/x\n+++ /etc/x\n@@ -1,2 +1,2 @@\n a\n-c\n+b\n"
        );
        let secret = compare(&file(true), Some(b"a\nc\n"));
        assert_eq!(
            (secret.state, secret.diff.as_str()),
            (FileState::Changed, "")
        );
        assert_eq!(
            compare(&file(false), Some(b"a\nb\n")).state,
            FileState::Same
        );
        let new = compare(&file(false), None);
        assert_eq!(new.state, FileState::New);
        assert!(
            new.diff.starts_with("--- /dev/null\n+++ /etc/x\n"),
            "{}",
            new.diff
        );
    }
}
