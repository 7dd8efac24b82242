//! `warmfront history` and `warmfront rollback`: past versions of a resource, and the way back.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::arguments::{HistoryArguments, Output, RollbackArguments};
use crate::client::{self, Client, ClientError, Variable};
use crate::table::{self, text};

/// Tells the versions of a resource, the newest first.
pub fn history(
    arguments: &HistoryArguments,
    output: Output,
    variable: Variable<'_>,
) -> Result<ExitCode, ClientError> {
    let client = Client::new(&arguments.connection, variable)?;
    let told = client::run(client.warmfront("History", &json!({ "Id": arguments.id })))?;
    crate::print(&match output {
        Output::Json => table::json(&told),
        Output::Text => versions(&told["Versions"]),
    });
    Ok(ExitCode::SUCCESS)
}

fn versions(versions: &Value) -> String {
    let rows = versions.as_array().into_iter().flatten().map(|version| {
        vec![
            text(&version["Revision"]),
            text(&version["Version"]),
            text(&version["Time"]),
            text(&version["Operation"]),
            text(&version["By"]),
            text(&version["ETag"]),
        ]
    });
    let head = ["REVISION", "VERSION", "TIME", "OPERATION", "BY", "ETAG"];
    table::rows(&head, rows.collect())
}

/// Updates a resource to what it was.
pub fn rollback(
    arguments: &RollbackArguments,
    output: Output,
    variable: Variable<'_>,
) -> Result<ExitCode, ClientError> {
    let client = Client::new(&arguments.connection, variable)?;
    let mut input = json!({ "Id": arguments.id, "ToRevision": arguments.to });
    if let Some(etag) = &arguments.if_match {
        input["IfMatch"] = json!(etag);
    }
    let told = client::run(client.warmfront("Rollback", &input))?;
    crate::print(&match output {
        Output::Json => table::json(&told),
        Output::Text => format!(
            "{} is as it was at revision {}; its ETag is {}.\n",
            text(&told["Id"]),
            arguments.to,
            text(&told["ETag"])
        ),
    });
    Ok(ExitCode::SUCCESS)
}
