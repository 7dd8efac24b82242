//! Zones handed to secondaries: AXFR (RFC 5936) for those who sign with a key (TSIG, RFC 8945).
//!
//! What it does: answers AXFR, IXFR (with the whole zone, or with nothing new; RFC 1995 §4) and
//! signed SOA queries. Whoever has one of the [`TransferKeys`] may have any zone that its address
//! sees; nobody else may have any. A zone goes as a whole or not at all: one whose answers are
//! chosen or signed on line would be another zone elsewhere, and is refused
//! ([why](../../../docs/decisions/0018-transfers.md)). What it does not do: NOTIFY, differences.
//!
//! To secondaries, and to them alone, the SOA record has a serial that grows: the store's revision
//! of the zone's last change ([`serial`]).
//!
//! Read [`Transfer`] first.

pub mod limits;
mod request;
mod tsig;

use std::borrow::Cow;
use std::fmt;
use std::time::Instant;

use records::RecordType;

use crate::answer::Asker;
use crate::limits::{MESSAGE_BYTES_MAX, UDP_PAYLOAD_BYTES};
use crate::message::HEADER_BYTES;
use crate::message::rcode::{FORMERR, NOERROR, NOTAUTH, NOTIMP, REFUSED, SERVFAIL};
use crate::server::Transfers;
use crate::zone::Zone;
use crate::zone::node::Node;
use limits::{TRANSFER_MESSAGE_BYTES, TRANSFER_TAIL_BYTES};
use request::Request;
use tsig::{Signing, TsigError, Verdict};

pub use tsig::{TransferKeyError, TransferKeys};

/// A pointer to the question's name.
const TO_QUESTION: [u8; 2] = [0xc0, HEADER_BYTES as u8];

/// The response to a secondary, message by message.
pub struct Transfer<'z> {
    /// What every message begins with: header and question.
    head: Vec<u8>,
    has_edns: bool,
    records: Records<'z>,
    /// The record that did not fit into the last message.
    held: Option<Record<'z>>,
    /// Why the request's signature is refused; the record that says so.
    refusal: Vec<u8>,
    signing: Option<Signing>,
    is_begun: bool,
    is_ended: bool,
}

type Records<'z> = Box<dyn Iterator<Item = Record<'z>> + Send + 'z>;

/// A record of the zone.
#[derive(Clone, Debug)]
struct Record<'z> {
    /// Its name without that of the zone.
    labels: &'z [u8],
    record_type: RecordType,
    ttl: u32,
    rdata: Cow<'z, [u8]>,
}

impl fmt::Debug for Transfer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Transfer").finish_non_exhaustive()
    }
}

impl<'z> Transfer<'z> {
    /// The response to `query`, which is about `zone`: the whole of it, a refusal, or whatever is
    /// wrong with the request.
    pub fn new(zone: &'z Zone, keys: &TransferKeys, query: &[u8], now_secs: u64) -> Transfer<'z> {
        let Ok(request) = Request::read(query) else {
            return Transfer::refuse_malformed(query);
        };
        match keys.verify(&request, now_secs) {
            Verdict::Unsigned => Transfer::refuse(&request, REFUSED),
            Verdict::Refused(error) => Transfer::refuse_signature(&request, error),
            Verdict::Late(signing) => Transfer {
                signing: Some(signing),
                ..Transfer::refuse(&request, NOTAUTH)
            },
            Verdict::Signed(signing) => {
                let answered = content(zone, &request, &signing);
                let transfer = match answered {
                    Ok(records) => Transfer::of(&request, NOERROR, records),
                    Err(rcode) => Transfer::refuse(&request, rcode),
                };
                Transfer {
                    signing: Some(signing),
                    ..transfer
                }
            }
        }
    }

    /// Writes the next message over what `message` has; whether there was one. `now_secs` is when
    /// it is sent, in seconds since 1970.
    pub fn next(&mut self, now_secs: u64, message: &mut Vec<u8>) -> bool {
        if self.is_ended {
            return false;
        }
        message.clear();
        message.extend_from_slice(&self.head);
        let mut count = 0_u16;
        while let Some(record) = self.held.take().or_else(|| self.records.next()) {
            let bytes = message.len() + record.bytes();
            let is_full = count > 0 && bytes > TRANSFER_MESSAGE_BYTES;
            if is_full || bytes + TRANSFER_TAIL_BYTES > MESSAGE_BYTES_MAX {
                self.held = Some(record);
                break;
            }
            record.write(message);
            count += 1;
        }
        if count == 0 && (self.held.is_some() || self.is_begun) {
            // A record longer than a message can be, which no zone has: the stream breaks off.
            self.is_ended = true;
            return false;
        }
        self.is_ended = self.held.is_none();
        if let Some(answers) = message.get_mut(6..8) {
            answers.copy_from_slice(&count.to_be_bytes());
        }
        self.write_tail(now_secs, message);
        self.is_begun = true;
        true
    }

    fn write_tail(&mut self, now_secs: u64, message: &mut Vec<u8>) {
        if self.has_edns && !self.is_begun {
            message.extend_from_slice(&[0, 0, RecordType::OPT.0 as u8]);
            message.extend_from_slice(&UDP_PAYLOAD_BYTES.to_be_bytes());
            message.extend_from_slice(&[0; 6]);
            message[11] = 1;
        }
        if !self.refusal.is_empty() {
            message.extend_from_slice(&self.refusal);
            message[11] += 1;
        }
        if let Some(signing) = &mut self.signing {
            signing.sign(message, now_secs);
        }
    }

    fn of(request: &Request<'_>, rcode: u16, records: Records<'z>) -> Transfer<'z> {
        let mut head = request.message[..request.question_end].to_vec();
        let is_authoritative = u8::from(rcode == NOERROR) << 2;
        // A response; the operation and whether recursion is desired are the request's.
        head[2] = head[2] & 0b0111_1001 | 0x80 | is_authoritative;
        head[3] = rcode as u8;
        head[6..HEADER_BYTES].fill(0);
        Transfer {
            head,
            has_edns: request.has_edns,
            records,
            held: None,
            refusal: Vec::new(),
            signing: None,
            is_begun: false,
            is_ended: false,
        }
    }

    fn refuse(request: &Request<'_>, rcode: u16) -> Transfer<'z> {
        Transfer::of(request, rcode, Box::new(std::iter::empty()))
    }

    fn refuse_signature(request: &Request<'_>, error: TsigError) -> Transfer<'z> {
        let mut transfer = Transfer::refuse(request, NOTAUTH);
        if let Some(tsig) = &request.tsig {
            transfer.refusal = tsig.refusal(error, [request.message[0], request.message[1]]);
        }
        transfer
    }

    /// Of what cannot be read, at most the header is certain.
    fn refuse_malformed(query: &[u8]) -> Transfer<'z> {
        let mut head = [0; HEADER_BYTES];
        let is_silent = query.len() < HEADER_BYTES;
        if let Some(header) = query.first_chunk::<4>() {
            head[..4].copy_from_slice(header);
        }
        head[2] = head[2] & 0b0111_1001 | 0x80;
        head[3] = FORMERR as u8;
        Transfer {
            head: head.into(),
            has_edns: false,
            records: Box::new(std::iter::empty()),
            held: None,
            refusal: Vec::new(),
            signing: None,
            is_begun: false,
            is_ended: is_silent,
        }
    }
}

/// Whether one of the keys signed `query`, and at about `now_secs` (since 1970).
pub fn is_signed_by(keys: &TransferKeys, query: &[u8], now_secs: u64) -> bool {
    let request = Request::read(query);
    request.is_ok_and(|request| matches!(keys.verify(&request, now_secs), Verdict::Signed(_)))
}

/// The messages of a transfer in their own time, for the socket.
struct Messages<'z> {
    transfer: Transfer<'z>,
    begun_secs: u64,
    since: Instant,
}

impl Transfers for TransferKeys {
    fn is_secondary(&self, query: &[u8], asker: &Asker) -> bool {
        is_signed_by(self, query, asker.now_ms / 1_000)
    }

    fn begin<'w>(
        &self,
        zone: &'w Zone,
        query: &[u8],
        asker: &Asker,
        _is_incremental: bool,
    ) -> Box<dyn Iterator<Item = Vec<u8>> + 'w> {
        let begun_secs = asker.now_ms / 1_000;
        Box::new(Messages {
            transfer: Transfer::new(zone, self, query, begun_secs),
            begun_secs,
            since: Instant::now(),
        })
    }
}

impl Iterator for Messages<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        let now_secs = self.begun_secs + self.since.elapsed().as_secs();
        (self.transfer.next(now_secs, &mut message)).then_some(message)
    }
}

/// What a secondary gets, or the code of a refusal.
fn content<'z>(
    zone: &'z Zone,
    request: &Request<'_>,
    signing: &Signing,
) -> Result<Records<'z>, u16> {
    let secondary = signing.key_name();
    if request.name != *zone.apex() {
        return Err(NOTAUTH);
    }
    let soa = soa(zone).ok_or(SERVFAIL)?;
    match request.record_type {
        RecordType::SOA => return Ok(Box::new(std::iter::once(soa))),
        RecordType::AXFR | RecordType::IXFR => {}
        _ => return Err(NOTIMP),
    }
    if let Some(reason) = reason_to_stay(zone) {
        tracing::warn!(zone = %zone.apex(), %secondary, "the zone is not transferred: {reason}");
        return Err(REFUSED);
    }
    let serial = serial(zone);
    let is_new = |theirs: &u32| serial.wrapping_sub(*theirs).cast_signed() > 0;
    if request.record_type == RecordType::IXFR && request.serial.is_some_and(|it| !is_new(&it)) {
        return Ok(Box::new(std::iter::once(soa)));
    }
    tracing::info!(zone = %zone.apex(), %secondary, serial, "the zone is transferred");
    let rest = zone.nodes.iter().flat_map(records);
    let rest = rest.filter(|record| record.record_type != RecordType::SOA);
    let last = std::iter::once(soa.clone());
    Ok(Box::new(std::iter::once(soa).chain(rest).chain(last)))
}

/// Why a zone would not be the same elsewhere.
fn reason_to_stay(zone: &Zone) -> Option<&'static str> {
    if zone.keys().is_some() {
        return Some("its answers are signed on line");
    }
    (zone.routed > 0).then_some("it has aliases, or record sets that are chosen from")
}

/// The serial that secondaries see: the store's revision of the zone's last change. Route 53's own
/// never changes (spec §16), and they would never look for news.
pub fn serial(zone: &Zone) -> u32 {
    // Serials go around (RFC 1982).
    zone.modified as u32
}

/// The zone's SOA record with that serial.
fn soa(zone: &Zone) -> Option<Record<'_>> {
    let set = zone.apex_node()?.simple(RecordType::SOA)?;
    let mut rdata = set.rdatas().next()?.to_vec();
    let numbers = rdata.last_chunk_mut::<20>()?;
    numbers[..4].copy_from_slice(&serial(zone).to_be_bytes());
    Some(Record {
        labels: &[],
        record_type: RecordType::SOA,
        ttl: set.ttl,
        rdata: rdata.into(),
    })
}

fn records(node: &Node) -> impl Iterator<Item = Record<'_>> {
    node.simple_sets().flat_map(move |set| {
        set.rdatas().map(move |rdata| Record {
            labels: node.labels(),
            record_type: set.record_type,
            ttl: set.ttl,
            rdata: rdata.into(),
        })
    })
}

impl Record<'_> {
    fn bytes(&self) -> usize {
        self.labels.len() + TO_QUESTION.len() + 10 + self.rdata.len()
    }

    fn write(&self, message: &mut Vec<u8>) {
        message.extend_from_slice(self.labels);
        message.extend_from_slice(&TO_QUESTION);
        message.extend_from_slice(&self.record_type.0.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        message.extend_from_slice(&self.ttl.to_be_bytes());
        message.extend_from_slice(&(self.rdata.len() as u16).to_be_bytes());
        message.extend_from_slice(&self.rdata);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use documents::Resource;
    use documents::route53::Zone as ZoneDocument;
    use records::Name;
    use serde_json::json;
    use shapes::route53::ResourceRecordSet;

    use super::request::number;
    use super::tsig::tests::{NOW, keys, mac, signed};
    use super::*;
    use crate::{Builder, Settings, World};

    fn record_set(name: &str, record_type: &str, values: &[&str]) -> ResourceRecordSet {
        let values: Vec<_> = values
            .iter()
            .map(|value| json!({ "Value": value }))
            .collect();
        let form = json!({
            "Name": name, "Type": record_type, "TTL": 300, "ResourceRecords": values,
        });
        serde_json::from_value(form).unwrap()
    }

    fn zone(sets: &[ResourceRecordSet]) -> Arc<Zone> {
        Arc::clone(world(sets).zone("Z1").unwrap())
    }

    /// The zone example.com with these record sets, each of the revision of its place from 10 on.
    fn world(sets: &[ResourceRecordSet]) -> World {
        let mut builder = Builder::new(&World::empty(1, Settings::default()));
        let config = ZoneDocument {
            name: "example.com.".to_owned(),
            caller_reference: "r".to_owned(),
            comment: None,
            is_private: false,
            vpcs: Vec::new(),
            delegation_set: None,
            name_servers: vec!["ns.example.com".to_owned()],
            is_signing: false,
            accelerated_recovery: None,
        };
        builder.put_zone(&Resource {
            id: "Z1".to_owned(),
            etag: "E1".to_owned(),
            version: 1,
            created_ms: 0,
            modified_ms: 0,
            domain: None,
            config,
        });
        for (place, set) in sets.iter().enumerate() {
            builder.put_record("Z1", set, 10 + place as u64);
        }
        let (world, refusals) = builder.finish();
        assert!(refusals.is_empty(), "{refusals:?}");
        world
    }

    fn soa() -> ResourceRecordSet {
        let value = "ns.example.com. hostmaster.example.com. 1 7200 900 1209600 86400";
        record_set("example.com.", "SOA", &[value])
    }

    /// All messages to `query`.
    fn messages(zone: &Zone, query: &[u8]) -> Vec<Vec<u8>> {
        let keys = keys();
        let mut transfer = Transfer::new(zone, &keys, query, NOW);
        let mut messages = Vec::new();
        let mut message = b"what was there".to_vec();
        while transfer.next(NOW, &mut message) {
            messages.push(message.clone());
        }
        messages
    }

    /// A record of a message: name without that of the zone, type, data.
    type Read = (Vec<u8>, u16, Vec<u8>);

    fn answers(message: &[u8]) -> Vec<Read> {
        let mut at = 29;
        let count = number(message, 6).unwrap();
        let records = (0..count).map(|_| {
            let name_at = at;
            while message[at] != 0xc0 {
                at += 1 + usize::from(message[at]);
            }
            assert_eq!(message[at..at + 2], TO_QUESTION);
            let name = message[name_at..at].to_vec();
            let length = usize::from(number(message, at + 10).unwrap());
            let record_type = number(message, at + 2).unwrap();
            let rdata = message[at + 12..at + 12 + length].to_vec();
            at += 12 + length;
            (name, record_type, rdata)
        });
        records.collect()
    }

    fn rcode(message: &[u8]) -> u16 {
        u16::from(message[3])
    }

    #[test]
    fn a_transfer_begins_and_ends_with_the_soa_record_of_the_last_revision() {
        let zone = zone(&[
            soa(),
            record_set("example.com.", "NS", &["ns.example.com."]),
            record_set("www.example.com.", "A", &["192.0.2.1", "192.0.2.2"]),
            record_set("*.example.com.", "TXT", &["\"x\""]),
        ]);
        let messages = messages(&zone, &signed());
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0][..6], [0x12, 0x34, 0x84, 0, 0, 1]);
        let answers = answers(&messages[0]);
        assert_eq!(answers.len(), 6);
        let (name, record_type, rdata) = &answers[0];
        assert_eq!((name.len(), *record_type), (0, RecordType::SOA.0));
        assert_eq!(rdata[rdata.len() - 20..rdata.len() - 16], [0, 0, 0, 13]);
        assert_eq!(answers[0], answers[5]);
        for expected in [
            (b"\x03www".to_vec(), 1, vec![192, 0, 2, 2]),
            (b"\x01*".to_vec(), 16, b"\x01x".to_vec()),
        ] {
            assert!(answers.contains(&expected), "{expected:?}");
        }
    }

    #[test]
    fn what_is_gone_makes_the_serial_grow_too() {
        let before = world(&[soa(), record_set("www.example.com.", "A", &["192.0.2.1"])]);
        assert_eq!(serial(before.zone("Z1").unwrap()), 11);
        let mut builder = Builder::new(&before);
        builder.delete_record("route53/record/Z1/com.example.www. A");
        builder.is_of(20);
        let (after, _) = builder.finish();
        assert_eq!(serial(after.zone("Z1").unwrap()), 20);
        // What else happens in the store is not the zone's.
        let mut builder = Builder::new(&after);
        builder.is_of(30);
        assert_eq!(serial(builder.finish().0.zone("Z1").unwrap()), 20);
    }

    #[test]
    fn a_large_zone_goes_in_many_messages_that_are_signed_each() {
        let mut sets = vec![soa()];
        for host in 0..3_000 {
            sets.push(record_set(
                &format!("h{host}.example.com."),
                "A",
                &["192.0.2.1"],
            ));
        }
        let zone = zone(&sets);
        let messages = messages(&zone, &signed());
        assert!(messages.len() > 1);
        let mut all = Vec::new();
        for message in &messages {
            assert!(message.len() <= TRANSFER_MESSAGE_BYTES + TRANSFER_TAIL_BYTES);
            assert_eq!(message[11], 1);
            assert_eq!(mac(message).len(), 32);
            all.extend(answers(message));
        }
        assert_eq!(all.len(), 3_002);
        let soas = all
            .iter()
            .filter(|(_, record_type, _)| *record_type == RecordType::SOA.0);
        assert_eq!(soas.count(), 2);
    }

    #[test]
    fn without_a_signature_of_a_key_there_is_a_refusal_and_no_record() {
        let zone = zone(&[soa()]);
        let signed = signed();
        let mut unsigned = signed[..29].to_vec();
        unsigned[11] = 0;
        let mut forged = signed.clone();
        let last = forged.len() - 7;
        forged[last] ^= 1;
        for (query, code, error) in [(unsigned, REFUSED, None), (forged, NOTAUTH, Some(16))] {
            let messages = messages(&zone, &query);
            assert_eq!(messages.len(), 1);
            assert_eq!(rcode(&messages[0]), code);
            assert_eq!(number(&messages[0], 6), Some(0));
            let end = messages[0].len();
            // The error, without other data, behind a MAC without bytes.
            let said = error.map(|_| number(&messages[0], end - 4).unwrap());
            assert_eq!(said, error);
        }
    }

    #[test]
    fn a_clock_that_is_off_is_told_the_time_under_a_signature() {
        let zone = zone(&[soa()]);
        let keys = keys();
        let mut transfer = Transfer::new(&zone, &keys, &signed(), NOW + 1_000);
        let mut message = Vec::new();
        assert!(transfer.next(NOW + 1_000, &mut message));
        assert_eq!(rcode(&message), NOTAUTH);
        let other = &message[message.len() - 10..];
        assert_eq!(other[..4], [0, 18, 0, 6]);
        assert_eq!(other[4..], (NOW + 1_000).to_be_bytes()[2..]);
        assert!(!transfer.next(NOW + 1_000, &mut message));
    }

    #[test]
    fn a_zone_that_is_chosen_from_stays() {
        let weighted = ResourceRecordSet {
            set_identifier: Some("one".to_owned()),
            weight: Some(1),
            ..record_set("w.example.com.", "A", &["192.0.2.1"])
        };
        let zone = zone(&[soa(), weighted]);
        let messages = messages(&zone, &signed());
        assert_eq!(messages.len(), 1);
        assert_eq!(rcode(&messages[0]), REFUSED);
        assert_eq!(messages[0][11], 1, "it is signed all the same");
    }

    #[test]
    fn what_cannot_be_read_is_said_to_be_so_and_less_than_a_header_is_not_answered() {
        let zone = zone(&[soa()]);
        let signed = signed();
        for length in 12..signed.len() {
            let messages = messages(&zone, &signed[..length]);
            assert_eq!(messages.len(), 1);
            assert_eq!(rcode(&messages[0]), FORMERR, "{length} bytes");
        }
        assert!(messages(&zone, &signed[..11]).is_empty());
    }

    #[test]
    fn another_zone_than_the_one_that_is_asked_for_is_not_given() {
        let zone = zone(&[soa()]);
        let request = Request::read(&signed()).map(|request| request.name);
        assert_eq!(request, Ok(Name::parse("example.com").unwrap()));
        assert!(is_signed_by(&keys(), &signed(), NOW));
        assert!(!is_signed_by(&TransferKeys::default(), &signed(), NOW));
        let other = crate::zone::Zone {
            apex: Name::parse("example.org").unwrap(),
            ..Zone::clone(&zone)
        };
        assert_eq!(rcode(&messages(&other, &signed())[0]), NOTAUTH);
    }
}
