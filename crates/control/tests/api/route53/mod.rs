//! Route 53.

mod changes;
mod cidr_collections;
mod delegation_sets;
mod dnssec;
mod geo_locations;
mod health_checks;
mod lists;
mod protections;
mod query_logging;
mod record_sets;
mod tags;
mod traffic_policies;
mod vpcs;
mod zones;
