//! The record that proves that a name is its owner's (companions spec §2.3).
//!
//! Its name and its value follow from the account and the name alone: every certificate for
//! `example.com` or `*.example.com`, now and later, in any region, is validated by the same one.

use shapes::acm::{RecordType, ResourceRecord};

use crate::ControlConfig;

/// The record for a name of a certificate; both its names end with a dot.
pub(crate) fn record(config: &ControlConfig, name: &str) -> ResourceRecord {
    let host = name.strip_prefix("*.").unwrap_or(name);
    let purpose = format!("acm-validation:{}:{host}", config.account_id);
    let label = config.secrets.derive(&purpose, 0);
    let value = config.secrets.derive(&purpose, 1);
    let letters: String = value[16..26]
        .iter()
        .map(|byte| char::from(b'a' + byte % 26))
        .collect();
    ResourceRecord {
        name: format!("_{}.{host}.", hex(&label[..16])),
        r#type: RecordType::Cname,
        value: format!(
            "_{}.{letters}.acm-validations.{}.",
            hex(&value[..16]),
            config.domain.to_ascii_lowercase()
        ),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use secrets::Secrets;

    use super::*;

    fn config(account_id: &str) -> ControlConfig {
        ControlConfig {
            account_id: account_id.to_owned(),
            domain: "cdn.Localhost".to_owned(),
            allow_private_health_checks: false,
            is_control: true,
            secrets: Arc::new(Secrets::new([1; 32])),
            acme: None,
            validate_certificates: true,
            buckets: None,
        }
    }

    #[test]
    fn a_name_and_its_wildcard_have_one_record_and_others_have_others() {
        let ours = config("123456789012");
        let one = record(&ours, "example.com");
        assert_eq!(record(&ours, "*.example.com"), one);
        for other in [
            record(&ours, "www.example.com"),
            record(&config("210987654321"), "example.com"),
        ] {
            assert_ne!(other.name, one.name);
            assert_ne!(other.value, one.value);
        }
        let (label, rest) = one.name.split_once('.').unwrap();
        assert_eq!((label.len(), rest), (33, "example.com."));
        let parts: Vec<&str> = one.value.splitn(3, '.').collect();
        assert_eq!((parts[0].len(), parts[1].len()), (33, 10));
        assert_eq!(parts[2], "acm-validations.cdn.localhost.");
    }
}
