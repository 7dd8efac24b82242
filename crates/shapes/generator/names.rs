//! AWS's names as Rust writes them.

/// Words that AWS writes in its own way, and which a split at capitals would tear.
const WHOLE_WORDS: &[(&str, &str)] = &[("ETag", "Etag")];

/// `WebACLId` → `web_acl_id`, `HTTPSPort` → `https_port`, `IsIPV6Enabled` → `is_ipv6_enabled`.
pub fn snake(name: &str) -> String {
    let mut name = name.to_owned();
    for (word, whole) in WHOLE_WORDS {
        name = name.replace(word, whole);
    }
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (at, &letter) in letters.iter().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 {
            let follows_small = !letters[at - 1].is_ascii_uppercase();
            let before_small = letters.get(at + 1).is_some_and(char::is_ascii_lowercase);
            if follows_small || before_small {
                snake.push('_');
            }
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// A member's field: snake case, raw where Rust has taken the word.
pub fn field(name: &str) -> String {
    const KEYWORDS: &[&str] = &[
        "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do",
        "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in",
        "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
        "return", "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe",
        "unsized", "use", "virtual", "where", "while", "yield",
    ];
    let snake = snake(name);
    if KEYWORDS.contains(&snake.as_str()) {
        format!("r#{snake}")
    } else {
        snake
    }
}

/// A static's name: `DistributionConfig` → `DISTRIBUTION_CONFIG`.
pub fn constant(name: &str) -> String {
    snake(name).to_uppercase()
}

/// An enum's variant: `redirect-to-https` → `RedirectToHttps`, `TLSv1.2_2021` → `TLSv1_2_2021`,
/// `GET` → `Get`.
pub fn variant(wire: &str) -> String {
    let mut variant = String::new();
    for word in wire.split(|letter: char| !letter.is_ascii_alphanumeric()) {
        let mut letters = word.chars();
        let Some(first) = letters.next() else {
            continue;
        };
        if first.is_ascii_digit() && variant.ends_with(|letter: char| letter.is_ascii_digit()) {
            variant.push('_');
        }
        variant.push(first.to_ascii_uppercase());
        let is_shouted = !word.chars().any(|letter| letter.is_ascii_lowercase());
        variant.extend(letters.map(|l| {
            if is_shouted {
                l.to_ascii_lowercase()
            } else {
                l
            }
        }));
    }
    if variant.starts_with(|letter: char| letter.is_ascii_digit()) {
        variant.insert(0, 'V');
    }
    variant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_become_snake_case_with_acronyms_whole() {
        for (name, expected) in [
            ("TTL", "ttl"),
            ("MinTTL", "min_ttl"),
            ("HTTPPort", "http_port"),
            ("HTTPSPort", "https_port"),
            ("WebACLId", "web_acl_id"),
            ("IsIPV6Enabled", "is_ipv6_enabled"),
            ("S3OriginConfig", "s3_origin_config"),
            ("ETag", "etag"),
            ("IfMatch", "if_match"),
            ("ARN", "arn"),
            ("Type", "r#type"),
            ("Override", "r#override"),
        ] {
            assert_eq!(field(name), expected);
        }
    }

    #[test]
    fn choices_become_variants() {
        for (wire, expected) in [
            ("redirect-to-https", "RedirectToHttps"),
            ("allExcept", "AllExcept"),
            ("TLSv1.2_2021", "TLSv1_2_2021"),
            ("TLSv1", "TLSv1"),
            ("GET", "Get"),
            ("S3", "S3"),
            ("http2and3", "Http2and3"),
            ("cloudfront-js-2.0", "CloudfrontJs2_0"),
            ("PriceClass_100", "PriceClass100"),
            ("3xx", "V3xx"),
        ] {
            assert_eq!(variant(wire), expected);
        }
    }
}
