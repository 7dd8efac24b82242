//! From a query to its answer.
//!
//! [`Responder::respond`] reads the query ([`crate::message`]), finds the zone, and sends a walk
//! through it (`walk`), which asks for the records that this client gets (`choose`) and writes them
//! into the caller's buffer. Nothing is allocated and no lock is taken, but for signatures that
//! were not made before.

mod choose;
pub(crate) mod narrate;
mod walk;

use std::net::{IpAddr, SocketAddr};

use dnssec::SignatureCache;
use records::RecordType;
use routing::{Client, Dice};

use crate::cookie::CookieCheck;
use crate::limits::{SIGNATURES_MAX, UDP_PAYLOAD_BYTES_MAX, UDP_PAYLOAD_BYTES_MIN};
use crate::message::edns::{Edns, Reply};
use crate::message::{CLASS_IN, ClientSubnet, HEADER_BYTES, Malformed, Query, Writer, rcode, read};
use crate::world::{Settings, World};
use crate::zone::Zone;
use crate::zone::names::Hashed;
use choose::Chooser;
use narrate::{Narrator, Step};
use walk::{End, Stop, Walk};

const RESPONSE: u16 = 0x8000;
const AUTHORITATIVE: u16 = 0x0400;
const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;
const OPCODE: u16 = 0x7800;

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram, from a source that may be forged.
    Udp,
    /// Over a connection.
    Tcp,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// Where the query came from.
    pub source: SocketAddr,
    /// How it came.
    pub transport: Transport,
    /// When, in milliseconds since 1970.
    pub now_ms: u64,
}

/// What is to be done about a query.
#[derive(Debug)]
pub enum Outcome<'w> {
    /// Nothing: it is no query.
    Silent,
    /// The first `bytes` of the buffer are sent.
    Answer {
        /// How long the response is.
        bytes: usize,
        /// About the response.
        facts: Facts<'w>,
    },
    /// It asks, over TCP, for a zone as a whole; nothing was written.
    Transfer {
        /// The zone.
        zone: &'w Zone,
        /// Whether it asks for what has changed (IXFR).
        is_incremental: bool,
    },
}

/// About a response: for logs, counters and rate limits.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'w> {
    /// The zone that answered.
    pub zone: Option<&'w Zone>,
    /// The response's code, with the bits that EDNS adds.
    pub rcode: u16,
    /// The type that was asked for.
    pub qtype: RecordType,
    /// Length of the name that was asked for, which begins at byte 12 of the query; 0 if the
    /// query has no readable question.
    pub name_bytes: usize,
    /// What kind of response it is.
    pub category: Category,
    /// What the response is about, as a number: the name, or the wildcard that stood in for it; the
    /// zone of a denial; the cut of a referral. Equal for equal ones in all threads.
    pub subject: u64,
    /// Whether it tells the client to ask again over TCP.
    pub is_truncated: bool,
    /// What the client said of the viewer's network.
    pub client_subnet: Option<ClientSubnet>,
    /// The cookie that came with the query.
    pub cookie: Cookie,
}

/// What rate limits tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// There are answers.
    Answer,
    /// The name does not exist.
    NameError,
    /// The name has no such type, or is a referral's.
    NoData,
    /// Anything else: refused, malformed, not possible.
    Error,
}

/// A query's cookie (RFC 7873).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// There is none.
    None,
    /// The client's part alone, or with a server's part that is not of ours or has run out.
    Client,
    /// The server's part is ours: the source is not forged.
    Valid,
}

/// What a thread answers with. It holds what answers need beside the world, and nothing of a query
/// stays in it.
#[derive(Debug)]
pub struct Responder {
    dice: Dice,
    signatures: SignatureCache,
    name: Box<Hashed>,
    scratch: Box<Hashed>,
}

/// What the response has whatever the answer is.
struct Frame<'q, 'w> {
    /// Header and question of the query, or header alone.
    question: &'q [u8],
    flags: u16,
    reply: Option<Reply<'q>>,
    /// Bytes that may be written before the OPT record.
    limit: usize,
    facts: Facts<'w>,
}

impl Responder {
    /// A thread's responder. Its dice are thrown from `seed`, which nobody else knows.
    pub fn new(seed: u64) -> Responder {
        let mut dice = Dice::new(seed);
        let key = u128::from(dice.throw()) << 64 | u128::from(dice.throw());
        Responder {
            signatures: SignatureCache::new(SIGNATURES_MAX, key.to_ne_bytes()),
            dice,
            name: Box::default(),
            scratch: Box::default(),
        }
    }

    /// Writes the response to a query into `out`, which is as long as the transport allows.
    ///
    /// It takes no more of a datagram's room than the client said that it can take.
    #[inline]
    pub fn respond<'w>(
        &mut self,
        world: &'w World,
        query: &[u8],
        asker: &Asker,
        out: &mut [u8],
    ) -> Outcome<'w> {
        self.respond_telling(world, query, asker, out, &mut ())
    }

    /// The same, telling how it comes about.
    pub(crate) fn respond_telling<'w, N: Narrator>(
        &mut self,
        world: &'w World,
        message: &[u8],
        asker: &Asker,
        out: &mut [u8],
        narrator: &mut N,
    ) -> Outcome<'w> {
        let query = match read(message) {
            Ok(query) => query,
            Err(malformed) => return malformed_reply(world, message, malformed, asker, out),
        };
        let Some(mut frame) = Frame::new(world, message, &query, asker, out.len()) else {
            return Outcome::Silent;
        };
        let wrong = match &query.edns {
            Some(edns) if edns.version != 0 => Some(rcode::BADVERS),
            _ if frame.facts.rcode != rcode::NOERROR => Some(frame.facts.rcode),
            _ if query.qclass != CLASS_IN => Some(rcode::REFUSED),
            _ => None,
        };
        if let Some(wrong) = wrong {
            return frame.error(wrong, out);
        }
        self.name.set(&world.hasher, query.name);
        let source = asker.source.ip().to_canonical();
        let is_transfer = match query.qtype {
            RecordType::AXFR | RecordType::IXFR => true,
            // Secondaries are told of changes by a serial that nobody else sees.
            RecordType::SOA => query.has_tsig && asker.transport == Transport::Tcp,
            _ => false,
        };
        let zone = world.find(&self.name, 0, source);
        let zone = match zone {
            // DS records of a zone's apex are in the zone above it (RFC 4035 §3.1.4.1).
            Some(zone) if query.qtype == RecordType::DS && is_apex(zone, &self.name) => {
                world.find(&self.name, 1, source).or(Some(zone))
            }
            Some(zone) if is_transfer => {
                if asker.transport == Transport::Tcp && is_apex(zone, &self.name) {
                    return Outcome::Transfer {
                        zone,
                        is_incremental: query.qtype == RecordType::IXFR,
                    };
                }
                None
            }
            other => other,
        };
        if query.has_tsig {
            // Keys are for transfers; whether a secondary looks for news of the zone is for those
            // to say who make them.
            frame.facts.zone = zone;
            return frame.error(rcode::NOTAUTH, out);
        }
        let Some(zone) = zone else {
            return frame.error(rcode::REFUSED, out);
        };
        narrator.step(|| Step::Zone {
            id: zone.id().to_string(),
            name: zone.apex().to_string(),
            is_private: zone.is_private(),
        });
        frame.facts.zone = Some(zone);
        let wants_signatures = query.edns.is_some_and(|edns| edns.is_dnssec_ok);
        let mut walk = Walk {
            chooser: Chooser {
                world,
                zone,
                client: client(&query, source),
                now_ms: asker.now_ms,
                dice: &mut self.dice,
                scratch: &mut self.scratch,
                scope_bits: 0,
                evaluations: 0,
                narrator,
            },
            writer: Writer::new(out, frame.question, frame.limit),
            name: &mut self.name,
            name_at: HEADER_BYTES,
            qtype: query.qtype,
            keys: zone.keys().filter(|_| wants_signatures),
            signatures: &mut self.signatures,
        };
        let begin = walk.writer.mark();
        let end = walk.run();
        let scope_bits = walk.chooser.scope_bits;
        let mut writer = walk.writer;
        let end = end.unwrap_or_else(|stop| {
            writer.back_to(begin);
            frame.facts.is_truncated = matches!(stop, Stop::Full);
            stopped(stop, self.name.hash(0))
        });
        frame.finish(writer, end, scope_bits)
    }
}

/// What is said where there is no room, or no answer.
fn stopped(stop: Stop, subject: u64) -> End {
    let (rcode, category) = match stop {
        Stop::Full => (rcode::NOERROR, Category::Answer),
        Stop::Failure => (rcode::SERVFAIL, Category::Error),
    };
    End {
        rcode,
        category,
        is_authoritative: matches!(stop, Stop::Full),
        subject,
    }
}

#[inline]
fn is_apex(zone: &Zone, name: &Hashed) -> bool {
    name.labels() == zone.apex_labels
}

/// Whose place counts: the network that the client tells of, unless it wants none to count.
#[inline]
fn client(query: &Query<'_>, source: IpAddr) -> Client {
    let subnet = query.edns.and_then(|edns| edns.client_subnet);
    match subnet.and_then(|subnet| subnet.subnet) {
        Some(subnet) if subnet.prefix_bits > 0 => Client {
            address: subnet.address,
            prefix_bits: subnet.prefix_bits,
        },
        _ => Client::whole(source),
    }
}

impl<'q, 'w> Frame<'q, 'w> {
    /// None if there is no room for any response. A cookie that is none makes it a format error.
    #[inline]
    fn new(
        world: &'q World,
        message: &'q [u8],
        query: &Query<'q>,
        asker: &Asker,
        room_bytes: usize,
    ) -> Option<Frame<'q, 'w>> {
        let question = &message[..query.question_end()];
        let mut facts = Facts {
            zone: None,
            rcode: rcode::NOERROR,
            qtype: query.qtype,
            name_bytes: query.name.len(),
            category: Category::Error,
            subject: 0,
            is_truncated: false,
            client_subnet: None,
            cookie: Cookie::None,
        };
        let settings = world.settings();
        let reply = query.edns.map(|edns| {
            facts.client_subnet = edns.client_subnet.and_then(|subnet| subnet.subnet);
            reply(settings, &edns, asker, &mut facts)
        });
        let opt_bytes = reply.as_ref().map_or(0, Reply::bytes);
        let limit = match asker.transport {
            Transport::Tcp => room_bytes,
            Transport::Udp => room_bytes.min(datagram_bytes(settings, query.edns.as_ref())),
        };
        let limit = limit.checked_sub(opt_bytes)?;
        (limit >= question.len()).then_some(Frame {
            question,
            flags: RESPONSE | query.flags & RECURSION_DESIRED,
            reply,
            limit,
            facts,
        })
    }

    fn error(self, rcode: u16, out: &mut [u8]) -> Outcome<'w> {
        let end = End {
            rcode,
            category: Category::Error,
            is_authoritative: false,
            subject: 0,
        };
        let writer = Writer::new(out, self.question, self.limit);
        self.finish(writer, end, 0)
    }

    #[inline]
    fn finish(mut self, writer: Writer<'_>, end: End, scope_bits: u8) -> Outcome<'w> {
        let mut flags = self.flags | end.rcode & 0xf;
        if end.is_authoritative {
            flags |= AUTHORITATIVE;
        }
        if self.facts.is_truncated {
            flags |= TRUNCATED;
        }
        let opt_bytes = self.reply.as_ref().map_or(0, Reply::bytes);
        let has_question = self.question.len() > HEADER_BYTES;
        let bytes = writer.finish(flags, has_question, opt_bytes, |out| {
            if let Some(reply) = &self.reply {
                reply.write(end.rcode, scope_bits, out);
            }
        });
        self.facts.rcode = end.rcode;
        self.facts.category = end.category;
        self.facts.subject = end.subject;
        Outcome::Answer {
            bytes,
            facts: self.facts,
        }
    }
}

/// How much a client takes in a datagram.
fn datagram_bytes(settings: &Settings, edns: Option<&Edns<'_>>) -> usize {
    let ours = settings.udp_payload_bytes;
    let ours = ours.clamp(UDP_PAYLOAD_BYTES_MIN, UDP_PAYLOAD_BYTES_MAX);
    let theirs = edns.map_or(0, |edns| edns.udp_payload_bytes);
    usize::from(theirs.clamp(UDP_PAYLOAD_BYTES_MIN, ours))
}

/// The OPT record that answers one.
fn reply<'q>(
    settings: &'q Settings,
    edns: &Edns<'q>,
    asker: &Asker,
    facts: &mut Facts<'_>,
) -> Reply<'q> {
    let mut cookie = None;
    if let (Some(secret), Some(data)) = (settings.cookie_secrets.first(), edns.cookie) {
        let (source, now_secs) = (asker.source.ip().to_canonical(), asker.now_ms / 1000);
        let mut checks = settings.cookie_secrets.iter();
        let mut client_part = None;
        let is_proven = checks.any(|secret| match secret.check(data, source, now_secs) {
            CookieCheck::Malformed => false,
            CookieCheck::Unproven(part) => {
                client_part = Some(part);
                false
            }
            CookieCheck::Proven(part) => {
                client_part = Some(part);
                true
            }
        });
        match client_part {
            Some(part) => {
                facts.cookie = match is_proven {
                    true => Cookie::Valid,
                    false => Cookie::Client,
                };
                cookie = Some(secret.make(part, source, now_secs));
            }
            // RFC 7873 §5.2.2.
            None => facts.rcode = rcode::FORMERR,
        }
    }
    let server_id = settings.server_id.as_deref();
    Reply {
        udp_payload_bytes: settings.udp_payload_bytes,
        is_dnssec_ok: edns.is_dnssec_ok,
        server_id: server_id.filter(|_| edns.wants_server_id),
        cookie,
        client_subnet: edns.client_subnet,
    }
}

/// What is said to what is no query that we know.
fn malformed_reply<'w>(
    world: &World,
    message: &[u8],
    malformed: Malformed,
    asker: &Asker,
    out: &mut [u8],
) -> Outcome<'w> {
    let (question_end, has_edns, rcode) = match malformed {
        Malformed::Silent => return Outcome::Silent,
        Malformed::Kind { question_end } => (question_end, false, rcode::NOTIMP),
        Malformed::Format {
            question_end,
            has_edns,
        } => (question_end, has_edns, rcode::FORMERR),
    };
    let flags = u16::from_be_bytes([message[2], message[3]]);
    let reply = has_edns.then(|| Reply {
        udp_payload_bytes: world.settings().udp_payload_bytes,
        ..Reply::default()
    });
    let limit = match asker.transport {
        Transport::Tcp => out.len(),
        Transport::Udp => out.len().min(usize::from(UDP_PAYLOAD_BYTES_MIN)),
    };
    let limit = limit.saturating_sub(reply.as_ref().map_or(0, Reply::bytes));
    if limit < question_end {
        return Outcome::Silent;
    }
    let question = &message[..question_end];
    let name_bytes = question_end.saturating_sub(HEADER_BYTES + 4);
    let qtype = match name_bytes {
        0 => RecordType(0),
        _ => RecordType(u16::from_be_bytes([
            message[question_end - 4],
            message[question_end - 3],
        ])),
    };
    let frame = Frame {
        question,
        flags: RESPONSE | flags & (OPCODE | RECURSION_DESIRED),
        reply,
        limit,
        facts: Facts {
            zone: None,
            rcode,
            qtype,
            name_bytes,
            category: Category::Error,
            subject: 0,
            is_truncated: false,
            client_subnet: None,
            cookie: Cookie::None,
        },
    };
    frame.error(rcode, out)
}
