//! What an invalidation may say (spec §8.1, §8.4, §8.5).

use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};
use shapes::cloudfront::{InvalidationBatch, error};

use super::InProgress;
use crate::error::Failure;
use crate::limits;

/// How much there is to invalidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weight {
    /// Paths that end in no `*`, and tags.
    pub paths: u64,
    /// Paths that end in `*`.
    pub wildcards: u64,
}

impl Add for Weight {
    type Output = Weight;

    fn add(self, other: Weight) -> Weight {
        Weight {
            paths: self.paths + other.paths,
            wildcards: self.wildcards + other.wildcards,
        }
    }
}

impl Sub for Weight {
    type Output = Weight;

    fn sub(self, other: Weight) -> Weight {
        Weight {
            paths: self.paths.saturating_sub(other.paths),
            wildcards: self.wildcards.saturating_sub(other.wildcards),
        }
    }
}

/// Refuses what is no invalidation; says how much the others have.
pub fn check(batch: &InvalidationBatch) -> Result<Weight, Failure> {
    let (quantity, items) = (batch.paths.quantity, batch.paths.items());
    if usize::try_from(quantity) != Ok(items.len()) {
        return Err(Failure::api(
            &error::INCONSISTENT_QUANTITIES,
            format!(
                "Paths.Quantity is {quantity}, but Paths.Items has {}.",
                items.len()
            ),
        ));
    }
    if items.is_empty() {
        return Err(invalid(
            "Paths.Items is empty; at least one path is needed.".to_owned(),
        ));
    }
    let length = batch.caller_reference.len();
    if length == 0 || length > limits::CALLER_REFERENCE_BYTES_MAX {
        return Err(invalid(format!(
            "CallerReference has {length} bytes; 1 to {} are allowed.",
            limits::CALLER_REFERENCE_BYTES_MAX
        )));
    }
    let mut weight = Weight::default();
    for (index, item) in items.iter().enumerate() {
        check_item(item).map_err(|problem| invalid(format!("Paths.Items[{index}] {problem}.")))?;
        if item.ends_with('*') {
            weight.wildcards += 1;
        } else {
            weight.paths += 1;
        }
    }
    let size_bytes = documents::encode(batch).len();
    if weight.paths > limits::INVALIDATION_PATHS_MAX {
        return Err(too_large(format!(
            "The batch has {} paths; at most {} are allowed.",
            weight.paths,
            limits::INVALIDATION_PATHS_MAX
        )));
    }
    if size_bytes > limits::INVALIDATION_BYTES_MAX {
        return Err(too_large(format!(
            "The batch has {size_bytes} bytes; at most {} are allowed: make several of it.",
            limits::INVALIDATION_BYTES_MAX
        )));
    }
    Ok(weight)
}

/// Refuses an invalidation that would be too much together with those in progress.
pub fn check_in_progress(running: InProgress, more: Weight) -> Result<(), Failure> {
    let Weight { paths, wildcards } = running.weight + more;
    let bounds = [
        (paths, limits::INVALIDATION_PATHS_MAX, "paths"),
        (
            wildcards,
            limits::INVALIDATION_WILDCARDS_MAX,
            "paths with a wildcard",
        ),
    ];
    match bounds.iter().find(|(count, max, _)| count > max) {
        None => Ok(()),
        Some((count, max, what)) => Err(Failure::api(
            &error::TOO_MANY_INVALIDATIONS_IN_PROGRESS,
            format!("With this one, {count} {what} would be in progress; at most {max} may be."),
        )),
    }
}

/// What is wrong with a path or a tag.
fn check_item(item: &str) -> Result<(), String> {
    let length = item.chars().count();
    if length > limits::INVALIDATION_PATH_CHARS_MAX {
        return Err(format!(
            "has {length} characters; at most {} are allowed",
            limits::INVALIDATION_PATH_CHARS_MAX
        ));
    }
    if let Some(tag) = item.strip_prefix('#') {
        return check_tag(tag).map_err(|problem| format!("is '{item}': {problem}"));
    }
    if !item.starts_with('/') {
        return Err(format!(
            "is '{item}'; it must begin with '/', or with '#' if it is a tag"
        ));
    }
    if let Some(strange) = item.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(format!("is '{item}'; {strange:?} must be percent-encoded"));
    }
    match item.find('*') {
        Some(at) if at + 1 < item.len() => Err(format!(
            "is '{item}'; '*' is allowed as the last character only"
        )),
        _ => Ok(()),
    }
}

fn check_tag(tag: &str) -> Result<(), String> {
    let length = tag.chars().count();
    if length == 0 || length > limits::CACHE_TAG_CHARS_MAX {
        return Err(format!(
            "the tag has {length} characters; 1 to {} are allowed",
            limits::CACHE_TAG_CHARS_MAX
        ));
    }
    match tag
        .chars()
        .find(|c| !c.is_ascii_graphic() || matches!(c, ',' | '*'))
    {
        Some(strange) => Err(format!("a tag cannot have {strange:?}")),
        None => Ok(()),
    }
}

fn invalid(message: String) -> Failure {
    Failure::api(&error::INVALID_ARGUMENT, message)
}

fn too_large(message: String) -> Failure {
    Failure::api(&error::BATCH_TOO_LARGE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(items: Vec<String>) -> InvalidationBatch {
        InvalidationBatch {
            paths: items.into(),
            caller_reference: "r".to_owned(),
        }
    }

    fn code(batch: &InvalidationBatch) -> String {
        check(batch).unwrap_err().into_api_error().code.into_owned()
    }

    #[test]
    fn a_path_begins_with_a_slash_and_has_a_star_at_its_end_only() {
        for good in ["/", "/*", "/a*", "/a?b=%C3%A9", "#tag", "#a/b#c", "/a#b"] {
            assert_eq!(check_item(good), Ok(()), "{good}");
        }
        for bad in [
            "", "a", "*", "/*/a", "/a**", "/a b", "/é", "/a\n", "#", "#a*", "#*", "#a,b", "#a b",
            "#é",
        ] {
            assert!(check_item(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        let path = |length: usize| format!("/{}", "a".repeat(length - 1));
        assert_eq!(check_item(&path(4_000)), Ok(()));
        assert!(check_item(&path(4_001)).is_err());
        assert_eq!(check_item(&format!("#{}", "t".repeat(256))), Ok(()));
        assert!(check_item(&format!("#{}", "t".repeat(257))).is_err());
    }

    #[test]
    fn tags_count_as_paths_and_wildcards_apart() {
        let items = ["/a", "/b*", "#c", "/*"].map(str::to_owned).to_vec();
        let weight = Weight {
            paths: 2,
            wildcards: 2,
        };
        assert_eq!(check(&batch(items)).unwrap(), weight);
    }

    #[test]
    fn a_batch_is_bounded_in_paths_and_bytes() {
        let paths = |count: usize| (0..count).map(|n| format!("/{n}")).collect::<Vec<_>>();
        assert_eq!(check(&batch(paths(3_000))).unwrap().paths, 3_000);
        assert_eq!(code(&batch(paths(3_001))), "BatchTooLarge");
        let long = format!("/{}", "a".repeat(3_999));
        assert_eq!(code(&batch(vec![long; 230])), "BatchTooLarge");
    }

    #[test]
    fn a_quantity_that_is_not_the_number_of_items_is_inconsistent() {
        let mut batch = batch(vec!["/a".to_owned()]);
        batch.paths.quantity = 2;
        assert_eq!(code(&batch), "InconsistentQuantities");
        batch.paths.quantity = -1;
        assert_eq!(code(&batch), "InconsistentQuantities");
        assert_eq!(code(&self::batch(Vec::new())), "InvalidArgument");
    }

    #[test]
    fn what_is_in_progress_counts_too() {
        let running = |paths, wildcards| InProgress {
            batches: 1,
            weight: Weight { paths, wildcards },
        };
        let more = Weight {
            paths: 1,
            wildcards: 1,
        };
        assert!(check_in_progress(running(2_999, 14), more).is_ok());
        assert!(check_in_progress(running(3_000, 0), more).is_err());
        assert!(check_in_progress(running(0, 15), more).is_err());
    }
}
