//! What is answered.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::Full;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, SizeHint};
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

/// A status and nothing else: no body, and no kind of one.
pub fn bare(status: StatusCode) -> Reply {
    let mut reply = Response::new(whole(Bytes::new()));
    *reply.status_mut() = status;
    reply
}

/// A status that says all: its own words are the body. Of those that have no body (204, 304) see [`bare`].
pub fn status(status: StatusCode) -> Reply {
    let words = format!("{} {}\n", status.as_str(), status.canonical_reason().unwrap_or_default());
    reply(status, "text/plain; charset=utf-8", words)
}

/// An answer whose body comes in parts, each read when the one before has left. It has `length` bytes; ends it early, the connection breaks.
pub fn parts<F>(status: StatusCode, length: u64, next: impl FnMut() -> F + Send + 'static) -> Reply
where
    F: Future<Output = std::io::Result<Bytes>> + Send + 'static,
{
    let parts = Parts { left: length, next: Box::new(next), coming: None };
    let mut reply = Response::new(UnsyncBoxBody::new(parts));
    *reply.status_mut() = status;
    reply
}

struct Parts<N, F> {
    left: u64,
    next: Box<N>,
    coming: Option<Pin<Box<F>>>,
}

impl<N, F> hyper::body::Body for Parts<N, F>
where
    N: FnMut() -> F,
    F: Future<Output = std::io::Result<Bytes>>,
{
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let Parts { left, next, coming } = &mut *self;
        if *left == 0 {
            return Poll::Ready(None);
        }
        let part = ready!(coming.get_or_insert_with(|| Box::pin(next())).as_mut().poll(cx));
        *coming = None;
        Poll::Ready(Some(part.and_then(|part| match part.len() as u64 {
            length @ 1.. if length <= *left => {
                *left -= length;
                Ok(Frame::data(part))
            }
            _ => Err(std::io::ErrorKind::UnexpectedEof.into()),
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

pub(crate) fn whole(body: Bytes) -> Body {
    use http_body_util::BodyExt;
    UnsyncBoxBody::new(Full::new(body).map_err(|never: Infallible| match never {}))
}
