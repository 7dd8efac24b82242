//! `warmfront trust`: the local authority's certificate, and what this machine trusts.
//!
//! Installing is Debian's way: a file among the administrator's own authorities, and the program
//! that makes the bundle of all of them. Elsewhere the certificate is printed, and its user knows
//! where it belongs.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use certificates::Certificate;
use serde_json::{Value, json};
use thiserror::Error;

use crate::arguments::{Output, TrustArguments};
use crate::client::{self, Client, ClientError, Variable};
use crate::table;

/// Where an administrator puts authorities of his own.
const DIRECTORY: &str = "/usr/local/share/ca-certificates";
/// Makes the bundle that programs read.
const PROGRAM: &str = "update-ca-certificates";

/// Why this machine does not trust the authority now, or still does.
#[derive(Debug, Error)]
pub enum TrustError {
    /// The server does not tell.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What it tells is no certificate.
    #[error("the server's authority is no certificate: {0}")]
    Certificate(String),
    /// This system keeps what it trusts elsewhere.
    #[error(
        "there is no directory {DIRECTORY} here: this system keeps what it trusts in another \
         place. `warmfront trust > authority.pem` writes the certificate to add there"
    )]
    OtherSystem,
    /// The system refuses.
    #[error("{}: {error}; root may do it", .path.display())]
    System {
        /// What was to be written, removed or run.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The program failed.
    #[error("{PROGRAM} failed: {0}")]
    Program(String),
}

/// Prints the certificate, or changes what this machine trusts.
pub fn trust(
    arguments: &TrustArguments,
    output: Output,
    variable: Variable<'_>,
) -> Result<ExitCode, TrustError> {
    let client = Client::new(&arguments.connection, variable)?;
    let told = client::run(client.warmfront("GetAuthority", &json!({})))?;
    let pem = told["Certificate"].as_str().unwrap_or_default();
    let certificate = Certificate::from_pem(pem.as_bytes())
        .map_err(|error| TrustError::Certificate(error.to_string()))?;
    if !certificate.is_authority {
        let subject = certificate.subject;
        return Err(TrustError::Certificate(format!(
            "{subject} is not one of an authority"
        )));
    }
    let name = certificate.common_name.clone().unwrap_or_default();
    // This one alone, and nothing that the server said around it.
    let pem = certificate.to_pem();
    if !arguments.install && !arguments.uninstall {
        crate::print(&match output {
            Output::Json => table::json(&told),
            Output::Text => pem,
        });
        return Ok(ExitCode::SUCCESS);
    }
    let path = file_of(&certificate);
    let said = match arguments.install {
        true => {
            install(&path, &pem)?;
            format!("This machine trusts \"{name}\" ({}).\n", path.display())
        }
        false => {
            remove(&path)?;
            format!("This machine does not trust \"{name}\" any more.\n")
        }
    };
    let json: Value = json!({ "Authority": name, "File": path, "Trusted": arguments.install });
    crate::print(&match output {
        Output::Json => table::json(&json),
        Output::Text => said,
    });
    Ok(ExitCode::SUCCESS)
}

/// One file an authority: several installations may be trusted by one machine.
fn file_of(certificate: &Certificate) -> PathBuf {
    let digest = certificate.sha256[..8].iter();
    let digest: String = digest.map(|byte| format!("{byte:02x}")).collect();
    Path::new(DIRECTORY).join(format!("warmfront-{digest}.crt"))
}

fn install(path: &Path, pem: &str) -> Result<(), TrustError> {
    if !Path::new(DIRECTORY).is_dir() {
        return Err(TrustError::OtherSystem);
    }
    std::fs::write(path, pem).map_err(system(path))?;
    update()
}

fn remove(path: &Path) -> Result<(), TrustError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(system(path)(error)),
        _ => update(),
    }
}

fn update() -> Result<(), TrustError> {
    let done = Command::new(PROGRAM).output();
    let done = done.map_err(system(Path::new(PROGRAM)))?;
    match done.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&done.stderr);
            Err(TrustError::Program(said.trim().to_owned()))
        }
    }
}

fn system(path: &Path) -> impl Fn(io::Error) -> TrustError {
    move |error| TrustError::System {
        path: path.to_owned(),
        error,
    }
}
