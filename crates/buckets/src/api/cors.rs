//! Cross-origin requests: what a bucket's rules answer to preflights, and which fields they add to
//! answers (the Fetch standard's CORS protocol, as S3 applies it).

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::{Deserialize, Serialize};

use super::text::fits;

/// A rule. The first one that fits a request answers it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name, for people.
    pub id: Option<String>,
    /// Origins, in each of which one `*` may stand for any characters.
    pub origins: Vec<String>,
    /// Methods: GET, PUT, HEAD, POST, DELETE.
    pub methods: Vec<String>,
    /// Fields that requests may have, in each of which one `*` may stand for any characters.
    pub headers: Vec<String>,
    /// Fields that scripts may read.
    pub exposed: Vec<String>,
    /// How long browsers may remember the answer to a preflight, seconds.
    pub max_age_secs: Option<i32>,
}

/// Methods that rules may allow.
pub const METHODS: &[&str] = &["GET", "PUT", "HEAD", "POST", "DELETE"];

const VARY: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

/// The fields of the answer to a preflight; nothing where no rule fits.
pub fn preflight(rules: &[Rule], request: &HeaderMap) -> Option<HeaderMap> {
    let origin = text(request, header::ORIGIN)?;
    let method = text(request, header::ACCESS_CONTROL_REQUEST_METHOD)?;
    let wanted = text(request, header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    let wanted: Vec<String> = wanted
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    let rule = rules.iter().find(|rule| {
        let is_allowed = |name: &String| {
            let mut allowed = rule.headers.iter();
            allowed.any(|pattern| fits(&pattern.to_ascii_lowercase(), name))
        };
        rule.fits(origin, method) && wanted.iter().all(is_allowed)
    })?;
    let mut fields = rule.fields(origin);
    if !wanted.is_empty() {
        let allowed = HeaderValue::from_str(&wanted.join(", "));
        insert(&mut fields, header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    if let Some(secs) = rule.max_age_secs {
        fields.insert(header::ACCESS_CONTROL_MAX_AGE, secs.into());
    }
    Some(fields)
}

/// The fields that answers to other requests get besides.
pub fn answer(rules: &[Rule], method: &Method, request: &HeaderMap) -> HeaderMap {
    let found = text(request, header::ORIGIN).and_then(|origin| {
        let rule = rules.iter().find(|rule| rule.fits(origin, method.as_str()));
        Some(rule?.fields(origin))
    });
    found.unwrap_or_else(|| {
        let mut fields = HeaderMap::new();
        // The same address may answer others differently.
        if !rules.is_empty() {
            fields.insert(header::VARY, HeaderValue::from_static(VARY));
        }
        fields
    })
}

impl Rule {
    fn fits(&self, origin: &str, method: &str) -> bool {
        self.methods.iter().any(|allowed| allowed == method)
            && self.origins.iter().any(|pattern| fits(pattern, origin))
    }

    fn fields(&self, origin: &str) -> HeaderMap {
        let mut fields = HeaderMap::new();
        let is_any = self.origins.iter().any(|pattern| pattern == "*");
        let allowed = if is_any { "*" } else { origin };
        insert(
            &mut fields,
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_str(allowed),
        );
        if !is_any {
            let yes = HeaderValue::from_static("true");
            fields.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        let methods = HeaderValue::from_str(&self.methods.join(", "));
        insert(&mut fields, header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        if !self.exposed.is_empty() {
            let exposed = HeaderValue::from_str(&self.exposed.join(", "));
            insert(&mut fields, header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        fields.insert(header::VARY, HeaderValue::from_static(VARY));
        fields
    }

    /// What is wrong with it, if anything is.
    pub fn problem(&self) -> Option<String> {
        let unknown = |method: &&String| !METHODS.contains(&method.as_str());
        if let Some(method) = self.methods.iter().find(unknown) {
            let allowed = METHODS.join(", ");
            return Some(format!(
                "AllowedMethod is '{method}'; allowed are {allowed}"
            ));
        }
        if self.methods.is_empty() || self.origins.is_empty() {
            return Some("AllowedMethod and AllowedOrigin are required".to_owned());
        }
        let mut patterns = self.origins.iter().chain(&self.headers);
        let many = patterns.find(|pattern| pattern.matches('*').count() > 1);
        many.map(|pattern| format!("'{pattern}' has more than one '*'"))
    }
}

fn text(fields: &HeaderMap, name: HeaderName) -> Option<&str> {
    fields.get(name)?.to_str().ok()
}

/// What was stored, or what the request said, is a value that fields can have, or is left out.
fn insert<E>(fields: &mut HeaderMap, name: HeaderName, value: Result<HeaderValue, E>) {
    if let Ok(value) = value {
        fields.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> Rule {
        Rule {
            origins: vec!["https://*.example.com".into()],
            methods: vec!["GET".into(), "PUT".into()],
            headers: vec!["x-amz-*".into(), "Content-Type".into()],
            exposed: vec!["ETag".into()],
            max_age_secs: Some(60),
            id: None,
        }
    }

    fn request(fields: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        fields.iter().map(field).collect()
    }

    const ORIGIN: (&str, &str) = ("origin", "https://www.example.com");
    const PUT: (&str, &str) = ("access-control-request-method", "PUT");

    #[test]
    fn a_preflight_is_answered_by_the_first_rule_that_fits() {
        let wanted = ("access-control-request-headers", "X-Amz-Date, content-type");
        let fields = preflight(&[rule()], &request(&[ORIGIN, PUT, wanted])).unwrap();
        let field = |name: &str| fields.get(name).unwrap().to_str().unwrap();
        assert_eq!(field("access-control-allow-origin"), ORIGIN.1);
        assert_eq!(field("access-control-allow-methods"), "GET, PUT");
        assert_eq!(
            field("access-control-allow-headers"),
            "x-amz-date, content-type"
        );
        assert_eq!(field("access-control-max-age"), "60");
        assert_eq!(field("access-control-expose-headers"), "ETag");
        assert_eq!(field("access-control-allow-credentials"), "true");
        let other = ("access-control-request-headers", "x-custom");
        assert_eq!(preflight(&[rule()], &request(&[ORIGIN, PUT, other])), None);
        let delete = ("access-control-request-method", "DELETE");
        assert_eq!(preflight(&[rule()], &request(&[ORIGIN, delete])), None);
        let stranger = ("origin", "https://example.org");
        assert_eq!(preflight(&[rule()], &request(&[stranger, PUT])), None);
        assert_eq!(preflight(&[rule()], &request(&[PUT])), None);
    }

    #[test]
    fn answers_vary_where_there_are_rules() {
        let fields = answer(&[rule()], &Method::GET, &request(&[ORIGIN]));
        assert_eq!(fields.get("access-control-allow-origin").unwrap(), ORIGIN.1);
        let fields = answer(&[rule()], &Method::GET, &request(&[]));
        assert_eq!(fields.len(), 1);
        assert!(fields.contains_key("vary"));
        assert!(answer(&[], &Method::GET, &request(&[ORIGIN])).is_empty());
        let any = Rule {
            origins: vec!["*".into()],
            ..rule()
        };
        let fields = answer(&[any], &Method::GET, &request(&[ORIGIN]));
        assert_eq!(fields.get("access-control-allow-origin").unwrap(), "*");
        assert!(!fields.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn rules_are_refused_that_browsers_could_not_follow() {
        let with = |change: fn(&mut Rule)| {
            let mut rule = rule();
            change(&mut rule);
            rule.problem()
        };
        assert_eq!(with(|_| ()), None);
        assert!(with(|rule| rule.methods.push("PATCH".into())).is_some());
        assert!(with(|rule| rule.origins.push("*.*".into())).is_some());
        assert!(with(|rule| rule.origins.clear()).is_some());
    }
}
