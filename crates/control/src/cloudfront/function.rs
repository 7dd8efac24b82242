//! CloudFront Functions (spec §12.1): written, published, described. Nothing runs them yet.
//!
//! The stage that is worked on lies under `function/<name>`, the one that runs under
//! `function-live/<name>`.

use documents::{Resource, keys};
use shapes::Timestamp;
use shapes::cloudfront::{self as cf, FunctionStage, error};

use super::family::{self, Family, User};
use super::staged::{self, Function, Stages, UNPUBLISHED};
use super::tags;
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::ids::IdForm;
use crate::limits;
use crate::resource::{self, Kind};
use crate::service::{Entry, stored};

pub(super) static KIND: Kind = Kind {
    noun: "function",
    collection: keys::FUNCTION,
    id: IdForm::Name,
    cfn_type: "AWS::CloudFront::Function",
    missing: &error::NO_SUCH_FUNCTION_EXISTS,
};

/// Distributions may name what is here, and nothing else.
pub(super) static LIVE: Kind = Kind {
    noun: "published function",
    collection: keys::FUNCTION_LIVE,
    id: IdForm::Name,
    cfn_type: "AWS::CloudFront::Function",
    missing: &error::NO_SUCH_FUNCTION_EXISTS,
};

static STAGES: Stages = Stages {
    family: &Family {
        kind: &KIND,
        // Its name is its id.
        claims: &[],
        taken: &error::FUNCTION_ALREADY_EXISTS,
        is_repeatable: false,
        quota: (100, &error::TOO_MANY_FUNCTIONS),
        check: |_| Ok(()),
        check_change: family::all_may_change,
        needs: staged::needs,
        users: &[User {
            collection: keys::DISTRIBUTION,
            noun: "distribution",
            names: |config| {
                let behaviors = family::behaviors(config);
                let functions =
                    behaviors.flat_map(|each| family::items(&each["FunctionAssociations"]));
                let arns = functions.filter_map(|each| each["FunctionARN"].as_str());
                arns.filter_map(name_of_arn).collect()
            },
        }],
        in_use: &error::FUNCTION_IN_USE,
        facts: family::no_facts,
        managed: family::none_managed,
    },
    live: &LIVE,
    code: (
        limits::FUNCTION_CODE_BYTES_MAX,
        &error::FUNCTION_SIZE_LIMIT_EXCEEDED,
    ),
};

const NOTE: &str = "functions are not run yet";

pub(super) const OPERATIONS: &[Entry] = &[
    stored("CreateFunction", NOTE, |call| Box::pin(create(call))),
    stored("DescribeFunction", NOTE, |call| Box::pin(describe(call))),
    stored("GetFunction", NOTE, |call| Box::pin(get(call))),
    stored("UpdateFunction", NOTE, |call| Box::pin(update(call))),
    stored("PublishFunction", NOTE, |call| Box::pin(publish(call))),
    stored("DeleteFunction", NOTE, |call| Box::pin(delete(call))),
    stored("ListFunctions", NOTE, |call| Box::pin(list(call))),
];

fn arn(call: &Call<'_>, name: &str) -> String {
    call.control.arn(&format!("function/{name}"))
}

/// `name` of `arn:aws:cloudfront::123456789012:function/name`.
pub(super) fn name_of_arn(arn: &str) -> Option<&str> {
    arn.split_once(":function/").map(|(_, name)| name)
}

fn summary(
    call: &Call<'_>,
    stage: FunctionStage,
    function: Resource<Function>,
    status: &str,
) -> cf::FunctionSummary {
    cf::FunctionSummary {
        status: Some(status.to_owned()),
        function_config: function.config.function_config,
        function_metadata: cf::FunctionMetadata {
            function_arn: arn(call, &function.id),
            stage: Some(stage),
            created_time: Some(Timestamp::from_unix_ms(function.created_ms as i64)),
            last_modified_time: Timestamp::from_unix_ms(function.modified_ms as i64),
        },
        name: function.id,
    }
}

async fn create(call: &Call<'_>) -> Answer {
    let mut input: cf::CreateFunctionRequest = call.input()?;
    let (name, given_tags) = (input.name.clone(), input.tags.take());
    family::check_name("Name", &name, "-_")?;
    STAGES.check(call, &input)?;
    if call.store().get(&KIND.key(&name)).await?.is_some() {
        let message = format!("There is a function '{name}' already.");
        return Err(Failure::api(&error::FUNCTION_ALREADY_EXISTS, message));
    }
    let function = KIND.first_version_named(call, name, input);
    let change = STAGES.family.creation(call, &function).await?;
    let change = tags::attach(change, &arn(call, &function.id), given_tags.as_ref())?;
    call.commit(change).await?;
    Ok(Reply::of(&cf::CreateFunctionResult {
        location: Some(super::location("function", &function.id)),
        etag: Some(function.etag.clone()),
        function_summary: Some(summary(
            call,
            FunctionStage::Development,
            function,
            UNPUBLISHED,
        )),
    }))
}

async fn describe(call: &Call<'_>) -> Answer {
    let input: cf::DescribeFunctionRequest = call.input()?;
    let staged = STAGES.load(call, &input.name).await?;
    let status = STAGES.status(call, &staged).await?;
    let (stage, function) = staged.into_stage(&STAGES, input.stage)?;
    Ok(Reply::of(&cf::DescribeFunctionResult {
        etag: Some(function.etag.clone()),
        function_summary: Some(summary(call, stage, function, status)),
    }))
}

async fn get(call: &Call<'_>) -> Answer {
    let input: cf::GetFunctionRequest = call.input()?;
    let staged = STAGES.load(call, &input.name).await?;
    let (_, function) = staged.into_stage(&STAGES, input.stage)?;
    Ok(Reply::of(&cf::GetFunctionResult {
        etag: Some(function.etag),
        content_type: Some("application/octet-stream".to_owned()),
        function_code: Some(function.config.function_code),
    }))
}

async fn update(call: &Call<'_>) -> Answer {
    let input: cf::UpdateFunctionRequest = call.input()?;
    let staged = STAGES
        .changeable(call, &input.name, &input.if_match)
        .await?;
    let function = Function {
        name: input.name,
        function_config: input.function_config,
        function_code: input.function_code,
        tags: None,
    };
    let status = STAGES.status(call, &staged).await?;
    let updated = STAGES.update(call, &staged, function).await?;
    let etag = updated.etag.clone();
    let reply = Reply::of(&cf::UpdateFunctionResult {
        etag: Some(etag.clone()),
        function_summary: Some(summary(call, FunctionStage::Development, updated, status)),
    });
    // The model spells this operation's header `ETtag` (spec §1.5); who looks for it under its
    // right name finds it too.
    Ok(reply.with_header("ETag", etag))
}

async fn publish(call: &Call<'_>) -> Answer {
    let input: cf::PublishFunctionRequest = call.input()?;
    let staged = STAGES
        .changeable(call, &input.name, &input.if_match)
        .await?;
    let (published, status) = STAGES.publish(call, &staged).await?;
    Ok(Reply::of(&cf::PublishFunctionResult {
        function_summary: Some(summary(call, FunctionStage::Live, published, status)),
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: cf::DeleteFunctionRequest = call.input()?;
    let staged = STAGES
        .changeable(call, &input.name, &input.if_match)
        .await?;
    let change = STAGES.deletion(call, &staged).await?;
    let change = tags::forget(change, &arn(call, &input.name));
    call.commit(change).await?;
    Ok(Reply::empty())
}

async fn list(call: &Call<'_>) -> Answer {
    let input: cf::ListFunctionsRequest = call.input()?;
    let listed = STAGES.list(call, input.stage).await?;
    let (marker, max_items) = (input.marker.as_deref(), input.max_items.as_deref());
    let page = resource::page(listed, |item| &item.marker, marker, max_items)?;
    let items = page.items.into_iter();
    let items: Vec<_> = items
        .map(|item| summary(call, item.stage, item.function, item.status))
        .collect();
    Ok(Reply::of(&cf::ListFunctionsResult {
        function_list: Some(cf::FunctionList {
            next_marker: page.next_marker,
            max_items: page.max_items,
            quantity: items.len() as i32,
            items: Some(items),
        }),
    }))
}
