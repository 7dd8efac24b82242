//! How an answer comes about, for those who ask. The answer is made as every answer is, with
//! somebody listening.

use std::net::{IpAddr, SocketAddr};

use records::{Name, RecordType, rdata};
use serde::Serialize;

pub use crate::answer::narrate::{Candidate, Location, Step};

use crate::answer::{Asker, Outcome, Responder, Transport};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::message::{ClientSubnet, inside, rcode};
use crate::world::World;

/// A question whose answer is to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name.
    pub name: Name,
    /// The type.
    pub record_type: RecordType,
    /// The resolver that asks.
    pub source: IpAddr,
    /// What it says of the viewer's network.
    pub client_subnet: Option<ClientSubnet>,
}

/// How an answer comes about.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Explanation {
    /// The id of the zone that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// `NOERROR`, `NXDOMAIN`, …
    pub rcode: String,
    /// The records of the answer.
    pub answers: Vec<Answer>,
    /// How many leading bits of the viewer's network the answer depends on, if that was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope_bits: Option<u8>,
}

/// A record of an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Its owner.
    pub name: String,
    /// Its type.
    pub record_type: String,
    /// How long it holds, in seconds.
    pub ttl: u32,
    /// Its data as text.
    pub value: String,
}

/// Answers a question as if it came, and tells how. `seed` is for what is left to chance.
pub fn explain(world: &World, question: &Question, now_ms: u64, seed: u64) -> Explanation {
    let query = inside::query(&question.name, question.record_type, question.client_subnet);
    let asker = Asker {
        source: SocketAddr::new(question.source, 0),
        transport: Transport::Tcp,
        now_ms,
    };
    let mut steps = Vec::new();
    let mut out = vec![0; MESSAGE_BYTES_MAX];
    let mut responder = Responder::new(seed);
    let outcome = responder.respond_telling(world, &query, &asker, &mut out, &mut steps);
    let Outcome::Answer { bytes, facts } = outcome else {
        return Explanation::default();
    };
    let response = &out[..bytes];
    let records = inside::records(response).into_iter();
    let answers = records
        .filter(|record| record.is_answer)
        .map(|record| Answer {
            name: record.name.to_string(),
            record_type: record.record_type.to_string(),
            ttl: record.ttl,
            value: rdata::print(record.record_type, record.rdata),
        });
    Explanation {
        zone: facts.zone.map(|zone| zone.id().to_string()),
        steps,
        rcode: rcode::name(facts.rcode).to_owned(),
        answers: answers.collect(),
        scope_bits: inside::scope_bits(response),
    }
}
