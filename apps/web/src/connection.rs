//! One connection: HTTP/1.1, or HTTP/2 where TLS has agreed on it, with bounds on what it may cost.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use listen::{Arrival, Serve, Stream};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::front::Shared;
use crate::reply::{Body, Reply};
use crate::route::Peer;
use crate::stall::Stalling;

/// Bytes of the head of a request, and of what is read ahead.
pub(crate) const HEAD_MAX: usize = 16 << 10;
/// The head of a request has to be there in this time, counted from the end of the one before.
const HEAD: Duration = Duration::from_secs(10);
/// Requests that may be open at once on a connection of HTTP/2.
const STREAMS_MAX: u32 = 32;
/// Answers that wait for the peer, in bytes for each of them.
const UNSENT_MAX: usize = 64 << 10;
/// Bytes of a body that may have come before they are read; of all bodies of a connection twice as many.
const UNREAD_MAX: u32 = 512 << 10;
/// A connection of HTTP/2 without a request in this time is closed when all is answered, or when for as long nothing of it is taken.
const IDLE: Duration = Duration::from_secs(60);
/// It is asked whether it lives, and has so long to say so.
const ALIVE: Duration = Duration::from_secs(20);

const H2: &[u8] = b"h2";

pub(crate) async fn serve(arrival: Arrival, shared: Arc<Shared>) {
    let Arrival { stream, from, certificate, ticket } = arrival;
    let peer = |secure| Arc::new(Peer::new(from.ip(), certificate, secure, ticket));
    let seat = shared.seat();
    match stream {
        Stream::Plain(stream) => one(stream, peer(false), &shared).await,
        Stream::Tls(stream) => match stream.get_ref().1.alpn_protocol() == Some(H2) {
            true => two(stream, peer(true), &shared).await,
            false => one(stream, peer(true), &shared).await,
        },
        // HTTP/3 is not spoken here.
        Stream::Quic(_) => {}
    }
    drop(seat);
}

async fn one(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, peer: Arc<Peer>, shared: &Arc<Shared>) {
    let own = shared.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, peer) = (own.clone(), peer.clone());
        async move { Ok::<_, Infallible>(shared.routes.answer(request, peer, &shared).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(Stalling::new(stream)), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        // How it ended is the peer's affair.
        _ = connection.as_mut() => return,
        () = shared.stopped() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn two(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, peer: Arc<Peer>, shared: &Arc<Shared>) {
    let own = shared.clone();
    let answer = move |request: Request<Incoming>| {
        let (shared, peer) = (own.clone(), peer.clone());
        async move { shared.routes.answer(request, peer, &shared).await }
    };
    streams(stream, answer, || shared.stopped()).await;
}

/// Serves the streams of a connection. What a peer does not take, though it lives, ends with its connection when nothing else goes on there.
async fn streams<A, F>(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    answer: impl Fn(Request<Incoming>) -> A + 'static,
    stopped: impl Fn() -> F,
) where
    A: Future<Output = Reply> + 'static,
    F: Future<Output = ()>,
{
    let course = Rc::new(Course::default());
    let own = course.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        own.asked.set(own.asked.get() + 1);
        let (work, answering) = (Working::begin(&own), answer(request));
        async move {
            let reply = answering.await;
            Ok::<_, Infallible>(reply.map(|body| Watched { body, course: work.course.clone() }))
        }
    });
    let connection = http2::Builder::new(Here)
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_MAX as u32)
        .max_concurrent_streams(STREAMS_MAX)
        .max_send_buf_size(UNSENT_MAX)
        .initial_stream_window_size(UNREAD_MAX)
        .initial_connection_window_size(2 * UNREAD_MAX)
        .keep_alive_interval(ALIVE)
        .keep_alive_timeout(ALIVE)
        .serve_connection(TokioIo::new(Stalling::new(stream)), service);
    let mut connection = pin!(connection);
    let mut closing = false;
    loop {
        let (asked, moved) = (course.asked.get(), course.moved.get());
        tokio::select! {
            _ = connection.as_mut() => return,
            () = tokio::time::sleep(IDLE) => {
                if closing && course.working.get() == 0 && course.moved.get() == moved {
                    return;
                }
                if course.asked.get() > asked {
                    continue;
                }
            }
            () = stopped(), if !closing => {}
        }
        if !closing {
            // What is open is answered still.
            connection.as_mut().graceful_shutdown();
            closing = true;
        }
    }
}

/// What goes on on a connection of HTTP/2.
#[derive(Default)]
struct Course {
    /// Requests so far.
    asked: Cell<u64>,
    /// Requests that are being answered; each has bounds of its own.
    working: Cell<usize>,
    /// Pieces of answers that the peer has made room for.
    moved: Cell<u64>,
}

struct Working {
    course: Rc<Course>,
}

impl Working {
    fn begin(course: &Rc<Course>) -> Working {
        course.working.set(course.working.get() + 1);
        Working { course: course.clone() }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.course.working.set(self.course.working.get().saturating_sub(1));
    }
}

/// A body of which is known when the peer takes some of it.
struct Watched {
    body: Body,
    course: Rc<Course>,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.course.moved.set(self.course.moved.get() + 1);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Runs what HTTP/2 splits off on the connection's own thread.
#[derive(Clone, Copy)]
struct Here;

impl<F> Executor<F> for Here
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        actix_rt::spawn(async move {
            future.await;
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;

    const GOAWAY: u8 = 7;
    const PING: u8 = 6;

    /// The head of a frame and its payload.
    async fn send(to: &mut DuplexStream, kind: u8, flags: u8, stream: u8, payload: &[u8]) {
        let head = [0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream];
        // It may have gone; reading tells.
        let _ = to.write_all(&[&head[..], payload].concat()).await;
    }

    /// The kind of the next frame; what asks whether we live is told that we do.
    async fn next(from: &mut DuplexStream) -> Option<u8> {
        let mut head = [0; 9];
        from.read_exact(&mut head).await.ok()?;
        let [_, high, low, kind, flags, ..] = head;
        let mut payload = vec![0; usize::from(high) << 8 | usize::from(low)];
        from.read_exact(&mut payload).await.ok()?;
        if kind == PING && flags == 0 {
            send(from, PING, 1, 0, &payload).await;
        }
        Some(kind)
    }

    /// A peer that lives, asks, and gives no room for the answer: time is not real here.
    #[tokio::test(start_paused = true)]
    async fn con_12_who_takes_nothing_of_an_answer_is_not_waited_for_though_he_lives() {
        let (mut peer, stream) = duplex(1 << 16);
        let answer = |_| async { crate::reply::text("an answer") };
        let since = Instant::now();
        let talk = async {
            peer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("it reads");
            // SETTINGS_INITIAL_WINDOW_SIZE = 0, and GET http://…/
            send(&mut peer, 4, 0, 0, &[0, 4, 0, 0, 0, 0]).await;
            send(&mut peer, 1, 5, 1, &[0x82, 0x86, 0x84]).await;
            let mut last = 0;
            while let Some(kind) = next(&mut peer).await {
                last = if kind == PING { last } else { kind };
            }
            last
        };
        let local = tokio::task::LocalSet::new();
        let ((), last) =
            local.run_until(async { tokio::join!(streams(stream, answer, std::future::pending::<()>), talk) }).await;
        assert_eq!(last, GOAWAY);
        assert!((2 * IDLE..4 * IDLE).contains(&since.elapsed()), "{:?}", since.elapsed());
    }
}
