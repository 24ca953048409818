//! What happened during a trial, read from the journals of corosync and
//! pacemaker.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::fact::Line;

/// Something that happened, for the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Since the scenario began, by the driver's clock.
    pub at: Duration,
    /// The node that tells of it; none for what the driver did.
    pub node: Option<String>,
    pub kind: Kind,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The driver's own: a fault, an act, the end of one.
    Step,
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
            Self::Step => "step",
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

/// Ties a boot's own clock to the driver's: at `at`, that boot was `uptime`
/// old. Wall clocks are no help: a scenario may set them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    pub boot: String,
    pub uptime: Duration,
    pub at: Duration,
}

/// The lines of `journalctl -o json`, placed by the anchors; lines of boots
/// without an anchor are placed by the nearest line that has one, and left out
/// where there is none. Sorted by time.
pub fn journal(text: &str, anchors: &[Anchor]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut last = None;
    for record in text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        let word = |name: &str| record[name].as_str().unwrap_or_default();
        let boot = word("_BOOT_ID");
        let Ok(own) = word("__MONOTONIC_TIMESTAMP")
            .parse()
            .map(Duration::from_micros)
        else {
            continue;
        };
        let Some(at) = place(boot, own, anchors).or(last) else {
            continue;
        };
        last = Some(at);
        let from = match word("SYSLOG_IDENTIFIER") {
            "" => word("_COMM"),
            name => name,
        };
        lines.push(Line {
            at,
            from: from.into(),
            text: message(&record["MESSAGE"]),
        });
    }
    lines.sort_by_key(|line| line.at);
    lines
}

/// The driver's time of a moment of a boot. A machine that was frozen is
/// behind ever after: the last anchor before the moment counts, or the first.
fn place(boot: &str, own: Duration, anchors: &[Anchor]) -> Option<Duration> {
    let plain = |text: &str| text.replace('-', "");
    let same = || {
        anchors
            .iter()
            .filter(|anchor| plain(&anchor.boot) == plain(boot))
    };
    let before = same()
        .filter(|anchor| anchor.uptime <= own)
        .max_by_key(|a| a.uptime);
    match before {
        Some(anchor) => Some(anchor.at + (own - anchor.uptime)),
        None => {
            let anchor = same().min_by_key(|anchor| anchor.uptime)?;
            anchor.at.checked_sub(anchor.uptime - own)
        }
    }
}

/// A message with odd bytes is a list of numbers, systemd.journal-fields(7).
fn message(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(bytes) => {
            let bytes = bytes
                .iter()
                .filter_map(|byte| u8::try_from(byte.as_u64()?).ok());
            String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
        }
        _ => String::new(),
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

/// What a line of a journal tells.
pub fn read(from: &str, text: &str) -> Option<(Kind, String)> {
    let from = from.rsplit('/').next().unwrap_or(from);
    match from {
        "corosync" => corosync(text),
        "kernel" if text.starts_with("Linux version ") => Some((Kind::Boot, "boot".into())),
        "systemd" => systemd(text),
        "pacemakerd" | "pacemaker-controld" | "pacemaker-fenced" | "pacemaker-based" => {
            pacemaker(from, text)
        }
        "ubuntu-ha" => Some((Kind::Apply, text.trim_start_matches("ubuntu-ha: ").into())),
        _ => None,
    }
}

/// corosync puts `[SUBSYSTEM] ` before each message.
fn corosync(text: &str) -> Option<(Kind, String)> {
    let text = match text.trim_start().strip_prefix('[') {
        Some(rest) => rest
            .split_once(']')
            .map_or(text, |(_, rest)| rest)
            .trim_start(),
        None => text,
    };
    if text.starts_with("A processor failed") {
        let lost = between(text, "token timed out (", ")").unwrap_or("");
        return Some((Kind::Token, format!("token lost after {lost}")));
    }
    if let Some(rest) = text.strip_prefix("Token has not been received in ") {
        return Some((Kind::Token, format!("no token for {}", rest.trim())));
    }
    if text.starts_with("A new membership (") {
        let who = text.split_once("was formed.")?.1.trim();
        let who = who.strip_prefix("Members").unwrap_or(who).trim();
        let told = if who.is_empty() {
            "unchanged".into()
        } else {
            who.to_string()
        };
        return Some((Kind::Membership, format!("new membership: {told}")));
    }
    let quorum = if text.starts_with("This node is within the primary component") {
        "quorum gained"
    } else if text.starts_with("This node is within the non-primary component") {
        "quorum lost"
    } else {
        return None;
    };
    Some((Kind::Quorum, quorum.into()))
}

fn systemd(text: &str) -> Option<(Kind, String)> {
    let unit = ["corosync", "pacemaker", "sbd"]
        .into_iter()
        .find(|unit| text.starts_with(&format!("{unit}.service: ")))?;
    let rest = text.split_once(": ")?.1;
    let ended = rest.starts_with("Main process exited");
    ended.then(|| (Kind::Daemon, format!("{unit}: {rest}")))
}

fn pacemaker(from: &str, text: &str) -> Option<(Kind, String)> {
    // Details for the log file follow a bar; journals do not have them, but a
    // blank before the level.
    let text = text.split(" | ").next().unwrap_or(text).trim_start();
    let text = ["notice: ", "warning: ", "error: ", "info: "]
        .iter()
        .find_map(|level| text.strip_prefix(level))
        .unwrap_or(text)
        .trim_end();
    if let Some((node, how)) = text
        .strip_prefix("Peer ")
        .and_then(|rest| rest.split_once(" was "))
    {
        let done = how.starts_with("terminated");
        let by = between(how, " by ", " on behalf").unwrap_or("somebody");
        let action = between(how, "(", ")").unwrap_or("off");
        return Some(match done {
            true => (Kind::Fenced, format!("{node} fenced ({action}) by {by}")),
            false => (
                Kind::FenceFailed,
                format!("{node} not fenced ({action}) by {by}"),
            ),
        });
    }
    if let Some(rest) = text.strip_prefix("Requesting fencing (") {
        let (action, rest) = rest.split_once(") targeting node ")?;
        return Some((
            Kind::FenceBegun,
            format!("fencing of {} ({action}) begun", rest.trim()),
        ));
    }
    if let Some(rest) = text.strip_prefix("Result of ") {
        return result(rest);
    }
    if let Some(rest) = text.strip_prefix("State transition ") {
        let entered = rest.split_once(" -> ")?.1.split(' ').next()?;
        return match entered {
            "S_POLICY_ENGINE" => Some((Kind::Transition, "plans anew".into())),
            "S_ELECTION" => Some((Kind::Dc, "election".into())),
            "S_INTEGRATION" => Some((Kind::Dc, "elected, gathers the members".into())),
            "S_IDLE" => Some((Kind::Transition, "idle".into())),
            _ => None,
        };
    }
    if text.starts_with("Taking over DC status") {
        return Some((Kind::Dc, "becomes coordinator".into()));
    }
    if let Some(rest) = text.strip_prefix("Quorum ") {
        let gained = rest.starts_with("acquired") || rest.starts_with("retained");
        let word = if gained {
            "quorum gained"
        } else {
            "quorum lost"
        };
        return Some((Kind::Quorum, word.into()));
    }
    let died = text.contains(" terminated with signal ");
    let again = text.starts_with("Respawning ") || text.contains("unexpected exit");
    (from == "pacemakerd" && (died || again)).then(|| (Kind::Daemon, text.to_string()))
}

/// `start operation for vip-ip on alpha: ok`, `Result of` already taken off.
fn result(rest: &str) -> Option<(Kind, String)> {
    let (task, rest) = rest.split_once(" operation for ")?;
    let (resource, rest) = rest.split_once(" on ")?;
    let (node, outcome) = rest.split_once(": ")?;
    let outcome = outcome.trim();
    let good = outcome.split([' ', '(']).next() == Some("ok");
    let kind = match task {
        // A probe of what does not run is no failure.
        "probe" | "monitor" if good || outcome.starts_with("not running") => return None,
        _ if !good => Kind::Failed,
        "promote" => Kind::Promote,
        "demote" => Kind::Demote,
        "start" => Kind::Start,
        "stop" => Kind::Stop,
        _ => return None,
    };
    Some(match kind {
        Kind::Failed => (kind, format!("{task} of {resource} on {node}: {outcome}")),
        _ => (kind, format!("{task} of {resource} on {node}")),
    })
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let rest = text.split_once(from)?.1;
    Some(rest.split_once(to)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_daemons_are_understood() {
        for (from, text, kind, told) in [
            (
                "corosync",
                "  [TOTEM ] A processor failed, forming new configuration: token timed out (1000ms), waiting 1200ms for consensus.",
                Kind::Token,
                "token lost after 1000ms",
            ),
            (
                "corosync",
                "  [TOTEM ] Token has not been received in 750 ms ",
                Kind::Token,
                "no token for 750 ms",
            ),
            (
                "corosync",
                "  [TOTEM ] A new membership (1.9) was formed. Members left: 2",
                Kind::Membership,
                "new membership: left: 2",
            ),
            (
                "corosync",
                "  [TOTEM ] A new membership (1.d) was formed. Members",
                Kind::Membership,
                "new membership: unchanged",
            ),
            (
                "corosync",
                "  [QUORUM] This node is within the primary component and will provide service.",
                Kind::Quorum,
                "quorum gained",
            ),
            (
                "pacemaker-controld",
                " notice: Requesting fencing (reboot) targeting node beta",
                Kind::FenceBegun,
                "fencing of beta (reboot) begun",
            ),
            (
                "pacemaker-controld",
                "Requesting fencing (reboot) targeting node beta | action=1 timeout=60000",
                Kind::FenceBegun,
                "fencing of beta (reboot) begun",
            ),
            (
                "pacemaker-controld",
                "Peer beta was terminated (reboot) by alpha on behalf of pacemaker-controld.812@alpha: OK",
                Kind::Fenced,
                "beta fenced (reboot) by alpha",
            ),
            (
                "pacemaker-controld",
                "Peer beta was not terminated (reboot) by <anyone> on behalf of pacemaker-controld@alpha: No fence device",
                Kind::FenceFailed,
                "beta not fenced (reboot) by <anyone>",
            ),
            (
                "pacemaker-controld",
                "Result of start operation for vip-ip on alpha: ok",
                Kind::Start,
                "start of vip-ip on alpha",
            ),
            (
                "pacemaker-controld",
                "Result of promote operation for drbd-drbd on alpha: ok",
                Kind::Promote,
                "promote of drbd-drbd on alpha",
            ),
            (
                "pacemaker-controld",
                "Result of monitor operation for clc-clc on alpha: error (hangs)",
                Kind::Failed,
                "monitor of clc-clc on alpha: error (hangs)",
            ),
            (
                "pacemaker-controld",
                "State transition S_NOT_DC -> S_ELECTION",
                Kind::Dc,
                "election",
            ),
            (
                "pacemaker-controld",
                "Quorum acquired",
                Kind::Quorum,
                "quorum gained",
            ),
            (
                "pacemakerd",
                "pacemaker-based[9] terminated with signal 9 (Killed)",
                Kind::Daemon,
                "pacemaker-based[9] terminated with signal 9 (Killed)",
            ),
            (
                "systemd",
                "corosync.service: Main process exited, code=killed, status=9/KILL",
                Kind::Daemon,
                "corosync: Main process exited, code=killed, status=9/KILL",
            ),
            (
                "kernel",
                "Linux version 6.8.0-31-generic (buildd@x) #31-Ubuntu SMP",
                Kind::Boot,
                "boot",
            ),
        ] {
            assert_eq!(read(from, text), Some((kind, told.to_string())), "{text}");
        }
    }

    #[test]
    fn other_lines_tell_nothing() {
        for (from, text) in [
            (
                "corosync",
                "  [KNET  ] link: Resetting MTU for link 0 because host 2 joined",
            ),
            (
                "pacemaker-controld",
                "Result of probe operation for vip-ip on beta: not running",
            ),
            (
                "pacemaker-controld",
                "Result of monitor operation for vip-ip on beta: ok",
            ),
            (
                "pacemaker-controld",
                "State transition S_PENDING -> S_NOT_DC",
            ),
            (
                "systemd",
                "Started corosync.service - Corosync Cluster Engine.",
            ),
            ("cron", "Quorum acquired"),
        ] {
            assert_eq!(read(from, text), None, "{text}");
        }
    }

    fn record(boot: &str, us: u64, text: &str) -> String {
        format!(
            "{{\"_BOOT_ID\":\"{boot}\",\"__MONOTONIC_TIMESTAMP\":\"{us}\",\
             \"SYSLOG_IDENTIFIER\":\"corosync\",\"MESSAGE\":\"{text}\"}}\n"
        )
    }

    fn anchor(boot: &str, uptime: u64, at: u64) -> Anchor {
        Anchor {
            boot: boot.into(),
            uptime: Duration::from_secs(uptime),
            at: Duration::from_secs(at),
        }
    }

    #[test]
    fn lines_are_placed_by_the_boots_own_clock() {
        // Frozen for 30 s between the anchors of boot `a`.
        let anchors = [
            anchor("a-a", 100, 10),
            anchor("a-a", 110, 50),
            anchor("b", 5, 90),
        ];
        let text = [
            record("aa", 99_000_000, "before"),
            record("aa", 101_500_000, "between"),
            record("aa", 111_000_000, "after"),
            record("b", 1_000_000, "boots"),
            "no json\n".into(),
        ]
        .concat();
        let lines = journal(&text, &anchors);
        let told: Vec<(u64, &str)> = (lines.iter())
            .map(|line| {
                (
                    u64::try_from(line.at.as_millis()).unwrap(),
                    line.text.as_str(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (9000, "before"),
                (11_500, "between"),
                (51_000, "after"),
                (86_000, "boots")
            ]
        );
        assert!(journal(&record("c", 1, "nowhere"), &anchors).is_empty());
    }

    #[test]
    fn a_message_of_bytes_is_read() {
        let text =
            "{\"_BOOT_ID\":\"b\",\"__MONOTONIC_TIMESTAMP\":\"5000000\",\"MESSAGE\":[104,105,255]}";
        let lines = journal(text, &[anchor("b", 5, 0)]);
        assert_eq!(lines[0].text, "hi\u{fffd}");
    }

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
