//! The account's configuration.

use documents::acm::{AccountConfiguration, CONFIGURATION};
use documents::{decode, encode};
use shapes::acm as model;

use super::check_bounds;
use crate::call::{Answer, Call, Reply};
use crate::change::Change;

/// Before expiry, where nobody says otherwise.
const DAYS_BEFORE_EXPIRY: i32 = 45;

pub async fn get(call: &Call<'_>) -> Answer {
    let document = call.store().get(CONFIGURATION).await?;
    let stored = document.map(|document| decode(CONFIGURATION, &document.value));
    let stored: Option<AccountConfiguration> = stored.transpose()?;
    let days = stored.map_or(DAYS_BEFORE_EXPIRY, |stored| stored.days_before_expiry);
    Ok(Reply::of(&model::GetAccountConfigurationResponse {
        expiry_events: Some(model::ExpiryEventsConfiguration {
            days_before_expiry: Some(days),
        }),
    }))
}

/// What the input leaves out stays as it is.
pub async fn put(call: &Call<'_>) -> Answer {
    check_bounds(call)?;
    let input: model::PutAccountConfigurationRequest = call.input()?;
    let days = input
        .expiry_events
        .and_then(|events| events.days_before_expiry);
    let Some(days_before_expiry) = days else {
        return Ok(Reply::empty());
    };
    let configuration = AccountConfiguration { days_before_expiry };
    let change = Change::new()
        .about(
            "AWS::CertificateManager::Account",
            &call.control.config.account_id,
        )
        .put(CONFIGURATION, encode(&configuration));
    call.commit(change).await?;
    Ok(Reply::empty())
}
