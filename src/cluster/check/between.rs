//! Roles of one cluster that would take the same thing.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::{Draft, virtual_ip};
use crate::cluster::expand::{Filesystem, Role};
use crate::cluster::refuse::Refusals;

/// Agents of which a node runs one instance, whatever the role.
const ONCE: [&str; 2] = ["ocf:pacemaker:controld", "ocf:heartbeat:lvmlockd"];

const APART: &str = "give one of the roles a cluster of its own";

/// One thing that one role has.
struct Claim<'a> {
    role: &'a Role<'a>,
    question: Option<&'a str>,
    thing: String,
}

pub(super) fn check(draft: &Draft, refusals: &mut Refusals) {
    let roles = draft.roles;
    single(
        roles,
        addresses,
        "virtual address",
        "write another",
        refusals,
    );
    single(roles, mounts, "mount point", "write another", refusals);
    single(roles, devices, "device", "name another device", refusals);
    single(
        roles,
        |r| drbd(r, |d| d.name.clone()),
        "DRBD resource",
        APART,
        refusals,
    );
    single(
        roles,
        |r| drbd(r, |d| d.minor),
        "DRBD minor",
        APART,
        refusals,
    );
    single(roles, |r| drbd(r, |d| d.port), "DRBD port", APART, refusals);
    single(roles, groups, "volume group", APART, refusals);
    single(roles, daemons, "the one instance of", APART, refusals);
    single(roles, ids, "resource id", APART, refusals);
    nested(roles, refusals);
    for role in roles {
        nested_in_one(role, refusals);
    }
    properties(roles, refusals);
}

/// Refuses what is claimed twice; `remedy` says what to do with the answer,
/// where it is one.
fn single<'a>(
    roles: &'a [Role<'a>],
    claims: impl Fn(&'a Role<'a>) -> Vec<Claim<'a>>,
    what: &str,
    remedy: &str,
    refusals: &mut Refusals,
) {
    let mut holders: BTreeMap<String, &str> = BTreeMap::new();
    for claim in roles.iter().flat_map(claims) {
        let name = claim.role.name;
        let Some(other) = holders.get(claim.thing.as_str()) else {
            holders.insert(claim.thing, name);
            continue;
        };
        let holder = if *other == name {
            "this role".into()
        } else {
            format!("role {other}")
        };
        let remedy = match claim.question {
            Some(_) => remedy,
            None if *other == name => "change the recipe",
            None => APART,
        };
        let message = format!(
            "{what} {} is taken by {holder} already; {remedy}",
            claim.thing
        );
        refusals.role(name, claim.question, message);
    }
}

fn addresses<'a>(role: &'a Role<'a>) -> Vec<Claim<'a>> {
    let claim = |ip: virtual_ip::VirtualIp<'a>| Claim {
        role,
        question: ip.question,
        thing: ip.address.to_string(),
    };
    virtual_ip::all(role).map(claim).collect()
}

fn mounts<'a>(role: &'a Role<'a>) -> Vec<Claim<'a>> {
    let filesystems = role.filesystems.iter();
    filesystems
        .map(|filesystem| Claim {
            role,
            question: role.question_in(&filesystem.recipe.mount),
            thing: filesystem.mount.clone(),
        })
        .collect()
}

fn devices<'a>(role: &'a Role<'a>) -> Vec<Claim<'a>> {
    let devices = role.devices().into_iter();
    devices
        .map(|(device, template)| Claim {
            role,
            question: role.question_in(template),
            thing: device.to_owned(),
        })
        .collect()
}

fn drbd<'a, T: Display>(
    role: &'a Role<'a>,
    thing: impl Fn(&crate::cluster::drbd::Resource) -> T,
) -> Vec<Claim<'a>> {
    let resources = role.drbd.iter();
    resources
        .map(|(resource, _)| Claim {
            role,
            question: None,
            thing: thing(resource).to_string(),
        })
        .collect()
}

fn groups<'a>(role: &'a Role<'a>) -> Vec<Claim<'a>> {
    let groups = role.lvm.iter();
    groups
        .map(|lvm| Claim {
            role,
            question: None,
            thing: lvm.recipe.id.clone(),
        })
        .collect()
}

fn daemons<'a>(role: &'a Role<'a>) -> Vec<Claim<'a>> {
    let resources = role.resources.iter();
    resources
        .filter(|resource| ONCE.contains(&resource.agent.as_str()))
        .map(|resource| Claim {
            role,
            question: None,
            thing: resource.agent.clone(),
        })
        .collect()
}

fn ids<'a>(role: &'a Role<'a>) -> Vec<Claim<'a>> {
    let resources = role.resources.iter().map(|r| r.recipe.id.as_str());
    let groups = role.groups.iter().map(|(id, _)| *id);
    let clones = role.clones.iter().map(|clone| clone.id.as_str());
    resources
        .chain(groups)
        .chain(clones)
        .map(|id| Claim {
            role,
            question: None,
            thing: role.id(id),
        })
        .collect()
}

/// A directory that moves takes all below it along.
fn nested(roles: &[Role], refusals: &mut Refusals) {
    for (at, role) in roles.iter().enumerate() {
        for other in &roles[..at] {
            for (own, what) in moved(role) {
                for (theirs, its) in moved(other) {
                    // The same mount point is refused above.
                    let same = own == theirs && [what, its] == [MOUNTS; 2];
                    if !same && (within(own, theirs) || within(theirs, own)) {
                        let shorter = if own.len() < theirs.len() {
                            own
                        } else {
                            theirs
                        };
                        let message = format!(
                            "{what} {own}, and role {} has {theirs}: both cannot have {shorter}; \
                             {APART}",
                            other.name
                        );
                        refusals.role(role.name, None, message);
                    }
                }
            }
        }
    }
}

/// Of two filesystems of one role the one that is mounted last would hide the
/// other, or take what is moved there along.
fn nested_in_one(role: &Role, refusals: &mut Refusals) {
    for (at, filesystem) in role.filesystems.iter().enumerate() {
        for other in &role.filesystems[..at] {
            for (own, what) in moved_of(filesystem) {
                for (theirs, its) in moved_of(other) {
                    // The same mount point is refused above.
                    let same = own == theirs && [what, its] == [MOUNTS; 2];
                    if same || !(within(own, theirs) || within(theirs, own)) {
                        continue;
                    }
                    let [first, last] =
                        [filesystem, other].map(|one| role.question_in(&one.recipe.mount));
                    let question = first.or(last);
                    let remedy = match question {
                        Some(_) => "write a directory that is in none of the other's",
                        None => "change the recipe",
                    };
                    let message = format!(
                        "{what} {own}, and its filesystem {} has {theirs}: one would hide the \
                         other; {remedy}",
                        other.recipe.id
                    );
                    refusals.role(role.name, question, message);
                }
            }
        }
    }
}

const MOUNTS: &str = "mounts at";

/// Directories that a role takes: those it moves, and where it mounts.
fn moved<'a>(role: &'a Role<'a>) -> Vec<(&'a str, &'static str)> {
    role.filesystems.iter().flat_map(moved_of).collect()
}

fn moved_of<'a>(filesystem: &'a Filesystem<'a>) -> Vec<(&'a str, &'static str)> {
    let migrate = filesystem.recipe.migrate.iter();
    let mut all: Vec<(&str, &str)> = migrate.map(|path| (path.as_str(), "moves")).collect();
    all.push((filesystem.mount.as_str(), MOUNTS));
    all
}

/// Whether the first path is the second or below it.
fn within(inner: &str, outer: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.starts_with('/') || rest.is_empty())
}

fn properties(roles: &[Role], refusals: &mut Refusals) {
    let mut known: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for role in roles {
        for (name, value) in &role.properties {
            let (other, before) = *known.entry(name).or_insert((role.name, value));
            if before != value {
                let message = format!(
                    "wants the cluster property {name} to be {value}, and role {other} wants \
                     {before}; {APART}"
                );
                refusals.role(role.name, None, message);
            }
        }
    }
}
