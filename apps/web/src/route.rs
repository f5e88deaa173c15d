//! Who answers which path, and what he is told of who asks.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chat::door::{Certificate, Source};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, Request, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;
use listen::Ticket;
use tokio::time::{Instant, sleep_until, timeout_at};
use websocket::{Followed, Role};

use crate::front::{Leave, Shared};
use crate::reply::{Reply, status, whole};
use crate::websocket::{self as handshake, Origins, Socket};

/// A body has to be there in this time.
const BODY: Duration = Duration::from_secs(30);
/// Bytes of a refused request that are listened to, and for how long its peer may go on.
const HEARD_MAX: u64 = 2 << 20;
const HEARD_TIME: Duration = Duration::from_secs(2);

/// Who asks: the connection that a request came by.
pub struct Peer {
    /// Its address; never to be kept or logged (SEC-10).
    pub address: IpAddr,
    /// What limits count by; nothing for loopback.
    pub source: Option<Source>,
    /// What the TLS handshake has proved (ID-9).
    pub certificate: Option<Arc<Certificate>>,
    /// It came by TLS.
    pub secure: bool,
    ticket: Mutex<Option<Ticket>>,
}

impl Peer {
    pub(crate) fn new(address: IpAddr, certificate: Option<Arc<Certificate>>, secure: bool, ticket: Ticket) -> Peer {
        let source = ticket.source();
        Peer { address, source, certificate, secure, ticket: Mutex::new(Some(ticket)) }
    }

    /// Who it is has been proved: it is no longer counted among the strangers.
    pub fn known(&self) {
        drop(self.ticket());
    }

    /// Its place among the strangers: whoever learns who it is drops it.
    pub fn ticket(&self) -> Option<Ticket> {
        self.ticket.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// One request, read whole.
pub struct Asked {
    pub method: Method,
    /// As sent, percent signs and all: `asked.uri.path()`, `asked.uri.query()`.
    pub uri: Uri,
    pub headers: HeaderMap,
    /// At most what the route takes.
    pub body: Bytes,
    pub peer: Arc<Peer>,
}

/// One request whose body is still to come.
pub struct Arriving {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Coming,
    pub peer: Arc<Peer>,
}

/// A body, taken as fast as whoever reads it wants it. It is for him to bound how much and how long.
pub struct Coming(Incoming);

impl Coming {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The connection is gone, or what comes is no body.
    pub async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        loop {
            match self.0.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        return Ok(Some(data));
                    }
                }
                Some(Err(broken)) => return Err(std::io::Error::other(broken)),
                None => return Ok(None),
            }
        }
    }

    /// Many a client misses an answer that comes before it has said all: what is refused is heard out, if it is short. What is longer is
    /// answered at once and not broken off for a while: the reset that ends a stream of HTTP/2 (RFC 9113 section 8.1) takes the answer
    /// with it at some, and who finds no room to go on reads it.
    pub async fn hear_out(mut self) {
        let until = Instant::now() + HEARD_TIME;
        if self.length().is_some_and(|length| length > HEARD_MAX) || self.hear(until).await {
            actix_rt::spawn(async move {
                if self.hear(until).await {
                    sleep_until(until).await;
                }
            });
        }
    }

    /// Whether it would go on beyond what is listened to.
    async fn hear(&mut self, until: Instant) -> bool {
        let mut left = HEARD_MAX;
        while let Ok(Ok(Some(data))) = timeout_at(until, self.next()).await {
            left = left.saturating_sub(data.len() as u64);
            if left == 0 {
                return true;
            }
        }
        false
    }

    /// How many bytes are to come, where the peer has said so.
    pub fn length(&self) -> Option<u64> {
        hyper::body::Body::size_hint(&self.0).exact()
    }
}

/// A WebSocket that has been opened.
pub struct Joined {
    pub socket: Socket,
    pub uri: Uri,
    pub peer: Arc<Peer>,
    /// Ready when it has to be left.
    pub leave: Pin<Box<dyn Future<Output = Leave>>>,
}

type Answer = Pin<Box<dyn Future<Output = Reply>>>;
/// Who answers, and what is done with the body before.
enum Handler {
    /// It is read, up to so many bytes.
    Whole(usize, Box<dyn Fn(Asked) -> Answer + Send + Sync>),
    Streamed(Box<dyn Fn(Arriving) -> Answer + Send + Sync>),
}
type Talk = Arc<dyn Fn(Joined) -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync>;

/// The table of routes; it is complete before the first request.
#[derive(Default)]
pub struct Routes {
    routes: Vec<Route>,
    doors: Vec<Door>,
    origins: Origins,
}

/// Where a WebSocket may be opened.
struct Door {
    path: &'static str,
    /// The sub-protocol that the client has to offer; without one, whatever it offers is passed over.
    protocol: Option<&'static str>,
    message_max: usize,
    talk: Talk,
}

struct Route {
    method: Method,
    path: &'static str,
    handler: Handler,
}

impl Routes {
    pub fn new(origins: Origins) -> Routes {
        Routes { origins, ..Routes::default() }
    }

    /// Answers GET, and HEAD with it. A path that ends with `/` (but the root) stands for all below it.
    pub fn get<A>(&mut self, path: &'static str, handler: impl Fn(Asked) -> A + Send + Sync + 'static)
    where
        A: Future<Output = Reply> + 'static,
    {
        self.on(Method::GET, path, 0, handler);
    }

    /// Answers a request with a body of at most `body_max` bytes.
    pub fn post<A>(&mut self, path: &'static str, body_max: usize, handler: impl Fn(Asked) -> A + Send + Sync + 'static)
    where
        A: Future<Output = Reply> + 'static,
    {
        self.on(Method::POST, path, body_max, handler);
    }

    /// The same for any method. The handler runs on a ring thread: what takes more than a millisecond belongs elsewhere.
    pub fn on<A>(
        &mut self,
        method: Method,
        path: &'static str,
        body_max: usize,
        handler: impl Fn(Asked) -> A + Send + Sync + 'static,
    ) where
        A: Future<Output = Reply> + 'static,
    {
        let handler = Handler::Whole(body_max, Box::new(move |asked| Box::pin(handler(asked))));
        self.routes.push(Route { method, path, handler });
    }

    /// The same where the handler takes the body itself, as it comes.
    pub fn stream<A>(
        &mut self,
        method: Method,
        path: &'static str,
        handler: impl Fn(Arriving) -> A + Send + Sync + 'static,
    ) where
        A: Future<Output = Reply> + 'static,
    {
        let handler = Handler::Streamed(Box::new(move |arriving| Box::pin(handler(arriving))));
        self.routes.push(Route { method, path, handler });
    }

    /// Opens a WebSocket for a client that offers `protocol`, or for any where there is none; the first that fits counts. Messages
    /// have at most `message_max` bytes.
    pub fn socket<T>(
        &mut self,
        path: &'static str,
        protocol: Option<&'static str>,
        message_max: usize,
        talk: impl Fn(Joined) -> T + Send + Sync + 'static,
    ) where
        T: Future<Output = ()> + 'static,
    {
        let talk: Talk = Arc::new(move |joined| Box::pin(talk(joined)));
        self.doors.push(Door { path, protocol, message_max, talk });
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>, peer: Arc<Peer>, shared: &Arc<Shared>) -> Reply {
        if peer.certificate.as_ref().is_some_and(|certificate| shared.doorman.is_over(certificate)) {
            return status(StatusCode::FORBIDDEN);
        }
        match Asks::of(&request) {
            Asks::Nobody => {
                Coming(request.into_body()).hear_out().await;
                return status(StatusCode::BAD_REQUEST);
            }
            Asks::Socket => return self.join(request, peer, shared),
            Asks::Route => {}
        }
        let head = request.method() == Method::HEAD;
        let mut reply = match self.find(request.method(), request.uri().path()) {
            Ok(route) => route.answer(request, peer).await,
            Err(refused) => {
                Coming(request.into_body()).hear_out().await;
                *refused
            }
        };
        if head {
            let length = hyper::body::Body::size_hint(reply.body()).exact();
            *reply.body_mut() = whole(Bytes::new());
            reply.headers_mut().extend(length.map(|length| (CONTENT_LENGTH, HeaderValue::from(length))));
        }
        let headers = reply.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        reply
    }

    /// Which door is opened, if any, and what is said.
    fn door(&self, path: &str, headers: &HeaderMap) -> (Option<&Door>, Reply) {
        let mut doors = self.doors.iter().filter(|door| covers(door.path, path)).peekable();
        if doors.peek().is_none() {
            return (None, status(StatusCode::NOT_FOUND));
        }
        let Some(door) = doors.find(|door| door.protocol.is_none_or(|name| handshake::offers(headers, name))) else {
            return (None, status(StatusCode::BAD_REQUEST));
        };
        let (opened, reply) = handshake::handshake(headers, &self.origins, door.protocol);
        (opened.then_some(door), reply)
    }

    /// The socket's task begins when the answer has left.
    fn join(&self, mut request: Request<Incoming>, peer: Arc<Peer>, shared: &Arc<Shared>) -> Reply {
        let (door, reply) = self.door(request.uri().path(), request.headers());
        if let Some(door) = door {
            let upgrade = hyper::upgrade::on(&mut request);
            let (talk, message_max, uri) = (door.talk.clone(), door.message_max, request.uri().clone());
            let (seat, shared) = (shared.seat(), shared.clone());
            actix_rt::spawn(async move {
                if let Ok(upgraded) = upgrade.await {
                    let stream = Followed::new(TokioIo::new(upgraded));
                    let socket = websocket::socket(stream, Role::Server, message_max).await;
                    let certificate = peer.certificate.clone();
                    let leave = Box::pin(async move { shared.leave(certificate.as_deref()).await });
                    talk(Joined { socket, uri, peer, leave }).await;
                }
                drop(seat);
            });
        }
        reply
    }

    fn find(&self, method: &Method, path: &str) -> Result<&Route, Box<Reply>> {
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let there: Vec<&Route> = self.routes.iter().filter(|route| covers(route.path, path)).collect();
        if let Some(route) = there.iter().find(|route| route.method == *wanted) {
            return Ok(route);
        }
        if there.is_empty() {
            return Err(Box::new(status(StatusCode::NOT_FOUND)));
        }
        let methods: Vec<&str> = there.iter().map(|route| route.method.as_str()).collect();
        let mut refused = status(StatusCode::METHOD_NOT_ALLOWED);
        refused.headers_mut().extend(HeaderValue::from_str(&methods.join(", ")).map(|allowed| (ALLOW, allowed)));
        Err(Box::new(refused))
    }
}

/// What a request is, before its path is looked at.
enum Asks {
    /// It does not say whom it asks.
    Nobody,
    /// To become a WebSocket. HTTP/1.0 has no upgrades (RFC 9110 section 7.8).
    Socket,
    Route,
}

impl Asks {
    fn of<B>(request: &Request<B>) -> Asks {
        let (is_new, headers) = (request.version() == Version::HTTP_11, request.headers());
        match () {
            () if is_new && !names_a_host(headers) => Asks::Nobody,
            () if is_new && request.method() == Method::GET && handshake::is_asked(headers) => Asks::Socket,
            () => Asks::Route,
        }
    }
}

/// HTTP/1.1 names the host that it asks, once (RFC 9112 section 3.2): a proxy in front may have taken the request for another's.
fn names_a_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    // Who asks for what has no authority says an empty one.
    host.is_empty() || (!host.as_bytes().contains(&b'@') && Authority::try_from(host.as_bytes()).is_ok())
}

/// How the head of a request is answered where nothing but sockets is there, and whether one is opened: the check of the fuzz target.
#[cfg(any(test, feature = "hostile"))]
pub(crate) fn head_alone<B>(routes: &Routes, request: &Request<B>) -> (bool, Reply) {
    match Asks::of(request) {
        Asks::Nobody => (false, status(StatusCode::BAD_REQUEST)),
        Asks::Route => (false, status(StatusCode::NOT_FOUND)),
        Asks::Socket => {
            let (door, reply) = routes.door(request.uri().path(), request.headers());
            (door.is_some(), reply)
        }
    }
}

/// A path that ends with `/` (but the root) stands for all below it.
fn covers(pattern: &str, path: &str) -> bool {
    path == pattern || (pattern.len() > 1 && pattern.ends_with('/') && path.starts_with(pattern))
}

impl Route {
    async fn answer(&self, request: Request<Incoming>, peer: Arc<Peer>) -> Reply {
        let (parts, mut body) = request.into_parts();
        let (method, uri, headers) = (parts.method, parts.uri, parts.headers);
        match &self.handler {
            Handler::Whole(body_max, handler) => match read(&headers, &mut body, *body_max).await {
                Ok(body) => handler(Asked { method, uri, headers, body, peer }).await,
                Err(refused) => {
                    // A stream of HTTP/2 that is reset while its body comes takes the answer with it at some clients; HTTP/1.1 closes.
                    if parts.version == Version::HTTP_2 {
                        Coming(body).hear_out().await;
                    }
                    status(refused)
                }
            },
            Handler::Streamed(handler) => handler(Arriving { method, uri, headers, body: Coming(body), peer }).await,
        }
    }
}

/// What is too long by its own word is not read at all.
async fn read(headers: &HeaderMap, body: &mut Incoming, max: usize) -> Result<Bytes, StatusCode> {
    let said = number(headers, &CONTENT_LENGTH);
    if said.is_some_and(|said| said > max) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let read = tokio::time::timeout(BODY, Limited::new(body, max).collect()).await;
    match read.map_err(|_| StatusCode::REQUEST_TIMEOUT)? {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(why) if why.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::BAD_REQUEST),
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<usize> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
