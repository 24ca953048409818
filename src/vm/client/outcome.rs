//! What probes found, and what it adds up to.

use std::collections::BTreeSet;
use std::time::Duration;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// What is asked of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Who has it?
    Arp,
    /// ICMP echo.
    Ping,
    /// Does a port accept?
    Connect(u16),
    /// HTTP/1.1 GET of a path at a port.
    Get(u16, String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everyone who said "I have it", in order; more than one is a split.
    Held(Vec<Mac>),
    /// The echo came back, or the port accepted.
    Answered,
    Http {
        status: u16,
        body: String,
    },
    /// The connection was refused or reset.
    Refused,
    /// An answer that nobody understands.
    Garbled,
    Silent,
}

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// When it began, since the common origin.
    pub at: Duration,
    pub outcome: Outcome,
    /// From its begin to the first answer; to the end of its patience when
    /// there was none.
    pub rtt: Duration,
}

impl Probe {
    /// Whether the service was there: HTTP only with a status of 2xx.
    pub fn is_good(&self) -> bool {
        match &self.outcome {
            Outcome::Held(_) | Outcome::Answered => true,
            Outcome::Http { status, .. } => (200..300).contains(status),
            Outcome::Refused | Outcome::Garbled | Outcome::Silent => false,
        }
    }
}

/// A time without service, as the client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// The last good answer before, or the first failed probe when there was
    /// none.
    pub start: Duration,
    /// Up to the first good answer after; `None` when there was none.
    pub length: Option<Duration>,
}

/// The gaps around failed probes, from the last good answer before to the
/// first good answer after. `probes` are those of one question, by their begin.
pub fn outages(probes: &[Probe]) -> Vec<Outage> {
    let mut outages = Vec::new();
    let mut last_good = None;
    let mut open: Option<Duration> = None;
    for probe in probes {
        let answered = probe.at + probe.rtt;
        if !probe.is_good() {
            open.get_or_insert(last_good.unwrap_or(probe.at));
            continue;
        }
        if let Some(start) = open.take() {
            let length = Some(answered.saturating_sub(start));
            outages.push(Outage { start, length });
        }
        last_good = last_good.max(Some(answered));
    }
    outages.extend(open.map(|start| Outage {
        start,
        length: None,
    }));
    outages
}

/// The rounds in which more than one host had the address.
pub fn splits(probes: &[Probe]) -> Vec<&Probe> {
    let is_split = |probe: &&Probe| match &probe.outcome {
        Outcome::Held(by) => by.iter().collect::<BTreeSet<_>>().len() > 1,
        _ => false,
    };
    probes.iter().filter(is_split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn probe(at: u64, outcome: Outcome) -> Probe {
        let rtt = if outcome == Outcome::Silent { 1000 } else { 5 };
        Probe {
            at: ms(at),
            outcome,
            rtt: ms(rtt),
        }
    }

    fn of(pattern: &str) -> Vec<Probe> {
        let outcome = |sign| match sign {
            '+' => Outcome::Answered,
            'r' => Outcome::Refused,
            _ => Outcome::Silent,
        };
        (0..)
            .zip(pattern.chars())
            .map(|(index, sign)| probe(index * 20, outcome(sign)))
            .collect()
    }

    #[test]
    fn outages_last_from_answer_to_answer() {
        let outage = |start, length: Option<u64>| Outage {
            start: ms(start),
            length: length.map(ms),
        };
        assert_eq!(outages(&[]), []);
        assert_eq!(outages(&of("+++")), []);
        assert_eq!(outages(&of("++-r-++")), [outage(25, Some(80))]);
        assert_eq!(
            outages(&of("+-+-+")),
            [outage(5, Some(40)), outage(45, Some(40))]
        );
        assert_eq!(outages(&of("--+")), [outage(0, Some(45))]);
        assert_eq!(outages(&of("+--")), [outage(5, None)]);
    }

    #[test]
    fn an_http_error_is_no_service() {
        let http = |status| Outcome::Http {
            status,
            body: String::new(),
        };
        let probes = [
            probe(0, http(200)),
            probe(20, http(503)),
            probe(40, http(204)),
        ];
        assert_eq!(outages(&probes).len(), 1);
    }

    #[test]
    fn a_split_is_two_hosts_in_one_round() {
        let (a, b) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let held = |by: &[Mac]| Outcome::Held(by.to_vec());
        let probes = [
            probe(0, held(&[a])),
            probe(20, held(&[a, a])),
            probe(40, held(&[a, b])),
            probe(60, held(&[b])),
        ];
        assert_eq!(splits(&probes), [&probes[2]]);
    }
}
