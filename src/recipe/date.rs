//! Dates of the changelog: read as RFC 3339 with an offset, written as
//! deb-changelog(5) wants them.

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Days from 0000-03-01 to 1970-01-01. Years that begin in March have the
/// leap day at their end.
const EPOCH: i64 = 719_468;

/// A point in time and the offset it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Minutes east of Greenwich.
    pub offset: i32,
}

impl Date {
    /// `Sun, 01 Nov 2026 12:00:00 +0000`, as deb-changelog(5) wants it.
    pub fn rfc2822(&self) -> String {
        let (year, month, day) = self.civil();
        let local = self.local();
        let second = local.rem_euclid(86_400);
        format!(
            "{}, {day:02} {} {year} {:02}:{:02}:{:02} {}{:02}{:02}",
            DAYS[local.div_euclid(86_400).rem_euclid(7) as usize],
            MONTHS[month - 1],
            second / 3600,
            second / 60 % 60,
            second % 60,
            if self.offset < 0 { '-' } else { '+' },
            self.offset.abs() / 60,
            self.offset.abs() % 60,
        )
    }

    /// `2026-11-01`, where the date was written.
    pub fn day(&self) -> String {
        let (year, month, day) = self.civil();
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// `2026-11-01T12:00:00Z`, as [`parse`] reads it; in Greenwich's time.
    pub fn rfc3339(&self) -> String {
        let there = Date { offset: 0, ..*self };
        let second = self.seconds.rem_euclid(86_400);
        format!(
            "{}T{:02}:{:02}:{:02}Z",
            there.day(),
            second / 3600,
            second / 60 % 60,
            second % 60,
        )
    }

    /// The year, where the date was written.
    pub fn year(&self) -> i64 {
        self.civil().0
    }

    /// Seconds since 1970 in the date's own offset.
    fn local(&self) -> i64 {
        self.seconds + i64::from(self.offset) * 60
    }

    /// Year, month and day, where the date was written.
    fn civil(&self) -> (i64, usize, i64) {
        let days = self.local().div_euclid(86_400) + EPOCH;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let january = i64::from(month >= 10);
        (
            era * 400 + year + january,
            ((month + 2) % 12) as usize + 1,
            day,
        )
    }
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

/// Reads `Sun, 01 Nov 2026 12:00:00 UTC`, the date of a Release file.
pub fn parse_release(text: &str) -> Option<Date> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "UTC" | "GMT" | "Z" | "+0000"] = words[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    parse(&format!("{year}-{month:02}-{day:0>2}T{time}Z"))
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

/// Days of the proleptic Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
    fn dates_of_release_files_are_read() {
        for (text, written) in [
            (" Sun, 01 Nov 2026 12:00:00 UTC", "2026-11-01T12:00:00Z"),
            ("Sun,  1 Nov 2026 12:00:07 +0000", "2026-11-01T12:00:07Z"),
        ] {
            let date = parse_release(text).unwrap();
            assert_eq!(date.rfc3339(), written);
            assert_eq!(parse(written), Some(date));
        }
        for text in ["", "Sun, 01 Nov 2026", "Sun, 01 Now 2026 12:00:00 UTC"] {
            assert_eq!(parse_release(text), None, "{text}");
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

    #[test]
    fn dates_are_written_as_the_changelog_wants() {
        for (text, wanted) in [
            ("2026-11-01T12:00:00Z", "Sun, 01 Nov 2026 12:00:00 +0000"),
            (
                "2024-02-29T23:30:00-05:30",
                "Thu, 29 Feb 2024 23:30:00 -0530",
            ),
            (
                "2000-01-01T00:00:00+14:00",
                "Sat, 01 Jan 2000 00:00:00 +1400",
            ),
        ] {
            assert_eq!(parse(text).unwrap().rfc2822(), wanted);
        }
    }

    proptest! {
        #[test]
        fn a_day_is_written_as_it_was_read(year in 1975..2400, month in 1..=12, day in 1..=28) {
            let text = format!("{year:04}-{month:02}-{day:02}");
            let date = parse(&format!("{text}T23:59:59-11:30")).unwrap();
            prop_assert_eq!(date.day(), text);
            prop_assert_eq!(date.year(), i64::from(year));
        }
    }
}
