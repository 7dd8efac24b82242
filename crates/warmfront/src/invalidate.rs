//! `warmfront invalidate HOST PATH…`: what viewers of a host are served of these paths from now on
//! is fetched anew.

use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};
use thiserror::Error;

use crate::arguments::{InvalidateArguments, Output};
use crate::client::{self, Client, ClientError, Variable};
use crate::limits;
use crate::table::{self, text};

/// Why nothing is invalidated, or not known to be.
#[derive(Debug, Error)]
pub enum InvalidateError {
    /// The server could not be asked, or says no.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Nobody serves the host.
    #[error("no distribution serves {0:?}; `warmfront ls` tells the hosts that are served")]
    NoHost(String),
    /// Some edge has not applied it in time.
    #[error(
        "invalidation {id} is not completed after {} seconds; `warmfront ls` tells what nodes have \
         applied",
        limits::INVALIDATION_WAIT.as_secs()
    )]
    Waited {
        /// The invalidation, which stands.
        id: String,
    },
}

/// Invalidates.
pub fn invalidate(
    arguments: &InvalidateArguments,
    output: Output,
    variable: Variable<'_>,
) -> Result<ExitCode, InvalidateError> {
    let client = Client::new(&arguments.connection, variable)?;
    let asking = client::run(async { Ok(asked(&client, arguments).await) })?;
    let (owner, made) = asking?;
    let invalidation = &made["Invalidation"];
    crate::print(&match output {
        Output::Json => table::json(&made),
        Output::Text => table::pairs(&[
            ("Invalidation", text(&invalidation["Id"])),
            (owner.noun, owner.id),
            ("Status", text(&invalidation["Status"])),
        ]),
    });
    Ok(ExitCode::SUCCESS)
}

async fn asked(
    client: &Client,
    arguments: &InvalidateArguments,
) -> Result<(Owner, Value), InvalidateError> {
    let owner = owner(client, &arguments.host).await?;
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let batch = json!({
        "Paths": client::quantified(&arguments.paths),
        "CallerReference": format!("warmfront-{}-{}", now.as_nanos(), std::process::id()),
    });
    let input = json!({ owner.member: owner.id, "InvalidationBatch": batch });
    let made = client.cloudfront(owner.create, &input).await?;
    if !arguments.wait {
        return Ok((owner, made));
    }
    let since = Instant::now();
    let id = text(&made["Invalidation"]["Id"]);
    let input = json!({ owner.member_to_get: owner.id, "Id": id });
    loop {
        let now = client.cloudfront(owner.get, &input).await?;
        if now["Invalidation"]["Status"] == "Completed" {
            return Ok((owner, now));
        }
        if since.elapsed() > limits::INVALIDATION_WAIT {
            return Err(InvalidateError::Waited { id });
        }
        client::pause().await;
    }
}

/// What serves a host: a distribution, or a tenant of one.
struct Owner {
    noun: &'static str,
    id: String,
    create: &'static str,
    member: &'static str,
    get: &'static str,
    member_to_get: &'static str,
}

impl Owner {
    fn distribution(id: String) -> Owner {
        Owner {
            noun: "Distribution",
            id,
            create: "CreateInvalidation",
            member: "DistributionId",
            get: "GetInvalidation",
            member_to_get: "DistributionId",
        }
    }

    fn tenant(id: String) -> Owner {
        Owner {
            noun: "Tenant",
            id,
            create: "CreateInvalidationForDistributionTenant",
            member: "Id",
            get: "GetInvalidationForDistributionTenant",
            member_to_get: "DistributionTenantId",
        }
    }
}

async fn owner(client: &Client, host: &str) -> Result<Owner, InvalidateError> {
    let host = host.to_ascii_lowercase();
    let mut best: Option<(usize, String)> = None;
    let mut marker = Value::Null;
    loop {
        let input = match &marker {
            Value::String(marker) => json!({ "Marker": marker }),
            _ => json!({}),
        };
        let page = client.cloudfront("ListDistributions", &input).await?;
        let list = &page["DistributionList"];
        for site in list["Items"].as_array().into_iter().flatten() {
            let fit = fit(site, &host);
            if fit > best.as_ref().map_or(0, |(fit, _)| *fit) {
                best = Some((fit, text(&site["Id"])));
            }
        }
        marker = list["NextMarker"].clone();
        if !marker.is_string() {
            break;
        }
    }
    if let Some((_, id)) = best {
        return Ok(Owner::distribution(id));
    }
    let input = json!({ "Domain": host });
    let tenant = client.cloudfront("GetDistributionTenantByDomain", &input);
    match tenant.await {
        Ok(found) => Ok(Owner::tenant(text(&found["DistributionTenant"]["Id"]))),
        Err(ClientError::Refused { code, .. }) if code != "ServiceUnavailable" => {
            Err(InvalidateError::NoHost(host))
        }
        Err(error) => Err(error.into()),
    }
}

/// How well a distribution fits a host: not at all (0), by a wildcard of so many bytes, or by the
/// whole name or the distribution's id, which is best.
fn fit(site: &Value, host: &str) -> usize {
    let is = |value: &Value| {
        let text = value.as_str();
        text.is_some_and(|text| text.eq_ignore_ascii_case(host))
    };
    if is(&site["Id"]) || is(&site["DomainName"]) {
        return usize::MAX;
    }
    let aliases = site["Aliases"]["Items"].as_array();
    let fits = aliases.into_iter().flatten().map(|alias| {
        if is(alias) {
            return usize::MAX;
        }
        let wildcard = alias.as_str().and_then(|alias| alias.strip_prefix('*'));
        let wildcard = wildcard.map(str::to_ascii_lowercase);
        match wildcard {
            // `*.example.com` is for names below it, of any depth.
            Some(rest) if host.len() > rest.len() && host.ends_with(&rest) => rest.len(),
            _ => 0,
        }
    });
    fits.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_name_fits_better_than_the_longest_wildcard() {
        let site = |aliases: &[&str]| {
            json!({
                "Id": "E1ABC",
                "DomainName": "d1.cdn.localhost",
                "Aliases": { "Quantity": aliases.len(), "Items": aliases },
            })
        };
        let host = "a.b.example.com";
        let fits = [
            fit(&site(&["A.b.Example.com"]), host),
            fit(&site(&["*.b.example.com"]), host),
            fit(&site(&["*.example.com", "x.example.com"]), host),
            fit(&site(&["b.example.com"]), host),
        ];
        assert!(fits.is_sorted_by(|a, b| a > b), "{fits:?}");
        assert_eq!(fits[3], 0);
        assert_eq!(fit(&site(&[]), "d1.cdn.localhost"), usize::MAX);
        assert_eq!(fit(&site(&[]), "e1abc"), usize::MAX);
        assert_eq!(fit(&site(&["*.example.com"]), "example.com"), 0);
    }
}
