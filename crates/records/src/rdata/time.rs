//! Times of signatures: `YYYYMMDDHHmmSS` in UTC (RFC 4034 §3.2).

const DAY_SECS: u64 = 86_400;

/// Days from 1970-01-01 to a day of the Gregorian calendar, whose year is counted from March so
/// that the day of a leap year is its last: each four centuries have 146,097 days.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month < 3 { year - 1 } else { year };
    let since_march = (month + 9) % 12;
    let leap_days = year / 4 - year / 100 + year / 400;
    // 719,468 are the days from 0000-03-01 to 1970-01-01.
    year * 365 + leap_days + (since_march * 153 + 2) / 5 + (day - 1) - 719_468
}

/// Seconds since 1970 of fourteen digits; none if no clock shows them within 32 bits.
pub(super) fn read(text: &str) -> Option<u32> {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| text[from..to].parse::<u64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    if year < 1970 || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let next_month = match month {
        12 => days(year + 1, 1, 1),
        _ => days(year, month + 1, 1),
    };
    if !(1..=next_month - days(year, month, 1)).contains(&day) {
        return None;
    }
    let seconds = hour * 3600 + minute * 60 + second;
    u32::try_from(days(year, month, day) * DAY_SECS + seconds).ok()
}

/// The fourteen digits of a time.
pub(super) fn write(time_secs: u32, text: &mut String) {
    let (day_number, second) = (
        u64::from(time_secs) / DAY_SECS,
        u64::from(time_secs) % DAY_SECS,
    );
    // A year has less than 365.25 days on average, so that the guess is the year or the one before.
    let mut year = 1970 + day_number * 4 / 1461;
    while days(year + 1, 1, 1) <= day_number {
        year += 1;
    }
    while days(year, 1, 1) > day_number {
        year -= 1;
    }
    let month = (1..=12)
        .rev()
        .find(|month| days(year, *month, 1) <= day_number)
        .unwrap_or(1);
    let day = day_number - days(year, month, 1) + 1;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    text.push_str(&format!(
        "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, digits) in [
            (0, "19700101000000"),
            (951_782_400, "20000229000000"),
            (1_078_099_199, "20040229235959"),
            (4_107_542_400, "21000301000000"),
            (u32::MAX, "21060207062815"),
        ] {
            let mut text = String::new();
            write(seconds, &mut text);
            assert_eq!(text, digits);
            assert_eq!(read(digits), Some(seconds));
        }
    }

    #[test]
    fn what_no_clock_shows_is_no_time() {
        for digits in [
            "20010229000000",
            "21000229000000",
            "20001301000000",
            "20000100000000",
            "20000101240000",
            "19691231235959",
            "21060207062816",
            "2000010100000",
        ] {
            assert_eq!(read(digits), None, "{digits}");
        }
    }
}
