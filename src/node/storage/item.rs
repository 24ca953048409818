//! What a node has to prepare, with its filesystems.

use std::collections::BTreeMap;

use super::super::host::Host;
use super::super::layout::Subject;
use super::super::problem::Problem;
use super::super::settings::Settings;
use crate::cluster::{Desired, FilesystemOn, Storage};
use crate::recipe::compiled::CompiledRole;
use crate::recipe::template::{self, Piece};

/// DRBD replicates between the first two members.
const REPLICAS: usize = 2;

#[derive(Debug, Clone, Copy)]
pub struct Drbd<'a> {
    pub role: &'a str,
    pub resource: &'a str,
    pub device: &'a str,
    pub minor: u32,
    pub erase: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    pub role: &'a str,
    pub name: &'a str,
    pub device: &'a str,
    pub shared: bool,
    pub volumes: &'a [(String, String)],
    pub erase: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Filesystem<'a> {
    pub role: &'a str,
    pub id: &'a str,
    pub on: &'a FilesystemOn,
    pub kind: &'a str,
    pub mount: &'a str,
    pub lock_table: Option<&'a str>,
    pub journals: u32,
    pub migrate: &'a [String],
}

/// A device and all that comes onto it.
#[derive(Debug)]
pub enum Item<'a> {
    Drbd(Drbd<'a>, Vec<Filesystem<'a>>),
    Group(Group<'a>, Vec<Filesystem<'a>>),
    Path(Filesystem<'a>),
}

impl Item<'_> {
    /// How deep the directories lie that move onto it.
    pub fn depth(&self) -> usize {
        let filesystems = match self {
            Item::Drbd(_, filesystems) | Item::Group(_, filesystems) => filesystems.as_slice(),
            Item::Path(filesystem) => std::slice::from_ref(filesystem),
        };
        let directories = filesystems.iter().flat_map(|fs| fs.migrate);
        let depths = directories.map(|directory| directory.split('/').count());
        depths.min().unwrap_or(0)
    }
}

/// Name of the record of a DRBD resource.
pub fn key_of_drbd(resource: &str) -> String {
    format!("drbd-{resource}")
}

impl Drbd<'_> {
    /// Name of the record.
    pub fn key(&self) -> String {
        key_of_drbd(self.resource)
    }
}

impl Group<'_> {
    /// Name of the record.
    pub fn key(&self) -> String {
        format!("vg-{}", self.name)
    }
}

impl Filesystem<'_> {
    /// Name of the record.
    pub fn key(&self) -> String {
        format!("fs-{}-{}", self.role, self.id)
    }

    pub fn is_shared(&self) -> bool {
        matches!(self.kind, "gfs2" | "ocfs2")
    }

    /// The label: the role and the id, as long as the kind allows.
    pub fn label(&self) -> String {
        let longest = if self.kind == "xfs" { 12 } else { 16 };
        let full = format!("{}-{}", self.role, self.id);
        full.chars().take(longest).collect()
    }

    /// The smallest device that it is of use on, in bytes.
    pub fn least(&self) -> u64 {
        let mib = match self.kind {
            "xfs" => 320,
            "gfs2" => 64 + 64 * u64::from(self.journals),
            "ocfs2" => 64 + 32 * u64::from(self.journals),
            _ => 32,
        };
        mib << 20
    }
}

/// What the node `me` has to prepare, in order.
pub fn items<'a>(desired: &'a Desired, me: &str) -> Vec<Item<'a>> {
    let replica = desired.members.iter().position(|member| member.name == me);
    let replica = replica.is_none_or(|at| at < REPLICAS);
    let mut found = Vec::new();
    for storage in &desired.storage {
        match storage {
            Storage::Drbd {
                role,
                resource,
                device,
                minor,
                erase,
                ..
            } if replica => {
                let on = FilesystemOn::Drbd(resource.clone());
                let drbd = Drbd {
                    role,
                    resource,
                    device,
                    minor: *minor,
                    erase: *erase,
                };
                found.push(Item::Drbd(drbd, filesystems(desired, |fs| *fs.on == on)));
            }
            Storage::VolumeGroup {
                role,
                name,
                device,
                shared,
                volumes,
                erase,
            } => {
                let group = Group {
                    role,
                    name,
                    device,
                    shared: *shared,
                    volumes,
                    erase: *erase,
                };
                let on = |fs: &Filesystem<'_>| match fs.on {
                    FilesystemOn::Lvm { group, .. } => group == name,
                    _ => false,
                };
                found.push(Item::Group(group, filesystems(desired, on)));
            }
            _ => {}
        }
    }
    let plain = |fs: &Filesystem<'_>| matches!(fs.on, FilesystemOn::Path(_));
    found.extend(filesystems(desired, plain).into_iter().map(Item::Path));
    found
}

fn filesystems<'a>(
    desired: &'a Desired,
    wanted: impl Fn(&Filesystem<'a>) -> bool,
) -> Vec<Filesystem<'a>> {
    let all = desired.storage.iter().filter_map(|storage| match storage {
        Storage::Filesystem {
            role,
            id,
            on,
            kind,
            mount,
            lock_table,
            journals,
            migrate,
        } => Some(Filesystem {
            role,
            id,
            on,
            kind,
            mount,
            lock_table: lock_table.as_deref(),
            journals: *journals,
            migrate,
        }),
        _ => None,
    });
    all.filter(wanted).collect()
}

/// Where the answers are that a problem is about.
#[derive(Debug)]
pub struct Asked<'a> {
    host: &'a Host,
    subject: Subject,
    /// Question of the device, and of the permission to erase it.
    pub device: Option<String>,
    pub erase: Option<String>,
    lines: BTreeMap<String, usize>,
}

impl<'a> Asked<'a> {
    /// For the questions of a role; `pick` finds the templates of the device
    /// and the name of the question that allows to erase it.
    pub fn of_role(
        host: &'a Host,
        role: &str,
        pick: impl Fn(&CompiledRole) -> Option<(String, Option<String>)>,
    ) -> Self {
        let subject = Subject::Role(role.to_owned());
        let found = host.layout.load(&subject).ok().and_then(|role| pick(&role));
        let (device, erase) = found.map_or((None, None), |(device, erase)| {
            (question_in(&device), erase)
        });
        Self::new(host, subject, device, erase)
    }

    pub fn of_cluster(host: &'a Host, question: &str) -> Self {
        Self::new(host, Subject::Cluster, Some(question.to_owned()), None)
    }

    fn new(
        host: &'a Host,
        subject: Subject,
        device: Option<String>,
        erase: Option<String>,
    ) -> Self {
        let text = host.layout.read_answers(&subject).ok().flatten();
        let settings = text.and_then(|text| Settings::parse(&text).ok());
        let lines = settings.map_or_else(BTreeMap::new, |settings| {
            let entries = settings.entries();
            entries
                .map(|(name, entry)| (name.to_owned(), entry.line))
                .collect()
        });
        Self {
            host,
            subject,
            device,
            erase,
            lines,
        }
    }

    /// A problem with the answer that names the device.
    pub fn about_device(&self, message: &str) -> Problem {
        self.about(self.device.as_deref(), message)
    }

    /// A problem with the permission.
    pub fn about_erase(&self, message: &str) -> Problem {
        self.about(self.erase.as_deref(), message)
    }

    fn about(&self, question: Option<&str>, message: &str) -> Problem {
        let message = match question {
            Some(question) => format!("{question}: {message}"),
            None => message.to_owned(),
        };
        let line = question.and_then(|question| self.lines.get(question).copied());
        Problem::new(&self.subject, message)
            .in_file(self.host.layout.answers(&self.subject), line)
            .mend_by(self.subject.reconfigure())
    }
}

/// The question that a template such as `{{ device }}` asks for.
fn question_in(text: &str) -> Option<String> {
    template::parse(text)
        .ok()?
        .into_iter()
        .find_map(|piece| match piece {
            Piece::Reference(reference) => Some(reference.question.to_string()),
            _ => None,
        })
}
