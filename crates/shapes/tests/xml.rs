//! XML documents as clients write them, well and badly.

// A helper that cannot go on fails the test that called it.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use shapes::cloudfront::{DistributionConfig, TagKeys, UpdateFunctionRequest, shape};
use shapes::limits::{
    PROBLEMS_MAX, XML_ATTRIBUTES_MAX, XML_DEPTH_MAX, XML_ELEMENTS_MAX, XML_SIZE_BYTES_MAX,
};
use shapes::schema::Shape;
use shapes::{Decoded, Structure, check_types, xml};

const KEYS: &Shape = TagKeys::SHAPE;

fn read(document: &str) -> Result<Decoded, String> {
    xml::read(KEYS, "TagKeys", document.as_bytes()).map_err(|error| error.to_string())
}

fn keys(document: &str) -> Value {
    let read = read(document).unwrap();
    assert_eq!(read.unknown, [""; 0], "{document}");
    read.value["Items"].clone()
}

#[test]
fn text_is_read_however_it_is_written() {
    for (content, expected) in [
        ("a", "a"),
        ("", ""),
        (" a\tb\n", " a\tb\n"),
        ("&lt;&gt;&amp;&quot;&apos;", "<>&\"'"),
        ("&#65;&#x42;&#x1F600;", "AB😀"),
        ("a\r\nb\rc&#13;", "a\nb\nc\r"),
        ("a<!-- b --><?c?>d", "ad"),
        ("a<![CDATA[<b>&amp;]]>", "a<b>&amp;"),
        ("&amp;lt;", "&lt;"),
    ] {
        let document = format!("<TagKeys><Items><Key>{content}</Key></Items></TagKeys>");
        assert_eq!(keys(&document), json!([expected]), "{content}");
    }
}

#[test]
fn declarations_prefixes_attributes_comments_and_space_say_nothing() {
    for document in [
        "<TagKeys><Items><Key>a</Key><Key/></Items></TagKeys>",
        "<?xml version='1.0'?>\n<TagKeys><Items><Key>a</Key><Key></Key></Items></TagKeys>\n",
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><TagKeys xmlns='urn:x' b='&amp;>'>\n \
         <Items >\n<Key c=''>a</Key ><!-- <Key>b</Key> --><Key/></Items></TagKeys><!-- end -->",
        "\u{feff}<x:TagKeys xmlns:x='urn:x'><x:Items><y:Key>a</y:Key><Key/></x:Items></x:TagKeys>",
        "<!-- a --><?b c?> <TagKeys><?b c?><Items><Key>a</Key><Key/></Items></TagKeys><?b c?>",
    ] {
        assert_eq!(keys(document), json!(["a", ""]), "{document}");
    }
}

#[test]
fn members_come_in_any_order_and_empty_ones_are_empty() {
    let document = "<UpdateFunctionRequest><FunctionCode> Zm9v\n Zg==\n</FunctionCode>\
         <FunctionConfig><KeyValueStoreAssociations><Items/><Quantity>\n 0 </Quantity>\
         </KeyValueStoreAssociations><Comment/></FunctionConfig></UpdateFunctionRequest>";
    let shape = UpdateFunctionRequest::SHAPE;
    let read = xml::read(shape, "UpdateFunctionRequest", document.as_bytes()).unwrap();
    let expected = json!({
        "FunctionCode": "Zm9vZg==",
        "FunctionConfig": {
            "Comment": "",
            "KeyValueStoreAssociations": {"Items": [], "Quantity": 0},
        },
    });
    assert_eq!(read.value, expected);
    let empty = xml::read(shape, "UpdateFunctionRequest", b"<UpdateFunctionRequest/>").unwrap();
    assert_eq!(empty.value, json!({}));
}

#[test]
fn scalars_that_do_not_fit_stay_text_and_are_refused_by_their_type() {
    let document = "<DistributionConfig><Enabled>yes</Enabled><PriceClass>None </PriceClass>\
         <DefaultCacheBehavior><MinTTL>1e3</MinTTL><MaxTTL/><Compress> true </Compress>\
         </DefaultCacheBehavior><Origins><Quantity>4294967296</Quantity><Items><Origin>\
         <ConnectionTimeout>+5</ConnectionTimeout></Origin></Items></Origins></DistributionConfig>";
    let shape = DistributionConfig::SHAPE;
    let read = xml::read(shape, "DistributionConfig", document.as_bytes()).unwrap();
    assert_eq!(read.value["DefaultCacheBehavior"]["Compress"], json!(true));
    let problems = check_types(shape, &read.value);
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let problems: Vec<_> = problems
        .iter()
        .filter(|p| !p.ends_with("is required"))
        .collect();
    assert_eq!(
        problems,
        [
            "Origins.Quantity: 4294967296 is not a 32-bit integer",
            "DefaultCacheBehavior.MinTTL: '1e3' is not a 64-bit integer",
            "DefaultCacheBehavior.MaxTTL: '' is not a 64-bit integer",
            "PriceClass: 'None ' is not one of \
             PriceClass_100, PriceClass_200, PriceClass_All, None",
            "Enabled: 'yes' is not true or false",
        ]
    );
    let numbers = |text: &str| {
        let document = format!("<C><SessionStickinessConfig/><Weight>{text}</Weight></C>");
        let shape = &shape::CONTINUOUS_DEPLOYMENT_SINGLE_WEIGHT_CONFIG;
        let read = xml::read(shape, "C", document.as_bytes()).unwrap();
        read.value["Weight"].clone()
    };
    assert_eq!(numbers(" 0.15\n"), json!(0.15));
    for text in ["NaN", "inf", "1,5"] {
        assert_eq!(numbers(text), json!(text));
    }
}

#[test]
fn unknown_elements_are_passed_over_and_named() {
    let document = "<TagKeys><Quantity>1</Quantity><Items><Key>a</Key><Name><Deep>b</Deep></Name>\
         </Items></TagKeys>";
    let decoded = read(document).unwrap();
    assert_eq!(decoded.value, json!({"Items": ["a"]}));
    assert_eq!(decoded.unknown, ["Quantity", "Items.Name"]);

    // What travels in the path or a header is no member of the body.
    let document = b"<R><Name>f</Name><IfMatch>E</IfMatch></R>";
    let decoded = xml::read(UpdateFunctionRequest::SHAPE, "R", document).unwrap();
    assert_eq!(decoded.unknown, ["Name", "IfMatch"]);

    let many = format!("<TagKeys>{}</TagKeys>", "<X/>".repeat(PROBLEMS_MAX + 1));
    assert_eq!(read(&many).unwrap().unknown.len(), PROBLEMS_MAX);
    let long = format!("<TagKeys><{0}></{0}></TagKeys>", "é".repeat(1000));
    assert_eq!(
        read(&long).unwrap().unknown,
        [format!("{}…", "é".repeat(64))]
    );
}

#[test]
fn malformed_documents_are_refused_with_what_is_wrong() {
    let in_key = |text: &str| format!("<TagKeys><Items><Key>{text}</Key></Items></TagKeys>");
    for (document, expected) in [
        (String::new(), "no root element; <TagKeys> is expected"),
        (" <!-- -->".into(), "no root element; <TagKeys> is expected"),
        ("TagKeys".into(), "text before the root element"),
        (
            "<Tags/>".into(),
            "the root element is <Tags>; <TagKeys> is expected",
        ),
        (
            "<tagkeys/>".into(),
            "the root element is <tagkeys>; <TagKeys> is expected",
        ),
        ("<TagKeys/>x".into(), "more follows the root element"),
        (
            "<TagKeys/><TagKeys/>".into(),
            "more follows the root element",
        ),
        (
            "<TagKeys>".into(),
            "not XML: the document ends inside an element",
        ),
        (
            "<TagKeys><Items>".into(),
            "Items: not XML: the document ends inside an element",
        ),
        (
            "<TagKeys>a</TagKeys>".into(),
            "has text; only elements are expected",
        ),
        (
            "<TagKeys><Items>a</Items></TagKeys>".into(),
            "Items: has text; only elements are expected",
        ),
        (
            in_key("<b/>"),
            "Items[0]: has an element <b>; only text is expected",
        ),
        (
            "<TagKeys><Items/><Items/></TagKeys>".into(),
            "Items: is given twice",
        ),
        (
            in_key("&nbsp;"),
            "Items[0]: the entity &nbsp; is not accepted",
        ),
        (
            in_key("\u{1}"),
            "Items[0]: not XML: the character U+0001 is in it",
        ),
        (
            in_key("&#xFFFE;"),
            "Items[0]: not XML: the character U+FFFE is in it",
        ),
        (
            "<!DOCTYPE TagKeys [<!ENTITY a 'b'>]><TagKeys/>".into(),
            "document types are not accepted",
        ),
        (
            " <?xml version='1.0'?><TagKeys/>".into(),
            "not XML: a declaration inside a document",
        ),
        (
            "<?xml version='1.0' encoding='ISO-8859-1'?><TagKeys/>".into(),
            "the encoding is 'ISO-8859-1'; UTF-8 is expected",
        ),
    ] {
        assert_eq!(read(&document), Err(expected.into()), "{document}");
    }
}

#[test]
fn what_the_parser_refuses_is_refused_with_its_words() {
    for document in [
        "<TagKeys></Items>",
        "</TagKeys>",
        "<TagKeys",
        "<TagKeys a>",
        "<TagKeys a=b/>",
        "<TagKeys><Items><Key>a & b</Key></Items></TagKeys>",
        "<TagKeys><Items><Key>&#0;</Key></Items></TagKeys>",
        "<TagKeys><Items><Key>&#xD800;</Key></Items></TagKeys>",
        "<TagKeys><![CDATA[",
        "<TagKeys><!-- ",
        "<TagKeys/><!-- ",
        "<?xml version='1.0' encoding=UTF-8?><TagKeys/>",
    ] {
        let error = read(document).unwrap_err();
        assert!(error.contains("not XML: "), "{document}: {error}");
    }
    let error = xml::read(KEYS, "TagKeys", b"<TagKeys>\xff</TagKeys>").unwrap_err();
    assert_eq!(error.to_string(), "not UTF-8 at byte 9");
}

#[test]
fn depth_elements_attributes_and_bytes_are_bounded() {
    let nested = |depth: usize| {
        format!(
            "{}{}",
            "<TagKeys>".repeat(depth),
            "</TagKeys>".repeat(depth)
        )
    };
    assert!(read(&nested(XML_DEPTH_MAX)).is_ok());
    assert_eq!(
        read(&nested(XML_DEPTH_MAX + 1)),
        Err(format!("TagKeys: elements more than {XML_DEPTH_MAX} deep"))
    );

    let items = |count: usize| {
        format!(
            "<TagKeys><Items>{}</Items></TagKeys>",
            "<Key/>".repeat(count)
        )
    };
    assert!(read(&items(XML_ELEMENTS_MAX - 2)).is_ok());
    assert_eq!(
        read(&items(XML_ELEMENTS_MAX - 1)),
        Err(format!("Items: more than {XML_ELEMENTS_MAX} elements"))
    );

    let attributes = |count: usize| format!("<TagKeys{}/>", " a=''".repeat(count));
    assert!(read(&attributes(XML_ATTRIBUTES_MAX)).is_ok());
    assert_eq!(
        read(&attributes(XML_ATTRIBUTES_MAX + 1)),
        Err(format!(
            "more than {XML_ATTRIBUTES_MAX} attributes on an element"
        ))
    );

    let padded = |size: usize| format!("<TagKeys/>{}", " ".repeat(size - "<TagKeys/>".len()));
    assert!(read(&padded(XML_SIZE_BYTES_MAX)).is_ok());
    assert_eq!(
        read(&padded(XML_SIZE_BYTES_MAX + 1)),
        Err(format!("more than {XML_SIZE_BYTES_MAX} bytes"))
    );
}

#[test]
fn members_are_written_in_order_with_the_namespace_on_the_root() {
    let value = json!({
        "Status": "Deployed", "Id": "<E1>", "ARN": null, "Tomorrow": 1, "Weight": 0.5,
        "InProgressInvalidationBatches": 2, "ActiveTrustedSigners": {"Enabled": true, "Items": []},
    });
    let written = xml::write(
        &shape::DISTRIBUTION,
        "Distribution",
        Some("urn:'x'"),
        &value,
    );
    assert_eq!(
        String::from_utf8(written).unwrap(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Distribution xmlns=\"urn:&apos;x&apos;\"><Id>&lt;E1&gt;</Id><Status>Deployed</Status>\
         <InProgressInvalidationBatches>2</InProgressInvalidationBatches>\
         <ActiveTrustedSigners><Enabled>true</Enabled><Items></Items></ActiveTrustedSigners>\
         </Distribution>"
    );
    let nothing = xml::write(KEYS, "TagKeys", None, &Value::Null);
    assert!(
        String::from_utf8(nothing)
            .unwrap()
            .ends_with("\n<TagKeys></TagKeys>")
    );
}

#[test]
fn what_xml_cannot_hold_is_escaped_or_replaced() {
    assert_eq!(xml::escape("plain\ttext\né"), "plain\ttext\né");
    assert_eq!(
        xml::escape("<a b='\"'>&\r"),
        "&lt;a b=&apos;&quot;&apos;&gt;&amp;&#13;"
    );
    assert_eq!(xml::escape("\0\u{1b}\u{fffe}"), "\u{fffd}\u{fffd}\u{fffd}");
}
