use std::time::UNIX_EPOCH;

/// Reads an HTTP date in any of the three forms of RFC 9110 §5.6.7; seconds since the epoch.
pub fn parse_http_date(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let time = httpdate::parse_http_date(text).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// The IMF-fixdate form of a time in seconds since the epoch.
pub fn format_http_date(epoch_secs: u64) -> String {
    let mut out = Vec::with_capacity(29);
    write_http_date(epoch_secs, &mut out);
    String::from_utf8(out).expect("an HTTP date is ASCII")
}

/// Appends the IMF-fixdate form (29 bytes) of a time in seconds since the epoch.
pub fn write_http_date(epoch_secs: u64, out: &mut Vec<u8>) {
    const DAYS: &[u8; 21] = b"ThuFriSatSunMonTueWed";
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    // The wire form has four year digits, so the last second of 9999 is the last there is.
    let epoch_secs = epoch_secs.min(253_402_300_799);
    let (days, secs) = (epoch_secs / 86_400, epoch_secs % 86_400);
    let (year, month, day) = civil_from_days(days);
    let two = |n: u64| [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
    let week = (days % 7) as usize * 3;
    let name = (month as usize - 1) * 3;
    out.extend_from_slice(&DAYS[week..week + 3]);
    out.extend_from_slice(b", ");
    out.extend_from_slice(&two(day));
    out.push(b' ');
    out.extend_from_slice(&MONTHS[name..name + 3]);
    out.push(b' ');
    out.extend_from_slice(&two(year / 100));
    out.extend_from_slice(&two(year % 100));
    out.push(b' ');
    out.extend_from_slice(&two(secs / 3_600));
    out.push(b':');
    out.extend_from_slice(&two(secs / 60 % 60));
    out.push(b':');
    out.extend_from_slice(&two(secs % 60));
    out.extend_from_slice(b" GMT");
}

/// Year, month and day of a count of days since 1970-01-01 in the Gregorian calendar. Years are
/// counted from March, so that the leap day is the last of its year.
pub fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_three_forms_of_a_date_are_read() {
        for form in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(
                parse_http_date(form.as_bytes()),
                Some(784_111_777),
                "{form}"
            );
        }
        assert_eq!(parse_http_date(b"0"), None);
        assert_eq!(parse_http_date(b"\xff"), None);
    }

    proptest! {
        #[test]
        fn our_date_writer_agrees_with_the_library(secs in 0u64..253_402_300_799) {
            let theirs = httpdate::fmt_http_date(UNIX_EPOCH + std::time::Duration::from_secs(secs));
            prop_assert_eq!(format_http_date(secs), theirs);
        }
    }
}
