use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Profile;
use crate::form::{Escapes, Malformed, push_base64};
use crate::limits::{BODY_BYTES_MAX, FIELDS_MAX, VALUE_BYTES_MAX};
use crate::message::{self, EncryptionFailed};
use crate::profile::NAME_BYTES;
use crate::status::Refusal;

/// Why a body ends early. What was given until then is not a whole body and must not be ended as
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The viewer's: the body breaks a rule.
    #[error("{}", .0.reason())]
    Refused(Refusal),
    /// Ours.
    #[error(transparent)]
    Encryption(#[from] EncryptionFailed),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        Fault::Refused(refusal)
    }
}

impl From<Malformed> for Fault {
    fn from(Malformed: Malformed) -> Fault {
        Fault::Refused(Refusal::MalformedInput)
    }
}

/// A form on its way: names, order and the values of other fields pass as they come; values of
/// fields of the profile are held back, and given encrypted when they are complete.
///
/// A field without `=` has no value and passes. An empty value is encrypted like any other.
#[derive(Debug)]
pub struct Encryptor {
    profile: Arc<Profile>,
    part: Part,
    escapes: Escapes,
    /// What is meant by the name, as much as tells it from patterns; or by a value held back.
    held: Vec<u8>,
    body_bytes: u64,
    fields: u32,
    encrypted: u32,
    fault: Option<Fault>,
}

/// Where in the body the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Before a field.
    Between,
    /// In a name.
    Name,
    /// In a value that passes.
    Clear,
    /// In a value that is held back for this entity of the profile.
    Secret(usize),
}

impl Encryptor {
    /// For one body.
    pub fn new(profile: Arc<Profile>) -> Encryptor {
        Encryptor {
            profile,
            part: Part::Between,
            escapes: Escapes::None,
            held: Vec::new(),
            body_bytes: 0,
            fields: 0,
            encrypted: 0,
            fault: None,
        }
    }

    /// How many fields have been encrypted.
    pub fn encrypted_fields(&self) -> u32 {
        self.encrypted
    }

    /// Takes a piece, cut anywhere, and appends what can go on.
    ///
    /// # Errors
    /// The body is refused, or cannot be encrypted; so is all that follows.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        self.guarded(|encryptor| encryptor.take(piece, out))
    }

    /// The body is over: appends the rest.
    ///
    /// # Errors
    /// As of [`Encryptor::push`]; also when the body ends within an escape that matters.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.guarded(|encryptor| encryptor.end_field(out))
    }

    fn guarded(&mut self, run: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        match self.fault {
            Some(fault) => Err(fault),
            None => run(self).inspect_err(|fault| self.fault = Some(*fault)),
        }
    }

    fn take(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        self.body_bytes += piece.len() as u64;
        if self.body_bytes > BODY_BYTES_MAX {
            return Err(Refusal::RequestLength.into());
        }
        let mut rest = piece;
        while let Some((&byte, behind)) = rest.split_first() {
            match self.part {
                Part::Clear => {
                    let end = rest.iter().position(|byte| *byte == b'&');
                    let (value, behind) = rest.split_at(end.unwrap_or(rest.len()));
                    out.extend_from_slice(value);
                    rest = behind;
                    if end.is_some() {
                        self.part = Part::Between;
                    }
                    continue;
                }
                _ if byte == b'&' => {
                    self.end_field(out)?;
                    out.push(b'&');
                }
                Part::Between => {
                    self.fields += 1;
                    if self.fields > FIELDS_MAX {
                        return Err(Refusal::FieldNumber.into());
                    }
                    self.part = Part::Name;
                    continue;
                }
                Part::Name => {
                    out.push(byte);
                    self.name(byte)?;
                }
                Part::Secret(_) => self.secret(byte)?,
            }
            rest = behind;
        }
        Ok(())
    }

    fn name(&mut self, byte: u8) -> Result<(), Fault> {
        if byte == b'=' {
            self.escapes.end()?;
            self.part = match self.profile.entity(&self.held) {
                Some(entity) => Part::Secret(entity),
                None => Part::Clear,
            };
            self.held.clear();
        } else if let Some(meant) = self.escapes.take(byte)?
            && self.held.len() < NAME_BYTES
        {
            self.held.push(meant);
        }
        Ok(())
    }

    fn secret(&mut self, byte: u8) -> Result<(), Fault> {
        if let Some(meant) = self.escapes.take(byte)? {
            if self.held.len() == VALUE_BYTES_MAX {
                return Err(Refusal::FieldLength.into());
            }
            self.held.push(meant);
        }
        Ok(())
    }

    fn end_field(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.escapes.end()?;
        if let Part::Secret(entity) = self.part {
            let message = message::encrypt(&self.held, self.profile.key(entity))?;
            push_base64(&STANDARD.encode(message), out);
            self.encrypted += 1;
        }
        self.held.clear();
        self.part = Part::Between;
        Ok(())
    }
}
