//! `warmfront dns`: what name servers answer, and why.

use std::fmt::Write;
use std::net::IpAddr;
use std::process::ExitCode;

use dns::World;
use dns::explain::{Candidate, Explanation, Location, Question, Step, explain};
use records::{Name, RecordType};
use serde_json::{Value, json};

use crate::api::now_ms;
use crate::arguments::{DnsAction, DnsArguments, Output};
use crate::client::{self, Client, ClientError, Variable};
use crate::table;

/// Asks the name server of a running node.
pub fn dns(
    arguments: &DnsArguments,
    output: Output,
    variable: Variable<'_>,
) -> Result<ExitCode, ClientError> {
    let client = Client::new(&arguments.connection, variable)?;
    let DnsAction::Explain {
        name,
        record_type,
        from,
    } = &arguments.action;
    let question = json!({ "Name": name, "Type": record_type, "From": from });
    let told = client::run(client.warmfront("ExplainDns", &question))?;
    crate::print(&match output {
        Output::Json => table::json(&told),
        Output::Text => told["Text"].as_str().unwrap_or_default().to_owned(),
    });
    Ok(ExitCode::SUCCESS)
}

/// What this node's name server says to a question of [`dns`].
pub fn answer(world: &World, asked: &Value) -> Result<Value, String> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "PascalCase")]
    struct Asked {
        name: String,
        r#type: String,
        from: IpAddr,
    }
    let asked: Asked = serde_json::from_value(asked.clone()).map_err(|error| error.to_string())?;
    let name = Name::parse(&asked.name);
    let name = name.map_err(|error| format!("Name is '{}': {error}.", asked.name))?;
    let record_type: Result<RecordType, ()> = asked.r#type.parse();
    let record_type = record_type.map_err(|()| {
        format!(
            "Type is '{}'; allowed are A, AAAA, TXT and so on, and TYPE1234.",
            asked.r#type
        )
    })?;
    let question = Question {
        name,
        record_type,
        source: asked.from,
        client_subnet: None,
    };
    let now_ms = now_ms();
    let explanation = explain(world, &question, now_ms, now_ms);
    let mut told = serde_json::to_value(&explanation).map_err(|error| error.to_string())?;
    told["Text"] = json!(text(&question, &explanation));
    Ok(told)
}

/// The way to an answer, step by step, and the answer.
fn text(question: &Question, explanation: &Explanation) -> String {
    let mut out = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(
        out,
        "{} {}, asked from {}\n",
        question.name, question.record_type, question.source
    );
    for step in &explanation.steps {
        write_step(step, &mut out);
    }
    let _ = writeln!(out, "\n{}", explanation.rcode);
    let rows = explanation.answers.iter().map(|answer| {
        vec![
            format!("  {}", answer.name),
            answer.ttl.to_string(),
            answer.record_type.clone(),
            answer.value.clone(),
        ]
    });
    out.push_str(&table::plain(rows.collect()));
    if let Some(bits) = explanation.scope_bits {
        let _ = writeln!(out, "  for the whole /{bits} around the client");
    }
    out
}

fn write_step(step: &Step, out: &mut String) {
    let _ = match step {
        Step::Zone {
            id,
            name,
            is_private,
        } => {
            let kind = if *is_private { "private zone" } else { "zone" };
            writeln!(out, "{kind:<12} {id} ({name})")
        }
        Step::Name { name, types } => {
            writeln!(out, "name         {name} has {}", types.join(", "))
        }
        Step::Wildcard { name, types } => {
            writeln!(out, "wildcard     {name} has {}", types.join(", "))
        }
        Step::Delegation { name } => {
            writeln!(
                out,
                "delegation   {name} is handed over to its name servers"
            )
        }
        Step::NoName => writeln!(
            out,
            "no name      nothing has it, and no wildcard covers it"
        ),
        Step::NoRecord => writeln!(out, "no record    of that type, for this client"),
        Step::Cname { target } => writeln!(out, "cname        {target}"),
        Step::Alias { target } => writeln!(out, "alias        {target}"),
        Step::Distribution { target } => writeln!(out, "distribution {target}"),
        Step::Elsewhere { target, addresses } => {
            let addresses = addresses.as_ref().map(|addresses| addresses.join(", "));
            let addresses = addresses.unwrap_or_else(|| "not resolved yet".to_owned());
            writeln!(out, "elsewhere    {target}: {addresses}")
        }
        Step::Group {
            location,
            is_fallback,
            candidates,
        } => {
            write_location(location.as_ref(), out);
            if *is_fallback {
                let _ = writeln!(
                    out,
                    "fallback     nobody is healthy, so that all are taken to be"
                );
            }
            write_candidates("record set", candidates, out);
            Ok(())
        }
        Step::Pops {
            location,
            candidates,
        } => {
            write_location(location.as_ref(), out);
            write_candidates("PoP", candidates, out);
            Ok(())
        }
        Step::TooDeep => writeln!(out, "too deep     aliases lead to aliases without end"),
    };
}

fn write_location(location: Option<&Location>, out: &mut String) {
    let Some(location) = location else { return };
    let codes = [
        &location.continent,
        &location.country,
        &location.subdivision,
    ];
    let mut words: Vec<String> = codes.into_iter().flatten().cloned().collect();
    if let Some((north, east)) = location.coordinates {
        words.push(format!("{north:.1}, {east:.1}"));
    }
    words.extend(location.cidr_location.clone());
    let _ = match words.is_empty() {
        true => writeln!(out, "client       not known where"),
        false => writeln!(
            out,
            "client       {} (by {})",
            words.join(" "),
            location.source
        ),
    };
}

fn write_candidates(what: &str, candidates: &[Candidate], out: &mut String) {
    let rows = candidates.iter().map(|candidate| {
        let mut why: Vec<&str> = candidate.measure.as_deref().into_iter().collect();
        why.extend(candidate.health.as_deref());
        if candidate.is_target_evaluated {
            why.push("the health of its target counts");
        }
        vec![
            format!("  {what}"),
            candidate.name.clone(),
            candidate.verdict.to_owned(),
            why.join("; "),
        ]
    });
    out.push_str(&table::plain(rows.collect()));
}
