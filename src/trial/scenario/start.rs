//! The state before the first step, and what the client does.

use std::time::Duration;

use super::check::{Checker, is_name};
use super::raw::{Client as RawClient, Fencing, FormedBy, Start as RawStart};
use super::{Client, Start};
use crate::recipe::document::{Step as Place, at};
use crate::recipe::suggest;
use crate::trial::stub;
use crate::vm::cache;

/// Where records are written unless a scenario says otherwise.
const RECORDS_PORT: u16 = 7007;
const STUBS: [&str; 1] = [stub::EUCALYPTUS];

/// The checked state before the first step.
pub(super) fn start(checker: &mut Checker, raw: &RawStart) -> Start {
    let nodes = checker.within(at!["start", "nodes"], raw.nodes, 2, 1..=7);
    let most = 8 - nodes;
    let spare_nodes = checker.within(at!["start", "spare-nodes"], raw.spare_nodes, 0, 0..=most);
    let links = checker.within(at!["start", "links"], raw.links, 2, 1..=2);
    if raw.formed_by == Some(FormedBy::Token) && nodes < 2 {
        checker.value(
            at!["start", "formed-by"],
            "one node alone has nobody to join by a token",
            "raise `nodes`, or write formed-by = \"secret\"",
        );
    }
    let formed_by = raw.formed_by.unwrap_or_default();
    match (&raw.script, formed_by == FormedBy::Script) {
        (None, true) => checker.value(
            at!["start", "formed-by"],
            "there is no script",
            "write script = \"...\", shell for the first node",
        ),
        (Some(_), false) => checker.value(
            at!["start", "script"],
            "the script is run by no one",
            "write formed-by = \"script\"",
        ),
        _ => {}
    }
    let sbd = matches!(raw.fencing, Some(Fencing::SbdDisk | Fencing::Watchdog));
    if sbd && raw.watchdog == Some(false) {
        checker.value(
            at!["start", "watchdog"],
            "sbd does not run without a watchdog",
            "leave `watchdog` out, or choose another `fencing`",
        );
    }
    if raw.fencing == Some(Fencing::Watchdog) && nodes == 2 {
        checker.value(
            at!["start", "fencing"],
            "two nodes alone cannot fence by the watchdog without a disk",
            "write fencing = \"sbd-disk\", or nodes = 3",
        );
    }
    let token = raw.token.as_deref().map(|text| {
        let path = at!["start", "token"];
        let token = checker.time(path, Some(text), Duration::from_secs(3));
        if !(200..=60_000).contains(&token.as_millis()) {
            checker.value(
                path,
                "the package takes a token from 200 ms to 60 s",
                "write such as token = \"1s\"",
            );
        }
        token
    });
    let mut size = |path: &[Place], text: &str| {
        cache::size(text).unwrap_or_else(|| {
            checker.value(
                path,
                format!("{text:?} is no size of a disk"),
                "write whole mebibytes or gibibytes: 512M, 1G",
            );
            0
        })
    };
    let mut all = |list: &Vec<String>| -> Vec<u64> {
        (list.iter().enumerate())
            .map(|(index, text)| size(at!["start", "disks", index], text))
            .collect()
    };
    let disks = raw.disks.as_ref().map(&mut all);
    let shared_disk =
        (raw.shared_disk.as_deref()).map(|text| size(at!["start", "shared-disk"], text));
    for (index, stub) in raw.stubs.iter().flatten().enumerate() {
        if !STUBS.contains(&stub.as_str()) {
            let remedy = suggest::remedy(stub, STUBS);
            let path = at!["start", "stubs", index];
            checker.value(path, format!("there is no stub {stub:?}"), remedy);
        }
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    for (index, package) in raw.packages.iter().flatten().enumerate() {
        if package.len() < 2 || !package.chars().all(plain) {
            checker.value(
                at!["start", "packages", index],
                format!("{package:?} is no name of a package"),
                "write the name alone, without a version",
            );
        }
    }
    for (index, role) in raw.also.iter().enumerate() {
        if !is_name(role) {
            checker.value(
                at!["start", "also", index],
                format!("{role:?} is no name of a role"),
                "write the name of a recipe, such as drbd",
            );
        }
    }
    Start {
        formed_by,
        nodes,
        spare_nodes,
        links,
        fencing: raw.fencing,
        watchdog: raw.watchdog.unwrap_or(sbd),
        token,
        disks,
        shared_disk,
        answers: raw.answers.clone(),
        also: raw.also.clone(),
        stubs: raw.stubs.clone(),
        packages: raw.packages.clone(),
        prepare: raw.prepare.clone(),
        script: raw.script.clone(),
    }
}

/// What the client does; `None` where the file says nothing of it.
pub(super) fn client(checker: &mut Checker, raw: &RawClient) -> Option<Client> {
    let asks = raw.ping.is_some() || raw.tcp.is_some() || raw.http.is_some();
    if !asks && raw.port.is_none() && raw.records.is_none() {
        return None;
    }
    if let Some(path) = raw.http.as_ref().filter(|path| !path.starts_with('/')) {
        checker.value(
            at!["client", "http"],
            format!("{path:?} is no path of a page"),
            format!("write \"/{path}\""),
        );
    }
    let records = raw.records == Some(true);
    if raw.port.is_some() && raw.http.is_none() && !records {
        checker.key(
            at!["client", "port"],
            "nothing is asked at that port",
            "add http = \"/\", or records = true",
        );
    }
    Some(Client {
        ping: raw.ping.unwrap_or(true),
        tcp: raw.tcp,
        http: (raw.http.clone()).map(|path| (path, raw.port.unwrap_or(80))),
        records: records.then(|| {
            raw.port
                .filter(|_| raw.http.is_none())
                .unwrap_or(RECORDS_PORT)
        }),
    })
}
