//! What the API asks of the node that it runs on.

use control::{CustomPolicies, LocalNode, SiteCheck};
use documents::Resource;
use edge::site::{Policies, compile};
use serde_json::Value;
use shapes::ShapeError;
use shapes::cloudfront::DistributionConfig;

use crate::api::EdgeSlot;

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

/// The edge of this node.
pub struct Local {
    /// The edge while it serves.
    pub edge: EdgeSlot,
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
}
