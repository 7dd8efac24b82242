//! Several certificates in one text in PEM form: chains, and bundles of authorities.

use crate::limits::{CERTIFICATES_MAX, CHAIN_PEM_BYTES_MAX};
use crate::pem;
use crate::{Certificate, ReadError};

/// Reads all certificates of a text, of which there may be none. Bounded by
/// [`CHAIN_PEM_BYTES_MAX`] and [`CERTIFICATES_MAX`].
pub fn read(text: &[u8]) -> Result<Vec<Certificate>, ReadError> {
    let (bytes, max) = (text.len(), CHAIN_PEM_BYTES_MAX);
    if bytes > max {
        return Err(ReadError::TooLong { bytes, max });
    }
    // One more tells too many from malformed.
    let blocks = pem::read(text, CERTIFICATES_MAX + 1).map_err(|malformed| ReadError::Pem {
        line: malformed.line,
    })?;
    if blocks.len() > CERTIFICATES_MAX {
        return Err(ReadError::TooMany {
            max: CERTIFICATES_MAX,
        });
    }
    let numbered = blocks.into_iter().zip(1..);
    let read = numbered.map(|(block, number)| {
        // What OpenSSL wrote before RFC 7468.
        if ![pem::CERTIFICATE, "X509 CERTIFICATE"].contains(&&*block.label) {
            return Err(ReadError::Other { label: block.label });
        }
        Certificate::from_der(&block.der).map_err(|error| match error {
            ReadError::Form { what, .. } => ReadError::Form { number, what },
            error => error,
        })
    });
    read.collect()
}

/// Writes certificates in DER form as one text.
pub fn to_pem(ders: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let blocks = ders
        .into_iter()
        .map(|der| pem::write(pem::CERTIFICATE, der.as_ref()));
    blocks.collect()
}
