//! `warmfront ls`: what is served, and by which nodes.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::arguments::{LsArguments, Output};
use crate::client::{self, Client, ClientError, Variable};
use crate::table::{self, text};

/// Lists.
pub fn list(
    arguments: &LsArguments,
    output: Output,
    variable: Variable<'_>,
) -> Result<ExitCode, ClientError> {
    let client = Client::new(&arguments.connection, variable)?;
    let told = client::run(all(&client))?;
    crate::print(&match output {
        Output::Json => table::json(&told),
        Output::Text => {
            let sites = sites(&told["Sites"]);
            let nodes = nodes(&told["Nodes"]);
            format!("{sites}\n{nodes}{}", refusals(&told["Nodes"]))
        }
    });
    Ok(ExitCode::SUCCESS)
}

/// All pages as one.
async fn all(client: &Client) -> Result<Value, ClientError> {
    let mut sites: Vec<Value> = Vec::new();
    let mut input = json!({});
    loop {
        let mut page = client.warmfront("ListSites", &input).await?;
        if let Some(items) = page["Sites"].as_array_mut() {
            sites.append(items);
        }
        if !page["NextMarker"].is_string() {
            return Ok(json!({ "Sites": sites, "Nodes": page["Nodes"] }));
        }
        input = json!({ "Marker": page["NextMarker"] });
    }
}

fn sites(sites: &Value) -> String {
    let rows = sites.as_array().into_iter().flatten().map(|site| {
        let enabled = site["Enabled"].as_bool().unwrap_or(false);
        let aliases = site["Aliases"].as_array().into_iter().flatten();
        let hosts: Vec<Value> = [&site["DomainName"]]
            .into_iter()
            .chain(aliases)
            .filter(|host| host.is_string())
            .cloned()
            .collect();
        let status = match (enabled, site["Staging"].as_bool() == Some(true)) {
            (false, _) => format!("{} (disabled)", text(&site["Status"])),
            (true, true) => format!("{} (staging)", text(&site["Status"])),
            (true, false) => text(&site["Status"]),
        };
        vec![
            text(&site["Id"]),
            status,
            text(&Value::Array(hosts)),
            text(&site["Origins"]),
        ]
    });
    table::rows(
        &["DISTRIBUTION", "STATUS", "HOSTS", "ORIGINS"],
        rows.collect(),
    )
}

fn nodes(nodes: &Value) -> String {
    let rows = nodes.as_array().into_iter().flatten().map(|node| {
        vec![
            text(&node["Id"]),
            text(&node["Roles"]),
            text(&node["Pop"]),
            text(&node["Http"]),
            text(&node["Applied"]),
        ]
    });
    table::rows(&["NODE", "ROLES", "POP", "HTTP", "APPLIED"], rows.collect())
}

/// What nodes do not serve as it is, a line each.
fn refusals(nodes: &Value) -> String {
    let mut lines = String::new();
    for node in nodes.as_array().into_iter().flatten() {
        for refusal in node["Refused"].as_array().into_iter().flatten() {
            lines.push_str(&format!(
                "{} does not serve {} of revision {}: {}\n",
                text(&node["Id"]),
                text(&refusal["Key"]),
                text(&refusal["Revision"]),
                text(&refusal["Message"]),
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_one_line_with_all_its_hosts() {
        let told = sites(&json!([{
            "Id": "E1", "Status": "Deployed", "Enabled": false, "DomainName": "d1.cdn.localhost",
            "Aliases": ["www.example.com"], "Origins": ["origin.example.com"],
        }]));
        let line = told.lines().nth(1).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(
            words,
            [
                "E1",
                "Deployed",
                "(disabled)",
                "d1.cdn.localhost,www.example.com",
                "origin.example.com"
            ]
        );
    }

    #[test]
    fn what_a_node_refuses_is_said_after_the_tables() {
        let told = refusals(&json!([{ "Id": "n1", "Refused": [
            { "Key": "cloudfront/distribution/E1", "Revision": 7, "Message": "no origin" },
        ]}]));
        let line = "n1 does not serve cloudfront/distribution/E1 of revision 7: no origin\n";
        assert_eq!(told, line);
    }
}
