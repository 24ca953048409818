//! How dates of changelog entries are written; reading them is the recipe's.

use crate::recipe::date::Date;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Seconds since 1970 in the date's own offset.
fn local(date: &Date) -> i64 {
    date.seconds + i64::from(date.offset) * 60
}

/// Year, month and day, where the date was written.
fn civil(date: &Date) -> (i64, usize, i64) {
    // Years that begin in March put the leap day at their end.
    let days = local(date).div_euclid(86_400) + 719_468;
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

/// `Sun, 01 Nov 2026 12:00:00 +0000`, as deb-changelog(5) wants it.
pub fn rfc2822(date: &Date) -> String {
    let (year, month, day) = civil(date);
    let local = local(date);
    let second = local.rem_euclid(86_400);
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} {}{:02}{:02}",
        DAYS[local.div_euclid(86_400).rem_euclid(7) as usize],
        MONTHS[month - 1],
        second / 3600,
        second / 60 % 60,
        second % 60,
        if date.offset < 0 { '-' } else { '+' },
        date.offset.abs() / 60,
        date.offset.abs() % 60,
    )
}

/// `2026-11-01`.
pub fn day(date: &Date) -> String {
    let (year, month, day) = civil(date);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The year, where the date was written.
pub fn year(date: &Date) -> i64 {
    civil(date).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::date::parse;
    use proptest::prelude::*;

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
            assert_eq!(rfc2822(&parse(text).unwrap()), wanted);
        }
    }

    proptest! {
        #[test]
        fn a_day_is_written_as_it_was_read(year in 1975..2400, month in 1..=12, day in 1..=28) {
            let text = format!("{year:04}-{month:02}-{day:02}");
            let date = parse(&format!("{text}T23:59:59-11:30")).unwrap();
            prop_assert_eq!(super::day(&date), text);
            prop_assert_eq!(super::year(&date), i64::from(year));
        }
    }
}
