//! What happened during a trial, read from the journals of corosync and
//! pacemaker.

mod placed;
mod read;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fact::Line;

pub use placed::{Anchor, journal};
pub use read::read;

/// Something that happened, for the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Since the scenario began, by the driver's clock.
    #[serde(with = "crate::trial::report::millis")]
    pub at: Duration,
    /// The node that tells of it; none for what the driver did.
    pub node: Option<String>,
    pub kind: Kind,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The node has begun to boot.
    Boot,
    Token,
    Membership,
    Quorum,
    Dc,
    Transition,
    FenceBegun,
    Fenced,
    FenceFailed,
    Promote,
    Demote,
    Start,
    Stop,
    Failed,
    Apply,
    Daemon,
}

impl Kind {
    /// As the legend has it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Token => "token lost",
            Self::Membership => "membership",
            Self::Quorum => "quorum",
            Self::Dc => "coordinator",
            Self::Transition => "transition",
            Self::FenceBegun => "fencing",
            Self::Fenced => "fenced",
            Self::FenceFailed => "fencing failed",
            Self::Promote => "promote",
            Self::Demote => "demote",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Failed => "failed",
            Self::Apply => "apply",
            Self::Daemon => "daemon",
        }
    }
}

/// The lines that tell of something, as events of that node.
pub fn events(node: &str, lines: &[Line]) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for line in lines {
        let Some((kind, text)) = read(&line.from, &line.text) else {
            continue;
        };
        let again = events
            .last()
            .is_some_and(|last| last.kind == kind && last.text == text);
        if !again {
            events.push(Event {
                at: line.at,
                node: Some(node.into()),
                kind,
                text,
            });
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_line_is_one_event() {
        let line = |at, text: &str| Line {
            at: Duration::from_secs(at),
            from: "pacemaker-controld".into(),
            text: text.into(),
        };
        let lines = [
            line(1, "Quorum lost"),
            line(2, "Quorum lost"),
            line(3, "Quorum acquired"),
        ];
        let told = events("alpha", &lines);
        assert_eq!(told.len(), 2);
        assert_eq!(
            (told[0].at, told[0].node.as_deref()),
            (Duration::from_secs(1), Some("alpha"))
        );
    }
}
