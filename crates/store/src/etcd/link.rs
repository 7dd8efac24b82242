//! Connections to etcd: which endpoint, who we are there, calls and their patience.

use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use tokio::{sync::Mutex, time::timeout};
use tokio_stream::Stream;
use tonic::{
    Code, Request, Status, Streaming,
    client::Grpc,
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use tonic_prost::ProstCodec;

use super::{
    ConnectError, Credentials, Options,
    messages::{AuthenticateRequest, AuthenticateResponse},
};
use crate::limits;

/// The endpoints, and the connection that unary calls go by.
pub(super) struct Links {
    endpoints: Vec<Endpoint>,
    credentials: Option<Credentials>,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    link: Option<Link>,
    /// Which endpoint is tried first.
    first: usize,
    /// How many links there have been.
    count: u64,
}

/// A connection to one endpoint.
#[derive(Clone)]
pub(super) struct Link {
    channel: Channel,
    token: Option<MetadataValue<Ascii>>,
    number: u64,
}

impl Links {
    pub fn new(options: Options) -> Result<Links, ConnectError> {
        if options.endpoints.is_empty() {
            return Err(ConnectError::NoEndpoint);
        }
        let ca = options.ca_pem.as_ref().map(Certificate::from_pem);
        let endpoints = options.endpoints.iter();
        Ok(Links {
            endpoints: endpoints
                .map(|address| endpoint(address, ca.as_ref()))
                .collect::<Result<_, _>>()?,
            credentials: options.credentials,
            current: Mutex::default(),
        })
    }

    /// Calls a method. If it `is_repeatable`, a failure on the way is not the last word: the next
    /// endpoint is tried.
    pub async fn call<Q, R>(
        &self,
        path: &'static str,
        request: Q,
        is_repeatable: bool,
    ) -> Result<R, Status>
    where
        Q: Message + Clone + 'static,
        R: Message + Default + 'static,
    {
        let mut is_last = false;
        loop {
            let link = self.current().await?;
            let patience = match is_repeatable {
                true => limits::ETCD_READ_TIMEOUT,
                false => limits::ETCD_CALL_TIMEOUT,
            };
            let status = match timeout(patience, link.unary(path, request.clone())).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(status)) => status,
                Err(_) => Status::deadline_exceeded("no answer in time"),
            };
            // Tokens end, when they are not used and when etcd is started anew. Nothing was done.
            let is_unknown = status.code() == Code::Unauthenticated && self.credentials.is_some();
            let is_broken = matches!(
                status.code(),
                Code::Unavailable | Code::Unknown | Code::DeadlineExceeded | Code::Cancelled
            );
            if is_unknown || is_broken {
                self.discard(&link, is_broken).await;
            }
            if is_last || !(is_unknown || is_broken && is_repeatable) {
                return Err(status);
            }
            is_last = true;
        }
    }

    /// The connection that there is, or a new one to the first endpoint that answers.
    pub async fn current(&self) -> Result<Link, Status> {
        let mut current = self.current.lock().await;
        if let Some(link) = &current.link {
            return Ok(link.clone());
        }
        let (link, index) = self.open(current.first).await?;
        current.first = index;
        current.count += 1;
        let link = Link {
            number: current.count,
            ..link
        };
        current.link = Some(link.clone());
        Ok(link)
    }

    /// A connection of one's own. What is not read from it holds nobody else up.
    pub async fn separate(&self) -> Result<Link, Status> {
        let first = self.current.lock().await.first;
        Ok(self.open(first).await?.0)
    }

    /// Has the next call make another connection; if this one is broken, to another endpoint.
    pub async fn discard(&self, link: &Link, is_broken: bool) {
        let mut current = self.current.lock().await;
        if current.link.as_ref().map(|link| link.number) == Some(link.number) {
            current.link = None;
            current.first = (current.first + usize::from(is_broken)) % self.endpoints.len();
        }
    }

    async fn open(&self, first: usize) -> Result<(Link, usize), Status> {
        let mut last = None;
        for index in (first..self.endpoints.len()).chain(0..first) {
            match self.open_one(&self.endpoints[index]).await {
                Ok(link) => return Ok((link, index)),
                Err(status) => {
                    let message = format!("{}: {}", self.endpoints[index].uri(), status.message());
                    last = Some(Status::new(status.code(), message));
                }
            }
        }
        Err(last.unwrap_or_else(|| Status::unavailable("there are no endpoints")))
    }

    async fn open_one(&self, endpoint: &Endpoint) -> Result<Link, Status> {
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| Status::unavailable(causes(&error)))?;
        let mut link = Link {
            channel,
            token: None,
            number: 0,
        };
        if let Some(Credentials { user, password }) = &self.credentials {
            let request = AuthenticateRequest {
                name: user.clone(),
                password: password.clone(),
            };
            let answer = link.unary("/etcdserverpb.Auth/Authenticate", request);
            let response: AuthenticateResponse = timeout(limits::ETCD_CALL_TIMEOUT, answer)
                .await
                .map_err(|_| Status::deadline_exceeded("no answer to the credentials"))??;
            let token = response.token.parse();
            link.token = Some(token.map_err(|_| Status::internal("the token is not ASCII"))?);
        }
        Ok(link)
    }
}

impl Link {
    async fn unary<Q, R>(&self, path: &'static str, request: Q) -> Result<R, Status>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let mut grpc = self.grpc().await?;
        let codec = ProstCodec::<Q, R>::default();
        let path = PathAndQuery::from_static(path);
        let response = grpc.unary(self.authorized(request), path, codec).await?;
        Ok(response.into_inner())
    }

    /// Calls a method that answers by and by.
    pub async fn streaming<Q, R>(
        &self,
        path: &'static str,
        requests: impl Stream<Item = Q> + Send + 'static,
    ) -> Result<Streaming<R>, Status>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let mut grpc = self.grpc().await?;
        let codec = ProstCodec::<Q, R>::default();
        let path = PathAndQuery::from_static(path);
        let response = grpc
            .streaming(self.authorized(requests), path, codec)
            .await?;
        Ok(response.into_inner())
    }

    async fn grpc(&self) -> Result<Grpc<Channel>, Status> {
        let mut grpc = Grpc::new(self.channel.clone())
            .max_decoding_message_size(limits::ETCD_RESPONSE_BYTES_MAX);
        let ready = grpc.ready().await;
        ready.map_err(|error| Status::unavailable(causes(&error)))?;
        Ok(grpc)
    }

    fn authorized<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("token", token.clone());
        }
        request
    }
}

/// `address` is `host:port`, or that with `http://` or `https://` before it.
fn endpoint(address: &str, ca: Option<&Certificate>) -> Result<Endpoint, ConnectError> {
    let failed = |reason: String| ConnectError::Endpoint {
        address: address.to_owned(),
        reason,
    };
    let uri = match (address.contains("://"), ca) {
        (true, _) => address.to_owned(),
        (false, None) => format!("http://{address}"),
        (false, Some(_)) => format!("https://{address}"),
    };
    let mut endpoint = Endpoint::from_shared(uri)
        .map_err(|error| failed(causes(&error)))?
        .connect_timeout(limits::ETCD_CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        // Finds out that the other side is gone without a word, under a watch too.
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(16 << 20);
    match (endpoint.uri().scheme_str(), ca) {
        (Some("http"), _) => {}
        (Some("https"), Some(ca)) => {
            let tls = ClientTlsConfig::new().ca_certificate(ca.clone());
            endpoint = endpoint
                .tls_config(tls)
                .map_err(|error| failed(causes(&error)))?;
        }
        (Some("https"), None) => {
            return Err(failed(
                "https needs the certificate of the authority that signed etcd's".into(),
            ));
        }
        _ => return Err(failed("the scheme is http or https".into())),
    }
    Ok(endpoint)
}

/// An error with what is behind it: tonic's own words are only "transport error".
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
