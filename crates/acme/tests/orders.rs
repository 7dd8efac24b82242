//! Orders at a real server. They are skipped where pebble is not installed.

#![allow(clippy::unwrap_used)]

#[path = "pebble/https.rs"]
mod https;
mod pebble;
#[path = "pebble/shelf.rs"]
mod shelf;

use std::sync::Arc;
use std::time::Duration;

use acme::{Account, AcmeError, Kind, Server, issue, renewal_window};
use pebble::{Options, Pebble, free_ports};
use rcgen::{CertificateParams, KeyPair};
use shelf::Shelf;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;

const LONG: Duration = Duration::from_secs(60);

fn options(shelf: &Shelf) -> Options {
    Options {
        http_port: shelf.http_port,
        tls_port: shelf.tls_port,
        bad_nonces: 0,
        reused_authorizations: 0,
        sleep_secs_max: 0,
        external_account: None,
    }
}

async fn start(shelf: &Shelf, options: &Options) -> (Arc<Pebble>, Server) {
    let pebble = Arc::new(Pebble::start(options).await);
    shelf.attach(&pebble);
    let server = Server {
        directory_url: pebble.directory_url.clone(),
        root_pem: Some(pebble.root_pem.clone().into_bytes()),
        contact: Some("ops@example.com".to_owned()),
        eab: None,
    };
    (pebble, server)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn csr(names: &[String], key: &KeyPair) -> Vec<u8> {
    let mut parameters = CertificateParams::new(names).unwrap();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.serialize_request(key).unwrap().der().to_vec()
}

async fn order(account: &Account, wanted: &[&str], shelf: &Shelf) -> Result<String, AcmeError> {
    let wanted = names(wanted);
    let key = KeyPair::generate().unwrap();
    let chain = issue(account, &wanted, &csr(&wanted, &key), shelf, LONG).await?;
    assert_is_of(&chain, &wanted, &key);
    Ok(chain)
}

/// A chain begins with the certificate of these names and this key.
fn assert_is_of(chain: &str, wanted: &[String], key: &KeyPair) {
    let chain: Vec<Pem> = Pem::iter_from_buffer(chain.as_bytes())
        .map(Result::unwrap)
        .collect();
    assert!(chain.len() >= 2, "{} certificates", chain.len());
    let leaf = chain[0].parse_x509().unwrap();
    let alternatives = leaf.subject_alternative_name().unwrap().unwrap();
    let mut found: Vec<String> = alternatives
        .value
        .general_names
        .iter()
        .map(dns_name)
        .collect();
    let mut wanted = wanted.to_vec();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert_eq!(
        leaf.public_key().raw,
        rcgen::PublicKeyData::subject_public_key_info(key)
    );
}

fn dns_name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        other => panic!("{other}"),
    }
}

fn sorted(mut log: Vec<String>) -> Vec<String> {
    log.sort();
    log
}

#[tokio::test]
async fn a_certificate_is_issued_for_an_answer_over_http() {
    if !pebble::is_there() {
        return;
    }
    let shelf = Shelf::start().await;
    let (_pebble, server) = start(&shelf, &options(&shelf)).await;
    let (account, _) = Account::create(&server).await.unwrap();
    order(&account, &["a.example.com"], &shelf).await.unwrap();
    assert_eq!(
        shelf.log(),
        ["+http-01 a.example.com", "-http-01 a.example.com"]
    );
    assert!(shelf.is_empty());
}

#[tokio::test]
async fn a_certificate_is_issued_for_an_answer_in_a_handshake() {
    if !pebble::is_there() {
        return;
    }
    let mut shelf = Shelf::start().await;
    shelf.kinds.insert(
        "a.example.com".to_owned(),
        vec![Kind::TlsAlpn01, Kind::Http01],
    );
    let (_pebble, server) = start(&shelf, &options(&shelf)).await;
    let (account, _) = Account::create(&server).await.unwrap();
    order(&account, &["a.example.com"], &shelf).await.unwrap();
    assert_eq!(
        shelf.log(),
        ["+tls-alpn-01 a.example.com", "-tls-alpn-01 a.example.com"]
    );
    assert!(shelf.is_empty());
}

#[tokio::test]
async fn a_name_and_its_wildcard_are_proven_by_two_texts_at_a_time() {
    if !pebble::is_there() {
        return;
    }
    let mut shelf = Shelf::start().await;
    shelf
        .kinds
        .insert("*.example.com".to_owned(), vec![Kind::Dns01]);
    shelf
        .kinds
        .insert("example.com".to_owned(), vec![Kind::Dns01]);
    let (_pebble, server) = start(&shelf, &options(&shelf)).await;
    let (account, _) = Account::create(&server).await.unwrap();
    order(&account, &["example.com", "*.example.com"], &shelf)
        .await
        .unwrap();
    let [shown, back] = ["+dns-01 example.com", "-dns-01 example.com"];
    assert_eq!(shelf.log(), [shown, shown, back, back]);
}

#[tokio::test]
async fn each_name_of_an_order_is_proven_in_its_own_way() {
    if !pebble::is_there() {
        return;
    }
    let mut shelf = Shelf::start().await;
    shelf
        .kinds
        .insert("b.example.com".to_owned(), vec![Kind::TlsAlpn01]);
    // What the authority does not offer for a wildcard is passed over.
    shelf
        .kinds
        .insert("*.example.org".to_owned(), vec![Kind::Http01, Kind::Dns01]);
    let (_pebble, server) = start(&shelf, &options(&shelf)).await;
    let (account, _) = Account::create(&server).await.unwrap();
    order(
        &account,
        &["a.example.com", "b.example.com", "*.example.org"],
        &shelf,
    )
    .await
    .unwrap();
    let log = sorted(shelf.log());
    assert_eq!(
        log[..3],
        [
            "+dns-01 example.org",
            "+http-01 a.example.com",
            "+tls-alpn-01 b.example.com"
        ]
    );
    assert_eq!(log.len(), 6, "{log:?}");
}

#[tokio::test]
async fn a_wrong_proof_is_told_with_its_name_and_all_are_taken_back() {
    if !pebble::is_there() {
        return;
    }
    let mut shelf = Shelf::start().await;
    shelf.wrong = Some("b.example.com".to_owned());
    shelf
        .kinds
        .insert("c.example.com".to_owned(), vec![Kind::TlsAlpn01]);
    let (_pebble, server) = start(&shelf, &options(&shelf)).await;
    let (account, _) = Account::create(&server).await.unwrap();
    let wanted = ["a.example.com", "b.example.com", "c.example.com"];
    let error = order(&account, &wanted, &shelf).await.unwrap_err();
    let AcmeError::Rejected { name, detail, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(name.as_deref(), Some("b.example.com"));
    assert!(
        error.is_problem("unauthorized") && !error.is_lasting(),
        "{error}"
    );
    assert!(detail.contains("wrong"), "{detail}");
    assert_eq!(
        shelf
            .log()
            .iter()
            .filter(|line| line.starts_with('-'))
            .count(),
        3
    );
    assert!(shelf.is_empty());
}

#[tokio::test]
async fn an_authority_that_finds_nobody_says_so() {
    if !pebble::is_there() {
        return;
    }
    let shelf = Shelf::start().await;
    let [closed] = free_ports();
    let (_pebble, server) = start(
        &shelf,
        &Options {
            http_port: closed,
            ..options(&shelf)
        },
    )
    .await;
    let (account, _) = Account::create(&server).await.unwrap();
    let error = order(&account, &["a.example.com"], &shelf)
        .await
        .unwrap_err();
    assert!(
        error.is_problem("connection") && !error.is_lasting(),
        "{error}"
    );
    assert!(shelf.is_empty());
}

#[tokio::test]
async fn half_of_the_nonces_may_be_refused() {
    if !pebble::is_there() {
        return;
    }
    let shelf = Shelf::start().await;
    let (_pebble, server) = start(
        &shelf,
        &Options {
            bad_nonces: 50,
            ..options(&shelf)
        },
    )
    .await;
    let (account, _) = Account::create(&server).await.unwrap();
    let wanted: Vec<String> = (0..12).map(|n| format!("n{n}.example.com")).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    order(&account, &wanted, &shelf).await.unwrap();
    // A proof is shown once, however often the server is asked.
    assert_eq!(shelf.log().len(), 24);
}

#[tokio::test]
async fn an_authority_may_take_its_time_to_look() {
    if !pebble::is_there() {
        return;
    }
    let shelf = Shelf::start().await;
    let (_pebble, server) = start(
        &shelf,
        &Options {
            sleep_secs_max: 2,
            ..options(&shelf)
        },
    )
    .await;
    let (account, _) = Account::create(&server).await.unwrap();
    order(&account, &["a.example.com", "b.example.com"], &shelf)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_restored_account_is_the_same_and_what_it_proved_is_not_proven_again() {
    if !pebble::is_there() {
        return;
    }
    let shelf = Shelf::start().await;
    let options = Options {
        reused_authorizations: 100,
        ..options(&shelf)
    };
    let (_pebble, server) = start(&shelf, &options).await;
    let (account, credentials) = Account::create(&server).await.unwrap();
    order(&account, &["a.example.com"], &shelf).await.unwrap();
    assert_eq!(shelf.log().len(), 2);
    drop(account);
    let account = Account::restore(&server, &credentials).await.unwrap();
    order(&account, &["a.example.com", "b.example.com"], &shelf)
        .await
        .unwrap();
    assert_eq!(
        shelf.log(),
        ["+http-01 b.example.com", "-http-01 b.example.com"]
    );
    order(&account, &["a.example.com", "b.example.com"], &shelf)
        .await
        .unwrap();
    assert!(shelf.log().is_empty());
}

#[tokio::test]
async fn an_account_that_the_server_forgot_is_refused_for_good() {
    if !pebble::is_there() {
        return;
    }
    let shelf = Shelf::start().await;
    let (_first, server) = start(&shelf, &options(&shelf)).await;
    let (_, credentials) = Account::create(&server).await.unwrap();
    let (_second, other) = start(&shelf, &options(&shelf)).await;
    let origin = |server: &Server| {
        server
            .directory_url
            .strip_suffix("/dir")
            .unwrap()
            .to_owned()
    };
    let credentials = credentials.replace(&origin(&server), &origin(&other));
    let account = Account::restore(&other, &credentials).await.unwrap();
    let error = order(&account, &["a.example.com"], &shelf)
        .await
        .unwrap_err();
    assert!(
        error.is_problem("accountDoesNotExist") && error.is_lasting(),
        "{error}"
    );
}

#[tokio::test]
async fn orders_of_one_account_go_on_at_a_time_in_tasks_of_their_own() {
    if !pebble::is_there() {
        return;
    }
    let shelf = Arc::new(Shelf::start().await);
    let (_pebble, server) = start(&shelf, &options(&shelf)).await;
    let (account, _) = Account::create(&server).await.unwrap();
    let orders: Vec<_> = (0..8)
        .map(|n| {
            let (account, shelf) = (account.clone(), Arc::clone(&shelf));
            tokio::spawn(
                async move { order(&account, &[&format!("n{n}.example.com")], &shelf).await },
            )
        })
        .collect();
    for order in orders {
        order.await.unwrap().unwrap();
    }
    assert!(shelf.is_empty());
}

#[tokio::test]
async fn a_name_that_cannot_be_proven_is_told_before_anything_is_shown() {
    if !pebble::is_there() {
        return;
    }
    let shelf = Shelf::start().await;
    let (_pebble, server) = start(&shelf, &options(&shelf)).await;
    let (account, _) = Account::create(&server).await.unwrap();
    let error = order(&account, &["a.example.com", "*.example.com"], &shelf)
        .await
        .unwrap_err();
    let expected = AcmeError::Unsolvable {
        name: "*.example.com".to_owned(),
        offered: "dns-01".to_owned(),
    };
    assert_eq!(error, expected);
    assert!(shelf.log().is_empty());
}

#[tokio::test]
async fn a_proof_that_cannot_be_shown_ends_the_order() {
    if !pebble::is_there() {
        return;
    }
    let mut shelf = Shelf::start().await;
    shelf.refused = Some("b.example.com".to_owned());
    let (_pebble, server) = start(&shelf, &options(&shelf)).await;
    let (account, _) = Account::create(&server).await.unwrap();
    let error = order(&account, &["a.example.com", "b.example.com"], &shelf)
        .await
        .unwrap_err();
    let expected = AcmeError::Unpresented {
        name: "b.example.com".to_owned(),
        detail: "the shelf is full".to_owned(),
    };
    assert_eq!(error, expected);
    assert!(shelf.is_empty());
}

#[tokio::test]
async fn an_order_that_takes_too_long_ends_and_takes_back_what_it_showed() {
    if !pebble::is_there() {
        return;
    }
    let mut shelf = Shelf::start().await;
    shelf.endless = Some("b.example.com".to_owned());
    let (_pebble, server) = start(&shelf, &options(&shelf)).await;
    let (account, _) = Account::create(&server).await.unwrap();
    let wanted = names(&["a.example.com", "b.example.com"]);
    let csr = csr(&wanted, &KeyPair::generate().unwrap());
    let outcome = issue(&account, &wanted, &csr, &shelf, Duration::from_secs(1)).await;
    assert_eq!(outcome, Err(AcmeError::Deadline));
    assert_eq!(
        shelf
            .log()
            .iter()
            .filter(|line| line.starts_with('-'))
            .count(),
        2
    );
    assert!(shelf.is_empty());
}

#[tokio::test]
async fn a_server_that_is_down_is_unreachable() {
    if !pebble::is_there() {
        return;
    }
    let shelf = Shelf::start().await;
    let [closed] = free_ports();
    let server = Server {
        directory_url: format!("https://127.0.0.1:{closed}/dir"),
        ..Server::default()
    };
    let error = Account::create(&server).await.err().unwrap();
    assert!(matches!(error, AcmeError::Unreachable(_)), "{error}");

    let (pebble, server) = start(&shelf, &options(&shelf)).await;
    let (account, credentials) = Account::create(&server).await.unwrap();
    // The authority's certificate is not trusted without its root.
    let stranger = Server {
        root_pem: None,
        ..server.clone()
    };
    let error = Account::restore(&stranger, &credentials)
        .await
        .err()
        .unwrap();
    assert!(matches!(error, AcmeError::Unreachable(_)), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
    shelf.detach();
    drop(pebble);
    let error = Account::restore(&server, &credentials).await.err().unwrap();
    assert!(matches!(error, AcmeError::Unreachable(_)), "{error}");
    let wanted = names(&["a.example.com"]);
    let csr = csr(&wanted, &KeyPair::generate().unwrap());
    let outcome = issue(&account, &wanted, &csr, &shelf, Duration::from_secs(1)).await;
    assert!(
        matches!(outcome, Err(AcmeError::Unreachable(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn an_account_is_bound_to_one_at_the_authority_where_that_is_demanded() {
    if !pebble::is_there() {
        return;
    }
    let shelf = Shelf::start().await;
    let (id, key) = (
        "kid-1",
        "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W",
    );
    let demanded = Options {
        external_account: Some((id, key)),
        ..options(&shelf)
    };
    let (_pebble, mut server) = start(&shelf, &demanded).await;
    let error = Account::create(&server).await.err().unwrap();
    assert!(
        error.is_problem("externalAccountRequired") && error.is_lasting(),
        "{error}"
    );
    server.eab = Some((id.to_owned(), key.to_owned()));
    let (account, _) = Account::create(&server).await.unwrap();
    order(&account, &["a.example.com"], &shelf).await.unwrap();
}

#[tokio::test]
async fn a_request_for_other_names_than_those_of_the_order_is_refused() {
    if !pebble::is_there() {
        return;
    }
    let shelf = Shelf::start().await;
    let (_pebble, server) = start(&shelf, &options(&shelf)).await;
    let (account, _) = Account::create(&server).await.unwrap();
    let csr = csr(&names(&["b.example.com"]), &KeyPair::generate().unwrap());
    let outcome = issue(&account, &names(&["a.example.com"]), &csr, &shelf, LONG).await;
    assert!(
        matches!(outcome, Err(AcmeError::Rejected { .. })),
        "{outcome:?}"
    );
    assert!(shelf.is_empty());
}

#[tokio::test]
async fn an_authority_without_renewal_information_says_nothing_of_a_renewal() {
    if !pebble::is_there() {
        return;
    }
    let shelf = Shelf::start().await;
    let (_pebble, server) = start(&shelf, &options(&shelf)).await;
    let (account, _) = Account::create(&server).await.unwrap();
    let chain = order(&account, &["a.example.com"], &shelf).await.unwrap();
    let leaf = Pem::iter_from_buffer(chain.as_bytes())
        .next()
        .unwrap()
        .unwrap();
    let window = renewal_window(&account, &leaf.contents).await.unwrap();
    // Younger ones have it.
    if let Some(window) = window {
        assert!(window.starts_secs <= window.ends_secs);
    }
    assert_eq!(renewal_window(&account, b"no certificate").await, Ok(None));
}
