//! `warmfront keys`: access keys of the API.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use control::identity::Policy;
use serde_json::{Value, json};
use thiserror::Error;

use crate::arguments::{ConnectionArguments, KeysAction, KeysArguments, Output};
use crate::client::{self, Client, ClientError, Credentials, Variable};
use crate::table::{self, text};

/// Why a command about keys fails.
#[derive(Debug, Error)]
pub enum KeysError {
    /// The server could not be asked, or says no.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The policy is neither a name nor a file with one.
    #[error(
        "--policy is {given:?}: {problem}; allowed are {} and a file with a policy document",
        Policy::NAMES.join(", ")
    )]
    Policy {
        /// What was given.
        given: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Does what is asked about keys.
pub fn keys(
    arguments: &KeysArguments,
    output: Output,
    variable: Variable<'_>,
) -> Result<ExitCode, KeysError> {
    let connection = &arguments.connection;
    let told = match &arguments.action {
        KeysAction::Export => return export(connection, output, variable),
        KeysAction::Create { user, policy } => {
            let input = json!({ "UserName": user, "Policy": policy_of(policy)? });
            let client = Client::new(connection, variable)?;
            let made = client::run(client.warmfront("CreateAccessKey", &input))?;
            if output == Output::Text {
                eprintln!("The secret is told now and never again.");
            }
            let key = &made["AccessKey"];
            match output {
                Output::Json => table::json(&made),
                Output::Text => table::pairs(&[
                    ("AccessKeyId", text(&key["AccessKeyId"])),
                    ("SecretAccessKey", text(&key["SecretAccessKey"])),
                    ("UserName", text(&key["UserName"])),
                    ("Policy", policy_text(&key["Policy"])),
                ]),
            }
        }
        KeysAction::List => {
            let client = Client::new(connection, variable)?;
            let all = client::run(client.warmfront("ListAccessKeys", &json!({})))?;
            match output {
                Output::Json => table::json(&all),
                Output::Text => listed(&all),
            }
        }
        KeysAction::Delete { id } => {
            let client = Client::new(connection, variable)?;
            let input = json!({ "AccessKeyId": id });
            let gone = client::run(client.warmfront("DeleteAccessKey", &input))?;
            match output {
                Output::Json => table::json(&gone),
                Output::Text => format!("{id} is deleted.\n"),
            }
        }
    };
    crate::print(&told);
    Ok(ExitCode::SUCCESS)
}

fn listed(all: &Value) -> String {
    let keys = all["AccessKeys"].as_array();
    let rows = keys.into_iter().flatten().map(|key| {
        vec![
            text(&key["AccessKeyId"]),
            text(&key["UserName"]),
            policy_text(&key["Policy"]),
            text(&key["CreateDate"]),
        ]
    });
    table::rows(&["KEY", "USER", "POLICY", "MADE"], rows.collect())
}

fn policy_text(policy: &Value) -> String {
    match policy {
        Value::String(name) => name.clone(),
        // Documents are long; `--output json` has them.
        _ => "a document".to_owned(),
    }
}

/// The name of a policy, or the document in a file.
fn policy_of(given: &str) -> Result<Value, KeysError> {
    if Policy::named(given).is_some() {
        return Ok(json!(given));
    }
    let refused = |problem: String| KeysError::Policy {
        given: given.to_owned(),
        problem,
    };
    let text = fs::read_to_string(Path::new(given)).map_err(|error| refused(error.to_string()))?;
    // Said here, where the file is, rather than by the server.
    Policy::parse(&text).map_err(|error| refused(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| refused(error.to_string()))
}

/// Prints what a shell needs for AWS's own clients: `eval "$(warmfront keys export)"`.
fn export(
    connection: &ConnectionArguments,
    output: Output,
    variable: Variable<'_>,
) -> Result<ExitCode, KeysError> {
    let key = Credentials::read(&client::data(connection, variable))?;
    let endpoint = format!(
        "http://{}",
        client::authority(&client::endpoint(connection, variable))?
    );
    let variables = [
        ("AWS_ACCESS_KEY_ID", key.id),
        ("AWS_SECRET_ACCESS_KEY", key.secret),
        ("AWS_REGION", "us-east-1".to_owned()),
        // The AWS CLI reads this one.
        ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT_URL", endpoint),
    ];
    crate::print(&match output {
        Output::Json => {
            let object = variables.map(|(name, value)| (name.to_owned(), json!(value)));
            table::json(&Value::Object(object.into_iter().collect()))
        }
        Output::Text => {
            let lines = variables.map(|(name, value)| format!("export {name}={}\n", shell(&value)));
            lines.concat()
        }
    });
    Ok(ExitCode::SUCCESS)
}

/// A word of a shell's: what could mean something to it is quoted.
fn shell(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+=/.:,@%".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_a_name_or_a_file() {
        assert_eq!(policy_of("read-only").unwrap(), json!("read-only"));
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("p.json");
        let document =
            json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
        fs::write(&file, document.to_string()).unwrap();
        assert_eq!(policy_of(file.to_str().unwrap()).unwrap(), document);
        fs::write(&file, r#"{"Statement": {"Effect": "Allow"}}"#).unwrap();
        let message = policy_of(file.to_str().unwrap()).unwrap_err().to_string();
        assert!(message.contains("Action is missing"), "{message}");
        let message = policy_of("readonly").unwrap_err().to_string();
        assert!(message.contains("read-only"), "{message}");
    }

    #[test]
    fn a_shell_takes_exported_words_as_they_are() {
        assert_eq!(shell("a/b+c="), "a/b+c=");
        assert_eq!(shell("a b'c$(d)"), r"'a b'\''c$(d)'");
        assert_eq!(shell(""), "''");
    }
}
