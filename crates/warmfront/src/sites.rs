//! From settings to everything that is served: policies read, documents compiled.

use std::collections::HashMap;
use std::io;

use edge::site::{PolicyError, Site};
use thiserror::Error;

use crate::demo::Demo;
use crate::distributions::{self, Document, Problem, Problems, Raw};
use crate::settings::Settings;

/// Compiled sites, and the documents that they are from, in the same order.
pub struct Sites {
    /// For the edge.
    pub sites: Vec<Site>,
    /// For people.
    pub documents: Vec<Document>,
}

/// Why there is nothing to serve.
#[derive(Debug, Error)]
pub enum SitesError {
    /// Policies cannot be loaded.
    #[error("policies: {0}")]
    Policies(#[from] PolicyError),
    /// Distributions do not compile.
    #[error("{0}")]
    Distributions(#[from] Problems),
    /// The demo origin does not start.
    #[error("the demo origin does not start: {0}")]
    Demo(io::Error),
}

/// Compiles all that the settings name. If one document is wrong, all that is wrong in any is
/// reported. The demo origin is started when it is first needed.
pub fn compile(settings: &Settings, demo: &mut Option<Demo>) -> Result<Sites, SitesError> {
    let policies = distributions::policies(settings.policies.as_ref())?;
    let mut documents = Vec::new();
    let mut problems = Vec::new();
    if let Some(origin) = &settings.origin {
        documents.push(Document::in_front_of(origin, &settings.domain));
    }
    if settings.wants_demo() {
        let demo = match demo {
            Some(demo) => demo,
            None => demo.insert(Demo::start().map_err(SitesError::Demo)?),
        };
        documents.push(demo.document(&settings.domain));
    }
    for file in &settings.distributions {
        match Raw::read(file).and_then(|raw| raw.document(file, &settings.domain)) {
            Ok(document) => documents.push(document),
            Err(Problems(more)) => problems.extend(more),
        }
    }
    problems.extend(same_ids(&documents));
    let mut sites = Vec::new();
    for document in &documents {
        match document.compile(&policies) {
            Ok(site) => sites.push(site),
            Err(Problems(more)) => problems.extend(more),
        }
    }
    match problems.is_empty() {
        true => Ok(Sites { sites, documents }),
        false => Err(Problems(problems).into()),
    }
}

/// Ids name logs, metrics and cached objects: no two distributions may share one.
fn same_ids(documents: &[Document]) -> Vec<Problem> {
    let mut seen: HashMap<&str, &Document> = HashMap::new();
    let mut problems = Vec::new();
    for document in documents {
        if let Some(earlier) = seen.insert(&document.id, document) {
            let message = format!(
                "distribution {} is the one of {} too: give them an Id or a CallerReference each",
                document.id, earlier.source
            );
            problems.extend(Problems::one(&document.source, "", message).0);
        }
    }
    problems
}
