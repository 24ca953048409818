//! What a scenario expects.

use super::check::Checker;
use super::raw::Expect;
use super::words::Who;
use super::{Expectation, Nodes};
use crate::recipe::document::Step as Place;
use crate::recipe::suggest;
use std::time::Duration;

/// The states of `ubuntu-ha status`.
const STATES: [&str; 4] = ["ok", "degraded", "unconfigured", "unknown"];

/// DRBD's connection states, drbdadm(8).
const CONNECTIONS: [&str; 6] = [
    "Connected",
    "Connecting",
    "StandAlone",
    "SyncSource",
    "SyncTarget",
    "WFConnection",
];

/// The expectations of the table at `path`.
pub(super) fn expectations<'p>(
    checker: &mut Checker,
    raw: &'p Expect,
    path: &[Place<'p>],
) -> Vec<Expectation> {
    let mut list = Vec::new();
    let place = |rest: &[Place<'static>]| [path, rest].concat();
    if let Some(word) = &raw.vip {
        let who =
            (word != "nobody").then(|| checker.who_or(&place(&["vip".into()]), word, &["nobody"]));
        list.push(Expectation::Vip(who));
    }
    if let Some(text) = &raw.outage {
        let most = checker.time(&place(&["outage".into()]), Some(text), Duration::ZERO);
        list.push(Expectation::Outage(most));
    }
    type Of = fn(Nodes) -> Expectation;
    let lists: [(&'static str, &[String], Of); 4] = [
        ("online", &raw.online, Expectation::Online),
        ("offline", &raw.offline, Expectation::Offline),
        ("quorum", &raw.quorum, Expectation::Quorum),
        ("no-quorum", &raw.no_quorum, Expectation::NoQuorum),
    ];
    for (key, words, make) in lists {
        if !words.is_empty() {
            let nodes = nodes(checker, &place(&[key.into()]), words);
            list.push(make(nodes));
        }
    }
    if let Some(words) = &raw.fenced {
        let who = |(index, word): (usize, &String)| {
            let path = place(&["fenced".into(), index.into()]);
            checker.who(&path, word)
        };
        list.push(Expectation::Fenced(
            words.iter().enumerate().map(who).collect(),
        ));
    }
    type Where = fn(String, Option<Nodes>) -> Expectation;
    let tables: [(&'static str, _, Where); 2] = [
        ("resource", &raw.resource, Expectation::Resource),
        ("promoted", &raw.promoted, Expectation::Promoted),
    ];
    for (key, table, make) in tables {
        for (id, word) in table {
            let mut path = place(&[key.into()]);
            path.push(id.into());
            let nodes = match word.as_str() {
                "nowhere" => None,
                "all" => Some(Nodes::All),
                word => Some(Nodes::These(vec![checker.who_or(
                    &path,
                    word,
                    &["all", "nowhere"],
                )])),
            };
            list.push(make(id.clone(), nodes));
        }
    }
    if let Some(wanted) = &raw.failed_actions {
        for (index, id) in wanted.iter().enumerate() {
            checker.resource(&place(&["failed-actions".into(), index.into()]), id);
        }
        list.push(Expectation::FailedActions(wanted.clone()));
    }
    if let Some(times) = raw.moves {
        list.push(Expectation::Moves(times));
    }
    status(checker, raw, &place, &mut list);
    if list.is_empty() {
        checker.key(
            path,
            "nothing is expected here",
            "write what must hold, such as vip = \"other\"",
        );
    }
    list
}

fn status<'p>(
    checker: &mut Checker,
    raw: &Expect,
    place: &dyn Fn(&[Place<'static>]) -> Vec<Place<'p>>,
    list: &mut Vec<Expectation>,
) {
    let on: Option<Who> =
        (raw.status_on.as_ref()).map(|word| checker.who(&place(&["status-on".into()]), word));
    if let Some(state) = &raw.state {
        if !STATES.contains(&state.as_str()) {
            let remedy = suggest::remedy(state, STATES);
            let message = format!("`ubuntu-ha status` has no state {state:?}");
            checker.value(&place(&["state".into()]), message, remedy);
        }
        list.push(Expectation::State {
            on: on.clone(),
            state: state.clone(),
        });
    }
    for text in &raw.status_says {
        list.push(Expectation::Says {
            on: on.clone(),
            text: text.clone(),
        });
    }
    if let Some(connection) = &raw.replication {
        if !CONNECTIONS.contains(&connection.as_str()) {
            let remedy = suggest::remedy(connection, CONNECTIONS);
            let message = format!("DRBD has no connection {connection:?}");
            checker.value(&place(&["replication".into()]), message, remedy);
        }
        list.push(Expectation::Replication {
            on: on.clone(),
            connection: connection.clone(),
        });
    }
    let asked = raw.state.is_some() || !raw.status_says.is_empty() || raw.replication.is_some();
    if on.is_some() && !asked {
        checker.key(
            &place(&["status-on".into()]),
            "nothing is asked there",
            "add `state`, `status-says` or `replication`, or take this out",
        );
    }
}

fn nodes(checker: &mut Checker, path: &[Place], words: &[String]) -> Nodes {
    if let [word] = words {
        if word == "all" {
            return Nodes::All;
        }
    }
    let mut list = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let path = [path, &[index.into()]].concat();
        if word == "all" {
            checker.value(
                &path,
                "`all` stands alone",
                "write [\"all\"], or the nodes one by one",
            );
        } else {
            list.push(checker.who(&path, word));
        }
    }
    Nodes::These(list)
}
