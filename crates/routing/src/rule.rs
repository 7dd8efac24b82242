/// What one member of a group says (spec §10).
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// A share of the answers, in proportion to the weights of all.
    Weighted(u8),
    /// Those to whom this AWS region is nearest in time.
    Latency {
        /// `eu-west-1`.
        region: String,
    },
    /// Those who are in that area.
    Geolocation(GeoCode),
    /// Those to whom this place is nearest in space, drawn farther or nearer by the bias.
    Geoproximity {
        /// Degrees north, −90 to 90.
        latitude: f64,
        /// Degrees east, −180 to 180.
        longitude: f64,
        /// −99 to 99.
        bias: i8,
    },
    /// Everybody, or everybody while the primary is unhealthy.
    Failover(Role),
    /// Some of the members, chosen at random.
    Multivalue,
    /// Those whose network is in a location of the group's CIDR collection.
    Cidr {
        /// The location's name; `*` for those who are in none.
        location: String,
    },
}

/// Which of the two members of a failover group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Answers while it is healthy.
    Primary,
    /// Answers else.
    Secondary,
}

/// An area of a geolocation group. Codes are in upper case, as in [`geo::places`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GeoCode {
    /// Everywhere, and those of whom it is not known where they are.
    Default,
    /// `EU`.
    Continent(String),
    /// `DE`.
    Country(String),
    /// `US`, `CA`.
    Subdivision {
        /// The country's code.
        country: String,
        /// The subdivision's code in it.
        subdivision: String,
    },
}

impl GeoCode {
    /// From the members of the API's `GeoLocation`, of which country `*` is the default. `None` if
    /// they do not go together.
    pub fn new(
        continent: Option<&str>,
        country: Option<&str>,
        subdivision: Option<&str>,
    ) -> Option<GeoCode> {
        match (continent, country, subdivision) {
            (Some(continent), None, None) => Some(GeoCode::Continent(continent.to_owned())),
            (None, Some("*"), None | Some("*")) => Some(GeoCode::Default),
            (None, Some(country), None | Some("*")) => Some(GeoCode::Country(country.to_owned())),
            (None, Some(country), Some(subdivision)) => Some(GeoCode::Subdivision {
                country: country.to_owned(),
                subdivision: subdivision.to_owned(),
            }),
            _ => None,
        }
    }
}
