//! Checksums as S3 has them: of a whole object, of a part, and of an object made of parts, either
//! as if it had been sent at once (only CRCs can be put together so) or of its parts' checksums.
//!
//! SHA-1 and SHA-256 are aws-lc-rs's as everywhere in this program. MD5 it does not have; it is
//! S3's ETag here and secures nothing.

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_STANDARD};
use crc_fast::CrcAlgorithm;

/// How a checksum is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME: what S3 takes if nobody asks for another.
    #[default]
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// What the checksum of an object is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChecksumKind {
    /// All its bytes.
    FullObject,
    /// The checksums of its parts.
    Composite,
}

/// A checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// How it is computed.
    pub algorithm: Algorithm,
    /// What it is of.
    pub kind: ChecksumKind,
    /// In base64; a composite one ends with `-` and the number of parts.
    pub value: String,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 5] = [
        Algorithm::Crc32,
        Algorithm::Crc32c,
        Algorithm::Crc64Nvme,
        Algorithm::Sha1,
        Algorithm::Sha256,
    ];

    /// S3's name of it, such as `CRC64NVME`.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "CRC32",
            Algorithm::Crc32c => "CRC32C",
            Algorithm::Crc64Nvme => "CRC64NVME",
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
        }
    }

    /// By S3's name.
    pub fn of(name: &str) -> Option<Algorithm> {
        let mut all = Algorithm::ALL.into_iter();
        all.find(|algorithm| algorithm.as_str() == name)
    }

    /// What an object of parts is summed up with if nobody says it.
    pub fn default_kind(self) -> ChecksumKind {
        match self {
            Algorithm::Crc64Nvme => ChecksumKind::FullObject,
            _ => ChecksumKind::Composite,
        }
    }

    /// Whether objects of parts can have this kind of checksum.
    pub fn can_be(self, kind: ChecksumKind) -> bool {
        match kind {
            ChecksumKind::FullObject => self.crc().is_some(),
            ChecksumKind::Composite => self != Algorithm::Crc64Nvme,
        }
    }

    fn crc(self) -> Option<Crc> {
        let (algorithm, bytes) = match self {
            Algorithm::Crc32 => (CrcAlgorithm::Crc32IsoHdlc, 4),
            Algorithm::Crc32c => (CrcAlgorithm::Crc32Iscsi, 4),
            Algorithm::Crc64Nvme => (CrcAlgorithm::Crc64Nvme, 8),
            Algorithm::Sha1 | Algorithm::Sha256 => return None,
        };
        Some(Crc { algorithm, bytes })
    }

    /// Bytes of a checksum.
    fn size_bytes(self) -> usize {
        match (self.crc(), self) {
            (Some(crc), _) => crc.bytes,
            (None, Algorithm::Sha1) => digest::SHA1_OUTPUT_LEN,
            (None, _) => digest::SHA256_OUTPUT_LEN,
        }
    }
}

impl ChecksumKind {
    /// S3's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            ChecksumKind::FullObject => "FULL_OBJECT",
            ChecksumKind::Composite => "COMPOSITE",
        }
    }

    /// By S3's name.
    pub fn of(name: &str) -> Option<ChecksumKind> {
        [ChecksumKind::FullObject, ChecksumKind::Composite]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

struct Crc {
    algorithm: CrcAlgorithm,
    bytes: usize,
}

impl Crc {
    fn bytes_of(&self, value: u64) -> Vec<u8> {
        value.to_be_bytes()[8 - self.bytes..].to_vec()
    }
}

/// A checksum of bytes as they come.
pub(crate) enum Running {
    Crc(Box<CrcDigest>),
    Sha(digest::Context),
}

pub(crate) struct CrcDigest {
    crc: Crc,
    digest: crc_fast::Digest,
}

impl Running {
    pub fn new(algorithm: Algorithm) -> Running {
        match (algorithm.crc(), algorithm) {
            (Some(crc), _) => Running::Crc(Box::new(CrcDigest {
                digest: crc_fast::Digest::new(crc.algorithm),
                crc,
            })),
            (None, Algorithm::Sha1) => {
                Running::Sha(digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY))
            }
            (None, _) => Running::Sha(digest::Context::new(&digest::SHA256)),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Running::Crc(crc) => crc.digest.update(bytes),
            Running::Sha(context) => context.update(bytes),
        }
    }

    pub fn finish(self) -> Vec<u8> {
        match self {
            Running::Crc(crc) => crc.crc.bytes_of(crc.digest.finalize()),
            Running::Sha(context) => context.finish().as_ref().to_vec(),
        }
    }
}

/// The checksum in base64.
pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// The checksum of an object of parts, of which the lengths and checksums (in base64) are known.
/// `None` if one of them is no checksum of this algorithm, or there is no such kind of it.
pub(super) fn of_parts<'a>(
    algorithm: Algorithm,
    kind: ChecksumKind,
    parts: impl Iterator<Item = (u64, &'a str)>,
) -> Option<Checksum> {
    let mut count = 0;
    let mut composite = Running::new(algorithm);
    let crc = algorithm.crc();
    let mut full = crc
        .as_ref()
        .map(|crc| crc_fast::checksum(crc.algorithm, b""));
    for (size_bytes, value) in parts {
        let value = BASE64_STANDARD.decode(value).ok()?;
        if value.len() != algorithm.size_bytes() {
            return None;
        }
        composite.update(&value);
        if let (Some(full), Some(crc)) = (&mut full, &crc) {
            let number = value
                .iter()
                .fold(0, |all, &byte| all << 8 | u64::from(byte));
            *full = crc_fast::checksum_combine(crc.algorithm, *full, number, size_bytes);
        }
        count += 1;
    }
    let value = match kind {
        _ if !algorithm.can_be(kind) => return None,
        ChecksumKind::Composite => format!("{}-{count}", encode(&composite.finish())),
        ChecksumKind::FullObject => encode(&crc?.bytes_of(full?)),
    };
    Some(Checksum {
        algorithm,
        kind,
        value,
    })
}
