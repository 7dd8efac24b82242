//! UTC dates from epoch time: as the first two fields of a line, and as an hour in a file name.

use message::civil_from_days;

/// The last second that has a four-digit year.
const SECOND_MAX: u64 = 253_402_300_799;

/// `YYYY-MM-DD<tab>HH:MM:SS` of the last second asked for. Almost all records of a worker share
/// their second with the one before.
#[derive(Debug, Clone)]
pub struct DateCache {
    second: u64,
    text: [u8; 19],
}

impl Default for DateCache {
    fn default() -> Self {
        Self::new()
    }
}

impl DateCache {
    /// A cache that knows the epoch.
    pub fn new() -> Self {
        Self {
            second: 0,
            text: *b"1970-01-01\t00:00:00",
        }
    }

    /// The two fields with the tab between them.
    #[inline]
    pub(crate) fn date_and_time(&mut self, epoch_ms: u64) -> &[u8; 19] {
        let second = epoch_ms / 1000;
        if second != self.second {
            self.update(second);
        }
        &self.text
    }

    #[cold]
    fn update(&mut self, second: u64) {
        self.second = second;
        let second = second.min(SECOND_MAX);
        let (year, month, day) = civil_from_days(second / 86_400);
        let of_day = second % 86_400;
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let text = format!("{year:04}-{month:02}-{day:02}\t{hour:02}:{minute:02}:{second:02}");
        self.text.copy_from_slice(text.as_bytes());
    }
}

/// `YYYY-MM-DD-HH` of the `hour`th hour since the epoch.
pub(crate) fn hour_text(hour: u64) -> String {
    let hour = hour.min(SECOND_MAX / 3600);
    let (year, month, day) = civil_from_days(hour / 24);
    format!("{year:04}-{month:02}-{day:02}-{:02}", hour % 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days_and_ends() {
        let mut cache = DateCache::new();
        for (second, text) in [
            (0, "1970-01-01\t00:00:00"),
            (951_782_399, "2000-02-28\t23:59:59"),
            (951_782_400, "2000-02-29\t00:00:00"),
            (951_868_800, "2000-03-01\t00:00:00"),
            (1_767_225_599, "2025-12-31\t23:59:59"),
            (4_107_542_399, "2100-02-28\t23:59:59"),
            (4_107_542_400, "2100-03-01\t00:00:00"),
            (253_402_300_799, "9999-12-31\t23:59:59"),
        ] {
            assert_eq!(cache.date_and_time(second * 1000 + 999), text.as_bytes());
        }
    }

    #[test]
    fn a_broken_clock_neither_panics_nor_widens_the_field() {
        let mut cache = DateCache::new();
        assert_eq!(cache.date_and_time(u64::MAX), b"9999-12-31\t23:59:59");
        assert_eq!(hour_text(u64::MAX), "9999-12-31-23");
    }

    #[test]
    fn an_hour_is_written_as_in_a_file_name() {
        assert_eq!(hour_text(1_767_225_599 / 3600), "2025-12-31-23");
    }

    #[test]
    fn days_follow_each_other_through_four_centuries() {
        let lengths = |year: u64| {
            let leap =
                (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
            [
                31,
                if leap { 29 } else { 28 },
                31,
                30,
                31,
                30,
                31,
                31,
                30,
                31,
                30,
                31,
            ]
        };
        let mut days = 0;
        for year in 1970..2400 {
            for (month, length) in lengths(year).into_iter().enumerate() {
                for day in 1..=length {
                    assert_eq!(civil_from_days(days), (year, month as u64 + 1, day));
                    days += 1;
                }
            }
        }
    }
}
