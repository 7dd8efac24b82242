//! The one form of time that signatures use: `YYYYMMDDTHHMMSSZ`.

use message::civil_from_days;

/// The last second of the year 9999: the form has four digits for the year.
const LAST_SECOND: u64 = 253_402_300_799;

/// Seconds since the epoch of a time from 1970 on. Nothing else than the exact form is read, and
/// only days that the calendar has.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
    if bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let digits = |range: std::ops::Range<usize>| {
        bytes[range].iter().try_fold(0_u64, |number, byte| {
            byte.is_ascii_digit()
                .then(|| number * 10 + u64::from(byte - b'0'))
        })
    };
    let (year, month, day) = (digits(0..4)?, digits(4..6)?, digits(6..8)?);
    let (hour, minute, second) = (digits(9..11)?, digits(11..13)?, digits(13..15)?);
    if year < 1970 || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Years counted from March, so that the leap day is the last of its year.
    let (march_year, march_month) = match month {
        3.. => (year, month - 3),
        _ => (year - 1, month + 9),
    };
    let leap_days = march_year / 4 - march_year / 100 + march_year / 400;
    let days = march_year * 365 + leap_days + (153 * march_month + 2) / 5 + day;
    let days = days.checked_sub(719_469)?;
    let exists = civil_from_days(days) == (year, month, day);
    exists.then_some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// The form of a time in seconds since the epoch; the last second of 9999 for later ones.
pub(crate) fn format(secs: u64) -> String {
    let secs = secs.min(LAST_SECOND);
    let (year, month, day) = civil_from_days(secs / 86_400);
    let (hour, minute, second) = (secs / 3_600 % 24, secs / 60 % 60, secs % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_times_that_the_calendar_has_are_read() {
        assert_eq!(parse("20150830T123600Z"), Some(1_440_938_160));
        assert_eq!(parse("19700101T000000Z"), Some(0));
        assert_eq!(parse("99991231T235959Z"), Some(LAST_SECOND));
        assert!(parse("20240229T000000Z").is_some());
        for wrong in [
            "",
            "20150830",
            "20150830T123600",
            "20150830T123600z",
            "20150830 123600Z",
            "20150832T123600Z",
            "20150800T123600Z",
            "20151301T123600Z",
            "20150001T123600Z",
            "20230229T000000Z",
            "20150830T243600Z",
            "20150830T126000Z",
            "20150830T123660Z",
            "+0150830T123600Z",
            "19691231T235959Z",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(secs in 0..=LAST_SECOND) {
            prop_assert_eq!(parse(&format(secs)), Some(secs));
        }
    }
}
