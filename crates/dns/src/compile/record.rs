//! From a record set's shape to what lies in a node.

use std::sync::Arc;

use records::{Name, RecordType, rdata};
use shapes::route53::{AliasTarget, ResourceRecord, ResourceRecordSet};

use crate::zone::node::pack;

/// A record set on its way into a node.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub name: Name,
    pub record_type: RecordType,
    pub modified: u64,
    pub form: Form,
}

/// How it lies there.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Simple(Values),
    /// As it was stored: it is compiled together with the others of its name and type.
    Routed {
        identifier: Option<Box<str>>,
        json: Arc<str>,
    },
}

/// Values that are answered together.
#[derive(Clone, Debug)]
pub(super) struct Values {
    pub ttl: u32,
    pub count: u16,
    /// Packed as in nodes.
    pub records: Box<[u8]>,
}

/// Reads a record set; in words, why it cannot be read.
pub(super) fn read(set: &ResourceRecordSet, modified: u64) -> Result<Record, String> {
    let name = Name::parse(&set.name).map_err(|error| format!("Name {:?}: {error}", set.name))?;
    let record_type = record_type(set)?;
    // What holds a zone together is looked for where everybody gets it, and nothing is chosen by
    // its health.
    let is_chosen_by_health = set.health_check_id.is_some()
        && !matches!(
            record_type,
            RecordType::NS | RecordType::SOA | RecordType::DS
        );
    let is_simple =
        set.set_identifier.is_none() && !is_chosen_by_health && set.resource_records.is_some();
    let form = if is_simple {
        Form::Simple(values(set)?)
    } else {
        if set.resource_records.is_some() {
            // What it says now it will say then.
            values(set)?;
        } else if let Some(alias) = &set.alias_target {
            target_name(alias)?;
        } else if set.traffic_policy_instance_id.is_none() {
            let message = "it has no ResourceRecords, AliasTarget or TrafficPolicyInstanceId";
            return Err(message.to_owned());
        }
        let json = serde_json::to_string(set).map_err(|error| error.to_string())?;
        Form::Routed {
            identifier: set.set_identifier.as_deref().map(Box::from),
            json: json.into(),
        }
    };
    Ok(Record {
        name,
        record_type,
        modified,
        form,
    })
}

pub(super) fn record_type(set: &ResourceRecordSet) -> Result<RecordType, String> {
    let text = set.r#type.as_str();
    text.parse()
        .map_err(|()| format!("Type {text:?} is unknown"))
}

/// The values of a record set.
pub(super) fn values(set: &ResourceRecordSet) -> Result<Values, String> {
    let record_type = record_type(set)?;
    let records = set.resource_records.as_deref().unwrap_or_default();
    let texts = records
        .iter()
        .map(|ResourceRecord { value }| value.as_str());
    of_texts(record_type, texts, set.ttl.unwrap_or(0))
}

/// Values out of their texts.
pub(super) fn of_texts<'t>(
    record_type: RecordType,
    texts: impl Iterator<Item = &'t str>,
    ttl: i64,
) -> Result<Values, String> {
    let mut rdatas: Vec<Vec<u8>> = Vec::new();
    for text in texts {
        let rdata = rdata::parse(record_type, text);
        let rdata = rdata.map_err(|error| format!("Value {text:?}: {error}"))?;
        // Names in the case that is signed, so that answers are what their signatures are of.
        let rdata = rdata::canonical(record_type, &rdata).into_owned();
        // Records of one name and type are all different (RFC 2181 §5).
        if !rdatas.contains(&rdata) {
            rdatas.push(rdata);
        }
    }
    let count = u16::try_from(rdatas.len()).map_err(|_| "it has too many values".to_owned())?;
    if count == 0 {
        return Err("ResourceRecords is empty".to_owned());
    }
    let ttl = u32::try_from(ttl)
        .ok()
        .filter(|ttl| *ttl <= i32::MAX as u32);
    Ok(Values {
        ttl: ttl.ok_or("TTL is none of 0 to 2147483647")?,
        count,
        records: pack(&rdatas).into(),
    })
}

/// Where an alias leads.
pub(super) fn target_name(alias: &AliasTarget) -> Result<Name, String> {
    let text = &alias.dns_name;
    Name::parse(text).map_err(|error| format!("AliasTarget.DNSName {text:?}: {error}"))
}
