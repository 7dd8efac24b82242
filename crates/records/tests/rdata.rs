//! Values of records to wire and back.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use records::{Escapes, Name, RecordType, rdata};

/// Each type with a value and its wire form in hexadecimal digits, where the value is also what is
/// printed.
const VALUES: &[(&str, &str, &str)] = &[
    ("A", "192.0.2.1", "c0000201"),
    ("AAAA", "2001:db8::1", "20010db8000000000000000000000001"),
    ("CNAME", "A.b.", "0141016200"),
    ("NS", "ns\\0521.b.", "046e732a31016200"),
    ("PTR", ".", "00"),
    ("MX", "10 a.b.", "000a0161016200"),
    ("SRV", "1 2 65535 a.", "00010002ffff016100"),
    ("TXT", r#""a b" "" "\"\\\001\377""#, "03612062000422 5c01ff"),
    ("SPF", "\"v=spf1 -all\"", "0b763d73706631202d616c6c"),
    ("HINFO", "\"a\" \"b\"", "01610162"),
    (
        "CAA",
        "128 issue \"ca.example; x\"",
        "80056973737565 63612e6578616d706c653b2078",
    ),
    (
        "NAPTR",
        r#"1 2 "u" "E2U+sip" "!^.*$!sip:a!" ."#,
        "00010002 0175 074532552b736970 0c215e2e2a24217369703a6121 00",
    ),
    ("DS", "60485 13 2 D4B7D520", "ec45 0d 02 d4b7d520"),
    (
        "SOA",
        "a. b. 4294967295 2 3 4 5",
        "016100 016200 ffffffff00000002000000030000000400000005",
    ),
    ("SSHFP", "1 2 12AB", "0102 12ab"),
    ("TLSA", "3 1 1 12AB", "030101 12ab"),
    ("SVCB", "0 a.", "0000 016100"),
    (
        "HTTPS",
        "1 . mandatory=alpn,ipv4hint alpn=\"h2,h3\" no-default-alpn port=8443 \
         ipv4hint=192.0.2.1,192.0.2.2 ech=AQID ipv6hint=2001:db8::1 key667=\"a b\\377\" key668",
        "0001 00 0000000400010004 000100060268320268 33 00020000 0003000220fb \
         00040008c0000201c0000202 00050003010203 0006001020010db8000000000000000000000001 \
         029b0004612062ff 029c0000",
    ),
    ("DNSKEY", "257 3 13 AQID", "0101 03 0d 010203"),
    (
        "RRSIG",
        "A 13 2 300 20260102030405 20251231000000 1 Z. AQID",
        "0001 0d 02 0000012c 695735a5 69546780 0001 015a00 010203",
    ),
    (
        "NSEC",
        "a. A MX RRSIG NSEC TYPE1234",
        "016100 0006400100000003 041b000000000000000000000000000000000000000000000000000020",
    ),
    ("TYPE1234", "\\# 3 ABCDEF", "abcdef"),
    ("TYPE1234", "\\# 0", ""),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let pairs = digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

fn code(record_type: &str, value: &str) -> String {
    let error = rdata::parse(record_type.parse().unwrap(), value).unwrap_err();
    assert!(!error.message.is_empty());
    error.code.to_owned()
}

#[test]
fn a_value_of_each_type_has_its_wire_form_and_is_printed_as_it_was() {
    for (record_type, value, hex) in VALUES {
        let record_type: RecordType = record_type.parse().unwrap();
        let wire = rdata::parse(record_type, value);
        let wire = wire.unwrap_or_else(|error| panic!("{record_type} {value}: {error}"));
        assert_eq!(wire, bytes(hex), "{record_type} {value}");
        assert_eq!(rdata::print(record_type, &wire), *value, "{record_type}");
    }
}

#[test]
fn a_name_in_a_value_is_whole_and_keeps_its_case() {
    let wire = rdata::parse(RecordType::MX, "10\t Mail.Example").unwrap();
    assert_eq!(wire, b"\0\x0a\x04Mail\x07Example\0");
    assert_eq!(rdata::print(RecordType::MX, &wire), "10 Mail.Example.");
}

#[test]
fn strings_without_a_space_between_them_are_two() {
    let wire = rdata::parse(RecordType::TXT, "\"ab\"\"c\"").unwrap();
    assert_eq!(wire, b"\x02ab\x01c");
}

#[test]
fn what_is_not_of_its_types_form_has_the_vendors_word_for_it() {
    let long = format!("\"{}\"", "a".repeat(256));
    let label = "a".repeat(64);
    let name = ["a"; 128].join(".");
    for (record_type, value, expected) in [
        ("A", "1.2.3", "ARRDATAIllegalIPv4Address"),
        ("A", "", "ARRDATAIllegalIPv4Address"),
        ("A", "1.2.3.04", "ARRDATAIllegalIPv4Address"),
        ("A", "1.2.3.4 ", "ARRDATANotSingleField"),
        ("AAAA", "1.2.3.4", "AAAARRDATAIllegalIPv6Address"),
        ("AAAA", "::1 ::2", "AAAARRDATANotSingleField"),
        ("CNAME", "a b", "CNAMERRDATANotSingleField"),
        ("NS", "a..b", "DomainLabelEmpty"),
        ("NS", "", "DomainLabelEmpty"),
        ("PTR", &label, "DomainLabelTooLong"),
        ("PTR", &name, "DomainNameTooLong"),
        ("CNAME", "é.example", "UnsupportedCharacter"),
        ("CNAME", "a\\9", "UnsupportedCharacter"),
        ("CNAME", "a\n", "UnsupportedCharacter"),
        ("MX", "mail.example", "IllegalNumber"),
        ("MX", "10", "MXRRDATANotTwoFields"),
        ("MX", "10 a b", "MXRRDATANotTwoFields"),
        ("MX", "65536 a", "IllegalNumber"),
        ("MX", "+1 a", "IllegalNumber"),
        ("MX", "10 a\n", "MXRRDATANotTwoFields"),
        ("SRV", "1 2 a", "IllegalNumber"),
        ("TXT", "a", "InvalidCharacterString"),
        ("TXT", "", "InvalidCharacterString"),
        ("TXT", "\"a", "InvalidCharacterString"),
        ("TXT", "\"a\" b", "InvalidCharacterString"),
        ("TXT", "\\# 1 00", "InvalidCharacterString"),
        ("TXT", "\"a\nb\"", "InvalidCharacterString"),
        ("TXT", &long, "CharacterStringTooLong"),
        ("TXT", "\"é\"", "UnsupportedCharacter"),
        ("TXT", "\"\\400\"", "UnsupportedCharacter"),
        ("CAA", "0 issue", "CAARRDATANotThreeFields"),
        ("CAA", "0 issue a", "InvalidCharacterString"),
        ("CAA", "256 issue \"a\"", "IllegalNumber"),
        ("CAA", "0 is-sue \"a\"", "CAARRDATAIllegalTag"),
        ("NAPTR", "1 2 u \"\" \"\" .", "InvalidCharacterString"),
        ("DS", "1 2 3 abc", "IllegalHexadecimal"),
        ("DS", "1 2 3", "IllegalHexadecimal"),
        ("SOA", "a b 1 2 3 4", "SOARRDATANotSevenFields"),
        ("SOA", "a b 1 1h 3 4 5", "IllegalNumber"),
        ("SVCB", "0 a port=1", "IllegalServiceParameter"),
        ("SVCB", "1 a port=1 port=2", "IllegalServiceParameter"),
        ("SVCB", "1 a port", "IllegalServiceParameter"),
        ("SVCB", "1 a alpn=", "IllegalServiceParameter"),
        ("SVCB", "1 a alpn=a,,b", "IllegalServiceParameter"),
        ("SVCB", "1 a ipv4hint=::1", "IllegalServiceParameter"),
        ("SVCB", "1 a no-default-alpn", "IllegalServiceParameter"),
        ("SVCB", "1 a mandatory=port", "IllegalServiceParameter"),
        (
            "SVCB",
            "1 a mandatory=port,port port=1",
            "IllegalServiceParameter",
        ),
        ("SVCB", "1 a mandatory", "IllegalServiceParameter"),
        ("SVCB", "1 a mandatory=key65534 key65534=", ""),
        ("SVCB", "1 a key65535=a", "IllegalServiceParameter"),
        ("SVCB", "1 a key03=a", "IllegalServiceParameter"),
        ("SVCB", "1 a key3=a", "IllegalServiceParameter"),
        ("SVCB", "1 a ech=!", "IllegalServiceParameter"),
        ("SVCB", "1 a \"port=1\"", "IllegalServiceParameter"),
        ("TYPE1234", "abc", "IllegalRRDATA"),
        ("TYPE1234", "\\# 2 abcdef", "IllegalRRDATA"),
        ("TYPE1234", "\\# 0 ab", "IllegalRRDATA"),
        ("TYPE1234", "\\#", "IllegalRRDATA"),
    ] {
        if expected.is_empty() {
            assert!(
                rdata::parse(record_type.parse().unwrap(), value).is_ok(),
                "{value}"
            );
        } else {
            assert_eq!(
                code(record_type, value),
                expected,
                "{record_type} {value:?}"
            );
        }
    }
}

#[test]
fn the_vendors_message_is_as_its_clients_know_it() {
    let error = rdata::parse(RecordType::A, "1.2.3").unwrap_err();
    assert_eq!(
        error.to_string(),
        "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"
    );
}

#[test]
fn a_comma_in_a_protocols_name_is_behind_backslashes() {
    let wire = rdata::parse(RecordType::SVCB, r#"1 . alpn="f\\\\oo\\,bar,h2""#).unwrap();
    assert_eq!(wire, b"\0\x01\0\0\x01\0\x0c\x08f\\oo,bar\x02h2");
    let printed = rdata::print(RecordType::SVCB, &wire);
    assert_eq!(printed, r#"1 . alpn="f\\\\oo\\,bar,h2""#);
    let unquoted = rdata::parse(RecordType::SVCB, r"1 . alpn=f\\\\oo\\,bar,h2").unwrap();
    assert_eq!(unquoted, wire);
}

#[test]
fn data_that_is_not_of_its_types_form_is_printed_in_hexadecimal_digits() {
    for (record_type, wire) in [
        (RecordType::A, &b"\x01\x02\x03"[..]),
        (RecordType::A, b"\x01\x02\x03\x04\x05"),
        (RecordType::MX, b"\0\x0a\xc0\x0c"),
        (RecordType::TXT, b""),
        (RecordType::TXT, b"\x02a"),
        (RecordType::NSEC, b"\0\0\x01\0"),
        (RecordType::SVCB, b"\0\x01\0\0\x03\0\x02\0\0\0\x01\0\0"),
    ] {
        let printed = rdata::print(record_type, wire);
        assert!(printed.starts_with("\\# "), "{record_type} {printed}");
    }
    assert_eq!(rdata::print(RecordType::A, b""), "\\# 0");
}

#[test]
fn the_form_that_is_signed_has_names_in_lower_case_where_the_rfcs_say_so() {
    let canonical = |record_type: RecordType, value| {
        let wire = rdata::parse(record_type, value).unwrap();
        rdata::print(record_type, &rdata::canonical(record_type, &wire))
    };
    assert_eq!(canonical(RecordType::MX, "65 A.B."), "65 a.b.");
    assert_eq!(
        canonical(RecordType::SOA, "A. B. 65 2 3 4 5"),
        "a. b. 65 2 3 4 5"
    );
    assert_eq!(
        canonical(RecordType::NAPTR, r#"1 2 "U" "E" "X" A."#),
        r#"1 2 "U" "E" "X" a."#
    );
    for (record_type, value) in [
        (RecordType::NSEC, "A. A"),
        (RecordType::HTTPS, "1 A."),
        (RecordType::TXT, "\"A\""),
    ] {
        assert_eq!(canonical(record_type, value), value);
    }
    let cut = b"\0\x0a\x04Mail";
    assert_eq!(*rdata::canonical(RecordType::MX, cut), cut[..]);
}

#[test]
fn data_that_points_to_a_name_says_which() {
    for (record_type, value, target) in [
        (RecordType::NS, "A.b", Some("a.b")),
        (RecordType::CNAME, "a.b", Some("a.b")),
        (RecordType::PTR, "a.b", Some("a.b")),
        (RecordType::MX, "1 a.b", Some("a.b")),
        (RecordType::SRV, "1 2 3 a.b", Some("a.b")),
        (RecordType::HTTPS, "1 a.b port=1", Some("a.b")),
        (RecordType::SVCB, "0 a.b", Some("a.b")),
        (RecordType::A, "192.0.2.1", None),
    ] {
        let wire = rdata::parse(record_type, value).unwrap();
        let found = rdata::target_names(record_type, &wire);
        let found = found.map(|wire| Name::from_wire(wire).unwrap());
        assert_eq!(found, target.map(|target| Name::parse(target).unwrap()));
    }
    assert_eq!(rdata::target_names(RecordType::MX, b"\0\x0a\xc0\x0c"), None);
    assert_eq!(rdata::target_names(RecordType::SRV, b"\0"), None);
}

fn any_type() -> impl Strategy<Value = RecordType> {
    let known = VALUES
        .iter()
        .map(|(record_type, ..)| record_type.parse().unwrap());
    prop::sample::select(known.collect::<Vec<RecordType>>())
}

proptest! {
    #[test]
    fn what_is_printed_of_any_bytes_is_read_as_the_same_bytes_or_is_of_no_form(
        record_type in any_type(),
        wire in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..40),
    ) {
        let printed = rdata::print(record_type, &wire);
        match rdata::parse(record_type, &printed) {
            Ok(read) => prop_assert_eq!(&read, &wire, "{}", printed),
            Err(error) => prop_assert!(printed.starts_with("\\# "), "{} {}", printed, error),
        }
        let _ = rdata::target_names(record_type, &wire);
        prop_assert!(rdata::canonical(record_type, &wire).eq_ignore_ascii_case(&wire));
        let mut file = String::new();
        rdata::write(record_type, &wire, Escapes::Decimal, &mut file);
        prop_assert!(file.is_ascii());
    }

    #[test]
    fn bytes_of_values_that_are_changed_in_one_place_still_come_back(
        value in 0..VALUES.len(),
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let (record_type, text, _) = VALUES[value];
        let record_type = record_type.parse().unwrap();
        let mut wire = rdata::parse(record_type, text).unwrap();
        if !wire.is_empty() {
            let at = at.index(wire.len());
            wire[at] = byte;
        }
        let printed = rdata::print(record_type, &wire);
        match rdata::parse(record_type, &printed) {
            Ok(read) => prop_assert_eq!(read, wire, "{}", printed),
            Err(error) => prop_assert!(printed.starts_with("\\# "), "{} {}", printed, error),
        }
    }

    #[test]
    fn no_value_makes_it_panic_and_what_is_taken_is_printed_so_that_it_is_the_same(
        record_type in any_type(),
        value in prop_oneof![
            "[0-9]{1,3} [0-9]{1,3} .{0,20}",
            "\\PC{0,30}",
            r#"[0-9 a-c."\\=,#\n]{0,30}"#,
        ],
    ) {
        if let Ok(wire) = rdata::parse(record_type, &value) {
            let printed = rdata::print(record_type, &wire);
            prop_assert_eq!(rdata::parse(record_type, &printed), Ok(wire), "{}", printed);
        }
    }
}
