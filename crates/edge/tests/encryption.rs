//! Field-level encryption over sockets: what of a form reaches the origin, what never does, and
//! what viewers and the log are told.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

#[allow(dead_code, reason = "profiles are made of documents here")]
#[path = "../../field_encryption/tests/sdk/mod.rs"]
mod sdk;
mod world;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use edge::explain::{Question, explain};
use edge::site::{Policies, compile};
use sdk::decrypt_value;
use serde_json::{Value, json};
use world::{
    Answer, Asked, Client, Origin, World, distribution, eventually, origin_json, response,
};

const FORM: &str = "application/x-www-form-urlencoded";

/// Documents of one key, a profile of `card` and `secret_*`, and a config with it.
fn policies(forwards_unknown: bool) -> Policies {
    let mut policies = Policies::managed();
    let private = &mut policies.private;
    let key = json!({
        "CallerReference": "k", "Name": "my-key", "EncodedKey": sdk::public_pem(),
    });
    private
        .public_keys
        .insert("K1".into(), shapes::from_value(&key).unwrap());
    let profile = json!({
        "Name": "cards", "CallerReference": "p",
        "EncryptionEntities": { "Quantity": 1, "Items": [{
            "PublicKeyId": "K1", "ProviderId": "my-provider",
            "FieldPatterns": { "Quantity": 2, "Items": ["card", "secret_*"] },
        }]},
    });
    private
        .encryption_profiles
        .insert("P1".into(), shapes::from_value(&profile).unwrap());
    let config = json!({
        "CallerReference": "c",
        "QueryArgProfileConfig": {
            "ForwardWhenQueryArgProfileIsUnknown": forwards_unknown,
            "QueryArgProfiles": { "Quantity": 1, "Items": [
                { "QueryArg": "cards", "ProfileId": "P1" },
            ]},
        },
        "ContentTypeProfileConfig": {
            "ForwardWhenContentTypeIsUnknown": forwards_unknown,
            "ContentTypeProfiles": { "Quantity": 1, "Items": [
                { "Format": "URLEncoded", "ProfileId": "P1", "ContentType": FORM },
            ]},
        },
    });
    private
        .encryptions
        .insert("C1".into(), shapes::from_value(&config).unwrap());
    policies
}

fn encrypting(origin: SocketAddr) -> Value {
    let mut config = distribution(origin);
    config["DefaultCacheBehavior"]["FieldLevelEncryptionId"] = json!("C1");
    config
}

fn world(origin: &Origin, forwards_unknown: bool) -> World {
    World::with(
        &encrypting(origin.address),
        &policies(forwards_unknown),
        |_| {},
    )
}

fn post(client: &mut Client, target: &str, fields: &[(&str, &str)], body: &str) -> Answer {
    let length = body.len().to_string();
    let fields = [fields, &[("Content-Length", &*length)]].concat();
    client.ask("POST", target, &fields);
    client.send(body);
    client.read_answer("POST").expect("an answer")
}

fn form(client: &mut Client, target: &str, body: &str) -> Answer {
    post(client, target, &[("Content-Type", FORM)], body)
}

/// The form that the origin got, with what its encrypted values say in brackets.
fn opened(asked: &Asked) -> String {
    let form = std::str::from_utf8(&asked.body).unwrap();
    let fields = form.split('&').map(|field| {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        match decrypt_value(value) {
            Some(it) => {
                assert_eq!(
                    (&*it.provider_id, &*it.key_name),
                    (&b"my-provider"[..], &b"my-key"[..])
                );
                format!("{name}=<{}>", it.plaintext.escape_ascii())
            }
            None => field.to_owned(),
        }
    });
    fields.collect::<Vec<_>>().join("&")
}

#[test]
fn named_fields_reach_the_origin_encrypted_and_the_others_as_they_came() {
    let origin = Origin::fixed("200 OK", &[], "thanks");
    let world = world(&origin, false);
    let fields = [
        (
            "Content-Type",
            "Application/x-www-form-urlencoded; charset=utf-8",
        ),
        ("Content-MD5", "abc"),
        ("Content-Digest", "sha-256=:abc:"),
        ("X-Amz-Content-Sha256", "0".repeat(64).leak()),
        ("X-Other", "stays"),
    ];
    let body = "name=J%C3%B6+x&card=4111+1111&c%61rd=%26&secret_code=&last=%zz";
    let answer = post(&mut world.client(), "/buy?a=b", &fields, body);
    assert_eq!((answer.status, &*answer.text()), (200, "thanks"));
    let asked = origin.last();
    assert_eq!(
        opened(&asked),
        "name=J%C3%B6+x&card=<4111 1111>&c%61rd=<&>&secret_code=<>&last=%zz"
    );
    assert_eq!((&*asked.method, &*asked.target), ("POST", "/buy?a=b"));
    assert_eq!(asked.get("content-type"), Some(fields[0].1));
    assert_eq!(asked.get("x-other"), Some("stays"));
    assert_eq!(asked.get("transfer-encoding"), Some("chunked"));
    for gone in [
        "content-length",
        "content-md5",
        "content-digest",
        "x-amz-content-sha256",
    ] {
        assert_eq!(asked.get(gone), None, "{gone}");
    }
}

#[test]
fn a_chunked_upload_is_encrypted_wherever_it_is_cut() {
    let origin = Origin::fixed("200 OK", &[], "");
    let world = world(&origin, false);
    let mut client = world.client();
    let fields = [("Content-Type", FORM), ("Transfer-Encoding", "chunked")];
    for method in ["POST", "PUT", "PATCH"] {
        client.ask(method, "/", &fields);
        for piece in ["x=1&ca", "rd=4", "1%3", "1&y=2&", "card", "=", "5"] {
            client.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
        }
        client.send("0\r\n\r\n");
        assert_eq!(client.read_answer(method).unwrap().status, 200);
        assert_eq!(opened(&origin.last()), "x=1&card=<411>&y=2&card=<5>");
        assert_eq!(origin.last().method, method);
    }
}

#[test]
fn a_known_argument_chooses_the_profile() {
    let origin = Origin::fixed("200 OK", &[], "");
    let world = world(&origin, false);
    let mut client = world.client();
    assert_eq!(
        form(&mut client, "/?fle-profile=cards", "card=1").status,
        200
    );
    assert_eq!(opened(&origin.last()), "card=<1>");
}

#[test]
fn what_is_unknown_is_forwarded_untouched_where_the_operator_says_so() {
    let origin = Origin::fixed("200 OK", &[], "");
    let world = world(&origin, true);
    let mut client = world.client();
    let json = [("Content-Type", "application/json"), ("Content-MD5", "abc")];
    assert_eq!(post(&mut client, "/", &json, "{\"card\":1}").status, 200);
    let asked = origin.last();
    assert_eq!(asked.body, b"{\"card\":1}");
    assert_eq!(asked.get("content-length"), Some("10"));
    assert_eq!(asked.get("content-md5"), Some("abc"));
    assert_eq!(
        form(&mut client, "/?fle-profile=other", "card=1").status,
        200
    );
    assert_eq!(origin.last().body, b"card=1");
}

#[test]
fn what_must_not_pass_is_refused_before_the_origin_is_asked() {
    let origin = Origin::fixed("200 OK", &[], "");
    let world = world(&origin, false);
    let form = ("Content-Type", FORM);
    let long = format!("x={}", "v".repeat(1 << 20));
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);
    let cases: &[Case<'_>] = &[
        (
            "/",
            &[("Content-Type", "application/json")],
            "card=1",
            "No profile is set for this Content-Type",
        ),
        (
            "/",
            &[],
            "card=1",
            "No profile is set for this Content-Type",
        ),
        (
            "/",
            &[("Content-Type", "form")],
            "card=1",
            "Content-Type is no single media type",
        ),
        (
            "/",
            &[form, form],
            "card=1",
            "Content-Type is no single media type",
        ),
        (
            "/?fle-profile=x",
            &[form],
            "card=1",
            "No profile is set for this value of fle-profile",
        ),
        (
            "/?fle-profile=",
            &[form],
            "card=1",
            "fle-profile in the query is empty",
        ),
        (
            "/",
            &[form, ("Content-Encoding", "gzip")],
            "card=1",
            "or the body is compressed",
        ),
        ("/", &[form], &long, "The body is longer than 1 MB."),
    ];
    for (number, (target, fields, body, reason)) in cases.iter().enumerate() {
        let answer = post(&mut world.client(), target, fields, body);
        assert_eq!(answer.status, 400, "case {number}");
        assert!(
            answer.text().contains(reason),
            "{reason}: {}",
            answer.text()
        );
        assert_eq!(answer.cache(), "Error");
    }
    assert_eq!(
        origin.connections.load(std::sync::atomic::Ordering::SeqCst),
        0
    );
}

#[test]
fn identity_is_no_compression() {
    let origin = Origin::fixed("200 OK", &[], "");
    let world = world(&origin, false);
    let fields = [("Content-Type", FORM), ("Content-Encoding", "identity")];
    assert_eq!(
        post(&mut world.client(), "/", &fields, "card=1").status,
        200
    );
    assert_eq!(opened(&origin.last()), "card=<1>");
}

/// What came on each connection, and whether it came to its end.
type Heard = Arc<Mutex<Vec<(Vec<u8>, bool)>>>;

/// An origin that keeps every byte that it gets, connection by connection, and answers nothing.
fn listening() -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let number = {
                let mut log = log.lock().unwrap();
                log.push((Vec::new(), false));
                log.len() - 1
            };
            let (mut stream, log) = (stream.unwrap(), Arc::clone(&log));
            std::thread::spawn(move || {
                let mut bytes = [0; 4_096];
                while let Ok(count @ 1..) = stream.read(&mut bytes) {
                    log.lock().unwrap()[number]
                        .0
                        .extend_from_slice(&bytes[..count]);
                }
                log.lock().unwrap()[number].1 = true;
            });
        }
    });
    (address, heard)
}

#[test]
fn a_body_that_breaks_a_rule_on_the_way_is_never_completed_and_gives_400() {
    let broken = [
        (
            format!("card={}", "SECRET+".repeat(3_000)),
            "A field to encrypt is longer than 16 KB.",
        ),
        (
            "card=SECRET%zz".to_owned(),
            "an escape in the name of a field",
        ),
        (
            "card=SECRET&%z=1".to_owned(),
            "an escape in the name of a field",
        ),
        (
            "card=SECRET%4".to_owned(),
            "an escape in the name of a field",
        ),
        (
            format!("{}card=SECRET", "a=b&".repeat(10)),
            "The body has more than 10 fields.",
        ),
        (
            format!("card=SECRET&x={}", "v".repeat(1 << 20)),
            "The body is longer than 1 MB.",
        ),
    ];
    for (body, reason) in broken {
        let (address, heard) = listening();
        let world = World::with(&encrypting(address), &policies(false), |_| {});
        let mut client = world.client();
        client.ask(
            "POST",
            "/",
            &[("Content-Type", FORM), ("Transfer-Encoding", "chunked")],
        );
        client.send("9\r\nfirst=hi&\r\n");
        eventually("the origin has what came first", || {
            let heard = heard.lock().unwrap();
            heard
                .first()
                .is_some_and(|(bytes, _)| bytes.ends_with(b"first=hi&\r\n"))
        });
        for piece in body.as_bytes().chunks(60_000) {
            let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
            // Once it is refused, nobody takes the rest.
            if client.stream.write_all(&chunk).is_err() {
                break;
            }
        }
        let _ = client.stream.write_all(b"0\r\n\r\n");
        let answer = client.read_answer("POST").expect("an answer");
        assert_eq!(answer.status, 400, "{reason}");
        assert!(
            answer.text().contains(reason),
            "{reason}: {}",
            answer.text()
        );
        eventually("the origin's connection ends", || {
            heard.lock().unwrap()[0].1
        });
        let heard = heard.lock().unwrap();
        assert_eq!(heard.len(), 1, "nothing is tried again");
        assert!(
            !heard[0].0.ends_with(b"0\r\n\r\n"),
            "{reason}: it looks whole"
        );
        let has_secret = heard[0].0.windows(6).any(|bytes| bytes == b"SECRET");
        assert!(!has_secret, "{reason}: in the clear");
    }
}

#[test]
fn a_viewer_who_leaves_in_the_middle_completes_nothing() {
    let (address, heard) = listening();
    let world = World::with(&encrypting(address), &policies(false), |_| {});
    let mut client = world.client();
    client.ask(
        "POST",
        "/",
        &[("Content-Type", FORM), ("Content-Length", "100")],
    );
    client.send("first=hi&card=SECRET");
    eventually("the origin has what came first", || {
        let heard = heard.lock().unwrap();
        heard
            .first()
            .is_some_and(|(bytes, _)| bytes.ends_with(b"card=\r\n"))
    });
    drop(client);
    eventually("the origin's connection ends", || {
        heard.lock().unwrap()[0].1
    });
    assert!(heard.lock().unwrap()[0].0.ends_with(b"card=\r\n"));
}

#[test]
fn a_request_that_is_sent_again_is_encrypted_as_well() {
    // Closes each connection behind the first answer, without saying so before.
    let origin = Origin::scripted(|_, _, stream| {
        stream
            .write_all(response("200 OK", &[], "").as_bytes())
            .unwrap();
        false
    });
    let world = world(&origin, false);
    let mut client = world.client();
    for number in 0..5 {
        let answer = form(&mut client, "/", &format!("card={number}"));
        assert!(matches!(answer.status, 200 | 502));
    }
    let asked = origin.asked.lock().unwrap().clone();
    assert!(!asked.is_empty());
    for asked in asked {
        assert!(opened(&asked).starts_with("card=<"), "{asked:?}");
    }
}

#[test]
fn a_group_does_not_send_bodies_to_its_second_member() {
    let first = Origin::fixed("500 Internal Server Error", &[], "");
    let second = Origin::fixed("200 OK", &[], "");
    let mut config = encrypting(first.address);
    config["Origins"] = json!({ "Quantity": 2, "Items": [
        origin_json("main", first.address), origin_json("other", second.address),
    ]});
    config["OriginGroups"] = json!({ "Quantity": 1, "Items": [{
        "Id": "group",
        "FailoverCriteria": { "StatusCodes": { "Quantity": 1, "Items": [500] } },
        "Members": { "Quantity": 2, "Items": [{ "OriginId": "main" }, { "OriginId": "other" }] },
    }]});
    config["DefaultCacheBehavior"]["TargetOriginId"] = json!("group");
    let world = World::with(&config, &policies(false), |_| {});
    assert_eq!(form(&mut world.client(), "/", "card=1").status, 500);
    assert_eq!(opened(&first.last()), "card=<1>");
    assert_eq!(second.count(), 0);
}

#[test]
fn requests_without_a_body_are_nothing_to_it() {
    let origin = Origin::fixed("200 OK", &[("Cache-Control", "max-age=60")], "page");
    let world = world(&origin, false);
    assert_eq!(world.get("/?fle-profile=", &[]).status, 200);
    assert_eq!(world.get("/?fle-profile=", &[]).cache(), "Hit");
    assert_eq!(
        world.ask("POST", "/", &[("Content-Length", "0")]).status,
        200
    );
}

/// `fle-status` and `fle-encrypted-fields` by path.
fn logged(directory: &std::path::Path) -> Vec<(String, String, String)> {
    let mut lines = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "gz") {
                let mut text = String::new();
                let file = std::fs::File::open(path).unwrap();
                flate2::read::MultiGzDecoder::new(file)
                    .read_to_string(&mut text)
                    .unwrap();
                let fields = text
                    .lines()
                    .skip(2)
                    .map(|line| line.split('\t').collect::<Vec<_>>());
                lines.extend(
                    fields.map(|it| (it[7].to_owned(), it[24].to_owned(), it[25].to_owned())),
                );
            }
        }
    }
    lines.sort();
    lines
}

#[test]
fn the_log_has_the_word_and_the_number_of_encrypted_fields() {
    let directory = tempfile::tempdir().unwrap();
    let origin = Origin::scripted(|asked, _, stream| {
        let status = match asked.target.contains("fails") {
            true => "503 Service Unavailable",
            false => "200 OK",
        };
        stream
            .write_all(response(status, &[], "").as_bytes())
            .is_ok()
    });
    let mut config = encrypting(origin.address);
    config["Logging"] = json!({
        "Enabled": true, "IncludeCookies": false, "Bucket": "logs.s3.amazonaws.com", "Prefix": "p",
    });
    let mut policies = policies(false);
    let encryption = policies.private.encryptions.get_mut("C1").unwrap();
    let by_type = encryption.content_type_profile_config.as_mut().unwrap();
    by_type.forward_when_content_type_is_unknown = true;
    let mut world = World::with(&config, &policies, |settings| {
        settings.access_logs = Some(directory.path().to_owned());
    });
    let ask = |target: &str, content_type: &str, body: &str| {
        let content_type = [("Content-Type", content_type)];
        post(&mut world.client(), target, &content_type, body);
    };
    ask("/a-two", FORM, "card=1&x=2&secret_=3");
    ask("/b-none", FORM, "x=2");
    ask("/c-type", "a/b", "card=1");
    ask("/d-argument?fle-profile=x", FORM, "card=1");
    ask("/e-partly", FORM, "card=1&card=%");
    ask("/f-fails", FORM, "card=1");
    ask("/g-malformed", "a", "card=1");
    world.get("/h-get", &[]);
    world.edge.take().unwrap().stop();
    let logged = logged(directory.path());
    let logged: Vec<_> = logged.iter().map(|(a, b, c)| (&**a, &**b, &**c)).collect();
    assert_eq!(
        logged,
        [
            ("/a-two", "Processed", "2"),
            ("/b-none", "Processed", "0"),
            ("/c-type", "ForwardedByContentType", "-"),
            ("/d-argument", "RejectedByQueryArgs", "-"),
            ("/e-partly", "MalformedInputClientError", "1"),
            ("/f-fails", "ServerError", "1"),
            ("/g-malformed", "MalformedContentTypeClientError", "-"),
            ("/h-get", "-", "-"),
        ]
    );
}

#[test]
fn a_behavior_whose_keys_are_not_there_is_not_compiled() {
    let config = encrypting("127.0.0.1:8080".parse().unwrap());
    let shape = shapes::from_value(&config).unwrap();
    let errors = |policies: &Policies| match compile("E", "d.test", &shape, policies) {
        Ok(_) => String::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    };
    let whole = policies(false);
    assert_eq!(errors(&whole), "");
    let member = "DistributionConfig.DefaultCacheBehavior.FieldLevelEncryptionId:";
    let mut part = whole.clone();
    part.private.encryptions.clear();
    assert_eq!(
        errors(&part),
        format!("{member} 'C1' is no field-level encryption config")
    );
    let of_config = format!("{member} field-level encryption config 'C1':");
    let mut part = whole.clone();
    part.private.encryption_profiles.clear();
    assert_eq!(
        errors(&part),
        format!("{of_config} its profile 'P1' is missing")
    );
    let mut part = whole.clone();
    part.private.public_keys.clear();
    let of_key = format!("{of_config} public key 'K1' of its profile 'P1'");
    assert_eq!(errors(&part), format!("{of_key} is missing"));
    let mut part = whole;
    let key = part.private.public_keys.get_mut("K1").unwrap();
    key.encoded_key = "key".into();
    assert!(errors(&part).starts_with(&format!("{of_key} is not PEM")));
}

#[test]
fn keys_profiles_and_configs_come_from_files_too() {
    let directory = tempfile::tempdir().unwrap();
    let whole = policies(true).private;
    let write = |name: &str, kind: &str, id: &str, config: serde_json::Result<Value>| {
        let mut document = json!({ "ETag": "E1", kind: { "Id": id } });
        document[kind][format!("{kind}Config")] = config.unwrap();
        std::fs::write(directory.path().join(name), document.to_string()).unwrap();
    };
    let key = serde_json::to_value(&whole.public_keys["K1"]);
    write("k.json", "PublicKey", "K1", key);
    let profile = serde_json::to_value(&whole.encryption_profiles["P1"]);
    write("p.json", "FieldLevelEncryptionProfile", "P1", profile);
    let config = serde_json::to_value(&whole.encryptions["C1"]);
    write("c.json", "FieldLevelEncryption", "C1", config);
    let mut policies = Policies::managed();
    policies.load_dir(directory.path()).unwrap();
    let config = encrypting("127.0.0.1:8080".parse().unwrap());
    let site = compile(
        "E",
        "d.test",
        &shapes::from_value(&config).unwrap(),
        &policies,
    )
    .unwrap();
    assert!(site.behaviors[0].encryption.is_some());
}

#[test]
fn explain_says_what_becomes_of_a_body() {
    let config = encrypting("127.0.0.1:8080".parse().unwrap());
    let shape = shapes::from_value(&config).unwrap();
    let site = compile("E", "d.test", &shape, &policies(false)).unwrap();
    let told = |method: &str, target: &str, content_type: &str| {
        let mut question = Question::new(&format!("http://site.test{target}"), 1_775_044_800);
        question.method = method.into();
        question.headers = vec![("Content-Type".into(), content_type.into())];
        let page = explain(&site, &question).unwrap();
        let row = page
            .lines()
            .find(|line| line.trim_start().starts_with("body "));
        row.map(|row| row.trim_start()["body".len()..].trim().to_owned())
    };
    let fields = "fields of its form are encrypted";
    assert_eq!(told("POST", "/", FORM).as_deref(), Some(fields));
    assert_eq!(told("GET", "/", FORM), None);
    let refused = told("PUT", "/?fle-profile=x", FORM).unwrap();
    assert!(refused.starts_with("refused with 400, RejectedByQueryArgs: No profile"));
}
