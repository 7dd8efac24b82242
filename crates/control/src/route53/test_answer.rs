//! `TestDNSAnswer` (spec §18): what name servers would answer, without a query.
//!
//! The question is checked here; the node that this API runs on answers it, as it answers queries.

use std::net::IpAddr;

use records::{Name, RecordType};
use shapes::route53::{self as r53, error};

use super::inputs::invalid_input;
use super::zone;
use crate::call::{Answer, Call, Reply};
use crate::error::{ApiError, Failure};
use crate::service::{Entry, served};
use crate::{TestAnswer, TestQuestion};

pub(super) const OPERATIONS: &[Entry] = &[served("TestDNSAnswer", |call| Box::pin(test(call)))];

async fn test(call: &Call<'_>) -> Answer {
    let input: r53::TestDNSAnswerRequest = call.input()?;
    let zone = zone::load(call, &input.hosted_zone_id).await?.resource;
    if zone.config.is_private {
        let message = format!(
            "The hosted zone {} is private; public ones are tested.",
            zone.id
        );
        return Err(invalid_input(message));
    }
    let apex = zone::apex(&zone)?;
    let name = Name::parse(&input.record_name).map_err(|error| {
        invalid_input(format!("RecordName is '{}': {error}.", input.record_name))
    })?;
    if !name.is_within(&apex) {
        let message = format!("RecordName is '{name}', which is not within the zone {apex}");
        return Err(Failure::api(&error::INVALID_INPUT, message));
    }
    let unknown = || invalid_input(format!("RecordType is '{}'.", input.record_type));
    let record_type: RecordType = input.record_type.as_str().parse().map_err(|()| unknown())?;
    let question = TestQuestion {
        zone: zone.id.clone(),
        name: name.clone(),
        record_type,
        resolver: address("ResolverIP", input.resolver_ip.as_deref())?,
        client_subnet: client_subnet(
            input.edns0_client_subnet_ip.as_deref(),
            input.edns0_client_subnet_mask.as_deref(),
        )?,
    };
    let TestAnswer {
        response_code,
        values,
    } = call.control.node.test_answer(&question).ok_or_else(|| {
        let message = "The node of this API is no name server; ask one that has the roles \
                       'control' and 'dns', or one with 'dns' by `warmfront dns explain`.";
        ApiError::common("ServiceUnavailable", 503, message)
    })?;
    let nameserver = zone.config.name_servers.into_iter().next();
    Ok(Reply::of(&r53::TestDNSAnswerResponse {
        nameserver: nameserver.unwrap_or_default(),
        record_name: name.to_string(),
        record_type: input.record_type,
        record_data: values,
        response_code,
        protocol: "UDP".to_owned(),
    }))
}

fn address(member: &str, given: Option<&str>) -> Result<Option<IpAddr>, Failure> {
    let Some(text) = given.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let address = text.parse().map_err(|_| {
        invalid_input(format!(
            "{member} is '{text}'; allowed is an IPv4 or IPv6 address."
        ))
    })?;
    Ok(Some(address))
}

/// An address and a mask of 24 or 64 bits, if none is given.
fn client_subnet(
    address_text: Option<&str>,
    mask: Option<&str>,
) -> Result<Option<(IpAddr, u8)>, Failure> {
    let address = address("EDNS0ClientSubnetIP", address_text)?;
    let mask = mask.filter(|text| !text.is_empty());
    let Some(address) = address else {
        return match mask {
            None => Ok(None),
            Some(_) => Err(invalid_input(
                "EDNS0ClientSubnetMask is given without EDNS0ClientSubnetIP, which it is of.",
            )),
        };
    };
    let (most, usual) = match address {
        IpAddr::V4(_) => (32, 24),
        IpAddr::V6(_) => (128, 64),
    };
    let bits = match mask {
        None => usual,
        Some(text) => match text.parse::<u8>() {
            Ok(bits) if bits <= most => bits,
            _ => {
                return Err(invalid_input(format!(
                    "EDNS0ClientSubnetMask is '{text}'; allowed is 0 to {most}."
                )));
            }
        },
    };
    Ok(Some((address, bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_subnet_has_the_usual_mask_if_none_is_given() {
        let subnet = |address, mask| client_subnet(address, mask).ok().flatten();
        let v4 = Some("192.0.2.1");
        assert_eq!(subnet(v4, None).map(|(_, bits)| bits), Some(24));
        assert_eq!(
            subnet(Some("2001:db8::1"), None).map(|(_, bits)| bits),
            Some(64)
        );
        assert_eq!(subnet(v4, Some("32")).map(|(_, bits)| bits), Some(32));
        assert!(client_subnet(v4, Some("33")).is_err());
        assert!(client_subnet(None, Some("24")).is_err());
        assert!(client_subnet(Some("x"), None).is_err());
        assert_eq!(client_subnet(None, None).unwrap(), None);
    }
}
