//! `[[resource]]`: the agent, its parameters and its operations.

use super::Checker;
use super::cluster::{META, attribute, meta};
use super::questions::condition;
use crate::recipe::document::{Step, at};
use crate::recipe::model::{Operation, Resource};
use crate::recipe::suggest;
use crate::recipe::template::{self, Piece};

pub(super) fn check(checker: &mut Checker) {
    for (index, resource) in checker.recipe.resource.iter().enumerate() {
        agent(checker, at!["resource", index, "agent"], &resource.agent);
        check_resource(checker, index, resource);
    }
}

const OPERATIONS: [&str; 9] = [
    "start",
    "stop",
    "monitor",
    "promote",
    "demote",
    "notify",
    "reload",
    "migrate_to",
    "migrate_from",
];

pub(super) const ROLES: [&str; 2] = ["Promoted", "Unpromoted"];

fn agent(checker: &mut Checker, path: &[Step], agent: &str) {
    let word = |text: &str, more: &[u8]| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b) || more.contains(&b))
    };
    let parts: Vec<&str> = agent.split(':').collect();
    let remedy = match parts.as_slice() {
        ["ocf", provider, kind] if word(provider, b"") && word(kind, b"") => return,
        ["systemd", unit] if word(unit, b"@") || is_reference(unit) => return,
        ["lsb" | "upstart" | "service", name] => {
            format!("no suite starts services that way; write systemd:{name}")
        }
        ["stonith", ..] => "fence devices come from the cluster-wide answers; leave it out".into(),
        ["ocf", kind] => format!("name the provider: ocf:heartbeat:{kind}"),
        [provider, kind] => format!("write ocf:{provider}:{kind}"),
        [kind] if word(kind, b"") => {
            format!("write ocf:heartbeat:{kind} for an agent, systemd:{kind} for a unit")
        }
        _ => "write ocf:PROVIDER:TYPE or systemd:UNIT".into(),
    };
    checker.value(path, format!("`{agent}` is no agent"), remedy);
}

/// A unit may be an answer; whether the question exists is checked elsewhere.
fn is_reference(text: &str) -> bool {
    let pieces = template::parse(text);
    matches!(pieces.as_deref(), Ok([Piece::Reference(_)]))
}

fn check_resource(checker: &mut Checker, index: usize, resource: &Resource) {
    for name in resource.params.keys() {
        attribute(checker, at!["resource", index, "params", name], name);
    }
    for name in resource.meta.keys() {
        meta(checker, at!["resource", index, "meta", name], name, &META);
    }
    if let Some(priority) = resource.meta.get("priority") {
        let path = at!["resource", index, "meta", "priority"];
        check_priority(
            checker,
            path,
            priority,
            is_promotable(checker, &resource.id),
        );
    }
    if let Some(interval) = &resource.monitor {
        time(checker, at!["resource", index, "monitor"], interval, true);
    }
    let mut monitors: Vec<(&str, Option<&str>)> = Vec::new();
    monitors.extend(resource.monitor.as_deref().map(|interval| (interval, None)));
    for (at, operation) in resource.operation.iter().enumerate() {
        check_operation(checker, index, at, operation);
        if operation.name == "monitor" {
            let monitor = (
                operation.interval.as_deref().unwrap_or_default(),
                operation.role.as_deref(),
            );
            if monitors.iter().any(|(interval, _)| *interval == monitor.0) {
                checker.value(
                    at!["resource", index, "operation", at, "interval"],
                    "two monitors have the same interval: pacemaker takes them for one",
                    "write an interval of its own, such as one second more",
                );
            }
            monitors.push(monitor);
        }
    }
    if is_promotable(checker, &resource.id) {
        both_monitored(checker, index, &monitors);
    }
    for (name, value) in &resource.when {
        let path = at!["resource", index, "when", name];
        condition(checker, path, &checker.recipe.question, name, value);
    }
    if resource.agent == "ocf:linbit:drbd" {
        drbd(checker, index, resource);
    }
}

/// A monitor without a role is that of instances that are not promoted.
fn both_monitored(checker: &mut Checker, index: usize, monitors: &[(&str, Option<&str>)]) {
    for (role, without, remedy) in [
        (
            "Promoted",
            false,
            "interval = \"29s\" and role = \"Promoted\"",
        ),
        (
            "Unpromoted",
            true,
            "interval = \"31s\" and role = \"Unpromoted\"",
        ),
    ] {
        let is = |monitor: &(&str, Option<&str>)| match monitor.1 {
            Some(named) => named == role,
            None => without,
        };
        if !monitors.iter().any(is) {
            let id = &checker.recipe.resource[index].id;
            checker.value(
                at!["resource", index, "id"],
                format!("no monitor looks after the instances of `{id}` that are {role}"),
                format!("add a [[resource.operation]] with name = \"monitor\", {remedy}"),
            );
        }
    }
}

/// When a pair is split, the half with the higher sum of priorities lives. One
/// fence device counts 1, so that two halves are never even.
pub(super) fn check_priority(
    checker: &mut Checker,
    path: &[Step],
    priority: &str,
    promotable: bool,
) {
    if promotable {
        checker.key(
            path,
            "a promoted instance counts 1 more than the others, as much as a fence device does",
            "take the priority out, and give it to what follows the promoted instance",
        );
    } else if !priority.contains("{{") && !priority.parse().is_ok_and(|number: u32| number >= 2) {
        checker.value(
            path,
            format!("`priority` cannot be `{priority}`: a fence device could weigh as much"),
            "write a whole number of at least 2; what says nothing has 10",
        );
    }
}

fn check_operation(checker: &mut Checker, index: usize, at: usize, operation: &Operation) {
    let name = operation.name.as_str();
    let path = |key: &'static str| {
        [
            Step::Key("resource"),
            Step::Index(index),
            Step::Key("operation"),
            Step::Index(at),
            Step::Key(key),
        ]
    };
    if !OPERATIONS.contains(&name) {
        checker.value(
            &path("name"),
            format!("`{name}` is no operation"),
            suggest::remedy(name, OPERATIONS),
        );
    }
    if let Some(interval) = &operation.interval {
        time(checker, &path("interval"), interval, name == "monitor");
        if name != "monitor" && OPERATIONS.contains(&name) {
            checker.key(
                &path("interval"),
                "only a monitor recurs",
                "take the interval out",
            );
        }
    } else if name == "monitor" {
        checker.key(
            &path("name"),
            "the monitor has no interval",
            "write one: interval = \"10s\"",
        );
    }
    if let Some(timeout) = &operation.timeout {
        time(checker, &path("timeout"), timeout, true);
    }
    if let Some(role) = &operation.role {
        let id = checker.recipe.resource[index].id.as_str();
        if !ROLES.contains(&role.as_str()) {
            checker.value(
                &path("role"),
                format!("`{role}` is no role"),
                role_remedy(role),
            );
        } else if name != "monitor" {
            checker.key(
                &path("role"),
                "only a monitor has a role",
                "take the role out",
            );
        } else if !is_promotable(checker, id) {
            checker.key(
                &path("role"),
                format!("`{id}` is in no promotable clone, so it has no roles"),
                "take the role out, or write promotable = true in its [[clone]]",
            );
        }
    }
    if operation.depth.is_some() && name != "monitor" {
        checker.key(
            &path("depth"),
            "only a monitor has a depth",
            "take the depth out",
        );
    }
}

pub(super) fn role_remedy(role: &str) -> String {
    match role {
        "Master" | "master" => "write Promoted".into(),
        "Slave" | "slave" => "write Unpromoted".into(),
        _ => suggest::remedy(role, ROLES),
    }
}

/// Whether the id is a promotable clone, or inside one.
fn is_promotable(checker: &Checker, id: &str) -> bool {
    let recipe = checker.recipe;
    let group = recipe
        .group
        .iter()
        .find(|group| group.members.iter().any(|member| member == id));
    recipe.clone.iter().any(|clone| {
        let inside = clone.of == id || group.is_some_and(|group| clone.of == group.id);
        clone.promotable && (clone.id == id || inside)
    })
}

/// Pacemaker reads a bare number as seconds in one place and as milliseconds
/// in another, so a unit is asked for.
fn time(checker: &mut Checker, path: &[Step], text: &str, positive: bool) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let units = ["ms", "s", "sec", "m", "min", "h", "hr"];
    let seconds = number.parse::<u32>();
    if seconds.is_err() || !units.contains(&unit) {
        let remedy = match seconds {
            Ok(_) if unit.is_empty() => format!("write {number}s for seconds"),
            _ => "write a whole number with a unit, such as 500ms, 20s, 10min or 1h".into(),
        };
        checker.value(path, format!("`{text}` is no time"), remedy);
    } else if positive && seconds == Ok(0) {
        checker.value(
            path,
            "the time is zero",
            "write how long it may take, such as 20s",
        );
    }
}

fn drbd(checker: &mut Checker, index: usize, resource: &Resource) {
    let known = checker.recipe.drbd.iter().map(|drbd| drbd.id.as_str());
    match resource.params.get("drbd_resource") {
        None => checker.key(
            at!["resource", index, "params"],
            "the DRBD agent does not know its DRBD resource",
            "write drbd_resource = \"NAME\" in its params",
        ),
        Some(name) if !name.contains("{{") && !known.clone().any(|id| id == name) => {
            let remedy = suggest::remedy(name, known);
            checker.value(
                at!["resource", index, "params", "drbd_resource"],
                format!("there is no [[drbd]] `{name}`"),
                remedy,
            );
        }
        Some(_) => {}
    }
    let clone = checker
        .recipe
        .clone
        .iter()
        .position(|clone| clone.of == resource.id);
    let Some(position) = clone else {
        checker.value(
            at!["resource", index, "agent"],
            "DRBD runs on both nodes, but the resource is not cloned",
            format!(
                "add a [[clone]] with of = \"{}\" and promotable = true",
                resource.id
            ),
        );
        return;
    };
    let clone = &checker.recipe.clone[position];
    if !clone.promotable {
        checker.key(
            at!["clone", position, "of"],
            "the clone of a DRBD resource must be promotable",
            "write promotable = true",
        );
    }
    if clone.meta.get("notify").map(String::as_str) != Some("true") {
        checker.key(
            at!["clone", position, "of"],
            "the DRBD agent needs the notifications of its clone",
            "write meta = { notify = \"true\" }",
        );
    }
}
