//! Ranges, and bodies too large for one object.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

mod world;

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use world::files::{File, file, pattern};
use world::{Answer, Client, Gate, Origin, PATIENCE, World, distribution, eventually};

const MIB: usize = 1 << 20;

fn serve(file: File) -> (World, Origin, Arc<Mutex<File>>) {
    let file = file.shared();
    let origin = Origin::serving(&file);
    let world = World::new(&distribution(origin.address));
    (world, origin, file)
}

fn range(world: &World, value: &str) -> Answer {
    world.get("/", &[("Range", value)])
}

/// The ranges that the origin was asked for; `-` for everything.
fn asked_ranges(origin: &Origin) -> Vec<String> {
    let asked = origin.asked.lock().unwrap();
    let range = |asked: &world::Asked| asked.get("range").unwrap_or("-").to_owned();
    asked.iter().map(range).collect()
}

#[test]
fn a_range_of_a_small_file_brings_in_the_file() {
    let (world, origin, _) = serve(file(1_000));
    let bytes = pattern(1_000, 0);
    let cold = range(&world, "bytes=10-19");
    assert_eq!(
        (cold.status, cold.cache(), &cold.body[..]),
        (206, "Miss", &bytes[10..20])
    );
    assert_eq!(
        (cold.get("content-range"), cold.get("content-length")),
        (Some("bytes 10-19/1000"), Some("10"))
    );
    let whole = world.get("/", &[]);
    assert_eq!(
        (whole.status, whole.cache(), &whole.body[..]),
        (200, "Hit", &bytes[..])
    );
    assert_eq!(whole.get("content-range"), None);
    assert_eq!(origin.count(), 1);
}

#[test]
fn every_kind_of_range_is_cut_from_a_hit() {
    let (world, origin, _) = serve(file(1_000));
    let bytes = pattern(1_000, 0);
    world.get("/", &[]);
    let rows: [(&str, u16, std::ops::Range<usize>); 12] = [
        ("bytes=0-0", 206, 0..1),
        ("bytes=990-", 206, 990..1_000),
        ("bytes=990-5000", 206, 990..1_000),
        ("bytes=-5", 206, 995..1_000),
        ("bytes=-5000", 206, 0..1_000),
        ("bytes=0-", 206, 0..1_000),
        ("bytes=1000-", 416, 0..0),
        ("bytes=-0", 416, 0..0),
        ("bytes=5-4", 200, 0..1_000),
        ("bytes=a-b", 200, 0..1_000),
        ("lines=1-2", 200, 0..1_000),
        ("bytes=50-60,10-20", 200, 0..1_000),
    ];
    for (value, status, want) in rows {
        let answer = range(&world, value);
        assert_eq!(
            (answer.status, &answer.body[..]),
            (status, &bytes[want]),
            "{value}"
        );
        if status == 416 {
            assert_eq!(answer.get("content-range"), Some("bytes */1000"));
        }
    }
    assert_eq!(
        world.ask("HEAD", "/", &[("Range", "bytes=0-1")]).status,
        200
    );
    assert_eq!(origin.count(), 1);
}

fn multipart(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let content_type = answer.get("content-type").unwrap();
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = answer.body.clone();
    let mut parts = Vec::new();
    loop {
        let find = |hay: &[u8], needle: &[u8]| hay.windows(needle.len()).position(|w| w == needle);
        let at = find(&rest, delimiter.as_bytes()).expect("a delimiter");
        let part: Vec<u8> = rest.drain(..at + delimiter.len()).take(at).collect();
        if let Some(part) = part.strip_prefix(b"\r\n") {
            let head = find(part, b"\r\n\r\n").unwrap();
            let text = String::from_utf8_lossy(&part[..head]).to_lowercase();
            let range = text.split("content-range: bytes ").nth(1).unwrap();
            let range = range.split("\r\n").next().unwrap().to_owned();
            parts.push((range, part[head + 4..].to_vec()));
        }
        if rest.starts_with(b"--") {
            return parts;
        }
    }
}

#[test]
fn several_ranges_come_as_parts_with_their_exact_bytes() {
    for size in [1_000, 5 * MIB + 7] {
        let (world, _origin, _) = serve(file(size));
        let bytes = pattern(size, 0);
        let last = size - 3;
        for cache in ["Miss", "Hit"] {
            let answer = range(&world, &format!("bytes=1-3,500-599,{last}-"));
            assert_eq!(
                (answer.status, answer.cache(), answer.is_broken),
                (206, cache, false)
            );
            let parts = multipart(&answer);
            let want = [
                (format!("1-3/{size}"), bytes[1..4].to_vec()),
                (format!("500-599/{size}"), bytes[500..600].to_vec()),
                (
                    format!("{last}-{}/{size}", size - 1),
                    bytes[last..].to_vec(),
                ),
            ];
            assert!(
                parts == want,
                "{:?}",
                parts.iter().map(|part| &part.0).collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn only_the_chunks_that_a_range_needs_are_fetched() {
    let (world, origin, _) = serve(file(5 * MIB));
    let bytes = pattern(5 * MIB, 0);
    for (cache, value, want) in [
        ("Miss", "bytes=2100000-2100009", 2_100_000..2_100_010),
        ("Hit", "bytes=2100000-2100009", 2_100_000..2_100_010),
        ("Hit", "bytes=2097150-2097160", 2_097_150..2_097_161),
        ("Hit", "bytes=-5", 5 * MIB - 5..5 * MIB),
        ("Hit", "bytes=5242870-", 5_242_870..5 * MIB),
    ] {
        let answer = range(&world, value);
        assert_eq!((answer.status, answer.cache()), (206, cache), "{value}");
        assert!(answer.body == bytes[want], "{value}");
    }
    assert_eq!(
        asked_ranges(&origin),
        [
            "bytes=2097152-3145727",
            "bytes=1048576-2097151",
            "bytes=4194304-5242879"
        ]
    );
    assert!(world.get("/", &[]).body == bytes);
    assert_eq!(origin.count(), 5, "the two that were missing");
    let head = world.ask("HEAD", "/", &[]);
    assert_eq!(
        (head.cache(), head.get("content-length")),
        ("Hit", Some("5242880"))
    );
}

#[test]
fn a_suffix_of_a_cold_file_finds_its_end() {
    let (world, origin, _) = serve(file(5 * MIB));
    let answer = range(&world, "bytes=-7");
    assert_eq!(answer.status, 206);
    assert!(answer.body == pattern(5 * MIB, 0)[5 * MIB - 7..]);
    assert_eq!(origin.count(), 2);
}

#[test]
fn a_range_beyond_the_end_of_a_cold_file_is_refused_and_not_cached() {
    let (world, _origin, _) = serve(file(1_000));
    for _ in 0..2 {
        let answer = range(&world, "bytes=5000000-");
        assert_eq!(
            (answer.status, answer.get("content-range")),
            (416, Some("bytes */1000"))
        );
    }
    assert_eq!(world.get("/", &[]).cache(), "Miss");
    let answer = range(&world, "bytes=5000000-");
    assert_eq!(
        (answer.status, answer.get("content-range")),
        (416, Some("bytes */1000"))
    );
}

#[test]
fn if_range_gives_the_part_of_the_same_and_the_whole_of_another() {
    let date = "Mon, 13 Nov 2023 00:00:00 GMT";
    let mut dated = file(1_000);
    dated.fields = "Cache-Control: max-age=60\r\nDate: Tue, 14 Nov 2023 00:00:00 GMT\r\nLast-Modified: Mon, 13 Nov 2023 00:00:00 GMT\r\n";
    let (world, _origin, _) = serve(dated);
    for _ in 0..2 {
        for (validator, status) in [
            ("\"v1\"", 206),
            ("\"v2\"", 200),
            ("W/\"v1\"", 200),
            (date, 206),
            ("Sun, 12 Nov 2023 00:00:00 GMT", 200),
        ] {
            let answer = world.get("/", &[("Range", "bytes=1-2"), ("If-Range", validator)]);
            assert_eq!(answer.status, status, "{validator}");
            assert_eq!(answer.body.len(), if status == 206 { 2 } else { 1_000 });
        }
    }
}

#[test]
fn an_origin_without_ranges_gives_the_whole_and_ranges_from_then_on() {
    for size in [1_000, 3 * MIB + 5] {
        let mut plain = file(size);
        plain.serves_ranges = false;
        let (world, origin, _) = serve(plain);
        let bytes = pattern(size, 0);
        let cold = range(&world, "bytes=1-2");
        assert_eq!((cold.status, cold.body.len()), (200, size));
        let warm = range(&world, "bytes=700-799");
        assert_eq!((warm.status, warm.cache()), (206, "Hit"));
        assert!(warm.body == bytes[700..800]);
        let tail = range(&world, "bytes=-100");
        assert!(tail.body == bytes[size - 100..]);
        assert_eq!(origin.count(), 1);
    }
}

#[test]
fn ranges_of_a_large_file_that_was_fetched_whole_are_hits() {
    let (world, origin, _) = serve(file(5 * MIB));
    let bytes = pattern(5 * MIB, 0);
    let whole = world.get("/", &[]);
    assert_eq!(
        (whole.cache(), whole.get("content-length")),
        ("Miss", Some("5242880"))
    );
    assert!(whole.body == bytes);
    eventually("all is stored", || {
        range(&world, "bytes=-1").cache() == "Hit"
    });
    let part = range(&world, "bytes=1000000-3000000");
    assert_eq!((part.status, part.cache()), (206, "Hit"));
    assert!(part.body == bytes[1_000_000..=3_000_000]);
    assert_eq!(origin.count(), 1);
}

#[test]
fn a_body_of_unknown_length_is_cached_whole() {
    for size in [3_000_000, MIB, 2 * MIB] {
        let mut chunked = file(size);
        chunked.is_chunked = true;
        chunked.serves_ranges = false;
        let (world, origin, _) = serve(chunked);
        let bytes = pattern(size, 0);
        let cold = world.get("/", &[]);
        assert_eq!((cold.cache(), cold.get("content-length")), ("Miss", None));
        assert!(cold.body == bytes);
        let warm = world.get("/", &[]);
        assert_eq!(
            (warm.cache(), warm.get("content-length")),
            ("Hit", Some(size.to_string().as_str()))
        );
        assert!(warm.body == bytes);
        let head = world.ask("HEAD", "/", &[]);
        assert_eq!(
            (head.cache(), head.get("content-length")),
            ("Hit", Some(size.to_string().as_str()))
        );
        assert!(range(&world, "bytes=999999-1000000").body == bytes[999_999..=1_000_000]);
        assert_eq!(origin.count(), 1);
    }
}

/// Reads at most so many bytes of a body, and leaves the rest where it is.
fn read_some(client: &mut Client, bytes_max: usize) {
    let mut bytes = vec![0; 64 * 1_024];
    while client.buffer.len() < bytes_max {
        let count = std::io::Read::read(&mut client.stream, &mut bytes).unwrap();
        client.buffer.extend_from_slice(&bytes[..count]);
    }
}

#[test]
fn a_slow_viewer_of_a_large_file_holds_up_nobody() {
    let size = 40 * MIB;
    let (world, _origin, _) = serve(file(size));
    let bytes = pattern(size, 0);
    let mut slow = world.client();
    slow.ask("GET", "/", &[]);
    slow.read_head().unwrap();
    let fast = world.get("/", &[]);
    assert!(fast.body == bytes && !fast.is_broken);
    read_some(&mut slow, size);
    assert!(slow.buffer == bytes, "and gets every byte");
}

#[test]
fn a_file_that_changes_between_chunks_breaks_off_and_is_right_next_time() {
    for ignores_if_range in [false, true] {
        let (world, _origin, shared) = serve(File {
            ignores_if_range,
            ..file(5 * MIB)
        });
        assert_eq!(range(&world, "bytes=0-9").status, 206);
        {
            let mut file = shared.lock().unwrap();
            file.bytes = Arc::new(pattern(5 * MIB, 1));
            file.etag = "\"v2\"";
        }
        let mixed = world.get("/", &[]);
        assert!(
            mixed.is_broken && mixed.body.len() == MIB,
            "{} {}",
            mixed.is_broken,
            mixed.body.len()
        );
        let again = world.get("/", &[]);
        assert_eq!(
            (again.is_broken, again.get("etag")),
            (false, Some("\"v2\""))
        );
        assert!(again.body == pattern(5 * MIB, 1));
    }
}

#[test]
fn parts_without_a_validator_are_not_joined() {
    let (world, _origin, shared) = serve(File {
        etag: "",
        ..file(3 * MIB)
    });
    assert_eq!(range(&world, "bytes=0-9").status, 206);
    shared.lock().unwrap().bytes = Arc::new(pattern(3 * MIB, 1));
    let whole = world.get("/", &[]);
    assert!(whole.body == pattern(3 * MIB, 1));
}

#[test]
fn an_origin_in_trouble_costs_one_chunk_and_not_the_file() {
    let shared = file(3 * MIB);
    let trouble = Arc::new(Mutex::new(false));
    let (served, is_troubled) = (shared, Arc::clone(&trouble));
    let origin = Origin::scripted(move |asked, _, stream| {
        if *is_troubled.lock().unwrap() {
            return stream
                .write_all(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
                .is_ok();
        }
        served.answer(asked, stream)
    });
    let world = World::new(&distribution(origin.address));
    range(&world, "bytes=0-9");
    *trouble.lock().unwrap() = true;
    assert!(world.get("/", &[]).is_broken);
    assert_eq!(range(&world, "bytes=0-9").cache(), "Hit");
    *trouble.lock().unwrap() = false;
    assert!(world.get("/", &[]).body == pattern(3 * MIB, 0));
}

#[test]
fn a_large_file_that_breaks_off_is_completed_by_ranges() {
    let served = file(5 * MIB);
    let origin = Origin::scripted(move |asked, number, stream| {
        if number > 0 {
            return served.answer(asked, stream);
        }
        let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: \"v1\"\r\nAccept-Ranges: bytes\r\nContent-Length: 5242880\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&served.bytes[..2 * MIB + 1000]);
        false
    });
    let world = World::new(&distribution(origin.address));
    for _ in 0..2 {
        let whole = world.get("/", &[]);
        assert!(!whole.is_broken && whole.body == pattern(5 * MIB, 0));
    }
    let asked = asked_ranges(&origin);
    assert_eq!((asked[0].as_str(), asked.len()), ("-", 4), "{asked:?}");
}

#[test]
fn simultaneous_ranges_share_their_chunk() {
    let gate = Gate::default();
    let door = gate.clone();
    let served = file(5 * MIB);
    let origin = Origin::scripted(move |asked, _, stream| {
        door.wait();
        served.answer(asked, stream)
    });
    let world = World::new(&distribution(origin.address));
    let bytes = pattern(5 * MIB, 0);
    let mut clients = Vec::new();
    for first in (0..20).map(|n| 1_048_576 + n * 50_000) {
        let mut client = world.client();
        client.ask(
            "GET",
            "/",
            &[("Range", &format!("bytes={first}-{}", first + 99))],
        );
        clients.push((first, client));
    }
    world::let_them_arrive();
    gate.open();
    for (first, mut client) in clients {
        let answer = client.read_answer("GET").unwrap();
        assert_eq!(answer.status, 206);
        assert!(answer.body == bytes[first..first + 100]);
    }
    assert_eq!(origin.count(), 1);
}

#[test]
fn uncacheable_ranges_are_passed_on_by_one_request_each() {
    let mut private = file(5 * MIB);
    private.fields = "Cache-Control: no-store\r\n";
    let (world, origin, _) = serve(private);
    for _ in 0..4 {
        let answer = range(&world, "bytes=5-9");
        assert_eq!(
            (answer.status, answer.cache(), answer.body.len()),
            (206, "Miss", 5)
        );
    }
    assert_eq!(origin.count(), 5, "one to learn it");
    assert_eq!(origin.last().get("range"), Some("bytes=5-9"));
}

#[test]
fn variants_of_ranges_are_kept_apart() {
    let gate = Gate::default();
    let door = gate.clone();
    let origin = Origin::scripted(move |asked, _, stream| {
        door.wait();
        let language = asked.get("accept-language").unwrap();
        let head = "HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=60\r\nETag: \"1\"\r\nVary: Accept-Language\r\nContent-Range: bytes 0-1/2\r\nContent-Length: 2\r\n\r\n";
        stream
            .write_all(format!("{head}{language}").as_bytes())
            .is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let mut clients = Vec::new();
    for language in ["de", "en", "fr", "de"] {
        let mut client = world.client();
        client.ask(
            "GET",
            "/",
            &[("Range", "bytes=0-1"), ("Accept-Language", language)],
        );
        clients.push((language, client));
    }
    world::let_them_arrive();
    gate.open();
    for (language, mut client) in clients {
        assert_eq!(client.read_answer("GET").unwrap().text(), language);
    }
}

#[test]
fn a_stale_large_file_is_renewed_by_its_tag_and_keeps_its_chunks() {
    let (world, origin, _) = serve(file(5 * MIB));
    range(&world, "bytes=0-9");
    world.clock.advance_secs(61);
    let renewed = range(&world, "bytes=10-19");
    assert_eq!((renewed.status, renewed.cache()), (206, "RefreshHit"));
    assert!(renewed.body == pattern(5 * MIB, 0)[10..20]);
    assert_eq!(origin.count(), 2);
    assert_eq!(range(&world, "bytes=20-29").cache(), "Hit");
}

#[test]
fn chunks_that_were_evicted_are_fetched_again() {
    // More than the cache holds, with and without ranges at the origin.
    for serves_ranges in [true, false] {
        let mut served = file(5 * MIB);
        served.serves_ranges = serves_ranges;
        let origin = Origin::serving(&served.shared());
        let policies = edge::site::Policies::managed();
        let world = World::with(&distribution(origin.address), &policies, |settings| {
            settings.cache_bytes = 64 << 20;
        });
        let bytes = pattern(5 * MIB, 0);
        for number in 0..40 {
            let answer = world.get(&format!("/{}", number % 20), &[]);
            assert!(
                !answer.is_broken && answer.body == bytes,
                "{number} {serves_ranges}"
            );
        }
        for number in 0..20 {
            let answer = world.get(&format!("/{number}"), &[("Range", "bytes=1000000-4000000")]);
            let want = if answer.status == 206 {
                &bytes[1_000_000..=4_000_000]
            } else {
                &bytes[..]
            };
            assert!(
                answer.body == want,
                "{number} {serves_ranges} {}",
                answer.status
            );
        }
    }
}

#[test]
fn a_stale_large_file_without_all_its_chunks_is_fetched_anew() {
    let mut served = file(5 * MIB);
    served.serves_ranges = false;
    let origin = Origin::serving(&served.shared());
    let policies = edge::site::Policies::managed();
    let world = World::with(&distribution(origin.address), &policies, |settings| {
        settings.cache_bytes = 64 << 20;
    });
    for number in 0..20 {
        world.get(&format!("/{number}"), &[]);
    }
    world.clock.advance_secs(61);
    for number in 0..20 {
        let answer = world.get(&format!("/{number}"), &[]);
        assert_eq!(
            (answer.status, answer.body.len(), answer.is_broken),
            (200, 5 * MIB, false)
        );
    }
}

#[test]
fn a_viewer_that_leaves_does_not_stop_a_large_file_for_others() {
    let gate = Gate::default();
    let door = gate.clone();
    let served = file(20 * MIB);
    let origin = Origin::scripted(move |asked, number, stream| {
        if number > 0 {
            return served.answer(asked, stream);
        }
        let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: \"v1\"\r\nContent-Length: 20971520\r\n\r\n";
        let begun = stream.write_all(head.as_bytes()).is_ok()
            && stream.write_all(&served.bytes[..MIB]).is_ok();
        door.wait();
        begun && stream.write_all(&served.bytes[MIB..]).is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let mut first = world.client();
    first.ask("GET", "/", &[]);
    read_some(&mut first, 1_000);
    let mut second = world.client();
    second.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    second.ask("GET", "/", &[]);
    second.read_head().unwrap();
    drop(first);
    gate.open();
    read_some(&mut second, 20 * MIB);
    assert!(second.buffer == pattern(20 * MIB, 0));
    assert_eq!(origin.count(), 1);
}

#[test]
fn whoever_reads_whatever_at_any_pace_gets_the_right_bytes() {
    let size = 12 * MIB + 345;
    for (serves_ranges, is_chunked) in [(true, false), (false, false), (false, true)] {
        let served = File {
            serves_ranges,
            is_chunked,
            ..file(size)
        };
        let origin = Origin::serving(&served.shared());
        let policies = edge::site::Policies::managed();
        let world = World::with(&distribution(origin.address), &policies, |settings| {
            settings.cache_bytes = 64 << 20;
        });
        let bytes = pattern(size, 0);
        std::thread::scope(|scope| {
            for viewer in 0..8_usize {
                let (world, bytes) = (&world, &bytes);
                scope.spawn(move || {
                    for round in 0..6_usize {
                        let dice = (viewer * 6 + round).wrapping_mul(2_654_435_761) >> 3;
                        let target = format!("/{}", dice % 7);
                        let (first, length) = (dice % size, 1 + dice / 7 % (3 * MIB));
                        let last = (first + length - 1).min(size - 1);
                        if dice.is_multiple_of(3) {
                            let answer = world.get(&target, &[]);
                            assert!(!answer.is_broken && answer.body == *bytes, "{target}");
                        } else {
                            let range = format!("bytes={first}-{last}");
                            let answer = world.get(&target, &[("Range", &range)]);
                            let want = match answer.status {
                                206 => &bytes[first..=last],
                                _ => &bytes[..],
                            };
                            assert!(!answer.is_broken && answer.body == want, "{target} {range}");
                        }
                    }
                });
            }
        });
    }
}
