use std::fmt;

use message::format_http_date;

/// What decided for how long a response is fresh. Its text is for people who ask why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where the lifetime came from.
    pub source: Source,
    /// Which bound changed it.
    pub bound: Bound,
    /// The `Age` that the origin sent, which counts against what it gave.
    pub origin_age_secs: u64,
}

/// Where a lifetime came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `s-maxage` of the origin.
    SharedMaxAge(u64),
    /// `max-age` of the origin.
    MaxAge(u64),
    /// `Expires` of the origin: that time, in seconds since 1970.
    Expires(u64),
    /// `Expires` of the origin, which is no date and therefore in the past.
    ExpiresInvalid,
    /// The policy's DefaultTTL: the origin gave no lifetime.
    DefaultTtl(u64),
    /// The policy's MinTTL, although the origin asked not to store the response.
    MinTtlDespite(Reason),
    /// The distribution's ErrorCachingMinTTL for the status.
    ErrorMinTtl(u64),
}

/// Which bound changed a lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// None.
    None,
    /// It was below the policy's MinTTL.
    RaisedToMinTtl(u64),
    /// It was above the policy's MaxTTL.
    LoweredToMaxTtl(u64),
    /// It was below the distribution's ErrorCachingMinTTL for the status.
    RaisedToErrorMinTtl(u64),
}

/// Why a response is not stored. Its text is for people who ask why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// MinTTL, DefaultTTL and MaxTTL are all zero.
    CachingDisabled,
    /// `no-store`, and MinTTL is 0.
    NoStore,
    /// `private`, and MinTTL is 0.
    Private,
    /// `no-cache`, and MinTTL is 0.
    NoCache,
    /// `Vary: *`, and MinTTL is 0.
    VaryStar,
    /// Responses of this status are never stored.
    Status(u16),
    /// Responses of this status are stored only with a `max-age` or `s-maxage`.
    ErrorWithoutMaxAge(u16),
    /// ErrorCachingMinTTL for the status is 0, and the origin gave no longer lifetime.
    ErrorTtlZero(u16),
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            Source::SharedMaxAge(secs) => write!(out, "s-maxage={secs} from the origin")?,
            Source::MaxAge(secs) => write!(out, "max-age={secs} from the origin")?,
            Source::Expires(at) => {
                write!(out, "Expires from the origin ({})", format_http_date(at))?
            }
            Source::ExpiresInvalid => {
                out.write_str("Expires from the origin is no date and counts as past")?;
            }
            Source::DefaultTtl(secs) => {
                write!(
                    out,
                    "the origin gave no lifetime, so DefaultTTL {secs} applies"
                )?;
            }
            Source::MinTtlDespite(reason) => {
                let directive = reason.directive();
                write!(out, "MinTTL overrides {directive} from the origin")?;
            }
            Source::ErrorMinTtl(secs) => write!(out, "ErrorCachingMinTTL {secs} of the status")?,
        }
        let counts_age = matches!(
            self.source,
            Source::SharedMaxAge(_) | Source::MaxAge(_) | Source::Expires(_)
        );
        if counts_age && self.origin_age_secs > 0 {
            write!(out, ", less the Age of {} it sent", self.origin_age_secs)?;
        }
        match self.bound {
            Bound::None => Ok(()),
            Bound::RaisedToMinTtl(secs) => write!(out, ", raised to MinTTL {secs}"),
            Bound::LoweredToMaxTtl(secs) => write!(out, ", lowered to MaxTTL {secs}"),
            Bound::RaisedToErrorMinTtl(secs) => {
                write!(out, ", raised to ErrorCachingMinTTL {secs}")
            }
        }
    }
}

impl Reason {
    fn directive(self) -> &'static str {
        match self {
            Reason::NoStore => "no-store",
            Reason::Private => "private",
            Reason::NoCache => "no-cache",
            _ => "a directive",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::CachingDisabled => {
                out.write_str("MinTTL, DefaultTTL and MaxTTL are 0, which switches caching off")
            }
            Reason::NoStore | Reason::Private | Reason::NoCache => {
                write!(out, "{} from the origin", self.directive())
            }
            Reason::VaryStar => out.write_str("Vary: * from the origin, and MinTTL is 0"),
            Reason::Status(status) => write!(out, "status {status} is never stored"),
            Reason::ErrorWithoutMaxAge(status) => {
                write!(
                    out,
                    "status {status} is stored only with max-age or s-maxage"
                )
            }
            Reason::ErrorTtlZero(status) => {
                write!(out, "ErrorCachingMinTTL of status {status} is 0")
            }
        }
    }
}
