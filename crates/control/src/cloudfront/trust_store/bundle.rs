//! Bundles of certificates in buckets. A bucket is a directory below the one that the
//! configuration names, and its objects are the files there.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use certificates::chain;
use shapes::cloudfront as cf;

use super::refused;
use crate::call::Call;
use crate::error::Failure;
use crate::limits;

/// The certificates of a bundle.
pub struct Bundle {
    /// In PEM form, with nothing else around them.
    pub pem: String,
    /// How many they are.
    pub certificates: usize,
}

/// Reads a bundle; refuses one that holds anything but certificates of authorities.
pub async fn read(
    call: &Call<'_>,
    source: &cf::CaCertificatesBundleSource,
) -> Result<Bundle, Failure> {
    let Some(at) = &source.ca_certificates_bundle_s3_location else {
        return Err(refused("CaCertificatesBundleS3Location is required"));
    };
    if at
        .version
        .as_ref()
        .is_some_and(|version| !version.is_empty())
    {
        return Err(refused("Version: buckets have no versions here"));
    }
    let Some(buckets) = call.control.config.buckets.clone() else {
        return Err(refused("there are no buckets here"));
    };
    let (bucket, key) = (at.bucket.clone(), at.key.clone());
    let reading = tokio::task::spawn_blocking(move || object(&buckets, &bucket, &key));
    let text = reading
        .await
        .unwrap_or_else(|_| Err("the process ends".to_owned()));
    let bundle = text.and_then(|text| of(&text));
    bundle.map_err(|problem| refused(format!("{}/{}: {problem}", at.bucket, at.key)))
}

/// The certificates of a text.
fn of(text: &[u8]) -> Result<Bundle, String> {
    let all = chain::read(text).map_err(|error| error.to_string())?;
    if all.is_empty() {
        return Err("it holds no certificate in PEM form".to_owned());
    }
    if let Some(other) = all.iter().find(|certificate| !certificate.is_authority) {
        let subject = &other.subject;
        return Err(format!(
            "the certificate of '{subject}' is not one of an authority"
        ));
    }
    let pem = chain::to_pem(all.iter().map(|certificate| &certificate.der));
    if pem.len() > limits::CHAIN_BYTES_MAX {
        let (length, most) = (pem.len(), limits::CHAIN_BYTES_MAX);
        return Err(format!("it has {length} bytes; {most} are allowed"));
    }
    Ok(Bundle {
        certificates: all.len(),
        pem,
    })
}

/// What lies in a bucket under a key. Nothing outside the bucket's directory is read, whatever
/// keys and links say.
fn object(buckets: &Path, bucket: &str, key: &str) -> Result<Vec<u8>, String> {
    let is_bucket = (3..=63).contains(&bucket.len())
        && bucket
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        && bucket
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric());
    let path = PathBuf::from(key);
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let is_key = !key.is_empty() && !key.contains('\0') && path.components().all(is_plain);
    if !is_bucket || !is_key {
        return Err("it is no name of a bucket and of an object in it".to_owned());
    }
    let missing = |error: std::io::Error| format!("it cannot be read: {error}");
    let bucket = buckets.join(bucket).canonicalize().map_err(missing)?;
    let path = bucket.join(path).canonicalize().map_err(missing)?;
    if !path.starts_with(&bucket) || !path.is_file() {
        return Err("it is no file in the bucket".to_owned());
    }
    let file = File::open(path).map_err(missing)?;
    let most = limits::BUNDLE_BYTES_MAX;
    let mut text = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut text)
        .map_err(missing)?;
    match text.len() as u64 <= most {
        true => Ok(text),
        false => Err(format!("it has more than {most} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_lies_in_the_bucket_is_read() {
        let root = tempfile::tempdir().unwrap();
        let bucket = root.path().join("certs");
        std::fs::create_dir_all(bucket.join("ca")).unwrap();
        std::fs::create_dir(root.path().join("other")).unwrap();
        std::fs::write(bucket.join("ca/root.pem"), "text").unwrap();
        std::fs::write(root.path().join("other/secret"), "secret").unwrap();
        symlink(root.path().join("other/secret"), bucket.join("link")).unwrap();
        symlink("ca/root.pem", bucket.join("inner")).unwrap();
        let read = |bucket: &str, key: &str| object(root.path(), bucket, key);
        assert_eq!(read("certs", "ca/root.pem").unwrap(), b"text");
        assert_eq!(read("certs", "inner").unwrap(), b"text");
        for (bucket, key) in [
            ("certs", "../other/secret"),
            ("certs", "ca/../../other/secret"),
            ("certs", "/etc/hostname"),
            ("certs", "link"),
            ("certs", "ca"),
            ("certs", ""),
            ("certs", "none.pem"),
            ("..", "other/secret"),
            (".", "other/secret"),
            ("none", "ca/root.pem"),
        ] {
            assert!(read(bucket, key).is_err(), "{bucket} {key}");
        }
    }

    #[test]
    fn a_bundle_holds_certificates_of_authorities_alone() {
        use certificates::authority::Authority;
        use certificates::{KeyAlgorithm, PrivateKey};
        let now_secs = 1_790_000_000;
        let root = Authority::make("root", now_secs).unwrap();
        let bundle = of(format!("# root\n{0}{0}", root.certificate_pem()).as_bytes()).unwrap();
        assert_eq!(bundle.certificates, 2);
        assert!(bundle.pem.starts_with("-----BEGIN"), "{}", bundle.pem);
        let key = PrivateKey::generate(KeyAlgorithm::EcP256).unwrap();
        let names = ["www.example.com".to_owned()];
        let leaf = root.issue(&names, &key, now_secs, 86_400).unwrap();
        for bad in ["", "text", leaf.as_str()] {
            assert!(of(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
