//! Names of files in forms: `${filename}` in a form's key is the name of its file, before anything
//! else looks at the form.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame};

use super::limits;

const VARIABLE: &[u8] = b"${filename}";

/// A form whose key is completed. What stands before its file is held for that.
pub struct Completed<B> {
    body: Pin<Box<B>>,
    /// What came so far; nothing any more once the file has begun.
    held: Option<Vec<u8>>,
}

impl<B> Completed<B> {
    /// Of that form.
    pub fn new(body: B) -> Completed<B> {
        Completed {
            body: Box::pin(body),
            held: Some(Vec::new()),
        }
    }
}

impl<B: HttpBody<Data = Bytes>> HttpBody for Completed<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        loop {
            let frame = ready!(self.body.as_mut().poll_frame(context));
            let Some(held) = &mut self.held else {
                return Poll::Ready(frame);
            };
            let is_more = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => {
                        held.extend_from_slice(&bytes);
                        true
                    }
                    Err(_) => false,
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => false,
            };
            let name = file_name(held);
            // s3s refuses fields that are longer.
            let is_long = held.len() > 2 * limits::FORM_FIELD_BYTES_MAX;
            if name.is_none() && is_more && !is_long {
                continue;
            }
            let completed = completed(held, name.as_deref().unwrap_or_default());
            self.held = None;
            return Poll::Ready(Some(Ok(Frame::data(completed.into()))));
        }
    }
}

/// The name of the file, without the folders that some browsers send, once it has come.
fn file_name(form: &[u8]) -> Option<Vec<u8>> {
    let start = b"name=\"file\"; filename=\"";
    let at = find(form, start)? + start.len();
    let end = at + find(&form[at..], b"\"")?;
    let name = form[at..end].rsplit(|byte| b"/\\".contains(byte)).next();
    name.map(<[u8]>::to_vec)
}

/// The form with the name in its key.
fn completed(form: &[u8], name: &[u8]) -> Vec<u8> {
    let start = b"name=\"key\"\r\n\r\n";
    let key = find(form, start).map(|at| at + start.len());
    let key = key.and_then(|at| Some(at..at + find(&form[at..], b"\r\n--")?));
    let variable = key.and_then(|key| Some(key.start + find(&form[key], VARIABLE)?));
    match variable {
        None => form.to_vec(),
        Some(at) => [&form[..at], name, &form[at + VARIABLE.len()..]].concat(),
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use http_body_util::BodyExt;

    use super::*;

    /// A body that comes in pieces.
    struct Pieces(VecDeque<Bytes>);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|bytes| Ok(Frame::data(bytes))))
        }
    }

    #[tokio::test]
    async fn the_key_has_the_files_name_however_the_form_comes() {
        let form =
            b"--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nup/${filename}!\r\n\
            --x\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\n${filename}\r\n\
            --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\d\\a.txt\"\r\n\r\n\
            ${filename}\r\n--x--\r\n";
        let expected = String::from_utf8_lossy(form).replacen("${filename}", "a.txt", 1);
        for length in [1, 7, 100, form.len()] {
            let pieces = form.chunks(length).map(Bytes::copy_from_slice);
            let body = Completed::new(Pieces(pieces.collect()));
            let whole = body.collect().await.unwrap().to_bytes();
            assert_eq!(String::from_utf8_lossy(&whole), expected, "{length}");
        }
    }
}
