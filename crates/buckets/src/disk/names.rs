//! What S3 takes as the name of a bucket, as a key, and as what is kept with an object.

use std::net::Ipv4Addr;

use super::{
    error::DiskError,
    types::{Attributes, Tags},
};
use crate::limits;

/// S3's rules for the names of general purpose buckets.
pub(super) fn check_bucket(name: &str) -> Result<(), DiskError> {
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let reason = if !(3..=63).contains(&name.len()) {
        "it must have 3 to 63 characters"
    } else if !bytes
        .iter()
        .all(|&byte| is_end(byte) || b".-".contains(&byte))
    {
        "it may have lower-case letters, digits, dots and hyphens only"
    } else if !bytes.first().is_some_and(|&byte| is_end(byte))
        || !bytes.last().is_some_and(|&byte| is_end(byte))
    {
        "it must begin and end with a letter or digit"
    } else if name.contains("..") {
        "it must not have two dots in a row"
    } else if name.parse::<Ipv4Addr>().is_ok() {
        "it must not have the form of an IP address"
    } else if RESERVED_STARTS.iter().any(|&start| name.starts_with(start))
        || RESERVED_ENDS.iter().any(|&end| name.ends_with(end))
    {
        "it begins or ends as names do that S3 keeps for itself"
    } else {
        return Ok(());
    };
    Err(DiskError::invalid("bucket", reason))
}

const RESERVED_STARTS: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_ENDS: [&str; 4] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3"];

pub(super) fn check_key(key: &str) -> Result<(), DiskError> {
    if key.is_empty() || key.len() > limits::KEY_BYTES_MAX {
        let max = limits::KEY_BYTES_MAX;
        let reason = format!("it has {} bytes; 1 to {max} are taken", key.len());
        return Err(DiskError::invalid("key", reason));
    }
    Ok(())
}

pub(super) fn check_attributes(attributes: &Attributes) -> Result<(), DiskError> {
    let headers = [
        ("content-type", &attributes.content_type),
        ("cache-control", &attributes.cache_control),
        ("content-encoding", &attributes.content_encoding),
        ("content-disposition", &attributes.content_disposition),
        ("content-language", &attributes.content_language),
        ("expires", &attributes.expires),
        ("website redirect", &attributes.website_redirect),
    ];
    for (field, value) in headers {
        let length = value.as_ref().map_or(0, String::len);
        if length > limits::HEADER_BYTES_MAX {
            let max = limits::HEADER_BYTES_MAX;
            let reason = format!("it has {length} bytes; at most {max} are taken");
            return Err(DiskError::invalid(field, reason));
        }
    }
    let metadata = attributes.metadata.iter();
    let length: usize = metadata.map(|(name, value)| name.len() + value.len()).sum();
    if length > limits::METADATA_BYTES_MAX {
        let max = limits::METADATA_BYTES_MAX;
        let reason = format!("it has {length} bytes; at most {max} are taken");
        return Err(DiskError::invalid("metadata", reason));
    }
    Ok(())
}

/// S3's rules for the tags of an object; those of a bucket differ in their number alone.
pub fn check_tags(tags: &Tags, tags_max: usize) -> Result<(), DiskError> {
    if tags.len() > tags_max {
        let reason = format!("there are {}; at most {tags_max} are taken", tags.len());
        return Err(DiskError::invalid("tags", reason));
    }
    for (index, (key, value)) in tags.iter().enumerate() {
        let chars = key.chars().count();
        let reason = if chars == 0 || chars > limits::TAG_KEY_CHARS_MAX {
            let max = limits::TAG_KEY_CHARS_MAX;
            format!("the key {key:?} has {chars} characters; 1 to {max} are taken")
        } else if value.chars().count() > limits::TAG_VALUE_CHARS_MAX {
            let max = limits::TAG_VALUE_CHARS_MAX;
            format!("the value of {key:?} has more than {max} characters")
        } else if key.to_ascii_lowercase().starts_with("aws:") {
            format!("the key {key:?} begins with \"aws:\", which S3 keeps for itself")
        } else if tags[..index].iter().any(|(other, _)| other == key) {
            format!("the key {key:?} is there twice")
        } else {
            continue;
        };
        return Err(DiskError::invalid("tags", reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_buckets_follow_s3s_rules() {
        for name in [
            "abc",
            "a.b-c",
            "1st",
            "my.site.example",
            "a1.2.3.4",
            &"x".repeat(63),
        ] {
            assert_eq!(check_bucket(name), Ok(()), "{name}");
        }
        let refused = [
            "",
            "ab",
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            ".ab",
            "ab.",
            "a..b",
            "1.2.3.4",
            "a/b",
            "a b",
            "../x",
            "xn--abc",
            "abc-s3alias",
            "aéb",
            &"x".repeat(64),
        ];
        for name in refused {
            assert!(check_bucket(name).is_err(), "{name}");
        }
    }

    #[test]
    fn keys_have_1_to_1024_bytes() {
        assert_eq!(check_key(&"ü".repeat(512)), Ok(()));
        assert!(check_key(&"ü".repeat(513)).is_err());
        assert!(check_key("").is_err());
    }

    #[test]
    fn metadata_and_headers_are_bounded() {
        let mut attributes = Attributes::default();
        let insert = |attributes: &mut Attributes, length| {
            attributes.metadata.insert("ab".into(), "x".repeat(length));
        };
        insert(&mut attributes, 2_046);
        assert_eq!(check_attributes(&attributes), Ok(()));
        insert(&mut attributes, 2_047);
        assert!(check_attributes(&attributes).is_err());
        insert(&mut attributes, 0);
        attributes.content_type = Some("x".repeat(2_049));
        assert!(check_attributes(&attributes).is_err());
    }

    #[test]
    fn tags_are_few_short_and_no_key_is_there_twice() {
        let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(check_tags(&vec![tag("a", ""), tag("A", "1")], 2), Ok(()));
        let refused = [
            vec![tag("a", ""), tag("b", ""), tag("c", "")],
            vec![tag("a", ""), tag("a", "1")],
            vec![tag("", "1")],
            vec![tag("AWS:x", "1")],
            vec![tag(&"ü".repeat(129), "")],
            vec![tag("a", &"ü".repeat(257))],
        ];
        for tags in refused {
            assert!(check_tags(&tags, 2).is_err(), "{tags:?}");
        }
        let longest = vec![tag(&"ü".repeat(128), &"ü".repeat(256))];
        assert_eq!(check_tags(&longest, 2), Ok(()));
    }
}
