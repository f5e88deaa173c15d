//! What is answered.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

/// The body of an answer; one that comes in parts is boxed by its handler.
pub type Body = UnsyncBoxBody<Bytes, std::io::Error>;
pub type Reply = Response<Body>;

/// An answer of one piece.
pub fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(whole(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// Plain text, 200.
pub fn text(body: impl Into<Bytes>) -> Reply {
    reply(StatusCode::OK, "text/plain; charset=utf-8", body)
}

/// A status that says all: its own words are the body.
pub fn status(status: StatusCode) -> Reply {
    let words = format!("{} {}\n", status.as_str(), status.canonical_reason().unwrap_or_default());
    reply(status, "text/plain; charset=utf-8", words)
}

pub(crate) fn whole(body: Bytes) -> Body {
    use http_body_util::BodyExt;
    UnsyncBoxBody::new(Full::new(body).map_err(|never: Infallible| match never {}))
}
