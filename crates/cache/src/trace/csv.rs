//! Traces as CSV: `time,id,size`, one request a line.

use std::io::{BufRead, Read as _};

use thiserror::Error;

use super::Request;
use crate::key::KeyHasher;
use crate::limits;

/// Reads a trace line by line; memory does not grow with its length.
///
/// The first line may name the columns. Times are numbers, sizes whole bytes; ids are any text,
/// commas included. Empty lines are skipped.
pub struct RequestReader<R> {
    source: R,
    line: Vec<u8>,
    line_number: u64,
    ids: KeyHasher,
}

/// Why a trace could not be read: the operator's file is at fault.
#[derive(Debug, Error)]
pub enum TraceError {
    /// Reading failed.
    #[error("line {line}: {error}")]
    Read {
        /// The line that was being read.
        line: u64,
        /// What the system said.
        error: std::io::Error,
    },
    /// A line without end.
    #[error("line {line}: longer than {max} bytes", max = limits::TRACE_LINE_BYTES_MAX)]
    LineTooLong {
        /// Its number.
        line: u64,
    },
    /// A line with fewer than three fields.
    #[error("line {line}: field {field} is missing; a line is time,id,size")]
    FieldMissing {
        /// The line's number.
        line: u64,
        /// The first field that is missing.
        field: &'static str,
    },
    /// A field that does not hold what it should.
    #[error("line {line}: field {field} is {value:?}; it must be {allowed}")]
    Field {
        /// The line's number.
        line: u64,
        /// The field's name.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What it may hold.
        allowed: &'static str,
    },
}

impl<R: BufRead> RequestReader<R> {
    /// Reads from `source` to its end or to the first error.
    pub fn new(source: R) -> Self {
        Self {
            source,
            line: Vec::new(),
            line_number: 0,
            ids: KeyHasher::new([0; 16]),
        }
    }

    /// Reads the next line that is not empty into `self.line`; `false` at the end.
    fn next_line(&mut self) -> Result<bool, TraceError> {
        loop {
            self.line.clear();
            self.line_number += 1;
            let line = self.line_number;
            let limit = limits::TRACE_LINE_BYTES_MAX as u64 + 1;
            let read = (&mut self.source)
                .take(limit)
                .read_until(b'\n', &mut self.line);
            if read.map_err(|error| TraceError::Read { line, error })? == 0 {
                return Ok(false);
            }
            if self.line.len() > limits::TRACE_LINE_BYTES_MAX {
                return Err(TraceError::LineTooLong { line });
            }
            self.line.truncate(self.line.trim_ascii_end().len());
            if !self.line.is_empty() {
                return Ok(true);
            }
        }
    }

    fn next_request(&mut self) -> Result<Option<Request>, TraceError> {
        if !self.next_line()? {
            return Ok(None);
        }
        if self.line_number == 1 && names_columns(&self.line) && !self.next_line()? {
            return Ok(None);
        }
        parse(&self.line, self.line_number, &self.ids).map(Some)
    }
}

impl<R: BufRead> Iterator for RequestReader<R> {
    type Item = Result<Request, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_request().transpose()
    }
}

fn parse(line: &[u8], number: u64, ids: &KeyHasher) -> Result<Request, TraceError> {
    let missing = |field| TraceError::FieldMissing {
        line: number,
        field,
    };
    let wrong = |field, value: &[u8], allowed| TraceError::Field {
        line: number,
        field,
        value: String::from_utf8_lossy(value).into_owned(),
        allowed,
    };
    let (time, rest) = split_once(line).ok_or_else(|| missing("id"))?;
    let (id, size) = rsplit_once(rest).ok_or_else(|| missing("size"))?;
    let time_value = number_of::<f64>(time).filter(|time| time.is_finite());
    let size_value = number_of::<u64>(size).filter(|&size| size <= SIZE_BYTES_MAX);
    Ok(Request {
        time: time_value.ok_or_else(|| wrong("time", time, "a number"))?,
        key: ids.key(id.trim_ascii()),
        size_bytes: size_value
            .ok_or_else(|| wrong("size", size, "a whole number of bytes up to 2^40"))?,
    })
}

/// A larger object is a mistake, and its chunks would take the simulation forever.
const SIZE_BYTES_MAX: u64 = 1 << 40;

fn names_columns(line: &[u8]) -> bool {
    let first = split_once(line).map_or(line, |(first, _)| first);
    first.trim_ascii().eq_ignore_ascii_case(b"time")
        || first.trim_ascii().eq_ignore_ascii_case(b"timestamp")
}

fn split_once(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let comma = line.iter().position(|&byte| byte == b',')?;
    Some((&line[..comma], &line[comma + 1..]))
}

fn rsplit_once(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let comma = line.iter().rposition(|&byte| byte == b',')?;
    Some((&line[..comma], &line[comma + 1..]))
}

fn number_of<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    str::from_utf8(field.trim_ascii()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> Vec<Result<Request, String>> {
        let shown = |error: TraceError| error.to_string();
        RequestReader::new(text)
            .map(|request| request.map_err(shown))
            .collect()
    }

    #[test]
    fn lines_are_read_with_or_without_a_header_line() {
        for header in ["", "time,id,size\n", "Timestamp,key,bytes\r\n", "\n"] {
            let requests = read(format!("{header}0,a,10\r\n\n1.5,/b,c,20").as_bytes());
            let requests: Vec<_> = requests.into_iter().map(Result::unwrap).collect();
            assert_eq!(requests.len(), 2, "{header:?}");
            assert_eq!((requests[0].time, requests[0].size_bytes), (0.0, 10));
            assert_eq!((requests[1].time, requests[1].size_bytes), (1.5, 20));
            assert_ne!(requests[0].key, requests[1].key);
        }
    }

    #[test]
    fn equal_ids_have_equal_keys() {
        let requests = read(b"0,a,1\n1, a ,1\n2,\"a\",1");
        let key = |index: usize| requests[index].clone().unwrap().key;
        assert_eq!(key(0), key(1));
        assert_ne!(key(0), key(2));
    }

    #[test]
    fn errors_name_the_line_the_field_and_what_is_allowed() {
        for (text, message) in [
            (
                "0,a,1\nsoon,a,1",
                "line 2: field time is \"soon\"; it must be a number",
            ),
            (
                "0,a,1\n\n0,a,-1",
                "line 3: field size is \"-1\"; it must be a whole number of bytes up to 2^40",
            ),
            (
                "inf,a,1",
                "line 1: field time is \"inf\"; it must be a number",
            ),
            (
                "0,a",
                "line 1: field size is missing; a line is time,id,size",
            ),
            ("0", "line 1: field id is missing; a line is time,id,size"),
            (
                "0,a,1\ntime,id,size",
                "line 2: field time is \"time\"; it must be a number",
            ),
        ] {
            let last = read(text.as_bytes()).pop().unwrap();
            assert_eq!(last.unwrap_err(), message);
        }
    }

    #[test]
    fn a_line_without_end_is_an_error_and_not_a_buffer_without_end() {
        let endless = std::io::BufReader::new(std::io::repeat(b'0'));
        let error = RequestReader::new(endless).next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "line 1: longer than 65536 bytes");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panicking(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = read(&bytes);
        }
    }
}
