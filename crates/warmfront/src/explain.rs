//! `warmfront explain`: what would become of a request, and why.

use std::process::ExitCode;
use std::time::SystemTime;

use edge::explain::{Question, QuestionError};
use edge::site::PolicyError;
use serde_json::{Value, json};
use thiserror::Error;

use crate::arguments::{ExplainArguments, Output};
use crate::client::{self, Client, ClientError, Variable};
use crate::distributions::{self, Problems, Raw};
use crate::table;

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
    /// The running edge cannot be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A header without its colon.
    #[error("{flag} is {value:?}; it must be a name, ':' and a value")]
    Header {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
    },
}

/// Prints the explanation: of a distribution in a file, or of a running edge.
pub fn explain(
    arguments: &ExplainArguments,
    output: Output,
    variable: Variable<'_>,
) -> Result<ExitCode, ExplainError> {
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
    let told = match &arguments.distribution {
        Some(file) => {
            let policies = distributions::policies(arguments.policies.as_ref())?;
            let document = Raw::read(file)?.document(file, "cdn.localhost")?;
            let text = edge::explain::explain(&document.compile(&policies)?, &question)?;
            json!({ "Distribution": document.id, "Text": text })
        }
        None => {
            let client = Client::new(&arguments.connection, variable)?;
            client::run(client.warmfront("Explain", &asked(&question)))?
        }
    };
    crate::print(&match output {
        Output::Json => table::json(&told),
        Output::Text => told["Text"].as_str().unwrap_or_default().to_owned(),
    });
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

/// A question as it is sent to a running edge.
fn asked(question: &Question) -> Value {
    let response = question.response.as_ref();
    json!({
        "Url": question.url,
        "Method": question.method,
        "Headers": question.headers,
        "Response": response.map(|(status, fields)| json!({ "Status": status, "Headers": fields })),
        "Viewer": question.viewer,
        "Country": question.country,
    })
}

/// What the running edge says to a question.
pub fn answer(edge: &edge::Edge, asked: &Value) -> Result<Value, String> {
    let live = edge
        .explain(&read(asked)?)
        .map_err(|error| error.to_string())?;
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

/// The reverse of [`asked`]; what is absent is as [`Question::new`] has it.
fn read(asked: &Value) -> Result<Question, String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Asked {
        url: String,
        method: Option<String>,
        #[serde(default)]
        headers: Vec<(String, String)>,
        response: Option<Response>,
        viewer: Option<std::net::IpAddr>,
        country: Option<String>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Response {
        status: u16,
        #[serde(default)]
        headers: Vec<(String, String)>,
    }
    let asked = serde_json::from_value::<Asked>(asked.clone());
    let asked = asked.map_err(|error| format!("the question cannot be read: {error}"))?;
    let default = Question::new(&asked.url, now_secs());
    Ok(Question {
        method: asked.method.unwrap_or(default.method),
        headers: asked.headers,
        response: asked.response.map(|given| (given.status, given.headers)),
        viewer: asked.viewer.unwrap_or(default.viewer),
        country: asked.country,
        ..Question::new(&asked.url, default.now_secs)
    })
}

fn now_secs() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed();
    since.unwrap_or_default().as_secs()
}
