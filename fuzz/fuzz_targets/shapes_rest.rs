//! Requests on HTTP: whatever is read is written and read again as the same, by the same route.
//!
//! Lines: the service, the method, the path, the query, one header; then the body.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shapes::rest::{RouteError, Router, read_request, write_request, write_response};
use shapes::{check_types, cloudfront, cloudfront_keyvaluestore, cloudtrail};
use warmfront_fuzz::lines;

static ROUTERS: LazyLock<[Router; 3]> = LazyLock::new(|| {
    [
        Router::new(&cloudfront::SERVICE),
        Router::new(&cloudfront_keyvaluestore::SERVICE),
        Router::new(&cloudtrail::SERVICE),
    ]
});

fuzz_target!(|data: &[u8]| {
    let (parts, body): ([_; 5], _) = lines(data);
    let [Ok(service), Ok(method), Ok(path), Ok(query), Ok(header)] = parts.map(std::str::from_utf8)
    else {
        return;
    };
    let router = match service {
        "cloudfront-keyvaluestore" => &ROUTERS[1],
        "cloudtrail" => &ROUTERS[2],
        _ => &ROUTERS[0],
    };
    let found = match router.find(method, path, query) {
        Ok(found) => found,
        Err(RouteError::NoSuchPath) => return,
        Err(RouteError::MethodNotAllowed { allowed }) => {
            assert!(!allowed.is_empty() && !allowed.contains(&method));
            return;
        }
    };
    assert_eq!(found.operation.method, method);
    let headers: Vec<_> = header.split_once(": ").into_iter().collect();
    let input = match read_request(&found, query, &headers, body) {
        Ok(input) => input,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let shape = found.operation.input.as_ref().map(|input| input.shape);
    assert!(shape.is_none_or(|shape| check_types(shape, &input).is_empty()));

    let request = write_request(found.operation, &input);
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let again = router
        .find(request.method, path, query)
        .expect("it was found before");
    assert_eq!(again.operation.name, found.operation.name);
    assert_eq!(again.placeholders, found.placeholders);
    let headers: Vec<_> = (request.headers.iter())
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        read_request(&again, query, &headers, &request.body),
        Ok(input.clone())
    );

    // Some other structure's value: what does not fit is left out, and nothing else happens.
    let _ = write_response(found.operation, &input);
});
