//! A client's stream of HTTP/1.1 up to the answer that opens a WebSocket.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Waker};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, StatusCode, Version};
use hyper_util::rt::TokioIo;
use websocket::MQTT;

use super::Peer;
use crate::connection::HEAD_MAX;
use crate::reply::Reply;
use crate::route::{Routes, head_alone};
use crate::websocket::Origins;

/// Polls that a stream may need whose peer is always there.
const POLLS_MAX: usize = 100_000;

/// The first byte says how the others are cut.
///
/// # Panics
/// When something does not hold: a socket is opened for nobody but who has asked for it as RFC 6455 says, nothing is said behind that, and
/// whether one is opened does not depend on how the stream is cut. How broken HTTP is refused is the library's affair.
pub fn request(input: &[u8]) {
    let Some((cut, stream)) = input.split_first() else { return };
    let whole = opening(stream, usize::MAX);
    for piece in [1, usize::from(*cut) + 2] {
        assert_eq!(opening(stream, piece), whole, "cut into {piece}");
    }
}

/// What opens a socket for a client whose stream comes in pieces of so many bytes, and ends; and all behind it.
fn opening(stream: &[u8], piece: usize) -> Option<String> {
    let peer = Peer::default();
    stream.chunks(piece.min(stream.len().max(1))).for_each(|piece| peer.says(piece));
    peer.0.borrow_mut().is_all = true;
    let mut routes = Routes::new(Origins { others: vec!["https://app.example".into()], names: Vec::new() });
    for (path, protocol) in [("/mqtt", Some(MQTT)), ("/", Some(MQTT)), ("/ws", None), ("/ws/", None)] {
        routes.socket(path, protocol, 1 << 10, |_| async {});
    }
    let is_open = Cell::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        assert!(!is_open.get(), "nothing is asked of HTTP where a socket is open");
        let (opened, reply) = head_alone(&routes, &request);
        assert_eq!(opened, reply.status() == StatusCode::SWITCHING_PROTOCOLS);
        if opened {
            check(&request, &reply);
            is_open.set(true);
        }
        async move {
            // As far as there is a body: what of it has come already would make a difference else.
            let _ = request.into_body().collect().await;
            Ok::<_, Infallible>(reply)
        }
    });
    let mut builder = http1::Builder::new();
    // Its clock is the runtime's, of which there is none here; who says no more is answered still.
    let connection = builder.header_read_timeout(None).half_close(true).auto_date_header(false).max_buf_size(HEAD_MAX);
    let mut connection = pin!(connection.serve_connection(TokioIo::new(peer.clone()), service));
    let mut cx = Context::from_waker(Waker::noop());
    let ends = (0..POLLS_MAX).any(|_| connection.as_mut().poll(&mut cx).is_ready());
    assert!(ends, "whose peer has gone is over");
    let heard = peer.0.borrow().heard.clone();
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.is_empty() || heard.starts_with("HTTP/1."), "{heard}");
    let opening = heard.find("HTTP/1.1 101").and_then(|at| heard.get(at..)).map(str::to_owned);
    assert_eq!(opening.is_some(), is_open.get(), "{heard}");
    assert!(opening.as_ref().is_none_or(|opening| opening.ends_with("\r\n\r\n")), "{heard}");
    opening
}

/// RFC 6455 section 4.2.
fn check(request: &Request<Incoming>, reply: &Reply) {
    let headers = request.headers();
    assert_eq!((request.method(), request.version()), (&Method::GET, Version::HTTP_11));
    assert!(words(headers, UPGRADE).any(|word| word == "websocket"));
    assert!(words(headers, CONNECTION).any(|word| word == "upgrade"));
    assert_eq!(headers[SEC_WEBSOCKET_VERSION], "13");
    let key = headers[SEC_WEBSOCKET_KEY].as_bytes();
    assert!(key.len() == 24 && key.ends_with(b"=="), "16 bytes");
    assert_eq!(reply.headers()[SEC_WEBSOCKET_ACCEPT], websocket::proof(key));
    let origin = headers.get(ORIGIN).map(|origin| origin.to_str().expect("a page's name").to_owned());
    let is_own = |origin: &str| origin.contains("://") && !origin.ends_with("evil.example");
    assert!(origin.is_none_or(|origin| is_own(&origin)));
}

fn words(headers: &HeaderMap, name: hyper::header::HeaderName) -> impl Iterator<Item = String> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    let words = lines.flat_map(|line| line.split(',')).map(|word| word.trim().to_ascii_lowercase());
    words.collect::<Vec<_>>().into_iter()
}
