//! The data of records: text to wire ([`parse`]) and back ([`print`]).

use thiserror::Error;

use crate::RecordType;

/// Why a value is not what its type has. `code` is Route 53's word for it, as its clients know it
/// from `Invalid Resource Record: 'FATAL problem: <code> (<message>) encountered with '<value>''`
/// (spec §8.3, rules 17 to 22).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{code} ({message})")]
pub struct ValueError {
    /// `ARRDATAIllegalIPv4Address`.
    pub code: &'static str,
    /// In a sentence.
    pub message: &'static str,
}

/// The wire form, without compression, of a value as Route 53 takes it (spec §7.3).
pub fn parse(_record_type: RecordType, _value: &str) -> Result<Vec<u8>, ValueError> {
    Err(ValueError {
        code: "",
        message: "",
    })
}

/// The text of a record's data, as Route 53 writes it; data that is not of its type's form is
/// written as `\# <bytes> <hex>` (RFC 3597 §5).
pub fn print(_record_type: RecordType, rdata: &[u8]) -> String {
    format!("\\# {}", rdata.len())
}
