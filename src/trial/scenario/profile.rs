//! What the trials of a role need: `vm-tests/roles/ROLE.toml`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use super::check::{Checker, is_name};
use super::raw::{FormedBy, Profile as Raw};
use super::start::{client, start};
use super::{Client, Fencing, Scenario, Start};
use crate::recipe::Problems;
use crate::recipe::document::at;
use crate::recipe::read::{self, Kind};
use crate::recipe::schema::{Shape, shape_of};

/// Instead of a role: every role with an address that has a profile.
pub const ANY: &str = "any";

/// A role as the trials see it.
#[derive(Debug, Clone)]
pub struct Profile {
    pub role: String,
    /// It has a virtual address that clients ask.
    pub address: bool,
    /// It replicates by DRBD.
    pub replicated: bool,
    pub start: Start,
    pub client: Option<Client>,
}

static SHAPE: LazyLock<Shape> = LazyLock::new(shape_of::<Raw>);

/// Reads and checks one profile.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_profile(path: &Path) -> Result<Profile, Problems> {
    let kind = Kind {
        called: "the profile",
        shape: &SHAPE,
        path_remedy: "give the path of a role's profile",
        reference: "see vm-tests/README.md for what may stand here",
    };
    let text = read::text(path, &kind)?;
    let mut problems = Problems::new(&path.display().to_string(), &text);
    let Some((raw, document)) = read::parse::<Raw>(&text, &kind, &mut problems) else {
        return problems.or(|| None);
    };
    let mut checker = Checker::new(&document, &mut problems);
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    if stem != Some(&raw.role) || !is_name(&raw.role) || raw.role == ANY {
        checker.value(
            at!["role"],
            "a profile is called as the role, and so is its file",
            "write the name of the recipe in both",
        );
    }
    if raw.start.formed_by == Some(FormedBy::Nothing) {
        checker.value(
            at!["start", "formed-by"],
            "then nothing of the role would ever be tried",
            "leave it to the scenarios",
        );
    }
    let start = start(&mut checker, &raw.start);
    let client = client(&mut checker, &raw.client);
    let sound = checker.sound;
    problems.or(|| {
        sound.then(|| Profile {
            role: raw.role.clone(),
            address: raw.address.unwrap_or(true),
            replicated: raw.replicated.unwrap_or(false),
            start,
            client,
        })
    })
}

/// The profiles below `directory`/roles, by role.
///
/// # Errors
/// The problems of each broken one.
pub fn load_profiles(directory: &Path) -> Result<BTreeMap<String, Profile>, Vec<Problems>> {
    let mut profiles = BTreeMap::new();
    let mut broken = Vec::new();
    let entries = std::fs::read_dir(directory.join("roles"));
    let mut paths: Vec<_> = (entries.into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    for path in paths {
        match load_profile(&path) {
            Ok(profile) => {
                profiles.insert(profile.role.clone(), profile);
            }
            Err(problems) => broken.push(problems),
        }
    }
    match broken.is_empty() {
        true => Ok(profiles),
        false => Err(broken),
    }
}

impl Scenario {
    /// The state before the first step and the client, with what the role's
    /// profile says where the scenario says nothing.
    pub fn for_role(&self, profile: Option<&Profile>) -> (Start, Client) {
        let mut start = self.start.clone();
        let idle = Client {
            ping: true,
            http: None,
            tcp: None,
            records: None,
        };
        let Some(profile) = profile else {
            return (start, self.client.clone().unwrap_or(idle));
        };
        let base = &profile.start;
        let asked = start.fencing;
        start.fencing = asked.or(base.fencing);
        if asked.is_none() {
            start.watchdog |= base.watchdog;
        }
        start.token = start.token.or(base.token);
        start.disks = start.disks.or_else(|| base.disks.clone());
        start.shared_disk = start.shared_disk.or(base.shared_disk);
        start.stubs = start.stubs.or_else(|| base.stubs.clone());
        start.packages = start.packages.or_else(|| base.packages.clone());
        start.prepare = start.prepare.or_else(|| base.prepare.clone());
        for (question, answer) in &base.answers {
            let mine = start.answers.entry(question.clone());
            mine.or_insert_with(|| answer.clone());
        }
        let client = self.client.clone().or_else(|| profile.client.clone());
        (start, client.unwrap_or(idle))
    }
}

impl Start {
    /// What fences the nodes, once the profile has had its say.
    pub fn fenced_by(&self) -> Fencing {
        self.fencing.unwrap_or_default()
    }
}
