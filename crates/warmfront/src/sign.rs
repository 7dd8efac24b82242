//! `warmfront sign`: a URL, or cookies, that allow to see what is private. Asks no server: the
//! private key is all that is needed.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use certificates::limits::KEY_PEM_BYTES_MAX;
use serde_json::{Map, Value, json};
use shapes::Timestamp;
use signed::limits::EPOCH_SECS_MAX;
use signed::sign::{self as signing, Signed, SigningKey, Terms};
use thiserror::Error;

use crate::arguments::{Output, SignArguments};
use crate::table;

/// Nothing is signed.
#[derive(Debug, Error)]
pub enum SignError {
    /// The key is not there.
    #[error("--key {} cannot be read: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// What a flag says cannot be signed.
    #[error("{flag} is {value:?}: {error}")]
    Refused {
        /// The flag, or what stands without one.
        flag: &'static str,
        /// What it says.
        value: String,
        /// Why not.
        error: signing::SignError,
    },
    /// A time is none.
    #[error(
        "{flag} is {value:?}; it must be a time from now, such as 30s, 45m, 2h or 7d, a time with \
         its date, such as 2030-01-01T00:00:00Z, or a number of seconds since 1970, and no later \
         than 2038-01-19T03:14:07Z"
    )]
    Time {
        /// The flag.
        flag: &'static str,
        /// What it says.
        value: String,
    },
    /// The end is over already.
    #[error("--expires is {value:?}, which is over; a number alone is seconds since 1970")]
    Past {
        /// What the flag says.
        value: String,
    },
}

/// Prints the URL, or the cookies.
pub fn sign(arguments: &SignArguments, output: Output) -> Result<ExitCode, SignError> {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let signed = signed(arguments, &read(&arguments.key)?, now.as_secs())?;
    crate::print(&match (output, arguments.cookies) {
        (Output::Text, false) => format!("{}\n", signed.url()),
        (Output::Text, true) => {
            let cookies = signed.cookies();
            let cookies: Vec<_> = cookies
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("{}\n", cookies.join("; "))
        }
        (Output::Json, false) => table::json(&json!({ "Url": signed.url() })),
        (Output::Json, true) => {
            let cookies = signed.cookies();
            let cookies: Map<String, Value> = cookies
                .map(|(name, value)| (name, Value::from(value)))
                .collect();
            table::json(&json!({ "Cookies": cookies }))
        }
    });
    Ok(ExitCode::SUCCESS)
}

fn signed(arguments: &SignArguments, pem: &str, now_secs: u64) -> Result<Signed, SignError> {
    let moment = |flag: &'static str, value: &str| {
        time(value, now_secs).ok_or_else(|| SignError::Time {
            flag,
            value: value.to_owned(),
        })
    };
    let expires_secs = moment("--expires", &arguments.expires)?;
    if expires_secs <= now_secs {
        let value = arguments.expires.clone();
        return Err(SignError::Past { value });
    }
    let starts = arguments.starts.as_deref();
    let terms = Terms {
        resource: arguments.resource.as_deref(),
        expires_secs,
        not_before_secs: starts.map(|value| moment("--starts", value)).transpose()?,
        cidr: arguments.ip.as_deref(),
    };
    let refused = |error| refused(arguments, error);
    let key = SigningKey::from_pem(pem).map_err(refused)?;
    signing::sign(&arguments.url, &terms, &arguments.key_pair_id, &key).map_err(refused)
}

fn refused(arguments: &SignArguments, error: signing::SignError) -> SignError {
    use signing::SignError::{
        Cidr, Key, KeyAlgorithm, KeyPairId, Making, OtherUrl, OwnName, Policy, Resource, Time, Url,
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let (flag, value) = match &error {
        Key(_) | KeyAlgorithm(_) | Making => ("--key", arguments.key.display().to_string()),
        KeyPairId => ("--key-pair-id", arguments.key_pair_id.clone()),
        Url(_) | OwnName(_) => ("the URL", arguments.url.clone()),
        Time(_) => ("--expires", arguments.expires.clone()),
        Cidr => ("--ip", text(&arguments.ip)),
        Resource(_) | Policy(_) | OtherUrl => ("--resource", text(&arguments.resource)),
    };
    SignError::Refused { flag, value, error }
}

/// Seconds since 1970, as far as policies can name them.
fn time(text: &str, now_secs: u64) -> Option<u64> {
    let number = |digits: &str| {
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u64>().ok().filter(|_| is_number)
    };
    let after = |unit: char, unit_secs: u64| {
        let span_secs = number(text.strip_suffix(unit)?)?.checked_mul(unit_secs)?;
        now_secs.checked_add(span_secs)
    };
    let date = || u64::try_from(Timestamp::parse(text)?.unix_ms()).ok();
    let secs = number(text)
        .or_else(|| after('s', 1))
        .or_else(|| after('m', 60))
        .or_else(|| after('h', 3_600))
        .or_else(|| after('d', 86_400))
        .or_else(|| Some(date()? / 1_000));
    secs.filter(|secs| *secs <= EPOCH_SECS_MAX)
}

fn read(path: &PathBuf) -> Result<String, SignError> {
    let mut text = String::new();
    // One byte more than is allowed, so that who reads it sees that it is too much.
    let read = File::open(path).and_then(|file| {
        file.take(KEY_PEM_BYTES_MAX as u64 + 1)
            .read_to_string(&mut text)
    });
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(SignError::Read {
            path: path.clone(),
            error,
        }),
    }
}

#[cfg(test)]
mod tests {
    use certificates::{KeyAlgorithm, PrivateKey, pem};
    use clap::Parser;
    use signed::{Presented, PublicKey, Signers, ViewerUrl};

    use super::*;
    use crate::arguments::{Arguments, Command};

    const NOW_SECS: u64 = 1_000_000;

    fn arguments(more: &[&str]) -> SignArguments {
        let first = ["warmfront", "sign", "--key", "k.pem", "--key-pair-id", "K1"];
        let parsed = Arguments::try_parse_from(first.iter().chain(more));
        match parsed.unwrap().command {
            Command::Sign(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    fn key() -> (String, Signers) {
        let key = PrivateKey::generate(KeyAlgorithm::EcP256).unwrap();
        let public = pem::write("PUBLIC KEY", key.public_key_der());
        let public = PublicKey::from_pem(&public).unwrap();
        let private = pem::write("PRIVATE KEY", key.pkcs8_der());
        (private, Signers::new([("K1".to_owned(), public)]))
    }

    fn error_of(more: &[&str]) -> String {
        signed(&arguments(more), &key().0, NOW_SECS)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn times_are_spans_dates_or_seconds() {
        for (text, secs) in [
            ("30s", Some(NOW_SECS + 30)),
            ("45m", Some(NOW_SECS + 2_700)),
            ("2h", Some(NOW_SECS + 7_200)),
            ("7d", Some(NOW_SECS + 604_800)),
            ("2030-01-01T00:00:00Z", Some(1_893_456_000)),
            ("2030-01-01T01:00:00+01:00", Some(1_893_456_000)),
            ("1893456000", Some(1_893_456_000)),
            ("2147483648", None),
            ("2h30m", None),
            ("+2h", None),
            ("-1", None),
            ("h", None),
            ("", None),
            ("tomorrow", None),
            ("18446744073709551615d", None),
            ("1969-01-01T00:00:00Z", None),
        ] {
            assert_eq!(time(text, NOW_SECS), secs, "{text}");
        }
    }

    #[test]
    fn what_is_signed_is_admitted_as_long_as_the_flags_say() {
        let (pem, signers) = key();
        let page = "https://h/a/b";
        let more = [
            page,
            "--expires",
            "2h",
            "--starts",
            "1h",
            "--resource",
            "https://h/a/*",
        ];
        let signed = signed(&arguments(&more), &pem, NOW_SECS).unwrap();
        let url = signed.url();
        let (_, query) = url.split_once('?').unwrap();
        let url = ViewerUrl {
            is_https: true,
            host: b"h",
            path: b"/a/c",
            query: Some(query.as_bytes()),
        };
        let presented = Presented::in_query(query.as_bytes()).unwrap().unwrap();
        let grant = presented.verify(&url, &signers).unwrap();
        let is_admitted = |secs| grant.admits(&url, [192, 0, 2, 1].into(), secs).is_ok();
        let at = [3_599, 3_600, 7_199, 7_200].map(|secs| is_admitted(NOW_SECS + secs));
        assert_eq!(at, [false, true, true, false]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_flag_and_value() {
        let url = "https://h/a";
        for (more, expected) in [
            (
                &[url, "--expires", "soon"][..],
                "--expires is \"soon\"; it must be a time from now",
            ),
            (
                &[url, "--expires", "3600"],
                "--expires is \"3600\", which is over; a number alone",
            ),
            (
                &["h/a", "--expires", "1h"],
                "the URL is \"h/a\": the URL begins with neither",
            ),
            (
                &["https://h/?Policy", "--expires", "1h"],
                "the URL is \"https://h/?Policy\": the URL has the parameter Policy already",
            ),
            (
                &[url, "--expires", "1h", "--starts", "2h"],
                "--expires is \"1h\": the time ends before it starts",
            ),
            (
                &[url, "--expires", "1h", "--ip", "::1"],
                "--ip is \"::1\": the network is neither",
            ),
            (
                &[url, "--expires", "1h", "--resource", "/b"],
                "--resource is \"/b\": Resource begins with none of http://",
            ),
            (
                &[url, "--expires", "1h", "--resource", "https://h/b*"],
                "--resource is \"https://h/b*\": the resource does not match the URL",
            ),
        ] {
            let error = error_of(more);
            assert!(error.starts_with(expected), "{error}");
        }
        let arguments = arguments(&[url, "--expires", "1h"]);
        let error = signed(&arguments, "no key", NOW_SECS)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("--key is \"k.pem\": the key cannot be read: "),
            "{error}"
        );
    }
}
