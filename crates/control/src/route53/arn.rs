/// The region and the resource of an ARN of a service: of
/// `arn:aws:logs:us-east-1:123456789012:log-group:name`, `us-east-1` and `log-group:name`. Nothing
/// if it is none.
pub(super) fn parse<'a>(arn: &'a str, service: &str) -> Option<(&'a str, &'a str)> {
    const BYTES_MAX: usize = 2_048;
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, of, region, account, resource] = parts.as_slice() else {
        return None;
    };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_arn = partition.starts_with("aws")
        && *of == service
        && is_account
        && arn.len() <= BYTES_MAX
        && arn.bytes().all(|byte| byte.is_ascii_graphic());
    (is_arn && !region.is_empty() && !resource.is_empty()).then_some((*region, *resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_of_the_service_that_is_expected() {
        let arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/route53/a:*";
        let parsed = Some(("us-east-1", "log-group:/aws/route53/a:*"));
        assert_eq!(parse(arn, "logs"), parsed);
        assert_eq!(parse(arn, "kms"), None);
        for bad in [
            "",
            "arn:aws:logs:us-east-1:12:log-group:a",
            "arn:aws:logs::123456789012:log-group:a",
            "arn:aws:logs:us-east-1:123456789012:",
            "arn:aws:logs:us-east-1:123456789012:log-group:a b",
        ] {
            assert_eq!(parse(bad, "logs"), None, "{bad}");
        }
    }
}
