//! Zone files: what they say, what is wrong with them, and what other servers read in them.

#![allow(clippy::unwrap_used)]

use std::process::Command;

use proptest::prelude::*;
use records::zone_file::{self, Limits, Record, ZoneFileError};
use records::{Name, RecordType, rdata};

/// Everything that files do, in one.
const ODD: &str = include_str!("odd.zone");

fn zone() -> Name {
    Name::parse("example.com").unwrap()
}

fn parse(text: &str) -> Result<Vec<Record>, Vec<ZoneFileError>> {
    zone_file::parse(text, &zone(), Limits::default())
}

/// `name ttl type data` in Route 53's text, a record a line.
fn shown(text: &str) -> Vec<String> {
    let records = parse(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
    let shown = records.iter().map(|record| {
        let data = rdata::print(record.record_type, &record.rdata);
        format!(
            "{} {} {} {data}",
            record.name, record.ttl, record.record_type
        )
    });
    shown.collect()
}

/// The lines and messages of all that is wrong.
fn wrong(text: &str) -> Vec<(usize, String)> {
    let errors = parse(text).unwrap_err();
    errors
        .into_iter()
        .map(|error| (error.line, error.message))
        .collect()
}

#[test]
fn a_record_has_a_name_a_ttl_a_class_a_type_and_data() {
    assert_eq!(
        shown("www 300 IN A 192.0.2.1\nwww in 1h aaaa ::1"),
        [
            "www.example.com. 300 A 192.0.2.1",
            "www.example.com. 3600 AAAA ::1"
        ]
    );
}

#[test]
fn what_is_left_out_is_as_in_the_record_before() {
    let text = "$TTL 1d\n@ MX 10 mail\n  20 MX 20 mail.example.net.\n\tTXT a \"b c\" ; d\n";
    assert_eq!(
        shown(text),
        [
            "example.com. 86400 MX 10 mail.example.com.",
            "example.com. 20 MX 20 mail.example.net.",
            "example.com. 86400 TXT \"a\" \"b c\"",
        ]
    );
    assert_eq!(
        shown("a 5 A 1.2.3.4\nb A 1.2.3.4")[1],
        "b.example.com. 5 A 1.2.3.4"
    );
}

#[test]
fn a_soa_without_a_ttl_lends_the_file_its_minimum() {
    let text = "@ IN SOA ns.example.com. root ( 1 ; serial\n 2h 3m\n\n4w 5 )\n@ NS ns";
    assert_eq!(
        shown(text),
        [
            "example.com. 5 SOA ns.example.com. root.example.com. 1 7200 180 2419200 5",
            "example.com. 5 NS ns.example.com.",
        ]
    );
}

#[test]
fn relative_names_follow_the_origin_of_their_place() {
    let text = "$TTL 1\n$ORIGIN b\na CNAME c\n$ORIGIN .\nexample.com CNAME @\n$ORIGIN com.\n\
                example CNAME example";
    assert_eq!(
        shown(text),
        [
            "a.b.example.com. 1 CNAME c.b.example.com.",
            "example.com. 1 CNAME .",
            "example.com. 1 CNAME example.com.",
        ]
    );
}

#[test]
fn escapes_are_decimal_and_take_the_meaning_of_marks() {
    let text = "$TTL 1\n\\042.a\\.b\\;c A 1.2.3.4\n\\@ TXT \"\\255\\\"\" a\\ b\\; ;c\n";
    assert_eq!(
        shown(text),
        [
            "\\052.a\\056b\\073c.example.com. 1 A 1.2.3.4",
            "\\100.example.com. 1 TXT \"\\377\\\"\" \"a b;\"",
        ]
    );
}

#[test]
fn a_quotation_mark_ends_the_word_before_it() {
    assert_eq!(
        shown("a 1 TXT a\"b c\"d k=\"v\"")[0],
        "a.example.com. 1 TXT \"a\" \"b c\" \"d\" \"k=\" \"v\""
    );
    let parameter = "a.example.com. 1 SVCB 1 . port=1";
    assert_eq!(shown("a 1 SVCB 1 . port=\"1\"")[0], parameter);
    for text in ["port= \"1\"", "port=\"\"1", "port=\"1\"key9=a", "port=\"1"] {
        assert!(parse(&format!("a 1 SVCB 1 . {text}")).is_err(), "{text}");
    }
}

#[test]
fn line_ends_of_two_characters_and_a_byte_order_mark_are_nothing() {
    let text = "\u{feff}$TTL 1\r\na TXT \"b\"\r\n\r\n  A 1.2.3.4\r\n";
    assert_eq!(
        shown(text),
        ["a.example.com. 1 TXT \"b\"", "a.example.com. 1 A 1.2.3.4"]
    );
}

#[test]
fn any_type_may_be_written_in_hexadecimal_digits_if_it_is_of_its_form() {
    assert_eq!(
        shown("$TTL 1\na A \\# 4 C0000201\na TYPE1234 \\# 2 ( ab\ncd )\na TYPE1 1.2.3.4\n"),
        [
            "a.example.com. 1 A 192.0.2.1",
            "a.example.com. 1 TYPE1234 \\# 2 ABCD",
            "a.example.com. 1 A 1.2.3.4",
        ]
    );
    assert_eq!(
        wrong("a 1 A \\# 3 C00002"),
        [(
            1,
            "A '\\# 3 C00002': Value in hexadecimal digits is not of the form that its type has"
                .to_owned()
        )]
    );
}

#[test]
fn all_that_is_wrong_is_listed_with_its_line() {
    let text = "\
a 1 A 1.2.3
$INCLUDE other.zone
b 1 TXT (
  \"x\"
) )
c 1 CH A 1.2.3.4
d 1 TXT \"not closed
e A 1.2.3.4
f..g 1 A 1.2.3.4
  1 A 1.2.3.4
h 1 A 1.2.3.4
example.org. 1 A 1.2.3.4
i 1 ANY x
j 1 NOPE x
k 2147483648 A 1.2.3.4
$GENERATE 1-9 a$ A 1.2.3.$
$TTL
l 1 IN
$ORIGIN a b
$NOPE 1
\"m\" 1 A 1.2.3.4
n 1 MX 10 ( a
";
    let expected = [
        (1, "A '1.2.3': Value is not a valid IPv4 address"),
        (
            2,
            "$INCLUDE is not taken: the other file's records must be here",
        ),
        (3, "a parenthesis is closed but not open"),
        (6, "the class 'CH' is not IN"),
        (7, "a quotation mark is not closed in its line"),
        (8, "there is no TTL, neither here nor by $TTL before"),
        (9, "the name 'f..g': a label is empty"),
        (12, "the name example.org. is not within example.com."),
        (13, "the type 'ANY' is none of records"),
        (14, "the type 'NOPE' is not known"),
        (15, "the TTL '2147483648' is not 0 to 2147483647 seconds"),
        (
            16,
            "$GENERATE is not taken: each record must be written out",
        ),
        (17, "$TTL has 0 values, not one"),
        (18, "there is no type"),
        (19, "$ORIGIN has 2 values, not one"),
        (20, "$NOPE is neither $ORIGIN nor $TTL"),
        (21, "the name 'm' is in quotation marks"),
        (22, "a parenthesis is open at the file's end"),
    ];
    assert_eq!(
        wrong(text),
        expected.map(|(line, message)| (line, message.to_owned()))
    );
    assert_eq!(
        wrong("  1 A 1.2.3.4"),
        [(1, "the first record has no name".to_owned())]
    );
}

#[test]
fn no_more_than_the_limits_is_read() {
    let limits = Limits {
        records: 2,
        errors: 2,
    };
    let errors =
        |text: &str| zone_file::parse(text, &zone(), limits).map_err(|errors| errors.len());
    assert_eq!(errors("a 1 A 1.2.3.4\n  A 1.2.3.5").unwrap().len(), 2);
    assert_eq!(
        errors("a 1 A 1.2.3.4\n  A 1.2.3.5\n  A 1.2.3.6\n  A 1.2.3.7"),
        Err(1)
    );
    assert_eq!(errors("a 1 A 1.2.3\n  A 1.2.3\n  A 1.2.3"), Err(2));
    let many = format!("a 1 TXT {}", "a ".repeat(70_000));
    assert_eq!(
        wrong(&many)[0].1,
        "an entry has more words than data can have"
    );
    let long = format!("a 1 TXT {}", "aaaaaaaaa ".repeat(6_554));
    assert!(
        wrong(&long)[0]
            .1
            .ends_with("Value is longer than 65535 bytes")
    );
    assert!(parse("").unwrap().is_empty() && parse("\n ; a\n()\n").unwrap().is_empty());
}

#[test]
fn what_is_written_is_a_record_a_line_and_is_read_as_the_same() {
    let records = parse(ODD).unwrap();
    let mut written = String::new();
    zone_file::write(&zone(), &records, &mut written).unwrap();
    assert!(written.starts_with("$ORIGIN example.com.\n@\t3600\tIN\tSOA\tns1.example.com. "));
    assert_eq!(parse(&written).unwrap(), records);
    assert_eq!(written.lines().count(), records.len() + 1);
}

/// A program that reads a zone file and prints all its records as one, and what it is given.
const OTHERS: [(&str, &[&str]); 2] = [
    ("nsd-checkzone", &["-p", "example.com"]),
    (
        "named-compilezone",
        &["-q", "-i", "none", "-k", "ignore", "-o", "-", "example.com"],
    ),
];

/// In an order of its own and in lower case: some servers fold the names in data.
fn sorted(text: &str) -> Vec<String> {
    let mut shown: Vec<String> = shown(text).iter().map(|line| line.to_lowercase()).collect();
    shown.sort();
    shown
}

/// That each program that is here reads in a file what is read here.
fn assert_others_read_the_same(test: &str, text: &str) {
    let file = format!("records-{test}-{}.zone", std::process::id());
    let file = std::env::temp_dir().join(file);
    std::fs::write(&file, text).unwrap();
    for (program, arguments) in OTHERS {
        let Ok(output) = Command::new(program).args(arguments).arg(&file).output() else {
            eprintln!("skipped: {program} is not here");
            continue;
        };
        let printed = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {printed} {errors}");
        let (theirs, ours) = (sorted(&printed), sorted(text));
        let more = theirs.iter().filter(|line| !ours.contains(line));
        let less = ours.iter().filter(|line| !theirs.contains(line));
        let none: [&String; 0] = [];
        assert_eq!(more.collect::<Vec<_>>(), none, "{program} reads more");
        assert_eq!(less.collect::<Vec<_>>(), none, "{program} reads less");
        assert_eq!(theirs.len(), ours.len(), "{program}");
    }
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn other_servers_read_the_same_records() {
    assert_others_read_the_same("odd", ODD);
}

#[test]
fn other_servers_read_every_byte_that_is_written_in_names_and_strings() {
    let mut records = parse(
        "@ 1 SOA ns root 1 2 3 4 5
@ NS ns
ns A 192.0.2.1",
    )
    .unwrap();
    for byte in 0..=255 {
        for label in [&[byte, b'x'][..], &[b'x', byte, b'1'], &[byte]] {
            records.push(Record {
                name: zone().child(label).unwrap(),
                ttl: 1,
                record_type: RecordType::TXT,
                rdata: vec![2, byte, b'1', 1, byte],
            });
        }
    }
    let mut written = String::new();
    zone_file::write(&zone(), &records, &mut written).unwrap();
    assert_eq!(parse(&written).unwrap(), records);
    assert_others_read_the_same("bytes", &written);
}

prop_compose! {
    fn any_record()(
        labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..6), 0..3),
        ttl in 0..=i32::MAX as u32,
        record_type in prop_oneof![
            Just(RecordType::A),
            Just(RecordType::TXT),
            Just(RecordType::NAPTR),
            Just(RecordType::HTTPS),
            Just(RecordType::CAA),
            Just(RecordType(1234)),
        ],
        wire in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..20),
    ) -> Record {
        let name = labels.iter().fold(zone(), |name, label| name.child(label).unwrap());
        Record { name, ttl, record_type, rdata: wire }
    }
}

proptest! {
    #[test]
    fn any_records_are_written_and_read_as_they_were(
        mut records in prop::collection::vec(any_record(), 0..20),
    ) {
        // Data that is not of its form is not read.
        records.retain(|record| {
            let is_known = record.record_type != RecordType(1234);
            !(is_known && rdata::print(record.record_type, &record.rdata).starts_with("\\#"))
        });
        let mut written = String::new();
        zone_file::write(&zone(), &records, &mut written).unwrap();
        prop_assert_eq!(parse(&written), Ok(records), "{}", written);
    }

    #[test]
    fn no_text_makes_it_panic(text in r#"([ \ta-c0-9.$@\\"();\r\n]|IN|TXT|é){0,60}"#) {
        if let Ok(records) = parse(&text) {
            let mut written = String::new();
            zone_file::write(&zone(), &records, &mut written).unwrap();
            prop_assert_eq!(parse(&written), Ok(records), "{}", written);
        }
    }
}
