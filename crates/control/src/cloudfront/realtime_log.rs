//! Real-time log configs (spec §15.3). They have no entity tags: the last writer wins.

use documents::keys;
use shapes::cloudfront::{self as cf, RealtimeLogConfig, error};

use super::family::{self, Family, User, invalid};
use super::{inputs, tags};
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::{self, Kind, Stored};
use crate::service::{Entry, stored};

pub(super) static KIND: Kind = Kind {
    noun: "real-time log config",
    collection: "realtime-log-config",
    id: IdForm::Name,
    cfn_type: "AWS::CloudFront::RealtimeLogConfig",
    missing: &error::NO_SUCH_REALTIME_LOG_CONFIG,
};

static FAMILY: Family<RealtimeLogConfig> = Family {
    kind: &KIND,
    // Its name is its id.
    claims: &[],
    taken: &error::REALTIME_LOG_CONFIG_ALREADY_EXISTS,
    is_repeatable: false,
    quota: (150, &error::TOO_MANY_REALTIME_LOG_CONFIGS),
    check,
    check_change: family::all_may_change,
    needs: family::nothing_needed,
    users: &[User {
        collection: keys::DISTRIBUTION,
        noun: "distribution",
        names: |config| {
            let arns = family::named_by_behaviors(config, "RealtimeLogConfigArn").into_iter();
            arns.filter_map(name_of_arn).collect()
        },
    }],
    in_use: &error::REALTIME_LOG_CONFIG_IN_USE,
    facts: family::no_facts,
    managed: family::none_managed,
};

const NOTE: &str = "no real-time logs are delivered yet";

pub(super) const OPERATIONS: &[Entry] = &[
    stored("CreateRealtimeLogConfig", NOTE, |call| {
        Box::pin(create(call))
    }),
    stored("GetRealtimeLogConfig", NOTE, |call| Box::pin(get(call))),
    stored("UpdateRealtimeLogConfig", NOTE, |call| {
        Box::pin(update(call))
    }),
    stored("DeleteRealtimeLogConfig", NOTE, |call| {
        Box::pin(delete(call))
    }),
    stored("ListRealtimeLogConfigs", NOTE, |call| Box::pin(list(call))),
];

/// All that a record may have, in the order in which it has them.
const FIELDS: [&str; 68] = [
    "timestamp",
    "c-ip",
    "time-to-first-byte",
    "sc-status",
    "sc-bytes",
    "cs-method",
    "cs-protocol",
    "cs-host",
    "cs-uri-stem",
    "cs-bytes",
    "x-edge-location",
    "x-edge-request-id",
    "x-host-header",
    "time-taken",
    "cs-protocol-version",
    "c-ip-version",
    "cs-user-agent",
    "cs-referer",
    "cs-cookie",
    "cs-uri-query",
    "x-edge-response-result-type",
    "x-forwarded-for",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-result-type",
    "fle-encrypted-fields",
    "fle-status",
    "sc-content-type",
    "sc-content-len",
    "sc-range-start",
    "sc-range-end",
    "c-port",
    "x-edge-detailed-result-type",
    "c-country",
    "cs-accept-encoding",
    "cs-accept",
    "cache-behavior-path-pattern",
    "cs-headers",
    "cs-header-names",
    "cs-headers-count",
    "primary-distribution-id",
    "primary-distribution-dns-name",
    "origin-fbl",
    "origin-lbl",
    "asn",
    "cmcd-encoded-bitrate",
    "cmcd-buffer-length",
    "cmcd-buffer-starvation",
    "cmcd-content-id",
    "cmcd-object-duration",
    "cmcd-deadline",
    "cmcd-measured-throughput",
    "cmcd-next-object-request",
    "cmcd-next-range-request",
    "cmcd-object-type",
    "cmcd-playback-rate",
    "cmcd-requested-maximum-throughput",
    "cmcd-streaming-format",
    "cmcd-session-id",
    "cmcd-stream-type",
    "cmcd-startup",
    "cmcd-top-bitrate",
    "cmcd-version",
    "r-host",
    "sr-reason",
    "x-edge-mqcs",
    "distribution-tenant-id",
    "connection-id",
];

fn check(config: &RealtimeLogConfig) -> Result<(), Failure> {
    family::check_name("Name", &config.name, "-_")?;
    if !(1..=100).contains(&config.sampling_rate) {
        let message = format!("{}; 1 to 100 (percent) are allowed", config.sampling_rate);
        return Err(invalid("SamplingRate", message));
    }
    check_fields(&config.fields)?;
    match config.end_points.as_slice() {
        [end_point] => check_end_point(end_point),
        end_points => {
            let message = format!("has {} end points; exactly 1 is allowed", end_points.len());
            Err(invalid("EndPoints", message))
        }
    }
}

fn check_fields(fields: &[String]) -> Result<(), Failure> {
    if fields.is_empty() {
        return Err(invalid("Fields", "names no field; 1 is the least"));
    }
    for (index, field) in fields.iter().enumerate() {
        let path = format!("Fields[{index}]");
        if !FIELDS.contains(&field.as_str()) {
            let field: String = field.chars().take(80).collect();
            return Err(invalid(path, format!("'{field}' is no field of a log")));
        }
        if fields[..index].contains(field) {
            return Err(invalid(path, format!("'{field}' is named twice")));
        }
    }
    Ok(())
}

fn check_end_point(end_point: &cf::EndPoint) -> Result<(), Failure> {
    if end_point.stream_type != "Kinesis" {
        return Err(invalid(
            "EndPoints[0].StreamType",
            "only 'Kinesis' is allowed",
        ));
    }
    let Some(stream) = &end_point.kinesis_stream_config else {
        return Err(invalid("EndPoints[0].KinesisStreamConfig", "is required"));
    };
    let path = |member| format!("EndPoints[0].KinesisStreamConfig.{member}");
    inputs::check_arn(&path("RoleARN"), &stream.role_arn, &["iam"])?;
    inputs::check_arn(&path("StreamARN"), &stream.stream_arn, &["kinesis"])
}

fn arn(call: &Call<'_>, name: &str) -> String {
    call.control.arn(&format!("realtime-log-config/{name}"))
}

/// `name` of `arn:aws:cloudfront::123456789012:realtime-log-config/name`.
fn name_of_arn(arn: &str) -> Option<&str> {
    arn.split_once(":realtime-log-config/")
        .map(|(_, name)| name)
}

/// The config that a client names by its name, or by its ARN; by its name if both are given.
async fn load(
    call: &Call<'_>,
    name: Option<&str>,
    own_arn: Option<&str>,
) -> Result<Stored<RealtimeLogConfig>, Failure> {
    match (name, own_arn) {
        (Some(name), _) if !name.is_empty() => KIND.load(call, name).await,
        (_, Some(own_arn)) if !own_arn.is_empty() => {
            let name = name_of_arn(own_arn).filter(|name| arn(call, name) == own_arn);
            let name = name.ok_or_else(|| KIND.missing(own_arn))?;
            KIND.load(call, name).await
        }
        _ => Err(invalid("Name", "and ARN are missing; one is needed")),
    }
}

async fn create(call: &Call<'_>) -> Answer {
    let input: cf::CreateRealtimeLogConfigRequest = call.input()?;
    let config = RealtimeLogConfig {
        arn: arn(call, &input.name),
        name: input.name,
        sampling_rate: input.sampling_rate,
        end_points: input.end_points,
        fields: input.fields,
    };
    check(&config)?;
    let name = config.name.clone();
    if call.store().get(&KIND.key(&name)).await?.is_some() {
        let message = format!("There is a real-time log config '{name}' already.");
        return Err(Failure::api(FAMILY.taken, message));
    }
    let resource = KIND.first_version_named(call, name, config);
    let change = FAMILY.creation(call, &resource).await?;
    call.commit(change).await?;
    Ok(Reply::of(&cf::CreateRealtimeLogConfigResult {
        realtime_log_config: Some(resource.config),
    }))
}

async fn get(call: &Call<'_>) -> Answer {
    let input: cf::GetRealtimeLogConfigRequest = call.input()?;
    let stored = load(call, input.name.as_deref(), input.arn.as_deref()).await?;
    Ok(Reply::of(&cf::GetRealtimeLogConfigResult {
        realtime_log_config: Some(stored.resource.config),
    }))
}

/// What the input leaves out stays as it is.
async fn update(call: &Call<'_>) -> Answer {
    let input: cf::UpdateRealtimeLogConfigRequest = call.input()?;
    let stored = load(call, input.name.as_deref(), input.arn.as_deref()).await?;
    let old = stored.resource.config.clone();
    let config = RealtimeLogConfig {
        sampling_rate: input.sampling_rate.unwrap_or(old.sampling_rate),
        end_points: input.end_points.unwrap_or(old.end_points),
        fields: input.fields.unwrap_or(old.fields),
        ..old
    };
    check(&config)?;
    let resource = stored.next_version(call, config);
    let change = FAMILY.change(call, &stored, &resource).await?;
    call.commit(change).await?;
    Ok(Reply::of(&cf::UpdateRealtimeLogConfigResult {
        realtime_log_config: Some(resource.config),
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: cf::DeleteRealtimeLogConfigRequest = call.input()?;
    let stored = load(call, input.name.as_deref(), input.arn.as_deref()).await?;
    let resource = &stored.resource;
    let change = stored.change(&KIND);
    let change = FAMILY.unused(call, change, &resource.id).await?;
    let change = change.remove(call, &stored.key, resource.version);
    call.commit(tags::forget(change, &resource.config.arn))
        .await?;
    Ok(Reply::empty())
}

async fn list(call: &Call<'_>) -> Answer {
    let input: cf::ListRealtimeLogConfigsRequest = call.input()?;
    let all = KIND.load_all(call).await?.into_iter();
    let all: Vec<RealtimeLogConfig> = all.map(|stored| stored.resource.config).collect();
    let (marker, max_items) = (input.marker.as_deref(), input.max_items.as_deref());
    let page = resource::page(all, |config| &config.name, marker, max_items)?;
    Ok(Reply::of(&cf::ListRealtimeLogConfigsResult {
        realtime_log_configs: Some(cf::RealtimeLogConfigs {
            max_items: page.max_items,
            is_truncated: page.next_marker.is_some(),
            marker: input.marker.unwrap_or_default(),
            next_marker: page.next_marker,
            items: Some(page.items),
        }),
    }))
}
