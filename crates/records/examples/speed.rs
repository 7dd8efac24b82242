//! What reading and printing of records costs: `cargo run --release -p records --example speed`.

use std::fmt::Write;
use std::hint::black_box;
use std::time::Instant;

use records::zone_file::{self, Limits};
use records::{Name, RecordType, rdata};

fn main() {
    for (record_type, value) in [
        (RecordType::A, "192.0.2.1"),
        (RecordType::AAAA, "2001:db8::1"),
        (RecordType::CNAME, "www.example.com."),
        (RecordType::MX, "10 mail.example.com"),
        (RecordType::TXT, "\"v=spf1 include:_spf.example.com -all\""),
        (
            RecordType::SOA,
            "ns.example.com. root.example.com. 1 7200 900 1209600 86400",
        ),
        (RecordType::HTTPS, "1 . alpn=\"h2,h3\" ipv4hint=192.0.2.1"),
    ] {
        let parse = || rdata::parse(record_type, black_box(value)).expect("a value of its type");
        let wire = parse();
        let read_ns = best_ns(1_000_000, || drop(black_box(parse())));
        let print = || drop(black_box(rdata::print(record_type, black_box(&wire))));
        let print_ns = best_ns(1_000_000, print);
        println!("{record_type:<6} parse {read_ns:>6.1} ns   print {print_ns:>6.1} ns");
    }
    let count = 1_000_000;
    let mut file = String::from("$TTL 300\n");
    for number in 0..count {
        let [_, a, b, c] = u32::to_be_bytes(number);
        writeln!(file, "host-{number} IN A 10.{a}.{b}.{c}").expect("a String takes all");
    }
    let zone = Name::parse("example.com").expect("a name");
    let read = || zone_file::parse(&file, &zone, Limits::default()).expect("a file");
    let records = read();
    let read_ns = best_ns(1, || drop(black_box(read())));
    let mut written = String::with_capacity(file.len() * 2);
    let write_ns = best_ns(1, || {
        written.clear();
        zone_file::write(&zone, &records, &mut written).expect("a String takes all");
    });
    let each = f64::from(count);
    println!(
        "file   parse {:>6.1} ns   write {:>6.1} ns a record",
        read_ns / each,
        write_ns / each
    );
}

/// The least of five rounds: what else runs here only adds.
fn best_ns(times: u32, mut what: impl FnMut()) -> f64 {
    let round = |_| {
        let start = Instant::now();
        (0..times).for_each(|_| what());
        start.elapsed().as_nanos() as f64 / f64::from(times)
    };
    (0..5).map(round).fold(f64::INFINITY, f64::min)
}
