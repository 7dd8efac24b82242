//! What the API asks of the node that it runs on.

use std::net::Ipv4Addr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use control::{LocalNode, SiteCheck, TestAnswer, TestQuestion};
use dns::World;
use dns::explain::{Question, explain};
use dns::message::ClientSubnet;
use documents::{Resource, keys};
use edge::site::{Policies, compile};
use serde_json::Value;
use shapes::ShapeError;
use shapes::cloudfront::DistributionConfig;
use store::Document;

use crate::api::{EdgeSlot, now_ms};

/// Compiles as edges do: what compiles here compiles there.
pub struct Compiler;

impl SiteCheck for Compiler {
    fn check(
        &self,
        distribution: &Resource<DistributionConfig>,
        named: &[Document],
    ) -> Vec<ShapeError> {
        let mut policies = Policies::managed();
        for document in named {
            let Some((collection, id)) = keys::parse(&document.key) else {
                continue;
            };
            if let Err(error) = policies.put(collection, id, document) {
                let (path, message) = (String::new(), error.to_string());
                return vec![ShapeError { path, message }];
            }
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
