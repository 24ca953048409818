//! Ids, groups, clones, fencing, properties.

use super::Checker;
use super::resources::check_priority;
use super::storage::one_node_filesystem;
use crate::recipe::document::{Step, at};
use crate::recipe::model::{CloneSpec, FencingNeed, Kind};
use crate::recipe::suggest;

/// Meta attributes that pacemaker 2.1 and later know.
pub(super) const META: [&str; 12] = [
    "allow-migrate",
    "critical",
    "failure-timeout",
    "is-managed",
    "maintenance",
    "migration-threshold",
    "multiple-active",
    "priority",
    "requires",
    "resource-stickiness",
    "target-role",
    "allow-unhealthy-nodes",
];

const CLONE_META: [&str; 9] = [
    "clone-max",
    "clone-min",
    "clone-node-max",
    "globally-unique",
    "interleave",
    "notify",
    "ordered",
    "promoted-max",
    "promoted-node-max",
];

pub(super) fn check(checker: &mut Checker) {
    let recipe = checker.recipe;
    for (index, resource) in recipe.resource.iter().enumerate() {
        id(checker, at!["resource", index, "id"], &resource.id);
    }
    for (index, group) in recipe.group.iter().enumerate() {
        id(checker, at!["group", index, "id"], &group.id);
        members(checker, index);
    }
    for (index, clone) in recipe.clone.iter().enumerate() {
        id(checker, at!["clone", index, "id"], &clone.id);
        check_clone(checker, index, clone);
    }
    unique(checker);
    fencing(checker);
    properties(checker);
}

/// What may be an id of the CIB, once the role's name is put before it.
fn id(checker: &mut Checker, path: &[Step], id: &str) {
    let sound = id.starts_with(|c: char| c.is_ascii_alphabetic())
        && id.len() <= 64
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !sound {
        checker.value(
            path,
            format!("`{id}` is no id"),
            "begin with a letter and go on with letters, digits, `-`, `_` and `.`",
        );
    }
}

fn unique(checker: &mut Checker) {
    let recipe = checker.recipe;
    let resources = recipe.resource.iter().map(|x| x.id.as_str());
    let groups = recipe.group.iter().map(|x| x.id.as_str());
    let clones = recipe.clone.iter().map(|x| x.id.as_str());
    let all = (resources.enumerate().map(|(i, id)| ("resource", i, id)))
        .chain(groups.enumerate().map(|(i, id)| ("group", i, id)))
        .chain(clones.enumerate().map(|(i, id)| ("clone", i, id)));
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (kind, index, id) in all {
        match seen.iter().find(|(_, earlier)| *earlier == id) {
            Some((other, _)) => checker.value(
                at![kind, index, "id"],
                format!("there is a {other} `{id}` already"),
                "give it an id of its own",
            ),
            None => seen.push((kind, id)),
        }
    }
}

pub(super) fn attribute(checker: &mut Checker, path: &[Step], name: &str) {
    let sound = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !sound {
        checker.key(
            path,
            format!("`{name}` is no name of an attribute"),
            "write letters, digits, `-`, `_` and `.`",
        );
    }
}

pub(super) fn meta(checker: &mut Checker, path: &[Step], name: &str, known: &[&str]) {
    if known.contains(&name) {
        return;
    }
    let remedy = match name {
        "master-max" => "write promoted-max".into(),
        "master-node-max" => "write promoted-node-max".into(),
        "promotable" => "write it beside `of`: promotable = true".into(),
        _ if CLONE_META.contains(&name) => "write it in the [[clone]] of the resource".into(),
        _ => suggest::remedy(name, known.iter().copied()),
    };
    checker.key(path, format!("`{name}` is no meta attribute here"), remedy);
}

fn members(checker: &mut Checker, index: usize) {
    let recipe = checker.recipe;
    let group = &recipe.group[index];
    if group.members.is_empty() {
        checker.key(
            at!["group", index, "members"],
            "the group is empty",
            "name the resources that start one after the other",
        );
    }
    for (at, member) in group.members.iter().enumerate() {
        let path = at!["group", index, "members", at];
        let resources = recipe.resource.iter().map(|resource| resource.id.as_str());
        if !resources.clone().any(|id| id == member) {
            let remedy = suggest::remedy(member, resources);
            checker.value(path, format!("there is no resource `{member}`"), remedy);
            continue;
        }
        let earlier = recipe.group[..index]
            .iter()
            .find(|earlier| earlier.members.contains(member));
        if let Some(earlier) = earlier {
            checker.value(
                path,
                format!("`{member}` is in the group `{}` already", earlier.id),
                "take it out of one of them",
            );
        } else if group.members[..at].contains(member) {
            checker.value(
                path,
                format!("`{member}` is in the group twice"),
                "keep one",
            );
        }
        if let Some(clone) = recipe.clone.iter().find(|clone| clone.of == *member) {
            checker.value(
                path,
                format!("`{member}` is cloned by `{}` already", clone.id),
                "clone the group, or take the resource out of it",
            );
        }
    }
}

fn check_clone(checker: &mut Checker, index: usize, clone: &CloneSpec) {
    let recipe = checker.recipe;
    let path = at!["clone", index, "of"];
    let known = recipe
        .resource
        .iter()
        .map(|resource| resource.id.as_str())
        .chain(recipe.group.iter().map(|group| group.id.as_str()));
    if !known.clone().any(|id| id == clone.of) {
        checker.value(
            path,
            format!("there is no resource or group `{}`", clone.of),
            suggest::remedy(&clone.of, known),
        );
    } else if let Some(earlier) = recipe.clone[..index].iter().find(|e| e.of == clone.of) {
        checker.value(
            path,
            format!("`{}` is cloned by `{}` already", clone.of, earlier.id),
            "keep one of the clones",
        );
    }
    for (name, value) in &clone.meta {
        let path = at!["clone", index, "meta", name];
        if META.contains(&name.as_str()) {
            if name == "priority" {
                check_priority(checker, path, value, clone.promotable);
            }
            continue;
        }
        meta(checker, path, name, &CLONE_META);
        let counts = name.ends_with("-max") || name == "clone-min";
        let remedy = match (counts, value.as_str()) {
            (_, text) if text.contains("{{") => continue,
            (true, text) if text.parse::<u32>().is_err() => "write a whole number",
            (false, text) if !["true", "false"].contains(&text) => "write true or false",
            _ => continue,
        };
        if CLONE_META.contains(&name.as_str()) {
            checker.value(path, format!("`{name}` cannot be `{value}`"), remedy);
        }
    }
    if !clone.promotable {
        for name in ["promoted-max", "promoted-node-max"] {
            if clone.meta.contains_key(name) {
                checker.key(
                    at!["clone", index, "meta", name],
                    "the clone is not promotable",
                    "write promotable = true, or take this out",
                );
            }
        }
    }
}

fn fencing(checker: &mut Checker) {
    let recipe = checker.recipe;
    let storage = !recipe.drbd.is_empty()
        || !recipe.lvm.is_empty()
        || !recipe.filesystem.is_empty()
        || (recipe.resource.iter()).any(|resource| one_node_filesystem(recipe, resource).is_some());
    if recipe.role.kind == Kind::Role && storage && recipe.fencing.need != FencingNeed::Required {
        checker.value(
            at!["fencing", "need"],
            "a role with storage destroys its data when it runs without fencing",
            "write need = \"required\"",
        );
    }
}

fn properties(checker: &mut Checker) {
    for (name, value) in &checker.recipe.property {
        let path = at!["property", name];
        attribute(checker, path, name);
        match name.as_str() {
            "stonith-enabled" => checker.value(
                path,
                "a role does not decide whether the cluster fences",
                "take it out, and set `need` in [fencing]",
            ),
            "no-quorum-policy" => {
                let known = ["stop", "freeze", "suicide", "demote", "fence"];
                if value == "ignore" {
                    checker.value(
                        path,
                        "without quorum both halves of a cluster would run the role",
                        "write \"stop\" or \"freeze\"; two nodes get quorum from fencing",
                    );
                } else if !known.contains(&value.as_str()) {
                    checker.value(
                        path,
                        format!("`no-quorum-policy` cannot be `{value}`"),
                        suggest::remedy(value, known),
                    );
                }
            }
            _ => {}
        }
    }
}
