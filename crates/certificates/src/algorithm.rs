//! The kinds of keys that ACM knows, by its two ways of writing them.

/// Kind and size of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// RSA of 1024 bits: certificates that have it are read; it is not served.
    Rsa1024,
    /// RSA of 2048 bits.
    Rsa2048,
    /// RSA of 3072 bits.
    Rsa3072,
    /// RSA of 4096 bits.
    Rsa4096,
    /// The curve P-256.
    EcP256,
    /// The curve P-384.
    EcP384,
    /// The curve P-521.
    EcP521,
}

/// Algorithm, as requests name it, as descriptions name it.
const NAMES: [(KeyAlgorithm, &str, &str); 7] = [
    (KeyAlgorithm::Rsa1024, "RSA_1024", "RSA-1024"),
    (KeyAlgorithm::Rsa2048, "RSA_2048", "RSA-2048"),
    (KeyAlgorithm::Rsa3072, "RSA_3072", "RSA-3072"),
    (KeyAlgorithm::Rsa4096, "RSA_4096", "RSA-4096"),
    (KeyAlgorithm::EcP256, "EC_prime256v1", "EC-prime256v1"),
    (KeyAlgorithm::EcP384, "EC_secp384r1", "EC-secp384r1"),
    (KeyAlgorithm::EcP521, "EC_secp521r1", "EC-secp521r1"),
];

impl KeyAlgorithm {
    /// All of them.
    pub fn all() -> impl Iterator<Item = KeyAlgorithm> {
        NAMES.iter().map(|(algorithm, _, _)| *algorithm)
    }

    /// Of a name as requests or descriptions have it.
    pub fn from_name(name: &str) -> Option<KeyAlgorithm> {
        let found = NAMES
            .iter()
            .find(|(_, request, describe)| [*request, *describe].contains(&name));
        found.map(|(algorithm, _, _)| *algorithm)
    }

    /// As ACM's requests and filters name it: `RSA_2048`, `EC_prime256v1`.
    pub fn request_name(self) -> &'static str {
        self.entry().1
    }

    /// As ACM's descriptions and lists name it: `RSA-2048`, `EC-prime256v1`.
    pub fn describe_name(self) -> &'static str {
        self.entry().2
    }

    /// Whether it is RSA.
    pub fn is_rsa(self) -> bool {
        self.request_name().starts_with("RSA")
    }

    /// Of a modulus, its first byte first.
    pub(crate) fn of_rsa(modulus: &[u8]) -> Option<KeyAlgorithm> {
        let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
        let first = modulus.get(zeros)?;
        match 8 * (modulus.len() - zeros) - first.leading_zeros() as usize {
            1_024 => Some(KeyAlgorithm::Rsa1024),
            2_048 => Some(KeyAlgorithm::Rsa2048),
            3_072 => Some(KeyAlgorithm::Rsa3072),
            4_096 => Some(KeyAlgorithm::Rsa4096),
            _ => None,
        }
    }

    fn entry(self) -> &'static (KeyAlgorithm, &'static str, &'static str) {
        let found = NAMES.iter().find(|(algorithm, _, _)| *algorithm == self);
        found.expect("every algorithm has its line")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_is_found_by_both_of_its_names() {
        for algorithm in KeyAlgorithm::all() {
            for name in [algorithm.request_name(), algorithm.describe_name()] {
                assert_eq!(KeyAlgorithm::from_name(name), Some(algorithm));
            }
        }
        for other in ["", "RSA", "RSA_2047", "rsa_2048", "EC_secp256k1"] {
            assert_eq!(KeyAlgorithm::from_name(other), None, "{other}");
        }
    }
}
