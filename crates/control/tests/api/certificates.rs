//! Certificates: ACM's API, and the distributions that are served with them.

use std::sync::Arc;

use certificates::authority::Authority;
use certificates::{Certificate, KeyAlgorithm, PrivateKey, chain};
use control::{ApiError, ControlConfig};
use documents::tls::{self, Material};
use documents::{acm as forms, decode, keys};
use secrets::Secrets;
use serde_json::{Value, json};
use shapes::Blob;
use store::Range;

use crate::distributions::{aliases, disabled, made, updated};
use crate::wire::Ask;
use crate::world::{World, config, distribution};

const NOW_SECS: u64 = 1_790_000_000;
const DAY_MS: u64 = 86_400_000;

fn waiting() -> World {
    World::of(ControlConfig {
        validate_certificates: true,
        ..config()
    })
}

async fn acm(world: &World, operation: &str, input: Value) -> Value {
    let answer = world.acm("us-east-1", operation, input).await;
    answer.unwrap_or_else(|error| panic!("{operation}: {}: {}", error.code, error.message))
}

async fn refused(world: &World, operation: &str, input: Value) -> ApiError {
    let before = crate::stored::documents(world).await;
    let answer = world.acm("us-east-1", operation, input).await;
    let error = answer.expect_err(operation);
    assert_eq!(crate::stored::documents(world).await, before, "{operation}");
    error
}

/// Refused, and recorded.
async fn refused_aloud(world: &World, operation: &str, input: Value) -> ApiError {
    let answer = world.acm("us-east-1", operation, input).await;
    answer.expect_err(operation)
}

async fn code(world: &World, operation: &str, input: Value) -> String {
    refused(world, operation, input).await.code.into_owned()
}

/// The ARN of a certificate for names, of an elliptic key: those are made at once.
async fn requested(world: &World, names: &[&str]) -> String {
    let input = json!({
        "DomainName": names[0], "SubjectAlternativeNames": names, "ValidationMethod": "DNS",
        "KeyAlgorithm": "EC_prime256v1",
    });
    let output = acm(world, "RequestCertificate", input).await;
    output["CertificateArn"].as_str().unwrap().to_owned()
}

fn named(arn: &str) -> Value {
    json!({ "CertificateArn": arn })
}

async fn described(world: &World, arn: &str) -> Value {
    let output = acm(world, "DescribeCertificate", named(arn)).await;
    output["Certificate"].clone()
}

fn served(arn: &str, names: &[&str]) -> impl FnOnce(&mut Value) {
    let names = aliases(names);
    let certificate = json!({ "ACMCertificateArn": arn, "SSLSupportMethod": "sni-only" });
    move |config| {
        config["Aliases"] = names;
        config["ViewerCertificate"] = certificate;
    }
}

fn creation(reference: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut config = distribution(reference);
    change(&mut config);
    json!({ "DistributionConfig": config })
}

/// What an owner brings: certificate, key, and the chain to a root of his own.
struct Brought {
    certificate: String,
    key: String,
    root: String,
}

fn brought(names: &[&str], algorithm: KeyAlgorithm) -> Brought {
    let root = Authority::make("root", NOW_SECS).unwrap();
    let key = PrivateKey::generate(algorithm).unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let life_secs = 90 * 86_400;
    Brought {
        certificate: root.issue(&names, &key, NOW_SECS, life_secs).unwrap(),
        key: pem("PRIVATE KEY", key.pkcs8_der()),
        root: root.certificate_pem().to_owned(),
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = Blob(der.to_vec()).encode();
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

fn import(brought: &Brought) -> Value {
    let blob = |text: &str| Blob(text.as_bytes().to_vec()).encode();
    json!({
        "Certificate": blob(&brought.certificate), "PrivateKey": blob(&brought.key),
        "CertificateChain": blob(&brought.root),
    })
}

async fn imported(world: &World, brought: &Brought) -> String {
    let output = acm(world, "ImportCertificate", import(brought)).await;
    output["CertificateArn"].as_str().unwrap().to_owned()
}

/// What edges serve of a certificate.
async fn material(world: &World, arn: &str) -> Option<Material> {
    let key = tls::key(tls::CERTIFICATE, &tls::certificate_id(arn).unwrap());
    let document = world.store.get(&key).await.unwrap();
    document.map(|document| decode(&key, &document.value).unwrap())
}

#[tokio::test]
async fn a_certificate_is_issued_at_once_for_its_names_by_the_local_authority() {
    let world = World::new();
    let arn = requested(&world, &["Example.com", "*.example.com"]).await;
    assert!(arn.starts_with("arn:aws:acm:us-east-1:123456789012:certificate/"));
    let told = described(&world, &arn).await;
    for (member, value) in [
        ("CertificateArn", json!(arn)),
        ("DomainName", json!("example.com")),
        (
            "SubjectAlternativeNames",
            json!(["example.com", "*.example.com"]),
        ),
        ("Status", json!("ISSUED")),
        ("Type", json!("AMAZON_ISSUED")),
        ("KeyAlgorithm", json!("EC-prime256v1")),
        ("Issuer", json!("Warmfront")),
        ("InUseBy", json!([])),
        ("RenewalEligibility", json!("INELIGIBLE")),
        ("ImportedAt", Value::Null),
        ("RenewalSummary", Value::Null),
    ] {
        assert_eq!(told[member], value, "{member}");
    }
    let validations = told["DomainValidationOptions"].as_array().unwrap();
    assert_eq!(validations.len(), 2);
    for validation in validations {
        assert_eq!(validation["ValidationStatus"], "SUCCESS");
        assert_eq!(validation["ValidationMethod"], "DNS");
        assert_eq!(
            validation["ResourceRecord"],
            validations[0]["ResourceRecord"]
        );
    }

    let material = material(&world, &arn).await.unwrap();
    let leaf = Certificate::from_pem(&material.chain_pem).unwrap();
    assert!(leaf.covers("www.example.com") && leaf.covers("example.com"));
    let life_secs = leaf.not_after_secs - leaf.not_before_secs;
    assert_eq!(life_secs, 395 * 86_400);
    assert_eq!(told["Serial"], json!(leaf.serial));
    let purpose = tls::sealing_purpose(&tls::certificate_id(&arn).unwrap());
    let key = config()
        .secrets
        .open(&purpose, &material.sealed_key)
        .unwrap();
    assert!(PrivateKey::from_pkcs8_der(&key).unwrap().is_of(&leaf));

    let got = acm(&world, "GetCertificate", named(&arn)).await;
    let root = Certificate::from_pem(got["CertificateChain"].as_str().unwrap()).unwrap();
    assert_eq!(got["Certificate"], json!(leaf.to_pem()));
    assert!(leaf.is_signed_by(&root) && root.is_authority);
    let other = requested(&world, &["example.org"]).await;
    let again = acm(&world, "GetCertificate", named(&other)).await;
    assert_eq!(again["CertificateChain"], got["CertificateChain"]);
}

#[tokio::test]
async fn many_who_need_the_authority_first_have_the_same_one() {
    let world = Arc::new(World::new());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let world = Arc::clone(&world);
        tasks.spawn(async move {
            let arn = requested(&world, &[&format!("a{number}.example.com")]).await;
            acm(&world, "GetCertificate", named(&arn)).await["CertificateChain"].clone()
        });
    }
    let chains = tasks.join_all().await;
    assert!(chains[0].is_string());
    assert!(chains.iter().all(|chain| *chain == chains[0]));
}

#[tokio::test]
async fn where_names_are_validated_a_certificate_waits_and_tells_its_records() {
    let world = waiting();
    let arn = requested(&world, &["example.com"]).await;
    let told = described(&world, &arn).await;
    assert_eq!(told["Status"], "PENDING_VALIDATION");
    for absent in ["IssuedAt", "Serial", "NotAfter", "KeyUsages"] {
        assert_eq!(told[absent], Value::Null, "{absent}");
    }
    let validation = &told["DomainValidationOptions"][0];
    assert_eq!(validation["ValidationStatus"], "PENDING_VALIDATION");
    let record = &validation["ResourceRecord"];
    assert_eq!(record["Type"], "CNAME");
    let (name, value) = (record["Name"].as_str(), record["Value"].as_str());
    assert!(name.unwrap().ends_with(".example.com."));
    assert!(value.unwrap().ends_with(".acm-validations.cdn.localhost."));
    assert_eq!(material(&world, &arn).await, None);
    assert_eq!(
        code(&world, "GetCertificate", named(&arn)).await,
        "RequestInProgressException"
    );
    let listed = acm(&world, "ListCertificateDomainValidations", named(&arn)).await;
    let listed = &listed["DomainValidationSummaryList"][0]["ActiveValidationConfiguration"];
    let challenge = &listed["ValidationChallenge"]["DnsValidationChallenge"];
    assert_eq!(&challenge["ResourceRecord"], record);
}

#[tokio::test]
async fn a_token_is_one_request_for_an_hour() {
    let world = waiting();
    let input = |name: &str| json!({ "DomainName": name, "IdempotencyToken": "tf2026" });
    let arn = |output: Value| output["CertificateArn"].as_str().unwrap().to_owned();
    let first = arn(acm(&world, "RequestCertificate", input("a.example.com")).await);
    let again = arn(acm(&world, "RequestCertificate", input("A.example.com")).await);
    assert_eq!(again, first);
    let other = arn(acm(&world, "RequestCertificate", input("b.example.com")).await);
    assert_ne!(other, first);
    world.pass(3_600_000);
    let later = arn(acm(&world, "RequestCertificate", input("a.example.com")).await);
    assert_ne!(later, first);
    world.pass(DAY_MS);
    acm(&world, "RequestCertificate", input("c.example.com")).await;
    let documents = crate::stored::documents(&world).await;
    let tokens = documents
        .iter()
        .filter(|one| one.key.starts_with("claims/acm-token/"));
    assert_eq!(tokens.count(), 1);
}

#[tokio::test]
async fn requests_that_acm_refuses_are_refused() {
    let world = World::new();
    let with = |members: Value| {
        let mut input = json!({ "DomainName": "example.com" });
        input
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        input
    };
    let invalid = "InvalidParameterException";
    let validation = "InvalidDomainValidationOptionsException";
    let arn = "arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/x";
    for (members, expected) in [
        (json!({ "DomainName": "localhost" }), invalid),
        (json!({ "DomainName": "a.*.example.com" }), invalid),
        (json!({ "DomainName": "x".repeat(254) }), invalid),
        (
            json!({ "SubjectAlternativeNames": ["bücher.example"] }),
            invalid,
        ),
        (
            json!({ "SubjectAlternativeNames": vec!["a.example.com"; 101] }),
            invalid,
        ),
        (json!({ "KeyAlgorithm": "RSA_1024" }), invalid),
        (json!({ "IdempotencyToken": "a b" }), invalid),
        (json!({ "IdempotencyToken": "a".repeat(33) }), invalid),
        (json!({ "ValidationMethod": "EMAIL" }), validation),
        (json!({ "ValidationMethod": "HTTP" }), invalid),
        (json!({ "ManagedBy": "CLOUDFRONT" }), invalid),
        (
            json!({ "CertificateAuthorityArn": arn }),
            "InvalidArnException",
        ),
        (
            json!({ "DomainValidationOptions": [
                { "DomainName": "example.com", "ValidationDomain": "example.org" },
            ]}),
            validation,
        ),
        (
            json!({ "Tags": [{ "Key": "aws:x", "Value": "" }] }),
            "InvalidTagException",
        ),
        (
            json!({ "Tags": [{ "Key": "a" }, { "Key": "a" }] }),
            "InvalidTagException",
        ),
    ] {
        let got = code(&world, "RequestCertificate", with(members.clone())).await;
        assert_eq!(got, expected, "{members}");
    }
}

#[tokio::test]
async fn a_certificate_is_of_its_region_and_account() {
    let world = World::new();
    let arn = requested(&world, &["example.com"]).await;
    let elsewhere = world
        .acm("eu-west-1", "DescribeCertificate", named(&arn))
        .await;
    assert_eq!(elsewhere.unwrap_err().code, "ResourceNotFoundException");
    let listed = world.acm("eu-west-1", "ListCertificates", json!({})).await;
    assert_eq!(listed.unwrap()["CertificateSummaryList"], json!([]));
    let strange = arn.replace("123456789012", "210987654321");
    for (arn, expected) in [
        (strange.as_str(), "ResourceNotFoundException"),
        (&format!("{arn}0"), "ResourceNotFoundException"),
        (
            "arn:aws:iam::123456789012:server-certificate/x",
            "InvalidArnException",
        ),
        ("x", "InvalidArnException"),
    ] {
        for operation in ["DescribeCertificate", "GetCertificate", "DeleteCertificate"] {
            assert_eq!(code(&world, operation, named(arn)).await, expected, "{arn}");
        }
    }
    let input = json!({ "DomainName": "example.org", "KeyAlgorithm": "EC_prime256v1" });
    let made = world
        .acm("eu-west-1", "RequestCertificate", input)
        .await
        .unwrap();
    let made = made["CertificateArn"].as_str().unwrap();
    let input = creation("r", served(made, &["example.org"]));
    let told = world.refusal("CreateDistribution", input).await;
    assert_eq!((told.0, told.1.as_str()), (400, "InvalidViewerCertificate"));
    assert!(told.2.contains("isn't in us-east-1 region"), "{}", told.2);
}

#[tokio::test]
async fn lists_tell_of_rsa_alone_unless_asked_for_more() {
    let world = World::new();
    let elliptic = requested(&world, &["a.example.com"]).await;
    let input = json!({ "DomainName": "b.example.com" });
    let rsa = acm(&world, "RequestCertificate", input).await["CertificateArn"].clone();
    let list = async |input: Value| {
        let listed = acm(&world, "ListCertificates", input).await;
        let arns = listed["CertificateSummaryList"].as_array().unwrap().iter();
        let arns: Vec<Value> = arns.map(|one| one["CertificateArn"].clone()).collect();
        (arns, listed["NextToken"].clone())
    };
    assert_eq!(list(json!({})).await.0, std::slice::from_ref(&rsa));
    let all = json!({ "keyTypes": ["RSA_2048", "EC_prime256v1"] });
    let both = [json!(elliptic), rsa.clone()];
    assert_eq!(list(json!({ "Includes": all })).await.0, both);
    for (filter, number) in [
        (json!({ "CertificateStatuses": ["PENDING_VALIDATION"] }), 0),
        (json!({ "CertificateStatuses": ["ISSUED"] }), 2),
        (
            json!({ "CertificateKeyPairOrigins": ["CUSTOMER_PROVIDED"] }),
            0,
        ),
    ] {
        let mut input = filter.clone();
        input["Includes"] = all.clone();
        assert_eq!(list(input).await.0.len(), number, "{filter}");
    }
    let mut page = json!({
        "Includes": all, "MaxItems": 1, "SortBy": "CREATED_AT", "SortOrder": "DESCENDING",
    });
    let (first, token) = list(page.clone()).await;
    assert_eq!(first, [rsa]);
    page["NextToken"] = token;
    let (second, token) = list(page).await;
    assert_eq!((second, token), (vec![json!(elliptic)], Value::Null));
    for bad in [
        json!({ "SortBy": "CREATED_AT" }),
        json!({ "MaxItems": 0 }),
        json!({ "NextToken": "%" }),
    ] {
        assert_eq!(
            code(&world, "ListCertificates", bad).await,
            "ValidationException"
        );
    }
}

#[tokio::test]
async fn searches_join_filters() {
    let world = World::new();
    let first = requested(&world, &["a.example.com"]).await;
    let brought = brought(&["b.example.com"], KeyAlgorithm::EcP384);
    let second = imported(&world, &brought).await;
    let search = async |statement: Value| {
        let input = json!({ "FilterStatement": statement });
        let found = acm(&world, "SearchCertificates", input).await;
        let found = found["Results"].as_array().unwrap().iter();
        found
            .map(|one| one["CertificateArn"].clone())
            .collect::<Vec<_>>()
    };
    let x509 = |filter: Value| json!({ "Filter": { "X509AttributeFilter": filter } });
    let metadata = |filter: Value| json!({ "Filter": { "AcmCertificateMetadataFilter": filter } });
    let name = |operator: &str, value: &str| {
        let name = json!({ "Value": value, "ComparisonOperator": operator });
        x509(json!({ "SubjectAlternativeName": { "DnsName": name } }))
    };
    let both = vec![json!(first), json!(second)];
    let (first, second) = (vec![json!(first)], vec![json!(second)]);
    assert_eq!(search(name("CONTAINS", "EXAMPLE.com")).await, both);
    assert_eq!(search(name("EQUALS", "a.example.com")).await, first);
    assert_eq!(
        search(metadata(json!({ "Type": "IMPORTED" }))).await,
        second
    );
    assert_eq!(
        search(x509(json!({ "KeyAlgorithm": "EC_secp384r1" }))).await,
        second
    );
    assert_eq!(
        search(metadata(json!({ "InUse": true }))).await,
        Vec::<Value>::new()
    );
    let joined = json!({ "And": [
        metadata(json!({ "Status": "ISSUED" })), { "Not": metadata(json!({ "Type": "IMPORTED" })) },
    ]});
    assert_eq!(search(joined).await, first);
    let input = json!({ "FilterStatement": {} });
    let got = code(&world, "SearchCertificates", input).await;
    assert_eq!(got, "ValidationException");
}

#[tokio::test]
async fn what_is_imported_is_served_and_can_be_imported_again() {
    let world = World::new();
    let names = ["www.example.com", "example.com"];
    let old = brought(&names, KeyAlgorithm::EcP256);
    let arn = imported(&world, &old).await;
    let told = described(&world, &arn).await;
    for (member, value) in [
        ("Type", json!("IMPORTED")),
        ("Status", json!("ISSUED")),
        ("DomainName", json!("www.example.com")),
        ("SubjectAlternativeNames", json!(names)),
        ("RenewalEligibility", json!("INELIGIBLE")),
        ("DomainValidationOptions", Value::Null),
        ("IssuedAt", Value::Null),
    ] {
        assert_eq!(told[member], value, "{member}");
    }
    let chain = material(&world, &arn).await.unwrap().chain_pem;
    assert_eq!(chain, format!("{}{}", old.certificate, old.root));
    assert_eq!(chain::read(chain.as_bytes()).unwrap().len(), 2);

    let again = |brought: &Brought| {
        let mut input = import(brought);
        input["CertificateArn"] = json!(arn);
        input
    };
    let next = brought(&["www.example.com"], KeyAlgorithm::EcP256);
    let id = made(&world, "r", served(&arn, &["example.com"])).await;
    let error = refused(&world, "ImportCertificate", again(&next)).await;
    assert_eq!(error.code, "ValidationException");
    assert!(error.message.contains("'example.com'"), "{}", error.message);
    let rsa = brought(&names, KeyAlgorithm::EcP384);
    let got = code(&world, "ImportCertificate", again(&rsa)).await;
    assert_eq!(got, "ValidationException");
    let wider = brought(&["*.example.com", "example.com"], KeyAlgorithm::EcP256);
    let output = acm(&world, "ImportCertificate", again(&wider)).await;
    assert_eq!(output["CertificateArn"], json!(arn));
    assert!(
        material(&world, &arn)
            .await
            .unwrap()
            .chain_pem
            .starts_with(&wider.certificate)
    );
    let input = disabled(&world, &id).await;
    world.ok("DeleteDistribution", input).await;
    acm(&world, "ImportCertificate", again(&next)).await;
    assert_eq!(
        described(&world, &arn).await["DomainName"],
        "www.example.com"
    );
}

#[tokio::test]
async fn a_node_with_another_key_of_the_installation_changes_nothing_that_is_served() {
    let ours = World::new();
    let old = brought(&["www.example.com"], KeyAlgorithm::EcP256);
    let arn = imported(&ours, &old).await;
    let other = ours.beside(ControlConfig {
        secrets: Arc::new(Secrets::new([8; 32])),
        ..config()
    });
    let next = brought(&["www.example.com"], KeyAlgorithm::EcP256);
    let mut again = import(&next);
    again["CertificateArn"] = json!(arn);
    let request = json!({ "DomainName": "a.example.com", "KeyAlgorithm": "EC_prime256v1" });
    for (operation, input) in [
        ("ImportCertificate", import(&next)),
        ("ImportCertificate", again),
        ("RequestCertificate", request),
    ] {
        let error = refused(&other, operation, input).await;
        assert_eq!((&*error.code, error.status), ("InternalFailure", 500));
        assert!(error.message.contains("this node has"), "{}", error.message);
    }
}

#[tokio::test]
async fn a_private_key_in_the_wrong_place_is_not_in_the_audit_record() {
    let world = World::new();
    let brought = brought(&["www.example.com"], KeyAlgorithm::EcP256);
    let body = brought.key.lines().nth(1).unwrap();
    // What other servers take as one file.
    let both = format!("{}{}", brought.certificate, brought.key);
    let encoded = Blob(both.as_bytes().to_vec()).encode();
    for member in ["Certificate", "CertificateChain"] {
        let mut input = import(&brought);
        input[member] = json!(encoded);
        refused_aloud(&world, "ImportCertificate", input).await;
    }
    let range = Range {
        prefix: keys::AUDIT.to_owned(),
        ..Range::default()
    };
    let records = world.store.list(range).await.unwrap().documents;
    assert_eq!(records.len(), 2);
    for record in records {
        let text = String::from_utf8(record.value.to_vec()).unwrap();
        assert!(text.contains("ImportCertificate"), "{text}");
        assert!(!text.contains(&encoded) && !text.contains(body), "{text}");
    }
}

#[tokio::test]
async fn imports_that_do_not_fit_together_are_refused() {
    let world = World::new();
    let good = brought(&["www.example.com"], KeyAlgorithm::EcP256);
    let other = brought(&["www.example.com"], KeyAlgorithm::EcP256);
    let other_key = Brought {
        key: other.key,
        ..brought(&["www.example.com"], KeyAlgorithm::EcP256)
    };
    let other_chain = Brought {
        root: other.root,
        ..brought(&["www.example.com"], KeyAlgorithm::EcP256)
    };
    for bad in [import(&other_key), import(&other_chain)] {
        let got = code(&world, "ImportCertificate", bad).await;
        assert_eq!(got, "ValidationException");
    }
    let ours = requested(&world, &["www.example.com"]).await;
    let mut input = import(&good);
    input["CertificateArn"] = json!(ours);
    let got = code(&world, "ImportCertificate", input).await;
    assert_eq!(got, "ValidationException");
    world.pass(91 * DAY_MS);
    let error = refused(&world, "ImportCertificate", import(&good)).await;
    assert!(error.message.contains("expired"), "{}", error.message);
}

#[tokio::test]
async fn a_key_is_exported_to_who_asked_for_that_and_encrypted() {
    let world = World::new();
    let input = json!({
        "DomainName": "example.com", "KeyAlgorithm": "EC_prime256v1",
        "Options": { "Export": "ENABLED" },
    });
    let arn = acm(&world, "RequestCertificate", input).await["CertificateArn"].clone();
    let arn = arn.as_str().unwrap();
    let export = |arn: &str, passphrase: &str| {
        let passphrase = Blob(passphrase.as_bytes().to_vec()).encode();
        json!({ "CertificateArn": arn, "Passphrase": passphrase })
    };
    let got = acm(&world, "ExportCertificate", export(arn, "correct horse")).await;
    let key = got["PrivateKey"].as_str().unwrap();
    assert!(
        key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"),
        "{key}"
    );
    let all = acm(&world, "GetCertificate", named(arn)).await;
    assert_eq!(got["Certificate"], all["Certificate"]);
    assert_eq!(
        described(&world, arn).await["RenewalEligibility"],
        "ELIGIBLE"
    );
    let plain = requested(&world, &["example.org"]).await;
    let brought = brought(&["example.net"], KeyAlgorithm::EcP256);
    let brought = imported(&world, &brought).await;
    for bad in [
        export(arn, "abc"),
        export(&plain, "secret"),
        export(&brought, "secret"),
    ] {
        let got = code(&world, "ExportCertificate", bad).await;
        assert_eq!(got, "ValidationException");
    }
    let revoke = |arn: &str| json!({ "CertificateArn": arn, "RevocationReason": "SUPERSEDED" });
    let got = code(&world, "RevokeCertificate", revoke(&plain)).await;
    assert_eq!(got, "ValidationException");
    acm(&world, "RevokeCertificate", revoke(arn)).await;
    let told = described(&world, arn).await;
    assert_eq!(
        (&told["Status"], &told["RevocationReason"]),
        (&json!("REVOKED"), &json!("SUPERSEDED"))
    );
    let input = creation("r", served(arn, &["example.com"]));
    let told = world.fail("CreateDistribution", input).await;
    assert_eq!(told, (400, "InvalidViewerCertificate".to_owned()));
}

#[tokio::test]
async fn a_certificate_in_use_is_not_deleted() {
    let world = World::new();
    let arn = requested(&world, &["example.com", "*.example.com"]).await;
    let id = made(
        &world,
        "r",
        served(&arn, &["example.com", "www.example.com"]),
    )
    .await;
    let user = format!("arn:aws:cloudfront::123456789012:distribution/{id}");
    let told = described(&world, &arn).await;
    assert_eq!(told["InUseBy"], json!([user]));
    assert_eq!(told["RenewalEligibility"], "ELIGIBLE");
    let error = refused(&world, "DeleteCertificate", named(&arn)).await;
    assert_eq!(error.code, "ResourceInUseException");
    assert!(error.message.contains(&user), "{}", error.message);
    let input = disabled(&world, &id).await;
    world.ok("DeleteDistribution", input).await;
    acm(&world, "DeleteCertificate", named(&arn)).await;
    assert_eq!(material(&world, &arn).await, None);
    let got = code(&world, "DescribeCertificate", named(&arn)).await;
    assert_eq!(got, "ResourceNotFoundException");
}

#[tokio::test]
async fn a_deletion_and_a_use_at_the_same_time_are_never_both_done() {
    for round in 0..20 {
        let world = Arc::new(World::new());
        let arn = requested(&world, &["example.com"]).await;
        let input = creation("r", served(&arn, &["example.com"]));
        let using = {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.call("CreateDistribution", input).await.is_ok() })
        };
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        let deleted = world
            .acm("us-east-1", "DeleteCertificate", named(&arn))
            .await;
        let is_used = using.await.unwrap();
        assert_ne!(deleted.is_ok(), is_used, "{round}");
    }
}

#[tokio::test]
async fn every_alias_is_covered_and_the_policy_is_one_that_is_spoken() {
    let world = World::new();
    let arn = requested(&world, &["example.com", "*.example.com"]).await;
    let input = creation("r", served(&arn, &["example.com", "a.b.example.com"]));
    let (status, code, message) = world.refusal("CreateDistribution", input).await;
    assert_eq!((status, code.as_str()), (400, "InvalidViewerCertificate"));
    assert!(message.contains("'a.b.example.com'"), "{message}");

    let id = made(&world, "r", served(&arn, &["example.com"])).await;
    let got = world.ok("GetDistributionConfig", json!({ "Id": id })).await;
    let certificate = &got["DistributionConfig"]["ViewerCertificate"];
    assert_eq!(certificate["MinimumProtocolVersion"], "TLSv1.2_2021");
    assert_eq!(certificate["Certificate"], json!(arn));
    assert_eq!(certificate["CertificateSource"], "acm");
    let old = |config: &mut Value| {
        config["ViewerCertificate"]["MinimumProtocolVersion"] = "TLSv1".into();
    };
    let input = updated(&world, &id, old).await;
    let (_, code, message) = world.refusal("UpdateDistribution", input).await;
    assert_eq!(code, "InvalidMinimumProtocolVersion");
    assert!(message.contains("TLSv1.2_2018"), "{message}");
    let more = |config: &mut Value| config["Aliases"] = aliases(&["example.com", "example.org"]);
    let input = updated(&world, &id, more).await;
    let told = world.fail("UpdateDistribution", input).await;
    assert_eq!(told, (400, "InvalidViewerCertificate".to_owned()));
    let input = json!({ "TargetDistributionId": id, "Alias": "example.org" });
    let told = world.fail("AssociateAlias", input).await;
    assert_eq!(told.1, "InvalidViewerCertificate");
    made(&world, "plain", |config| {
        config["Aliases"] = aliases(&["shop.localhost"])
    })
    .await;
}

#[tokio::test]
async fn one_that_has_expired_is_not_attached_and_what_has_it_can_be_disabled() {
    let world = World::new();
    let arn = requested(&world, &["example.com"]).await;
    let id = made(&world, "r", served(&arn, &["example.com"])).await;
    world.pass(396 * DAY_MS);
    assert_eq!(described(&world, &arn).await["Status"], "EXPIRED");
    let input = creation("other", served(&arn, &[]));
    let told = world.fail("CreateDistribution", input).await;
    assert_eq!(told.1, "InvalidViewerCertificate");
    disabled(&world, &id).await;
}

#[tokio::test]
async fn tags_are_the_same_by_old_names_and_new() {
    let world = World::new();
    let input = json!({
        "DomainName": "example.com", "KeyAlgorithm": "EC_prime256v1",
        "Tags": [{ "Key": "a", "Value": "1" }],
    });
    let arn = acm(&world, "RequestCertificate", input).await["CertificateArn"].clone();
    let tags = async || {
        let old = acm(
            &world,
            "ListTagsForCertificate",
            json!({ "CertificateArn": arn }),
        )
        .await;
        let new = acm(&world, "ListTagsForResource", json!({ "ResourceArn": arn })).await;
        assert_eq!(old["Tags"], new["Tags"]);
        old["Tags"].clone()
    };
    let input = json!({ "CertificateArn": arn, "Tags": [{ "Key": "b" }] });
    acm(&world, "AddTagsToCertificate", input).await;
    let input = json!({ "ResourceArn": arn, "Tags": [{ "Key": "a", "Value": "2" }] });
    acm(&world, "TagResource", input).await;
    let both = json!([{ "Key": "a", "Value": "2" }, { "Key": "b", "Value": "" }]);
    assert_eq!(tags().await, both);
    let input = json!({ "CertificateArn": arn, "Tags": [{ "Key": "a", "Value": "1" }] });
    acm(&world, "RemoveTagsFromCertificate", input).await;
    assert_eq!(tags().await, both);
    let input = json!({ "ResourceArn": arn, "TagKeys": ["a", "b"] });
    acm(&world, "UntagResource", input).await;
    assert_eq!(tags().await, json!([]));
    let many: Vec<Value> = (0..49).map(|n| json!({ "Key": format!("k{n}") })).collect();
    let add = |tags: &[Value]| json!({ "CertificateArn": arn, "Tags": tags });
    acm(&world, "AddTagsToCertificate", add(&many)).await;
    let more = [json!({ "Key": "x" }), json!({ "Key": "y" })];
    let got = code(&world, "AddTagsToCertificate", add(&more)).await;
    assert_eq!(got, "TooManyTagsException");
}

#[tokio::test]
async fn renewal_and_options_are_kept_for_the_upkeep() {
    let world = World::new();
    let arn = requested(&world, &["example.com"]).await;
    acm(&world, "RenewCertificate", named(&arn)).await;
    let key = forms::certificate(&tls::certificate_id(&arn).unwrap());
    let stored = world.store.get(&key).await.unwrap().unwrap();
    let stored: forms::Certificate = decode(&key, &stored.value).unwrap();
    assert!(stored.work.is_wanted);
    let summary = &described(&world, &arn).await["RenewalSummary"];
    assert_eq!(summary["RenewalStatus"], "PENDING_AUTO_RENEWAL");
    let options = |options: Value| json!({ "CertificateArn": arn, "Options": options });
    let unlogged = json!({ "CertificateTransparencyLoggingPreference": "DISABLED" });
    acm(
        &world,
        "UpdateCertificateOptions",
        options(unlogged.clone()),
    )
    .await;
    let told = described(&world, &arn).await;
    let preference = "CertificateTransparencyLoggingPreference";
    assert_eq!(told["Options"][preference], unlogged[preference]);
    let export = options(json!({ "Export": "ENABLED" }));
    assert_eq!(
        code(&world, "UpdateCertificateOptions", export).await,
        "ValidationException"
    );
    let mail = json!({
        "CertificateArn": arn, "Domain": "example.com", "ValidationDomain": "example.com",
    });
    let got = code(&world, "ResendValidationEmail", mail).await;
    assert_eq!(got, "InvalidDomainValidationOptionsException");

    let days = async || {
        let told = acm(&world, "GetAccountConfiguration", json!({})).await;
        told["ExpiryEvents"]["DaysBeforeExpiry"].clone()
    };
    assert_eq!(days().await, 45);
    let put = json!({ "IdempotencyToken": "t", "ExpiryEvents": { "DaysBeforeExpiry": 9 } });
    acm(&world, "PutAccountConfiguration", put).await;
    assert_eq!(days().await, 9);
}

#[tokio::test]
async fn a_tenant_has_a_certificate_that_covers_its_domains() {
    let world = World::new();
    let arn = requested(&world, &["shop.example.com"]).await;
    let template = made(&world, "t", |config| {
        config["ConnectionMode"] = json!("tenant-only");
        config["TenantConfig"] = json!({ "ParameterDefinitions": [] });
    })
    .await;
    let tenant = |name: &str, domain: &str| {
        json!({
            "DistributionId": template, "Name": name, "Domains": [{ "Domain": domain }],
            "Customizations": { "Certificate": { "Arn": arn } },
        })
    };
    let (_, code, message) = (world.refusal(
        "CreateDistributionTenant",
        tenant("shop", "www.example.com"),
    ))
    .await;
    assert_eq!(code, "InvalidArgument");
    assert!(message.contains("'www.example.com'"), "{message}");
    let input = tenant("shop", "shop.example.com");
    let made = world.ok("CreateDistributionTenant", input).await;
    let user = &made["DistributionTenant"]["Arn"];
    assert_eq!(described(&world, &arn).await["InUseBy"], json!([user]));
    let error = refused(&world, "DeleteCertificate", named(&arn)).await;
    assert_eq!(error.code, "ResourceInUseException");
}

#[tokio::test]
async fn acm_is_spoken_over_http_by_its_header() {
    let world = World::new();
    let root = world.root().await;
    let ask = Ask::json(
        "acm",
        "RequestCertificate",
        json!({ "DomainName": "example.com" }),
    );
    let told = world.ask(&ask, &root).await;
    assert_eq!(told.status, 200, "{}", told.text);
    let arn: Value = serde_json::from_str(&told.text).unwrap();
    let ask = Ask::json("acm", "DescribeCertificate", arn);
    let told = world.ask(&ask, &root).await;
    assert!(
        told.text.contains("\"KeyAlgorithm\":\"RSA-2048\""),
        "{}",
        told.text
    );
    let ask = Ask::json("acm", "DescribeCertificate", json!({ "CertificateArn": 1 }));
    let told = world.ask(&ask, &root).await;
    assert_eq!(told.status, 400, "{}", told.text);
    assert!(
        told.text.contains("\"__type\":\"ValidationException\""),
        "{}",
        told.text
    );
    let told = world
        .ask(&Ask::json("acm", "CreateAcmeEndpoint", json!({})), &root)
        .await;
    assert_eq!(told.status, 501, "{}", told.text);
}
