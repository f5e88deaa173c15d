//! Accepting connections: one loop for each listener, the TLS handshake, and the certificate that it proves.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::gate::Ticket;
use crate::{Arrival, Reception, Serve, Stream, TlsNow};

/// After an error of accepting (too many open files): it does not go away at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections and hands them to the ring threads, one after the other, until who serves them stops.
pub(crate) async fn run<S: Serve>(listener: std::net::TcpListener, tls: Option<TlsNow>, reception: Reception<S>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(failure) => return tracing::error!(%failure, "a listener is lost"),
    };
    let mut stopped = pin!(reception.server.stopped());
    loop {
        tokio::select! {
            biased;
            () = stopped.as_mut() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => hand_over(stream, from, &tls, &reception),
                Err(failure) => {
                    tracing::warn!(%failure, "cannot accept connections");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
}

fn hand_over<S: Serve>(stream: TcpStream, from: SocketAddr, tls: &Option<TlsNow>, reception: &Reception<S>) {
    let Some(ticket) = reception.doorman.gate.admit(from.ip(), Instant::now()) else {
        return;
    };
    // Its readiness belongs to this thread's reactor; it is registered anew where it will live.
    let Ok(stream) = stream.into_std() else {
        return;
    };
    let tls = tls.clone();
    reception.spawn(move |reception| serve(stream, from, tls, reception, ticket));
}

async fn serve<S: Serve>(
    stream: std::net::TcpStream,
    from: SocketAddr,
    tls: Option<TlsNow>,
    reception: Reception<S>,
    ticket: Ticket,
) {
    let Ok(stream) = registered(stream) else {
        return;
    };
    let doorman = reception.doorman;
    let arrival = match tls {
        None => Arrival { stream: Stream::Plain(stream), from, certificate: None, ticket },
        Some(tls) => {
            let handshake = TlsAcceptor::from(tls()).accept(stream);
            let Ok(Ok(stream)) = tokio::time::timeout(doorman.patience, handshake).await else {
                return;
            };
            let certificate = doorman.known(stream.get_ref().1.peer_certificates().and_then(<[_]>::first));
            Arrival { stream: Stream::Tls(Box::new(stream)), from, certificate, ticket }
        }
    };
    reception.server.serve(arrival).await;
}

fn registered(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    let stream = TcpStream::from_std(stream)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
