//! Buckets that an installation keeps, as edges know them: that there is one of that name, where
//! it is asked for its objects, and with which keys edges prove who they are.
//!
//! What a bucket holds, and what it is set to, lies with its objects on the disk of the node that
//! keeps it (crate `buckets`); that node says here where that is.

use serde::{Deserialize, Serialize};

/// Key of a bucket, by its name.
pub fn key(name: &str) -> String {
    crate::keys::resource(crate::keys::BUCKET, name)
}

/// Where a bucket is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Id of the node that keeps it.
    pub node: String,
    /// Where S3's API is spoken there: `http://10.0.0.1:4566`, without a path.
    pub endpoint: String,
    /// The region that it was made in: what requests to it are signed for.
    pub region: String,
}

/// In whose name an edge asks a bucket of its own installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The service, for the distribution of that id (origin access control).
    Distribution(String),
    /// The origin access identity of that id.
    Identity(String),
}

const DISTRIBUTION_KEY: &str = "CFOAC";
const IDENTITY_KEY: &str = "CFOAI";

impl Asker {
    /// The access key id that its requests are signed with. Its secret is derived from the
    /// installation's key by [`Asker::purpose`], so that edges and buckets share it without a word.
    pub fn access_key_id(&self) -> String {
        match self {
            Asker::Distribution(id) => format!("{DISTRIBUTION_KEY}{id}"),
            Asker::Identity(id) => format!("{IDENTITY_KEY}{id}"),
        }
    }

    /// Who signs with that access key id, if it is one of these.
    pub fn of_access_key_id(access_key_id: &str) -> Option<Asker> {
        let id = |prefix| {
            let id: Option<&str> = access_key_id.strip_prefix(prefix);
            id.filter(|id| !id.is_empty()).map(str::to_owned)
        };
        let distribution = id(DISTRIBUTION_KEY).map(Asker::Distribution);
        distribution.or_else(|| id(IDENTITY_KEY).map(Asker::Identity))
    }

    /// What the secret is derived for (`Secrets::derive(purpose, 0)`, in lower-case hexadecimal).
    pub fn purpose(&self) -> String {
        format!("origin-access/{}", self.access_key_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_key_id_says_who_asks() {
        for asker in [
            Asker::Distribution("E1ABC".into()),
            Asker::Identity("E2DEF".into()),
        ] {
            let key = asker.access_key_id();
            assert_eq!(Asker::of_access_key_id(&key), Some(asker));
        }
        assert_eq!(Asker::of_access_key_id("AKIAEXAMPLE"), None);
        assert_eq!(Asker::of_access_key_id("CFOAC"), None);
    }
}
