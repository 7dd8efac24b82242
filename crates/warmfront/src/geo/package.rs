//! What is in a package: the database, what it is called, and under which terms.

use std::io::{self, Read};

use flate2::read::GzDecoder;
use serde_json::Value;
use thiserror::Error;

use crate::limits;

/// A database, and what is told of it.
#[derive(Debug, Default)]
pub struct Package {
    /// The file in the package.
    pub database_name: String,
    /// Its contents.
    pub database: Vec<u8>,
    /// Name and version; empty where nobody says.
    pub name: String,
    /// As package.json names it (SPDX); empty where nobody says.
    pub licence: String,
    /// Files with terms.
    pub notice_names: Vec<String>,
    /// What they say, each below its name.
    pub notices: String,
}

/// Why a package is of no use.
#[derive(Debug, Error)]
pub enum PackageError {
    /// It is no archive, or a damaged one.
    #[error("it is no .tgz archive of npm's, or damaged ({0})")]
    Archive(#[from] io::Error),
    /// It is one that would fill the memory.
    #[error(
        "it is over a limit: {} files, {} bytes unpacked",
        limits::GEO_FILES_MAX,
        limits::GEO_UNPACKED_BYTES_MAX
    )]
    Size,
    /// It is one of something else.
    #[error("there is no .mmdb file in it")]
    NoDatabase,
}

/// Reads a package, or a database that is in none.
pub fn open(bytes: &[u8]) -> Result<Package, PackageError> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    if !bytes.starts_with(&GZIP) {
        return Ok(Package {
            database_name: "the database".to_owned(),
            database: bytes.to_vec(),
            ..Package::default()
        });
    }
    let unpacked = GzDecoder::new(bytes).take(limits::GEO_UNPACKED_BYTES_MAX + 1);
    let mut archive = tar::Archive::new(unpacked);
    let mut package = Package::default();
    let (mut files, mut unpacked_bytes) = (0, 0u64);
    for entry in archive.entries()? {
        let mut entry = entry?;
        files += 1;
        unpacked_bytes = unpacked_bytes.saturating_add(entry.size());
        if files > limits::GEO_FILES_MAX || unpacked_bytes > limits::GEO_UNPACKED_BYTES_MAX {
            return Err(PackageError::Size);
        }
        if entry.header().entry_type().is_file() {
            let path = entry.path_bytes().into_owned();
            take(&String::from_utf8_lossy(&path), &mut entry, &mut package)?;
        }
    }
    match package.database.is_empty() {
        true => Err(PackageError::NoDatabase),
        false => Ok(package),
    }
}

fn take<R: Read>(
    path: &str,
    entry: &mut tar::Entry<'_, R>,
    package: &mut Package,
) -> Result<(), PackageError> {
    // npm has everything below `package/`; names are told to people.
    let name = path.rsplit('/').next().unwrap_or_default();
    let name: String = name.chars().filter(|letter| !letter.is_control()).collect();
    let is_text = entry.size() <= limits::GEO_NOTICE_BYTES_MAX;
    let is_notice = ["LICENSE", "LICENCE", "NOTICE", "COPYING"]
        .iter()
        .any(|word| name.to_ascii_uppercase().contains(word));
    if name.ends_with(".mmdb") {
        // There may be one for each family of addresses besides one for both, which is larger.
        if entry.size() > package.database.len() as u64 {
            package.database.clear();
            entry.read_to_end(&mut package.database)?;
            package.database_name = name;
        }
    } else if path == "package/package.json" && is_text {
        let manifest: Value = serde_json::from_str(&text(entry)?).unwrap_or_default();
        let member = |name: &str| manifest[name].as_str().unwrap_or_default().to_owned();
        package.licence = member("license");
        package.name = format!("{} {}", member("name"), member("version"));
    } else if is_notice && is_text && package.notice_names.len() < limits::GEO_NOTICES_MAX {
        let text = text(entry)?;
        package.notices.push_str(&format!("\n{name}:\n{text}\n"));
        package.notice_names.push(name);
    }
    Ok(())
}

fn text(entry: &mut impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, contents) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(contents.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, path, *contents).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn the_largest_database_is_taken_with_what_is_told_of_it() {
        let manifest = br#"{"name": "@a/b", "version": "1.2.3", "license": "CC0-1.0"}"#;
        let package = packed(&[
            ("package/X_LICENSE", b"Thank X."),
            ("package/a-ipv4.mmdb", b"four"),
            ("package/a.mmdb", b"four and six"),
            ("package/a-ipv6.mmdb", b"sixes"),
            ("package/package.json", manifest),
            ("package/deep/package.json", b"{}"),
        ]);
        let package = open(&package).unwrap();
        assert_eq!(package.database, b"four and six");
        assert_eq!(package.database_name, "a.mmdb");
        assert_eq!(package.name, "@a/b 1.2.3");
        assert_eq!(package.licence, "CC0-1.0");
        assert_eq!(package.notice_names, ["X_LICENSE"]);
        assert_eq!(package.notices, "\nX_LICENSE:\nThank X.\n");
    }

    #[test]
    fn what_is_no_archive_is_the_database_itself() {
        let package = open(b"a database").unwrap();
        assert_eq!(
            (&package.database[..], package.name),
            (&b"a database"[..], String::new())
        );
    }

    #[test]
    fn archives_that_are_damaged_empty_or_too_large_are_refused() {
        let good = packed(&[("package/a.mmdb", &[1; 5_000])]);
        assert!(matches!(
            open(&good[..good.len() / 2]),
            Err(PackageError::Archive(_))
        ));
        assert!(matches!(open(&packed(&[])), Err(PackageError::NoDatabase)));
        let names: Vec<String> = (0..=limits::GEO_FILES_MAX)
            .map(|n| format!("{n}"))
            .collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        assert!(matches!(open(&packed(&many)), Err(PackageError::Size)));
        // A head that promises more than may be; nothing follows it.
        let mut header = tar::Header::new_ustar();
        header.set_path("package/a.mmdb").unwrap();
        header.set_size(limits::GEO_UNPACKED_BYTES_MAX + 1);
        header.set_cksum();
        let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
        bomb.write_all(header.as_bytes()).unwrap();
        assert!(matches!(
            open(&bomb.finish().unwrap()),
            Err(PackageError::Size)
        ));
    }
}
