//! Connection functions (spec §14.5): written, published, described. Nothing runs them yet.

use documents::{Resource, keys};
use shapes::Timestamp;
use shapes::cloudfront::{self as cf, FunctionStage, error};

use super::family::{self, Claim, Family, User};
use super::staged::{self, Function, Stages, UNPUBLISHED};
use super::tags;
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::ids::IdForm;
use crate::limits;
use crate::resource::{self, Kind};
use crate::service::{Entry, stored};

pub(super) static KIND: Kind = Kind {
    noun: "connection function",
    collection: keys::CONNECTION_FUNCTION,
    id: IdForm::Prefixed("cf_"),
    cfn_type: "AWS::CloudFront::ConnectionFunction",
    missing: &error::ENTITY_NOT_FOUND,
};

/// Distributions may name what is here, and nothing else.
pub(super) static LIVE: Kind = Kind {
    noun: "published connection function",
    collection: keys::CONNECTION_FUNCTION_LIVE,
    id: IdForm::Prefixed("cf_"),
    cfn_type: "AWS::CloudFront::ConnectionFunction",
    missing: &error::ENTITY_NOT_FOUND,
};

const NAME_CLAIM: &str = "name/connection-function";

static STAGES: Stages = Stages {
    family: &Family {
        kind: &KIND,
        claims: &[Claim {
            kind: NAME_CLAIM,
            member: "Name",
            what: |function| &function.name,
        }],
        taken: &error::ENTITY_ALREADY_EXISTS,
        is_repeatable: false,
        quota: (100, &error::ENTITY_LIMIT_EXCEEDED),
        check: |_| Ok(()),
        check_change: family::all_may_change,
        needs: staged::needs,
        users: &[User {
            collection: keys::DISTRIBUTION,
            noun: "distribution",
            names: |config| {
                let id = config["ConnectionFunctionAssociation"]["Id"].as_str();
                id.into_iter().collect()
            },
        }],
        in_use: &error::CANNOT_DELETE_ENTITY_WHILE_IN_USE,
        facts: family::no_facts,
        managed: family::none_managed,
    },
    live: &LIVE,
    code: (
        limits::CONNECTION_FUNCTION_CODE_BYTES_MAX,
        &error::ENTITY_SIZE_LIMIT_EXCEEDED,
    ),
};

const NOTE: &str = "connection functions are not run yet";

pub(super) const OPERATIONS: &[Entry] = &[
    stored("CreateConnectionFunction", NOTE, |call| {
        Box::pin(create(call))
    }),
    stored("DescribeConnectionFunction", NOTE, |call| {
        Box::pin(describe(call))
    }),
    stored("GetConnectionFunction", NOTE, |call| Box::pin(get(call))),
    stored("UpdateConnectionFunction", NOTE, |call| {
        Box::pin(update(call))
    }),
    stored("PublishConnectionFunction", NOTE, |call| {
        Box::pin(publish(call))
    }),
    stored("DeleteConnectionFunction", NOTE, |call| {
        Box::pin(delete(call))
    }),
    stored("ListConnectionFunctions", NOTE, |call| Box::pin(list(call))),
];

fn arn(call: &Call<'_>, id: &str) -> String {
    call.control.arn(&format!("connection-function/{id}"))
}

fn summary(
    call: &Call<'_>,
    stage: FunctionStage,
    function: Resource<Function>,
    status: &str,
) -> cf::ConnectionFunctionSummary {
    cf::ConnectionFunctionSummary {
        name: function.config.name,
        connection_function_config: function.config.function_config,
        connection_function_arn: arn(call, &function.id),
        status: status.to_owned(),
        stage,
        created_time: Timestamp::from_unix_ms(function.created_ms as i64),
        last_modified_time: Timestamp::from_unix_ms(function.modified_ms as i64),
        id: function.id,
    }
}

/// The id of what a client identifies by its id, its ARN or its name.
async fn id_of(call: &Call<'_>, identifier: &str) -> Result<String, Failure> {
    let id = identifier
        .strip_prefix(&arn(call, ""))
        .unwrap_or(identifier);
    Ok(call
        .claimed(NAME_CLAIM, id)
        .await?
        .unwrap_or_else(|| id.to_owned()))
}

async fn create(call: &Call<'_>) -> Answer {
    let input: cf::CreateConnectionFunctionRequest = call.input()?;
    family::check_name("Name", &input.name, "-_")?;
    let function = Function {
        name: input.name,
        function_config: input.connection_function_config,
        function_code: input.connection_function_code,
        tags: None,
    };
    STAGES.check(call, &function)?;
    let function = KIND.first_version(call, function);
    let change = STAGES.family.creation(call, &function).await?;
    let change = tags::attach(change, &arn(call, &function.id), input.tags.as_ref())?;
    call.commit(change).await?;
    Ok(Reply::of(&cf::CreateConnectionFunctionResult {
        location: Some(super::location("connection-function", &function.id)),
        etag: Some(function.etag.clone()),
        connection_function_summary: Some(summary(
            call,
            FunctionStage::Development,
            function,
            UNPUBLISHED,
        )),
    }))
}

async fn describe(call: &Call<'_>) -> Answer {
    let input: cf::DescribeConnectionFunctionRequest = call.input()?;
    let id = id_of(call, &input.identifier).await?;
    let staged = STAGES.load(call, &id).await?;
    let status = STAGES.status(call, &staged).await?;
    let (stage, function) = staged.into_stage(&STAGES, input.stage)?;
    Ok(Reply::of(&cf::DescribeConnectionFunctionResult {
        etag: Some(function.etag.clone()),
        connection_function_summary: Some(summary(call, stage, function, status)),
    }))
}

async fn get(call: &Call<'_>) -> Answer {
    let input: cf::GetConnectionFunctionRequest = call.input()?;
    let id = id_of(call, &input.identifier).await?;
    let staged = STAGES.load(call, &id).await?;
    let (_, function) = staged.into_stage(&STAGES, input.stage)?;
    Ok(Reply::of(&cf::GetConnectionFunctionResult {
        etag: Some(function.etag),
        content_type: Some("application/octet-stream".to_owned()),
        connection_function_code: Some(function.config.function_code),
    }))
}

async fn update(call: &Call<'_>) -> Answer {
    let input: cf::UpdateConnectionFunctionRequest = call.input()?;
    let staged = STAGES.changeable(call, &input.id, &input.if_match).await?;
    let function = Function {
        name: staged.development.resource.config.name.clone(),
        function_config: input.connection_function_config,
        function_code: input.connection_function_code,
        tags: None,
    };
    let status = STAGES.status(call, &staged).await?;
    let updated = STAGES.update(call, &staged, function).await?;
    let etag = updated.etag.clone();
    let summary = summary(call, FunctionStage::Development, updated, status);
    Ok(Reply::of(&cf::UpdateConnectionFunctionResult {
        etag: Some(etag),
        connection_function_summary: Some(summary),
    }))
}

async fn publish(call: &Call<'_>) -> Answer {
    let input: cf::PublishConnectionFunctionRequest = call.input()?;
    let staged = STAGES.changeable(call, &input.id, &input.if_match).await?;
    let (published, status) = STAGES.publish(call, &staged).await?;
    Ok(Reply::of(&cf::PublishConnectionFunctionResult {
        connection_function_summary: Some(summary(call, FunctionStage::Live, published, status)),
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: cf::DeleteConnectionFunctionRequest = call.input()?;
    let staged = STAGES.changeable(call, &input.id, &input.if_match).await?;
    let change = STAGES.deletion(call, &staged).await?;
    let change = tags::forget(change, &arn(call, &input.id));
    call.commit(change).await?;
    Ok(Reply::empty())
}

async fn list(call: &Call<'_>) -> Answer {
    let input: cf::ListConnectionFunctionsRequest = call.input()?;
    let listed = STAGES.list(call, input.stage).await?;
    let max_items = input.max_items.map(|number| number.to_string());
    let (marker, max_items) = (input.marker.as_deref(), max_items.as_deref());
    let page = resource::page(listed, |item| &item.marker, marker, max_items)?;
    let items = page.items.into_iter();
    let items = items.map(|item| summary(call, item.stage, item.function, item.status));
    Ok(Reply::of(&cf::ListConnectionFunctionsResult {
        next_marker: page.next_marker,
        connection_functions: Some(items.collect()),
    }))
}
