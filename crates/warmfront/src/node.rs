//! What the API asks of the node that it runs on.

use std::net::Ipv4Addr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use control::{CustomPolicies, LocalNode, SiteCheck, TestAnswer, TestQuestion};
use dns::World;
use dns::explain::{Question, explain};
use dns::message::ClientSubnet;
use documents::Resource;
use edge::site::{Policies, compile};
use serde_json::Value;
use shapes::ShapeError;
use shapes::cloudfront::DistributionConfig;

use crate::api::{EdgeSlot, now_ms};

/// Compiles as edges do: what compiles here compiles there.
pub struct Compiler;

impl SiteCheck for Compiler {
    fn check(
        &self,
        distribution: &Resource<DistributionConfig>,
        custom: &CustomPolicies,
    ) -> Vec<ShapeError> {
        let mut policies = Policies::managed();
        for (id, config) in &custom.cache {
            policies.insert_cache(id, config.clone());
        }
        for (id, config) in &custom.origin_request {
            policies.insert_origin_request(id, config.clone());
        }
        for (id, config) in &custom.response_headers {
            policies.insert_response_headers(id, config.clone());
        }
        let domain = distribution.domain.as_deref().unwrap_or_default();
        let site = compile(&distribution.id, domain, &distribution.config, &policies);
        site.err().unwrap_or_default()
    }
}

/// What serves on this node.
pub struct Local {
    /// The edge while it serves.
    pub edge: EdgeSlot,
    /// What the name server answers with, if there is one.
    pub world: Option<Arc<ArcSwap<World>>>,
}

impl LocalNode for Local {
    fn explain(&self, question: &Value) -> Option<Result<Value, String>> {
        let edge = self
            .edge
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let edge = edge.as_ref()?;
        Some(crate::explain::answer(edge, question))
    }

    fn explain_dns(&self, question: &Value) -> Option<Result<Value, String>> {
        Some(crate::dns::answer(&self.world.as_ref()?.load(), question))
    }

    fn test_answer(&self, question: &TestQuestion) -> Option<TestAnswer> {
        let world = self.world.as_ref()?.load();
        let client_subnet = question.client_subnet;
        let asked = Question {
            name: question.name.clone(),
            record_type: question.record_type,
            source: question.resolver.unwrap_or(Ipv4Addr::LOCALHOST.into()),
            client_subnet: client_subnet.map(|(address, prefix_bits)| ClientSubnet {
                address,
                prefix_bits,
            }),
        };
        let now_ms = now_ms();
        let told = explain(&world, &asked, now_ms, now_ms);
        let values = told.answers.into_iter().map(|answer| answer.value);
        Some(TestAnswer {
            response_code: told.rcode,
            values: values.collect(),
        })
    }
}
