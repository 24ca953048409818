//! Times: now, spans as people write them, and how they are shown.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds that two hosts' clocks may differ before it matters.
pub const TOLERANCE: u64 = 300;

/// Longest time a token may be valid, in seconds.
const LONGEST: u64 = 30 * 86_400;

/// Unix seconds.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Reads how long a token is valid, in seconds.
///
/// # Errors
/// The text is no time, or out of range.
pub fn parse_validity(text: &str) -> Result<u64, String> {
    match parse_span(text)? {
        seconds if (60..=LONGEST).contains(&seconds) => Ok(seconds),
        _ => Err("is out of range; write at least 1m and at most 30d".into()),
    }
}

/// Reads `90s`, `30m`, `1h` or `2d` as seconds.
///
/// # Errors
/// The text is none of these.
pub fn parse_span(text: &str) -> Result<u64, String> {
    let instead = "write a time such as 30m, 1h or 2d";
    let (number, unit) =
        text.split_at(text.len() - usize::from(text.ends_with(['s', 'm', 'h', 'd'])));
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(format!("has no unit; {instead}")),
    };
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = match number.parse() {
        Ok(number) if plain => number,
        _ => return Err(format!("is no time; {instead}")),
    };
    number
        .checked_mul(factor)
        .ok_or_else(|| format!("is too long; {instead}"))
}

/// `2026-11-25 12:00:00 UTC`.
pub fn show(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day of the Gregorian calendar; years begin in March, so that
/// the leap day is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + carry, month, of_month)
}

/// `45 min`, `3 h`, `2 days`: enough for a message.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(all(test, feature = "packager"))]
mod tests {
    use super::*;
    use crate::recipe::date;

    #[test]
    fn spans_are_read_and_bad_ones_refused() {
        for (text, seconds) in [("60s", 60), ("30m", 1_800), ("1h", 3_600), ("30d", LONGEST)] {
            assert_eq!(parse_validity(text), Ok(seconds), "{text}");
        }
        for text in [
            "",
            "1",
            "h",
            "-1h",
            "+1h",
            "1.5h",
            "0h",
            "59s",
            "31d",
            "1w",
            "99999999999999999d",
            "1ü",
        ] {
            assert!(parse_validity(text).is_err(), "{text}");
        }
        assert_eq!(parse_span("0s"), Ok(0));
    }

    #[test]
    fn shown_times_are_those_that_were_meant() {
        for text in [
            "2024-02-29T23:59:59Z",
            "2026-11-25T12:00:01Z",
            "2100-03-01T00:00:00Z",
            "2000-12-31T06:07:08Z",
        ] {
            let seconds = date::parse(text).unwrap().seconds;
            let shown = show(u64::try_from(seconds).unwrap());
            assert_eq!(shown, text.replace('T', " ").replace('Z', " UTC"));
        }
    }

    #[test]
    fn a_span_is_short() {
        assert_eq!(span(59), "59 s");
        assert_eq!(span(3_600), "60 min");
        assert_eq!(span(86_400), "24 h");
        assert_eq!(span(259_200), "3 days");
    }
}
