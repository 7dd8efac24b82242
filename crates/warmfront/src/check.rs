//! `warmfront check`: what is wrong with distributions, and what is unwise.

use std::path::Path;
use std::process::ExitCode;

use edge::site::{GeoRule, Policies, PolicyError, Site};
use shapes::cloudfront::DistributionConfig;
use shapes::{ShapeError, Structure};

use crate::arguments::{CheckArguments, ServeArguments};
use crate::client::Variable;
use crate::distributions::{self, Document, Problem, Problems, Raw, in_config};
use crate::settings::Sources;

/// Fails on errors, and on warnings where that was asked for.
pub fn check(arguments: &CheckArguments, variable: Variable<'_>) -> Result<ExitCode, PolicyError> {
    let policies = distributions::policies(arguments.policies.as_ref())?;
    // As `serve` here would have it; of settings that are wrong, `serve` speaks.
    let sources = Sources::new(&ServeArguments::default(), None, None, variable);
    let mut findings = Findings {
        knows_countries: sources.read().map_or(true, |here| here.geo.is_some()),
        ..Findings::default()
    };
    for file in &arguments.files {
        findings.check_file(file, &policies);
    }
    crate::print(&findings.to_text());
    let fails = !findings.errors.is_empty() || arguments.strict && !findings.warnings.is_empty();
    Ok(if fails {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

#[derive(Default)]
struct Findings {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    /// Whether there is a geographic database.
    knows_countries: bool,
}

impl Findings {
    fn check_file(&mut self, file: &Path, policies: &Policies) {
        let raw = match Raw::read(file) {
            Ok(raw) => raw,
            Err(Problems(errors)) => return self.errors.extend(errors),
        };
        self.warn_of_shape(file, &raw);
        // Names do not matter here, so any domain will do.
        let document = match raw.document(file, "localhost") {
            Ok(document) => document,
            Err(Problems(errors)) => return self.errors.extend(errors),
        };
        match document.compile(policies) {
            Ok(site) => {
                self.warn_of_countries(&document, &site);
                let warnings = edge::check::check(&document.config, policies);
                let warnings = warnings.into_iter().map(|warning| ShapeError {
                    path: warning.path,
                    message: warning.message,
                });
                self.warnings
                    .extend(in_config(&document.source, warnings.collect()).0);
            }
            Err(Problems(errors)) => self.errors.extend(errors),
        }
    }

    /// A restriction that nobody here can decide.
    fn warn_of_countries(&mut self, document: &Document, site: &Site) {
        if site.geo == GeoRule::Unrestricted || self.knows_countries {
            return;
        }
        let warning = ShapeError {
            path: "Restrictions.GeoRestriction".to_owned(),
            message: "restricts countries, and there is no geographic database here: all viewers \
                      would be answered 503; install one by `warmfront geo fetch`, or set geo"
                .to_owned(),
        };
        self.warnings
            .extend(in_config(&document.source, vec![warning]).0);
    }

    /// What serving passes over and AWS does not.
    fn warn_of_shape(&mut self, file: &Path, raw: &Raw) {
        let shape = DistributionConfig::SHAPE;
        let unknown = shapes::unknown_members(shape, raw.config())
            .into_iter()
            .map(|path| ShapeError {
                path,
                message: "is no member that is known; it has no effect".to_owned(),
            });
        let bounds = shapes::check_bounds(shape, raw.config());
        let source = file.display().to_string();
        self.warnings
            .extend(in_config(&source, unknown.chain(bounds).collect()).0);
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        for error in &self.errors {
            text.push_str(&format!("{error}\n"));
        }
        for Problem { source, error } in &self.warnings {
            let message = format!("warning: {}", error.message);
            let error = ShapeError {
                path: error.path.clone(),
                message,
            };
            text.push_str(&format!("{source}: {error}\n"));
        }
        let count = |count: usize, noun: &str| match count {
            1 => format!("1 {noun}"),
            count => format!("{count} {noun}s"),
        };
        let warnings = count(self.warnings.len(), "warning");
        text.push_str(&match (self.errors.len(), self.warnings.len()) {
            (0, 0) => "ok\n".to_owned(),
            (0, _) => format!("ok, {warnings}\n"),
            (errors, 0) => format!("{}\n", count(errors, "error")),
            (errors, _) => format!("{}, {warnings}\n", count(errors, "error")),
        });
        text
    }
}
