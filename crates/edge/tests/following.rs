//! Following the store: what is written there is served here, and stays while the store is away.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

mod world;

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use documents::{Node, Resource, Role, Tenant, decode, keys};
use edge::{Follower, Following};
use serde_json::{Value, json};
use shapes::Structure;
use shapes::cloudfront as cf;
use store::sqlite::Sqlite;
use store::{Document, LeaseId, Outcome, Page, Range, Revision, Store, StoreError, Txn, Watch};
use world::{Gate, Origin, World, distribution, eventually, response};

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
        Followed::of(origin, Arc::new(Sqlite::in_memory().unwrap()))
    }

    fn of(origin: &Origin, store: Arc<dyn Store>) -> Followed {
        let directory = tempfile::tempdir().unwrap();
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
            region: None,
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

    /// Several distributions in one commit.
    fn distributions(&self, configs: &[(&str, &Value)]) -> Revision {
        let txn = configs.iter().fold(Txn::new(), |txn, (id, config)| {
            let config: cf::DistributionConfig = shapes::from_value(config).unwrap();
            let domain = format!("{}.cdn.test", id.to_ascii_lowercase());
            txn.put(
                keys::resource(keys::DISTRIBUTION, id),
                resource(id, &domain, config).encode(),
            )
        });
        self.commit(txn)
    }

    fn put_config<C: serde::Serialize>(
        &self,
        collection: &str,
        id: &str,
        domain: &str,
        config: C,
    ) -> Revision {
        let resource = resource(id, domain, config);
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

fn resource<C>(id: &str, domain: &str, config: C) -> Resource<C> {
    Resource {
        id: id.to_owned(),
        etag: "E".to_owned(),
        version: 1,
        created_ms: 0,
        modified_ms: 0,
        domain: (!domain.is_empty()).then(|| domain.to_owned()),
        config,
    }
}

/// A store that notes what the node says of itself, and has its moods.
struct Moody {
    inner: Sqlite,
    /// What was committed under `nodes/`.
    said: Mutex<Vec<Node>>,
    lease: Mutex<Option<LeaseId>>,
    /// Before each page of a list of what edges read.
    list_delay_ms: AtomicU64,
}

impl Moody {
    fn new() -> Arc<Moody> {
        Arc::new(Moody {
            inner: Sqlite::in_memory().unwrap(),
            said: Mutex::default(),
            lease: Mutex::default(),
            list_delay_ms: AtomicU64::new(0),
        })
    }
}

#[async_trait::async_trait]
impl Store for Moody {
    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Document>>, StoreError> {
        self.inner.get_many(keys).await
    }

    async fn list(&self, range: Range) -> Result<Page, StoreError> {
        if range.prefix == keys::CLOUDFRONT {
            let delay = Duration::from_millis(self.list_delay_ms.load(Ordering::Relaxed));
            tokio::time::sleep(delay).await;
        }
        self.inner.list(range).await
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, StoreError> {
        for write in &txn.writes {
            if let store::Write::Put { key, value, .. } = write
                && key.starts_with(keys::NODES)
            {
                self.said.lock().unwrap().push(decode(key, value).unwrap());
            }
        }
        self.inner.commit(txn).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        self.inner.watch(prefix, after).await
    }

    async fn grant(&self, ttl_secs: u32) -> Result<LeaseId, StoreError> {
        let lease = self.inner.grant(ttl_secs).await?;
        *self.lease.lock().unwrap() = Some(lease);
        Ok(lease)
    }

    /// Never admits that one has ended: that is noticed in other ways, too.
    async fn renew(&self, lease: LeaseId) -> Result<bool, StoreError> {
        self.inner.renew(lease).await?;
        Ok(true)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.inner.revoke(lease).await
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

    let mut asking = staging.clone();
    asking["ViewerMtlsConfig"] = json!({ "Mode": "passthrough" });
    followed.applied(followed.distribution("E2", &asking));
    assert_eq!(
        followed.world.get("/a", &chosen).text(),
        "primary",
        "nobody was asked for the certificates that staging asks for"
    );
    followed.applied(followed.distribution("E2", &staging));

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

#[test]
fn a_name_moves_although_another_change_of_the_moment_is_refused() {
    let one = origin("one");
    let followed = Followed::new(&one);
    followed.distribution("E1", &named(&one, "a.test"));
    followed.applied(followed.distribution("E2", &named(&one, "moved.test")));
    let revision = followed.distributions(&[
        ("E1", &named(&one, "moved.test")),
        ("E2", &named(&one, "b.test")),
        // The name of a site that is served already.
        ("E3", &named(&one, "site.test")),
    ]);
    followed.applied(revision);
    let refused = followed.node().unwrap().refused;
    let keys: Vec<&String> = refused.keys().collect();
    assert_eq!(keys, ["cloudfront/distribution/E3"]);
    assert_eq!(followed.status("moved.test"), 200);
    assert_eq!(followed.status("b.test"), 200);
    assert_eq!(followed.status("a.test"), 403);
}

#[test]
fn what_was_refused_for_its_name_is_served_once_the_name_is_free() {
    let one = origin("one");
    let followed = Followed::new(&one);
    followed.distribution("E1", &named(&one, "a.test"));
    followed.applied(followed.distribution("E2", &named(&one, "a.test")));
    let key = keys::resource(keys::DISTRIBUTION, "E2");
    assert!(followed.node().unwrap().refused.contains_key(&key));
    let gone = keys::resource(keys::DISTRIBUTION, "E1");
    followed.applied(followed.commit(Txn::new().delete(gone)));
    assert_eq!(followed.node().unwrap().refused, Default::default());
    assert_eq!(followed.status("a.test"), 200);
}

#[test]
fn a_document_that_cannot_be_read_stays_refused_when_its_policy_changes() {
    let one = origin("one");
    let followed = Followed::new(&one);
    let policy = shapes_value(&world::cache_policy(0, 0, 0));
    followed.put::<cf::CachePolicyConfig>(keys::CACHE_POLICY, "p1", "", &policy);
    let mut config = named(&one, "a.test");
    config["DefaultCacheBehavior"]["CachePolicyId"] = json!("p1");
    followed.distribution("E1", &config);
    let key = keys::resource(keys::DISTRIBUTION, "E1");
    followed.applied(followed.commit(Txn::new().put(&key, "{")));
    let policy = shapes_value(&world::cache_policy(1, 1, 1));
    followed.applied(followed.put::<cf::CachePolicyConfig>(keys::CACHE_POLICY, "p1", "", &policy));
    assert!(followed.node().unwrap().refused.contains_key(&key));
}

#[test]
fn an_invalidation_of_the_root_means_the_root_of_the_same_moment() {
    let one = origin("one");
    let followed = Followed::new(&one);
    let mut config = named(&one, "a.test");
    config["DefaultRootObject"] = json!("a.html");
    followed.applied(followed.distribution("E1", &config));
    let get = |path: &str| followed.world.get(path, &[("Host", "a.test")]);
    get("/b.html");
    assert_eq!(get("/b.html").cache(), "Hit");
    config["DefaultRootObject"] = json!("b.html");
    let config: cf::DistributionConfig = shapes::from_value(&config).unwrap();
    let batch = json!({ "Paths": { "Quantity": 1, "Items": ["/"] }, "CallerReference": "x" });
    let batch: cf::InvalidationBatch = shapes::from_value(&batch).unwrap();
    let revision = followed.commit(
        Txn::new()
            .put(
                keys::resource(keys::DISTRIBUTION, "E1"),
                resource("E1", "e1.cdn.test", config).encode(),
            )
            .put(
                keys::resource(keys::INVALIDATION, "E1/I1"),
                resource("I1", "", batch).encode(),
            ),
    );
    followed.applied(revision);
    assert_eq!(get("/").cache(), "Miss");
}

#[test]
fn a_list_that_takes_longer_than_the_pauses_between_saves_comes_to_its_end() {
    let one = origin("one");
    let store = Moody::new();
    store.list_delay_ms.store(1_200, Ordering::Relaxed);
    let followed = Followed::of(&one, store);
    followed.applied(followed.distribution("E1", &named(&one, "a.test")));
}

#[test]
fn a_copy_of_another_store_is_no_claim_to_serve_what_this_one_has() {
    let one = origin("one");
    let mut followed = Followed::new(&one);
    let config = named(&one, "a.test");
    for _ in 0..30 {
        followed.distribution("E1", &config);
    }
    followed.applied(followed.distribution("E1", &config));
    followed.following = None;
    let store = Moody::new();
    followed.store = Arc::clone(&store) as Arc<dyn Store>;
    let first = followed.distribution("E2", &named(&one, "b.test"));
    followed.follow();
    followed.applied(first);
    eventually("the new store's site is served", || {
        followed.status("b.test") == 200
    });
    assert_eq!(followed.status("a.test"), 403);
    let said = store.said.lock().unwrap();
    let applied: Vec<u64> = said.iter().map(|node| node.applied).collect();
    assert!(
        applied.iter().all(|applied| *applied < 20),
        "{applied:?}: the new store has never been there"
    );
}

#[test]
fn a_node_whose_lease_has_ended_takes_another_one() {
    let one = origin("one");
    let store = Moody::new();
    let followed = Followed::of(&one, Arc::clone(&store) as Arc<dyn Store>);
    followed.applied(followed.distribution("E1", &named(&one, "a.test")));
    let lease = store.lease.lock().unwrap().unwrap();
    followed
        .runtime
        .block_on(followed.store.revoke(lease))
        .unwrap();
    followed.applied(followed.distribution("E1", &named(&one, "b.test")));
}

/// A request that began before a change still goes by the old site; what it brings in must not
/// outlast an invalidation that came after the change.
#[test]
fn what_a_replaced_site_fetches_does_not_outlast_the_next_invalidation() {
    let gate = Gate::default();
    let held = gate.clone();
    let old = Origin::scripted(move |asked, _, stream| {
        let answer = match asked.target.as_str() {
            "/a" => {
                held.wait();
                response("404 Not Found", &[], "")
            }
            _ => response("200 OK", &[("Cache-Control", "max-age=1000")], "old"),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let new = origin("new");
    let config = |origin: &Origin| {
        let mut config = named(origin, "a.test");
        config["CustomErrorResponses"] = json!({ "Quantity": 1, "Items": [{ "ErrorCode": 404,
            "ResponsePagePath": "/e.html", "ResponseCode": "404", "ErrorCachingMinTTL": 0 }] });
        config
    };
    let followed = Followed::new(&new);
    followed.applied(followed.distribution("E1", &config(&old)));
    let mut viewer = followed.world.client();
    viewer.ask("GET", "/a", &[("Host", "a.test")]);
    eventually("the old origin is asked", || old.count() == 1);
    followed.distribution("E1", &config(&new));
    let batch = json!({ "Paths": { "Quantity": 1, "Items": ["/*"] }, "CallerReference": "x" });
    followed.applied(followed.put::<cf::InvalidationBatch>(
        keys::INVALIDATION,
        "E1/I1",
        "",
        &batch,
    ));
    gate.open();
    assert_eq!(viewer.read_answer("GET").unwrap().text(), "old");
    assert_eq!(followed.text("a.test"), "new");
    let page = followed.world.get("/e.html", &[("Host", "a.test")]);
    assert_eq!(page.text(), "new");
}

#[test]
fn a_restriction_by_country_takes_hold_where_countries_cannot_be_told() {
    let origin = origin("open");
    let followed = Followed::new(&origin);
    followed.applied(followed.distribution("E1", &named(&origin, "a.test")));
    assert_eq!(followed.text("a.test"), "open");

    let mut restricted = named(&origin, "b.test");
    restricted["Restrictions"] = json!({ "GeoRestriction":
        { "RestrictionType": "blacklist", "Quantity": 1, "Items": ["KP"] } });
    let revision = followed.distribution("E1", &restricted);
    followed.applied(revision);
    assert_eq!(followed.status("b.test"), 503, "not even what is cached");
    assert_eq!(
        followed.status("a.test"),
        403,
        "the rest of the change applies"
    );
    let key = keys::resource(keys::DISTRIBUTION, "E1");
    let refusal = followed.node().unwrap().refused[&key].clone();
    assert_eq!(refusal.revision, revision.0);
    assert!(refusal.message.contains("GeoRestriction"), "{refusal:?}");
    // Another change leaves it as it is.
    followed.applied(followed.distribution("E2", &named(&origin, "c.test")));
    assert_eq!(followed.node().unwrap().refused[&key], refusal);

    followed.applied(followed.distribution("E1", &named(&origin, "b.test")));
    assert_eq!(followed.text("b.test"), "open");
    assert_eq!(followed.node().unwrap().refused, Default::default());
}
