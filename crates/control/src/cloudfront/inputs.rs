//! What inputs must keep to besides their types.

use shapes::cloudfront::error;

use super::family::invalid;
use crate::call::Call;
use crate::error::Failure;

const ARN_BYTES_MAX: usize = 2_048;

/// Refuses an input that is out of the bounds that AWS's model states.
pub(super) fn check_bounds(call: &Call<'_>) -> Result<(), Failure> {
    let Some(input) = &call.operation.input else {
        return Ok(());
    };
    match shapes::check_bounds(input.shape, &call.input) {
        errors if errors.is_empty() => Ok(()),
        errors => Err(Failure::invalid(&error::INVALID_ARGUMENT, &errors)),
    }
}

/// Refuses what is no ARN of one of those services: `arn:aws:iam::123456789012:role/name`.
pub(super) fn check_arn(member: &str, arn: &str, services: &[&str]) -> Result<(), Failure> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let is_arn = matches!(
        parts.as_slice(),
        ["arn", partition, service, _, account, resource]
            if partition.starts_with("aws") && services.contains(service)
                && account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())
                && !resource.is_empty()
    );
    if is_arn && arn.len() <= ARN_BYTES_MAX && arn.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let arn: String = arn.chars().take(200).collect();
    let services = services.join(" or ");
    Err(invalid(member, format!("'{arn}' is no ARN of {services}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_of_the_services_that_are_expected() {
        let role = "arn:aws:iam::123456789012:role/path/name";
        assert!(check_arn("RoleARN", role, &["iam"]).is_ok());
        assert!(check_arn("RoleARN", role, &["kinesis"]).is_err());
        for bad in [
            "",
            "arn:aws:iam::12:role/x",
            "arn:aws:iam::123456789012:",
            "role/name",
            "arn:aws:iam::123456789012:role/a b",
        ] {
            assert!(check_arn("RoleARN", bad, &["iam"]).is_err(), "{bad}");
        }
    }
}
