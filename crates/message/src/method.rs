/// A request method. The seven that a behavior can allow have names; every other token is kept
/// only as "other", since no behavior ever accepts it.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Options,
    Put,
    Post,
    Patch,
    Delete,
    /// Any other token (`TRACE`, `CONNECT`, `PROPFIND`, …): always refused.
    Other,
}

impl Method {
    /// Reads a method token; case matters (RFC 9110 §9.1).
    pub fn from_token(token: &[u8]) -> Method {
        match token {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"OPTIONS" => Method::Options,
            b"PUT" => Method::Put,
            b"POST" => Method::Post,
            b"PATCH" => Method::Patch,
            b"DELETE" => Method::Delete,
            _ => Method::Other,
        }
    }

    /// The token on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Options => "OPTIONS",
            Method::Put => "PUT",
            Method::Post => "POST",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Other => "OTHER",
        }
    }

    /// Whether a repeated request has the same effect as one, so that it may be retried and may
    /// fail over (spec §7.2, §7.4: GET, HEAD and OPTIONS).
    pub fn is_safe(self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Options)
    }
}

/// A set of methods, one bit each.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct MethodSet(u8);

impl MethodSet {
    /// The set with exactly these methods.
    pub fn of(methods: &[Method]) -> MethodSet {
        MethodSet(
            methods
                .iter()
                .fold(0, |bits, method| bits | 1 << *method as u8),
        )
    }

    /// Whether the method is in the set; [`Method::Other`] never is.
    #[inline]
    pub fn contains(self, method: Method) -> bool {
        method != Method::Other && self.0 & (1 << method as u8) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_token_is_case_sensitive() {
        assert_eq!(Method::from_token(b"GET"), Method::Get);
        assert_eq!(Method::from_token(b"get"), Method::Other);
    }

    #[test]
    fn an_unknown_method_is_in_no_set() {
        let all = MethodSet(0xff);
        assert!(all.contains(Method::Delete));
        assert!(!all.contains(Method::Other));
        assert!(!MethodSet::of(&[Method::Get]).contains(Method::Head));
    }
}
