//! The JSON form, as the AWS CLI prints and takes it.
//!
//! A document is checked against its shape's table first, because that can say where a value is
//! wrong and what would be right; serde then only moves what is known to fit.

use serde_json::Value;

use crate::check::{Findings, types};
use crate::path::{Path, ShapeError};
use crate::schema::Structure;

/// Reads a structure from JSON text. Members that the shape does not have are passed over:
/// [`crate::unknown_members`] names them.
pub fn from_json<T: Structure>(text: &str) -> Result<T, ShapeError> {
    let value =
        serde_json::from_str(text).map_err(|e| Path::Root.error(format!("not JSON: {e}")))?;
    from_value(&value)
}

/// Reads a structure from parsed JSON, as [`from_json`] does.
pub fn from_value<T: Structure>(value: &Value) -> Result<T, ShapeError> {
    let mut findings = Findings::at_most(1);
    types(T::SHAPE, value, &mut findings);
    match findings.into_errors().pop() {
        Some(error) => Err(error),
        None => T::deserialize(value).map_err(|error| Path::Root.error(error.to_string())),
    }
}
