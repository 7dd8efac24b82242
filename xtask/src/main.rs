//! Developer tools that a build does not need.
//!
//! `cargo xtask shapes` refreshes the reduced service models in `crates/shapes/models/` from the
//! public PyPI package botocore. What it writes is committed, so nobody else needs Python, the
//! network, or this tool. It does not generate Rust: `crates/shapes/build.rs` does that.
//!
//! Read [`botocore`] (where a model comes from, and its source form) first, then [`reduce`].

mod botocore;
mod reduce;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A service whose shapes Warmfront speaks.
struct Spoken {
    /// botocore's name for it.
    name: &'static str,
    api_version: &'static str,
    /// The only operations that are kept, with their shapes; every one if none is named.
    operations: &'static [&'static str],
}

const SERVICES: &[Spoken] = &[
    Spoken {
        name: "acm",
        api_version: "2015-12-08",
        operations: &[
            "AddTagsToCertificate",
            "DeleteCertificate",
            "DescribeCertificate",
            "ExportCertificate",
            "GetAccountConfiguration",
            "GetCertificate",
            "ImportCertificate",
            "ListCertificateDomainValidations",
            "ListCertificates",
            "ListTagsForCertificate",
            "ListTagsForResource",
            "PutAccountConfiguration",
            "RemoveTagsFromCertificate",
            "RenewCertificate",
            "RequestCertificate",
            "ResendValidationEmail",
            "RevokeCertificate",
            "SearchCertificates",
            "TagResource",
            "UntagResource",
            "UpdateCertificateOptions",
        ],
    },
    Spoken {
        name: "cloudfront",
        api_version: "2020-05-31",
        operations: &[],
    },
    Spoken {
        name: "cloudfront-keyvaluestore",
        api_version: "2022-07-26",
        operations: &[],
    },
    Spoken {
        name: "cloudtrail",
        api_version: "2013-11-01",
        operations: &["LookupEvents"],
    },
    Spoken {
        name: "route53",
        api_version: "2013-04-01",
        operations: &[],
    },
];

const USAGE: &str = "\
usage: cargo xtask shapes [--model FILE.json[.gz]]

  shapes    write crates/shapes/models/SERVICE.json from botocore's service models,
            which pip installs below target/, or from the one FILE given";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["shapes"] => refresh_all(),
        ["shapes", "--model", file] => refresh(Path::new(file), "a file"),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn refresh_all() -> Outcome {
    let package = botocore::install(&workspace().join("target/xtask/botocore"))?;
    for spoken in SERVICES {
        let model = package.model(spoken.name, spoken.api_version)?;
        refresh(&model, &package.release)?;
    }
    Ok(())
}

fn refresh(source: &Path, release: &str) -> Outcome {
    let mut service = botocore::read(source)?;
    let spoken = SERVICES.iter().find(|spoken| spoken.name == service.name());
    let Some(spoken) = spoken else {
        return Err(format!("{} is no service of SERVICES", service.name()).into());
    };
    if !spoken.operations.is_empty() {
        reduce::keep_operations(&mut service, spoken.operations);
    }
    let reduced = reduce::reduce(&service, release)?;
    let target = workspace().join(format!("crates/shapes/models/{}.json", service.name()));
    std::fs::write(&target, &reduced)?;
    println!(
        "{}: {} shapes, {} operations, {} bytes, from {release}",
        target.display(),
        service.shapes.0.len(),
        service.operations.0.len(),
        reduced.len(),
    );
    Ok(())
}

/// The root of the checkout that this tool was built in.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
