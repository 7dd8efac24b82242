//! Where in a document something is wrong, and what.

use std::fmt;

use thiserror::Error;

/// What is wrong with a document, and where. Whoever wrote the document is to blame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{}{message}", .path, if .path.is_empty() { "" } else { ": " })]
pub struct ShapeError {
    /// `DistributionConfig.Origins.Items[0].DomainName`; empty where the document as a whole is
    /// meant.
    pub path: String,
    /// What is there, and what is allowed.
    pub message: String,
}

/// A place in a document, from its root.
#[derive(Clone, Copy)]
pub(crate) enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    pub(crate) fn error(&self, message: impl Into<String>) -> ShapeError {
        ShapeError {
            path: self.to_string(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(Self::Root, name) => formatter.write_str(name),
            Self::Member(parent, name) => write!(formatter, "{parent}.{name}"),
            Self::Item(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}
