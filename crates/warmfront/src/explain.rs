//! `warmfront explain`: what would become of a request, and why.

use std::process::ExitCode;
use std::time::SystemTime;

use edge::explain::{Question, QuestionError};
use edge::site::PolicyError;
use serde_json::{Value, json};
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
    let question = Question {
        method: arguments.method.clone(),
        headers,
        response: is_answered.then(|| (arguments.status.unwrap_or(200), response)),
        viewer: arguments.viewer,
        country: arguments.country.clone(),
        ..Question::new(&arguments.url, now_secs())
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

/// What the running edge says to a question: JSON of `Url`, and perhaps `Method` and `Headers`
/// (pairs), as `warmfront explain URL` sends it.
pub fn answer(edge: &edge::Edge, question: &Value) -> Result<Value, String> {
    let text = |name: &str| question.get(name).and_then(Value::as_str);
    let url =
        text("Url").ok_or("Url is missing: it must be http://HOST/PATH or https://HOST/PATH")?;
    let headers = question.get("Headers").and_then(Value::as_array);
    let pair = |pair: &Value| Some((pair.get(0)?.as_str()?.into(), pair.get(1)?.as_str()?.into()));
    let headers: Option<Vec<(String, String)>> =
        headers.map_or(Some(Vec::new()), |all| all.iter().map(pair).collect());
    let question = Question {
        method: text("Method").unwrap_or("GET").to_owned(),
        headers: headers.ok_or("Headers must be a list of pairs of texts")?,
        ..Question::new(url, now_secs())
    };
    let live = edge.explain(&question).map_err(|error| error.to_string())?;
    Ok(json!({
        "Distribution": live.distribution,
        "Text": live.text,
        "Stored": live.stored.map(|stored| json!({
            "Status": stored.status,
            "State": stored.state,
            "AgeSecs": stored.age_secs,
            "RemainingSecs": stored.remaining_secs,
            "TotalBytes": stored.total_bytes,
        })),
        "Invalidation": live.ban.map(|ban| json!({
            "Id": &*ban.id,
            "Revision": ban.revision,
            "AtMs": ban.at_ms,
        })),
    }))
}

fn now_secs() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed();
    since.unwrap_or_default().as_secs()
}
