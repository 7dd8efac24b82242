//! Whom a statement means.

use serde_json::Value;

use crate::document::{Members, clipped, texts};
use crate::principal::{IDENTITY_ARN, canonical_account, canonical_user};
use crate::{PolicyError, Principal};

/// `Principal`, or with `is_negated` `NotPrincipal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principals {
    is_negated: bool,
    named: Vec<Named>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    Everybody,
    /// Its id.
    Account(String),
    /// The ARN, of a user or of a role. There are no roles here, so that theirs mean nobody.
    User {
        arn: String,
        account_id: String,
    },
    /// The id of an origin access identity.
    Identity(String),
    /// Hex digits, of an identity or of an account.
    Canonical(String),
    /// Its name.
    Service(String),
    /// Users of other systems, of whom there are none here.
    Federated,
}

const ALLOWED_AWS: &str = "'*', an account's twelve digits, the ARN of an account's root, user or \
     role, such as arn:aws:iam::123456789012:user/name, and that of an origin access identity, \
     arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E…";

/// How principals of a kind are read, and what is allowed.
type Kind = (&'static str, fn(&str) -> Option<Named>, &'static str);

const KINDS: [Kind; 4] = [
    ("AWS", of_aws, ALLOWED_AWS),
    (
        "Service",
        of_service,
        "a name such as cloudfront.amazonaws.com",
    ),
    ("CanonicalUser", of_canonical, "64 or 96 hex digits"),
    ("Federated", |_| Some(Named::Federated), "any text"),
];

impl Principals {
    /// Reads what stands at `place`.
    pub fn parse(place: &str, value: Value, is_negated: bool) -> Result<Principals, PolicyError> {
        let mut named = Vec::new();
        match value {
            Value::String(text) if text == "*" => named.push(Named::Everybody),
            Value::Object(_) => {
                let mut members = Members::of(place, value)?;
                for (kind, read, allowed) in KINDS {
                    let Some(value) = members.take(kind) else {
                        continue;
                    };
                    let place = members.place(kind);
                    for text in texts(&place, value)? {
                        let error = || {
                            let text = clipped(&text);
                            PolicyError(format!("{place} is '{text}'; allowed is {allowed}"))
                        };
                        named.push(read(&text).ok_or_else(error)?);
                    }
                }
                members.finish("AWS, Service, CanonicalUser and Federated")?;
            }
            _ => {}
        }
        if named.is_empty() {
            return Err(PolicyError(format!(
                "{place} names nobody; allowed is '*' or an object such as {{\"AWS\": \"*\"}} or \
                 {{\"Service\": \"cloudfront.amazonaws.com\"}}"
            )));
        }
        let principals = Principals { is_negated, named };
        principals.check_accounts(place)?;
        Ok(principals)
    }

    /// AWS refuses a user by its account first, so that one whose account is not named may be
    /// refused although it is named itself. Here nothing is that unclear.
    fn check_accounts(&self, place: &str) -> Result<(), PolicyError> {
        for named in self.named.iter().filter(|_| self.is_negated) {
            if let Named::User { arn, account_id } = named
                && !self.named.contains(&Named::Account(account_id.clone()))
            {
                return Err(PolicyError(format!(
                    "{place}.AWS has '{arn}' without its account; name \
                     'arn:aws:iam::{account_id}:root' beside it"
                )));
            }
        }
        Ok(())
    }

    /// Whether a principal is meant. A statement that allows an account something leaves it to the
    /// account which of its users may; one that denies it, denies it to all of them.
    pub fn mean(&self, principal: &Principal<'_>, is_allowing: bool) -> bool {
        let are_users_meant = !is_allowing && !self.is_negated;
        let mut named = self.named.iter();
        named.any(|named| named.is(principal, are_users_meant)) != self.is_negated
    }

    /// Whether everybody is named.
    pub fn have_everybody(&self) -> bool {
        self.named.contains(&Named::Everybody)
    }
}

impl Named {
    /// `are_users_meant` where an account is named.
    fn is(&self, principal: &Principal<'_>, are_users_meant: bool) -> bool {
        let account = match principal {
            Principal::Account { account_id } => Some(account_id),
            Principal::User { account_id, .. } if are_users_meant => Some(account_id),
            _ => None,
        };
        match (self, principal) {
            (Named::Everybody, _) => true,
            (Named::Account(id), _) => account.is_some_and(|account| account == id),
            (Named::User { arn, .. }, Principal::User { .. }) => {
                principal.arn().as_ref() == Some(arn)
            }
            (Named::Identity(named), Principal::OriginAccessIdentity { id }) => named == id,
            (Named::Canonical(hex), Principal::OriginAccessIdentity { id }) => {
                canonical_user(id) == *hex
            }
            (Named::Canonical(hex), _) => {
                account.is_some_and(|account| canonical_account(account) == *hex)
            }
            (Named::Service(named), Principal::Service { name }) => named == name,
            _ => false,
        }
    }
}

fn of_aws(text: &str) -> Option<Named> {
    if text == "*" {
        return Some(Named::Everybody);
    }
    if is_account(text) {
        return Some(Named::Account(text.to_owned()));
    }
    if let Some(id) = text.strip_prefix(IDENTITY_ARN) {
        let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        return is_id.then(|| Named::Identity(id.to_owned()));
    }
    let (account_id, name) = text.strip_prefix("arn:aws:iam::")?.split_once(':')?;
    let is_in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&byte);
    let path = name.strip_prefix("user/").or(name.strip_prefix("role/"));
    match path {
        _ if !is_account(account_id) => None,
        None => (name == "root").then(|| Named::Account(account_id.to_owned())),
        Some(path) => (!path.is_empty() && path.bytes().all(is_in_name)).then(|| Named::User {
            arn: text.to_owned(),
            account_id: account_id.to_owned(),
        }),
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn of_service(text: &str) -> Option<Named> {
    let name = text.strip_suffix(".amazonaws.com")?;
    let is_in_name =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let is_name = !name.is_empty() && name.bytes().all(is_in_name);
    is_name.then(|| Named::Service(text.to_owned()))
}

fn of_canonical(text: &str) -> Option<Named> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_fine = is_hex && matches!(text.len(), 64 | 96);
    is_fine.then(|| Named::Canonical(text.to_ascii_lowercase()))
}
