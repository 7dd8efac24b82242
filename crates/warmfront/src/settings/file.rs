//! The configuration file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{Given, SettingError, Source, setting};
use crate::limits;

/// What a file says for each setting. Values keep the form of text here, with their line: they
/// are read where those of flags are.
pub(super) fn read(
    path: &Path,
    named_by: &Source,
) -> Result<BTreeMap<&'static str, Given>, SettingError> {
    let text = read_text(path).map_err(|error| SettingError::Read {
        path: path.to_owned(),
        origin: named_by.clone(),
        error,
    })?;
    parse(path, &text)
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?
        .take(limits::CONFIG_FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if read as u64 > limits::CONFIG_FILE_BYTES_MAX {
        return Err(io::Error::other("it is too long"));
    }
    Ok(text)
}

pub(super) fn parse(
    path: &Path,
    text: &str,
) -> Result<BTreeMap<&'static str, Given>, SettingError> {
    let line_at = |offset: usize| 1 + text.bytes().take(offset).filter(|b| *b == b'\n').count();
    let table = DeTable::parse(text).map_err(|error| SettingError::Syntax {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line_at(span.start)),
        message: error.message().to_owned(),
    })?;
    let mut given = BTreeMap::new();
    for (key, value) in table.get_ref() {
        let Some(setting) = setting(key.get_ref()) else {
            return Err(SettingError::Unknown {
                path: path.to_owned(),
                line: line_at(key.span().start),
                key: key.get_ref().to_string(),
            });
        };
        let source = Source::File {
            path: path.to_owned(),
            line: line_at(key.span().start),
        };
        let values = match value.get_ref() {
            DeValue::Array(items) if setting.is_list => {
                items.iter().map(|item| scalar(item.get_ref())).collect()
            }
            DeValue::Table(pairs) if setting.is_table => pairs
                .iter()
                .map(|(name, value)| {
                    let value = scalar(value.get_ref())?;
                    Ok(format!("{}={value}", name.get_ref()))
                })
                .collect(),
            value => scalar(value).map(|text| vec![text]),
        };
        let values = values.map_err(|found: &str| SettingError::Value {
            name: setting.name,
            value: found.to_owned(),
            origin: source.clone(),
            allowed: match setting.is_list {
                _ if setting.is_table => "a table of strings".to_owned(),
                true => "a string or an array of strings".to_owned(),
                false => "a string or a whole number".to_owned(),
            },
        })?;
        given.insert(setting.name, Given { values, source });
    }
    Ok(given)
}

/// A value as a flag would have it, or what kind of thing it is instead.
fn scalar(value: &DeValue<'_>) -> Result<String, &'static str> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().replace('_', "")),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(|number| number.to_string())
            .map_err(|_| "too large a number"),
        other => Err(other.type_str()),
    }
}
