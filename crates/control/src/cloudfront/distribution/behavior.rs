//! All behaviors of a distribution.

use documents::distribution::as_behavior;
use shapes::cloudfront::{CacheBehavior, DistributionConfig};

/// Every behavior with where in the config it is, the default one first.
pub fn all(config: &DistributionConfig) -> Vec<(String, CacheBehavior)> {
    let default = as_behavior(config.default_cache_behavior.clone());
    let others = config.cache_behaviors.iter().flat_map(|list| list.items());
    let others = others
        .enumerate()
        .map(|(index, behavior)| (format!("CacheBehaviors.Items[{index}]"), behavior.clone()));
    std::iter::once(("DefaultCacheBehavior".to_owned(), default))
        .chain(others)
        .collect()
}
