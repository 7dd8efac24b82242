//! An account at an ACME server.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use instant_acme::{AccountBuilder, ExternalAccountKey, NewAccount};
use serde_json::Value;

use crate::error::AcmeError;
use crate::limits::FAILURES_MAX;
use crate::transport::{Connections, RetryAfter, Transport, connections};

/// An ACME server, as the operator names it. Naming one agrees to its terms of service. The key of
/// an external account is not shown by `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Server {
    /// Its directory (RFC 8555 §7.1.1); `https` alone.
    pub directory_url: String,
    /// Certificates in PEM form that are trusted for the server's own HTTPS, besides those of
    /// the public authorities.
    pub root_pem: Option<Vec<u8>>,
    /// Where its operators write to: an address, or a URL such as `mailto:ops@example.com`.
    pub contact: Option<String>,
    /// Key id and HMAC key, in base64url, of the account at the authority that this one is bound
    /// to (RFC 8555 §7.3.4).
    pub eab: Option<(String, String)>,
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("Server");
        text.field("directory_url", &self.directory_url)
            .field("contact", &self.contact)
            .field("eab", &self.eab.as_ref().map(|(id, _)| id))
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Its connections, and what is known of it without asking it.
    fn connections(&self) -> Result<Connections, AcmeError> {
        let url = &self.directory_url;
        let is_https = url
            .get(..8)
            .is_some_and(|start| start.eq_ignore_ascii_case("https://"));
        if !is_https || url.parse::<http::Uri>().is_err() {
            return Err(AcmeError::Settings(format!(
                "the directory of the ACME server is {url:?}: it must be a URL with https"
            )));
        }
        connections(self.root_pem.as_deref())
    }

    fn external_key(&self) -> Result<Option<ExternalAccountKey>, AcmeError> {
        let Some((id, key)) = &self.eab else {
            return Ok(None);
        };
        // Authorities hand it out with and without padding.
        let key = URL_SAFE_NO_PAD
            .decode(key.trim_end_matches('='))
            .map_err(|error| {
                AcmeError::Settings(format!(
                    "the HMAC key of the external account {id:?} must be base64url: {error}"
                ))
            })?;
        Ok(Some(ExternalAccountKey::new(id.clone(), &key)))
    }
}

/// An account at an ACME server: who orders. Cheap to clone.
#[derive(Clone)]
pub struct Account {
    credentials: Arc<str>,
    connections: Connections,
}

impl Account {
    /// Makes an account. The second value are its credentials, as JSON, for [`Self::restore`]:
    /// its private key is in them.
    ///
    /// # Errors
    /// When the server refuses it or cannot be reached, or when what the operator set is wrong.
    pub async fn create(server: &Server) -> Result<(Self, String), AcmeError> {
        let connections = server.connections()?;
        let external = server.external_key()?;
        let contact = server
            .contact
            .as_ref()
            .map(|contact| match contact.contains(':') {
                true => contact.clone(),
                false => format!("mailto:{contact}"),
            });
        let contacts: Vec<&str> = contact.as_deref().into_iter().collect();
        let wanted = NewAccount {
            contact: &contacts,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        for attempt in 1.. {
            let (builder, retry_after) = builder(&connections);
            let url = server.directory_url.clone();
            let made = builder.create(&wanted, url, external.as_ref()).await;
            let error = match made.map_err(|e| AcmeError::of_client(e, retry_after.last())) {
                Ok((_, credentials)) => {
                    let credentials = serde_json::to_string(&credentials)
                        .expect("credentials are strings and become JSON");
                    let account = Self {
                        credentials: credentials.as_str().into(),
                        connections,
                    };
                    return Ok((account, credentials));
                }
                Err(error) => error,
            };
            if !error.is_nonce() || attempt >= FAILURES_MAX {
                return Err(error);
            }
        }
        unreachable!("the loop ends at the last attempt")
    }

    /// The account of these credentials, once its server answers.
    ///
    /// # Errors
    /// When the credentials are none, or of another directory than the server's, or when the
    /// server cannot be reached. Whether it still knows the account is seen with the first order.
    pub async fn restore(server: &Server, credentials: &str) -> Result<Self, AcmeError> {
        let known: Value = serde_json::from_str(credentials).map_err(|_| unreadable())?;
        let directory = known
            .get("directory")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if directory != server.directory_url {
            return Err(AcmeError::Settings(format!(
                "the account is of the ACME server {directory:?}, not of {:?}",
                server.directory_url
            )));
        }
        let account = Self {
            credentials: credentials.into(),
            connections: server.connections()?,
        };
        account.session().await?;
        Ok(account)
    }

    /// A session with the server, as its directory is now.
    pub(crate) async fn session(&self) -> Result<Session, AcmeError> {
        let credentials = serde_json::from_str(&self.credentials).map_err(|_| unreadable())?;
        let (builder, retry_after) = builder(&self.connections);
        let account = builder.from_credentials(credentials).await;
        let account = account.map_err(|error| match error {
            instant_acme::Error::KeyRejected => unreadable(),
            error => AcmeError::of_client(error, retry_after.last()),
        })?;
        Ok(Session {
            account,
            retry_after,
        })
    }
}

/// Requests of one account that follow each other.
pub(crate) struct Session {
    pub(crate) account: instant_acme::Account,
    pub(crate) retry_after: RetryAfter,
}

impl Session {
    /// What a failure of the last request means.
    pub(crate) fn error(&self, error: instant_acme::Error) -> AcmeError {
        AcmeError::of_client(error, self.retry_after.last())
    }
}

fn builder(connections: &Connections) -> (AccountBuilder, RetryAfter) {
    let retry_after = RetryAfter::default();
    let transport = Transport {
        connections: connections.clone(),
        retry_after: retry_after.clone(),
    };
    (
        instant_acme::Account::builder_with_http(Box::new(transport)),
        retry_after,
    )
}

/// Says nothing of what is in them.
fn unreadable() -> AcmeError {
    AcmeError::Settings("the credentials of the ACME account cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(server: Server) -> String {
        match Account::create(&server).await {
            Err(AcmeError::Settings(message)) => message,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("made"),
        }
    }

    #[test]
    fn the_key_of_an_external_account_is_not_shown() {
        let server = Server {
            eab: Some(("kid-1".to_owned(), "c2VjcmV0".to_owned())),
            ..Server::default()
        };
        let shown = format!("{server:?}");
        assert!(
            shown.contains("kid-1") && !shown.contains("c2VjcmV0"),
            "{shown}"
        );
    }

    #[tokio::test]
    async fn what_the_operator_set_wrong_is_named() {
        for url in ["", "http://ca.example/dir", "https://", "ca.example/dir"] {
            let server = Server {
                directory_url: url.to_owned(),
                ..Server::default()
            };
            assert!(refused(server).await.contains("https"), "{url}");
        }
        let server = Server {
            directory_url: "https://ca.example/dir".to_owned(),
            eab: Some(("kid-1".to_owned(), "not base64!".to_owned())),
            ..Server::default()
        };
        assert!(refused(server).await.contains("kid-1"));
    }

    #[tokio::test]
    async fn credentials_of_another_server_are_refused_and_not_told() {
        let server = Server {
            directory_url: "https://a.example/".to_owned(),
            ..Server::default()
        };
        let other = r#"{"id":"x","key_pkcs8":"c2VjcmV0","directory":"https://b.example/"}"#;
        for credentials in [other, "c2VjcmV0", "{}"] {
            let error = Account::restore(&server, credentials).await.err().unwrap();
            assert!(matches!(error, AcmeError::Settings(_)), "{error}");
            assert!(!error.to_string().contains("c2VjcmV0"), "{error}");
        }
    }
}
