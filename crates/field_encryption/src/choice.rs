use std::sync::Arc;

use crate::Profile;
use crate::form;
use crate::status::{Refusal, Status};

/// The one type of content of which fields can be encrypted.
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// The argument of a query that names a profile.
const ARGUMENT: &[u8] = b"fle-profile";

/// Which profile a request's body goes by: a `FieldLevelEncryptionConfig`.
#[derive(Debug, Default)]
pub struct Rules {
    /// Profiles by `fle-profile`; without them the argument means nothing.
    pub query_args: Option<QueryArgs>,
    /// Profiles by type of content.
    pub content_types: ContentTypes,
}

/// `QueryArgProfileConfig`.
#[derive(Debug, Default)]
pub struct QueryArgs {
    /// `ForwardWhenQueryArgProfileIsUnknown`.
    pub forwards_unknown: bool,
    /// Values of `fle-profile`, and what they name.
    pub profiles: Vec<(String, Arc<Profile>)>,
}

/// `ContentTypeProfileConfig`.
#[derive(Debug, Default)]
pub struct ContentTypes {
    /// `ForwardWhenContentTypeIsUnknown`.
    pub forwards_unknown: bool,
    /// Types and subtypes, and what they stand for; nothing for those that are forwarded.
    pub profiles: Vec<(String, Option<Arc<Profile>>)>,
}

/// What is done with the body of a request.
#[derive(Clone, Debug)]
pub enum Choice {
    /// Its fields are encrypted.
    Encrypt(Arc<Profile>),
    /// It is forwarded as it is; the status says why.
    Forward(Status),
    /// It is not forwarded.
    Refuse(Refusal),
}

impl Rules {
    /// Chooses for a request with a body: `content_types` are its fields of that name, `query` is
    /// without `?`. A known `fle-profile` comes before the type of content, which must be a form
    /// all the same; an unknown one is not made good by the type of content.
    pub fn choose<'a>(
        &self,
        content_types: impl IntoIterator<Item = &'a [u8]>,
        query: Option<&[u8]>,
    ) -> Choice {
        let content_type = match media_type(content_types) {
            Ok(content_type) => content_type,
            Err(refusal) => return Choice::Refuse(refusal),
        };
        let is_form = content_type.is_some_and(|it| it.eq_ignore_ascii_case(FORM));
        if let Some(args) = &self.query_args {
            match named(query) {
                Err(refusal) => return Choice::Refuse(refusal),
                Ok(None) => {}
                Ok(Some(name)) => {
                    let mut profiles = args.profiles.iter();
                    let profile = profiles.find(|(arg, _)| arg.as_bytes() == name);
                    match profile {
                        Some((_, profile)) if is_form => {
                            return Choice::Encrypt(Arc::clone(profile));
                        }
                        Some(_) => return self.unknown_type(),
                        None if args.forwards_unknown => {
                            return Choice::Forward(Status::ForwardedByQueryArgs);
                        }
                        None => return Choice::Refuse(Refusal::RejectedByQueryArgs),
                    }
                }
            }
        }
        let mut types = self.content_types.profiles.iter();
        let known = content_type.and_then(|content_type| {
            types.find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(content_type))
        });
        match known {
            Some((_, Some(profile))) if is_form => Choice::Encrypt(Arc::clone(profile)),
            Some((_, None)) => Choice::Forward(Status::ForwardedDueToNoProfile),
            // What is to be encrypted and is no form cannot be.
            Some(_) | None => self.unknown_type(),
        }
    }

    fn unknown_type(&self) -> Choice {
        match self.content_types.forwards_unknown {
            true => Choice::Forward(Status::ForwardedByContentType),
            false => Choice::Refuse(Refusal::RejectedByContentType),
        }
    }
}

/// Type and subtype, without parameters (RFC 9110 §8.3.1); none where nothing is said.
fn media_type<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<&'a [u8]>, Refusal> {
    let mut fields = fields.into_iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(Refusal::MalformedContentType);
    }
    let essence = field.split(|byte| *byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii();
    let mut parts = essence.split(|byte| *byte == b'/');
    let is_token = |part: &[u8]| !part.is_empty() && part.iter().all(|byte| is_token_byte(*byte));
    match (parts.next(), parts.next(), parts.next()) {
        (Some(kind), Some(subtype), None) if is_token(kind) && is_token(subtype) => {
            Ok(Some(essence))
        }
        _ => Err(Refusal::MalformedContentType),
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What `fle-profile` names.
fn named(query: Option<&[u8]>) -> Result<Option<Vec<u8>>, Refusal> {
    let mut name = None;
    for argument in query.unwrap_or_default().split(|byte| *byte == b'&') {
        let mut halves = argument.splitn(2, |byte| *byte == b'=');
        let of_profile = halves.next().is_some_and(|half| half == ARGUMENT);
        if !of_profile {
            continue;
        }
        let value = form::decode(halves.next().unwrap_or_default());
        let value = value.map_err(|form::Malformed| Refusal::MalformedQueryArgs)?;
        if value.is_empty() || name.replace(value).is_some() {
            return Err(Refusal::MalformedQueryArgs);
        }
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(forwards_unknown: bool) -> Rules {
        let profile = || Arc::new(Profile::new());
        Rules {
            query_args: Some(QueryArgs {
                forwards_unknown,
                profiles: vec![("card data".into(), profile())],
            }),
            content_types: ContentTypes {
                forwards_unknown,
                profiles: vec![("application/x-www-form-urlencoded".into(), Some(profile()))],
            },
        }
    }

    fn choose(rules: &Rules, content_type: &str, query: &str) -> String {
        let field = Some(content_type.as_bytes()).filter(|it| !it.is_empty());
        match rules.choose(field, Some(query.as_bytes())) {
            Choice::Encrypt(profile) => match &rules.query_args {
                Some(args) if Arc::ptr_eq(&args.profiles[0].1, &profile) => "by argument".into(),
                _ => "by type".into(),
            },
            Choice::Forward(status) => status.as_str().into(),
            Choice::Refuse(refusal) => Status::Refused(refusal).as_str().into(),
        }
    }

    #[test]
    fn a_form_goes_by_its_type_however_it_is_spelt() {
        for spelling in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-Urlencoded",
            "application/x-www-form-urlencoded;charset=utf-8",
            " application/x-www-form-urlencoded ; charset=\"utf-8\"",
        ] {
            assert_eq!(
                choose(&rules(false), spelling, "a=b"),
                "by type",
                "{spelling}"
            );
        }
    }

    #[test]
    fn other_types_are_forwarded_or_refused_as_the_operator_says() {
        for unknown in ["application/json", "multipart/form-data; boundary=x", ""] {
            let forwarding = choose(&rules(true), unknown, "");
            assert_eq!(forwarding, "ForwardedByContentType");
            assert_eq!(choose(&rules(false), unknown, ""), "RejectedByContentType");
        }
        let mut rules = rules(false);
        rules.content_types.profiles[0].1 = None;
        let form = "application/x-www-form-urlencoded";
        assert_eq!(choose(&rules, form, ""), "ForwardedDueToNoProfile");
    }

    #[test]
    fn what_is_no_type_is_refused_even_where_unknown_ones_are_forwarded() {
        for wrong in [
            "form",
            "a/b/c",
            "/x",
            "a/",
            "a b/c",
            "a/b, c/d",
            "application/x y",
            "\u{e4}/b",
        ] {
            let choice = choose(&rules(true), wrong, "");
            assert_eq!(choice, "MalformedContentTypeClientError", "{wrong}");
        }
        let two = [&b"a/b"[..], b"a/b"];
        let choice = rules(true).choose(two, None);
        assert!(matches!(
            choice,
            Choice::Refuse(Refusal::MalformedContentType)
        ));
    }

    #[test]
    fn a_known_argument_comes_before_the_type_and_an_unknown_one_too() {
        let form = "application/x-www-form-urlencoded";
        for query in [
            "fle-profile=card+data",
            "a=b&fle-profile=card%20data&c",
            "&fle-profile=card data",
        ] {
            assert_eq!(choose(&rules(false), form, query), "by argument", "{query}");
        }
        assert_eq!(
            choose(&rules(false), form, "fle-profile=other"),
            "RejectedByQueryArgs"
        );
        assert_eq!(
            choose(&rules(true), form, "fle-profile=Card+data"),
            "ForwardedByQueryArgs"
        );
        let json = "application/json";
        assert_eq!(
            choose(&rules(false), json, "fle-profile=card+data"),
            "RejectedByContentType"
        );
        for malformed in [
            "fle-profile",
            "fle-profile=",
            "fle-profile=%zz",
            "fle-profile=a&fle-profile=a",
        ] {
            let choice = choose(&rules(true), form, malformed);
            assert_eq!(choice, "MalformedQueryArgsClientError", "{malformed}");
        }
    }

    #[test]
    fn without_profiles_by_argument_the_argument_means_nothing() {
        let mut rules = rules(false);
        rules.query_args = None;
        let form = "application/x-www-form-urlencoded";
        assert_eq!(choose(&rules, form, "fle-profile="), "by type");
    }
}
