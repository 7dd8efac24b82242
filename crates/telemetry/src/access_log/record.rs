//! One exchange as the log sees it, and its line of 33 fields.

use std::net::IpAddr;

use super::date::DateCache;
use super::line::{Cursor, LineBuffer, SLACK_SIZE_BYTES};
use super::result::{DetailedResult, HttpVersion, Protocol, ResultType};
use crate::limits::FIELD_SIZE_BYTES_MAX;

/// The two lines that every file begins with.
pub const FILE_HEADER: &str = "#Version: 1.0\n\
    #Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status \
    cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id \
    x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher \
    x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port \
    time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len \
    sc-range-start sc-range-end\n";

/// Upper bound of what a line takes besides its string fields: tabs, numbers, addresses, and
/// names of enums.
const FIXED_FIELDS_SIZE_BYTES_MAX: usize = 640;

/// All that a line says about one finished exchange. Empty strings are written as `-`; strings are
/// as the viewer or the origin sent them, and are encoded here.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When the response ended (a WebSocket: when it was closed), since the epoch.
    pub finished_ms: u64,
    /// From the request's first byte to the response's last.
    pub time_taken_us: u64,
    /// From the request's first byte to the response's first.
    pub time_to_first_byte_us: u64,
    /// The PoP's code, as `ICN1`.
    pub edge_location: &'a [u8],
    /// The TCP or QUIC peer.
    pub viewer_address: IpAddr,
    /// The peer's port.
    pub viewer_port: u16,
    /// The request's method.
    pub method: &'a [u8],
    /// The distribution's own domain, whatever the viewer asked for.
    pub distribution_domain: &'a [u8],
    /// The path without the query.
    pub path: &'a [u8],
    /// The query without its `?`.
    pub query: &'a [u8],
    /// The viewer's `Referer`.
    pub referer: &'a [u8],
    /// The viewer's `User-Agent`.
    pub user_agent: &'a [u8],
    /// The viewer's `Cookie`; written only where the log includes cookies.
    pub cookie: &'a [u8],
    /// The viewer's `Host` or `:authority`.
    pub host: &'a [u8],
    /// The viewer's `X-Forwarded-For`.
    pub x_forwarded_for: &'a [u8],
    /// What `X-Amz-Cf-Id` said.
    pub request_id: &'a [u8],
    /// The viewer's scheme.
    pub protocol: Protocol,
    /// The viewer's HTTP version.
    pub http_version: HttpVersion,
    /// The TLS version, as `TLSv1.3`; empty without TLS.
    pub tls_protocol: &'a [u8],
    /// OpenSSL's name of the cipher; empty without TLS.
    pub tls_cipher: &'a [u8],
    /// The status sent; 0 when the viewer left before there was one.
    pub status: u16,
    /// Bytes of the request with its header.
    pub bytes_received: u64,
    /// Bytes of the response with its header.
    pub bytes_sent: u64,
    /// The final classification. `Error` while `response_result` is not says that the viewer left
    /// in the middle.
    pub result: ResultType,
    /// The classification just before the response was sent.
    pub response_result: ResultType,
    /// What exactly went wrong.
    pub detailed_result: DetailedResult,
    /// The response's `Content-Type`.
    pub content_type: &'a [u8],
    /// The response's `Content-Length`.
    pub content_length: Option<u64>,
    /// First and last byte of the response's `Content-Range`.
    pub content_range: Option<(u64, u64)>,
    /// What field-level encryption did with the request's body, in AWS's words; empty where there
    /// is none.
    pub encryption_status: &'static str,
    /// How many fields it encrypted, where it read the body.
    pub encrypted_fields: Option<u32>,
}

impl Record<'_> {
    /// Appends the line and its newline. `include_cookies` is the distribution's setting.
    pub fn write_line(&self, include_cookies: bool, dates: &mut DateCache, out: &mut LineBuffer) {
        let cookie = if include_cookies { self.cookie } else { b"" };
        let bound =
            FIXED_FIELDS_SIZE_BYTES_MAX + SLACK_SIZE_BYTES + 3 * self.strings_size_bytes(cookie);
        out.append(bound, |line| {
            self.write_request_fields(cookie, dates, line);
            self.write_connection_fields(line);
            self.write_response_fields(line);
        });
    }

    /// Fields 1 to 16.
    fn write_request_fields(&self, cookie: &[u8], dates: &mut DateCache, line: &mut Cursor<'_>) {
        line.raw(dates.date_and_time(self.finished_ms));
        line.byte(b'\t');
        string(line, self.edge_location);
        number(line, self.bytes_sent);
        line.address(self.viewer_address);
        line.byte(b'\t');
        string(line, self.method);
        string(line, self.distribution_domain);
        string(line, self.path);
        line.three_digits(self.status.min(999));
        line.byte(b'\t');
        string(line, self.referer);
        string(line, self.user_agent);
        string(line, self.query);
        string(line, cookie);
        name(line, self.result.as_str());
        string(line, self.request_id);
        string(line, self.host);
    }

    /// Fields 17 to 28.
    fn write_connection_fields(&self, line: &mut Cursor<'_>) {
        name(line, self.protocol.as_str());
        number(line, self.bytes_received);
        line.seconds(self.time_taken_us);
        line.byte(b'\t');
        string(line, self.x_forwarded_for);
        string(line, self.tls_protocol);
        string(line, self.tls_cipher);
        name(line, self.response_result.as_str());
        name(line, self.http_version.as_str());
        match self.encryption_status {
            "" => line.raw(b"-\t"),
            status => name(line, status),
        }
        match self.encrypted_fields {
            Some(count) => number(line, u64::from(count)),
            None => line.raw(b"-\t"),
        }
        number(line, u64::from(self.viewer_port));
        line.seconds(self.time_to_first_byte_us);
        line.byte(b'\t');
    }

    /// Fields 29 to 33.
    fn write_response_fields(&self, line: &mut Cursor<'_>) {
        name(line, self.detailed_result.as_str(self.result));
        string(line, self.content_type);
        match self.content_length {
            Some(length) => number(line, length),
            None => line.raw(b"-\t"),
        }
        match self.content_range {
            Some((first, last)) => {
                number(line, first);
                line.decimal(last);
                line.byte(b'\n');
            }
            None => line.raw(b"-\t-\n"),
        }
    }

    fn strings_size_bytes(&self, cookie: &[u8]) -> usize {
        [
            self.edge_location,
            self.method,
            self.distribution_domain,
            self.path,
            self.query,
            self.referer,
            self.user_agent,
            cookie,
            self.host,
            self.x_forwarded_for,
            self.request_id,
            self.tls_protocol,
            self.tls_cipher,
            self.content_type,
        ]
        .iter()
        .map(|value| value.len().min(FIELD_SIZE_BYTES_MAX))
        .sum()
    }
}

#[inline]
fn string(line: &mut Cursor<'_>, value: &[u8]) {
    line.field(&value[..value.len().min(FIELD_SIZE_BYTES_MAX)]);
    line.byte(b'\t');
}

#[inline]
fn number(line: &mut Cursor<'_>, value: u64) {
    line.decimal(value);
    line.byte(b'\t');
}

#[inline]
fn name(line: &mut Cursor<'_>, name: &'static str) {
    line.raw(name.as_bytes());
    line.byte(b'\t');
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-01-01 00:00:00 UTC.
    const NEW_YEAR_MS: u64 = 1_767_225_600_000;

    /// A viewer who sent nothing that could be left out, and left before there was a response.
    pub fn bare(finished_ms: u64) -> Record<'static> {
        Record {
            finished_ms,
            time_taken_us: 0,
            time_to_first_byte_us: 0,
            edge_location: b"ICN1",
            viewer_address: IpAddr::from([192, 0, 2, 1]),
            viewer_port: 50_000,
            method: b"GET",
            distribution_domain: b"d111.cdn.localhost",
            path: b"/",
            query: b"",
            referer: b"",
            user_agent: b"",
            cookie: b"",
            host: b"",
            x_forwarded_for: b"",
            request_id: b"id==",
            protocol: Protocol::Http,
            http_version: HttpVersion::Http10,
            tls_protocol: b"",
            tls_cipher: b"",
            status: 0,
            bytes_received: 18,
            bytes_sent: 0,
            result: ResultType::Error,
            response_result: ResultType::Error,
            detailed_result: DetailedResult::ClientCommError,
            content_type: b"",
            content_length: None,
            content_range: None,
            encryption_status: "",
            encrypted_fields: None,
        }
    }

    fn line(record: &Record<'_>, include_cookies: bool) -> String {
        let mut out = LineBuffer::new();
        record.write_line(include_cookies, &mut DateCache::new(), &mut out);
        String::from_utf8(out.as_bytes().to_vec()).expect("only ASCII is written")
    }

    #[test]
    fn the_header_names_as_many_fields_as_a_line_has() {
        let fields = FILE_HEADER
            .lines()
            .nth(1)
            .expect("two lines")
            .strip_prefix("#Fields: ");
        assert_eq!(
            fields.expect("the second names fields").split(' ').count(),
            33
        );
        assert_eq!(line(&bare(0), true).split('\t').count(), 33);
        assert!(FILE_HEADER.ends_with("sc-range-end\n"));
    }

    #[test]
    fn whatever_is_missing_is_a_dash() {
        assert_eq!(
            line(&bare(NEW_YEAR_MS), true),
            "2026-01-01\t00:00:00\tICN1\t0\t192.0.2.1\tGET\td111.cdn.localhost\t/\t000\t\
             -\t-\t-\t-\tError\tid==\t-\thttp\t18\t0.000\t-\t-\t-\tError\tHTTP/1.0\t-\t-\t50000\t0.000\t\
             ClientCommError\t-\t-\t-\t-\n"
        );
    }

    #[test]
    fn a_line_has_every_field_in_its_place_and_encoded() {
        let record = Record {
            time_taken_us: 1_234_499,
            time_to_first_byte_us: 61_500,
            viewer_address: "2001:db8::7".parse().expect("an address"),
            path: b"/a%20b/[c]",
            query: b"q=1&r=%22",
            referer: b"https://example.com/\xc3\xa9",
            user_agent: b"Mozilla/5.0 (X11; Linux)",
            cookie: b"a=b; c=d",
            host: b"www.example.com:8443",
            x_forwarded_for: b"203.0.113.9, 198.51.100.2",
            protocol: Protocol::Https,
            http_version: HttpVersion::Http2,
            tls_protocol: b"TLSv1.3",
            tls_cipher: b"TLS_AES_128_GCM_SHA256",
            status: 206,
            bytes_received: 523,
            bytes_sent: 1_048_999,
            result: ResultType::RefreshHit,
            response_result: ResultType::RefreshHit,
            detailed_result: DetailedResult::AsResult,
            content_type: b"text/html; charset=utf-8",
            content_length: Some(1_048_576),
            content_range: Some((0, 1_048_575)),
            encryption_status: "Processed",
            encrypted_fields: Some(3),
            ..bare(NEW_YEAR_MS + 3_723_999)
        };
        assert_eq!(
            line(&record, true),
            "2026-01-01\t01:02:03\tICN1\t1048999\t2001:db8::7\tGET\td111.cdn.localhost\t\
             /a%2520b/%5Bc%5D\t206\thttps://example.com/%C3%A9\t\
             Mozilla/5.0%20(X11;%20Linux)\tq=1&r=%2522\ta=b;%20c=d\tRefreshHit\tid==\t\
             www.example.com:8443\thttps\t523\t1.234\t203.0.113.9,%20198.51.100.2\tTLSv1.3\t\
             TLS_AES_128_GCM_SHA256\tRefreshHit\tHTTP/2.0\tProcessed\t3\t50000\t0.062\tRefreshHit\t\
             text/html;%20charset=utf-8\t1048576\t0\t1048575\n"
        );
        let cookie = |include| {
            line(&record, include)
                .split('\t')
                .nth(12)
                .map(str::to_owned)
        };
        assert_eq!(cookie(true).as_deref(), Some("a=b;%20c=d"));
        assert_eq!(cookie(false).as_deref(), Some("-"));
    }

    #[test]
    fn a_giant_field_is_cut() {
        let giant = vec![b' '; 10 * FIELD_SIZE_BYTES_MAX];
        let text = line(
            &Record {
                user_agent: &giant,
                ..bare(0)
            },
            false,
        );
        let field = text.split('\t').nth(10).expect("the user agent's field");
        assert_eq!(field.len(), 3 * FIELD_SIZE_BYTES_MAX);
        assert_eq!(text.split('\t').count(), 33);
    }

    #[test]
    fn the_largest_numbers_fit_the_bound() {
        let everything = [b'\xff'; 40];
        let record = Record {
            finished_ms: u64::MAX,
            time_taken_us: u64::MAX,
            time_to_first_byte_us: u64::MAX,
            viewer_address: "1111:2222:3333:4444:5555:6666:7777:8888"
                .parse()
                .expect("an address"),
            viewer_port: u16::MAX,
            status: u16::MAX,
            bytes_received: u64::MAX,
            bytes_sent: u64::MAX,
            result: ResultType::FunctionGeneratedResponse,
            response_result: ResultType::FunctionGeneratedResponse,
            detailed_result: DetailedResult::OriginContentRangeLengthError,
            content_length: Some(u64::MAX),
            content_range: Some((u64::MAX, u64::MAX)),
            encryption_status: "MalformedContentTypeClientError",
            encrypted_fields: Some(u32::MAX),
            path: &everything,
            content_type: &everything,
            ..bare(0)
        };
        // Many lines, so that one of them ends just before the buffer would have to grow.
        let mut out = LineBuffer::new();
        for _ in 0..500 {
            record.write_line(true, &mut DateCache::new(), &mut out);
        }
        assert_eq!(
            out.as_bytes().iter().filter(|&&byte| byte == b'\n').count(),
            500
        );
    }

    proptest! {
        #[test]
        fn no_input_breaks_a_line_into_other_fields(
            strings in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..80), 14),
            include_cookies: bool,
        ) {
            let record = Record {
                edge_location: &strings[0],
                method: &strings[1],
                distribution_domain: &strings[2],
                path: &strings[3],
                query: &strings[4],
                referer: &strings[5],
                user_agent: &strings[6],
                cookie: &strings[7],
                host: &strings[8],
                x_forwarded_for: &strings[9],
                request_id: &strings[10],
                tls_protocol: &strings[11],
                tls_cipher: &strings[12],
                content_type: &strings[13],
                ..bare(NEW_YEAR_MS)
            };
            let text = line(&record, include_cookies);
            let whole = text.strip_suffix('\n').expect("a line ends");
            prop_assert_eq!(whole.split('\t').count(), 33);
            for field in whole.split('\t') {
                prop_assert!(!field.is_empty());
                prop_assert!(field.bytes().all(|byte| (33..127).contains(&byte)));
            }
        }
    }
}
