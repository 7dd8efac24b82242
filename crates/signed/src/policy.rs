//! Policies (spec §9.5).

use crate::presented::ViewerUrl;

/// The policy that a canned signature is over, rebuilt from the URL. None for URLs in which no
/// signer leaves what would need an escape in JSON: the text could be read as another policy.
pub(crate) fn canned(url: &ViewerUrl<'_>, expires_secs: u64) -> Option<Vec<u8>> {
    let mut text = br#"{"Statement":[{"Resource":""#.to_vec();
    let from = text.len();
    text.extend_from_slice(match url.is_https {
        true => b"https://",
        false => b"http://",
    });
    text.extend(url.host.iter().map(u8::to_ascii_lowercase));
    text.extend_from_slice(url.path);
    let own: Vec<_> = url.own_query().collect();
    let own = own.join(&b'&');
    if !own.is_empty() {
        text.push(b'?');
        text.extend_from_slice(&own);
    }
    let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    if !text[from..].iter().all(is_plain) {
        return None;
    }
    let rest =
        format!(r#"","Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires_secs}}}}}}}]}}"#);
    text.extend_from_slice(rest.as_bytes());
    Some(text)
}
