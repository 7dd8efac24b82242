//! What every store refuses before it does anything, and how a prefix becomes a range of keys.

use std::collections::HashSet;

use crate::{Compare, Range, StoreError, Txn, Write, limits};

/// Refuses keys that no store takes.
pub(crate) fn keys(keys: &[&str]) -> Result<(), StoreError> {
    if keys.len() > limits::GET_KEYS_MAX {
        return Err(StoreError::TooLarge(format!(
            "{} keys are read at once; at most {} are allowed",
            keys.len(),
            limits::GET_KEYS_MAX
        )));
    }
    keys.iter().try_for_each(|each| key(each))
}

/// Refuses transactions that no store takes; says what this one weighs, in bytes.
pub(crate) fn txn(txn: &Txn) -> Result<usize, StoreError> {
    for (what, count) in [
        ("comparisons", txn.compares.len()),
        ("writes", txn.writes.len()),
    ] {
        if count > limits::TXN_OPERATIONS_MAX {
            return Err(StoreError::TooLarge(format!(
                "the transaction has {count} {what}; at most {} are allowed",
                limits::TXN_OPERATIONS_MAX
            )));
        }
    }
    let mut size_bytes = 0;
    for compare in &txn.compares {
        let (Compare::Absent(compared)
        | Compare::Present(compared)
        | Compare::ModifiedAt(compared, _)) = compare;
        key(compared)?;
        size_bytes += compared.len();
    }
    let mut written = HashSet::with_capacity(txn.writes.len());
    for write in &txn.writes {
        let written_key = write.key();
        key(written_key)?;
        if !written.insert(written_key) {
            return Err(StoreError::TooLarge(format!(
                "key {written_key} is written twice in one transaction; once is allowed"
            )));
        }
        size_bytes += written_key.len();
        if let Write::Put { value, .. } = write {
            if value.len() > limits::VALUE_BYTES_MAX {
                return Err(StoreError::TooLarge(format!(
                    "the value of key {written_key} has {} bytes; at most {} are allowed",
                    value.len(),
                    limits::VALUE_BYTES_MAX
                )));
            }
            size_bytes += value.len();
        }
    }
    if size_bytes > limits::TXN_BYTES_MAX {
        return Err(StoreError::TooLarge(format!(
            "the transaction has {size_bytes} bytes; at most {} are allowed",
            limits::TXN_BYTES_MAX
        )));
    }
    Ok(size_bytes)
}

fn key(key: &str) -> Result<(), StoreError> {
    match key.len() {
        0 => Err(StoreError::TooLarge(
            "a key is empty; 1 byte is the least".into(),
        )),
        1..=limits::KEY_BYTES_MAX => Ok(()),
        length => Err(StoreError::TooLarge(format!(
            "a key has {length} bytes; at most {} are allowed",
            limits::KEY_BYTES_MAX
        ))),
    }
}

/// The keys from `start` on and before `end`, if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub start: Vec<u8>,
    pub end: Option<Vec<u8>>,
}

impl Interval {
    /// All keys that begin with the prefix.
    pub fn of_prefix(prefix: &[u8]) -> Interval {
        let mut end = prefix.to_vec();
        // What follows the last key of the prefix; nothing does if it is all 0xff.
        while end.last() == Some(&0xff) {
            end.pop();
        }
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        Interval {
            start: prefix.to_vec(),
            end: (!end.is_empty()).then_some(end),
        }
    }

    /// The keys of a list, in a store whose keys all begin with `root`.
    pub fn of_range(root: &str, range: &Range) -> Interval {
        let mut interval = Interval::of_prefix(format!("{root}{}", range.prefix).as_bytes());
        if let Some(after) = &range.after {
            let mut after = format!("{root}{after}").into_bytes();
            if range.is_descending {
                if interval.end.as_ref().is_none_or(|end| after < *end) {
                    interval.end = Some(after);
                }
            } else {
                after.push(0); // The first key after it.
                interval.start = interval.start.max(after);
            }
        }
        interval
    }

    /// Whether no key can lie in it.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

impl Range {
    /// How many documents a page of it may have.
    pub(crate) fn documents_max(&self) -> usize {
        match self.limit {
            0 => limits::PAGE_DOCUMENTS_MAX,
            limit => limit.min(limits::PAGE_DOCUMENTS_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_key_that_does_not_begin_with_it() {
        assert_eq!(Interval::of_prefix(b"a/").end.as_deref(), Some(&b"a0"[..]));
        assert_eq!(
            Interval::of_prefix(b"a\xff").end.as_deref(),
            Some(&b"b"[..])
        );
        assert_eq!(Interval::of_prefix(b"").end, None);
    }

    #[test]
    fn what_is_beyond_the_limits_is_refused_with_the_number_that_is_allowed() {
        let long = "k".repeat(limits::KEY_BYTES_MAX + 1);
        let many = (0..=limits::TXN_OPERATIONS_MAX)
            .fold(Txn::new(), |txn, index| txn.delete(format!("k{index}")));
        let large = vec![0; limits::VALUE_BYTES_MAX + 1];
        let half = vec![0; limits::VALUE_BYTES_MAX];
        for (refused, allowed) in [
            (Txn::new().delete(long.clone()), "1024"),
            (Txn::new().if_present(long), "1024"),
            (Txn::new().delete(""), "1 byte"),
            (many, "2100"),
            (Txn::new().put("k", large), "1000000"),
            (Txn::new().put("a", half.clone()).put("b", half), "1200000"),
            (Txn::new().put("k", "v").delete("k"), "once"),
        ] {
            let error = txn(&refused).unwrap_err();
            assert!(matches!(error, StoreError::TooLarge(_)));
            assert!(error.to_string().contains(allowed), "{error}");
        }
    }
}
