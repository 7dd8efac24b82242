//! DNS names and records: their wire form and their text.
//!
//! What it does: [`Name`]s as Route 53 and zone files write them, [`RecordType`]s, the data of
//! records from text to wire and back ([`rdata`]), and zone files ([`zone_file`]). What it does
//! not do: decide anything; know zones, queries or messages.
//!
//! Read [`Name`] first, then [`rdata`].

pub mod limits;
mod name;
pub mod rdata;
mod record_type;
mod text;
pub mod zone_file;

pub use name::{Labels, Name, NameError};
pub use record_type::RecordType;
pub use text::Escapes;
