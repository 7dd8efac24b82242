//! Field-level encryption: chosen fields of a form are encrypted while its body streams by, so
//! that only who has the private key reads them, wherever the form goes from here.
//!
//! What it does: [`Rules`] choose by `Content-Type` and `?fle-profile=` whether a body is
//! encrypted, forwarded as it is or refused; a [`Profile`] says which fields and with which
//! [`Key`]; an [`Encryptor`] takes the pieces of an `application/x-www-form-urlencoded` body as
//! they come and gives what goes to the origin. An encrypted value is a message of the AWS
//! Encryption SDK in base64, which every SDK of AWS decrypts (`message.rs` has the format).
//! What it does not do: sockets, HTTP, decryption. Nothing waits; the only thing that comes from
//! outside is randomness, of which keys are made.
//!
//! The words of the access log are [`Status::as_str`] (AWS's field `fle-status`).
//! Read first: [`Rules::choose`], [`Encryptor`].

mod body;
mod choice;
mod form;
mod key;
pub mod limits;
mod message;
mod profile;
mod status;

pub use body::{Encryptor, Fault};
pub use choice::{Choice, ContentTypes, QueryArgs, Rules};
pub use key::{Key, KeyError};
pub use message::EncryptionFailed;
pub use profile::Profile;
pub use status::{Refusal, Status};
