//! The whole cluster: its property maintenance-mode ("Pacemaker
//! Administration", maintenance mode).

use std::time::Duration;

use super::note::{self, Note, Place};
use super::wait::{at_rest, patience, until};
use super::{after, running, say, user};
use crate::node::host::Host;
use crate::node::live::{Live, PATIENCE};
use crate::node::problem::Failure;
use crate::node::token::now;

const PROPERTY: &str = "maintenance-mode";

/// Until a change of the property is in force, or actions under way have ended.
const SETTLING: Duration = Duration::from_secs(120);

/// Until nodes are members again after their daemons were upgraded.
const RETURN: Duration = Duration::from_secs(180);

/// Begins.
///
/// # Errors
/// The cluster is not at rest, or DLM runs.
pub fn on(host: &Host, anyway: bool) -> Result<(), Failure> {
    match begin(host, anyway)? {
        Some(places) => confirm(host, &places),
        None => Ok(()),
    }
}

/// Sets the property; what ran where then, or `None` where it was set already.
///
/// # Errors
/// The cluster is not at rest, or DLM runs; it is as it was.
pub fn begin(host: &Host, anyway: bool) -> Result<Option<Vec<Place>>, Failure> {
    let live = running(host)?;
    if live.maintenance {
        say("maintenance mode is on already");
        return Ok(None);
    }
    refuse_dlm(&live, anyway)?;
    let rest = at_rest(host, SETTLING)?;
    let before = running(host)?;
    if !rest || !before.is_idle() {
        return Err(Failure::failed(
            "the cluster is busy: something starts, stops or is fenced".into(),
            "wait until `ubuntu-ha status` shows it at rest".into(),
        ));
    }
    let places = note::places(&before);
    note::keep(
        &host.layout,
        Note {
            node: None,
            since: now(),
            by: user(),
            places: places.clone(),
        },
    )?;
    let args = ["--name", PROPERTY, "--update", "true"];
    if let Err(failure) = host.must("crm_attribute", &args, PATIENCE) {
        // It may be set all the same, as where the answer came too late.
        let _ = host.run("crm_attribute", &["--name", PROPERTY, "--delete"], PATIENCE);
        note::forget(&host.layout, None)?;
        return Err(failure);
    }
    Ok(Some(places))
}

/// Waits until what was set is in force, with everything where it was.
///
/// # Errors
/// It is not; the property is set all the same.
pub fn confirm(host: &Host, places: &[Place]) -> Result<(), Failure> {
    let held = |live: &Live| {
        let active = live.resources.iter().filter(|one| one.is_active());
        live.maintenance && active.filter(|one| one.managed).count() == 0
    };
    let (live, held) = until(host, patience(host, SETTLING), held)?;
    if !held {
        return Err(Failure::failed(
            "maintenance mode was set, but is not in force".into(),
            "look at `crm_mon -1`; `ubuntu-ha maintain off` takes it back".into(),
        ));
    }
    let moved = differences(places, &note::places(&live));
    if !moved.is_empty() {
        return Err(Failure::failed(
            format!("maintenance mode is on, but meanwhile {}", moved.join(", ")),
            "see `ubuntu-ha status`; `ubuntu-ha maintain off` ends it".into(),
        ));
    }
    absent_addresses(host, &live)?;
    say("maintenance mode is on, until `ubuntu-ha maintain off`: what runs stays where it is,");
    say("what fails stays down; a node that crashes or loses its network is still fenced");
    Ok(())
}

/// DLM ends with corosync, and then its node is fenced.
fn refuse_dlm(live: &Live, anyway: bool) -> Result<(), Failure> {
    let mut active = live.resources.iter().filter(|one| one.is_active());
    let dlm = active.find(|one| one.agent == "ocf:pacemaker:controld");
    match dlm {
        Some(dlm) if !anyway => Err(Failure::failed(
            format!(
                "DLM runs here ({}): when corosync is restarted below it, the node is fenced",
                dlm.id
            ),
            "upgrade one node after the other with `ubuntu-ha maintain on --node NODE`, or say \
             --anyway if corosync and pacemaker are not restarted"
                .into(),
        )),
        _ => Ok(()),
    }
}

/// Every virtual address that pacemaker has here must be on an interface.
fn absent_addresses(host: &Host, live: &Live) -> Result<(), Failure> {
    let me = host.name()?;
    let here = live.on(&me);
    let carriers: Vec<&str> = here
        .iter()
        .filter(|one| one.agent.ends_with(":IPaddr2"))
        .map(|one| one.id.as_str())
        .collect();
    if carriers.is_empty() || host.program("ip").is_none() {
        return Ok(());
    }
    let shown = host.must("ip", &["-o", "address", "show"], PATIENCE)?;
    let words: Vec<&str> = shown.split_whitespace().collect();
    for id in carriers {
        let args = ["--resource", id, "--get-parameter", "ip"];
        let done = host.run("crm_resource", &args, PATIENCE)?;
        let address = done.stdout.trim().to_string();
        let has = |word: &&str| word.split('/').next() == Some(address.as_str());
        if done.success && !address.is_empty() && !words.iter().any(has) {
            return Err(Failure::failed(
                format!("pacemaker has {id} here, but {address} is on no interface"),
                "run `ubuntu-ha maintain off`, which lets pacemaker look again".into(),
            ));
        }
    }
    Ok(())
}

/// Ends.
///
/// # Errors
/// A node that served is away, or something would be interrupted.
pub fn off(host: &Host, anyway: bool) -> Result<(), Failure> {
    let back = |live: &Live| {
        live.connected
            && live.quorate
            && live.dc.is_some()
            && (anyway || absent(host, live).is_empty())
    };
    let limit = match anyway {
        true => SETTLING,
        false => RETURN,
    };
    let (live, complete) = until(host, patience(host, limit), back)?;
    if !complete {
        running(host)?;
        let absent = absent(host, &live);
        return Err(Failure::failed(
            format!(
                "{}: what it served may still run there, and would be started a second time",
                absent.join("; ")
            ),
            "run `systemctl start corosync pacemaker` there; say --anyway only if it is off".into(),
        ));
    }
    if !live.maintenance {
        note::forget(&host.layout, None)?;
        say("maintenance mode is off");
        return Ok(());
    }
    let before = note::about(&host.layout, None).map(|note| note.places);
    let before = before.unwrap_or_else(|| note::places(&live));
    let rest = look_again(host)?;
    let live = running(host)?;
    if (!rest || !live.is_idle()) && !anyway {
        return Err(Failure::failed(
            "the cluster still looks at its resources".into(),
            "run `ubuntu-ha maintain off` again in a moment".into(),
        ));
    }
    let changed = differences(&before, &note::places(&live));
    if !changed.is_empty() && !anyway {
        return Err(Failure::failed(
            format!("since maintenance began, {}", changed.join(", ")),
            "look whether that is so; then `ubuntu-ha maintain off --anyway` lets pacemaker put \
             it right"
                .into(),
        ));
    }
    let interrupted = after::interruptions(host)?;
    if !interrupted.is_empty() && !anyway {
        return Err(Failure::failed(
            format!(
                "pacemaker would interrupt services now: {}",
                interrupted.join(", ")
            ),
            "wait a minute and run it again, or say --anyway if that shall happen".into(),
        ));
    }
    let expected = note::places(&live);
    let args = ["--name", PROPERTY, "--delete"];
    host.must("crm_attribute", &args, PATIENCE)?;
    let settled = at_rest(host, SETTLING)?;
    let ended = |live: &Live| live.connected && !live.maintenance;
    let (live, _) = until(host, patience(host, SETTLING), ended)?;
    if live.maintenance {
        return Err(Failure::failed(
            "maintenance mode is still on".into(),
            format!("run `crm_attribute --name {PROPERTY} --delete`"),
        ));
    }
    note::forget(&host.layout, None)?;
    let gone = expected
        .iter()
        .filter(|place| !note::places(&live).contains(place));
    let gone: Vec<String> = gone.map(describe).collect();
    if !gone.is_empty() && !anyway {
        return Err(Failure::failed(
            format!(
                "maintenance mode is off, but no longer as before: {}",
                gone.join(", ")
            ),
            "see `ubuntu-ha status`".into(),
        ));
    }
    match settled {
        true => say("maintenance mode is off; pacemaker watches the services again"),
        false => say("maintenance mode is off; pacemaker is still at work, see `ubuntu-ha status`"),
    }
    Ok(())
}

/// Nodes that served when maintenance began and are no members now. Without a
/// note, every absent node may have.
fn absent(host: &Host, live: &Live) -> Vec<String> {
    let note = note::about(&host.layout, None);
    let served = |name: &str| match &note {
        Some(note) => note.places.iter().any(|place| place.node == name),
        None => true,
    };
    let away = live
        .nodes
        .iter()
        .filter(|node| !node.online || node.pending);
    away.filter(|node| served(&node.name))
        .map(|node| format!("{} is no member of the cluster", node.name))
        .collect()
}

/// Has every node say anew what runs there; whether all have.
fn look_again(host: &Host) -> Result<bool, Failure> {
    host.must("crm_resource", &["--refresh"], SETTLING)?;
    at_rest(host, SETTLING)
}

fn describe(place: &Place) -> String {
    match place.role.as_str() {
        "Started" => format!("{} on {}", place.resource, place.node),
        role => format!(
            "{} {} on {}",
            place.resource,
            role.to_lowercase(),
            place.node
        ),
    }
}

/// What is otherwise than it was, in words.
fn differences(before: &[Place], now: &[Place]) -> Vec<String> {
    let gone = before.iter().filter(|place| !now.contains(place));
    let new = now.iter().filter(|place| !before.contains(place));
    gone.map(|place| format!("{} has ended", describe(place)))
        .chain(new.map(|place| format!("{} has begun", describe(place))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_in_words() {
        let place = |resource: &str, role: &str, node: &str| Place {
            resource: resource.into(),
            role: role.into(),
            node: node.into(),
        };
        let before = [
            place("ip", "Started", "alpha"),
            place("d", "Promoted", "alpha"),
        ];
        let now = [
            place("ip", "Started", "beta"),
            place("d", "Promoted", "alpha"),
        ];
        assert_eq!(
            differences(&before, &now),
            ["ip on alpha has ended", "ip on beta has begun"]
        );
        assert_eq!(differences(&before, &before), Vec::<String>::new());
        assert_eq!(describe(&before[1]), "d promoted on alpha");
    }
}
