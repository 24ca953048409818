//! Probes into outages, and outages into figures.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::millis;
use super::model::Span;
use crate::trial::fact::{Probe, ProbeKind};

/// A time in which the client had no good answer: from the last good one
/// before to the first good one after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    pub kind: ProbeKind,
    #[serde(with = "millis")]
    pub from: Duration,
    #[serde(with = "millis")]
    pub length: Duration,
    /// It had not ended when the trial did.
    pub open: bool,
}

/// Probes of a kind in a row that fared alike.
pub fn spans(probes: &[Probe]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (kind, list) in by_kind(probes) {
        let mut open: Option<Span> = None;
        for probe in list {
            match &mut open {
                Some(span) if span.good == probe.good => span.to = probe.at,
                _ => {
                    if let Some(mut span) = open.take() {
                        span.to = probe.at;
                        spans.push(span);
                    }
                    open = Some(Span {
                        kind,
                        from: probe.at,
                        to: probe.at,
                        good: probe.good,
                    });
                }
            }
        }
        spans.extend(open);
    }
    spans
}

fn by_kind(probes: &[Probe]) -> BTreeMap<ProbeKind, Vec<&Probe>> {
    let mut kinds: BTreeMap<ProbeKind, Vec<&Probe>> = BTreeMap::new();
    for probe in probes {
        kinds.entry(probe.kind).or_default().push(probe);
    }
    for list in kinds.values_mut() {
        list.sort_by_key(|probe| probe.at);
    }
    kinds
}

/// Every outage of each kind of probe. A lone probe without an answer counts:
/// who looks for longer ones asks [`longest`].
pub fn outages(probes: &[Probe]) -> Vec<Outage> {
    let mut outages = Vec::new();
    for (kind, list) in by_kind(probes) {
        let mut good: Option<Duration> = None;
        let mut bad: Option<Duration> = None;
        for probe in &list {
            if !probe.good {
                bad.get_or_insert(probe.at);
                continue;
            }
            if let Some(first) = bad.take() {
                let from = good.unwrap_or(first);
                outages.push(Outage {
                    kind,
                    from,
                    length: probe.at - from,
                    open: false,
                });
            }
            good = Some(probe.at);
        }
        if let (Some(first), Some(last)) = (bad, list.last()) {
            let from = good.unwrap_or(first);
            outages.push(Outage {
                kind,
                from,
                length: last.at - from,
                open: true,
            });
        }
    }
    outages
}

/// The longest, by the probe that is nearest to what clients do.
pub fn longest(outages: &[Outage]) -> Option<&Outage> {
    ProbeKind::NEAREST.into_iter().find_map(|kind| {
        let of_kind = outages.iter().filter(|outage| outage.kind == kind);
        of_kind.max_by_key(|outage| outage.length)
    })
}

/// p50, p95 and the largest, by the nearest rank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    pub count: usize,
    #[serde(with = "millis")]
    pub p50: Duration,
    #[serde(with = "millis")]
    pub p95: Duration,
    #[serde(with = "millis")]
    pub max: Duration,
    /// Sorted.
    pub all: Vec<Duration>,
}

impl Figures {
    /// `None` of nothing.
    pub fn of(mut all: Vec<Duration>) -> Option<Self> {
        all.sort_unstable();
        let rank = |percent: usize| (all.len() * percent).div_ceil(100).max(1) - 1;
        Some(Self {
            count: all.len(),
            p50: *all.get(rank(50))?,
            p95: *all.get(rank(95))?,
            max: *all.last()?,
            all,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probes(kind: ProbeKind, marks: &str) -> Vec<Probe> {
        let probe = |(index, mark): (usize, char)| Probe {
            at: Duration::from_millis(20 * index as u64),
            kind,
            good: mark == '+',
            from: Vec::new(),
        };
        marks.chars().enumerate().map(probe).collect()
    }

    #[test]
    fn an_outage_lasts_from_good_to_good() {
        let found = outages(&probes(ProbeKind::Ping, "++--++-"));
        let told: Vec<_> = (found.iter())
            .map(|one| (one.from.as_millis(), one.length.as_millis(), one.open))
            .collect();
        assert_eq!(told, [(20, 60, false), (100, 20, true)]);
        assert!(outages(&probes(ProbeKind::Ping, "+++")).is_empty());
        let never = outages(&probes(ProbeKind::Ping, "---"));
        assert_eq!((never[0].length.as_millis(), never[0].open), (40, true));
    }

    #[test]
    fn the_page_counts_more_than_the_echo() {
        let mut all = outages(&probes(ProbeKind::Ping, "+----+"));
        all.extend(outages(&probes(ProbeKind::Tcp, "+--+")));
        assert_eq!(longest(&all).unwrap().kind, ProbeKind::Tcp);
        all.extend(outages(&probes(ProbeKind::Http, "+-+")));
        assert_eq!(longest(&all).unwrap().kind, ProbeKind::Http);
        assert_eq!(longest(&[]), None);
    }

    #[test]
    fn spans_follow_each_other_without_a_hole() {
        let found = spans(&probes(ProbeKind::Ping, "++--+"));
        let told: Vec<_> = (found.iter())
            .map(|span| (span.from.as_millis(), span.to.as_millis(), span.good))
            .collect();
        assert_eq!(told, [(0, 40, true), (40, 80, false), (80, 80, true)]);
    }

    #[test]
    fn figures_are_of_the_nearest_rank() {
        let seconds = |list: &[u64]| list.iter().map(|s| Duration::from_secs(*s)).collect();
        let figures = Figures::of(seconds(&[5, 1, 4, 2, 3])).unwrap();
        assert_eq!(
            (
                figures.p50.as_secs(),
                figures.p95.as_secs(),
                figures.max.as_secs()
            ),
            (3, 5, 5)
        );
        let twenty = Figures::of((1..=20).map(Duration::from_secs).collect()).unwrap();
        assert_eq!(
            (
                twenty.p50.as_secs(),
                twenty.p95.as_secs(),
                twenty.max.as_secs()
            ),
            (10, 19, 20)
        );
        let one = Figures::of(seconds(&[7])).unwrap();
        assert_eq!((one.p50, one.p95), (one.max, one.max));
        assert_eq!(Figures::of(Vec::new()), None);
    }
}
