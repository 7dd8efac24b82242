//! What `aws cloudfront … --generate-cli-skeleton` prints is a document.

use shapes::cloudfront::CreateDistributionRequest;
use shapes::from_json;

const INPUT: &str = include_str!("fixtures/create-distribution-skeleton.json");

#[test]
fn the_input_skeleton_is_read() {
    let request: CreateDistributionRequest = from_json(INPUT).unwrap();
    let config = request.distribution_config;
    assert!(config.enabled);
    assert_eq!(config.origins.items().len(), 1);
}
