//! Lines of a journal on the driver's clock.

use std::time::Duration;

use serde_json::Value;

use crate::trial::fact::Line;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
