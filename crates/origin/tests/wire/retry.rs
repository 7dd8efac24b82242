//! Connections that close too early: what is sent again, and what never is.

use message::Method;
use origin::FetchError;

use crate::script::{Origin, Step, answer, client, get, ok, request, run};

#[test]
fn a_get_or_head_whose_connection_drops_is_tried_again_up_to_its_attempts() {
    run(async || {
        for method in [Method::Get, Method::Head] {
            let dropped = vec![Step::Head];
            let script = vec![dropped.clone(), dropped, vec![Step::Head, ok("")]];
            let origin = Origin::start(script).await;
            let result = answer(&client(), &origin.spec(), request(method, "/")).await;
            assert_eq!(
                (result, origin.connections.get()),
                (Ok((200, String::new())), 3)
            );

            let origin = Origin::start(vec![vec![Step::Head]; 9]).await;
            let error = answer(&client(), &origin.spec(), request(method, "/"))
                .await
                .unwrap_err();
            assert_eq!((error, origin.connections.get()), (FetchError::Closed, 3));
            assert_eq!(error.status(), 502);

            let origin = Origin::start(vec![vec![Step::Head, Step::Reset]; 9]).await;
            let spec = origin.spec_with(|spec| spec.connection_attempts = 2);
            let error = answer(&client(), &spec, request(method, "/"))
                .await
                .unwrap_err();
            assert_eq!((error, origin.connections.get()), (FetchError::Closed, 2));
        }
    });
}

#[test]
fn other_methods_are_sent_once() {
    run(async || {
        for method in [
            Method::Post,
            Method::Put,
            Method::Patch,
            Method::Delete,
            Method::Options,
        ] {
            let origin = Origin::start(vec![vec![Step::Head]; 3]).await;
            let result = answer(&client(), &origin.spec(), request(method, "/")).await;
            assert_eq!(result, Err(FetchError::Closed), "{method:?}");
            assert_eq!(origin.connections.get(), 1, "{method:?}");
        }
    });
}

#[test]
fn a_connection_that_drops_within_the_head_counts_as_dropped() {
    run(async || {
        let cut = crate::script::send("HTTP/1.1 200 OK\r\nContent-Le");
        let script = vec![vec![Step::Head, cut], vec![Step::Head, ok("whole")]];
        let origin = Origin::start(script).await;
        let result = answer(&client(), &origin.spec(), get("/")).await;
        assert_eq!(result, Ok((200, "whole".to_owned())));
    });
}

#[test]
fn a_pooled_connection_that_proves_closed_costs_no_attempt() {
    run(async || {
        // The origin takes the second request and hangs up on it, as one does whose idle timeout
        // runs out just then.
        let methods = [
            Method::Get,
            Method::Head,
            Method::Options,
            Method::Put,
            Method::Delete,
        ];
        for method in methods {
            let stale = vec![Step::Head, ok("one"), Step::Head];
            let origin = Origin::start(vec![stale, vec![Step::Head, ok("")]]).await;
            let spec = origin.spec_with(|spec| spec.connection_attempts = 1);
            let client = client();
            answer(&client, &spec, get("/1")).await.unwrap();
            let result = answer(&client, &spec, request(method, "/2")).await;
            assert_eq!(result, Ok((200, String::new())), "{method:?}");
            assert_eq!(origin.targets(), ["/1", "/2", "/2"], "{method:?}");
        }
    });
}

#[test]
fn what_may_have_been_acted_on_is_not_sent_twice() {
    run(async || {
        for method in [Method::Post, Method::Patch] {
            let stale = vec![Step::Head, ok("one"), Step::Head];
            let origin = Origin::start(vec![stale, vec![Step::Head, ok("")]]).await;
            let client = client();
            answer(&client, &origin.spec(), get("/1")).await.unwrap();
            let result = answer(&client, &origin.spec(), request(method, "/2")).await;
            assert_eq!(result, Err(FetchError::Closed), "{method:?}");
            assert_eq!(origin.targets(), ["/1", "/2"], "{method:?}");
        }
    });
}

#[test]
fn a_post_is_not_sent_into_a_connection_that_has_already_closed() {
    run(async || {
        let closing = vec![Step::Head, ok("one")];
        let origin = Origin::start(vec![closing, vec![Step::Head, ok("two")]]).await;
        let (client, spec) = (client(), origin.spec());
        answer(&client, &spec, get("/1")).await.unwrap();
        let result = answer(&client, &spec, request(Method::Post, "/2")).await;
        assert_eq!(result, Ok((200, "two".to_owned())));
        assert_eq!(origin.targets(), ["/1", "/2"]);
    });
}

#[test]
fn the_fresh_connection_after_a_stale_one_has_all_its_attempts() {
    run(async || {
        let stale = vec![Step::Head, ok("one"), Step::Head];
        let dropped = vec![Step::Head];
        let script = vec![
            stale,
            dropped.clone(),
            dropped,
            vec![Step::Head, ok("four")],
        ];
        let origin = Origin::start(script).await;
        let client = client();
        answer(&client, &origin.spec(), get("/")).await.unwrap();
        let result = answer(&client, &origin.spec(), get("/")).await;
        assert_eq!(
            (result, origin.connections.get()),
            (Ok((200, "four".to_owned())), 4)
        );
    });
}
