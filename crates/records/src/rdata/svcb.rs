//! The parameters of SVCB and HTTPS (RFC 9460 §2): each is a key and a length of 16 bits each, and
//! the value; keys ascend.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::ValueError;
use super::read::{Grammar, decimal, error, unescape};
use crate::text::{Escapes, Kind, Token};

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4_HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6_HINT: u16 = 6;
/// Reserved: no parameter has it.
const INVALID: u16 = 65_535;

/// Names of keys, each at its number; the others are `key1234`.
const NAMES: [&str; 7] = [
    "mandatory",
    "alpn",
    "no-default-alpn",
    "port",
    "ipv4hint",
    "ech",
    "ipv6hint",
];

const fn illegal(message: &'static str) -> ValueError {
    error("IllegalServiceParameter", message)
}

const ALIAS: ValueError = illegal("Value of priority 0 is an alias and has no parameters");
const NOT_KEY: ValueError = illegal("A parameter's key is not known, nor key0 to key65534");
const TWICE: ValueError = illegal("A parameter is there twice");
const NOT_ASCENDING: ValueError = illegal("Parameters are cut or not in ascending order");
const NOT_MANDATORY: ValueError = illegal("mandatory lists keys of other parameters, each once");
const NOT_ALPN: ValueError = illegal("alpn lists protocols of 1 to 255 bytes");
const NO_ALPN: ValueError = illegal("no-default-alpn has no value and needs alpn beside it");
const NOT_PORT: ValueError = illegal("port is not between 0 and 65535");
const NOT_IPV4: ValueError = illegal("ipv4hint lists IPv4 addresses");
const NOT_ECH: ValueError = illegal("ech is not in base 64");
const NOT_IPV6: ValueError = illegal("ipv6hint lists IPv6 addresses");
const TOO_LONG: ValueError = illegal("A parameter is longer than 65535 bytes");

/// Appends the parameters that the tokens say; `rdata` begins with the priority.
pub(super) fn read(
    tokens: &mut dyn Iterator<Item = Token<'_>>,
    grammar: Grammar<'_>,
    rdata: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let mut parameters: Vec<(u16, Vec<u8>)> = Vec::new();
    let mut tokens = tokens.peekable();
    while let Some(token) = tokens.next() {
        if token.kind != Kind::Plain || token.is_glued {
            return Err(NOT_KEY);
        }
        let (name, mut text) = token.text.split_once('=').unwrap_or((token.text, ""));
        if token.text.ends_with('=') && text.is_empty() {
            let quoted = tokens.next_if(|next| next.is_glued && next.kind == Kind::Quoted);
            text = quoted.map_or("", |quoted| quoted.text);
        }
        let key = read_key(name).ok_or(NOT_KEY)?;
        let mut bytes = Vec::with_capacity(text.len());
        unescape(text, grammar.escapes, &mut bytes)?;
        let is_named = NAMES.contains(&name);
        parameters.push((key, if is_named { value(key, bytes)? } else { bytes }));
    }
    if !parameters.is_empty() && rdata.starts_with(&[0, 0]) {
        return Err(ALIAS);
    }
    parameters.sort_by_key(|(key, _)| *key);
    if parameters.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(TWICE);
    }
    let start = rdata.len();
    for (key, value) in parameters {
        let length = u16::try_from(value.len()).map_err(|_| TOO_LONG)?;
        rdata.extend_from_slice(&key.to_be_bytes());
        rdata.extend_from_slice(&length.to_be_bytes());
        rdata.extend_from_slice(&value);
    }
    check(&rdata[start..])
}

fn read_key(text: &str) -> Option<u16> {
    let named = (0u16..).zip(NAMES).find(|(_, name)| *name == text);
    named.map(|(key, _)| key).or_else(|| {
        let digits = text.strip_prefix("key")?;
        let is_plain = digits == "0" || !digits.starts_with('0');
        let key = u16::try_from(decimal(digits)?).ok()?;
        (is_plain && key != INVALID).then_some(key)
    })
}

/// The wire form of a value whose key has a name; `bytes` are its text without escapes.
fn value(key: u16, bytes: Vec<u8>) -> Result<Vec<u8>, ValueError> {
    if matches!(key, ALPN) {
        return alpn(&bytes);
    }
    if matches!(key, NO_DEFAULT_ALPN) {
        return Ok(bytes);
    }
    // The others are in ASCII.
    let text = std::str::from_utf8(&bytes).unwrap_or("\0");
    let mut wire = Vec::new();
    match key {
        MANDATORY => {
            let keys: Option<Vec<u16>> = text.split(',').map(read_key).collect();
            let mut keys = keys.ok_or(NOT_MANDATORY)?;
            keys.sort_unstable();
            wire.extend(keys.iter().flat_map(|key| key.to_be_bytes()));
        }
        PORT => {
            let port = decimal(text).and_then(|port| u16::try_from(port).ok());
            wire.extend(port.ok_or(NOT_PORT)?.to_be_bytes());
        }
        IPV4_HINT => {
            for address in text.split(',') {
                let address: Ipv4Addr = address.parse().map_err(|_| NOT_IPV4)?;
                wire.extend(address.octets());
            }
        }
        IPV6_HINT => {
            for address in text.split(',') {
                let address: Ipv6Addr = address.parse().map_err(|_| NOT_IPV6)?;
                wire.extend(address.octets());
            }
        }
        _ => STANDARD.decode_vec(text, &mut wire).map_err(|_| NOT_ECH)?,
    }
    Ok(wire)
}

/// Character strings out of a list with commas, where a backslash takes a comma's meaning
/// (RFC 9460, appendix A.1).
fn alpn(bytes: &[u8]) -> Result<Vec<u8>, ValueError> {
    let (mut wire, mut start) = (vec![0], 0);
    let mut bytes = bytes.iter();
    loop {
        let byte = bytes.next();
        match byte {
            None | Some(b',') => {
                let length = u8::try_from(wire.len() - start - 1).map_err(|_| NOT_ALPN)?;
                wire[start] = length;
                if byte.is_none() {
                    return Ok(wire);
                }
                start = wire.len();
                wire.push(0);
            }
            Some(b'\\') => wire.push(*bytes.next().ok_or(NOT_ALPN)?),
            Some(byte) => wire.push(*byte),
        }
    }
}

/// The first parameter's key and value, and the rest.
fn split(rest: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (&[high, low, length_high, length_low], rest) = rest.split_first_chunk()?;
    let length = u16::from_be_bytes([length_high, length_low]);
    let (value, rest) = rest.split_at_checked(usize::from(length))?;
    Some((u16::from_be_bytes([high, low]), value, rest))
}

/// Whether `wire` is parameters and nothing else, each as its key wants it, and they agree.
pub(super) fn check(wire: &[u8]) -> Result<(), ValueError> {
    let (mut rest, mut least, mut mandatory) = (wire, 0, &[][..]);
    let mut is_without_default = false;
    while !rest.is_empty() {
        let (key, value, after) = split(rest).ok_or(NOT_ASCENDING)?;
        if key < least || key == INVALID {
            return Err(NOT_ASCENDING);
        }
        let lists = |bytes: usize| !value.is_empty() && value.len() % bytes == 0;
        match key {
            MANDATORY => mandatory = value,
            ALPN => check_alpn(value)?,
            NO_DEFAULT_ALPN => {
                is_without_default = true;
                value.is_empty().then_some(()).ok_or(NO_ALPN)?;
            }
            PORT => (value.len() == 2).then_some(()).ok_or(NOT_PORT)?,
            IPV4_HINT => lists(4).then_some(()).ok_or(NOT_IPV4)?,
            ECH => (!value.is_empty()).then_some(()).ok_or(NOT_ECH)?,
            IPV6_HINT => lists(16).then_some(()).ok_or(NOT_IPV6)?,
            _ => {}
        }
        (rest, least) = (after, key + 1);
    }
    if is_without_default && !has(wire, ALPN) {
        return Err(NO_ALPN);
    }
    let is_empty_list = mandatory.is_empty() && has(wire, MANDATORY);
    let mut least = 1;
    for key in mandatory.chunks(2) {
        let key = key
            .try_into()
            .map(u16::from_be_bytes)
            .map_err(|_| NOT_MANDATORY)?;
        if key < least || !has(wire, key) {
            return Err(NOT_MANDATORY);
        }
        // A parameter has it, so that it is below the reserved one.
        least = key + 1;
    }
    (!is_empty_list).then_some(()).ok_or(NOT_MANDATORY)
}

fn check_alpn(value: &[u8]) -> Result<(), ValueError> {
    let mut protocols = value;
    while let Some((&length @ 1.., after)) = protocols.split_first() {
        protocols = after.get(usize::from(length)..).ok_or(NOT_ALPN)?;
    }
    match protocols.is_empty() && !value.is_empty() {
        true => Ok(()),
        false => Err(NOT_ALPN),
    }
}

/// Whether a parameter of well-formed ones has the key.
fn has(wire: &[u8], key: u16) -> bool {
    let mut rest = wire;
    while let Some((found, _, after)) = split(rest) {
        if found == key {
            return true;
        }
        rest = after;
    }
    false
}

/// Appends the text of parameters that [`check`] found to be well.
pub(super) fn write(wire: &[u8], escapes: Escapes, text: &mut String) {
    let mut rest = wire;
    while let Some((key, value, after)) = split(rest) {
        if rest.len() < wire.len() {
            text.push(' ');
        }
        write_key(key, text);
        if !value.is_empty() {
            text.push('=');
            write_value(key, value, escapes, text);
        }
        rest = after;
    }
}

fn write_key(key: u16, text: &mut String) {
    match NAMES.get(usize::from(key)) {
        Some(name) => text.push_str(name),
        None => write!(text, "key{key}").expect("a String takes all"),
    }
}

fn write_value(key: u16, value: &[u8], escapes: Escapes, text: &mut String) {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u128::from(*byte))
    };
    let item_bytes = match key {
        MANDATORY | PORT => 2,
        IPV4_HINT => 4,
        IPV6_HINT => 16,
        ALPN => return escapes.write_string(&alpn_list(value), text),
        ECH => return STANDARD.encode_string(value, text),
        _ => return escapes.write_string(value, text),
    };
    for (at, item) in value.chunks(item_bytes).enumerate() {
        if at > 0 {
            text.push(',');
        }
        let number = number(item);
        match key {
            MANDATORY => write_key(number as u16, text),
            IPV4_HINT => text.push_str(&Ipv4Addr::from_bits(number as u32).to_string()),
            IPV6_HINT => text.push_str(&Ipv6Addr::from_bits(number).to_string()),
            _ => text.push_str(&number.to_string()),
        }
    }
}

fn alpn_list(value: &[u8]) -> Vec<u8> {
    let (mut list, mut rest) = (Vec::with_capacity(value.len()), value);
    while let Some((&length, after)) = rest.split_first() {
        if !list.is_empty() {
            list.push(b',');
        }
        let (protocol, after) = after.split_at(usize::from(length));
        for &byte in protocol {
            if matches!(byte, b',' | b'\\') {
                list.push(b'\\');
            }
            list.push(byte);
        }
        rest = after;
    }
    list
}
