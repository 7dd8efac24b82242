/// A behavior's path pattern: `*` stands for any bytes, `/` included, `?` for exactly one byte;
/// everything else for itself, in its case. A leading `/` may be left out (spec §2.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PathPattern {
    /// The pattern with its leading `/`.
    text: String,
    /// The same with its escapes as the normal form of paths has them.
    normal: Vec<u8>,
    /// `prefix*` and `*` are most of what people write; they need no search.
    shape: Shape,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Shape {
    Everything,
    Exact,
    Prefix(usize),
    General,
}

/// Why a text is no path pattern; the operator's fault.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PatternError {
    /// Nothing, or more than 255 characters.
    #[error("'{0}' is empty or longer than 255 characters")]
    Length(String),
    /// A character that no pattern may hold.
    #[error(
        "'{text}' has {character:?}; allowed are A-Z a-z 0-9 _ - . * ? $ / ~ \" ' @ : + & and %"
    )]
    Character {
        /// The pattern.
        text: String,
        /// The first character that is not allowed.
        character: char,
    },
}

impl PathPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<PathPattern, PatternError> {
        // The leading `/` does not count, since it may be left out.
        if text.is_empty() || text.strip_prefix('/').unwrap_or(text).len() > 255 {
            return Err(PatternError::Length(text.to_owned()));
        }
        let allowed = |c: &char| c.is_ascii_alphanumeric() || "_-.*?$/~\"'@:+&%".contains(*c);
        if let Some(character) = text.chars().find(|c| !allowed(c)) {
            return Err(PatternError::Character {
                text: text.to_owned(),
                character,
            });
        }
        let text = match text.starts_with(['/', '*']) {
            true => text.to_owned(),
            false => format!("/{text}"),
        };
        let normal = super::normal::escapes(text.as_bytes());
        let first_wildcard = memchr::memchr2(b'*', b'?', &normal);
        let shape = match first_wildcard {
            None => Shape::Exact,
            Some(0) if text == "*" => Shape::Everything,
            Some(at) if normal[at..] == *b"*" => Shape::Prefix(at),
            Some(_) => Shape::General,
        };
        let shape = if text == "/*" {
            Shape::Everything
        } else {
            shape
        };
        Ok(PathPattern {
            text,
            normal,
            shape,
        })
    }

    /// The pattern of the default behavior.
    pub fn everything() -> PathPattern {
        PathPattern {
            text: "*".to_owned(),
            normal: b"*".to_vec(),
            shape: Shape::Everything,
        }
    }

    /// Whether the whole path, in its normal form, matches.
    #[inline]
    pub fn matches(&self, path: &[u8]) -> bool {
        let text = &self.normal;
        match self.shape {
            Shape::Everything => true,
            Shape::Exact => path == text,
            Shape::Prefix(len) => path.starts_with(&text[..len]),
            Shape::General => wildcard_match(text, path),
        }
    }

    /// Whether a path matches by which an origin may have understood one that was sent otherwise:
    /// the pattern is read with its escapes decoded, too.
    pub fn matches_decoded(&self, path: &[u8]) -> bool {
        self.matches(path)
            || (self.normal.contains(&b'%')
                && wildcard_match(&super::normal::decoded(&self.normal), path))
    }

    /// Whether every path that `other` matches is matched by this pattern too. Sound, not
    /// complete: a pattern is tried as if it were a path whose wildcards are ordinary bytes.
    pub fn covers(&self, other: &PathPattern) -> bool {
        match self.shape {
            Shape::Everything => true,
            Shape::Exact => self == other,
            Shape::Prefix(len) => other.normal.starts_with(&self.normal[..len]),
            // A `*` of `other` must fall to a `*` of ours; `wildcard_match` would let a `?` of
            // ours take it, which stands for one byte only.
            Shape::General if !self.normal.contains(&b'?') => {
                wildcard_match(&self.normal, &other.normal)
            }
            Shape::General => self == other,
        }
    }

    /// The pattern as text, with its leading `/`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Glob match in time O(pattern × text) at worst and without recursion: on a mismatch the last
/// `*` takes one byte more.
pub fn wildcard_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                last_star = Some((p, t));
                p += 1;
            }
            Some(b'?') => (p, t) = (p + 1, t + 1),
            Some(byte) if *byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => match last_star {
                Some((star, taken)) => {
                    last_star = Some((star, taken + 1));
                    (p, t) = (star + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, path: &str) -> bool {
        PathPattern::parse(pattern)
            .unwrap()
            .matches(path.as_bytes())
    }

    #[test]
    fn patterns_match_the_whole_path_in_its_case() {
        for (pattern, path, want) in [
            ("/images/*", "/images/a/b.png", true),
            ("images/*", "/images/a", true),
            ("/images/*", "/images", false),
            ("/images/*", "/Images/a", false),
            ("*.jpg", "/a/b.jpg", true),
            ("*.jpg", "/a/b.jpg2", false),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("/a*b*c", "/a1b2b3c", true),
            ("/a*b*c", "/a1c", false),
            ("/exact", "/exact", true),
            ("/exact", "/exact/", false),
            ("*", "/anything", true),
            ("/*", "/", true),
            ("/%70*", "/pq", true),
            ("/a%2f*", "/a%2Fb", true),
        ] {
            assert_eq!(matches(pattern, path), want, "{pattern} {path}");
        }
    }

    #[test]
    fn a_pattern_with_a_foreign_character_is_refused() {
        assert!(PathPattern::parse("/a b").is_err());
        assert!(PathPattern::parse("").is_err());
        assert!(PathPattern::parse(&"a".repeat(256)).is_err());
        let longest = PathPattern::parse(&"a".repeat(255)).unwrap();
        assert_eq!(
            PathPattern::parse(longest.as_str()).unwrap(),
            longest,
            "it can be read again"
        );
    }

    #[test]
    fn a_wider_pattern_covers_a_narrower_one() {
        let covers = |a: &str, b: &str| {
            PathPattern::parse(a)
                .unwrap()
                .covers(&PathPattern::parse(b).unwrap())
        };
        assert!(covers("/api/*", "/api/v1/*"));
        assert!(covers("*", "/x"));
        assert!(covers("*.jpg", "/a/*.jpg"));
        assert!(!covers("/api/v1/*", "/api/*"));
        assert!(!covers("/a?", "/a*"));
    }

    /// The definition, by recursion.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some(b'*'), _) => {
                naive(&pattern[1..], text) || (!text.is_empty() && naive(pattern, &text[1..]))
            }
            (Some(b'?'), Some(_)) => naive(&pattern[1..], &text[1..]),
            (Some(a), Some(b)) if a == b => naive(&pattern[1..], &text[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn the_search_agrees_with_the_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(wildcard_match(pattern, text), naive(pattern, text));
        }

        #[test]
        fn what_a_covered_pattern_matches_the_covering_one_matches(
            a in "/[ab*?]{1,6}", b in "/[ab*?]{1,6}", text in "/[ab]{0,8}"
        ) {
            let (a, b) = (PathPattern::parse(&a).unwrap(), PathPattern::parse(&b).unwrap());
            if a.covers(&b) && b.matches(text.as_bytes()) {
                prop_assert!(a.matches(text.as_bytes()));
            }
        }
    }
}
