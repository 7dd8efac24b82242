//! One thread that answers datagrams: receive a batch, answer all of it, send.
//!
//! For each batch: one look at the world, one at the clock. For each query: no allocation, no lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::answering::{Answering, truncate};
use super::limits::{ERROR_PAUSE_MS, STOP_CHECK_MS};
use super::mmsg::{BatchSocket, Datagram, Incoming, Outgoing};
use super::now_ms;
use crate::answer::{Asker, Cookie, Outcome, Transport};
use crate::rrl::{Limiter, Verdict};
use crate::world::World;

pub(super) struct UdpThread {
    pub answering: Answering,
    pub limiter: Limiter,
    pub world: Arc<ArcSwap<World>>,
    pub stop: Arc<AtomicBool>,
    pub socket: BatchSocket,
}

impl UdpThread {
    /// Answers until `stop` is set and the socket is shut down.
    pub fn run(mut self) {
        let (mut incoming, mut outgoing) = (Incoming::new(), Outgoing::new());
        let mut is_failing = false;
        loop {
            let received = incoming.receive(&self.socket);
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            let now_ms = now_ms();
            match received {
                Ok(received) => {
                    is_failing = false;
                    self.answer_batch(&incoming, received, &mut outgoing, now_ms);
                }
                Err(error) => {
                    // The network is gone, or memory is: it may come back.
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::error!(%error, "DNS cannot receive datagrams");
                    }
                    std::thread::park_timeout(Duration::from_millis(ERROR_PAUSE_MS));
                }
            }
            if let Some(log) = &mut self.answering.log {
                log.tick(now_ms);
            }
        }
    }

    fn answer_batch(
        &mut self,
        incoming: &Incoming,
        received: usize,
        outgoing: &mut Outgoing,
        now_ms: u64,
    ) {
        let world = self.world.load();
        for index in 0..received {
            let Some(query) = incoming.datagram(index) else {
                self.answering.counters.discarded.increment();
                continue;
            };
            if !outgoing.has_room() {
                outgoing.send(&self.socket, incoming);
            }
            let length = self.answer(&world, query, outgoing.room(), now_ms);
            if length > 0 {
                outgoing.reply(index, length);
            }
        }
        outgoing.send(&self.socket, incoming);
    }

    /// Writes what goes out, if anything: how many bytes.
    #[inline]
    fn answer(&mut self, world: &World, query: Datagram<'_>, out: &mut [u8], now_ms: u64) -> usize {
        let asker = Asker {
            source: query.from,
            transport: Transport::Udp,
            now_ms,
        };
        let (bytes, facts) = match self.answering.answer(world, query.bytes, &asker, out) {
            Outcome::Silent => return 0,
            Outcome::Answer { bytes, facts } => (bytes, facts),
            // By UDP this is a secondary that looks for news; it has proven who it is.
            Outcome::Transfer {
                zone,
                is_incremental,
            } => {
                let transfers = self.answering.transfers.as_ref();
                let mut messages =
                    transfers.map(|it| it.begin(zone, query.bytes, &asker, is_incremental));
                return first_message(messages.as_mut().and_then(|it| it.next()), out);
            }
        };
        if facts.cookie == Cookie::Valid {
            return bytes;
        }
        let client = query.from.ip();
        let limiter = &mut self.limiter;
        match limiter.check(client, facts.category, facts.subject, now_ms) {
            Verdict::Send => bytes,
            Verdict::Truncate => {
                self.answering.counters.limited_truncated.increment();
                truncate(&mut out[..bytes], facts.name_bytes)
            }
            Verdict::Drop => {
                self.answering.counters.limited_dropped.increment();
                0
            }
        }
    }
}

/// Puts a message into the room for it; one that does not fit is lost.
fn first_message(message: Option<Vec<u8>>, out: &mut [u8]) -> usize {
    let Some(message) = message else { return 0 };
    match out.get_mut(..message.len()) {
        Some(room) => {
            room.copy_from_slice(&message);
            message.len()
        }
        None => 0,
    }
}

const _: () = assert!(ERROR_PAUSE_MS < STOP_CHECK_MS);
