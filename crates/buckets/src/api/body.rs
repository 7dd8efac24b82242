//! Bodies on their way: a request's into the disk, an object's out of it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders, s3_error};
use thiserror::Error;
use tokio::time::Sleep;

use super::error;
use crate::disk::{Algorithm, Chunks, Disk, DiskError, Running, Written, encode};

/// What a client says of the bytes that it sends, to be held against them.
#[derive(Clone, Debug, Default)]
pub struct Promise {
    /// By which the bytes are summed up for good.
    pub algorithm: Algorithm,
    /// By which the client sums them up, if by another one.
    pub other: Option<Algorithm>,
    /// The checksum in base64.
    pub checksum: Option<String>,
    /// `Content-MD5`, in base64.
    pub md5: Option<String>,
    /// How many there are.
    pub size_bytes: Option<i64>,
}

/// Takes a body to the disk, and holds it against what was promised of it.
pub async fn receive(
    disk: &Disk,
    body: Option<StreamingBlob>,
    promise: &Promise,
    trailers: Option<&TrailingHeaders>,
) -> S3Result<Written> {
    let md5 = promise.md5.as_deref().map(read_md5).transpose()?;
    let mut staged = disk.stage(promise.algorithm);
    let mut other = promise.other.map(Running::new);
    if let Some(body) = body {
        let mut body = s3s::Body::from(body);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken(&*error))?;
            if let Ok(bytes) = frame.into_data() {
                if let Some(other) = &mut other {
                    other.update(&bytes);
                }
                staged.write(bytes).await.map_err(error::of_disk)?;
            }
        }
    }
    let written = staged.finish().await.map_err(error::of_disk)?;
    let size_bytes = promise.size_bytes.and_then(|size| u64::try_from(size).ok());
    if size_bytes.is_some_and(|size| size != written.size_bytes()) {
        return Err(S3Error::new(S3ErrorCode::IncompleteBody));
    }
    if md5.is_some_and(|md5| md5 != written.md5()) {
        return Err(error::of_disk(DiskError::BadDigest("Content-MD5")));
    }
    let algorithm = promise.other.unwrap_or(promise.algorithm).as_str();
    let value = match other {
        Some(other) => encode(&other.finish()),
        None => written.checksum().value.clone(),
    };
    let name = format!("x-amz-checksum-{}", algorithm.to_lowercase());
    let sent_after = trailers.and_then(TrailingHeaders::take).and_then(|fields| {
        let value = fields.get(&*name)?.to_str().ok()?;
        Some(value.trim().to_owned())
    });
    let promised = [promise.checksum.as_ref(), sent_after.as_ref()];
    if promised.into_iter().flatten().any(|said| *said != value) {
        return Err(error::of_disk(DiskError::BadDigest(algorithm)));
    }
    Ok(written)
}

fn read_md5(text: &str) -> S3Result<[u8; 16]> {
    let bytes = BASE64_STANDARD.decode(text).ok();
    let md5 = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    md5.ok_or_else(|| s3_error!(InvalidDigest, "Content-MD5 is no MD5 in base64."))
}

/// Whose fault it is that a body ended too early. s3s tells by texts alone.
fn broken(error: &(dyn std::error::Error + Send + Sync + 'static)) -> S3Error {
    let text = error.to_string();
    let says = |word: &str| text.contains(word);
    if says(STALLED) {
        return S3Error::with_message(S3ErrorCode::RequestTimeout, text);
    }
    if says("SignatureMismatch") {
        return S3Error::new(S3ErrorCode::SignatureDoesNotMatch);
    }
    if says("Sha256Mismatch") {
        return error::custom(
            "XAmzContentSHA256Mismatch",
            http::StatusCode::BAD_REQUEST,
            "The body is not what x-amz-content-sha256 says.",
        );
    }
    let message = format!("The body cannot be read: {text}");
    S3Error::with_message(S3ErrorCode::IncompleteBody, message)
}

const STALLED: &str = "nothing of the body came";

/// A body of which nothing came any more.
#[derive(Clone, Copy, Debug, Error)]
#[error("{STALLED} for {} seconds", .0.as_secs())]
pub struct Stalled(Duration);

/// A body that ends with an error when nothing comes of it for a while.
pub struct Patient<B> {
    body: Pin<Box<B>>,
    patience: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl<B> Patient<B> {
    /// Waits that long for each of a body's frames.
    pub fn new(body: B, patience: Duration) -> Patient<B> {
        Patient {
            body: Box::pin(body),
            patience,
            sleep: Box::pin(tokio::time::sleep(patience)),
        }
    }
}

impl<B> HttpBody for Patient<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<s3s::StdError>,
{
    type Data = Bytes;
    type Error = s3s::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, s3s::StdError>>> {
        if let Poll::Ready(frame) = self.body.as_mut().poll_frame(context) {
            let next = tokio::time::Instant::now() + self.patience;
            self.sleep.as_mut().reset(next);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.sleep.as_mut().poll(context));
        Poll::Ready(Some(Err(Box::new(Stalled(self.patience)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

type Reading = Pin<Box<dyn Future<Output = (Chunks, Option<Result<Bytes, DiskError>>)> + Send>>;

/// The bytes of an object as the body of an answer.
pub struct ObjectBody {
    reading: Option<Reading>,
    left_bytes: u64,
}

impl ObjectBody {
    /// So many bytes from these chunks.
    pub fn new(chunks: Chunks, size_bytes: u64) -> ObjectBody {
        ObjectBody {
            reading: Some(read(chunks)),
            left_bytes: size_bytes,
        }
    }

    /// As s3s has bodies.
    pub fn into_blob(self) -> StreamingBlob {
        StreamingBlob::from(s3s::Body::http_body_unsync(self))
    }
}

fn read(mut chunks: Chunks) -> Reading {
    Box::pin(async move {
        let next = chunks.next().await;
        (chunks, next)
    })
}

impl HttpBody for ObjectBody {
    type Data = Bytes;
    type Error = DiskError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, DiskError>>> {
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let (chunks, next) = ready!(reading.as_mut().poll(context));
        self.reading = matches!(next, Some(Ok(_))).then(|| read(chunks));
        Poll::Ready(next.map(|next| {
            let bytes = next?;
            self.left_bytes = self.left_bytes.saturating_sub(bytes.len() as u64);
            Ok(Frame::data(bytes))
        }))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}
