//! Services: tables of operations that are implemented, and how far.

use serde_json::Value;

use crate::call::{Answering, Call};

/// What does an operation.
pub type Run = for<'a> fn(&'a Call<'a>) -> Answering<'a>;

/// An operation that is implemented. Those that are in a service's model and in no table answer
/// 501.
#[derive(Clone, Copy)]
pub struct Entry {
    /// As the model names it: `CreateDistribution`.
    pub operation: &'static str,
    /// How far it goes.
    pub coverage: Coverage,
    /// Does it.
    pub run: Run,
}

/// How far an operation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Nodes do what it says.
    Served,
    /// What it takes is checked, stored and given back; what nodes do not do with it yet is said
    /// here, in a sentence.
    Stored(&'static str),
}

/// An operation that nodes act on.
pub(crate) const fn served(operation: &'static str, run: Run) -> Entry {
    Entry {
        operation,
        coverage: Coverage::Served,
        run,
    }
}

/// An operation of which nodes do not honour everything yet; `note` says what.
pub(crate) const fn stored(operation: &'static str, note: &'static str, run: Run) -> Entry {
    Entry {
        operation,
        coverage: Coverage::Stored(note),
        run,
    }
}

/// Whether an operation changes nothing, by its name, as AWS names them, or we.
pub fn is_read_only(operation: &str) -> bool {
    const VERBS: [&str; 9] = [
        "Get", "List", "Describe", "Lookup", "Search", "Verify", "Test", "Explain", "History",
    ];
    VERBS.iter().any(|verb| operation.starts_with(verb))
}

/// A member of an input, as text.
pub fn text<'v>(input: &'v Value, member: &str) -> Option<&'v str> {
    input.get(member)?.as_str()
}
