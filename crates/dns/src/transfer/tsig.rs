//! Signatures of messages with a shared secret (TSIG, RFC 8945).
//!
//! ```text
//! data of a TSIG record (§4.2)
//!   algorithm         a name, uncompressed
//!   time signed       6 bytes, seconds since 1970
//!   fudge             2 bytes, seconds
//!   MAC               length (2), bytes
//!   original ID       2 bytes
//!   error             2 bytes
//!   other             length (2), bytes: the server's time (6), with BADTIME
//! ```

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use records::{Name, RecordType};
use thiserror::Error;

use super::limits::{FUDGE_SECS, SECRET_BYTES_MAX, SECRET_BYTES_MIN, TRANSFER_KEYS_MAX};
use super::request::{Malformed, Record, Request, number, skip_name};

const CLASS_ANY: u16 = 255;

/// Keys that secondaries sign their requests with.
#[derive(Clone, Debug, Default)]
pub struct TransferKeys {
    keys: Vec<Arc<TransferKey>>,
}

/// What is wrong with the configuration of a key. All are the operator's to mend.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransferKeyError {
    /// Its name is no domain name, or another key has it.
    #[error("transfer_keys: {0:?} is not a domain name, or there twice")]
    Name(String),
    /// Its value has another form.
    #[error(
        "transfer_keys.{0}: the value is <algorithm>:<secret in base64>, where the algorithm is \
         hmac-sha256, hmac-sha384 or hmac-sha512"
    )]
    Form(String),
    /// The secret is too short or too long.
    #[error(
        "transfer_keys.{0}: a secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes, and as \
         many as the hash is best"
    )]
    Secret(String),
    /// There are too many.
    #[error("transfer_keys: there are more than {TRANSFER_KEYS_MAX} keys")]
    TooMany,
}

pub(super) struct TransferKey {
    pub name: Name,
    /// In wire form.
    algorithm: &'static [u8],
    secret: hmac::Key,
}

impl std::fmt::Debug for TransferKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "TransferKey({})", self.name)
    }
}

/// An algorithm: in configurations, on the wire, and what it is.
type Algorithm = (&'static str, &'static [u8], hmac::Algorithm);

const ALGORITHMS: [Algorithm; 3] = [
    ("hmac-sha256", b"\x0bhmac-sha256\0", hmac::HMAC_SHA256),
    ("hmac-sha384", b"\x0bhmac-sha384\0", hmac::HMAC_SHA384),
    ("hmac-sha512", b"\x0bhmac-sha512\0", hmac::HMAC_SHA512),
];

impl TransferKeys {
    /// Out of a configuration: names, and `hmac-sha256:<base64>` for each.
    pub fn parse<'c>(
        settings: impl IntoIterator<Item = (&'c str, &'c str)>,
    ) -> Result<TransferKeys, TransferKeyError> {
        let mut keys: Vec<Arc<TransferKey>> = Vec::new();
        for (name, value) in settings {
            let key = TransferKey::parse(name, value)?;
            if keys.iter().any(|other| other.name == key.name) {
                return Err(TransferKeyError::Name(name.into()));
            }
            keys.push(Arc::new(key));
        }
        match keys.len() {
            0..=TRANSFER_KEYS_MAX => Ok(TransferKeys { keys }),
            _ => Err(TransferKeyError::TooMany),
        }
    }

    /// Whether there is none: nobody may have zones transferred.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Who signed a request (RFC 8945 §5.2).
    pub(super) fn verify(&self, request: &Request<'_>, now_secs: u64) -> Verdict {
        let Some(tsig) = &request.tsig else {
            return Verdict::Unsigned;
        };
        let key = self.keys.iter().find(|key| {
            let has_algorithm = tsig.algorithm.eq_ignore_ascii_case(key.algorithm);
            has_algorithm && tsig.key_name.eq_ignore_ascii_case(key.name.wire())
        });
        let Some(key) = key else {
            return Verdict::Refused(TsigError::Key);
        };
        // In full, or not at all: no client of today shortens it.
        let whole = key.secret.algorithm().digest_algorithm().output_len();
        if tsig.mac.len() < whole {
            return Verdict::Refused(TsigError::Shortened);
        }
        let signed = tsig.signed(request.message, key);
        if hmac::verify(&key.secret, &signed, tsig.mac).is_err() {
            return Verdict::Refused(TsigError::Signature);
        }
        let mut signing = Signing {
            key: Arc::clone(key),
            mac: tsig.mac.to_vec(),
            is_first: true,
            late: None,
        };
        if tsig.time_secs.abs_diff(now_secs) > u64::from(tsig.fudge_secs) {
            signing.late = Some((tsig.time_secs, tsig.fudge_secs));
            return Verdict::Late(signing);
        }
        Verdict::Signed(signing)
    }
}

impl TransferKey {
    fn parse(name: &str, value: &str) -> Result<TransferKey, TransferKeyError> {
        let parsed = Name::parse(name).map_err(|_| TransferKeyError::Name(name.into()))?;
        let form = || TransferKeyError::Form(name.into());
        let (algorithm, secret) = value.split_once(':').ok_or_else(form)?;
        let known = |known: &&Algorithm| known.0.eq_ignore_ascii_case(algorithm);
        let (_, wire, algorithm) = ALGORITHMS.iter().find(known).ok_or_else(form)?;
        let secret = STANDARD.decode(secret.trim()).map_err(|_| form())?;
        if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&secret.len()) {
            return Err(TransferKeyError::Secret(name.into()));
        }
        Ok(TransferKey {
            name: parsed,
            algorithm: wire,
            secret: hmac::Key::new(*algorithm, &secret),
        })
    }
}

/// What became of a request's signature.
pub(super) enum Verdict {
    /// There is none.
    Unsigned,
    /// It is not valid; the response says why, without a signature (§5.3.2).
    Refused(TsigError),
    /// It is valid, but not of now; the response is signed and has our time (§5.2.3).
    Late(Signing),
    /// It is valid.
    Signed(Signing),
}

/// Why a signature is refused (§3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TsigError {
    /// BADSIG.
    Signature = 16,
    /// BADKEY.
    Key = 17,
    /// BADTIME.
    Time = 18,
    /// BADTRUNC.
    Shortened = 22,
}

/// A TSIG record of a request.
#[derive(Debug)]
pub(super) struct Tsig<'q> {
    /// Where the record begins.
    at: usize,
    key_name: &'q [u8],
    algorithm: &'q [u8],
    time_secs: u64,
    fudge_secs: u16,
    mac: &'q [u8],
    original_id: [u8; 2],
    /// Error, and other data with its length, as they were sent.
    rest: &'q [u8],
}

impl<'q> Tsig<'q> {
    pub fn read(record: &Record<'q>, at: usize) -> Result<Tsig<'q>, Malformed> {
        let rdata = record.rdata;
        // Compressed, it would not mean the same in a response.
        Name::from_wire(record.name).map_err(|_| Malformed)?;
        let algorithm_end = skip_name(rdata, 0)?;
        let (algorithm, fields) = rdata.split_at_checked(algorithm_end).ok_or(Malformed)?;
        Name::from_wire(algorithm).map_err(|_| Malformed)?;
        let (time, fields) = fields.split_first_chunk::<6>().ok_or(Malformed)?;
        let (fudge, fields) = fields.split_first_chunk::<2>().ok_or(Malformed)?;
        let (length, fields) = fields.split_first_chunk::<2>().ok_or(Malformed)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (mac, fields) = fields.split_at_checked(length).ok_or(Malformed)?;
        let (original_id, rest) = fields.split_first_chunk::<2>().ok_or(Malformed)?;
        let other_bytes = number(rest, 2).ok_or(Malformed)?;
        if rest.len() != 4 + usize::from(other_bytes) {
            return Err(Malformed);
        }
        let [a, b, c, d, e, f] = *time;
        Ok(Tsig {
            at,
            key_name: record.name,
            algorithm,
            time_secs: u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
            fudge_secs: u16::from_be_bytes(*fudge),
            mac,
            original_id: *original_id,
            rest,
        })
    }

    /// The record that says in a response of this ID why the signature is refused.
    pub fn refusal(&self, error: TsigError, id: [u8; 2]) -> Vec<u8> {
        let code = (error as u16).to_be_bytes();
        let refusal = Tsig {
            mac: &[],
            original_id: id,
            rest: &[code[0], code[1], 0, 0],
            ..*self
        };
        let mut record = Vec::new();
        refusal.write(&mut record);
        record
    }

    /// Appends it as a record.
    fn write(&self, to: &mut Vec<u8>) {
        let rdata_bytes = self.algorithm.len() + 12 + self.mac.len() + self.rest.len();
        to.extend_from_slice(self.key_name);
        to.extend_from_slice(&RecordType::TSIG.0.to_be_bytes());
        to.extend_from_slice(&CLASS_ANY.to_be_bytes());
        to.extend_from_slice(&[0; 4]);
        to.extend_from_slice(&(rdata_bytes as u16).to_be_bytes());
        to.extend_from_slice(self.algorithm);
        write_times(to, self.time_secs, self.fudge_secs);
        to.extend_from_slice(&(self.mac.len() as u16).to_be_bytes());
        to.extend_from_slice(self.mac);
        to.extend_from_slice(&self.original_id);
        to.extend_from_slice(self.rest);
    }

    /// What the request's MAC is of (§4.3.2, §4.3.3): the message as it was before it was signed,
    /// and the signature's variables.
    fn signed(&self, message: &[u8], key: &TransferKey) -> Vec<u8> {
        let mut signed = message[..self.at].to_vec();
        signed[..2].copy_from_slice(&self.original_id);
        let additionals = u16::from_be_bytes([signed[10], signed[11]]).wrapping_sub(1);
        signed[10..12].copy_from_slice(&additionals.to_be_bytes());
        key.write_variables(&mut signed, self.time_secs, self.fudge_secs, self.rest);
        signed
    }
}

impl TransferKey {
    fn write_variables(&self, to: &mut Vec<u8>, time_secs: u64, fudge_secs: u16, rest: &[u8]) {
        to.extend_from_slice(self.name.wire());
        to.extend_from_slice(&CLASS_ANY.to_be_bytes());
        to.extend_from_slice(&[0; 4]);
        to.extend_from_slice(self.algorithm);
        write_times(to, time_secs, fudge_secs);
        to.extend_from_slice(rest);
    }
}

/// Signs the messages of a response, each with all before it (§5.3.1).
pub(super) struct Signing {
    key: Arc<TransferKey>,
    /// The MAC before: the request's, then that of our last message.
    mac: Vec<u8>,
    is_first: bool,
    /// The request's time and fudge, if it is not of now.
    late: Option<(u64, u16)>,
}

impl Signing {
    pub fn key_name(&self) -> &Name {
        &self.key.name
    }

    /// Appends the signature of a message that is complete but for it.
    pub fn sign(&mut self, message: &mut Vec<u8>, now_secs: u64) {
        let (time_secs, fudge_secs) = self.late.unwrap_or((now_secs, FUDGE_SECS));
        let mut rest = vec![0; 4];
        if self.late.is_some() {
            rest[..2].copy_from_slice(&(TsigError::Time as u16).to_be_bytes());
            rest[3] = 6;
            rest.extend_from_slice(&now_secs.to_be_bytes()[2..]);
        }
        let mut tail = Vec::new();
        match self.is_first {
            true => (self.key).write_variables(&mut tail, time_secs, fudge_secs, &rest),
            false => write_times(&mut tail, time_secs, fudge_secs),
        }
        let mut context = hmac::Context::with_key(&self.key.secret);
        context.update(&(self.mac.len() as u16).to_be_bytes());
        context.update(&self.mac);
        context.update(message);
        context.update(&tail);
        let tag = context.sign();
        self.mac.clear();
        self.mac.extend_from_slice(tag.as_ref());
        self.is_first = false;
        let signature = Tsig {
            at: message.len(),
            key_name: self.key.name.wire(),
            algorithm: self.key.algorithm,
            time_secs,
            fudge_secs,
            mac: &self.mac,
            original_id: [message[0], message[1]],
            rest: &rest,
        };
        signature.write(message);
        message[11] += 1;
    }
}

fn write_times(to: &mut Vec<u8>, time_secs: u64, fudge_secs: u16) {
    to.extend_from_slice(&time_secs.to_be_bytes()[2..]);
    to.extend_from_slice(&fudge_secs.to_be_bytes());
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const NOW: u64 = 1_790_000_000;
    const SECRET: &str = "hmac-sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    /// AXFR of example.com at [`NOW`], as dnspython signs it with [`keys`].
    const SIGNED: &str = concat!(
        "123400000001000000000001076578616d706c6503636f6d0000fc0001",
        "097365636f6e64617279076578616d706c650000fa00ff00000000003d0b686d61632d73686132353600",
        "00006ab13b80012c0020",
        "23dd661568109d7aab8a5fe6c0821ea8bbb7f70be6156e4b934cddfbba1ac39a",
        "123400000000",
    );

    fn hex(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    pub(crate) fn signed() -> Vec<u8> {
        hex(SIGNED)
    }

    pub(crate) fn keys() -> TransferKeys {
        TransferKeys::parse([("Secondary.example", SECRET)]).unwrap()
    }

    fn verdict(keys: &TransferKeys, message: &[u8], now: u64) -> &'static str {
        match keys.verify(&Request::read(message).unwrap(), now) {
            Verdict::Unsigned => "unsigned",
            Verdict::Refused(TsigError::Key) => "key",
            Verdict::Refused(TsigError::Signature) => "signature",
            Verdict::Refused(_) => "length",
            Verdict::Late(_) => "late",
            Verdict::Signed(_) => "signed",
        }
    }

    #[test]
    fn a_request_that_another_program_signed_is_accepted_in_its_time() {
        let message = signed();
        for (now, expected) in [
            (NOW, "signed"),
            (NOW + 300, "signed"),
            (NOW - 300, "signed"),
            (NOW + 301, "late"),
            (NOW - 301, "late"),
        ] {
            assert_eq!(verdict(&keys(), &message, now), expected, "{now}");
        }
    }

    #[test]
    fn the_case_of_names_does_not_matter_and_the_id_is_the_original() {
        let mut message = signed();
        let at = message.windows(9).position(|window| window == b"secondary");
        message[at.unwrap()] = b'S';
        // A forwarder's ID.
        message[0] = 0xff;
        assert_eq!(verdict(&keys(), &message, NOW), "signed");
    }

    #[test]
    fn whatever_was_changed_is_not_signed() {
        let message = signed();
        let tsig_at = 29;
        for at in 12..message.len() {
            let mut message = message.clone();
            message[at] ^= 1;
            let Ok(request) = Request::read(&message) else {
                continue;
            };
            if at < tsig_at || request.tsig.is_some() {
                let verdict = verdict(&keys(), &message, NOW);
                // The class and time to live of the signature itself are constants of its MAC.
                let constants = tsig_at + 19 + 2..tsig_at + 19 + 8;
                let is_constant = constants.contains(&at);
                // In names, this bit is none of case.
                assert_eq!(verdict == "signed", is_constant, "byte {at}: {verdict}");
            }
        }
    }

    #[test]
    fn other_keys_and_shortened_signatures_are_refused() {
        let message = signed();
        let other = |name, value| TransferKeys::parse([(name, value)]).unwrap();
        let secret = "hmac-sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHhA=";
        let sha384 = SECRET.replace("256", "384");
        for (keys, expected) in [
            (TransferKeys::default(), "key"),
            (other("other.example", SECRET), "key"),
            (other("secondary.example", &sha384), "key"),
            (other("secondary.example", secret), "signature"),
        ] {
            assert_eq!(verdict(&keys, &message, NOW), expected);
        }
        let mac_at = message.len() - 6 - 32;
        let mut short = [&message[..mac_at], &message[mac_at + 16..]].concat();
        short[mac_at - 1] = 16;
        let length_at = mac_at - 10 - 13 - 2;
        assert_eq!(short[length_at + 1], 0x3d);
        short[length_at + 1] = 0x2d;
        assert_eq!(verdict(&keys(), &short, NOW), "length");
    }

    /// What a signature added to a message has.
    pub(crate) fn mac(signed: &[u8]) -> Vec<u8> {
        signed[signed.len() - 6 - 32..signed.len() - 6].to_vec()
    }

    #[test]
    fn messages_of_a_response_are_signed_as_another_program_signs_them() {
        let message = signed();
        let keys = keys();
        let Verdict::Signed(mut signing) = keys.verify(&Request::read(&message).unwrap(), NOW)
        else {
            panic!("it is signed");
        };
        let plain = hex("123484000001000000000000076578616d706c6503636f6d0000fc0001");
        let macs = [
            "add36728c4c01f72c6468f6111b8f0eb333b0edc3a82af6e420f0992624fe11e",
            "a616281de305b5c4d3f656fc81f4dfe34d6b8790dd96357b43331b5e0405f7c7",
        ];
        for (number, expected) in macs.into_iter().enumerate() {
            let mut message = plain.clone();
            signing.sign(&mut message, NOW + number as u64);
            assert_eq!(mac(&message), hex(expected));
            assert_eq!(message[11], 1);
            // What was added can be read, and is the signature that it says.
            message[2] = 0;
            let read = Request::read(&message).unwrap().tsig.unwrap();
            assert_eq!(read.time_secs, NOW + number as u64);
            assert_eq!(read.mac, hex(expected));
        }
    }

    #[test]
    fn keys_are_read_or_it_is_said_what_is_wrong() {
        let error = |name: &str, value: &str| {
            TransferKeys::parse([(name, value)])
                .unwrap_err()
                .to_string()
        };
        assert!(error("a..b", SECRET).contains("\"a..b\" is not a domain name"));
        for value in ["", "AAAA", "hmac-md5:AAAA", "hmac-sha256:!"] {
            let message = error("k", value);
            assert!(
                message.starts_with("transfer_keys.k: the value is <algorithm>:"),
                "{message}"
            );
        }
        assert!(error("k", "hmac-sha256:AAAA").contains("16 to 256 bytes"));
        let twice = TransferKeys::parse([("k", SECRET), ("K.", SECRET)]);
        assert_eq!(twice.unwrap_err(), TransferKeyError::Name("K.".into()));
        let names: Vec<String> = (0..257).map(|number| format!("k{number}")).collect();
        let many = TransferKeys::parse(names.iter().map(|name| (name.as_str(), SECRET)));
        assert_eq!(many.unwrap_err(), TransferKeyError::TooMany);
        let all = [("a", "hmac-sha384:"), ("b", "HMAC-SHA512:")];
        let secret = &SECRET["hmac-sha256:".len()..];
        let all = all.map(|(name, algorithm)| (name, format!("{algorithm}{secret}")));
        let all = all.iter().map(|(name, value)| (*name, value.as_str()));
        assert!(!TransferKeys::parse(all).unwrap().is_empty());
        let keys = format!("{:?}", keys());
        assert!(
            keys.contains("secondary") && !keys.contains("AAECAw"),
            "{keys}"
        );
    }
}
