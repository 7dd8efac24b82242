//! The names that a certificate is asked for.

/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 253;
/// Most names besides the first one: the model's bound.
const MORE_NAMES_MAX: usize = 100;

/// The names of a certificate in lower case, each once: the domain name, then the others in their
/// order. An error says which member is wrong, and how.
pub fn read(domain: &str, others: &[String]) -> Result<Vec<String>, String> {
    if others.len() > MORE_NAMES_MAX {
        return Err(format!(
            "SubjectAlternativeNames: has {} names; {MORE_NAMES_MAX} are allowed",
            others.len()
        ));
    }
    let first = name(domain).map_err(|problem| format!("DomainName: {problem}"))?;
    let mut names = vec![first];
    for (index, other) in others.iter().enumerate() {
        let name = name(other)
            .map_err(|problem| format!("SubjectAlternativeNames[{index}]: {problem}"))?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match names.len() {
        0..=certificates::limits::NAMES_MAX => Ok(names),
        count => Err(format!(
            "SubjectAlternativeNames: with the domain name there are {count}; {} are allowed",
            certificates::limits::NAMES_MAX
        )),
    }
}

/// A name in lower case, if a certificate may have it.
fn name(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("*.").unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !text.is_ascii() {
        return Err(format!(
            "'{text}' has letters beyond ASCII; write them in Punycode: xn--bcher-kva.example"
        ));
    }
    if text.len() > NAME_CHARS_MAX {
        return Err(format!(
            "has {} characters; {NAME_CHARS_MAX} are allowed",
            text.len()
        ));
    }
    let is_name = host.contains('.') && host.split('.').all(is_label);
    match is_name && certificates::is_certificate_name(text) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!(
            "'{text}' is no domain name; allowed are names of two labels or more, of letters, \
             digits and '-', with '*.' in front or not"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_lower_case_and_each_is_there_once() {
        let others = ["*.Example.com", "example.COM", "xn--bcher-kva.example"];
        let others: Vec<String> = others.map(str::to_owned).to_vec();
        let names = read("Example.com", &others).unwrap();
        assert_eq!(
            names,
            ["example.com", "*.example.com", "xn--bcher-kva.example"]
        );
    }

    #[test]
    fn what_is_no_name_is_refused_with_its_place() {
        let long = format!("{}.example.com", "a".repeat(64));
        for bad in [
            "",
            "localhost",
            "a.*.example.com",
            "*",
            "*.*.example.com",
            "w*.example.com",
            "-a.example.com",
            "a_b.example.com",
            "example.com.",
            "192.0.2.1",
            "bücher.example",
            long.as_str(),
        ] {
            let problem = read(bad, &[]).unwrap_err();
            assert!(problem.starts_with("DomainName: "), "{bad}: {problem}");
            let problem = read("example.com", &[bad.to_owned()]).unwrap_err();
            let at = "SubjectAlternativeNames[0]: ";
            assert!(problem.starts_with(at), "{bad}: {problem}");
        }
        let many: Vec<String> = (0..100).map(|n| format!("a{n}.example.com")).collect();
        assert!(read("example.com", &many).is_err());
        assert_eq!(read("a0.example.com", &many).unwrap().len(), 100);
    }
}
