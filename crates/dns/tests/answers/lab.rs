//! A world out of JSON, and questions to it.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use dns::{Asker, Builder, Category, Outcome, Refusal, Responder, Settings, Transport, World};
use documents::route53::{
    HEALTH_CHECK, HealthCheck, Opinion, Zone, opinion as opinion_key, resource,
};
use documents::{Resource, encode};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::Record;
use records::{Name, RecordType};
use serde_json::{Value, json};
use shapes::route53::{ResourceRecordSet, VPC};

pub const NOW_MS: u64 = 1_790_000_000_000;

/// A world and one thread that answers out of it.
pub struct Lab {
    pub world: World,
    pub responder: Responder,
    pub refusals: Vec<Refusal>,
}

/// A query as a client writes it.
#[derive(Clone, Debug)]
pub struct Ask {
    pub name: Vec<u8>,
    pub record_type: RecordType,
    pub class: u16,
    pub flags: u16,
    pub source: IpAddr,
    pub transport: Transport,
    pub edns: Option<Edns>,
    /// Of the caller's buffer.
    pub room: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Edns {
    pub payload: u16,
    pub version: u8,
    pub is_dnssec_ok: bool,
    pub options: Vec<(u16, Vec<u8>)>,
}

/// What came back.
pub struct Reply {
    pub message: Message,
    pub bytes: Vec<u8>,
    pub category: Category,
    pub subject: u64,
    pub zone: Option<String>,
    pub is_truncated: bool,
}

impl Lab {
    /// One checker thinks so of an endpoint.
    pub fn set_health(&self, check: &str, is_healthy: bool) {
        let config = json!({"Type": "TCP", "IPAddress": "192.0.2.1", "Port": 1});
        let config = Resource {
            id: check.to_owned(),
            etag: String::new(),
            version: 1,
            created_ms: 0,
            modified_ms: 0,
            domain: None,
            config: HealthCheck {
                caller_reference: String::new(),
                config: shapes::from_value(&config).unwrap(),
            },
        };
        let opinion = Opinion {
            region: "eu-west-1".to_owned(),
            address: "192.0.2.2".to_owned(),
            is_healthy,
            status: "it says so".to_owned(),
            checked_ms: 0,
            last_failure: None,
        };
        let documents = [
            (resource(HEALTH_CHECK, check), config.encode()),
            (opinion_key(check, "n1"), encode(&opinion)),
        ];
        let mut board = self.world.health().lock();
        for (key, document) in documents {
            board.apply(&key, Some(&document), 0).unwrap();
        }
    }

    /// A public zone `example.com` of the id `Z1` with these records besides its SOA and NS.
    pub fn new(records: Value) -> Lab {
        let mut lab = Lab::empty();
        lab.build(|builder| {
            builder.put_zone(&zone("Z1", "example.com", 1, &[]));
            for set in apex("example.com").into_iter().chain(sets(records)) {
                builder.put_record("Z1", &set, 7);
            }
        });
        assert_eq!(lab.refusals, []);
        lab
    }

    pub fn empty() -> Lab {
        Lab {
            world: World::empty(3, Settings::default()),
            responder: Responder::new(5),
            refusals: Vec::new(),
        }
    }

    pub fn build(&mut self, change: impl FnOnce(&mut Builder)) {
        let mut builder = Builder::new(&self.world);
        change(&mut builder);
        (self.world, self.refusals) = builder.finish();
    }

    /// Asks by UDP, `www.example.com A`.
    pub fn ask(&mut self, question: &str) -> Reply {
        self.send(&ask(question))
    }

    pub fn send(&mut self, ask: &Ask) -> Reply {
        self.try_send(&ask.bytes(), ask)
            .expect("there is an answer")
    }

    pub fn try_send(&mut self, query: &[u8], ask: &Ask) -> Option<Reply> {
        let asker = Asker {
            source: SocketAddr::new(ask.source, 5353),
            transport: ask.transport,
            now_ms: NOW_MS,
        };
        let mut out = vec![0xee; ask.room];
        match self.responder.respond(&self.world, query, &asker, &mut out) {
            Outcome::Silent => None,
            Outcome::Transfer { .. } => panic!("it is no answer, but a transfer"),
            Outcome::Answer { bytes, facts } => Some(Reply {
                message: Message::from_vec(&out[..bytes]).expect("others can read it"),
                bytes: out[..bytes].to_vec(),
                category: facts.category,
                subject: facts.subject,
                zone: facts.zone.map(|zone| zone.id().to_string()),
                is_truncated: facts.is_truncated,
            }),
        }
    }
}

pub fn ask(question: &str) -> Ask {
    let (name, record_type) = question.split_once(' ').unwrap();
    Ask {
        name: Name::parse(name).unwrap().wire().to_vec(),
        record_type: record_type.parse().unwrap(),
        class: 1,
        flags: 0,
        source: "192.0.2.99".parse().unwrap(),
        transport: Transport::Udp,
        edns: None,
        room: 4096,
    }
}

impl Ask {
    pub fn from(mut self, source: &str) -> Ask {
        self.source = source.parse().unwrap();
        self
    }

    pub fn edns(mut self, payload: u16) -> Ask {
        self.edns.get_or_insert_default().payload = payload;
        self
    }

    pub fn dnssec(mut self) -> Ask {
        let edns = self.edns.get_or_insert_default();
        edns.is_dnssec_ok = true;
        edns.payload = 1232;
        self
    }

    pub fn option(mut self, code: u16, data: &[u8]) -> Ask {
        let edns = self.edns.get_or_insert_default();
        edns.options.push((code, data.to_vec()));
        self
    }

    /// With a client subnet: `198.51.100.0/24`.
    pub fn subnet(self, network: &str) -> Ask {
        let (address, bits) = network.split_once('/').unwrap();
        let bits: u8 = bits.parse().unwrap();
        let (family, octets) = match address.parse().unwrap() {
            IpAddr::V4(v4) => (1, v4.octets().to_vec()),
            IpAddr::V6(v6) => (2, v6.octets().to_vec()),
        };
        let octets = &octets[..usize::from(bits).div_ceil(8)];
        self.option(8, &[&[0, family, bits, 0], octets].concat())
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut query = vec![0x12, 0x34];
        let additional = u16::from(self.edns.is_some());
        for word in [self.flags, 1, 0, 0, additional] {
            query.extend(word.to_be_bytes());
        }
        query.extend(&self.name);
        query.extend(self.record_type.0.to_be_bytes());
        query.extend(self.class.to_be_bytes());
        if let Some(edns) = &self.edns {
            let mut options = Vec::new();
            for (code, data) in &edns.options {
                options.extend(code.to_be_bytes());
                options.extend((data.len() as u16).to_be_bytes());
                options.extend(data);
            }
            query.extend([0, 0, 41]);
            query.extend(edns.payload.to_be_bytes());
            query.extend([0, edns.version, u8::from(edns.is_dnssec_ok) << 7, 0]);
            query.extend((options.len() as u16).to_be_bytes());
            query.extend(options);
        }
        query
    }
}

impl Reply {
    pub fn code(&self) -> ResponseCode {
        self.message.metadata.response_code
    }

    /// `www.example.com. 300 IN A 192.0.2.1`, in alphabetical order.
    pub fn answers(&self) -> Vec<String> {
        texts(&self.message.answers)
    }

    /// The data of the answers, in alphabetical order.
    pub fn data(&self) -> Vec<String> {
        let data = self
            .message
            .answers
            .iter()
            .map(|record| record.data.to_string());
        let mut data: Vec<String> = data.collect();
        data.sort();
        data
    }

    pub fn authorities(&self) -> Vec<String> {
        texts(&self.message.authorities)
    }

    pub fn additionals(&self) -> Vec<String> {
        texts(&self.message.additionals)
    }

    pub fn is_authoritative(&self) -> bool {
        self.message.metadata.authoritative
    }

    /// The scope of the client subnet that came back.
    pub fn scope(&self) -> Option<u8> {
        dns::message::inside::scope_bits(&self.bytes)
    }
}

fn texts(records: &[Record]) -> Vec<String> {
    let mut texts: Vec<String> = records.iter().map(ToString::to_string).collect();
    texts.sort();
    texts
}

/// A hosted zone; with VPCs, a private one.
pub fn zone(id: &str, name: &str, created_ms: u64, vpcs: &[&str]) -> Resource<Zone> {
    let vpc = |id: &&str| VPC {
        vpc_region: None,
        vpc_id: Some((*id).to_owned()),
    };
    Resource {
        id: id.to_owned(),
        etag: String::new(),
        version: 1,
        created_ms,
        modified_ms: created_ms,
        domain: None,
        config: Zone {
            name: Name::from_str_dotted(name),
            caller_reference: "test".to_owned(),
            comment: None,
            is_private: !vpcs.is_empty(),
            vpcs: vpcs.iter().map(vpc).collect(),
            delegation_set: None,
            name_servers: Vec::new(),
            is_signing: false,
            accelerated_recovery: None,
        },
    }
}

trait Dotted {
    fn from_str_dotted(name: &str) -> String;
}

impl Dotted for Name {
    fn from_str_dotted(name: &str) -> String {
        Name::parse(name).unwrap().to_string()
    }
}

/// The SOA and NS records of a zone.
pub fn apex(name: &str) -> Vec<ResourceRecordSet> {
    sets(json!([
        values(
            name,
            "SOA",
            900,
            &["ns1.dns.test. hostmaster.dns.test. 1 7200 900 1209600 300"]
        ),
        values(name, "NS", 172_800, &["ns1.dns.test.", "ns2.dns.test."]),
    ]))
}

pub fn sets(records: Value) -> Vec<ResourceRecordSet> {
    let records = match records {
        Value::Array(records) => records,
        one => vec![one],
    };
    records
        .into_iter()
        .map(|set| serde_json::from_value(set).unwrap())
        .collect()
}

/// A simple record set.
pub fn values(name: &str, record_type: &str, ttl: u32, values: &[&str]) -> Value {
    let values: Vec<Value> = values.iter().map(|value| json!({"Value": value})).collect();
    json!({"Name": name, "Type": record_type, "TTL": ttl, "ResourceRecords": values})
}

/// A record set that leads to another of the zone `Z1`.
pub fn alias(name: &str, record_type: &str, target: &str, is_evaluated: bool) -> Value {
    alias_of("Z1", name, record_type, target, is_evaluated)
}

pub fn alias_of(
    zone: &str,
    name: &str,
    record_type: &str,
    target: &str,
    is_evaluated: bool,
) -> Value {
    json!({
        "Name": name,
        "Type": record_type,
        "AliasTarget": {
            "HostedZoneId": zone,
            "DNSName": target,
            "EvaluateTargetHealth": is_evaluated,
        },
    })
}

/// A record set with more members: `SetIdentifier`, a policy, `HealthCheckId`.
pub fn with(mut set: Value, more: Value) -> Value {
    let Value::Object(more) = more else {
        panic!("it is no object");
    };
    set.as_object_mut().unwrap().extend(more);
    set
}

pub fn rcode(code: &str) -> ResponseCode {
    match code {
        "NOERROR" => ResponseCode::NoError,
        "NXDOMAIN" => ResponseCode::NXDomain,
        "SERVFAIL" => ResponseCode::ServFail,
        "REFUSED" => ResponseCode::Refused,
        "FORMERR" => ResponseCode::FormErr,
        "NOTIMP" => ResponseCode::NotImp,
        other => panic!("{other}"),
    }
}

pub fn record_type(text: &str) -> RecordType {
    RecordType::from_str(text).unwrap()
}
