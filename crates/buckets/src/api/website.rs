//! Websites: what a bucket answers at its website endpoint, where browsers ask without keys.
//!
//! Every object is read as anybody reads it, through the bucket's policy, by a request to S3's own
//! service; here is decided which one, and what becomes of its answer.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::text::url_encoded;

/// How a bucket is a website.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Website {
    /// What a directory stands for, such as `index.html`.
    pub index: Option<String>,
    /// The key of the page that tells of errors.
    pub error: Option<String>,
    /// Where all requests are sent.
    pub all_to: Option<AllTo>,
    /// Rules; the first one that fits redirects.
    pub rules: Vec<Rule>,
}

/// Another host for everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllTo {
    /// The host.
    pub host: String,
    /// `http` or `https`; that of the request, if absent.
    pub protocol: Option<String>,
}

/// A rule of redirects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What keys begin with, if that matters.
    pub prefix: Option<String>,
    /// The status of the error, if the rule is for errors.
    pub status: Option<u16>,
    /// Where to.
    pub redirect: Redirect,
}

/// What a redirect changes; the rest stays as in the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// `http` or `https`.
    pub protocol: Option<String>,
    /// The host.
    pub host: Option<String>,
    /// In place of the rule's prefix.
    pub prefix: Option<String>,
    /// In place of the key.
    pub key: Option<String>,
    /// The status; 301, if absent.
    pub status: Option<u16>,
}

/// What is done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The browser is sent elsewhere.
    Redirect(StatusCode, String),
    /// This object answers.
    Object(String),
}

/// A request to a website: over HTTP, always.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its host, with the port.
    pub host: &'a str,
    /// Its key: the path, decoded, without the first slash.
    pub key: &'a str,
    /// The path and query as they were sent.
    pub path_and_query: &'a str,
}

impl Website {
    /// The first step.
    pub fn begin(&self, asked: &Asked<'_>) -> Step {
        if let Some(to) = &self.all_to {
            let protocol = to.protocol.as_deref().unwrap_or("http");
            let location = format!("{protocol}://{}{}", to.host, asked.path_and_query);
            return Step::Redirect(StatusCode::MOVED_PERMANENTLY, location);
        }
        if let Some(redirect) = self.redirect(asked, None) {
            return redirect;
        }
        let index = self.index.as_deref().unwrap_or_default();
        match asked.key.is_empty() || asked.key.ends_with('/') {
            true => Step::Object(format!("{}{index}", asked.key)),
            false => Step::Object(asked.key.to_owned()),
        }
    }

    /// The index of the directory of that name, if the key could be one.
    pub fn directory_index(&self, key: &str) -> Option<String> {
        let index = self.index.as_deref()?;
        let is_file = !key.is_empty() && !key.ends_with('/');
        is_file.then(|| format!("{key}/{index}"))
    }

    /// Where the browser is sent for a directory whose slash it left out.
    pub fn directory(key: &str) -> Step {
        Step::Redirect(StatusCode::FOUND, format!("/{}/", url_encoded(key)))
    }

    /// What a rule makes of an error, or without one of a request.
    pub fn redirect(&self, asked: &Asked<'_>, error: Option<StatusCode>) -> Option<Step> {
        let error = error.map(|status| status.as_u16());
        let rule = self.rules.iter().find(|rule| {
            let prefix = rule.prefix.as_deref().unwrap_or_default();
            rule.status == error && asked.key.starts_with(prefix)
        })?;
        let redirect = &rule.redirect;
        let key = match (&redirect.key, &redirect.prefix) {
            (Some(key), _) => key.clone(),
            (None, Some(prefix)) => {
                let replaced = rule.prefix.as_deref().unwrap_or_default().len();
                format!("{prefix}{}", &asked.key[replaced..])
            }
            (None, None) => asked.key.to_owned(),
        };
        let protocol = redirect.protocol.as_deref().unwrap_or("http");
        let host = redirect.host.as_deref().unwrap_or(asked.host);
        let status = redirect.status.and_then(|s| StatusCode::from_u16(s).ok());
        let status = status.unwrap_or(StatusCode::MOVED_PERMANENTLY);
        let location = format!("{protocol}://{host}/{}", url_encoded(&key));
        Some(Step::Redirect(status, location))
    }

    /// What is wrong with it, if anything is.
    pub fn problem(&self) -> Option<String> {
        if let Some(all_to) = &self.all_to {
            let is_alone = self.index.is_none() && self.error.is_none() && self.rules.is_empty();
            if !is_alone {
                let message = "RedirectAllRequestsTo stands alone, without other elements";
                return Some(message.to_owned());
            }
            return protocol_problem(all_to.protocol.as_deref());
        }
        match self.index.as_deref() {
            None => return Some("IndexDocument with a Suffix is required".to_owned()),
            Some(index) if index.is_empty() || index.contains('/') => {
                return Some(format!(
                    "Suffix is '{index}'; it must not be empty, nor have a slash"
                ));
            }
            Some(_) => {}
        }
        if self.rules.len() > super::limits::ROUTING_RULES_MAX {
            let most = super::limits::ROUTING_RULES_MAX;
            return Some(format!(
                "there are {} routing rules; {most} are allowed",
                self.rules.len()
            ));
        }
        self.rules.iter().find_map(Rule::problem)
    }
}

impl Rule {
    fn problem(&self) -> Option<String> {
        let redirect = &self.redirect;
        if redirect.key.is_some() && redirect.prefix.is_some() {
            return Some("ReplaceKeyWith and ReplaceKeyPrefixWith exclude each other".to_owned());
        }
        if self
            .status
            .is_some_and(|status| !(400..600).contains(&status))
        {
            return Some("HttpErrorCodeReturnedEquals must be from 400 to 599".to_owned());
        }
        if redirect
            .status
            .is_some_and(|status| !(300..400).contains(&status))
        {
            return Some("HttpRedirectCode must be from 300 to 399".to_owned());
        }
        protocol_problem(redirect.protocol.as_deref())
    }
}

fn protocol_problem(protocol: Option<&str>) -> Option<String> {
    let protocol = protocol.filter(|protocol| !matches!(*protocol, "http" | "https"))?;
    Some(format!(
        "Protocol is '{protocol}'; allowed are http and https"
    ))
}

/// A page that tells of an error, where the bucket has none.
pub fn error_page(status: StatusCode, code: &str, about: &str) -> String {
    let title = status.canonical_reason().unwrap_or("Error");
    let number = status.as_u16();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{number} \
         {title}</title></head>\n<body>\n<h1>{number} {title}</h1>\n<p>{}: {}</p>\n</body>\n\
         </html>\n",
        escaped(code),
        escaped(about)
    )
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Website {
        Website {
            index: Some("index.html".into()),
            error: Some("error.html".into()),
            ..Website::default()
        }
    }

    fn asked(key: &str) -> Asked<'_> {
        Asked {
            host: "site.s3-website.localhost:4566",
            key,
            path_and_query: "/as/sent?x=1",
        }
    }

    fn to(status: u16, location: &str) -> Step {
        Step::Redirect(StatusCode::from_u16(status).unwrap(), location.to_owned())
    }

    #[test]
    fn a_directory_is_its_index() {
        let object = |key: &str| Step::Object(key.to_owned());
        assert_eq!(site().begin(&asked("")), object("index.html"));
        assert_eq!(site().begin(&asked("docs/")), object("docs/index.html"));
        assert_eq!(site().begin(&asked("docs")), object("docs"));
        assert_eq!(
            site().directory_index("docs").as_deref(),
            Some("docs/index.html")
        );
        assert_eq!(site().directory_index("docs/"), None);
        assert_eq!(Website::directory("d ä"), to(302, "/d%20%C3%A4/"));
    }

    #[test]
    fn everything_can_be_sent_to_another_host() {
        let all_to = AllTo {
            host: "example.com".into(),
            protocol: Some("https".into()),
        };
        let site = Website {
            all_to: Some(all_to),
            ..Website::default()
        };
        let expected = to(301, "https://example.com/as/sent?x=1");
        assert_eq!(site.begin(&asked("any")), expected);
        assert_eq!(site.problem(), None);
    }

    #[test]
    fn rules_redirect_by_prefix_and_by_error() {
        let by_prefix = Rule {
            prefix: Some("docs/".into()),
            redirect: Redirect {
                prefix: Some("documents/".into()),
                status: Some(302),
                ..Redirect::default()
            },
            ..Rule::default()
        };
        let by_error = Rule {
            status: Some(404),
            redirect: Redirect {
                protocol: Some("https".into()),
                host: Some("other.example".into()),
                key: Some("missing.html".into()),
                ..Redirect::default()
            },
            ..Rule::default()
        };
        let site = Website {
            rules: vec![by_prefix, by_error],
            ..site()
        };
        let host = "http://site.s3-website.localhost:4566";
        let expected = to(302, &format!("{host}/documents/a%20b"));
        assert_eq!(site.begin(&asked("docs/a b")), expected);
        assert_eq!(site.begin(&asked("x")), Step::Object("x".into()));
        let missing = site.redirect(&asked("x"), Some(StatusCode::NOT_FOUND));
        assert_eq!(missing, Some(to(301, "https://other.example/missing.html")));
        assert_eq!(
            site.redirect(&asked("x"), Some(StatusCode::FORBIDDEN)),
            None
        );
        assert_eq!(site.problem(), None);
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        assert!(Website::default().problem().is_some());
        let with = |change: fn(&mut Website)| {
            let mut site = site();
            change(&mut site);
            site.problem()
        };
        assert!(with(|site| site.index = Some("a/b".into())).is_some());
        assert!(with(|site| site.all_to = Some(AllTo::default())).is_some());
        let bad = |change: fn(&mut Rule)| {
            let mut rule = Rule::default();
            change(&mut rule);
            rule.problem()
        };
        assert!(bad(|rule| rule.redirect.protocol = Some("ftp".into())).is_some());
        assert!(bad(|rule| rule.redirect.status = Some(200)).is_some());
        assert!(bad(|rule| rule.status = Some(200)).is_some());
        assert!(bad(|_| ()).is_none());
    }

    #[test]
    fn pages_of_errors_say_nothing_as_markup() {
        let page = error_page(StatusCode::NOT_FOUND, "NoSuchKey", "<script>&\"");
        assert!(page.contains("&lt;script&gt;&amp;&quot;"), "{page}");
    }
}
