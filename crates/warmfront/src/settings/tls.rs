//! What is said of TLS: where it is spoken, with which key certificates are sealed, and who issues
//! them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hyper::Uri;
use tls::UnknownName;

use super::{Reader, SettingError};

const SWITCH: &str = "on or off";
const UNKNOWN: &str = "default (the default certificate is presented) or alert";
const ACME: &str = "the URL of an ACME server's directory, https://…";
const ACME_CONTACT: &str = "an address of mail, or a URL such as mailto:ops@example.com";
const ACME_KEY: &str = "KEY_ID:KEY, as the ACME server gave them; the key in base64url";

/// What is said of TLS.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Where viewers connect by TLS, and by QUIC; nowhere, if it is off.
    pub https: Vec<SocketAddr>,
    /// Whether HTTP/3 is spoken.
    pub http3: bool,
    /// The file of the installation's key: the same on every node.
    pub secrets: PathBuf,
    /// What viewers get who ask for a name that nobody has.
    pub unknown_names: UnknownName,
    /// The directory of the ACME server that issues certificates; the local authority does without.
    pub acme: Option<String>,
    /// Who may sign the ACME server's own certificate besides the public authorities: PEM.
    pub acme_root: Option<PathBuf>,
    /// Whom the ACME server may write to.
    pub acme_contact: Option<String>,
    /// An account that the ACME server knows already: id and key (external account binding).
    pub acme_key: Option<(String, String)>,
    /// Whether names must be proven before certificates are issued for them.
    pub validate_certificates: bool,
}

impl TlsSettings {
    pub(super) fn read(reader: &Reader<'_>, data: &Path) -> Result<TlsSettings, SettingError> {
        let switch = |name| {
            let parse = |text: &str| match text {
                "on" | "true" => Some(true),
                "off" | "false" => Some(false),
                _ => None,
            };
            reader.parse(name, parse, SWITCH)
        };
        let https = match reader.text("https") {
            Some("off") => Vec::new(),
            _ => reader.addresses("https", SocketAddr::from(([127, 0, 0, 1], 8443)))?,
        };
        let acme = reader.parse("acme", acme, ACME)?;
        Ok(TlsSettings {
            https,
            http3: switch("http3")?.unwrap_or(true),
            secrets: reader
                .path("secrets")?
                .unwrap_or_else(|| data.join("secrets.key")),
            unknown_names: reader
                .parse("unknown_names", unknown_name, UNKNOWN)?
                .unwrap_or_default(),
            acme_root: reader.existing("acme_root", Path::is_file, "a file of certificates")?,
            acme_contact: reader.parse("acme_contact", acme_contact, ACME_CONTACT)?,
            acme_key: match reader.text("acme_key") {
                None => None,
                // It is a secret: an error does not repeat it.
                Some(text) => {
                    Some(acme_key(text).ok_or_else(|| reader.error("acme_key", "…", ACME_KEY))?)
                }
            },
            validate_certificates: switch("validate_certificates")?.unwrap_or(acme.is_some()),
            acme,
        })
    }
}

fn unknown_name(text: &str) -> Option<UnknownName> {
    match text {
        "default" => Some(UnknownName::Default),
        "alert" => Some(UnknownName::Alert),
        _ => None,
    }
}

fn acme(text: &str) -> Option<String> {
    let url: Uri = text.parse().ok()?;
    let is_host = url.host().is_some_and(|host| !host.is_empty());
    (url.scheme_str() == Some("https") && is_host).then(|| text.to_owned())
}

/// ACME servers refuse every order of an account whose contact they do not take.
fn acme_contact(text: &str) -> Option<String> {
    let is_word = text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_mail = |(local, host): (&str, &str)| !local.is_empty() && !host.is_empty();
    let is_contact = text.contains(':') || text.rsplit_once('@').is_some_and(is_mail);
    (is_word && is_contact).then(|| text.to_owned())
}

fn acme_key(text: &str) -> Option<(String, String)> {
    // An id may be a URL, a key has no colon.
    let (id, key) = text.rsplit_once(':')?;
    let digits = key.trim_end_matches('=');
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_base64 = !digits.is_empty() && digits.len() % 4 != 1 && digits.bytes().all(is_digit);
    (!id.is_empty() && is_base64).then(|| (id.to_owned(), key.to_owned()))
}
