//! Accepting connections: one loop for each listener, the TLS handshake, and the certificate that it proves.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::Kind;
use crate::admit::Ticket;
use crate::connection;
use crate::shared::Shared;

/// After an error of accepting (too many open files): it does not go away at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections and hands them to the ring threads, one after the other, until the front stops.
pub(crate) async fn run(listener: std::net::TcpListener, kind: Kind, shared: Arc<Shared>, next: Arc<AtomicUsize>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(failure) => return tracing::error!(%failure, "a listener is lost"),
    };
    while !shared.is_stopping() {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => hand_over(stream, from, &kind, &shared, &next),
                Err(failure) => {
                    tracing::warn!(%failure, "cannot accept connections");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            () = shared.stopped() => return,
        }
    }
}

fn hand_over(stream: TcpStream, from: SocketAddr, kind: &Kind, shared: &Arc<Shared>, next: &AtomicUsize) {
    let Some(ticket) = shared.gate.admit(from.ip(), Instant::now()) else {
        return;
    };
    // Its readiness belongs to this thread's reactor; it is registered anew where it will live.
    let Ok(stream) = stream.into_std() else {
        return;
    };
    let thread = next.fetch_add(1, Ordering::Relaxed) % shared.handle.threads().max(1);
    let (kind, own) = (kind.clone(), shared.clone());
    shared.handle.spawn_with(thread, move || serve(stream, kind, own, ticket));
}

async fn serve(stream: std::net::TcpStream, kind: Kind, shared: Arc<Shared>, ticket: Ticket) {
    let Ok(stream) = registered(stream) else {
        return;
    };
    match kind {
        Kind::Tcp => connection::serve(stream, shared, None, ticket).await,
        Kind::Tls(config) => {
            let handshake = TlsAcceptor::from(config()).accept(stream);
            let Ok(Ok(stream)) = tokio::time::timeout(shared.settings.connect_timeout, handshake).await else {
                return;
            };
            let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let certificate = leaf.and_then(|leaf| (shared.identify)(leaf)).map(Arc::new);
            connection::serve(stream, shared, certificate, ticket).await;
        }
    }
}

fn registered(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    let stream = TcpStream::from_std(stream)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
