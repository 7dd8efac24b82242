//! Who asks.

use std::fmt::Write;

use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, digest};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal<'a> {
    /// Anybody: the request is not signed.
    Anonymous,
    /// The account itself: the root key.
    Account {
        /// Twelve digits.
        account_id: &'a str,
    },
    /// Whom another access key was made for.
    User {
        /// Twelve digits.
        account_id: &'a str,
        /// Without a path.
        user_name: &'a str,
    },
    /// A service: a distribution with an origin access control asks as `cloudfront.amazonaws.com`,
    /// with itself as `aws:SourceArn` and its account as `aws:SourceAccount`.
    Service {
        /// `cloudfront.amazonaws.com`.
        name: &'a str,
    },
    /// A distribution with an origin access identity.
    OriginAccessIdentity {
        /// `E2QWRUHEXAMPLE`.
        id: &'a str,
    },
}

/// What stands before an identity's id in its ARN.
pub(crate) const IDENTITY_ARN: &str =
    "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity ";

impl Principal<'_> {
    /// Its account, of those that have one.
    pub fn account_id(&self) -> Option<&str> {
        match self {
            Principal::Account { account_id } | Principal::User { account_id, .. } => {
                Some(account_id)
            }
            _ => None,
        }
    }

    /// Its ARN, of those that have one.
    pub fn arn(&self) -> Option<String> {
        match self {
            Principal::Account { account_id } => Some(format!("arn:aws:iam::{account_id}:root")),
            Principal::User {
                account_id,
                user_name,
            } => Some(format!("arn:aws:iam::{account_id}:user/{user_name}")),
            Principal::OriginAccessIdentity { id } => Some(format!("{IDENTITY_ARN}{id}")),
            Principal::Anonymous | Principal::Service { .. } => None,
        }
    }

    /// What AWS calls a unique id: an account's own, `AIDA…` of users. It follows from the name.
    pub fn unique_id(&self) -> Option<String> {
        match self {
            Principal::Anonymous => Some("anonymous".to_owned()),
            Principal::Account { account_id } => Some((*account_id).to_owned()),
            Principal::User {
                account_id,
                user_name,
            } => Some(user_id(account_id, user_name)),
            Principal::Service { .. } | Principal::OriginAccessIdentity { .. } => None,
        }
    }

    /// The values of a key, in lower case, that follows from the principal; `None` if the key is
    /// none of those. They are the ones of IAM's table of principals.
    pub(crate) fn values(&self, key: &str) -> Option<Vec<String>> {
        let service = match self {
            Principal::Service { name } => Some((*name).to_owned()),
            _ => None,
        };
        let value = match key {
            "aws:principalaccount" => self.account_id().map(str::to_owned),
            "aws:principalarn" => self.arn(),
            "aws:principalisawsservice" => match self {
                Principal::Anonymous => None,
                _ => Some(service.is_some().to_string()),
            },
            "aws:principalservicename" | "aws:principalservicenameslist" => service,
            "aws:principaltype" => match self {
                Principal::Anonymous => Some("Anonymous".to_owned()),
                Principal::Account { .. } => Some("Account".to_owned()),
                Principal::User { .. } => Some("User".to_owned()),
                Principal::Service { .. } | Principal::OriginAccessIdentity { .. } => None,
            },
            "aws:userid" => self.unique_id(),
            "aws:username" => match self {
                Principal::User { user_name, .. } => Some((*user_name).to_owned()),
                _ => None,
            },
            // No service passes a user's request on to another here.
            "aws:viaawsservice" => Some("false".to_owned()),
            _ => return None,
        };
        Some(value.into_iter().collect())
    }
}

fn user_id(account_id: &str, user_name: &str) -> String {
    const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let hash = digest(&SHA256, format!("{account_id}:{user_name}").as_bytes());
    let letters = hash.as_ref().iter().take(17);
    let letters = letters.map(|byte| char::from(BASE32[usize::from(byte % 32)]));
    format!("AIDA{}", letters.collect::<String>())
}

/// The 96 hex digits that bucket policies of old name an origin access identity by. They follow
/// from its id, so that they stay what they are.
pub fn canonical_user(identity_id: &str) -> String {
    hex_digest(&SHA384, identity_id)
}

/// The 64 hex digits that S3 names an account by, as the owner of its buckets. They follow from
/// its id.
pub fn canonical_account(account_id: &str) -> String {
    hex_digest(&SHA256, account_id)
}

fn hex_digest(algorithm: &'static Algorithm, text: &str) -> String {
    let mut hex = String::new();
    for byte in digest(algorithm, text.as_bytes()).as_ref() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{ALICE, CLOUDFRONT, ROOT};

    #[test]
    fn keys_of_principals_are_those_of_their_kind() {
        let identity = Principal::OriginAccessIdentity { id: "E1" };
        let all = [Principal::Anonymous, ROOT, ALICE, CLOUDFRONT, identity];
        let arns = [
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::123456789012:user/alice",
        ];
        let own = format!("{IDENTITY_ARN}E1");
        let id = "123456789012";
        let service = "cloudfront.amazonaws.com";
        let user = ALICE.unique_id().unwrap();
        for (key, values) in [
            ("aws:principalaccount", ["", id, id, "", ""]),
            ("aws:principalarn", ["", arns[0], arns[1], "", &own]),
            (
                "aws:principalisawsservice",
                ["", "false", "false", "true", "false"],
            ),
            ("aws:principalservicename", ["", "", "", service, ""]),
            (
                "aws:principaltype",
                ["Anonymous", "Account", "User", "", ""],
            ),
            ("aws:userid", ["anonymous", id, &user, "", ""]),
            ("aws:username", ["", "", "alice", "", ""]),
        ] {
            let told = all.map(|principal| principal.values(key).unwrap().concat());
            assert_eq!(told, values, "{key}");
        }
        assert!(user.starts_with("AIDA") && user.len() == 21);
        assert_eq!(ALICE.values("aws:sourceip"), None);
    }

    #[test]
    fn every_key_that_is_said_to_follow_from_principals_does() {
        for key in crate::keys::OF_PRINCIPALS {
            assert!(ALICE.values(&key.to_ascii_lowercase()).is_some(), "{key}");
        }
    }

    #[test]
    fn canonical_users_are_hex_digits_of_their_kind_and_stay_what_they_are() {
        assert_eq!(canonical_user("E1").len(), 96);
        assert_eq!(canonical_account("123456789012").len(), 64);
        assert!(canonical_user("").starts_with("38b060a751ac9638"));
        assert!(canonical_account("").starts_with("e3b0c44298fc1c14"));
    }
}
