//! Patterns of one section of a URL: `*` stands for any bytes, or none; `?` for one byte.

use memchr::memmem;

/// One piece of a pattern's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Byte(u8),
    One,
    Any,
}

/// What a section must look like. Matching never goes back further than to the last `*`, and
/// takes time in proportion to the section, or to its product with what is between two `*` if
/// there is a `?`; both are bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    first: Run,
    /// What stands after each `*`.
    others: Box<[Run]>,
}

/// What stands between two `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Run {
    Bytes(Box<[u8]>),
    /// None is one byte, whichever.
    Mixed(Box<[Option<u8>]>),
}

impl Pattern {
    pub(crate) fn new(tokens: &[Token]) -> Pattern {
        let mut runs = tokens.split(|token| *token == Token::Any).map(Run::new);
        Pattern {
            first: runs.next().expect("a split has at least one part"),
            others: runs.collect(),
        }
    }

    /// Exactly one text matches.
    pub(crate) fn is_literal(&self) -> bool {
        self.others.is_empty() && matches!(self.first, Run::Bytes(_))
    }

    pub(crate) fn ends_open(&self) -> bool {
        self.others.last().is_some_and(|run| run.len() == 0)
    }

    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let Some((last, middle)) = self.others.split_last() else {
            return text.len() == self.first.len() && self.first.fits(text);
        };
        let Some(end) = text.len().checked_sub(last.len()) else {
            return false;
        };
        if end < self.first.len() || !self.first.fits(text) || !last.fits(&text[end..]) {
            return false;
        }
        let mut rest = &text[self.first.len()..end];
        for run in middle {
            match run.find(rest) {
                Some(at) => rest = &rest[at + run.len()..],
                None => return false,
            }
        }
        true
    }
}

impl Run {
    fn new(tokens: &[Token]) -> Run {
        let bytes: Box<[Option<u8>]> = tokens
            .iter()
            .map(|token| match token {
                Token::Byte(byte) => Some(*byte),
                _ => None,
            })
            .collect();
        match bytes.iter().copied().collect::<Option<Box<[u8]>>>() {
            Some(bytes) => Run::Bytes(bytes),
            None => Run::Mixed(bytes),
        }
    }

    fn len(&self) -> usize {
        match self {
            Run::Bytes(bytes) => bytes.len(),
            Run::Mixed(bytes) => bytes.len(),
        }
    }

    /// Whether the text begins with it.
    fn fits(&self, text: &[u8]) -> bool {
        match self {
            Run::Bytes(bytes) => text.starts_with(bytes),
            Run::Mixed(bytes) => {
                let mut pairs = bytes.iter().zip(text);
                text.len() >= bytes.len()
                    && pairs.all(|(byte, is)| byte.is_none_or(|byte| byte == *is))
            }
        }
    }

    fn find(&self, text: &[u8]) -> Option<usize> {
        match self {
            Run::Bytes(bytes) => memmem::find(text, bytes),
            Run::Mixed(bytes) => {
                let mut windows = text.windows(bytes.len());
                windows.position(|window| self.fits(window))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(text: &str) -> Vec<Token> {
        let token = |byte: u8| match byte {
            b'*' => Token::Any,
            b'?' => Token::One,
            other => Token::Byte(other),
        };
        text.bytes().map(token).collect()
    }

    /// What the words say, in exponential time.
    fn naive(pattern: &[Token], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((Token::Any, rest)) => (0..=text.len()).any(|at| naive(rest, &text[at..])),
            Some((Token::One, rest)) => !text.is_empty() && naive(rest, &text[1..]),
            Some((Token::Byte(byte), rest)) => {
                text.first() == Some(byte) && naive(rest, &text[1..])
            }
        }
    }

    #[test]
    fn stars_are_any_bytes_and_question_marks_one() {
        for (pattern, text, is_match) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*", "a", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*ab*ab*", "abab", true),
            ("*ab*ab*", "aba", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*?b", "ab", true),
            ("*?b", "b", false),
            ("*a?*c", "xxabyc", true),
        ] {
            let found = Pattern::new(&tokens(pattern)).matches(text.as_bytes());
            assert_eq!(found, is_match, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_text_takes_no_longer_than_its_length_times_the_pattern() {
        let pattern = Pattern::new(&tokens(&"*a?a".repeat(500)));
        assert!(!pattern.matches(&b"a".repeat(1_499)));
        assert!(pattern.matches(&b"a".repeat(8_192)));
        assert!(!pattern.matches(&[&b"a".repeat(8_190)[..], b"b"].concat()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]
        #[test]
        fn matching_is_what_the_words_say(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let tokens = tokens(&pattern);
            let found = Pattern::new(&tokens).matches(text.as_bytes());
            prop_assert_eq!(found, naive(&tokens, text.as_bytes()));
        }
    }
}
