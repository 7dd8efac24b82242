//! What threads of either transport do with a query: answer, count, log.

use std::sync::Arc;

use records::RecordType;

use super::counters::Counters;
use super::tcp::Transfers;
use crate::answer::{Asker, Facts, Outcome, Responder};
use crate::message::HEADER_BYTES;
use crate::query_log::LogHandle;
use crate::world::World;

const FLAGS_AT: usize = 2;
const IS_RESPONSE: u8 = 0x80;
const IS_TRUNCATED: u8 = 0x02;
const REFUSED: u8 = 5;

/// A thread's means to answer.
pub(super) struct Answering {
    pub responder: Responder,
    pub counters: Arc<Counters>,
    pub log: Option<LogHandle>,
    pub transfers: Option<Arc<dyn Transfers>>,
}

impl Answering {
    /// Writes the response into `out`, counts and logs it.
    #[inline]
    pub fn answer<'w>(
        &mut self,
        world: &'w World,
        query: &[u8],
        asker: &Asker,
        out: &mut [u8],
    ) -> Outcome<'w> {
        let mut outcome = self.responder.respond(world, query, asker, out);
        if let Outcome::Answer { facts, .. } = &outcome
            && facts.qtype == RecordType::SOA
            && let (Some(zone), Some(transfers)) = (facts.zone, &self.transfers)
            && transfers.is_secondary(query, asker)
        {
            outcome = Outcome::Transfer {
                zone,
                is_incremental: false,
            };
        }
        self.counters.queries_of(asker.transport).increment();
        match &outcome {
            Outcome::Silent => self.counters.discarded.increment(),
            Outcome::Answer { facts, .. } => {
                self.counters.count(facts);
                if let Some(log) = &mut self.log {
                    log.record(facts, question_name(query, facts), asker);
                }
            }
            Outcome::Transfer { .. } => self.counters.transfers.increment(),
        }
        outcome
    }
}

/// The name that was asked for, in wire form as it came.
#[inline]
fn question_name<'q>(query: &'q [u8], facts: &Facts<'_>) -> &'q [u8] {
    let end = HEADER_BYTES + facts.name_bytes;
    query.get(HEADER_BYTES..end).unwrap_or_default()
}

/// Turns a response into one that says: ask by TCP. Header and question stay, which are no longer
/// than the query that they came with. Its new length.
pub(super) fn truncate(response: &mut [u8], name_bytes: usize) -> usize {
    let question_bytes = match name_bytes {
        0 => 0,
        _ => name_bytes + 4,
    };
    let length = response.len().min(HEADER_BYTES + question_bytes);
    if length < HEADER_BYTES {
        return 0;
    }
    response[FLAGS_AT] |= IS_TRUNCATED;
    response[4..HEADER_BYTES].fill(0);
    response[5] = u8::from(length > HEADER_BYTES);
    length
}

/// Turns a query into its refusal, which repeats nothing but the header. Its length.
pub(super) fn refuse(query: &[u8], out: &mut [u8]) -> usize {
    let (Some(header), Some(out)) = (query.first_chunk(), out.first_chunk_mut()) else {
        return 0;
    };
    let header: &[u8; HEADER_BYTES] = header;
    *out = *header;
    out[FLAGS_AT] = IS_RESPONSE | (header[FLAGS_AT] & 0x79);
    out[FLAGS_AT + 1] = REFUSED;
    out[4..].fill(0);
    HEADER_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_response_has_its_question_and_nothing_else() {
        let mut response =
            b"\x12\x34\x84\x00\0\x01\0\x01\0\x02\0\x01\x01a\0\0\x01\0\x01rest".to_vec();
        let length = truncate(&mut response, 3);
        assert_eq!(
            response[..length],
            *b"\x12\x34\x86\x00\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01"
        );
    }

    #[test]
    fn a_truncated_response_without_a_question_is_a_header() {
        let mut response = b"\x12\x34\x80\x01\0\0\0\0\0\0\0\x01rest".to_vec();
        let length = truncate(&mut response, 0);
        assert_eq!(response[..length], *b"\x12\x34\x82\x01\0\0\0\0\0\0\0\0");
        assert_eq!(truncate(&mut [0; 5], 0), 0);
    }

    #[test]
    fn a_refusal_repeats_the_id_and_what_was_desired() {
        let mut out = [0xff; 12];
        let query = b"\x12\x34\x01\x20\0\x01\0\0\0\0\0\0\x01a\0\0\xfc\0\x01";
        assert_eq!(refuse(query, &mut out), 12);
        assert_eq!(out, *b"\x12\x34\x81\x05\0\0\0\0\0\0\0\0");
        assert_eq!(refuse(b"short", &mut out), 0);
    }
}
