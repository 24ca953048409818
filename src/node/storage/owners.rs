//! Owners by number and by name: a copy keeps the numbers, so that both nodes
//! have to mean the same by them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::host::Host;
use super::super::problem::Failure;

const LIMIT: Duration = Duration::from_secs(60);

/// What the database is called, and the commands that give another number.
struct Kind {
    letter: &'static str,
    what: &'static str,
    database: &'static str,
    add: &'static str,
    change: &'static str,
    flag: &'static str,
    find: &'static str,
    give: &'static str,
}

const USER: Kind = Kind {
    letter: "u",
    what: "user",
    database: "passwd",
    add: "useradd",
    change: "usermod",
    flag: "--uid",
    find: "-uid",
    give: "chown",
};
const GROUP: Kind = Kind {
    letter: "g",
    what: "group",
    database: "group",
    add: "groupadd",
    change: "groupmod",
    flag: "--gid",
    find: "-gid",
    give: "chgrp",
};

/// `u118=cloud;g113=cloud`: who they are on this node. Numbers without a name
/// are left out.
///
/// # Errors
/// getent(1) does not end.
pub fn named(host: &Host, owners: &BTreeSet<(u32, u32)>) -> Result<String, Failure> {
    let users: BTreeSet<u32> = owners.iter().map(|owner| owner.0).collect();
    let groups: BTreeSet<u32> = owners.iter().map(|owner| owner.1).collect();
    let mut words = Vec::new();
    for (kind, numbers) in [(&USER, users), (&GROUP, groups)] {
        for number in numbers.into_iter().filter(|number| *number != 0) {
            let Some((name, _)) = entry(host, kind, &number.to_string())? else {
                continue;
            };
            // Those would end the word.
            if !name.contains(['"', '|', ',', ';', '=']) {
                words.push(format!("{}{number}={name}", kind.letter));
            }
        }
    }
    Ok(words.join(";"))
}

/// Where this node means someone else than `node`, which said `words`, and
/// what to do about it.
///
/// # Errors
/// getent(1) does not end.
pub fn disagreements(host: &Host, node: &str, words: &str) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    if host.program("getent").is_none() {
        return Ok(found);
    }
    for word in words.split(';') {
        for kind in [&USER, &GROUP] {
            let pair = word.strip_prefix(kind.letter);
            let Some((number, name)) = pair.and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            found.extend(disagreement(host, kind, node, number, name)?);
        }
    }
    Ok(found)
}

fn disagreement(
    host: &Host,
    kind: &Kind,
    node: &str,
    number: &str,
    name: &str,
) -> Result<Option<String>, Failure> {
    let Kind {
        what,
        add,
        change,
        flag,
        find,
        give,
        ..
    } = kind;
    let mine = entry(host, kind, name)?.map(|(_, number)| number);
    if mine.as_deref() == Some(number) {
        return Ok(None);
    }
    let taken = entry(host, kind, number)?.map_or_else(String::new, |(other, _)| {
        format!("; {number} is {other} here, which needs another number first")
    });
    Ok(Some(match mine {
        Some(mine) => format!(
            "the {what} {name} has the number {number} on {node}, but {mine} here; stop what runs \
             as {name} here, then run: {change} {flag} {number} {name}; find / -xdev {find} \
             {mine} -exec {give} --no-dereference {number} {{}} +{taken}"
        ),
        None => format!(
            "the {what} {name}, number {number} on {node}, does not exist here; run: {add} \
             --system {flag} {number} {name}; then install the service that it belongs \
             to{taken}"
        ),
    }))
}

/// Name and number of what `key` means; either will do.
fn entry(host: &Host, kind: &Kind, key: &str) -> Result<Option<(String, String)>, Failure> {
    if host.program("getent").is_none() {
        return Ok(None);
    }
    let done = host.run("getent", &[kind.database, key], LIMIT)?;
    let mut parts = done.stdout.lines().next().unwrap_or_default().split(':');
    let (name, number) = (parts.next(), parts.nth(1));
    Ok(match (done.success, name, number) {
        (true, Some(name), Some(number)) => Some((name.to_owned(), number.to_owned())),
        _ => None,
    })
}
