use crate::Key;
use crate::limits::PATTERN_BYTES_MAX;

/// Which fields are encrypted, and with which keys.
#[derive(Debug, Default)]
pub struct Profile {
    entities: Vec<(Key, Vec<Pattern>)>,
}

/// A name, or the beginning of names.
#[derive(Debug)]
enum Pattern {
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
}

/// Bytes of a name that tell it from all patterns: a longer name is no exact one's, and patterns
/// that end in `*` are no longer either.
pub(crate) const NAME_BYTES: usize = PATTERN_BYTES_MAX + 1;

impl Profile {
    /// A profile without fields.
    pub fn new() -> Profile {
        Profile::default()
    }

    /// Adds fields: their names, or beginnings of names with a `*` behind, case-sensitive, of at
    /// most [`PATTERN_BYTES_MAX`] bytes. A name that several entities match is the first one's.
    ///
    /// # Errors
    /// The pattern that is longer.
    pub fn add(&mut self, key: Key, patterns: &[String]) -> Result<(), String> {
        if let Some(long) = patterns.iter().find(|p| p.len() > PATTERN_BYTES_MAX) {
            return Err(long.clone());
        }
        let patterns = patterns
            .iter()
            .map(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => Pattern::Prefix(prefix.as_bytes().into()),
                None => Pattern::Exact(pattern.as_bytes().into()),
            });
        self.entities.push((key, patterns.collect()));
        Ok(())
    }

    /// The key that a field's value is encrypted with; none for fields that pass as they are. Of a
    /// long name, the first [`NAME_BYTES`] bytes are enough.
    pub(crate) fn entity(&self, name: &[u8]) -> Option<usize> {
        self.entities.iter().position(|(_, patterns)| {
            patterns.iter().any(|pattern| match pattern {
                Pattern::Exact(exact) => name == &**exact,
                Pattern::Prefix(prefix) => name.starts_with(prefix),
            })
        })
    }

    pub(crate) fn key(&self, entity: usize) -> &Key {
        &self.entities[entity].0
    }

    /// The key that fields of this name are encrypted with.
    pub fn key_of(&self, name: &[u8]) -> Option<&Key> {
        self.entity(name).map(|entity| self.key(entity))
    }
}
