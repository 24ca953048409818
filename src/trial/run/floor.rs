//! The model's floor of an outage: what no setting of ours makes shorter
//! while token, fence device and agents are what they are.

use std::collections::BTreeMap;
use std::time::Duration;

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
        let floor = Floor {
            token,
            consensus,
            fence: fenced(&lines),
            start: started(&lines),
        };
        (!floor.total().is_zero()).then_some(floor)
    }
}

/// From the first request to the first confirmation after it.
fn fenced(lines: &[&Line]) -> Duration {
    let begin = lines
        .iter()
        .find(|line| line.text.contains("Requesting fencing ("));
    let Some(begin) = begin else {
        return Duration::ZERO;
    };
    let done = |line: &&&Line| {
        line.at >= begin.at && line.text.contains("Peer ") && line.text.contains(" was terminated")
    };
    let end = lines.iter().filter(done).map(|line| line.at).min();
    end.map_or(Duration::ZERO, |end| end - begin.at)
}

/// The time that agents took to start and promote, one after the other as
/// they ran.
fn started(lines: &[&Line]) -> Duration {
    let mut open: BTreeMap<String, Duration> = BTreeMap::new();
    let mut total = Duration::ZERO;
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
                total += line.at.saturating_sub(begin);
            }
        }
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
}
