use super::{ValueError, svcb};
use crate::{Name, RecordType};

/// A part of a record's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Ipv4,
    Ipv6,
    /// 8 bits.
    Byte,
    /// 16 bits.
    Number,
    /// 32 bits.
    Serial,
    /// 32 bits of seconds.
    Period,
    /// 32 bits of seconds since 1970.
    Time,
    /// A name that DNSSEC's canonical form has in lower case.
    Name,
    /// A name that keeps its case.
    ExactName,
    /// A character string.
    String,
    /// All the rest is character strings, at least one.
    Strings,
    /// A character string of letters and digits, at least one.
    Tag,
    /// All the rest is one string, without a length.
    Value,
    /// All the rest is binary, at least one byte.
    Hex,
    /// As `Hex`, but written so.
    Base64,
    /// All the rest is parameters of SVCB.
    Parameters,
    /// The number of a type.
    Type,
    /// All the rest is a bitmap of types.
    Types,
}

/// What the data of a type has.
pub(super) struct Form {
    pub fields: &'static [Field],
    /// There are more or fewer fields.
    pub wrong: ValueError,
}

impl Form {
    /// Whether the whole value is one field, which no blank may be in.
    pub fn is_single(&self) -> bool {
        matches!(self.fields, [Field::Ipv4 | Field::Ipv6 | Field::Name])
    }

    /// Calls `visit` with each field and its bytes; none if the data is not of this form, which is
    /// known after the fields before have been visited.
    pub fn split<'r>(&self, rdata: &'r [u8], mut visit: impl FnMut(Field, &'r [u8])) -> Option<()> {
        let mut rest = rdata;
        for &field in self.fields {
            let (bytes, after) = rest.split_at_checked(length(field, rest)?)?;
            if field == Field::Parameters && rdata.starts_with(&[0, 0]) && !bytes.is_empty() {
                return None;
            }
            visit(field, bytes);
            rest = after;
        }
        rest.is_empty().then_some(())
    }
}

/// How many bytes of `rest` are the field's.
fn length(field: Field, rest: &[u8]) -> Option<usize> {
    let all = |is_well: bool| is_well.then_some(rest.len());
    match field {
        Field::Byte => Some(1),
        Field::Number | Field::Type => Some(2),
        Field::Ipv4 | Field::Serial | Field::Period | Field::Time => Some(4),
        Field::Ipv6 => Some(16),
        Field::Name | Field::ExactName => Name::wire_length(rest),
        Field::String => string_length(rest),
        Field::Strings => {
            let mut strings = rest;
            while !strings.is_empty() {
                strings = strings.get(string_length(strings)?..)?;
            }
            all(!rest.is_empty())
        }
        Field::Tag => {
            let length = string_length(rest)?;
            let tag = rest.get(1..length)?;
            (!tag.is_empty() && tag.iter().all(u8::is_ascii_alphanumeric)).then_some(length)
        }
        Field::Value => all(true),
        Field::Hex | Field::Base64 => all(!rest.is_empty()),
        Field::Parameters => all(svcb::check(rest).is_ok()),
        Field::Types => all(types(rest, |_| {}).is_some()),
    }
}

fn string_length(rest: &[u8]) -> Option<usize> {
    rest.first().map(|length| 1 + usize::from(*length))
}

/// Calls `visit` with each type of a bitmap (RFC 4034 §4.1.2); none if it is not of that form.
pub(super) fn types(mut rest: &[u8], mut visit: impl FnMut(RecordType)) -> Option<()> {
    let mut next_window = 0;
    while let [window, length, bits @ ..] = rest {
        let (bits, after) = bits.split_at_checked(usize::from(*length))?;
        if u16::from(*window) < next_window || bits.len() > 32 || *bits.last()? == 0 {
            return None;
        }
        for (at, byte) in (0u16..).zip(bits) {
            for bit in (0..8).filter(|bit| byte & 0x80 >> bit != 0) {
                visit(RecordType(u16::from(*window) << 8 | at << 3 | bit));
            }
        }
        next_window = u16::from(*window) + 1;
        rest = after;
    }
    rest.is_empty().then_some(())
}

macro_rules! form {
    ([$($field:ident),*], $code:literal, $message:literal) => {
        &Form {
            fields: &[$(Field::$field),*],
            wrong: ValueError { code: $code, message: $message },
        }
    };
}

/// The forms of types that have text of their own. Codes of rules 17 to 22 are Route 53's; the
/// others are like them.
#[rustfmt::skip]
pub(super) fn form(record_type: RecordType) -> Option<&'static Form> {
    Some(match record_type {
        RecordType::A => form!([Ipv4], "ARRDATANotSingleField", "Value contains spaces"),
        RecordType::AAAA => form!([Ipv6], "AAAARRDATANotSingleField", "Value contains spaces"),
        RecordType::CNAME => form!([Name], "CNAMERRDATANotSingleField", "Value contains spaces"),
        RecordType::NS => form!([Name], "NSRRDATANotSingleField", "Value contains spaces"),
        RecordType::PTR => form!([Name], "PTRRRDATANotSingleField", "Value contains spaces"),
        RecordType::MX => form!([Number, Name], "MXRRDATANotTwoFields",
            "Value should be a preference and a name"),
        RecordType::SRV => form!([Number, Number, Number, Name], "SRVRRDATANotFourFields",
            "Value should be a priority, a weight, a port and a name"),
        RecordType::TXT => form!([Strings], "InvalidCharacterString",
            "Value should be enclosed in quotation marks"),
        RecordType::SPF => form!([Strings], "InvalidCharacterString",
            "Value should be enclosed in quotation marks"),
        RecordType::HINFO => form!([String, String], "HINFORRDATANotTwoFields",
            "Value should be two strings in quotation marks"),
        RecordType::CAA => form!([Byte, Tag, Value], "CAARRDATANotThreeFields",
            "Value should be flags, a tag and a value in quotation marks"),
        RecordType::NAPTR => form!([Number, Number, String, String, String, Name],
            "NAPTRRRDATANotSixFields",
            "Value should be an order, a preference, flags, a service and an expression in \
             quotation marks, and a name"),
        RecordType::DS => form!([Number, Byte, Byte, Hex], "DSRRDATANotFourFields",
            "Value should be a key tag, an algorithm, a digest type and a digest"),
        RecordType::SOA => form!([Name, Name, Serial, Period, Period, Period, Period],
            "SOARRDATANotSevenFields",
            "Value should be two names, a serial number, and the seconds of refresh, retry, \
             expire and minimum"),
        RecordType::SSHFP => form!([Byte, Byte, Hex], "SSHFPRRDATANotThreeFields",
            "Value should be an algorithm, a fingerprint type and a fingerprint"),
        RecordType::TLSA => form!([Byte, Byte, Byte, Hex], "TLSARRDATANotFourFields",
            "Value should be a usage, a selector, a matching type and data"),
        RecordType::SVCB => form!([Number, ExactName, Parameters], "SVCBRRDATANotTwoFields",
            "Value should be a priority, a name and parameters"),
        RecordType::HTTPS => form!([Number, ExactName, Parameters], "HTTPSRRDATANotTwoFields",
            "Value should be a priority, a name and parameters"),
        RecordType::DNSKEY => form!([Number, Byte, Byte, Base64], "DNSKEYRRDATANotFourFields",
            "Value should be flags, a protocol, an algorithm and a key"),
        RecordType::RRSIG => form!([Type, Byte, Byte, Serial, Time, Time, Number, Name, Base64],
            "RRSIGRRDATANotNineFields",
            "Value should be a type, an algorithm, labels, a TTL, an expiration, an inception, a \
             key tag, a name and a signature"),
        RecordType::NSEC => form!([ExactName, Types], "NSECRRDATANotTwoFields",
            "Value should be a name and types"),
        _ => return None,
    })
}
