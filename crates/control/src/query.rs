//! The query protocol of STS and IAM: parameters in a form or in the query, answers in XML.

use bytes::Bytes;
use http::{HeaderValue, Method, Response};

use crate::api::Admitted;
use crate::error::ApiError;
use crate::limits;

/// The parameters of a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Those of a request: of its form, or of its query if it is a GET.
    pub fn of(admitted: &Admitted<'_>) -> Result<Parameters, ApiError> {
        let parts = admitted.parts;
        match parts.method {
            Method::POST => Parameters::parse(admitted.body),
            Method::GET => {
                let query = parts.uri.query().unwrap_or_default();
                Parameters::parse(query.as_bytes())
            }
            ref other => Err(ApiError::common(
                "MethodNotAllowed",
                405,
                format!("The method is {other}; allowed are GET and POST."),
            )),
        }
    }

    fn parse(form: &[u8]) -> Result<Parameters, ApiError> {
        let malformed = |message: String| ApiError::common("MalformedQueryString", 400, message);
        if form.len() > limits::QUERY_BYTES_MAX {
            let message = format!(
                "The parameters have {} bytes; at most {} are allowed.",
                form.len(),
                limits::QUERY_BYTES_MAX
            );
            return Err(malformed(message));
        }
        let mut parameters: Vec<(String, String)> = Vec::new();
        let pairs = form.split(|byte| *byte == b'&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = match at {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            let (Some(name), Some(value)) = (decode(name), decode(value)) else {
                return Err(malformed(
                    "A parameter is not percent-encoded UTF-8.".to_owned(),
                ));
            };
            if parameters.len() == limits::QUERY_PARAMETERS_MAX {
                let most = limits::QUERY_PARAMETERS_MAX;
                return Err(malformed(format!("There are more than {most} parameters.")));
            }
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(malformed(format!("The parameter '{name}' is given twice.")));
            }
            parameters.push((name, value));
        }
        Ok(Parameters(parameters))
    }

    /// A parameter that is there and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        let mut parameters = self.0.iter();
        let found = parameters.find(|(other, _)| other == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The operation that is asked for, if the call is for that version of the service.
    pub fn operation(&self, version: &str) -> Result<&str, ApiError> {
        let Some(action) = self.text("Action") else {
            return Err(ApiError::common("MissingAction", 400, "Action is missing."));
        };
        match self.text("Version") {
            Some(given) if given == version => Ok(action),
            given => Err(ApiError::common(
                "InvalidAction",
                400,
                format!(
                    "Version is '{}'; allowed is {version}.",
                    given.unwrap_or_default()
                ),
            )),
        }
    }
}

/// A form's encoding: `+` is a space.
fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                (high << 4 | low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The answer of an operation, `result` being the XML within `<…Result>`.
pub(crate) fn answer(
    namespace: &str,
    operation: &str,
    result: &str,
    request_id: &str,
) -> Response<Bytes> {
    let body = format!(
        "<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{result}</{operation}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
         </{operation}Response>"
    );
    let mut response = Response::new(Bytes::from(body));
    let content_type = HeaderValue::from_static("text/xml");
    response.headers_mut().insert("content-type", content_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let read =
            Parameters::parse(b"Action=GetUser&Version=2010-05-08&UserName=a+b%2Bc&&x").unwrap();
        assert_eq!(read.text("UserName"), Some("a b+c"));
        assert_eq!(read.text("x"), None);
        assert_eq!(read.operation("2010-05-08").unwrap(), "GetUser");
        assert_eq!(
            read.operation("2011-06-15").unwrap_err().code,
            "InvalidAction"
        );
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for wrong in [&b"a=1&a=2"[..], b"a=%zz", b"a=%f", b"a=%ff"] {
            let error = Parameters::parse(wrong).unwrap_err();
            assert_eq!(error.code, "MalformedQueryString");
        }
        let many: Vec<_> = (0..=limits::QUERY_PARAMETERS_MAX)
            .map(|n| n.to_string())
            .collect();
        assert!(Parameters::parse(many.join("&").as_bytes()).is_err());
        assert!(Parameters::parse(&vec![b'a'; limits::QUERY_BYTES_MAX + 1]).is_err());
    }

    proptest! {
        #[test]
        fn no_form_makes_the_reader_panic(form in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Parameters::parse(&form);
        }
    }
}
