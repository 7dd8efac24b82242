//! Responses, written in place.

use records::RecordType;

use super::{CLASS_IN, HEADER_BYTES};

const POINTER: u16 = 0xc000;
const POINTER_MAX: usize = 0x3fff;
/// Type, class, time to live, length of the data.
const RECORD_BYTES: usize = 10;

/// There is no room for what was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The owner of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'n> {
    /// The name in wire form, for when nothing can point at it.
    pub wire: &'n [u8],
    /// Where it stands in the message already.
    pub at: usize,
}

/// Parts of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Answer,
    Authority,
    Additional,
}

/// A response in the making.
#[derive(Debug)]
pub(crate) struct Writer<'o> {
    out: &'o mut [u8],
    at: usize,
    limit: usize,
    counts: [u16; 3],
}

/// A place to go back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    at: usize,
    counts: [u16; 3],
}

impl<'o> Writer<'o> {
    /// Begins with what a query begins with, up to the end of its question. `limit` must be at
    /// least that, and at most the room that there is.
    #[inline]
    pub fn new(out: &'o mut [u8], question: &[u8], limit: usize) -> Writer<'o> {
        out[..question.len()].copy_from_slice(question);
        Writer {
            limit: limit.min(out.len()),
            out,
            at: question.len(),
            counts: [0; 3],
        }
    }

    /// Where the next byte goes.
    pub fn at(&self) -> usize {
        self.at
    }

    pub fn count(&self, section: Section) -> u16 {
        self.counts[section as usize]
    }

    pub fn mark(&self) -> Mark {
        Mark {
            at: self.at,
            counts: self.counts,
        }
    }

    /// Forgets what was written since.
    pub fn back_to(&mut self, mark: Mark) {
        self.at = mark.at;
        self.counts = mark.counts;
    }

    /// Adds a record; where its data begins. Data is not compressed: it is copied.
    #[inline]
    pub fn record(
        &mut self,
        section: Section,
        owner: Owner<'_>,
        record_type: RecordType,
        ttl: u32,
        rdata: &[u8],
    ) -> Result<usize, Full> {
        let mut fixed = [0; 2 + RECORD_BYTES];
        fixed[0..2].copy_from_slice(&(POINTER | owner.at as u16 & 0x3fff).to_be_bytes());
        fixed[2..4].copy_from_slice(&record_type.0.to_be_bytes());
        fixed[4..6].copy_from_slice(&CLASS_IN.to_be_bytes());
        fixed[6..10].copy_from_slice(&ttl.to_be_bytes());
        fixed[10..12].copy_from_slice(&(rdata.len() as u16).to_be_bytes());
        if owner.at <= POINTER_MAX {
            self.bytes(&fixed, rdata)?;
        } else {
            let from = self.at;
            self.bytes(owner.wire, &fixed[2..])
                .and_then(|()| self.bytes(&[], rdata))
                .inspect_err(|_| self.at = from)?;
        }
        self.counts[section as usize] += 1;
        Ok(self.at - rdata.len())
    }

    #[inline]
    fn bytes(&mut self, first: &[u8], second: &[u8]) -> Result<(), Full> {
        let end = self.at + first.len() + second.len();
        if end > self.limit {
            return Err(Full);
        }
        let (into_first, into_second) = self.out[self.at..end].split_at_mut(first.len());
        into_first.copy_from_slice(first);
        into_second.copy_from_slice(second);
        self.at = end;
        Ok(())
    }

    /// Ends a response with its header and, if there is one, an OPT record of `opt_bytes`, for
    /// which room was left beyond the limit, and which is written where it is told. How long it is.
    #[inline]
    pub fn finish(
        self,
        flags: u16,
        has_question: bool,
        opt_bytes: usize,
        write_opt: impl FnOnce(&mut [u8]),
    ) -> usize {
        let end = self.at + opt_bytes;
        if opt_bytes > 0 {
            write_opt(&mut self.out[self.at..end]);
        }
        let additional = self.counts[2] + u16::from(opt_bytes > 0);
        let words = [
            flags,
            u16::from(has_question),
            self.counts[0],
            self.counts[1],
            additional,
        ];
        let header = &mut self.out[2..HEADER_BYTES];
        for (into, word) in header.chunks_exact_mut(2).zip(words) {
            into.copy_from_slice(&word.to_be_bytes());
        }
        end
    }

    /// What was written so far.
    pub fn written(&self) -> &[u8] {
        &self.out[..self.at]
    }
}
