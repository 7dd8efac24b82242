//! What is particular to a store in etcd: endpoints, users, TLS, tenants, and an etcd that is away.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod subject;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use store::{
    Range, Revision, Store, StoreError, Txn,
    etcd::{ConnectError, Credentials, Etcd, Options},
    limits,
};
use subject::{block_on, committed, etcd_server::EtcdServer, head, told_until};
use tempfile::TempDir;

#[test]
fn settings_that_cannot_be_used_are_refused_with_what_is_wrong() {
    let connect = |options| Etcd::connect(options).err().unwrap();
    let with = |address: &str| Options {
        endpoints: vec![address.to_owned()],
        ..Options::default()
    };
    assert_eq!(connect(Options::default()), ConnectError::NoEndpoint);
    for (address, reason) in [
        ("https://127.0.0.1:1", "certificate of the authority"),
        ("ftp://127.0.0.1:1", "http or https"),
        ("not an address", "invalid uri"),
    ] {
        let error = connect(with(address)).to_string();
        assert!(error.contains(address) && error.contains(reason), "{error}");
    }
    let mut options = with("127.0.0.1:1");
    options.prefix = "p".repeat(300);
    assert_eq!(connect(options), ConnectError::Prefix(300));
}

#[test]
fn an_etcd_that_is_away_is_unavailable_and_used_again_when_it_is_back() {
    let Some(mut server) = EtcdServer::start() else {
        return;
    };
    block_on(async {
        let store = server.client();
        let first = committed(&store, Txn::new().put("a", "1")).await;
        let mut watch = store.watch("", first).await.unwrap();
        server.stop();
        let started = Instant::now();
        let errors = [
            watch.next().await.unwrap_err(),
            store.get("a").await.unwrap_err(),
            store.commit(Txn::new().put("a", "2")).await.unwrap_err(),
            store.list(Range::default()).await.unwrap_err(),
            store.grant(10).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        }
        assert!(store.watch("", first).await.is_err());
        assert!(started.elapsed() < Duration::from_secs(20));

        server.restart();
        assert_eq!(store.get("a").await.unwrap().unwrap().value, "1");
        let second = committed(&store, Txn::new().put("a", "3")).await;
        let mut watch = store.watch("", first).await.unwrap();
        assert_eq!(told_until(&mut watch, second).await.len(), 1);
    });
}

#[test]
fn an_endpoint_that_does_not_answer_is_passed_over() {
    let Some(server) = EtcdServer::start() else {
        return;
    };
    // Bound, but nobody listens.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let dead = socket.local_addr().unwrap().to_string();
    let options = Options {
        endpoints: vec![dead, server.address()],
        ..Options::default()
    };
    block_on(async {
        let store = Etcd::connect(options).unwrap();
        let first = committed(&store, Txn::new().put("a", "1")).await;
        let mut watch = store.watch("", Revision(0)).await.unwrap();
        assert_eq!(told_until(&mut watch, first).await.len(), 1);
    });
}

#[test]
fn tenants_of_one_etcd_see_nothing_of_each_other_but_gaps_in_the_revisions() {
    let Some(server) = EtcdServer::start() else {
        return;
    };
    let tenant = |prefix: &str| {
        Etcd::connect(Options {
            endpoints: vec![format!("http://{}", server.address())],
            prefix: prefix.into(),
            ..Options::default()
        })
        .unwrap()
    };
    block_on(async {
        let (one, other, all) = (tenant("one/"), tenant("other/"), tenant(""));
        let mut watch = one.watch("", Revision(0)).await.unwrap();
        committed(&one, Txn::new().put("a", "1")).await;
        committed(&other, Txn::new().if_absent("a").put("a", "2")).await;
        let last = committed(&one, Txn::new().if_present("a").put("b", "3")).await;
        assert_eq!(told_until(&mut watch, last).await.len(), 2);
        assert_eq!(one.list(Range::default()).await.unwrap().documents.len(), 2);
        assert_eq!(
            other.list(Range::default()).await.unwrap().documents.len(),
            1
        );
        let page = all.list(Range::default()).await.unwrap();
        let keys: Vec<&str> = page.documents.iter().map(|found| &*found.key).collect();
        assert_eq!(keys, ["one/a", "one/b", "other/a"]);
        assert_eq!(head(&other).await, last);
    });
}

#[test]
fn a_user_is_known_by_the_password_and_again_after_etcd_has_forgotten_the_token() {
    let Some(mut server) = EtcdServer::start() else {
        return;
    };
    for arguments in [
        &["user", "add", "root:secret"][..],
        &["user", "grant-role", "root", "root"],
        &["auth", "enable"],
    ] {
        let mut etcdctl = Command::new("etcdctl");
        etcdctl.args(["--endpoints", &server.address()]);
        let Ok(output) = etcdctl.env("ETCDCTL_API", "3").args(arguments).output() else {
            println!("skipped: there is no etcdctl program here (Debian: etcd-client)");
            return;
        };
        assert!(output.status.success(), "{output:?}");
    }
    let with = |password: Option<&str>| {
        Etcd::connect(Options {
            endpoints: vec![server.address()],
            credentials: password.map(|password| Credentials {
                user: "root".into(),
                password: password.into(),
            }),
            ..Options::default()
        })
        .unwrap()
    };
    let (known, stranger, nobody) = (with(Some("secret")), with(Some("guess")), with(None));
    block_on(async {
        let first = committed(&known, Txn::new().put("a", "1")).await;
        for refused in [stranger, nobody] {
            refused.get("a").await.unwrap_err();
            refused.commit(Txn::new().put("a", "2")).await.unwrap_err();
        }
        let mut watch = known.watch("", Revision(0)).await.unwrap();
        assert_eq!(told_until(&mut watch, first).await.len(), 1);
        let lease = known.grant(600).await.unwrap();
        server.restart();
        // Whatever comes first, be it a lease's renewal.
        assert!(known.renew(lease).await.unwrap());
        assert_eq!(known.get("a").await.unwrap().unwrap().modified, first);
        committed(&known, Txn::new().put("a", "3")).await;
    });
}

#[test]
fn etcd_is_reached_by_tls_if_its_certificate_is_of_the_named_authority() {
    let directory = TempDir::new().unwrap();
    let authority = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        (certificate.pem(), rcgen::Issuer::new(parameters, key))
    };
    let (ca_pem, issuer) = authority();
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned()];
    let parameters = rcgen::CertificateParams::new(names).unwrap();
    let certificate = parameters.signed_by(&key, &issuer).unwrap();
    let file = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let cert_file = format!("--cert-file={}", file("certificate", certificate.pem()));
    let key_file = format!("--key-file={}", file("key", key.serialize_pem()));
    let Some(server) = EtcdServer::start_with(&[&cert_file, &key_file]) else {
        return;
    };
    let with = |ca_pem: String| {
        Etcd::connect(Options {
            endpoints: vec![server.address()],
            ca_pem: Some(ca_pem.into_bytes()),
            ..Options::default()
        })
        .unwrap()
    };
    block_on(async {
        let store = with(ca_pem.clone());
        let first = committed(&store, Txn::new().put("a", "1")).await;
        let mut watch = store.watch("", Revision(0)).await.unwrap();
        assert_eq!(told_until(&mut watch, first).await.len(), 1);
        let error = with(authority().0).get("a").await.unwrap_err();
        assert!(
            error.to_string().to_lowercase().contains("certificate"),
            "{error}"
        );
    });
}

#[test]
fn an_etcd_that_takes_small_transactions_alone_is_said_to_need_its_flag() {
    let Some(server) = EtcdServer::start_with(&["--max-txn-ops", "128"]) else {
        return;
    };
    block_on(async {
        let store = server.client();
        let many = |count| (0..count).fold(Txn::new(), |txn, n| txn.put(format!("{n}"), "1"));
        committed(&store, many(limits::TXN_OPERATIONS_COMMON)).await;
        let error = store.commit(many(200)).await.unwrap_err();
        let is_told = error.to_string().contains("--max-txn-ops=2200");
        assert!(
            matches!(error, StoreError::TooLarge(_)) && is_told,
            "{error}"
        );
    });
}
