//! Dates of changelog entries, without a clock.

/// A moment with the offset it was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub epoch: u64,
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    /// Minutes east of UTC.
    offset: i16,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March put the leap day at their end.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl Date {
    /// Reads RFC 3339, `2026-11-01T12:00:00Z`. None where it is none, where
    /// the offset is missing, or before 1970.
    pub fn parse(text: &str) -> Option<Date> {
        let read: toml::value::Datetime = text.parse().ok()?;
        let (date, time) = (read.date?, read.time?);
        let offset = match read.offset? {
            toml::value::Offset::Z => 0,
            toml::value::Offset::Custom { minutes } => minutes,
        };
        let second = time.second.unwrap_or(0);
        let local = days(date.year.into(), date.month.into(), date.day.into()) * 86_400
            + i64::from(time.hour) * 3600
            + i64::from(time.minute) * 60
            + i64::from(second);
        let epoch = u64::try_from(local - i64::from(offset) * 60).ok()?;
        Some(Date {
            epoch,
            year: date.year,
            month: date.month,
            day: date.day,
            hour: time.hour,
            minute: time.minute,
            second,
            offset,
        })
    }

    /// `Sun, 01 Nov 2026 12:00:00 +0000`, as deb-changelog(5) wants it.
    pub fn rfc2822(&self) -> String {
        let number = days(self.year.into(), self.month.into(), self.day.into());
        format!(
            "{}, {:02} {} {} {:02}:{:02}:{:02} {}{:02}{:02}",
            DAYS[number.rem_euclid(7) as usize],
            self.day,
            MONTHS[usize::from(self.month) - 1],
            self.year,
            self.hour,
            self.minute,
            self.second,
            if self.offset < 0 { '-' } else { '+' },
            self.offset.abs() / 60,
            self.offset.abs() % 60,
        )
    }

    /// `2026-11-01`.
    pub fn day(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    pub fn year(&self) -> u16 {
        self.year
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_the_week_is_right() {
        let date = Date::parse("2026-11-01T12:00:00Z").unwrap();
        assert_eq!(date.rfc2822(), "Sun, 01 Nov 2026 12:00:00 +0000");
        assert_eq!(date.epoch, 1_793_534_400);
        assert_eq!(date.day(), "2026-11-01");
    }

    #[test]
    fn an_offset_moves_the_moment_but_not_the_text() {
        let date = Date::parse("2024-02-29T23:30:00-05:30").unwrap();
        assert_eq!(date.rfc2822(), "Thu, 29 Feb 2024 23:30:00 -0530");
        assert_eq!(date.epoch, 1_709_269_200);
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "2026-11-01",
            "2026-11-01T12:00:00",
            "2026-02-30T00:00:00Z",
            "x",
        ] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
    }
}
