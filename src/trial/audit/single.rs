//! What may be in one place only: the address, DRBD's primary, a mount.
//!
//! Nodes cannot be asked at the very same moment, so that a move could look
//! like two holders. Only what is certain counts: between two positive
//! answers in a row a node held all the time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Found;
use crate::trial::fact::{Facts, Probe, ProbeKind, Sighting, Single};
use crate::trial::scenario::told;

/// An unbroken run of positive answers of one node.
#[derive(Debug, Clone)]
struct Run {
    node: String,
    /// Each answer's window.
    windows: Vec<(Duration, Duration)>,
    /// The node was not asked again afterwards.
    last: bool,
}

impl Run {
    /// When it held for certain.
    fn certain(&self) -> Option<(Duration, Duration)> {
        let (first, last) = (self.windows.first()?, self.windows.last()?);
        (self.windows.len() > 1 && first.1 < last.0).then_some((first.1, last.0))
    }
}

fn runs(sightings: &[Sighting], what: Single) -> Vec<Run> {
    let mut by_node: BTreeMap<&str, Vec<&Sighting>> = BTreeMap::new();
    for sighting in sightings.iter().filter(|one| one.what == what) {
        by_node.entry(&sighting.node).or_default().push(sighting);
    }
    let mut runs = Vec::new();
    for (node, mut list) in by_node {
        list.sort_by_key(|one| one.begin);
        let mut open: Option<Run> = None;
        for sighting in list {
            if sighting.held {
                let run = open.get_or_insert_with(|| Run {
                    node: node.into(),
                    windows: Vec::new(),
                    last: true,
                });
                run.windows.push((sighting.begin, sighting.end));
            } else if let Some(mut run) = open.take() {
                run.last = false;
                runs.push(run);
            }
        }
        runs.extend(open);
    }
    runs
}

/// When two nodes held it at once; `None` where it was never asked for, or
/// nobody ever held it and nobody had to.
pub(super) fn never_two(facts: &Facts, what: Single, must: bool) -> Found {
    let asked = facts.sightings.iter().any(|one| one.what == what);
    let runs = runs(&facts.sightings, what);
    if runs.is_empty() {
        return match (asked, must) {
            (true, true) => Some(vec![format!("no node ever held {}", called(what))]),
            (false, true) => Some(vec![format!("nobody asked who held {}", called(what))]),
            _ => None,
        };
    }
    let mut evidence = Vec::new();
    for (index, a) in runs.iter().enumerate() {
        for b in runs[index + 1..].iter().filter(|b| b.node != a.node) {
            if let Some(at) = clash(a, b) {
                evidence.push(format!(
                    "{} and {} both held {} at {}",
                    a.node,
                    b.node,
                    called(what),
                    told(at)
                ));
            }
        }
    }
    Some(evidence)
}

/// Two nodes asked in one round are not asked further apart than this.
const ONE_ROUND: Duration = Duration::from_secs(5);

/// When both held it for certain.
fn clash(a: &Run, b: &Run) -> Option<Duration> {
    if let (Some(a), Some(b)) = (a.certain(), b.certain()) {
        let (from, to) = (a.0.max(b.0), a.1.min(b.1));
        if from < to {
            return Some(from);
        }
    }
    let inside = |one: &Run, other: &Run| {
        let (from, to) = other.certain()?;
        let mut windows = one.windows.iter();
        windows
            .find(|(begin, end)| *begin >= from && *end <= to)
            .map(|(begin, _)| *begin)
    };
    // The scenario is over and nothing moves any more. A node that went
    // silent long before the other was asked proves nothing.
    let at_the_end = || {
        let (a, b) = (
            a.last.then(|| a.windows.last())??,
            b.last.then(|| b.windows.last())??,
        );
        (a.0.abs_diff(b.0) < ONE_ROUND).then(|| a.0.max(b.0))
    };
    inside(a, b).or_else(|| inside(b, a)).or_else(at_the_end)
}

fn called(what: Single) -> &'static str {
    match what {
        Single::Address => "the address",
        Single::Primary => "the DRBD primary role",
        Single::Mount => "the mount",
    }
}

/// Two holders of the address: by the interfaces, and by who answers for it.
pub(super) fn holders(facts: &Facts) -> Found {
    let seen = never_two(facts, Single::Address, false);
    let arp: Vec<&Probe> = (facts.probes.iter())
        .filter(|probe| probe.kind == ProbeKind::Arp)
        .collect();
    if seen.is_none() && arp.is_empty() {
        return match facts
            .sightings
            .iter()
            .any(|one| one.what == Single::Address)
        {
            // A role without an address, or one that never came up: the
            // expectations tell.
            true => None,
            false => Some(vec!["nobody asked who held the address".into()]),
        };
    }
    let mut evidence = seen.unwrap_or_default();
    evidence.extend(answered_twice(&arp, &facts.macs));
    Some(evidence)
}

/// Rounds of ARP with answers from different hosts, each pair told once.
fn answered_twice(arp: &[&Probe], macs: &BTreeMap<String, String>) -> Vec<String> {
    let name = |mac: &String| macs.get(mac).cloned().unwrap_or_else(|| mac.clone());
    let mut told_of: BTreeMap<Vec<String>, (Duration, usize)> = BTreeMap::new();
    for probe in arp {
        let mut who: Vec<String> = probe.from.iter().map(name).collect();
        who.sort();
        who.dedup();
        if who.len() > 1 {
            told_of.entry(who).or_insert((probe.at, 0)).1 += 1;
        }
    }
    let line = |(who, (at, times)): (Vec<String>, (Duration, usize))| {
        let names = who.join(" and ");
        format!(
            "{names} both answered for the address, first at {}, {times} times",
            told(at)
        )
    };
    told_of.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `alpha` seen in these seconds, each answer within 0.3 s.
    fn seen(node: &str, at: &[(u64, bool)]) -> Vec<Sighting> {
        at.iter()
            .map(|(second, held)| Sighting {
                node: node.into(),
                what: Single::Address,
                begin: Duration::from_secs(*second),
                end: Duration::from_millis(second * 1000 + 300),
                held: *held,
            })
            .collect()
    }

    fn judged(sightings: Vec<Sighting>) -> Vec<String> {
        let facts = Facts {
            sightings,
            ..Facts::default()
        };
        never_two(&facts, Single::Address, true).expect("there are sightings")
    }

    #[test]
    fn a_move_is_no_clash() {
        let mut all = seen("alpha", &[(1, true), (2, true), (3, false), (4, false)]);
        all.extend(seen(
            "beta",
            &[(1, false), (2, false), (3, true), (4, true)],
        ));
        assert_eq!(judged(all), Vec::<String>::new());
        // Both positive in one round: alpha was asked before it moved.
        let mut all = seen("alpha", &[(1, true), (2, true), (3, false)]);
        all.extend(seen("beta", &[(1, false), (2, true), (3, true)]));
        assert_eq!(judged(all), Vec::<String>::new());
    }

    #[test]
    fn two_at_once_are_found() {
        let mut all = seen("alpha", &[(1, true), (2, true), (3, true), (4, false)]);
        all.extend(seen("beta", &[(1, false), (2, true), (3, true), (4, true)]));
        assert_eq!(
            judged(all),
            ["alpha and beta both held the address at 2.3 s"]
        );
        // One answer of beta alone, between two of alpha.
        let mut all = seen("alpha", &[(1, true), (3, true)]);
        all.extend(seen("beta", &[(1, false), (2, true), (3, false)]));
        assert_eq!(judged(all).len(), 1);
    }

    #[test]
    fn two_at_the_end_are_found() {
        let mut all = seen("alpha", &[(1, true)]);
        all.extend(seen("beta", &[(1, true)]));
        assert_eq!(judged(all).len(), 1);
    }

    #[test]
    fn a_holder_that_went_silent_is_no_clash() {
        let mut all = seen("alpha", &[(1, true), (2, true)]);
        all.extend(seen(
            "beta",
            &[(1, false), (2, false), (9, true), (10, true)],
        ));
        assert_eq!(judged(all), Vec::<String>::new());
    }

    #[test]
    fn a_primary_that_must_be_and_never_was_is_found() {
        let facts = Facts {
            sightings: seen("alpha", &[(1, false)]),
            ..Facts::default()
        };
        assert!(never_two(&facts, Single::Address, true).is_some_and(|found| found.len() == 1));
        assert_eq!(never_two(&facts, Single::Address, false), None);
        assert!(never_two(&facts, Single::Primary, true).is_some_and(|found| found.len() == 1));
    }

    #[test]
    fn two_answers_by_arp_are_found_and_told_once() {
        let probe = |ms: u64, from: &[&str]| Probe {
            at: Duration::from_millis(ms),
            kind: ProbeKind::Arp,
            good: true,
            from: from.iter().map(|mac| mac.to_string()).collect(),
        };
        let mut facts = Facts {
            sightings: seen("alpha", &[(1, true)]),
            probes: vec![probe(0, &["a"]), probe(20, &["a", "a"]), probe(40, &["b"])],
            macs: [("a", "alpha"), ("b", "beta")]
                .map(|(mac, node)| (mac.to_string(), node.to_string()))
                .into(),
            ..Facts::default()
        };
        assert_eq!(holders(&facts), Some(Vec::new()));
        facts.probes.push(probe(60, &["b", "a"]));
        facts.probes.push(probe(80, &["a", "b"]));
        assert_eq!(
            holders(&facts),
            Some(vec![
                "alpha and beta both answered for the address, first at 60 ms, 2 times".into()
            ])
        );
    }
}
