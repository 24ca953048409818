//! What the values of a scenario mean, and everything that is wrong with them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::raw::File;
use super::start::{client, start};
use super::words::{self, NODE_NAMES, SELECTORS, Who};
use super::{ANY, Scenario, expect, steps};
use crate::recipe::Problems;
use crate::recipe::document::{Document, Step as Place, at};
use crate::recipe::suggest;
use crate::recipe::suite::{self, SUITES, Suite};
use crate::trial::audit;

/// For all steps of a scenario that names no budget of its own.
const BUDGET: Duration = Duration::from_secs(600);

/// Checks everything; `None` where something is wrong. `on_disk`: the name
/// has to be the file's.
pub(super) fn check(
    raw: &File,
    document: &Document,
    file: &Path,
    on_disk: bool,
    problems: &mut Problems,
) -> Option<Scenario> {
    let mut checker = Checker::new(document, problems);
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    head(&mut checker, raw, stem.filter(|_| on_disk));
    let roles = roles(&mut checker, raw);
    let suites = suites(&mut checker, &raw.suites);
    let start = start(&mut checker, &raw.start);
    checker.nodes = start.machines().to_vec();
    let client = client(&mut checker, &raw.client);
    let steps = steps::steps(&mut checker, &raw.step, &start);
    let end = match &raw.expect {
        Some(expect) => expect::expectations(&mut checker, expect, at!["expect"]),
        None => Vec::new(),
    };
    if raw.step.is_empty() && raw.expect.is_none() {
        checker.value(
            at!["name"],
            "the scenario does nothing and expects nothing",
            "begin each step with a line [[step]]",
        );
    }
    audits(&mut checker, "allow", &raw.allow);
    audits(&mut checker, "must-break", &raw.must_break);
    for name in raw.must_break.keys() {
        if raw.allow.contains_key(name) {
            checker.key(
                at!["allow", name.as_str()],
                "it must fail, by [must-break]",
                "name it in one of the two",
            );
        }
    }
    let budget = checker.time(at!["budget"], raw.budget.as_deref(), BUDGET);
    repeats(&mut checker, raw, &roles);
    checker.sound.then(|| Scenario {
        file: file.to_path_buf(),
        name: raw.name.clone(),
        summary: raw.summary.clone(),
        roles,
        suites,
        repeat: raw.repeat.unwrap_or(1),
        repeat_of: raw.repeat_of.clone(),
        budget,
        start,
        client,
        steps,
        end,
        allow: raw.allow.clone(),
        must_break: raw.must_break.clone(),
    })
}

/// Collects what is wrong, by the place in the document.
pub(super) struct Checker<'a, 't> {
    document: &'a Document<'t>,
    problems: &'a mut Problems,
    /// Names of all machines of the scenario.
    pub nodes: Vec<&'static str>,
    /// Nothing was wrong so far.
    pub sound: bool,
}

impl<'a, 't> Checker<'a, 't> {
    pub fn new(document: &'a Document<'t>, problems: &'a mut Problems) -> Self {
        Checker {
            document,
            problems,
            nodes: Vec::new(),
            sound: true,
        }
    }
}

impl Checker<'_, '_> {
    /// A problem with the value there.
    pub fn value(&mut self, path: &[Place], message: impl Into<String>, remedy: impl Into<String>) {
        let span = self.document.value(path);
        self.problems.add(span, message.into(), remedy.into());
        self.sound = false;
    }

    /// A problem with the key there.
    pub fn key(&mut self, path: &[Place], message: impl Into<String>, remedy: impl Into<String>) {
        let span = self.document.key(path);
        self.problems.add(span, message.into(), remedy.into());
        self.sound = false;
    }

    /// The line of what is there, counted from 1.
    pub fn line(&self, path: &[Place]) -> usize {
        let start = self.document.value(path).start;
        self.document.text[..start].matches('\n').count() + 1
    }

    pub fn time(&mut self, path: &[Place], text: Option<&str>, default: Duration) -> Duration {
        let Some(text) = text else { return default };
        words::duration(text).unwrap_or_else(|| {
            self.value(
                path,
                format!("{text:?} is no length of time"),
                "write a number and its unit: 250ms, 12s, 3min, 1h",
            );
            default
        })
    }

    /// The name of a resource.
    pub fn resource(&mut self, path: &[Place], text: &str) {
        match words::unknown_words(text, &self.nodes) {
            None => self.value(
                path,
                format!("{text:?} is no name of a resource"),
                "write its id, such as vip-ip, {role}-ip or fence-{first}",
            ),
            Some(unknown) => {
                let known = ["role"].iter().chain(&SELECTORS).chain(&self.nodes);
                let known: Vec<&str> = known.copied().collect();
                for word in unknown {
                    self.value(
                        path,
                        format!("{word:?} is neither `role` nor a node"),
                        suggest::remedy(word, known.iter().copied()),
                    );
                }
            }
        }
    }

    /// A node of the scenario.
    pub fn who(&mut self, path: &[Place], word: &str) -> Who {
        self.who_or(path, word, &[])
    }

    /// As [`Checker::who`], where one of `others` could have been meant too.
    pub fn who_or(&mut self, path: &[Place], word: &str, others: &[&str]) -> Who {
        Who::parse(word, &self.nodes).unwrap_or_else(|| {
            let known: Vec<&str> =
                (SELECTORS.iter().chain(&self.nodes).chain(others).copied()).collect();
            let remedy = suggest::remedy(word, known.iter().copied());
            let message = match NODE_NAMES.contains(&word) {
                true => format!("there is no node {word:?} in this scenario"),
                false => format!("{word:?} names no node"),
            };
            let remedy = match NODE_NAMES.contains(&word) {
                true => format!("it has {}; raise `nodes` in [start]", self.nodes.join(", ")),
                false => remedy,
            };
            self.value(path, message, remedy);
            Who::Holder
        })
    }
}

/// Lower-case letters, digits and inner hyphens.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(plain)
        && text.ends_with(plain)
        && text.chars().all(|c| plain(c) || c == '-')
        && text.len() <= 60
}

fn head(checker: &mut Checker, raw: &File, stem: Option<&str>) {
    let name = &raw.name;
    if !is_name(name) {
        checker.value(
            at!["name"],
            format!("{name:?} is no name of a scenario"),
            "write lower-case letters, digits and hyphens, such as power-off",
        );
    } else if let Some(stem) = stem.filter(|stem| stem != name) {
        checker.value(
            at!["name"],
            format!("the file is called {stem}.toml"),
            format!("call the scenario {stem:?}, or the file {name}.toml"),
        );
    }
    let summary = &raw.summary;
    let long = summary.chars().count() > 100;
    if summary.trim().is_empty() || summary.contains('\n') || long {
        checker.value(
            at!["summary"],
            "a summary is one line of at most 100 characters",
            "say the fault, and what must hold",
        );
    } else if summary.ends_with('.') || summary.trim() != summary {
        checker.value(
            at!["summary"],
            "a summary has no full stop and no blanks at its ends",
            format!("write {:?}", summary.trim().trim_end_matches('.')),
        );
    }
}

fn repeats(checker: &mut Checker, raw: &File, roles: &[String]) {
    let never = |checker: &mut Checker, path: &[Place]| {
        checker.value(path, "it would never run", "write at least 1");
    };
    if raw.repeat == Some(0) {
        never(checker, at!["repeat"]);
    }
    for (role, times) in &raw.repeat_of {
        let path = at!["repeat-of", role.as_str()];
        if *times == 0 {
            never(checker, path);
        }
        let of_all = roles.iter().any(|one| one == ANY);
        if !of_all && !roles.is_empty() && !roles.contains(role) {
            checker.key(
                path,
                format!("the scenario is not for role {role:?}"),
                suggest::remedy(role, roles.iter().map(String::as_str)),
            );
        }
    }
}

fn roles(checker: &mut Checker, raw: &File) -> Vec<String> {
    let roles = match (&raw.role, raw.roles.is_empty()) {
        (Some(role), true) => vec![role.clone()],
        (None, false) => raw.roles.clone(),
        (Some(_), false) => {
            checker.key(
                at!["roles"],
                "`role` is here too",
                "keep `role` for one, or `roles` for several",
            );
            return Vec::new();
        }
        (None, true) => {
            checker.value(
                at!["name"],
                "the scenario names no role",
                "write role = \"vip\", or roles = [\"vip\", \"drbd\"]",
            );
            return Vec::new();
        }
    };
    for (index, role) in roles.iter().enumerate() {
        let one = at!["role"];
        let of_several = at!["roles", index];
        let path: &[Place] = if raw.role.is_some() { one } else { of_several };
        if !is_name(role) {
            checker.value(
                path,
                format!("{role:?} is no name of a role"),
                "write the name of a recipe, such as vip",
            );
        } else if roles[..index].contains(role) {
            checker.value(path, format!("{role} is named twice"), "name it once");
        }
    }
    roles
}

fn suites(checker: &mut Checker, names: &[String]) -> Vec<&'static Suite> {
    let mut chosen: Vec<&'static Suite> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let path = at!["suites", index];
        match suite::find(name) {
            Some(suite) if chosen.contains(&suite) => {
                checker.value(path, format!("{name} is named twice"), "name it once");
            }
            Some(suite) => chosen.push(suite),
            None => {
                let remedy = suggest::remedy(name, SUITES.iter().map(|suite| suite.name));
                checker.value(path, format!("there is no suite {name:?}"), remedy);
            }
        }
    }
    match names.is_empty() {
        true => SUITES.iter().collect(),
        false => chosen,
    }
}

impl Checker<'_, '_> {
    /// A small number, or its default.
    pub fn within(
        &mut self,
        path: &[Place],
        number: Option<u8>,
        default: u8,
        range: std::ops::RangeInclusive<u8>,
    ) -> u8 {
        match number {
            Some(number) if !range.contains(&number) => {
                let (from, to) = (range.start(), range.end());
                self.value(
                    path,
                    format!("{number} is out of range"),
                    format!("write a number from {from} to {to}"),
                );
                default
            }
            number => number.unwrap_or(default),
        }
    }
}

fn audits(checker: &mut Checker, section: &str, named: &BTreeMap<String, String>) {
    for (name, reason) in named {
        let path = at![section, name.as_str()];
        if !audit::NAMES.contains(&name.as_str()) {
            let remedy = suggest::remedy(name, audit::NAMES);
            checker.key(path, format!("there is no audit {name:?}"), remedy);
        } else if reason.trim().is_empty() {
            checker.value(
                path,
                "an audit is not allowed to fail without a reason",
                "write why it fails here, for the report",
            );
        }
    }
}
