//! Telling how an answer comes about. Those who do not listen pay nothing.

use records::{Name, RecordType};
use routing::{Considered, Distance, Recording, Source, Verdict};
use serde::Serialize;

use crate::cells::Elsewhere;
use crate::platform::Platform;
use crate::zone::routed::{Content, Member};

/// Is told what happens.
pub(crate) trait Narrator {
    /// Whether anybody listens.
    const LISTENS: bool;

    /// What happens next.
    fn step(&mut self, step: impl FnOnce() -> Step);
}

impl Narrator for () {
    const LISTENS: bool = false;

    #[inline]
    fn step(&mut self, _: impl FnOnce() -> Step) {}
}

impl Narrator for Vec<Step> {
    const LISTENS: bool = true;

    fn step(&mut self, step: impl FnOnce() -> Step) {
        self.push(step());
    }
}

/// What happens on the way to an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// A zone answers.
    Zone {
        /// `Z…`.
        id: String,
        /// Its name.
        name: String,
        /// Whether only some networks see it.
        is_private: bool,
    },
    /// The name exists.
    Name {
        /// The name.
        name: String,
        /// The types that it has.
        types: Vec<String>,
    },
    /// A wildcard stands in for the name.
    Wildcard {
        /// The wildcard.
        name: String,
        /// The types that it has.
        types: Vec<String>,
    },
    /// Others have the name.
    Delegation {
        /// Where it is handed over.
        name: String,
    },
    /// The name does not exist.
    NoName,
    /// The name has no such record, or none for this client.
    NoRecord,
    /// The name is another's alias by CNAME.
    Cname {
        /// The other.
        target: String,
    },
    /// An alias leads to a name of the same zone.
    Alias {
        /// That name.
        target: String,
    },
    /// An alias leads to a distribution.
    Distribution {
        /// Its name.
        target: String,
    },
    /// An alias leads to a name that others serve.
    Elsewhere {
        /// That name.
        target: String,
        /// What it was resolved to; nothing before that happened.
        addresses: Option<Vec<String>>,
    },
    /// One of several was chosen.
    Group {
        /// Where the client is, and how that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        location: Option<Location>,
        /// Whether nobody was healthy, and all were taken to be.
        is_fallback: bool,
        /// The members, the best first.
        candidates: Vec<Candidate>,
    },
    /// The nearest PoPs were looked for.
    Pops {
        /// Where the client is, and how that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        location: Option<Location>,
        /// The PoPs, the best first.
        candidates: Vec<Candidate>,
    },
    /// Aliases lead to aliases without end.
    TooDeep,
}

/// Where a client is taken to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Location {
    /// `EU`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continent: Option<String>,
    /// `DE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// `WA`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subdivision: Option<String>,
    /// Degrees north and east.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coordinates: Option<(f64, f64)>,
    /// In the CIDR collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr_location: Option<String>,
    /// How that is known.
    pub source: &'static str,
}

/// A member of a group, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Its set identifier, a rule's or endpoint's name, or a PoP's code.
    pub name: String,
    /// What became of it.
    pub verdict: &'static str,
    /// How far it is, or what share it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// Its health check: id, and what is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Whether what it leads to counts for its health.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_target_evaluated: bool,
}

impl Step {
    pub(crate) fn alias(name: &Name) -> Step {
        Step::Alias {
            target: name.to_string(),
        }
    }

    pub(crate) fn distribution(name: &Name) -> Step {
        Step::Distribution {
            target: name.to_string(),
        }
    }

    pub(crate) fn elsewhere(cell: &Elsewhere) -> Step {
        let addresses = cell.addresses().map(|found| {
            let v4 = found.v4.iter().map(ToString::to_string);
            v4.chain(found.v6.iter().map(ToString::to_string)).collect()
        });
        Step::Elsewhere {
            target: cell.name().to_string(),
            addresses,
        }
    }

    pub(crate) fn group(
        members: &[Member],
        recording: &Recording,
        chosen: &routing::Choice,
    ) -> Step {
        let candidates = recording.considered.iter().map(|considered| {
            let member = members.get(considered.member);
            let health = member.and_then(|member| member.health.as_ref());
            let health = health.map(|cell| {
                let state = if cell.is_healthy() {
                    "healthy"
                } else {
                    "unhealthy"
                };
                format!("{} is {state}: {}", cell.id(), cell.reason())
            });
            let content = member.map(|member| &member.content);
            Candidate {
                name: member.map_or(String::new(), |member| member.label.to_string()),
                health,
                is_target_evaluated: matches!(
                    content,
                    Some(
                        Content::Alias {
                            is_health_evaluated: true,
                            ..
                        } | Content::Nested {
                            is_health_evaluated: true,
                            ..
                        }
                    )
                ),
                ..candidate(considered)
            }
        });
        Step::Group {
            location: location(recording),
            is_fallback: chosen.is_fallback,
            candidates: candidates.collect(),
        }
    }

    pub(crate) fn pops(platform: &Platform, recording: &Recording) -> Step {
        let candidates = recording.considered.iter().map(|considered| Candidate {
            name: platform.code(considered.member).to_owned(),
            ..candidate(considered)
        });
        Step::Pops {
            location: location(recording),
            candidates: candidates.collect(),
        }
    }
}

/// Types as text.
pub(crate) fn type_names(types: impl Iterator<Item = RecordType>) -> Vec<String> {
    types.map(|record_type| record_type.to_string()).collect()
}

fn candidate(considered: &Considered) -> Candidate {
    let distance = considered.distance.map(|distance| match distance {
        Distance::Measured { ms } => format!("{ms:.1} ms, measured"),
        Distance::Estimated { ms, km } => format!("{ms:.1} ms, guessed from {km:.0} km"),
        Distance::Biased { biased_km, km } => format!("{biased_km:.0} km, of {km:.0} km by bias"),
        Distance::Unknown => "distance not known".to_owned(),
    });
    Candidate {
        name: String::new(),
        verdict: match considered.verdict {
            Verdict::Chosen => "chosen",
            Verdict::ChosenUnhealthy => "chosen although unhealthy, as all are",
            Verdict::Unhealthy => "unhealthy",
            Verdict::Farther => "farther",
            Verdict::Behind => "behind one that fits better",
            Verdict::OtherPlace => "for clients elsewhere",
            Verdict::NotDrawn => "not drawn",
            Verdict::WeightZero => "without weight, while others are healthy",
        },
        measure: distance.or(considered.weight.map(|weight| format!("weight {weight}"))),
        health: None,
        is_target_evaluated: false,
    }
}

fn location(recording: &Recording) -> Option<Location> {
    let located = recording.located.as_ref()?;
    let country = located.country.as_ref();
    Some(Location {
        continent: located.continent.map(str::to_owned),
        country: country.map(|code| String::from_utf8_lossy(code).into_owned()),
        subdivision: located.subdivision.as_deref().map(str::to_owned),
        coordinates: located.coordinates,
        cidr_location: located.cidr_location.as_deref().map(str::to_owned),
        source: match located.source {
            Source::None => "not known",
            Source::Database => "geo database",
            Source::Country => "geo database; coordinates of the country",
            Source::Collection => "CIDR collection",
        },
    })
}
