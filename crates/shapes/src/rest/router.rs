//! Which operation a method, a path and a query ask for.

use std::cmp::Reverse;

use thiserror::Error;

use super::uri::{decode, parameters, placeholder};
use crate::schema::{Kind, Location, Operation, Service};

/// Why a request asks for no operation. The client is to blame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteError {
    /// No operation has the path; or those that have it want a constant in the query.
    #[error("no operation has this path")]
    NoSuchPath,
    /// The path is one, with other methods.
    #[error("the path takes {}", .allowed.join(", "))]
    MethodNotAllowed {
        /// For the header `Allow`: at least one, in alphabetical order.
        allowed: Vec<&'static str>,
    },
}

/// An operation that was asked for.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which.
    pub operation: &'static Operation,
    /// What stands in the path for its placeholders, decoded.
    pub placeholders: Vec<(&'static str, String)>,
}

/// The operations of a service by their paths.
///
/// Where several fit, the most specific one is meant: a literal segment before a placeholder, a
/// constant in the query before none, and one whose required parameters are there before one
/// whose are not.
#[derive(Debug)]
pub struct Router {
    /// The most specific first.
    routes: Vec<Route>,
}

impl Router {
    /// A router of all operations of a service. Making one sorts them; keep it.
    pub fn new(service: &'static Service) -> Self {
        let mut routes: Vec<_> = service.operations.iter().map(Route::of).collect();
        routes.sort_by_cached_key(Route::rank);
        Self { routes }
    }

    /// Finds the operation. `path` and `query` are as they came, still encoded: an encoded slash
    /// is part of a segment, and an unencoded one is not.
    pub fn find(&self, method: &str, path: &str, query: &str) -> Result<Found, RouteError> {
        let segments: Vec<_> = path.split('/').collect();
        // What cannot be decoded is no constant; whoever reads the request says what is wrong.
        let query = parameters(query).unwrap_or_default();
        let on_path = |route: &&Route| route.placeholders(&segments).is_some();
        let meant = |route: &&Route| {
            route.operation.method == method && route.has_constants(&query) && on_path(route)
        };
        let route = (self.routes.iter())
            .find(|route| meant(route) && route.has_required(&query))
            .or_else(|| self.routes.iter().find(meant));
        if let Some(route) = route
            && let Some(placeholders) = route.placeholders(&segments)
        {
            return Ok(Found {
                operation: route.operation,
                placeholders,
            });
        }
        let on_path = self.routes.iter().filter(on_path);
        let mut allowed: Vec<_> = on_path.map(|route| route.operation.method).collect();
        allowed.sort_unstable();
        allowed.dedup();
        if allowed.is_empty() || allowed.contains(&method) {
            return Err(RouteError::NoSuchPath);
        }
        Err(RouteError::MethodNotAllowed { allowed })
    }
}

#[derive(Debug)]
struct Route {
    operation: &'static Operation,
    segments: Vec<Segment>,
    /// What the query must have: a name, and its value if one is stated.
    constants: Vec<(&'static str, Option<&'static str>)>,
    /// The parameters of the query that the input requires.
    required: Vec<&'static str>,
}

/// The more specific the less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(&'static str),
    /// Stands for one segment that is not empty.
    One(&'static str),
    /// Stands for one segment or more.
    Greedy(&'static str),
}

impl Route {
    fn of(operation: &'static Operation) -> Self {
        let (path, query) = operation.uri.split_once('?').unwrap_or((operation.uri, ""));
        let constants = query.split('&').filter(|constant| !constant.is_empty());
        let mut required = Vec::new();
        if let Some(input) = &operation.input
            && let Kind::Structure { members, .. } = input.shape.kind
        {
            let members = members.iter().filter(|m| m.is_required);
            let members = members.filter(|m| m.location == Location::QueryString);
            required.extend(members.map(|member| member.wire_name));
        }
        Self {
            operation,
            segments: path.split('/').map(Segment::of).collect(),
            constants: constants
                .map(|constant| match constant.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (constant, None),
                })
                .collect(),
            required,
        }
    }

    /// Orders routes, the most specific first.
    fn rank(&self) -> (Vec<Segment>, Reverse<usize>, Reverse<usize>) {
        let Self {
            segments,
            constants,
            required,
            ..
        } = self;
        (
            segments.clone(),
            Reverse(constants.len()),
            Reverse(required.len()),
        )
    }

    fn has_constants(&self, query: &[(String, String)]) -> bool {
        self.constants.iter().all(|(name, constant)| {
            let is_it = |value: &str| constant.is_none_or(|constant| constant == value);
            query
                .iter()
                .any(|(other, value)| other == name && is_it(value))
        })
    }

    fn has_required(&self, query: &[(String, String)]) -> bool {
        let is_there = |name: &&str| query.iter().any(|(other, _)| other == name);
        self.required.iter().all(is_there)
    }

    /// What the placeholders stand for, if the path is one of this route's.
    fn placeholders(&self, path: &[&str]) -> Option<Vec<(&'static str, String)>> {
        let mut found = Vec::new();
        let mut rest = path;
        for (index, segment) in self.segments.iter().enumerate() {
            let left = self.segments.len() - index - 1;
            let count = match segment {
                Segment::Greedy(_) => rest.len().checked_sub(left)?,
                Segment::Literal(_) | Segment::One(_) => 1,
            };
            let (here, behind) = rest.split_at_checked(count)?;
            rest = behind;
            match segment {
                Segment::Literal(literal) if here == [*literal] => {}
                Segment::Literal(_) => return None,
                Segment::One(name) | Segment::Greedy(name) => {
                    let value = decode(&here.join("/")).filter(|value| !value.is_empty())?;
                    found.push((*name, value));
                }
            }
        }
        rest.is_empty().then_some(found)
    }
}

impl Segment {
    fn of(segment: &'static str) -> Self {
        let Some(name) = placeholder(segment) else {
            return Self::Literal(segment);
        };
        match name.strip_suffix('+') {
            Some(name) => Self::Greedy(name),
            None => Self::One(name),
        }
    }
}
