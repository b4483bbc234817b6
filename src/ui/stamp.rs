//! When something happened, as it is shown: since the start on the terminal, by the calendar in JSON.

use std::time::Duration;

use crate::model::Time;

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Since the start of devloop.
    pub at: Time,
    /// Since 1970 in UTC (`sys::unix_time`).
    pub unix: Duration,
}

impl Stamp {
    /// `+1.234s`, right-aligned in nine columns for the first hours.
    pub(super) fn since_start(self) -> String {
        let millis = self.at.since_start().as_millis();
        format!("{:>9}", format!("+{}.{:03}s", millis / 1_000, millis % 1_000))
    }

    /// Milliseconds since the start, with microseconds after the point.
    pub(super) fn at_ms(self) -> f64 {
        self.at.since_start().as_micros() as f64 / 1_000.0
    }

    /// `2026-11-22T15:04:05.123Z`, as RFC 3339 writes it.
    pub fn rfc3339(self) -> String {
        let seconds = self.unix.as_secs();
        let (year, month, day) = civil(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        let millis = self.unix.subsec_millis();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// The date that lies `days` after 1970-01-01.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    while days >= days_in_year(year) {
        days -= days_in_year(year);
        year += 1;
    }
    let mut month = 1;
    while days >= days_in_month(year, month) {
        days -= days_in_month(year, month);
        month += 1;
    }
    (year, month, days + 1)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_calendar() {
        for (seconds, shown) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_799, "2000-02-29T23:59:59.000Z"),
            (1_709_210_096, "2024-02-29T12:34:56.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            let stamp = Stamp { at: Time::ZERO, unix: Duration::from_secs(seconds) };
            assert_eq!(stamp.rfc3339(), shown);
        }
    }

    #[test]
    fn the_time_since_the_start_keeps_its_width() {
        let shown =
            |millis| Stamp { at: Time::from_start(Duration::from_millis(millis)), unix: Duration::ZERO }.since_start();
        assert_eq!(shown(1_234), "  +1.234s");
        assert_eq!(shown(7), "  +0.007s");
        assert_eq!(shown(3_661_000), "+3661.000s");
    }
}
