//! The model's floor of an outage: what no setting of ours makes shorter
//! while token, fence device and agents are what they are.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::trial::event::{self, Kind};
use crate::trial::fact::{Facts, Line};
use crate::trial::report::{Floor, Outage};
use crate::trial::world::World;

/// What corosync was told, corosync.conf(5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Configured {
    token: Option<Duration>,
    consensus: Option<Duration>,
}

impl Configured {
    /// Asks corosync on the first member that tells.
    pub fn ask(world: &mut dyn World, members: &[String]) -> Self {
        let shell = "corosync-cmapctl -g runtime.config.totem.token; \
                     corosync-cmapctl -g runtime.config.totem.consensus";
        for node in members {
            if let Ok(output) = world.run(node, shell, "", Duration::from_secs(20)) {
                let found = Self::parse(&output.stdout);
                if found.token.is_some() {
                    return found;
                }
            }
        }
        Self::default()
    }

    /// Lines `NAME (u32) = MILLISECONDS`.
    fn parse(text: &str) -> Self {
        let of = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            let number = line.rsplit_once("= ")?.1.trim().parse().ok()?;
            Some(Duration::from_millis(number))
        };
        Configured {
            token: of("runtime.config.totem.token "),
            consensus: of("runtime.config.totem.consensus "),
        }
    }

    /// The floor of that outage. Token and consensus count where the token was
    /// lost in it; the fence device and the agents count as long as they took.
    /// `None`: corosync did not tell, or the cluster did nothing in it, so that
    /// the model says nothing of it.
    pub fn floor(&self, outage: &Outage, facts: &Facts) -> Option<Floor> {
        let (from, to) = (outage.from, outage.from + outage.length);
        let within = |line: &&Line| line.at >= from && line.at <= to;
        let lines: Vec<&Line> = (facts.nodes.iter())
            .flat_map(|node| node.journal.iter().filter(within))
            .collect();
        let lost = lines
            .iter()
            .any(|line| line.text.contains("A processor failed"));
        let both = (self.token?, self.consensus?);
        let (token, consensus) = if lost { both } else { Default::default() };
        let fence = fenced(&lines);
        let floor = Floor {
            token,
            consensus,
            fence: fence.map_or(Duration::ZERO, |(begin, end)| end - begin),
            start: started(&lines, fence.map(|(_, end)| end)),
        };
        (!floor.total().is_zero()).then_some(floor)
    }
}

/// From the first request to the first confirmation after it.
fn fenced(lines: &[&Line]) -> Option<(Duration, Duration)> {
    let first = |kind: Kind, from: Duration| {
        let of = |line: &&&Line| {
            line.at >= from && event::read(&line.from, &line.text).is_some_and(|one| one.0 == kind)
        };
        lines.iter().filter(of).map(|line| line.at).min()
    };
    let begin = first(Kind::FenceBegun, Duration::ZERO)?;
    Some((begin, first(Kind::Fenced, begin)?))
}

/// For how long agents started and promoted, one or several at once, after the
/// fencing: what of it ran beside that is in its time already.
fn started(lines: &[&Line], after: Option<Duration>) -> Duration {
    let mut open: BTreeMap<String, Duration> = BTreeMap::new();
    let mut ran: Vec<(Duration, Duration)> = Vec::new();
    for line in lines {
        let text = line.text.as_str();
        let named = |rest: &str| {
            rest.split([':', '|'])
                .next()
                .unwrap_or(rest)
                .trim()
                .to_string()
        };
        let ours = |rest: &str| rest.starts_with("start ") || rest.starts_with("promote ");
        if let Some((_, rest)) = text.split_once("Requesting local execution of ") {
            if ours(rest) {
                open.insert(named(rest), line.at);
            }
        } else if let Some((_, rest)) = text.split_once("Result of ") {
            if let Some(begin) = open.remove(&named(rest)).filter(|_| ours(rest)) {
                ran.push((begin, line.at));
            }
        }
    }
    ran.sort();
    let mut total = Duration::ZERO;
    let mut counted = after.unwrap_or_default();
    for (begin, end) in ran {
        total += end.saturating_sub(begin.max(counted));
        counted = counted.max(end);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::fact::{NodeFacts, ProbeKind};

    fn line(at: u64, from: &str, text: &str) -> Line {
        Line {
            at: Duration::from_millis(at),
            from: from.into(),
            text: text.into(),
        }
    }

    #[test]
    fn the_floor_is_made_of_what_the_journal_tells() {
        let configured = Configured::parse(
            "runtime.config.totem.token (u32) = 1000\nruntime.config.totem.consensus (u32) = 1200\n",
        );
        let outage = Outage {
            kind: ProbeKind::Ping,
            from: Duration::from_secs(2),
            length: Duration::from_secs(6),
            open: false,
        };
        let controld = "pacemaker-controld";
        let node = NodeFacts {
            name: "beta".into(),
            journal: vec![
                line(
                    1000,
                    controld,
                    "Requesting fencing (reboot) targeting node gamma",
                ),
                line(
                    3000,
                    "corosync",
                    "[TOTEM ] A processor failed, forming new configuration",
                ),
                line(
                    4500,
                    controld,
                    "Requesting fencing (reboot) targeting node alpha",
                ),
                line(
                    5900,
                    controld,
                    "Peer alpha was terminated (reboot) by beta on behalf of x: OK",
                ),
                line(
                    6000,
                    controld,
                    "Requesting local execution of start operation for vip-ip on beta",
                ),
                line(
                    6300,
                    controld,
                    "Result of start operation for vip-ip on beta: ok",
                ),
                line(
                    6350,
                    controld,
                    "Requesting local execution of monitor operation for vip-ip on beta",
                ),
                line(
                    6400,
                    controld,
                    "Result of monitor operation for vip-ip on beta: ok",
                ),
            ],
            ..NodeFacts::default()
        };
        let facts = Facts {
            nodes: vec![node],
            ..Facts::default()
        };
        let floor = configured.floor(&outage, &facts).unwrap();
        let ms = floor.parts().map(|(_, time)| time.as_millis());
        assert_eq!(ms, [1000, 1200, 1400, 300]);
        assert_eq!(floor.total().as_millis(), 3900);
        assert_eq!(configured.floor(&outage, &Facts::default()), None);
        assert_eq!(Configured::default().floor(&outage, &facts), None);
    }

    #[test]
    fn what_ran_beside_counts_once() {
        let outage = Outage {
            kind: ProbeKind::Ping,
            from: Duration::ZERO,
            length: Duration::from_secs(60),
            open: false,
        };
        let journal = [
            (
                1000,
                "Requesting local execution of start operation for fence-sbd on beta",
            ),
            (1500, "Requesting peer fencing (reboot) targeting alpha"),
            (
                9500,
                "Peer alpha was terminated (reboot) by beta on behalf of stonith-api.9: OK",
            ),
            (
                10_000,
                "Requesting local execution of promote operation for a-drbd on beta",
            ),
            (
                10_500,
                "Result of start operation for fence-sbd on beta: ok",
            ),
            (12_000, "Result of promote operation for a-drbd on beta: ok"),
            (
                13_000,
                "Requesting local execution of start operation for a-ip on beta",
            ),
            (13_300, "Result of start operation for a-ip on beta: ok"),
        ];
        let node = NodeFacts {
            journal: (journal.iter())
                .map(|(at, text)| line(*at, "pacemaker-controld", text))
                .collect(),
            ..NodeFacts::default()
        };
        let facts = Facts {
            nodes: vec![node],
            ..Facts::default()
        };
        let configured = Configured {
            token: Some(Duration::from_secs(1)),
            consensus: Some(Duration::from_secs(1)),
        };
        let ms =
            (configured.floor(&outage, &facts).unwrap().parts()).map(|(_, time)| time.as_millis());
        assert_eq!(ms, [0, 0, 8000, 2800]);
    }
}
