//! Everything that takes too long.

use std::time::{Duration, Instant};

use message::Method;
use origin::{FetchError, OriginSpec, Scheme};

use crate::script::{Origin, Step, answer, client, get, read, request, run, send};

#[test]
fn a_silent_origin_times_out_and_a_get_uses_its_attempts() {
    run(async || {
        for (method, attempts, connections) in [
            (Method::Get, 1, 1),
            (Method::Get, 2, 2),
            (Method::Post, 3, 1),
        ] {
            let origin = Origin::start(vec![vec![Step::Head, Step::Hold]; 3]).await;
            let spec = origin.spec_with(|spec| {
                spec.read_timeout_ms = 60;
                spec.connection_attempts = attempts;
            });
            let client = client();
            let error = answer(&client, &spec, request(method, "/"))
                .await
                .unwrap_err();
            assert_eq!((error, error.status()), (FetchError::ReadTimeout, 504));
            assert_eq!(origin.connections.get(), connections);
            assert_eq!(client.connections().open, 0);
        }
    });
}

#[test]
fn a_gap_within_the_body_times_out_and_many_short_ones_do_not() {
    run(async || {
        let drip = |pauses: &[u64]| {
            let start = send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
            let mut script = vec![Step::Head, start];
            for pause in pauses {
                script.extend([Step::Pause(*pause), send("x")]);
            }
            script
        };
        let origin = Origin::start(vec![drip(&[50; 6]), drip(&[50, 50, 1_000])]).await;
        let spec = origin.spec_with(|spec| spec.read_timeout_ms = 200);
        let client = client();
        assert_eq!(
            answer(&client, &spec, get("/")).await,
            Ok((200, "xxxxxx".to_owned()))
        );
        // The first connection closed after its script.
        let mut response = client.fetch(&spec, get("/")).await.unwrap();
        assert_eq!(read(&mut response.body).await, Err(FetchError::ReadTimeout));
        assert_eq!(client.connections().open, 0);
    });
}

#[test]
fn a_slow_reader_is_no_silence_of_the_origin() {
    run(async || {
        let body = "y".repeat(2_000_000);
        let origin = Origin::start(vec![vec![Step::Head, crate::script::ok(&body)]]).await;
        let spec = origin.spec_with(|spec| spec.read_timeout_ms = 100);
        let mut response = client().fetch(&spec, get("/")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert_eq!(
            read(&mut response.body).await.map(|body| body.len()),
            Ok(2_000_000)
        );
    });
}

#[test]
fn the_completion_timeout_bounds_head_retries_and_body_together() {
    run(async || {
        // The head never comes; the attempts alone would take three times 80 ms.
        let origin = Origin::start(vec![vec![Step::Head, Step::Hold]; 3]).await;
        let spec = origin.spec_with(|spec| {
            spec.read_timeout_ms = 80;
            spec.response_completion_timeout_ms = Some(120);
        });
        let client = client();
        let started = Instant::now();
        let error = answer(&client, &spec, get("/")).await.unwrap_err();
        assert_eq!(
            (error, error.status()),
            (FetchError::CompletionTimeout, 504)
        );
        assert!(started.elapsed() < Duration::from_millis(220));
        assert_eq!(client.connections().open, 0);

        // The body drips faster than the read timeout, for too long.
        let mut drip = vec![
            Step::Head,
            send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
        ];
        for _ in 0..40 {
            drip.extend([send("x"), Step::Pause(20)]);
        }
        let origin = Origin::start(vec![drip]).await;
        let spec = origin.spec_with(|spec| spec.response_completion_timeout_ms = Some(120));
        let mut response = client.fetch(&spec, get("/")).await.unwrap();
        assert_eq!(
            read(&mut response.body).await,
            Err(FetchError::CompletionTimeout)
        );
    });
}

#[test]
fn a_tls_handshake_without_answer_is_a_connect_timeout() {
    run(async || {
        let origin = Origin::start(vec![vec![Step::Hold]; 2]).await;
        let spec = origin.spec_with(|spec| {
            spec.connection_timeout_ms = 60;
            spec.connection_attempts = 2;
        });
        let mut request = get("/");
        request.scheme = Scheme::Https;
        let error = answer(&client(), &spec, request).await.unwrap_err();
        assert_eq!((error, error.status()), (FetchError::ConnectTimeout, 504));
        assert!(error.is_connection_failure() && error.is_timeout());
        assert_eq!(origin.connections.get(), 2);
    });
}

#[test]
fn a_full_listener_is_a_connect_timeout_after_every_attempt() {
    run(async || {
        // With its queue full and nobody accepting, Linux drops further connection requests.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut fill = Vec::new();
        for _ in 0..8 {
            let connecting = tokio::net::TcpStream::connect(address);
            match tokio::time::timeout(Duration::from_millis(50), connecting).await {
                Ok(stream) => fill.push(stream.unwrap()),
                Err(_) => break,
            }
        }
        let mut spec = OriginSpec::new("test", "127.0.0.1");
        spec.http_port = address.port();
        spec.connection_timeout_ms = 50;
        spec.connection_attempts = 3;
        let started = Instant::now();
        let error = answer(&client(), &spec, request(Method::Post, "/"))
            .await
            .unwrap_err();
        assert_eq!(error, FetchError::ConnectTimeout);
        assert!(started.elapsed() >= Duration::from_millis(150));
    });
}
