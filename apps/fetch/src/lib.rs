//! Requests to servers of others: one HTTP client for all of them, over the one TLS stack, each request bounded in time and size.
//!
//! Redirects are not followed: a server that we were told to ask does not tell us whom else to ask.

mod outside;
mod roots;

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
pub use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
pub use hyper::{StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use outside::Resolver;
pub use outside::is_outside;
pub use roots::trusted;
pub use rustls::RootCertStore;

/// Connections that nobody has used for so long are closed, and so many are kept for a host.
const IDLE: Duration = Duration::from_secs(30);
const IDLE_MAX: usize = 4;
/// A connection must stand by then, or another address is tried.
const CONNECT: Duration = Duration::from_secs(5);
/// An HTTP/2 connection whose other end has gone without a word is found out by questions in between.
const PING: Duration = Duration::from_secs(20);
/// Bytes of an answer that are read; what a longer one says beyond is left unread.
const ANSWER_MAX: usize = 64 * 1024;

/// Whom a client asks, and as whom.
pub struct Setup {
    pub roots: RootCertStore,
    /// What it shows by TLS: a chain and its key.
    pub identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    pub reach: Reach,
    pub speaks: Speaks,
}

/// Which addresses are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those that the operator names: any.
    Any,
    /// Those that strangers name: none of this machine's, none of private networks, none that means something special. The address that
    /// was judged is the one that is connected to. Neighbours that have addresses of the Internet are not known as such: a firewall or a
    /// route keeps them.
    Outside,
}

/// Which HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// As the other end likes.
    Either,
    /// HTTP/2, so that one connection does for everything.
    Two,
}

#[derive(Debug)]
pub struct Http {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    reach: Reach,
}

/// What was answered.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no answer in {} ms", .0.as_millis())]
    Late(Duration),
    /// [`Reach::Outside`].
    #[error("an internal address")]
    Internal,
    #[error("{0}")]
    Broken(String),
    /// Authorities that cannot be read.
    #[error("{0}")]
    Roots(String),
}

impl Http {
    pub fn new(setup: Setup) -> Result<Http, Error> {
        let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(broken)?
            .with_root_certificates(setup.roots);
        let config = match setup.identity {
            Some((chain, key)) => config.with_client_auth_cert(chain, key).map_err(broken)?,
            None => config.with_no_client_auth(),
        };
        let mut plain = HttpConnector::new_with_resolver(Resolver::new(setup.reach));
        plain.enforce_http(false);
        plain.set_nodelay(true);
        plain.set_connect_timeout(Some(CONNECT));
        let connector = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config).https_or_http();
        let connector = match setup.speaks {
            Speaks::Either => connector.enable_http1().enable_http2().wrap_connector(plain),
            Speaks::Two => connector.enable_http2().wrap_connector(plain),
        };
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .http2_only(setup.speaks == Speaks::Two)
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PING)
            .build(connector);
        Ok(Http { client, reach: setup.reach })
    }

    /// Posts; what is answered within `patience`. The type of the content is among the headers. A success is one by its status, whatever
    /// becomes of the body behind it: who has taken something is not asked to take it again.
    pub async fn post(
        &self,
        url: &Uri,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
        patience: Duration,
    ) -> Result<Reply, Error> {
        // A name is judged when it is resolved, an address is not resolved.
        if self.reach == Reach::Outside && outside::is_internal_literal(url) {
            return Err(Error::Internal);
        }
        let mut request = Request::post(url.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(broken)?;
        let late = |_| Error::Late(patience);
        let asked = Instant::now();
        let answer = tokio::time::timeout(patience, self.client.request(request)).await.map_err(late)?;
        let (head, body) = answer.map_err(broken)?.into_parts();
        // Half of what is left: a success is told before anybody's patience is over.
        let left = patience.saturating_sub(asked.elapsed()) / 2;
        let body = match tokio::time::timeout(left, beginning(body)).await.map_err(late).flatten() {
            Err(_) if head.status.is_success() => Bytes::new(),
            body => body?,
        };
        Ok(Reply { status: head.status, headers: head.headers, body })
    }
}

/// So much of a body as is read.
async fn beginning(mut body: Incoming) -> Result<Bytes, Error> {
    let mut read = BytesMut::new();
    while read.len() < ANSWER_MAX
        && let Some(frame) = body.frame().await
    {
        if let Ok(data) = frame.map_err(broken)?.into_data() {
            let room = ANSWER_MAX - read.len();
            read.extend_from_slice(data.get(..room).unwrap_or(&data));
        }
    }
    Ok(read.freeze())
}

/// The innermost cause says most.
fn broken(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let why = why.into();
    let mut cause: &dyn std::error::Error = &*why;
    while let Some(source) = cause.source() {
        cause = source;
    }
    // An I/O error keeps its cause for itself.
    let kept = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match kept.is_some_and(|kept| kept.is::<outside::Internal>()) {
        true => Error::Internal,
        false => Error::Broken(cause.to_string()),
    }
}
