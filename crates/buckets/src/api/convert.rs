//! Between s3s's types and the disk's.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use s3s::dto::{ETag, ETagCondition, Owner, Tag, Timestamp, TimestampFormat};
use s3s::{S3Result, s3_error};

use super::body::Promise;
use super::{error, text};
use crate::disk::{Algorithm, Condition, Tags};

/// A point in time, given in milliseconds since 1970.
pub fn timestamp(ms: i64) -> Timestamp {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    Timestamp::from(SystemTime::UNIX_EPOCH + since)
}

/// Whole seconds since 1970.
pub fn seconds(timestamp: &Timestamp) -> u64 {
    let text = formatted(timestamp, TimestampFormat::EpochSeconds);
    let whole = text.split('.').next().unwrap_or_default();
    whole.parse().unwrap_or(0)
}

/// As HTTP has dates.
pub fn http_date(timestamp: &Timestamp) -> String {
    formatted(timestamp, TimestampFormat::HttpDate)
}

fn formatted(timestamp: &Timestamp, format: TimestampFormat) -> String {
    let mut text = Vec::new();
    // Writing to memory does not fail, and times that were parsed or made here have a form.
    let _ = timestamp.format(format, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// A date that was kept as it was sent.
pub fn http_timestamp(text: &str) -> Option<Timestamp> {
    Timestamp::parse(TimestampFormat::HttpDate, text).ok()
}

/// Milliseconds since 1970, of the time of a signature: `20261121T120000Z`.
pub fn amz_date_ms(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let part = |text: &str, range| text.get(range).map(str::to_owned);
    let date = [part(date, 0..4)?, part(date, 4..6)?, part(date, 6..8)?].join("-");
    let time = [part(time, 0..2)?, part(time, 2..4)?, part(time, 4..7)?].join(":");
    let timestamp = Timestamp::parse(TimestampFormat::DateTime, &format!("{date}T{time}")).ok()?;
    Some(seconds(&timestamp) * 1_000)
}

/// An entity tag.
pub fn etag(value: &str) -> ETag {
    ETag::Strong(value.to_owned())
}

/// What has to be there for a write.
pub fn write_condition(
    is_match: Option<&ETagCondition>,
    is_no_match: Option<&ETagCondition>,
) -> S3Result<Condition> {
    Ok(match (is_match, is_no_match) {
        (None, None) => Condition::None,
        (None, Some(ETagCondition::Any)) => Condition::IsAbsent,
        (Some(ETagCondition::ETag(etag)), None) => Condition::Matches(etag.value().to_owned()),
        _ => {
            return Err(error::not_served(
                "Writes take If-None-Match: * or If-Match with an entity tag, one of them.",
            ));
        }
    })
}

/// The owner of everything.
pub fn owner(id: &str) -> Owner {
    Owner {
        display_name: None,
        id: Some(id.to_owned()),
    }
}

/// Tags in a header: `key=value&key=value`.
pub fn header_tags(header: Option<&str>) -> S3Result<Tags> {
    let parameters = header.unwrap_or_default().split('&');
    let tags = parameters.filter(|tag| !tag.is_empty()).map(|tag| {
        let (key, value) = tag.split_once('=').unwrap_or((tag, ""));
        (text::form_decoded(key), text::form_decoded(value))
    });
    checked_tags(tags.collect())
}

/// Tags in XML.
pub fn tags(set: Vec<Tag>) -> S3Result<Tags> {
    let tags = set.into_iter().map(|tag| {
        let key = tag.key.unwrap_or_default();
        (key, tag.value.unwrap_or_default())
    });
    checked_tags(tags.collect())
}

fn checked_tags(tags: Tags) -> S3Result<Tags> {
    let mut seen = std::collections::HashSet::new();
    for (key, _) in &tags {
        if key.is_empty() || !seen.insert(key.as_str()) {
            return Err(s3_error!(
                InvalidTag,
                "The key of a tag is empty or stands there twice."
            ));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(s3_error!(
                InvalidTag,
                "The keys of tags must not begin with aws:"
            ));
        }
    }
    Ok(tags)
}

/// Tags as XML has them.
pub fn tag_set(tags: &Tags) -> Vec<Tag> {
    let tag = |(key, value): &(String, String)| Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    tags.iter().map(tag).collect()
}

/// An object's own metadata as s3s has it; nothing where there is none.
pub fn metadata(kept: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    (!kept.is_empty()).then(|| kept.clone().into_iter().collect())
}

/// The same the other way.
pub fn kept_metadata(sent: Option<HashMap<String, String>>) -> BTreeMap<String, String> {
    let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
    sent.into_iter().flatten().map(lower).collect()
}

/// `Content-Encoding` without the coding that is of the transfer alone.
pub fn content_encoding(sent: Option<String>) -> Option<String> {
    let sent = sent?;
    let codings = sent.split(',').map(str::trim);
    let kept: Vec<&str> = codings
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// An algorithm by its name; an error says which there are.
pub fn algorithm(name: &str) -> S3Result<Algorithm> {
    Algorithm::of(&name.to_ascii_uppercase()).ok_or_else(|| {
        let names: Vec<&str> = Algorithm::ALL.iter().map(|known| known.as_str()).collect();
        error::invalid(format!(
            "The checksum algorithm '{name}' is not known; there are {}.",
            names.join(", ")
        ))
    })
}

/// What a request promises of its body, by its fields: `x-amz-checksum-…`, `x-amz-trailer`,
/// `x-amz-sdk-checksum-algorithm`, `Content-MD5`.
pub fn promise(headers: &HeaderMap, size_bytes: Option<i64>) -> S3Result<Promise> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut promise = Promise {
        md5: header("content-md5").map(str::to_owned),
        size_bytes,
        ..Promise::default()
    };
    let named = header("x-amz-sdk-checksum-algorithm");
    let in_trailer = header("x-amz-trailer").and_then(|names| {
        let mut names = names.split(',').map(str::trim);
        names.find_map(|name| name.strip_prefix("x-amz-checksum-"))
    });
    if let Some(name) = in_trailer.or(named) {
        promise.algorithm = algorithm(name)?;
    }
    let mut sent = Algorithm::ALL.into_iter().filter_map(|algorithm| {
        let name = format!("x-amz-checksum-{}", algorithm.as_str().to_ascii_lowercase());
        Some((algorithm, header(&name)?.to_owned()))
    });
    if let Some((algorithm, value)) = sent.next() {
        promise.algorithm = algorithm;
        promise.checksum = Some(value);
    }
    if sent.next().is_some() {
        let message = "Expecting a single x-amz-checksum- header.";
        return Err(s3_error!(InvalidRequest, "{message}"));
    }
    Ok(promise)
}

/// Fills the five fields that s3s has for checksums. They are fields of many types.
macro_rules! set_checksum {
    ($output:expr, $checksum:expr) => {{
        let checksum: &$crate::disk::Checksum = $checksum;
        let value = Some(checksum.value.clone());
        match checksum.algorithm {
            $crate::disk::Algorithm::Crc32 => $output.checksum_crc32 = value,
            $crate::disk::Algorithm::Crc32c => $output.checksum_crc32c = value,
            $crate::disk::Algorithm::Crc64Nvme => $output.checksum_crc64nvme = value,
            $crate::disk::Algorithm::Sha1 => $output.checksum_sha1 = value,
            $crate::disk::Algorithm::Sha256 => $output.checksum_sha256 = value,
        }
    }};
}
pub(super) use set_checksum;

/// The one of the five that is of this algorithm, if it is said. Others were held against the bytes
/// when these came.
macro_rules! said_checksum {
    ($input:expr, $algorithm:expr) => {
        match $algorithm {
            $crate::disk::Algorithm::Crc32 => $input.checksum_crc32.clone(),
            $crate::disk::Algorithm::Crc32c => $input.checksum_crc32c.clone(),
            $crate::disk::Algorithm::Crc64Nvme => $input.checksum_crc64nvme.clone(),
            $crate::disk::Algorithm::Sha1 => $input.checksum_sha1.clone(),
            $crate::disk::Algorithm::Sha256 => $input.checksum_sha256.clone(),
        }
    };
}
pub(super) use said_checksum;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_seconds() {
        let time = timestamp(1_790_000_000_999);
        assert_eq!(seconds(&time), 1_790_000_000);
        let text = http_date(&time);
        assert_eq!(text, "Mon, 21 Sep 2026 14:13:20 GMT");
        assert_eq!(seconds(&http_timestamp(&text).unwrap()), 1_790_000_000);
        assert_eq!(http_timestamp("never"), None);
    }

    #[test]
    fn times_of_signatures_are_read() {
        assert_eq!(amz_date_ms("20260921T141320Z"), Some(1_790_000_000_000));
        for bad in ["", "2026", "20260921", "2026092T1413200Z", "20260921T1413"] {
            assert_eq!(amz_date_ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_coding_of_the_transfer_is_not_kept() {
        let kept = |sent: &str| content_encoding(Some(sent.to_owned()));
        assert_eq!(kept("aws-chunked"), None);
        assert_eq!(kept("aws-chunked,gzip").as_deref(), Some("gzip"));
        assert_eq!(kept("br").as_deref(), Some("br"));
    }

    #[test]
    fn tags_have_keys_of_their_own() {
        let tags = header_tags(Some("a=1&b=x%20y&c")).unwrap();
        let expected = [("a", "1"), ("b", "x y"), ("c", "")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(tags, expected);
        for bad in ["a=1&a=2", "=1", "aws:x=1"] {
            assert!(header_tags(Some(bad)).is_err(), "{bad}");
        }
    }
}
