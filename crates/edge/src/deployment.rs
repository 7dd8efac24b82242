//! Continuous deployment: a share of a distribution's viewers is served by its staging
//! distribution (spec §1.8).
//!
//! The choice is made before the pipeline, for the site: everything behind it, the cache included,
//! is the staging distribution's own. With stickiness, a cookie keeps a viewer on the side that it
//! was given to; it is the edge's alone, so it is in no cache key and reaches no origin.

use message::{Known, RequestHead};
use shapes::cloudfront as cf;

/// The cookie that keeps viewers on their side. CloudFront does not tell the name of its own.
pub(crate) const COOKIE: &str = "warmfront-deployment";

/// A continuous deployment policy that is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The staging distribution's own name, in lower case.
    pub staging_domain: String,
    /// Who goes there.
    pub traffic: Traffic,
    /// Differs between versions of the policy: a change of it begins all sessions anew.
    version: u32,
}

/// Who goes to the staging distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Requests with this field.
    Header {
        /// In lower case.
        name: String,
        /// The whole value.
        value: String,
    },
    /// A share of all requests.
    Weight {
        /// Of 2³² requests, so many.
        share: u32,
        /// How long a viewer stays on a side.
        stickiness: Option<Stickiness>,
    },
}

/// How long a session lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stickiness {
    /// Without a request.
    pub idle_secs: u64,
    /// At all.
    pub max_secs: u64,
}

/// What is chosen for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub is_staging: bool,
    /// For the viewer, where it is to stay.
    pub set_cookie: Option<String>,
}

impl Deployment {
    /// Out of a policy; nothing if it is off or sends nobody anywhere.
    pub fn new(config: &cf::ContinuousDeploymentPolicyConfig) -> Option<Deployment> {
        let staging_domain = config.staging_distribution_dns_names.items().first()?;
        let traffic = config.traffic_config.as_ref().filter(|_| config.enabled)?;
        let traffic = match (&traffic.single_weight_config, &traffic.single_header_config) {
            (Some(weight), _) => Traffic::Weight {
                share: (weight.weight.clamp(0.0, 1.0) * f64::from(u32::MAX)) as u32,
                stickiness: weight
                    .session_stickiness_config
                    .as_ref()
                    .map(|s| Stickiness {
                        idle_secs: u64::try_from(s.idle_ttl).unwrap_or(0),
                        max_secs: u64::try_from(s.maximum_ttl).unwrap_or(0),
                    }),
            },
            (None, Some(header)) => Traffic::Header {
                name: header.header.to_ascii_lowercase(),
                value: header.value.clone(),
            },
            (None, None) => return None,
        };
        let staging_domain = staging_domain.to_ascii_lowercase();
        // FNV-1a: it need only differ.
        let version = format!("{staging_domain} {traffic:?}")
            .bytes()
            .fold(0x811c_9dc5, |hash: u32, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
        Some(Deployment {
            staging_domain,
            traffic,
            version,
        })
    }

    /// Chooses for a request. `dice` is any number of 32 random bits.
    pub(crate) fn choose(&self, request: &RequestHead, dice: u32, now_secs: u64) -> Choice {
        let (share, stickiness) = match &self.traffic {
            Traffic::Header { name, value } => {
                return Choice {
                    is_staging: request.get(name) == Some(value.as_bytes()),
                    set_cookie: None,
                };
            }
            Traffic::Weight { share, stickiness } => (*share, stickiness),
        };
        let Some(stickiness) = stickiness else {
            return Choice {
                is_staging: dice < share,
                set_cookie: None,
            };
        };
        let session = self
            .session(request)
            .filter(|session| session.lasts(stickiness, now_secs));
        let session = session.unwrap_or(Session {
            is_staging: dice < share,
            began_secs: now_secs,
            seen_secs: now_secs,
        });
        let side = if session.is_staging { "s" } else { "p" };
        let ends_secs = session.began_secs + stickiness.max_secs;
        let age_secs = stickiness.idle_secs.min(ends_secs.saturating_sub(now_secs));
        Choice {
            is_staging: session.is_staging,
            set_cookie: Some(format!(
                "{COOKIE}={side}.{}.{now_secs}.{:08x}; Path=/; Max-Age={age_secs}; HttpOnly",
                session.began_secs, self.version
            )),
        }
    }

    /// The viewer's session, if it brings one of this version of the policy.
    fn session(&self, request: &RequestHead) -> Option<Session> {
        let mut pairs = request
            .known_all(Known::Cookie)
            .flat_map(|field| field.split(|byte| *byte == b';'))
            .map(<[u8]>::trim_ascii);
        let value = pairs.find_map(|pair| pair.strip_prefix(COOKIE.as_bytes())?.strip_prefix(b"="));
        let mut parts = std::str::from_utf8(value?).ok()?.split('.');
        let is_staging = match parts.next()? {
            "s" => true,
            "p" => false,
            _ => return None,
        };
        let began_secs = parts.next()?.parse().ok()?;
        let seen_secs = parts.next()?.parse().ok()?;
        let version = u32::from_str_radix(parts.next()?, 16).ok()?;
        (version == self.version).then_some(Session {
            is_staging,
            began_secs,
            seen_secs,
        })
    }
}

/// What the cookie says.
struct Session {
    is_staging: bool,
    began_secs: u64,
    seen_secs: u64,
}

impl Session {
    fn lasts(&self, stickiness: &Stickiness, now_secs: u64) -> bool {
        let age_secs = now_secs.checked_sub(self.began_secs);
        let idle_secs = now_secs.checked_sub(self.seen_secs);
        age_secs.is_some_and(|age| age < stickiness.max_secs)
            && idle_secs.is_some_and(|idle| idle < stickiness.idle_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::Version;
    use serde_json::json;

    fn deployment(traffic: serde_json::Value) -> Deployment {
        let config = json!({
            "StagingDistributionDnsNames": { "Quantity": 1, "Items": ["D2.cdn.localhost"] },
            "Enabled": true, "TrafficConfig": traffic,
        });
        Deployment::new(&shapes::from_value(&config).unwrap()).unwrap()
    }

    fn sticky(weight: f64) -> Deployment {
        deployment(json!({ "Type": "SingleWeight", "SingleWeightConfig": {
            "Weight": weight,
            "SessionStickinessConfig": { "IdleTTL": 300, "MaximumTTL": 600 } } }))
    }

    fn request(fields: &[(&str, &str)]) -> RequestHead {
        let mut request = RequestHead::default();
        request.start(b"GET", b"/", Version::Http11);
        for (name, value) in fields {
            request.push(name.as_bytes(), value.as_bytes());
        }
        request
    }

    #[test]
    fn a_header_sends_those_who_have_it_to_staging() {
        let deployment = deployment(json!({ "Type": "SingleHeader", "SingleHeaderConfig": {
            "Header": "AWS-CF-CD-Test", "Value": "yes" } }));
        let is_staging = |value| {
            deployment
                .choose(&request(&[("aws-cf-cd-test", value)]), 0, 0)
                .is_staging
        };
        assert!(is_staging("yes") && !is_staging("no"));
        assert!(!deployment.choose(&request(&[]), 0, 0).is_staging);
        assert_eq!(deployment.staging_domain, "d2.cdn.localhost");
    }

    #[test]
    fn a_weight_sends_its_share() {
        let deployment = deployment(json!({ "Type": "SingleWeight",
            "SingleWeightConfig": { "Weight": 0.1 } }));
        let chosen = (0..1_000u32).filter(|i| {
            let dice = i.wrapping_mul(u32::MAX / 1_000);
            deployment.choose(&request(&[]), dice, 0).is_staging
        });
        assert!((99..=101).contains(&chosen.count()));
    }

    #[test]
    fn a_viewer_stays_on_its_side_until_the_session_ends() {
        let deployment = sticky(0.1);
        let first = deployment.choose(&request(&[]), 0, 1_000);
        assert!(first.is_staging);
        let cookie = first.set_cookie.unwrap();
        let pair = cookie.split(';').next().unwrap().to_owned();
        let choose = |deployment: &Deployment, pair: &str, now| {
            let cookies = format!("a=b; {pair}");
            deployment.choose(&request(&[("cookie", &cookies)]), u32::MAX, now)
        };
        let second = choose(&deployment, &pair, 1_200);
        assert!(second.is_staging, "although the dice say otherwise");
        let pair = second.set_cookie.unwrap();
        let pair = pair.split(';').next().unwrap();
        assert!(choose(&deployment, pair, 1_499).is_staging);
        assert!(
            !choose(&deployment, pair, 1_500).is_staging,
            "idle for 300 s"
        );
        let third = choose(&deployment, pair, 1_480).set_cookie.unwrap();
        assert!(
            third.contains("Max-Age=120;"),
            "not beyond the maximum: {third}"
        );
        let third = third.split(';').next().unwrap();
        assert!(
            !choose(&deployment, third, 1_600).is_staging,
            "600 s in all"
        );
        assert!(
            !choose(&sticky(0.05), pair, 1_300).is_staging,
            "another policy now"
        );
    }

    #[test]
    fn a_cookie_that_is_not_ours_begins_a_session() {
        for value in ["", "s", "x.1.1.0", "s.1.1", "s.1.1.zz", "s.9999.9999.0"] {
            let pair = format!("{COOKIE}={value}");
            let choice = sticky(0.1).choose(&request(&[("cookie", &pair)]), u32::MAX, 10);
            assert!(!choice.is_staging, "{value}");
        }
    }
}
