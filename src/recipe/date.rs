//! Dates of the changelog: RFC 3339 with an offset.

/// A point in time and the offset it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Minutes east of Greenwich.
    pub offset: i32,
}

/// Reads `2026-11-01T12:00:00Z` or `2026-11-01T12:00:00+01:00`. The year is
/// at least 1975: archives refuse older files.
pub fn parse(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    if !text.is_ascii() || bytes.len() < 20 {
        return None;
    }
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|(at, byte)| bytes[*at] != *byte) {
        return None;
    }
    let (year, month, day) = (
        number(&text[..4])?,
        number(&text[5..7])?,
        number(&text[8..10])?,
    );
    let (hour, minute, second) = (
        number(&text[11..13])?,
        number(&text[14..16])?,
        number(&text[17..19])?,
    );
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let sound =
        year >= 1975 && (1..=days).contains(&day) && hour < 24 && minute < 60 && second < 60;
    if !sound {
        return None;
    }
    let offset = offset(&text[19..])?;
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
        - i64::from(offset) * 60;
    Some(Date { seconds, offset })
}

fn number(text: &str) -> Option<i64> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

fn offset(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let sign = match text.as_bytes() {
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let (hours, minutes) = (number(&text[1..3])?, number(&text[4..6])?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    i32::try_from(hours * 60 + minutes).ok().map(|m| sign * m)
}

/// Days of the proleptic Gregorian calendar; years begin in March, so that
/// the leap day is a year's last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        for (text, seconds, offset) in [
            ("2026-11-01T12:00:00Z", 1_793_534_400, 0),
            ("2026-11-01T12:00:00+01:30", 1_793_529_000, 90),
            ("2026-11-01T12:00:00-05:00", 1_793_552_400, -300),
            ("2000-02-29T00:00:00Z", 951_782_400, 0),
            ("1975-01-01T00:00:00Z", 157_766_400, 0),
        ] {
            assert_eq!(parse(text), Some(Date { seconds, offset }), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2026-11-01",
            "2026-11-01T12:00:00",
            "2026-11-01 12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-11-31T12:00:00Z",
            "2026-02-29T12:00:00Z",
            "2026-11-00T12:00:00Z",
            "2026-11-01T24:00:00Z",
            "2026-11-01T12:60:00Z",
            "2026-11-01T12:00:60Z",
            "2026-11-01T12:00:00+15:00",
            "2026-11-01T12:00:00+1:00",
            "2026-11-01T12:00:00z",
            "1970-01-01T00:00:00Z",
            "+026-11-01T12:00:00Z",
            "2026-11-01T12:00:0éZ",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
