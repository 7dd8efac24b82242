//! What the inputs of Route 53 have in common: ids with and without prefix, bounds, pages; and how
//! what is wrong with them is told.

use shapes::rest::RequestError;
use shapes::route53::error;
use shapes::{Blob, ShapeError};

use crate::call::Call;
use crate::error::{ApiError, Failure};

/// Members of a page, of most lists.
pub(super) const PAGE_ITEMS_MAX: usize = 100;

/// `Location` of what was made (spec §1).
pub(super) fn location(path: &str) -> String {
    format!("https://route53.amazonaws.com/2013-04-01/{path}")
}

/// An id without its kind: both `Z1` and `/hostedzone/Z1` are `Z1` (spec §3).
pub(crate) fn bare_id(id: &str) -> &str {
    const KINDS: [&str; 4] = ["hostedzone/", "change/", "delegationset/", "healthcheck/"];
    let path = id.strip_prefix('/').unwrap_or(id);
    let mut kinds = KINDS.iter();
    kinds.find_map(|kind| path.strip_prefix(kind)).unwrap_or(id)
}

/// The error of an input that is not as the service wants it.
pub(super) fn invalid_input(message: impl Into<String>) -> Failure {
    Failure::api(&error::INVALID_INPUT, message)
}

/// Refuses an input that is out of the bounds that AWS's model states.
pub(super) fn check_bounds(call: &Call<'_>) -> Result<(), Failure> {
    let Some(input) = &call.operation.input else {
        return Ok(());
    };
    match shapes::check_bounds(input.shape, &call.input) {
        errors if errors.is_empty() => Ok(()),
        errors => Err(Failure::invalid(&error::INVALID_INPUT, &errors)),
    }
}

/// Refuses what cannot be part of a key in the store, and text that no printed word has.
pub(super) fn check_word(member: &str, text: &str) -> Result<(), Failure> {
    match text.is_empty() || text.chars().any(char::is_control) {
        true => Err(invalid_input(format!(
            "{member} is '{}'; allowed are characters that can be printed.",
            text.escape_debug()
        ))),
        false => Ok(()),
    }
}

/// How many members a page may have: what the client asks for, but not more than `most`, which is
/// also meant where it does not say.
pub(super) fn page_size(member: &str, given: Option<&str>, most: usize) -> Result<usize, Failure> {
    match given.filter(|text| !text.is_empty()) {
        None => Ok(most),
        Some(text) => match text.parse::<usize>() {
            Ok(number) if number > 0 => Ok(number.min(most)),
            // Larger than any number that is known is larger than the most.
            Err(_) if text.len() > 9 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(most),
            _ => Err(invalid_input(format!(
                "{member} is '{text}'; allowed is a number from 1 on."
            ))),
        },
    }
}

/// A page, and the first member of the next one if there is one (spec §9): Route 53's lists go on
/// *with* what they name, not behind it.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<T>,
}

impl<T> Page<T> {
    /// The first `limit` of the items.
    pub(super) fn of(items: impl IntoIterator<Item = T>, limit: usize) -> Page<T> {
        let mut items = items.into_iter();
        let page = items.by_ref().take(limit).collect();
        Page {
            items: page,
            next: items.next(),
        }
    }
}

/// A token for a page that begins with what has that key.
pub(super) fn token(key: &str) -> String {
    Blob(key.as_bytes().into()).encode()
}

/// The key of a token; nothing if it is none.
pub(super) fn read_token(token: &str) -> Option<String> {
    String::from_utf8(Blob::decode(token)?.0).ok()
}

/// What a client is told whose request does not fit its operation (spec §8.3, rules 25 to 28).
pub(crate) fn request_error(error: &RequestError) -> ApiError {
    let message = match error {
        RequestError::MissingBody => "Invalid XML ; the request has no body".to_owned(),
        RequestError::Parameters(errors) | RequestError::Body(errors) => match errors.first() {
            Some(error) => invalid_xml(error),
            None => error.to_string(),
        },
        RequestError::UnknownMembers(members) => format!(
            "Invalid XML ; cvc-complex-type.2.4.a: Invalid content was found starting with element \
             '{}'.",
            members.first().map(String::as_str).unwrap_or_default()
        ),
    };
    ApiError::new(&error::INVALID_INPUT, message)
}

/// What is wrong with a document, in the words that schemas have for it.
fn invalid_xml(error: &ShapeError) -> String {
    match error.message.split_once(" is not one of ") {
        Some((value, choices)) => format!(
            "Invalid XML ; cvc-enumeration-valid: Value {value} is not facet-valid with respect to \
             enumeration '[{choices}]'. It must be a value from the enumeration. ({})",
            error.path
        ),
        None => format!("Invalid XML ; {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_with_and_without_their_kind() {
        for id in ["Z1", "/hostedzone/Z1", "hostedzone/Z1"] {
            assert_eq!(bare_id(id), "Z1");
        }
        assert_eq!(bare_id("/change/C1"), "C1");
    }

    #[test]
    fn pages_are_as_long_as_asked_but_not_longer_than_allowed() {
        let size = |given| page_size("MaxItems", given, 100).ok();
        assert_eq!(size(None), Some(100));
        assert_eq!(size(Some("7")), Some(7));
        assert_eq!(size(Some("1000")), Some(100));
        assert_eq!(size(Some("99999999999999999999999")), Some(100));
        for bad in ["0", "-1", "x"] {
            assert_eq!(size(Some(bad)), None, "{bad}");
        }
        let page = Page::of([1, 2, 3], 2);
        assert_eq!((page.items, page.next), (vec![1, 2], Some(3)));
        assert_eq!(Page::of([1, 2], 2).next, None);
    }

    #[test]
    fn a_token_is_read_as_what_it_was_made_of() {
        assert_eq!(read_token(&token("Z1 é")).as_deref(), Some("Z1 é"));
        assert_eq!(read_token("%"), None);
    }

    #[test]
    fn values_that_are_no_choice_are_told_in_the_words_of_schemas() {
        let error = ShapeError {
            path: "ChangeBatch.Changes[0].Action".to_owned(),
            message: "'X' is not one of CREATE, DELETE, UPSERT".to_owned(),
        };
        let error = request_error(&RequestError::Body(vec![error]));
        assert_eq!((&*error.code, error.status), ("InvalidInput", 400));
        let told = "Invalid XML ; cvc-enumeration-valid: Value 'X' is not facet-valid with respect \
                    to enumeration '[CREATE, DELETE, UPSERT]'. It must be a value from the \
                    enumeration.";
        assert!(error.message.starts_with(told), "{}", error.message);
    }
}
