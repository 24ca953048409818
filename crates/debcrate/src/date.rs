//! Dates as Debian's files hold them, always in UTC.

use crate::error::{Error, Result};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Such as `Sun, 01 Nov 2026 12:00:00 +0000`; `zone` is the name of UTC at the
/// end.
pub(crate) fn rfc2822(timestamp: u64, zone: &str) -> Result<String> {
    let day = timestamp / 86400;
    let second = timestamp % 86400;
    let mut left = day;
    let mut year = 1970;
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
        if year > 9999 {
            return Err(Error::format(
                "date",
                format!("{timestamp} is beyond the year 9999; it counts seconds since 1970"),
            ));
        }
    }
    let mut month = 0;
    loop {
        let length = match month {
            1 if leap(year) => 29,
            1 => 28,
            3 | 5 | 8 | 10 => 30,
            _ => 31,
        };
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    Ok(format!(
        "{}, {:02} {} {year} {:02}:{:02}:{:02} {zone}",
        DAYS[(day % 7) as usize],
        left + 1,
        MONTHS[month],
        second / 3600,
        second / 60 % 60,
        second % 60
    ))
}

fn leap(year: u64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_match_those_of_date_1() {
        for (timestamp, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 UTC"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 UTC"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 UTC"),
            (1_793_534_400, "Sun, 01 Nov 2026 12:00:00 UTC"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 UTC"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 UTC"),
        ] {
            assert_eq!(rfc2822(timestamp, "UTC").unwrap(), expected);
        }
        assert!(rfc2822(u64::MAX, "UTC").is_err());
    }
}
