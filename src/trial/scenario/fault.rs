//! The vocabulary of faults and of administrator's acts; `N` is how a node is
//! named: by a selector in a scenario, by its name once the step runs.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::raw::{Direction, FaultWord, Manner};
use super::words::told;

/// Something that breaks. All but `Reset` and `Kill` last until they are
/// healed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum Fault<N> {
    /// The plug is pulled; healed, the node boots.
    PowerOff {
        node: N,
    },
    Reset {
        node: N,
    },
    /// `signal` without SIG: `KILL`.
    Kill {
        node: N,
        process: String,
        signal: String,
    },
    /// Frames between the two are lost in the switch; carriers stay.
    Partition {
        between: [N; 2],
        direction: Direction,
        /// 1 or 2; both without it.
        link: Option<u8>,
    },
    /// The carrier is gone.
    LinkDown {
        node: N,
        link: Option<u8>,
    },
    Loss {
        between: [N; 2],
        direction: Direction,
        link: Option<u8>,
        percent: u8,
    },
    Delay {
        between: [N; 2],
        direction: Direction,
        link: Option<u8>,
        by: Duration,
    },
    /// The machine stands still; healed, it goes on where it was.
    Freeze {
        node: N,
    },
    /// The filesystem of that path has no room left.
    DiskFull {
        node: N,
        path: String,
    },
    /// Every read and write of that disk fails.
    DiskError {
        node: N,
        disk: String,
    },
    /// The device that fences this node.
    FenceDevice {
        node: N,
        manner: Manner,
    },
    ClockJump {
        node: N,
        /// Milliseconds, negative: back.
        by: i64,
    },
    /// A mode of the stub service.
    Misbehave {
        node: N,
        mode: String,
        value: String,
    },
}

impl<N> Fault<N> {
    pub fn word(&self) -> FaultWord {
        match self {
            Self::PowerOff { .. } => FaultWord::PowerOff,
            Self::Reset { .. } => FaultWord::Reset,
            Self::Kill { .. } => FaultWord::Kill,
            Self::Partition { .. } => FaultWord::Partition,
            Self::LinkDown { .. } => FaultWord::LinkDown,
            Self::Loss { .. } => FaultWord::Loss,
            Self::Delay { .. } => FaultWord::Delay,
            Self::Freeze { .. } => FaultWord::Freeze,
            Self::DiskFull { .. } => FaultWord::DiskFull,
            Self::DiskError { .. } => FaultWord::DiskError,
            Self::FenceDevice { .. } => FaultWord::FenceDevice,
            Self::ClockJump { .. } => FaultWord::ClockJump,
            Self::Misbehave { .. } => FaultWord::Misbehave,
        }
    }

    /// The nodes it befalls.
    pub fn nodes(&self) -> Vec<&N> {
        match self {
            Self::PowerOff { node }
            | Self::Reset { node }
            | Self::Kill { node, .. }
            | Self::LinkDown { node, .. }
            | Self::Freeze { node }
            | Self::DiskFull { node, .. }
            | Self::DiskError { node, .. }
            | Self::FenceDevice { node, .. }
            | Self::ClockJump { node, .. }
            | Self::Misbehave { node, .. } => vec![node],
            Self::Partition { between, .. }
            | Self::Loss { between, .. }
            | Self::Delay { between, .. } => between.iter().collect(),
        }
    }

    /// The same fault with other names for its nodes.
    pub fn bind<M, E>(&self, mut name: impl FnMut(&N) -> Result<M, E>) -> Result<Fault<M>, E> {
        let mut pair = |[a, b]: &[N; 2]| Ok::<_, E>([name(a)?, name(b)?]);
        Ok(match self {
            Self::Partition {
                between,
                direction,
                link,
            } => Fault::Partition {
                between: pair(between)?,
                direction: *direction,
                link: *link,
            },
            Self::Loss {
                between,
                direction,
                link,
                percent,
            } => Fault::Loss {
                between: pair(between)?,
                direction: *direction,
                link: *link,
                percent: *percent,
            },
            Self::Delay {
                between,
                direction,
                link,
                by,
            } => Fault::Delay {
                between: pair(between)?,
                direction: *direction,
                link: *link,
                by: *by,
            },
            Self::PowerOff { node } => Fault::PowerOff { node: name(node)? },
            Self::Reset { node } => Fault::Reset { node: name(node)? },
            Self::Kill {
                node,
                process,
                signal,
            } => Fault::Kill {
                node: name(node)?,
                process: process.clone(),
                signal: signal.clone(),
            },
            Self::LinkDown { node, link } => Fault::LinkDown {
                node: name(node)?,
                link: *link,
            },
            Self::Freeze { node } => Fault::Freeze { node: name(node)? },
            Self::DiskFull { node, path } => Fault::DiskFull {
                node: name(node)?,
                path: path.clone(),
            },
            Self::DiskError { node, disk } => Fault::DiskError {
                node: name(node)?,
                disk: disk.clone(),
            },
            Self::FenceDevice { node, manner } => Fault::FenceDevice {
                node: name(node)?,
                manner: *manner,
            },
            Self::ClockJump { node, by } => Fault::ClockJump {
                node: name(node)?,
                by: *by,
            },
            Self::Misbehave { node, mode, value } => Fault::Misbehave {
                node: name(node)?,
                mode: mode.clone(),
                value: value.clone(),
            },
        })
    }
}

impl FaultWord {
    /// As it is written in a scenario.
    pub fn text(self) -> &'static str {
        match self {
            Self::PowerOff => "power-off",
            Self::Reset => "reset",
            Self::Kill => "kill",
            Self::Partition => "partition",
            Self::LinkDown => "link-down",
            Self::Loss => "loss",
            Self::Delay => "delay",
            Self::Freeze => "freeze",
            Self::DiskFull => "disk-full",
            Self::DiskError => "disk-error",
            Self::FenceDevice => "fence-device",
            Self::ClockJump => "clock-jump",
            Self::Misbehave => "misbehave",
        }
    }

    pub const ALL: [Self; 13] = [
        Self::PowerOff,
        Self::Reset,
        Self::Kill,
        Self::Partition,
        Self::LinkDown,
        Self::Loss,
        Self::Delay,
        Self::Freeze,
        Self::DiskFull,
        Self::DiskError,
        Self::FenceDevice,
        Self::ClockJump,
        Self::Misbehave,
    ];

    /// Whether it lasts until it is healed.
    pub fn lasts(self) -> bool {
        !matches!(self, Self::Reset | Self::Kill)
    }
}

/// ` on link 1`, or nothing.
fn on_link(link: &Option<u8>) -> String {
    link.map_or_else(String::new, |link| format!(" on link {link}"))
}

impl<N: fmt::Display> fmt::Display for Fault<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = |direction: &Direction| match direction {
            Direction::Both => "and",
            Direction::OneWay => "to",
        };
        match self {
            Self::PowerOff { node } => write!(f, "cut the power of {node}"),
            Self::Reset { node } => write!(f, "reset {node}"),
            Self::Kill {
                node,
                process,
                signal,
            } => {
                write!(f, "kill -{signal} {process} on {node}")
            }
            Self::Partition {
                between: [a, b],
                direction,
                link,
            } => {
                write!(f, "partition {a} {} {b}{}", arrow(direction), on_link(link))
            }
            Self::LinkDown { node, link: None } => write!(f, "take both links of {node} down"),
            Self::LinkDown {
                node,
                link: Some(link),
            } => {
                write!(f, "take link {link} of {node} down")
            }
            Self::Loss {
                between: [a, b],
                direction,
                link,
                percent,
            } => write!(
                f,
                "lose {percent}% between {a} {} {b}{}",
                arrow(direction),
                on_link(link)
            ),
            Self::Delay {
                between: [a, b],
                direction,
                link,
                by,
            } => write!(
                f,
                "delay by {} between {a} {} {b}{}",
                told(*by),
                arrow(direction),
                on_link(link)
            ),
            Self::Freeze { node } => write!(f, "freeze {node}"),
            Self::DiskFull { node, path } => write!(f, "fill the filesystem of {path} on {node}"),
            Self::DiskError { node, disk } => write!(f, "fail the disk {disk} of {node}"),
            Self::FenceDevice { node, manner } => {
                let manner = match manner {
                    Manner::Dead => "is dead",
                    Manner::Hangs => "hangs",
                    Manner::Refuses => "refuses",
                    Manner::Lies => "lies",
                };
                write!(f, "the fence device of {node} {manner}")
            }
            Self::ClockJump { node, by } => {
                let (length, way) = (Duration::from_millis(by.unsigned_abs()), by.signum());
                let way = if way < 0 { "back" } else { "ahead" };
                write!(f, "set the clock of {node} {} {way}", told(length))
            }
            Self::Misbehave { node, mode, value } if value.is_empty() => {
                write!(f, "the service on {node}: {mode}")
            }
            Self::Misbehave { node, mode, value } => {
                write!(f, "the service on {node}: {mode} {value}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_written_as_serde_reads_it() {
        for word in FaultWord::ALL {
            let written = serde_json::to_value(word).unwrap();
            assert_eq!(written, word.text());
        }
    }

    #[test]
    fn a_fault_keeps_its_nature_when_nodes_get_names() {
        let fault = Fault::Partition {
            between: ["holder", "other"],
            direction: Direction::OneWay,
            link: Some(2),
        };
        let bound = fault
            .bind(|name| match *name {
                "holder" => Ok("alpha"),
                "other" => Ok("beta"),
                _ => Err(()),
            })
            .unwrap();
        assert_eq!(bound.to_string(), "partition alpha to beta on link 2");
        assert_eq!(bound.nodes(), [&"alpha", &"beta"]);
        assert_eq!(
            Fault::Freeze { node: "x" }.bind(|_| Err::<(), _>(7)),
            Err(7)
        );
    }
}
