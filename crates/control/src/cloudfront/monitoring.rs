//! Monitoring subscriptions: one a distribution, or none.

use documents::{Resource, keys};
use shapes::cloudfront::{self as cf, MonitoringSubscription, error};

use super::family::invalid;
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::{Kind, Stored};
use crate::service::{Entry, stored};

static KIND: Kind = Kind {
    noun: "monitoring subscription of distribution",
    collection: "monitoring-subscription",
    // That of its distribution.
    id: IdForm::Name,
    cfn_type: "AWS::CloudFront::MonitoringSubscription",
    missing: &error::NO_SUCH_MONITORING_SUBSCRIPTION,
};

const NOTE: &str = "there are no additional metrics to turn on";

pub(super) const OPERATIONS: &[Entry] = &[
    stored("CreateMonitoringSubscription", NOTE, |call| {
        Box::pin(create(call))
    }),
    stored("GetMonitoringSubscription", NOTE, |call| {
        Box::pin(get(call))
    }),
    stored("DeleteMonitoringSubscription", NOTE, |call| {
        Box::pin(delete(call))
    }),
];

/// The key of a distribution that there is.
async fn distribution(call: &Call<'_>, id: &str) -> Result<String, Failure> {
    let key = keys::resource(keys::DISTRIBUTION, id);
    if id.contains('/') || call.store().get(&key).await?.is_none() {
        let message = format!("There is no distribution '{id}'.");
        return Err(Failure::api(&error::NO_SUCH_DISTRIBUTION, message));
    }
    Ok(key)
}

async fn load(call: &Call<'_>, id: &str) -> Result<Stored<MonitoringSubscription>, Failure> {
    distribution(call, id).await?;
    KIND.load(call, id).await
}

/// "Enables or disables": Terraform changes a subscription by making it again, with the other
/// status. Only one that would change nothing is there already.
async fn create(call: &Call<'_>) -> Answer {
    let input: cf::CreateMonitoringSubscriptionRequest = call.input()?;
    let (id, subscription) = (input.distribution_id, input.monitoring_subscription);
    if subscription.realtime_metrics_subscription_config.is_none() {
        let member = "MonitoringSubscription.RealtimeMetricsSubscriptionConfig";
        return Err(invalid(member, "is required"));
    }
    let distribution = distribution(call, &id).await?;
    let key = KIND.key(&id);
    let change = match call.store().get(&key).await? {
        None => {
            let resource = KIND.first_version_named(call, id, subscription.clone());
            KIND.creation(call, &resource)
        }
        Some(document) => {
            let stored = Stored {
                resource: Resource::<MonitoringSubscription>::decode(&key, &document.value)?,
                modified: document.modified,
                key,
            };
            if stored.resource.config == subscription {
                let message = format!("The distribution '{id}' has this subscription already.");
                let exists = &error::MONITORING_SUBSCRIPTION_ALREADY_EXISTS;
                return Err(Failure::api(exists, message));
            }
            let next = stored.next_version(call, subscription.clone());
            stored.change(&KIND).save(call, &stored.key, &next)
        }
    };
    call.commit(change.if_present(distribution)).await?;
    Ok(Reply::of(&cf::CreateMonitoringSubscriptionResult {
        monitoring_subscription: Some(subscription),
    }))
}

async fn get(call: &Call<'_>) -> Answer {
    let input: cf::GetMonitoringSubscriptionRequest = call.input()?;
    let stored = load(call, &input.distribution_id).await?;
    Ok(Reply::of(&cf::GetMonitoringSubscriptionResult {
        monitoring_subscription: Some(stored.resource.config),
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: cf::DeleteMonitoringSubscriptionRequest = call.input()?;
    let stored = load(call, &input.distribution_id).await?;
    let change = stored.change(&KIND);
    let change = change.remove(call, &stored.key, stored.resource.version);
    call.commit(change).await?;
    Ok(Reply::empty())
}
