//! `warmfront explain`: what would become of a request, and why.

use std::process::ExitCode;
use std::time::SystemTime;

use edge::explain::{Question, QuestionError};
use edge::site::PolicyError;
use thiserror::Error;

use crate::arguments::ExplainArguments;
use crate::distributions::{self, Problems, Raw};

/// Why nothing can be explained.
#[derive(Debug, Error)]
pub enum ExplainError {
    /// Policies cannot be loaded.
    #[error("policies: {0}")]
    Policies(#[from] PolicyError),
    /// The distribution does not compile.
    #[error("{0}")]
    Distribution(#[from] Problems),
    /// It is no request that could be asked.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// A header without its colon.
    #[error("{flag} is {value:?}; it must be a name, ':' and a value")]
    Header {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
    },
}

/// Prints the explanation.
pub fn explain(arguments: &ExplainArguments) -> Result<ExitCode, ExplainError> {
    let policies = distributions::policies(arguments.policies.as_ref())?;
    let file = &arguments.distribution;
    let site = Raw::read(file)?
        .document(file, "cdn.localhost")?
        .compile(&policies)?;
    let mut headers = fields("--header", &arguments.headers)?;
    headers.extend(
        arguments
            .cookies
            .iter()
            .map(|cookie| ("Cookie".to_owned(), cookie.clone())),
    );
    let response = fields("--response", &arguments.response)?;
    let is_answered = arguments.status.is_some() || !response.is_empty();
    let now_secs = SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .as_secs();
    let question = Question {
        method: arguments.method.clone(),
        headers,
        response: is_answered.then(|| (arguments.status.unwrap_or(200), response)),
        viewer: arguments.viewer,
        country: arguments.country.clone(),
        ..Question::new(&arguments.url, now_secs)
    };
    crate::print(&edge::explain::explain(&site, &question)?);
    Ok(ExitCode::SUCCESS)
}

fn fields(flag: &'static str, lines: &[String]) -> Result<Vec<(String, String)>, ExplainError> {
    let split = |line: &String| match line.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(ExplainError::Header {
            flag,
            value: line.clone(),
        }),
    };
    lines.iter().map(split).collect()
}
