//! Requests to servers of others: one HTTP client for all of them, over the one TLS stack, each request bounded in time and size.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::failure::Failure;

/// A request that has not been answered in this time has failed; callers of the chat wait five seconds in all.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Connections that nobody has used for so long are closed, and so many are kept for a host.
const IDLE: Duration = Duration::from_secs(30);
const IDLE_MAX: usize = 4;
/// Bytes of an answer that are read; a longer one is a failure.
const ANSWER_MAX: usize = 64 * 1024;

pub(crate) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("no answer in {} ms", ATTEMPT.as_millis())]
    Late,
    #[error("{0}")]
    Broken(String),
}

impl Http {
    /// `roots`: a file of the authorities to trust, PEM; empty: those of the system.
    pub(crate) fn new(roots: &str) -> Result<Http, Failure> {
        let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(Failure::tls)?
            .with_root_certificates(trusted(roots)?)
            .with_no_client_auth();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        Ok(Http { client })
    }

    /// Posts JSON; the status and body of the answer.
    pub(crate) async fn post(
        &self,
        url: &Uri,
        headers: &[(HeaderName, HeaderValue)],
        json: Bytes,
    ) -> Result<(StatusCode, Bytes), HttpError> {
        let mut request = Request::post(url.clone()).header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(json)).map_err(broken)?;
        let exchange = async {
            let answer = self.client.request(request).await.map_err(broken)?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
            Ok((status, body.map_err(broken)?.to_bytes()))
        };
        tokio::time::timeout(ATTEMPT, exchange).await.unwrap_or(Err(HttpError::Late))
    }
}

/// The innermost cause says most.
fn broken(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HttpError {
    let why = why.into();
    let mut cause: &dyn std::error::Error = &*why;
    while let Some(source) = cause.source() {
        cause = source;
    }
    HttpError::Broken(cause.to_string())
}

fn trusted(roots: &str) -> Result<RootCertStore, Failure> {
    let mut store = RootCertStore::empty();
    if roots.is_empty() {
        let found = rustls_native_certs::load_native_certs();
        // What the system has and cannot be read is the system's affair; without any, TLS to others fails and says so.
        store.add_parsable_certificates(found.certs);
        return Ok(store);
    }
    let unreadable = |why: rustls::pki_types::pem::Error| Failure::Refused(format!("http.roots: {roots}: {why}"));
    for certificate in CertificateDer::pem_file_iter(roots).map_err(unreadable)? {
        store.add(certificate.map_err(unreadable)?).map_err(Failure::tls)?;
    }
    match store.is_empty() {
        true => Err(Failure::Refused(format!("http.roots: {roots} has no certificate"))),
        false => Ok(store),
    }
}
