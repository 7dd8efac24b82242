//! Origin groups over the wire.

use message::Method;
use origin::group::{FailoverRule, fetch_group};
use origin::{FetchError, OriginSpec};
use std::io::ErrorKind;

use crate::script::{Origin, Step, client, get, ok, read, request, run, send};

fn rule(statuses: &[u16]) -> FailoverRule {
    FailoverRule {
        statuses: statuses.to_vec(),
    }
}

fn broken() -> Step {
    send("HTTP/1.1 500 Broken\r\nContent-Length: 6\r\n\r\nbroken")
}

#[test]
fn a_listed_status_asks_the_second_member_with_a_request_of_its_own() {
    run(async || {
        let first = Origin::start(vec![vec![Step::Head, broken(), Step::AwaitClose]]).await;
        let second = Origin::start(vec![vec![Step::Head, ok("second")]]).await;
        let (client, a, b) = (client(), first.spec(), second.spec());
        let compose = |member: usize| Ok(get(&format!("/member/{member}")));
        let answer = fetch_group(&client, Method::Get, &rule(&[500]), &[&a, &b], compose).await;
        let mut response = answer.result.unwrap();
        assert_eq!(
            (
                answer.member,
                read(&mut response.body).await.unwrap().as_str()
            ),
            (1, "second")
        );
        assert_eq!(
            (first.targets(), second.targets()),
            (vec!["/member/0".to_owned()], vec!["/member/1".to_owned()])
        );
        first.closed.notified().await; // The unread 500 went with its connection.
    });
}

#[test]
fn an_unlisted_status_and_an_unsafe_method_stay_with_the_first_member() {
    run(async || {
        for (method, statuses) in [(Method::Get, [404]), (Method::Post, [500])] {
            let first = Origin::start(vec![vec![Step::Head, broken()]]).await;
            let second = Origin::start(vec![vec![Step::Head, ok("second")]]).await;
            let (client, a, b) = (client(), first.spec(), second.spec());
            let compose = |_| Ok(request(method, "/"));
            let answer = fetch_group(&client, method, &rule(&statuses), &[&a, &b], compose).await;
            assert_eq!(
                (answer.member, answer.result.unwrap().head.status),
                (0, 500)
            );
            assert_eq!(second.connections.get(), 0);
        }
    });
}

#[test]
fn an_unreachable_first_member_fails_over_and_an_unreachable_last_one_is_final() {
    run(async || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut gone = OriginSpec::new("gone", "127.0.0.1");
        gone.http_port = listener.local_addr().unwrap().port();
        drop(listener);
        let second = Origin::start(vec![vec![Step::Head, ok("second")]]).await;
        let (client, b) = (client(), second.spec());
        let answer = fetch_group(&client, Method::Get, &rule(&[503]), &[&gone, &b], |_| {
            Ok(get("/"))
        })
        .await;
        assert_eq!((answer.member, answer.result.is_ok()), (1, true));

        let answer = fetch_group(&client, Method::Get, &rule(&[503]), &[&gone, &gone], |_| {
            Ok(get("/"))
        })
        .await;
        let refused = FetchError::Connect(ErrorKind::ConnectionRefused);
        assert_eq!(
            (answer.member, answer.result.as_ref().err()),
            (1, Some(&refused))
        );
        assert_eq!(answer.error_status(), Some(504));
    });
}
