//! Scalars that JSON has no form for: points in time, and bytes.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const MS_PER_SEC: i64 = 1_000;
const MS_PER_DAY: i64 = 86_400_000;

/// A point in time, to the millisecond. Its JSON form is ISO 8601 in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_ms: i64,
}

impl Timestamp {
    /// From milliseconds since 1970.
    pub const fn from_unix_ms(unix_ms: i64) -> Self {
        Self { unix_ms }
    }

    /// Milliseconds since 1970.
    pub const fn unix_ms(self) -> i64 {
        self.unix_ms
    }

    /// Reads `2020-05-31T12:00:00`, with or without a fraction and a zone (`Z`, `+09:00`,
    /// `+0900`); without a zone it is UTC. What is finer than a millisecond is cut off.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(['T', ' '])?;
        let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
        let (time, zone) = time.split_at(zone_at);
        let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
        let is_date = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        if !is_date || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let secs = (hour * 60 + minute) * 60 + second - zone_offset_secs(zone)?;
        let days = days_from_epoch(year, month, day);
        let unix_ms = days * MS_PER_DAY + secs * MS_PER_SEC + fraction_ms(fraction)?;
        Some(Self { unix_ms })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_from_epoch(self.unix_ms.div_euclid(MS_PER_DAY));
        let ms = self.unix_ms.rem_euclid(MS_PER_DAY);
        let (secs, ms) = (ms / MS_PER_SEC, ms % MS_PER_SEC);
        let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
        write!(
            formatter,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z"
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("'{text}' is not a time")))
    }
}

/// Exactly three decimal numbers of the given widths.
fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width)?;
        *number = digits(part)?;
    }
    parts.next().is_none().then_some(numbers)
}

fn digits(text: &str) -> Option<i64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn fraction_ms(fraction: &str) -> Option<i64> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits(&format!("{fraction:0<3}")[..3])
}

fn zone_offset_secs(zone: &str) -> Option<i64> {
    let Some(offset) = zone.strip_prefix(['+', '-']) else {
        return (zone.is_empty() || zone == "Z").then_some(0);
    };
    let (hours, minutes) = offset.split_at_checked(2)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    let secs = (hours * 60 + minutes) * 60;
    (hours < 24 && minutes < 60).then_some(if zone.starts_with('-') { -secs } else { secs })
}

fn days_in(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

// Both count years from March, so that the leap day is the last of its year, and days in eras of
// 400 years, which are all 146,097 days long; day 719,468 of that count is 1970-01-01.

fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn date_from_epoch(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Bytes. Their JSON form is base64.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Blob(
    /// The bytes themselves.
    pub Vec<u8>,
);

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Blob {
    /// The bytes in base64, padded.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(self.0.len().div_ceil(3) * 4);
        for bytes in self.0.chunks(3) {
            let at = |index: usize| bytes.get(index).copied().map_or(0, u32::from);
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            for place in 0..4 {
                let digit = BASE64[(bits >> (18 - 6 * place) & 63) as usize];
                text.push(if place <= bytes.len() {
                    char::from(digit)
                } else {
                    '='
                });
            }
        }
        text
    }

    /// Reads base64, padded; nothing else may be in the text.
    pub fn decode(text: &str) -> Option<Self> {
        let unpadded = text
            .strip_suffix("==")
            .or(text.strip_suffix('='))
            .unwrap_or(text);
        if !text.len().is_multiple_of(4) || unpadded.len() % 4 == 1 {
            return None;
        }
        let mut bytes = Vec::with_capacity(unpadded.len() * 3 / 4);
        for digits in unpadded.as_bytes().chunks(4) {
            let mut bits = 0;
            for &digit in digits {
                bits = bits << 6 | base64_value(digit)?;
            }
            bits <<= 6 * (4 - digits.len());
            bytes.extend_from_slice(&bits.to_be_bytes()[1..digits.len()]);
        }
        Some(Self(bytes))
    }
}

fn base64_value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

impl fmt::Debug for Blob {
    // Blobs are function code and test events: too long for a log, and AWS marks them sensitive.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Blob({} bytes)", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.encode())
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::decode(&text).ok_or_else(|| D::Error::custom("not base64"))
    }
}

/// How AWS counts a list. One that `i32` cannot count is beyond every bound there is.
pub(crate) fn quantity(items: usize) -> i32 {
    i32::try_from(items).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_in_every_form_that_clients_send() {
        for (text, unix_ms) in [
            ("1970-01-01T00:00:00", 0),
            ("1970-01-01T00:00:00Z", 0),
            ("2020-05-31T12:34:56.789Z", 1_590_928_496_789),
            ("2020-05-31T12:34:56.789123+00:00", 1_590_928_496_789),
            ("2020-05-31T21:34:56.7+0900", 1_590_928_496_700),
            ("2000-02-29T00:00:00-01:30", 951_787_800_000),
            ("1969-12-31T23:59:59.999Z", -1),
        ] {
            assert_eq!(
                Timestamp::parse(text).map(Timestamp::unix_ms),
                Some(unix_ms),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "T",
            "2020-05-31",
            "2020-13-01T00:00:00Z",
            "2021-02-29T00:00:00Z",
            "2020-05-31T24:00:00Z",
            "2020-05-31T00:00Z",
            "2020-05-31T00:00:00+9",
            "2020-05-31T00:00:00+ééé",
            "2020-05-31T00:00:00.Z",
            "+020-05-31T00:00:00Z",
            "2020-05-31T00:00:00Zulu",
            "2020-05-31T00:00:00+24:00",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn base64_of_every_remainder_is_as_rfc_4648_shows() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let blob = Blob(bytes.into());
            assert_eq!(blob.encode(), text);
            assert_eq!(Blob::decode(text), Some(blob));
        }
        for text in [
            "Z", "Zg", "Zg=", "Zg===", "Z===", "=Zg=", "Zg==Zg==", "Zm9v\n", "====", "Zm 9",
        ] {
            assert_eq!(Blob::decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_is_read_as_it_was_written(
            unix_ms in -62_167_219_200_000i64..=253_402_300_799_999,
        ) {
            let time = Timestamp::from_unix_ms(unix_ms);
            prop_assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
        }

        #[test]
        fn bytes_are_read_as_they_were_written(bytes: Vec<u8>) {
            let blob = Blob(bytes);
            prop_assert_eq!(Blob::decode(&blob.encode()), Some(blob));
        }

        #[test]
        fn no_text_makes_the_readers_panic(text: String) {
            let _ = (Timestamp::parse(&text), Blob::decode(&text));
        }
    }
}
