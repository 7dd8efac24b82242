//! One exchange as the log sees it, and its line of 33 fields.

use std::net::IpAddr;

use super::date::DateCache;
use super::line::{Cursor, LineBuffer};
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

/// Upper bound of what a line takes besides its string fields: tabs, numbers, addresses, names of
/// enums, and the encoder's slack of four bytes.
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
}

impl Record<'_> {
    /// Appends the line and its newline. `include_cookies` is the distribution's setting.
    pub fn write_line(&self, include_cookies: bool, dates: &mut DateCache, out: &mut LineBuffer) {
        let cookie = if include_cookies { self.cookie } else { b"" };
        let bound = FIXED_FIELDS_SIZE_BYTES_MAX + 3 * self.strings_size_bytes(cookie);
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

    /// Fields 17 to 28. Field-level encryption does not exist here, so its two fields are empty.
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
        line.raw(b"-\t-\t");
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
