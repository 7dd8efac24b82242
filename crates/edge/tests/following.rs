//! Following the store: what is written there is served here, and stays while the store is away.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

mod world;

use std::sync::Arc;

use documents::{Node, Resource, Role, Tenant, decode, keys};
use edge::{Follower, Following};
use serde_json::{Value, json};
use shapes::Structure;
use shapes::cloudfront as cf;
use store::sqlite::Sqlite;
use store::{Revision, Store, Txn};
use world::{Origin, World, distribution, eventually};

/// An edge that follows a store.
struct Followed {
    world: World,
    store: Arc<dyn Store>,
    runtime: tokio::runtime::Runtime,
    following: Option<Following>,
    directory: tempfile::TempDir,
}

impl Followed {
    fn new(origin: &Origin) -> Followed {
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
        let mut followed = Followed {
            world: World::new(&distribution(origin.address)),
            store,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            following: None,
            directory,
        };
        followed.follow();
        followed
    }

    fn follow(&mut self) {
        let follower = Follower::open(&self.directory.path().join("replica")).unwrap();
        let updates = self.world.edge.as_ref().unwrap().updates().clone();
        let node = Node {
            id: "n1".to_owned(),
            roles: vec![Role::Edge],
            pop: "TST1-C1".to_owned(),
            http: Vec::new(),
            started_ms: 0,
            applied: 0,
            refused: Default::default(),
        };
        let store = Arc::clone(&self.store);
        self.following = Some(follower.start(false, updates, store, node).unwrap());
    }

    fn commit(&self, txn: Txn) -> Revision {
        match self.runtime.block_on(self.store.commit(txn)).unwrap() {
            store::Outcome::Committed(revision) => revision,
            store::Outcome::Conflict => panic!("nobody else writes"),
        }
    }

    fn put<C: Structure>(
        &self,
        collection: &str,
        id: &str,
        domain: &str,
        config: &Value,
    ) -> Revision {
        let config: C = shapes::from_value(config).unwrap();
        self.put_config(collection, id, domain, config)
    }

    fn put_config<C: serde::Serialize>(
        &self,
        collection: &str,
        id: &str,
        domain: &str,
        config: C,
    ) -> Revision {
        let resource = Resource {
            id: id.to_owned(),
            etag: "E".to_owned(),
            version: 1,
            created_ms: 0,
            modified_ms: 0,
            domain: (!domain.is_empty()).then(|| domain.to_owned()),
            config,
        };
        self.commit(Txn::new().put(keys::resource(collection, id), resource.encode()))
    }

    fn distribution(&self, id: &str, config: &Value) -> Revision {
        let domain = format!("{}.cdn.test", id.to_ascii_lowercase());
        self.put::<cf::DistributionConfig>(keys::DISTRIBUTION, id, &domain, config)
    }

    fn node(&self) -> Option<Node> {
        let key = keys::node("n1");
        let document = self.runtime.block_on(self.store.get(&key)).unwrap()?;
        Some(decode(&key, &document.value).unwrap())
    }

    fn applied(&self, revision: Revision) {
        eventually("the node has applied it", || {
            self.node().is_some_and(|node| node.applied >= revision.0)
        });
    }

    fn status(&self, host: &str) -> u16 {
        self.world.get("/a", &[("Host", host)]).status
    }

    fn text(&self, host: &str) -> String {
        self.world.get("/a", &[("Host", host)]).text()
    }
}

fn named(origin: &Origin, name: &str) -> Value {
    let mut config = distribution(origin.address);
    config["Aliases"] = json!({ "Quantity": 1, "Items": [name] });
    config
}

fn origin(text: &str) -> Origin {
    Origin::fixed("200 OK", &[("Cache-Control", "max-age=1000")], text)
}

#[test]
fn a_distribution_is_served_changed_and_gone_as_the_store_says() {
    let (one, two) = (origin("one"), origin("two"));
    let followed = Followed::new(&one);
    assert_eq!(followed.status("a.test"), 403);
    let revision = followed.distribution("E1", &named(&one, "a.test"));
    followed.applied(revision);
    assert_eq!(followed.text("a.test"), "one");
    assert_eq!(followed.text("e1.cdn.test"), "one", "by its own name");
    let mut config = named(&two, "b.test");
    config["DefaultRootObject"] = json!("x");
    let revision = followed.distribution("E1", &config);
    followed.applied(revision);
    assert_eq!(followed.status("a.test"), 403, "the alias is gone");
    assert_eq!(followed.text("b.test"), "two");
    assert_eq!(followed.text("e1.cdn.test"), "one", "what is cached stays");
    let key = keys::resource(keys::DISTRIBUTION, "E1");
    let revision = followed.commit(Txn::new().delete(key));
    followed.applied(revision);
    assert_eq!(followed.status("b.test"), 403);
}

#[test]
fn a_policy_changes_the_sites_that_use_it() {
    let one = Origin::fixed("200 OK", &[], "one");
    let followed = Followed::new(&one);
    followed.put::<cf::CachePolicyConfig>(
        keys::CACHE_POLICY,
        "p1",
        "",
        &shapes_value(&world::cache_policy(0, 0, 0)),
    );
    let mut config = named(&one, "a.test");
    config["DefaultCacheBehavior"]["CachePolicyId"] = json!("p1");
    followed.applied(followed.distribution("E1", &config));
    followed.text("a.test");
    assert_eq!(
        followed.world.get("/a", &[("Host", "a.test")]).cache(),
        "Miss"
    );
    let revision = followed.put::<cf::CachePolicyConfig>(
        keys::CACHE_POLICY,
        "p1",
        "",
        &shapes_value(&world::cache_policy(100, 100, 100)),
    );
    followed.applied(revision);
    followed.text("a.test");
    assert_eq!(
        followed.world.get("/a", &[("Host", "a.test")]).cache(),
        "Hit"
    );
}

fn shapes_value(config: &cf::CachePolicyConfig) -> Value {
    serde_json::to_value(config).unwrap()
}

#[test]
fn what_cannot_be_served_leaves_the_old_site_and_is_reported() {
    let one = origin("one");
    let followed = Followed::new(&one);
    followed.applied(followed.distribution("E1", &named(&one, "a.test")));
    let mut wrong = named(&one, "a.test");
    wrong["DefaultCacheBehavior"]["TargetOriginId"] = json!("nobody");
    let revision = followed.distribution("E1", &wrong);
    followed.applied(revision);
    assert_eq!(followed.text("a.test"), "one");
    let node = followed.node().unwrap();
    let key = keys::resource(keys::DISTRIBUTION, "E1");
    let refusal = &node.refused[&key];
    assert_eq!(refusal.revision, revision.0);
    assert!(
        refusal.message.contains("TargetOriginId"),
        "{}",
        refusal.message
    );
    assert!(!node.serves(&key, revision.0));
    // A name that another one has: the others go on.
    followed.distribution("E1", &named(&one, "a.test"));
    followed.distribution("E2", &named(&one, "site.test"));
    followed.applied(followed.distribution("E3", &named(&one, "c.test")));
    assert_eq!(followed.text("c.test"), "one");
    let refused = followed.node().unwrap().refused;
    let keys: Vec<&String> = refused.keys().collect();
    assert_eq!(keys, ["cloudfront/distribution/E2"], "E1 is mended");
    // A document that is none at all.
    let key = keys::resource(keys::DISTRIBUTION, "E4");
    followed.applied(followed.commit(Txn::new().put(&key, "{")));
    assert!(followed.node().unwrap().refused.contains_key(&key));
}

#[test]
fn an_invalidation_bans() {
    let one = origin("one");
    let followed = Followed::new(&one);
    followed.applied(followed.distribution("E1", &named(&one, "a.test")));
    followed.text("a.test");
    let before = one.count();
    let batch = json!({ "Paths": { "Quantity": 1, "Items": ["/a*"] }, "CallerReference": "x" });
    let revision = followed.put::<cf::InvalidationBatch>(keys::INVALIDATION, "E1/I1", "", &batch);
    followed.applied(revision);
    followed.text("a.test");
    assert_eq!(one.count(), before + 1);
}

#[test]
fn a_continuous_deployment_sends_viewers_to_staging() {
    let (one, two) = (origin("primary"), origin("staging"));
    let followed = Followed::new(&one);
    let mut staging = distribution(two.address);
    staging["Aliases"] = json!({ "Quantity": 0 });
    staging["Staging"] = json!(true);
    followed.distribution("E2", &staging);
    let policy = |traffic: Value| {
        json!({
            "StagingDistributionDnsNames": { "Quantity": 1, "Items": ["e2.cdn.test"] },
            "Enabled": true, "TrafficConfig": traffic,
        })
    };
    let collection = keys::CONTINUOUS_DEPLOYMENT_POLICY;
    let by_header = policy(json!({ "Type": "SingleHeader", "SingleHeaderConfig":
        { "Header": "aws-cf-cd-test", "Value": "1" } }));
    followed.put::<cf::ContinuousDeploymentPolicyConfig>(collection, "cd", "", &by_header);
    let mut primary = named(&one, "a.test");
    primary["ContinuousDeploymentPolicyId"] = json!("cd");
    followed.applied(followed.distribution("E1", &primary));
    assert_eq!(followed.text("a.test"), "primary");
    let chosen = [("Host", "a.test"), ("aws-cf-cd-test", "1")];
    assert_eq!(followed.world.get("/a", &chosen).text(), "staging");
    assert_eq!(followed.status("e2.cdn.test"), 403, "no name leads to it");

    let all = policy(
        json!({ "Type": "SingleWeight", "SingleWeightConfig": { "Weight": 1.0,
        "SessionStickinessConfig": { "IdleTTL": 300, "MaximumTTL": 600 } } }),
    );
    let revision = followed.put::<cf::ContinuousDeploymentPolicyConfig>(collection, "cd", "", &all);
    followed.applied(revision);
    let answer = followed.world.get("/a", &[("Host", "a.test")]);
    assert_eq!(
        (answer.text().as_str(), answer.cache()),
        ("staging", "Hit"),
        "a cache of its own"
    );
    assert!(
        answer
            .get("set-cookie")
            .unwrap()
            .starts_with("warmfront-deployment=s.")
    );
    let off = json!({ "StagingDistributionDnsNames": { "Quantity": 1, "Items": ["e2.cdn.test"] },
        "Enabled": false });
    let revision = followed.put::<cf::ContinuousDeploymentPolicyConfig>(collection, "cd", "", &off);
    followed.applied(revision);
    assert_eq!(followed.text("a.test"), "primary");
}

#[test]
fn tenants_are_served_as_their_template_says() {
    let one = origin("one");
    let followed = Followed::new(&one);
    let mut template = distribution(one.address);
    template["ConnectionMode"] = json!("tenant-only");
    template["Aliases"] = json!({ "Quantity": 0 });
    template["TenantConfig"] = json!({ "ParameterDefinitions": [{ "Name": "path",
        "Definition": { "StringSchema": { "Required": true } } }] });
    template["Origins"]["Items"][0]["OriginPath"] = json!("/{{path}}");
    followed.distribution("E1", &template);
    let tenant = |name: &str, path: &str| Tenant {
        distribution_id: "E1".to_owned(),
        name: name.to_owned(),
        domains: vec![format!("{name}.test")],
        parameters: vec![shapes::from_value(&json!({ "Name": "path", "Value": path })).unwrap()],
        connection_group_id: "cg_1".to_owned(),
        enabled: true,
        ..Tenant::default()
    };
    let collection = keys::DISTRIBUTION_TENANT;
    followed.put_config(collection, "dt_1", "", tenant("blue", "sky"));
    followed.applied(followed.put_config(collection, "dt_2", "", tenant("green", "grass")));
    assert_eq!(
        followed.status("e1.cdn.test"),
        403,
        "a template is not served itself"
    );
    followed.text("blue.test");
    assert_eq!(one.last().target, "/sky/a");
    followed.text("green.test");
    assert_eq!(one.last().target, "/grass/a");
    template["Comment"] = json!("changed");
    template["Origins"]["Items"][0]["OriginPath"] = json!("/v2/{{path}}");
    followed.applied(followed.distribution("E1", &template));
    followed.world.get("/b", &[("Host", "blue.test")]);
    assert_eq!(
        one.last().target,
        "/v2/sky/b",
        "the template's change reaches its tenants"
    );
}

#[test]
fn a_node_serves_from_its_copy_while_the_store_is_away() {
    let one = origin("one");
    let mut followed = Followed::new(&one);
    followed.applied(followed.distribution("E1", &named(&one, "a.test")));
    // The node goes, its copy stays.
    followed.following = None;
    assert!(followed.node().is_none(), "it gave its lease back");
    let path = followed.directory.path().join("replica");
    let mut copy = Follower::open(&path).unwrap();
    let ids: Vec<String> = copy.sites().into_iter().map(|site| site.id).collect();
    assert_eq!(ids, ["E1"]);
    // What changed meanwhile is caught up with.
    let revision = followed.distribution("E2", &named(&one, "b.test"));
    followed.follow();
    followed.applied(revision);
    assert_eq!(followed.text("a.test"), "one");
    assert_eq!(followed.text("b.test"), "one");
}
