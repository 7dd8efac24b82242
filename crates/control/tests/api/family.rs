//! What holds for every family of resources: a description of one, and what is then tried on it.

use documents::{Resource, encode, keys};
use serde_json::{Value, json};
use shapes::cloudfront::SERVICE;
use store::{Document, Range, Txn};

use crate::world::World;

/// A family, as its clients know it.
pub struct Family {
    /// Create, get, get the config, update, delete, list.
    pub operations: [&'static str; 6],
    /// The members of inputs and outputs: config, resource, list.
    pub members: [&'static str; 3],
    /// The path that `Location` has.
    pub path: &'static str,
    /// A config; each number gives another one. The text is the id of what it needs, if it does.
    pub config: fn(usize, &str) -> Value,
    /// The member of a config that each number gives another of and that an update may change.
    pub name: Option<&'static str>,
    /// The member that an update changes otherwise.
    pub comment: &'static str,
    /// Codes: none of that id (404), taken (409), in use (409), too many (400).
    pub codes: [&'static str; 4],
    /// How many there may be.
    pub quota: usize,
    /// The collection and the config of something that uses the resource of that id.
    pub user: fn(&str) -> (&'static str, Value),
}

impl Family {
    fn input(&self, config: &Value) -> Value {
        json!({ self.members[0]: config })
    }

    fn input_for(&self, output: &Value, config: &Value) -> Value {
        let (id, etag) = (self.id(output), &output["ETag"]);
        json!({ "Id": id, "IfMatch": etag, self.members[0]: config })
    }

    /// The id in an output of create, get or update.
    pub fn id<'v>(&self, output: &'v Value) -> &'v str {
        output[self.members[1]]["Id"].as_str().unwrap()
    }

    /// Makes the resource of a number.
    pub async fn make(&self, world: &World, number: usize, needed: &str) -> Value {
        let config = (self.config)(number, needed);
        conforming(world, self.operations[0], self.input(&config)).await
    }
}

/// What an operation gives that must succeed; the output is what its model says.
pub async fn conforming(world: &World, operation: &str, input: Value) -> Value {
    let output = world.ok(operation, input).await;
    let model = SERVICE.operation(operation).unwrap();
    if let Some(body) = &model.output {
        let errors = shapes::check_types(body.shape, &output);
        assert_eq!(errors, [], "{operation}: {output}");
        let unknown = shapes::unknown_members(body.shape, &output);
        assert!(unknown.is_empty(), "{operation}: {unknown:?}");
    }
    output
}

/// Everything in the store but the audit record.
pub async fn documents(world: &World) -> Vec<Document> {
    let all = world.store.list(Range::default()).await.unwrap();
    assert!(!all.has_more, "a test has no more than a page");
    let mut documents = all.documents;
    documents.retain(|document| !document.key.starts_with(keys::AUDIT));
    documents
}

/// An operation fails so, and changes nothing.
pub async fn refused(world: &World, operation: &str, input: Value, want: (u16, &str)) {
    let before = documents(world).await;
    let (status, code) = world.fail(operation, input.clone()).await;
    assert_eq!((status, code.as_str()), want, "{operation} {input}");
    assert_eq!(documents(world).await, before, "{operation} {input}");
}

/// Puts what uses a resource, as its own operations would.
async fn use_it(world: &World, family: &Family, id: &str) -> String {
    let (collection, config) = (family.user)(id);
    let user = Resource {
        id: "USER".to_owned(),
        etag: "E1".to_owned(),
        version: 1,
        created_ms: 0,
        modified_ms: 0,
        domain: None,
        config,
    };
    let key = keys::resource(collection, &user.id);
    let txn = Txn::new()
        .put(&key, encode(&user))
        .put(keys::guard(collection), "");
    world.store.commit(txn).await.unwrap();
    key
}

/// Create, get, list, update, delete; and what is refused on the way.
pub async fn lives(family: &Family, world: &World, needed: &str) {
    let [create, get, get_config, update, delete, list] = family.operations;
    let [config_member, resource_member, list_member] = family.members;
    let [missing, _, in_use, _] = family.codes;
    let config = (family.config)(1, needed);

    let made = conforming(world, create, family.input(&config)).await;
    let id = family.id(&made);
    assert_eq!(made[resource_member][config_member], config);
    let location = made["Location"].as_str().unwrap();
    let path = format!("/2020-05-31/{}/{id}", family.path);
    assert!(location.ends_with(&path), "{location}");

    let got = conforming(world, get, json!({ "Id": id })).await;
    assert_eq!(got[resource_member], made[resource_member]);
    assert_eq!(got["ETag"], made["ETag"]);
    let got = conforming(world, get_config, json!({ "Id": id })).await;
    assert_eq!(got, json!({ config_member: config, "ETag": made["ETag"] }));
    let listed = conforming(world, list, custom(list)).await;
    assert_eq!(listed[list_member]["Quantity"], 1);
    let item = listed[list_member]["Items"][0].to_string();
    assert!(item.contains(id), "{item}");

    let mut changed = config.clone();
    changed[family.comment] = json!("changed");
    for (if_match, want) in [
        (json!(null), (400, "InvalidIfMatchVersion")),
        (json!("nonsense"), (400, "InvalidIfMatchVersion")),
        (json!("E00000000000AA"), (412, "PreconditionFailed")),
    ] {
        let input = json!({ "Id": id, "IfMatch": if_match, config_member: changed });
        refused(world, update, input, want).await;
        refused(
            world,
            delete,
            json!({ "Id": id, "IfMatch": if_match }),
            want,
        )
        .await;
    }
    let other = json!({ "Id": "other", "IfMatch": made["ETag"], config_member: changed });
    refused(world, update, other.clone(), (404, missing)).await;
    refused(world, delete, other, (404, missing)).await;

    let updated = conforming(world, update, family.input_for(&made, &changed)).await;
    assert_ne!(updated["ETag"], made["ETag"]);
    assert_eq!(updated[resource_member][config_member], changed);
    let got = conforming(world, get, json!({ "Id": id })).await;
    assert_eq!(got, updated);
    let stale = family.input_for(&made, &config);
    refused(world, update, stale, (412, "PreconditionFailed")).await;

    let user = use_it(world, family, id).await;
    let current = json!({ "Id": id, "IfMatch": updated["ETag"] });
    refused(world, delete, current.clone(), (409, in_use)).await;
    let gone = Txn::new().delete(user);
    world.store.commit(gone).await.unwrap();

    conforming(world, delete, current.clone()).await;
    for operation in [get, get_config, delete] {
        refused(world, operation, current.clone(), (404, missing)).await;
    }
    let listed = conforming(world, list, custom(list)).await;
    assert_eq!(listed[list_member]["Quantity"], 0);
    // Its name and its caller reference are free again.
    conforming(world, create, family.input(&config)).await;
}

/// What names a resource is its own, until it gives it up.
pub async fn names_are_taken(family: &Family, world: &World, needed: &str) {
    let [create, _, _, update, ..] = family.operations;
    let taken = (409, family.codes[1]);
    let first = family.make(world, 1, needed).await;
    let mut again = (family.config)(1, needed);
    again[family.comment] = json!("another");
    refused(world, create, family.input(&again), taken).await;
    let Some(name) = family.name else { return };
    let second = family.make(world, 2, needed).await;
    let mut config = (family.config)(2, needed);
    config[name] = (family.config)(1, needed)[name].clone();
    refused(world, update, family.input_for(&second, &config), taken).await;

    // The first takes another name, and the second may have the one that is free.
    let mut renamed = (family.config)(1, needed);
    renamed[name] = (family.config)(3, needed)[name].clone();
    conforming(world, update, family.input_for(&first, &renamed)).await;
    conforming(world, update, family.input_for(&second, &config)).await;
}

/// The last that there may be is made, and no more.
pub async fn quota_holds(family: &Family, world: &World, needed: &str) {
    for number in 0..family.quota {
        family.make(world, number, needed).await;
    }
    let one_more = family.input(&(family.config)(family.quota, needed));
    let want = (400, family.codes[3]);
    refused(world, family.operations[0], one_more, want).await;
}

/// Pages follow one another, in the order of making; lists with `IsTruncated` say it.
pub async fn pages_follow(family: &Family, world: &World, needed: &str) {
    let (list, member) = (family.operations[5], family.members[2]);
    let mut made = Vec::new();
    for number in 1..=3 {
        let output = family.make(world, number, needed).await;
        made.push(family.id(&output).to_owned());
    }
    let mut input = custom(list);
    input["MaxItems"] = json!("2");
    let first = conforming(world, list, input.clone()).await[member].clone();
    assert_eq!(
        (&first["Quantity"], &first["MaxItems"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(first["NextMarker"], made[1]);
    input["Marker"] = first["NextMarker"].clone();
    let second = conforming(world, list, input.clone()).await[member].clone();
    assert_eq!(second["Quantity"], 1);
    assert!(second["Items"][0].to_string().contains(&made[2]));
    assert_eq!(second.get("NextMarker"), None);
    if first.get("IsTruncated").is_some() {
        assert_eq!(
            (&first["IsTruncated"], &first["Marker"]),
            (&json!(true), &json!(""))
        );
        assert_eq!(second["IsTruncated"], false);
        assert_eq!(second["Marker"], first["NextMarker"]);
    }
    input["MaxItems"] = json!("none");
    refused(world, list, input, (400, "InvalidArgument")).await;
}

/// The input that lists all that are not managed.
fn custom(list: &str) -> Value {
    match list.ends_with("Policies") {
        true => json!({ "Type": "custom" }),
        false => json!({}),
    }
}

/// PEM of an RSA key of 2,048 bits.
pub const RSA_2048: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyyEmczNMcFj2QXNQe3LS
gko0yfYNBZ20z5ATN25Nki/TIM6rbmkFeWRK/K/mJ9ekGYbL98tio4+XJ69uI1yu
rMvGiqQ1Gx1DwM9DrUcp/8vgM6QDDJGhhqclRlvt1PG3pFmhXHYGjSRby+8ouV1a
S2Kj982HUPVTVMJLCuwwumc2/vH3+g3fxP3s12HS01ChttOhtNAa7/TQgKSl9vvR
E27eMUIKOJCyT9qMQe0g7whcajux+TZlD1FS1UQtQgtKJQwVCiwXJZQOswyAepOU
slyKeKqVkjy7fQbFL807G+pn210Aqpis3DGsBkKHBgZO1lvHxkFZP4Fzb5H5P3Cp
sQIDAQAB
-----END PUBLIC KEY-----
";

/// PEM of an ECDSA key on the curve P-256.
pub const ECDSA_P256: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEc3DJryHlkuAg301kLGLA2sEAmtKH
0DrLU5JiDpKHEq55LfIuTGza3dLNcvkfesYOPf5XwcH4tukuxV8hrLS88A==
-----END PUBLIC KEY-----
";

/// A public key's config.
pub fn public_key(number: usize, encoded: &str) -> Value {
    json!({
        "CallerReference": format!("reference-{number}"),
        "Name": format!("key-{number}"),
        "EncodedKey": encoded,
        "Comment": "",
    })
}

/// A public key; gives its id.
pub async fn key(world: &World, number: usize, encoded: &str) -> String {
    let input = json!({ "PublicKeyConfig": public_key(number, encoded) });
    let output = world.ok("CreatePublicKey", input).await;
    output["PublicKey"]["Id"].as_str().unwrap().to_owned()
}
