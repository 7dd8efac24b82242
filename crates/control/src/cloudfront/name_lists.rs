//! The lists of header, cookie and query string names that cache policies and origin request
//! policies have in common (spec §1.4, §3.2, §3.4).

use std::collections::HashSet;

use shapes::schema::ErrorShape;

use super::family::{COMMENT_CHARS_MAX, check_name, check_text, invalid};
use crate::error::Failure;

/// Most names of one list.
const NAMES_MAX: usize = 10;
/// Most bytes of all names of a policy.
const NAMES_BYTES_MAX: usize = 1_024;

/// What a list names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Headers,
    Cookies,
    QueryStrings,
}

/// A list of names, and the behavior that it belongs to.
pub(super) struct NameList<'a> {
    /// Where it is in the config.
    pub path: String,
    /// `whitelist`.
    pub behavior: &'a str,
    /// Whether the behavior needs a list; others have none.
    pub takes_list: bool,
    /// Its items.
    pub names: &'a [String],
    /// What they name.
    pub of: Of,
    /// The error when there are more than allowed.
    pub too_many: &'static ErrorShape,
}

/// Refuses what no policy may be called, of whatever kind.
pub(super) fn check_policy(name: &str, comment: Option<&str>) -> Result<(), Failure> {
    check_name("Name", name, "-_.")?;
    check_text("Comment", comment, COMMENT_CHARS_MAX)
}

/// Refuses lists that their behaviors do not take, and names that are none.
pub(super) fn check(lists: &[NameList<'_>]) -> Result<(), Failure> {
    for list in lists {
        check_list(list)?;
    }
    let bytes: usize = lists
        .iter()
        .flat_map(|list| list.names)
        .map(String::len)
        .sum();
    match bytes <= NAMES_BYTES_MAX {
        true => Ok(()),
        false => {
            let message = format!("all names have {bytes} bytes; {NAMES_BYTES_MAX} are allowed");
            Err(invalid(&lists[0].path, message))
        }
    }
}

fn check_list(list: &NameList<'_>) -> Result<(), Failure> {
    let (path, behavior, count) = (&list.path, list.behavior, list.names.len());
    match (list.takes_list, count) {
        (true, 0) => {
            let message = format!("is empty; the behavior {behavior} needs a list");
            return Err(invalid(path, message));
        }
        (false, 1..) => {
            let message = format!("has {count} names; the behavior {behavior} takes none");
            return Err(invalid(path, message));
        }
        (true, _) if count > NAMES_MAX => {
            let message = format!("{path} has {count} names; {NAMES_MAX} are allowed.");
            return Err(Failure::api(list.too_many, message));
        }
        _ => {}
    }
    let mut seen = HashSet::new();
    for (index, name) in list.names.iter().enumerate() {
        let at = || format!("{path}.Items[{index}]");
        if !is_name(list.of, name) {
            return Err(invalid(at(), format!("'{name}' cannot be such a name")));
        }
        let same = match list.of {
            Of::Headers => name.to_ascii_lowercase(),
            Of::Cookies | Of::QueryStrings => name.clone(),
        };
        if !seen.insert(same) {
            return Err(invalid(at(), format!("'{name}' is listed twice")));
        }
    }
    Ok(())
}

fn is_name(of: Of, name: &str) -> bool {
    let ends_it: &[u8] = match of {
        Of::Headers => return is_token(name),
        Of::Cookies => b"=;,\"",
        Of::QueryStrings => b"=&#",
    };
    let mut bytes = name.bytes();
    !name.is_empty() && bytes.all(|byte| byte.is_ascii_graphic() && !ends_it.contains(&byte))
}

/// Whether something can be a header's name (RFC 9110 §5.6.2).
pub(super) fn is_token(name: &str) -> bool {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(is_token)
}

/// Headers that end at the edge, by their names in lower case.
pub(super) fn is_hop_by_hop(name: &str) -> bool {
    const NAMES: [&str; 6] = [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.contains(&name) || name.starts_with("proxy-")
}
