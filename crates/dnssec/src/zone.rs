//! The keys of a zone, and what is signed with which.

use documents::route53::{KeySigningKey, ZoneSigningKeys};
use records::{Name, RecordType};

use crate::key::{ALGORITHM, KSK_FLAGS, KeyError, KeyPair, SIGNATURE_BYTES, ZSK_FLAGS};
use crate::limits::{
    KSKS_MAX, SIGNATURE_BACKDATED_SECS, SIGNATURE_VALID_SECS, SIGNATURE_WINDOW_SECS, ZSKS_MAX,
};

/// RRSIG data before the signer's name (RFC 4034 §3.1).
pub(crate) const HEAD_BYTES: usize = 18;

const CLASS_IN: u16 = 1;

/// The records of one name and type, as they are answered.
#[derive(Clone, Copy, Debug)]
pub struct Rrset<'r, I> {
    /// The name, in wire form and lower case, at most 255 bytes. What a wildcard stands for is
    /// signed by the name that was asked for, as if it existed (spec §15).
    pub owner: &'r [u8],
    /// Their type.
    pub record_type: RecordType,
    /// Their time to live, as it is answered, in seconds.
    pub ttl: u32,
    /// Their data, uncompressed, names in lower case, in any order.
    pub rdatas: I,
}

/// A key at work: it signs in the name of its zone.
#[derive(Debug)]
pub struct Signer {
    key: KeyPair,
    apex: Name,
    tag: u16,
    /// Out of a digest of the key and the zone's name: no two have the same.
    id: u64,
}

impl Signer {
    fn new(key: KeyPair, apex: &Name, flags: u16) -> Signer {
        let mut id = [0; 8];
        id.copy_from_slice(&key.ds_digest(apex)[..8]);
        Signer {
            tag: key.key_tag(flags),
            apex: apex.clone(),
            id: u64::from_be_bytes(id),
            key,
        }
    }

    /// What RRSIG records call the key.
    pub fn key_tag(&self) -> u16 {
        self.tag
    }

    /// Its key.
    pub fn key(&self) -> &KeyPair {
        &self.key
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Signs `set`; see [`crate::SignatureCache`] for what does so only where it must.
    pub fn sign<'r, I>(&self, set: &Rrset<'r, I>, now_secs: u64) -> Result<Rrsig<'_>, KeyError>
    where
        I: Iterator<Item = &'r [u8]> + Clone,
    {
        let start = window_start(set.owner, now_secs);
        let head = self.head(set, start);
        let mut rdatas: Vec<&[u8]> = set.rdatas.clone().collect();
        // Canonical order, without duplicates (RFC 4034 §6.3).
        rdatas.sort_unstable();
        rdatas.dedup();
        let each = set.owner.len() + 10;
        let bytes: usize = rdatas.iter().map(|rdata| each + rdata.len()).sum();
        let mut message = Vec::with_capacity(HEAD_BYTES + self.apex.wire().len() + bytes);
        message.extend_from_slice(&head);
        message.extend_from_slice(self.apex.wire());
        for rdata in rdatas {
            message.extend_from_slice(set.owner);
            message.extend_from_slice(&set.record_type.0.to_be_bytes());
            message.extend_from_slice(&CLASS_IN.to_be_bytes());
            message.extend_from_slice(&set.ttl.to_be_bytes());
            message.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            message.extend_from_slice(rdata);
        }
        Ok(Rrsig {
            head,
            signer: self.apex.wire(),
            signature: self.key.sign(&message)?,
        })
    }

    /// The RRSIG record of `set` with a signature that was made in the window of `start`.
    pub(crate) fn rrsig<I>(
        &self,
        set: &Rrset<'_, I>,
        start: u64,
        signature: [u8; SIGNATURE_BYTES],
    ) -> Rrsig<'_> {
        Rrsig {
            head: self.head(set, start),
            signer: self.apex.wire(),
            signature,
        }
    }

    fn head<I>(&self, set: &Rrset<'_, I>, start: u64) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        head[..2].copy_from_slice(&set.record_type.0.to_be_bytes());
        head[2] = ALGORITHM;
        head[3] = labels(set.owner);
        head[4..8].copy_from_slice(&set.ttl.to_be_bytes());
        // Seconds since 1970 modulo 2^32 (RFC 4034 §3.1.5).
        let expires = (start + SIGNATURE_VALID_SECS) as u32;
        let begins = start.saturating_sub(SIGNATURE_BACKDATED_SECS) as u32;
        head[8..12].copy_from_slice(&expires.to_be_bytes());
        head[12..16].copy_from_slice(&begins.to_be_bytes());
        head[16..].copy_from_slice(&self.tag.to_be_bytes());
        head
    }
}

/// The data of an RRSIG record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rrsig<'k> {
    head: [u8; HEAD_BYTES],
    signer: &'k [u8],
    signature: [u8; SIGNATURE_BYTES],
}

#[allow(clippy::len_without_is_empty)] // It never is.
impl Rrsig<'_> {
    /// How many bytes it has.
    pub fn len(&self) -> usize {
        HEAD_BYTES + self.signer.len() + SIGNATURE_BYTES
    }

    /// Its parts, in their order: what is signed and how, the signer's name, the signature.
    pub fn parts(&self) -> [&[u8]; 3] {
        [&self.head, self.signer, &self.signature]
    }

    /// Writes it to the start of `buffer`; its length, or none if there is no room.
    pub fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        let buffer = buffer.get_mut(..self.len())?;
        let (head, rest) = buffer.split_at_mut(HEAD_BYTES);
        let (signer, signature) = rest.split_at_mut(self.signer.len());
        head.copy_from_slice(&self.head);
        signer.copy_from_slice(self.signer);
        signature.copy_from_slice(&self.signature);
        Some(self.len())
    }

    /// The signature alone: r and s.
    pub fn signature(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.signature
    }

    /// It as bytes of its own.
    pub fn to_vec(&self) -> Vec<u8> {
        self.parts().concat()
    }
}

/// The keys of one zone: those that sign, and those that are only published.
#[derive(Debug)]
pub struct ZoneKeys {
    apex: Name,
    ksks: Vec<Signer>,
    /// The oldest first, each with when it begins to sign, in seconds since 1970.
    zsks: Vec<(u64, Signer)>,
    dnskeys: Vec<Vec<u8>>,
}

impl ZoneKeys {
    /// Out of the active key signing keys, and the zone signing keys with when they begin to sign,
    /// in seconds since 1970, the oldest first. All are published.
    pub fn new(
        apex: Name,
        ksks: Vec<KeyPair>,
        zsks: Vec<(u64, KeyPair)>,
    ) -> Result<ZoneKeys, KeyError> {
        if ksks.is_empty() || zsks.is_empty() {
            return Err(KeyError::NoKey);
        }
        let ksk_rdatas = ksks.iter().map(|key| key.dnskey_rdata(KSK_FLAGS));
        let zsk_rdatas = zsks.iter().map(|(_, key)| key.dnskey_rdata(ZSK_FLAGS));
        let mut dnskeys: Vec<Vec<u8>> = ksk_rdatas.chain(zsk_rdatas).collect();
        dnskeys.sort_unstable();
        let ksks = ksks.into_iter();
        let zsks = zsks.into_iter();
        Ok(ZoneKeys {
            ksks: ksks.map(|key| Signer::new(key, &apex, KSK_FLAGS)).collect(),
            zsks: zsks
                .map(|(from, key)| (from, Signer::new(key, &apex, ZSK_FLAGS)))
                .collect(),
            apex,
            dnskeys,
        })
    }

    /// Out of the store's documents; of `ksks`, the active ones.
    pub fn of_documents(
        apex: Name,
        ksks: &[KeySigningKey],
        zsks: &ZoneSigningKeys,
    ) -> Result<ZoneKeys, KeyError> {
        let ksks = ksks.iter().filter(|key| key.is_active).take(KSKS_MAX);
        let ksks: Result<_, _> = ksks
            .map(|key| KeyPair::from_base64(&key.private_key))
            .collect();
        // The newest, should there be more than there can be.
        let skipped = zsks.keys.len().saturating_sub(ZSKS_MAX);
        let zsks = zsks.keys[skipped..].iter();
        let zsks: Result<_, _> = zsks
            .map(|key| {
                let pair = KeyPair::from_base64(&key.private_key)?;
                Ok((key.signs_from_ms.div_ceil(1_000), pair))
            })
            .collect();
        ZoneKeys::new(apex, ksks?, zsks?)
    }

    /// The zone's name.
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// The data of the zone's DNSKEY records, in canonical order. Their time to live is
    /// [`DNSKEY_TTL_SECS`](crate::limits::DNSKEY_TTL_SECS).
    pub fn dnskeys(&self) -> &[Vec<u8>] {
        &self.dnskeys
    }

    /// What signs records of a type now, each of them: the key signing keys for DNSKEY records, one
    /// zone signing key for all others. Never empty.
    pub fn signers(&self, record_type: RecordType, now_secs: u64) -> &[Signer] {
        if record_type == RecordType::DNSKEY {
            return &self.ksks;
        }
        let due = self.zsks.iter().rposition(|(from, _)| *from <= now_secs);
        std::slice::from_ref(&self.zsks[due.unwrap_or(0)].1)
    }
}

/// The labels of a name that count: not the root, nor a `*` on the left (RFC 4034 §3.1.3).
fn labels(owner: &[u8]) -> u8 {
    let mut rest = match owner {
        [1, b'*', rest @ ..] => rest,
        _ => owner,
    };
    let mut count = 0;
    while let Some((&length @ 1.., after)) = rest.split_first() {
        count += 1;
        rest = after.get(usize::from(length)..).unwrap_or_default();
    }
    count
}

/// When the window began in which `owner` is signed now. Every name has windows of its own, so that
/// not everything is signed anew at once; every node has the same.
pub(crate) fn window_start(owner: &[u8], now_secs: u64) -> u64 {
    // FNV-1a: nothing depends on its being hard to foresee.
    let hash = owner.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let offset = hash % SIGNATURE_WINDOW_SECS;
    now_secs.saturating_sub(now_secs.wrapping_add(offset) % SIGNATURE_WINDOW_SECS)
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::key::tests::example;

    pub(crate) const NOW: u64 = 1_790_000_000;

    /// Keys of a zone, made now.
    pub(crate) fn zone(apex: &str) -> ZoneKeys {
        let zsks = vec![(0, KeyPair::generate().unwrap())];
        let ksks = vec![KeyPair::generate().unwrap()];
        ZoneKeys::new(Name::parse(apex).unwrap(), ksks, zsks).unwrap()
    }

    /// What a validator does (RFC 4035 §5.3.2), written from the text: the record's own fields, and
    /// the records in canonical form with the original time to live.
    fn is_valid(
        rrsig: &[u8],
        key: &KeyPair,
        owner: &str,
        ttl: u32,
        mut rdatas: Vec<&[u8]>,
    ) -> bool {
        let signature_at = rrsig.len() - 64;
        let mut message = rrsig[..signature_at].to_vec();
        let record_type = [rrsig[0], rrsig[1]];
        rdatas.sort();
        for rdata in rdatas {
            message.extend_from_slice(Name::parse(owner).unwrap().wire());
            message.extend_from_slice(&record_type);
            message.extend_from_slice(&[0, 1]);
            message.extend_from_slice(&ttl.to_be_bytes());
            message.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            message.extend_from_slice(rdata);
        }
        let point = [&[4][..], key.public_key()].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        key.verify(&message, &rrsig[signature_at..]).is_ok()
    }

    fn set<'r>(
        owner: &'r Name,
        rdatas: &'r [&'r [u8]],
    ) -> Rrset<'r, impl Iterator<Item = &'r [u8]> + Clone> {
        Rrset {
            owner: owner.wire(),
            record_type: RecordType::A,
            ttl: 3600,
            rdatas: rdatas.iter().copied(),
        }
    }

    #[test]
    fn the_signature_of_rfc_6605_is_valid_and_so_is_ours_of_the_same_records() {
        let apex = Name::parse("example.net").unwrap();
        let signer = Signer::new(example(), &apex, KSK_FLAGS);
        let owner = Name::parse("www.example.net").unwrap();
        let rdata: &[u8] = &[192, 0, 2, 1];
        let ours = signer.sign(&set(&owner, &[rdata]), NOW).unwrap().to_vec();
        let mut theirs = ours[..ours.len() - 64].to_vec();
        // 20100909100439 and 20100812100439.
        theirs[8..12].copy_from_slice(&1_284_026_679_u32.to_be_bytes());
        theirs[12..16].copy_from_slice(&1_281_607_479_u32.to_be_bytes());
        let signature = STANDARD.decode(concat!(
            "qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXA",
            "yGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw=="
        ));
        theirs.extend_from_slice(&signature.unwrap());
        for rrsig in [&theirs, &ours] {
            assert_eq!(rrsig[..4], [0, 1, 13, 3]);
            let is_valid =
                |ttl, rdata| is_valid(rrsig, &example(), "www.example.net", ttl, vec![rdata]);
            assert!(is_valid(3600, rdata));
            assert!(!is_valid(3601, rdata));
            assert!(!is_valid(3600, &[192, 0, 2, 2]));
        }
    }

    #[test]
    fn records_are_signed_in_canonical_order_and_once_each() {
        let keys = zone("example.net");
        let signer = &keys.signers(RecordType::A, NOW)[0];
        let owner = Name::parse("www.example.net").unwrap();
        let rdatas: [&[u8]; 4] = [&[9, 0, 0, 1], &[1, 0, 0, 2], &[9, 0, 0, 1], &[1, 0, 0, 1]];
        let rrsig = signer.sign(&set(&owner, &rdatas), NOW).unwrap().to_vec();
        let once = vec![rdatas[0], rdatas[1], rdatas[3]];
        assert!(is_valid(
            &rrsig,
            signer.key(),
            "www.example.net",
            3600,
            once
        ));
    }

    #[test]
    fn labels_are_counted_without_the_root_and_a_star() {
        for (name, count) in [
            (".", 0),
            ("com", 1),
            ("www.example.com", 3),
            ("*.example.com", 2),
            ("a.*.example.com", 4),
            ("*", 0),
        ] {
            assert_eq!(labels(Name::parse(name).unwrap().wire()), count, "{name}");
        }
    }

    #[test]
    fn key_signing_keys_sign_the_keys_and_a_zone_signing_key_all_else() {
        let pair = || KeyPair::generate().unwrap();
        let apex = Name::parse("example.net").unwrap();
        let zsks = vec![(100, pair()), (200, pair())];
        let keys = ZoneKeys::new(apex, vec![pair(), pair()], zsks).unwrap();
        assert_eq!(keys.signers(RecordType::DNSKEY, 0).len(), 2);
        let flags: Vec<u8> = keys.dnskeys().iter().map(|rdata| rdata[1]).collect();
        assert_eq!(flags, [0, 0, 1, 1]);
        assert!(keys.dnskeys().is_sorted());
        let tag = |now| keys.signers(RecordType::SOA, now)[0].key_tag();
        let tags = [tag(0), tag(100), tag(199), tag(200), tag(1_000)];
        assert_eq!(tags[..3], [tags[0]; 3]);
        assert_eq!(tags[3..], [tags[4]; 2]);
        assert_ne!(tags[0], tags[4]);
    }

    #[test]
    fn a_zone_without_an_active_key_signing_key_cannot_be_signed() {
        let apex = || Name::parse("example.net").unwrap();
        let mut zsks = ZoneSigningKeys::default();
        let mut ksk = KeySigningKey {
            name: "one".into(),
            zone: "Z1".into(),
            caller_reference: "r".into(),
            kms_arn: "arn".into(),
            is_active: true,
            private_key: KeyPair::generate().unwrap().to_base64().unwrap(),
            created_ms: 0,
            modified_ms: 0,
        };
        let of = |ksk: &KeySigningKey, zsks: &ZoneSigningKeys| {
            ZoneKeys::of_documents(apex(), std::slice::from_ref(ksk), zsks)
        };
        assert_eq!(of(&ksk, &zsks).unwrap_err(), KeyError::NoKey);
        crate::rollover(0, &mut zsks).unwrap();
        assert_eq!(of(&ksk, &zsks).unwrap().dnskeys().len(), 2);
        ksk.is_active = false;
        assert_eq!(of(&ksk, &zsks).unwrap_err(), KeyError::NoKey);
        ksk.is_active = true;
        ksk.private_key.pop();
        assert_eq!(of(&ksk, &zsks).unwrap_err(), KeyError::PrivateKey);
    }

    #[test]
    fn a_signature_always_has_half_its_time_left_and_names_have_times_of_their_own() {
        let keys = zone("example.net");
        let signer = &keys.signers(RecordType::A, NOW)[0];
        let mut starts = Vec::new();
        for host in 0..20 {
            let owner = Name::parse(&format!("h{host}.example.net")).unwrap();
            starts.push(window_start(owner.wire(), NOW));
            for hours in 0..50 {
                let now = NOW + hours * 3_600;
                let rrsig = signer.sign(&set(&owner, &[&[1, 2, 3, 4]]), now).unwrap();
                let [head, ..] = rrsig.parts();
                let time =
                    |at: usize| u64::from(u32::from_be_bytes(head[at..at + 4].try_into().unwrap()));
                assert!(time(8) - now > SIGNATURE_VALID_SECS - SIGNATURE_WINDOW_SECS - 1);
                assert!(now - time(12) >= SIGNATURE_BACKDATED_SECS);
                assert!(now - time(12) < SIGNATURE_BACKDATED_SECS + SIGNATURE_WINDOW_SECS);
            }
        }
        starts.sort_unstable();
        starts.dedup();
        assert!(starts.len() > 15, "{starts:?}");
    }

    #[test]
    fn a_record_is_written_where_it_fits() {
        let keys = zone("example.net");
        let owner = Name::parse("example.net").unwrap();
        let signer = &keys.signers(RecordType::A, NOW)[0];
        let rrsig = signer.sign(&set(&owner, &[&[1, 2, 3, 4]]), NOW).unwrap();
        assert_eq!(rrsig.len(), 18 + 13 + 64);
        let mut buffer = [0; 100];
        assert_eq!(rrsig.write(&mut buffer), Some(95));
        assert_eq!(buffer[..95], rrsig.to_vec());
        assert_eq!(rrsig.write(&mut buffer[..94]), None);
    }
}
