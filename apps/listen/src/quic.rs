//! The same for QUIC: one loop reads a port for all its connections, each of which lives on a ring thread.
//!
//! The loop has a thread to itself. What a port's socket holds is what a few hundred clients say in some milliseconds; on a ring thread it
//! would be read when other work leaves time, and lost before.

use std::net::UdpSocket;
use std::pin::pin;
use std::time::{Duration, Instant};

use quic::{Knock, Listener, RESETS_BYTES};
use zeroize::Zeroizing;

use crate::gate::Ticket;
use crate::{Arrival, Reception, Serve, Stream, TlsNow};

/// Who is silent for so long has gone, whatever he has agreed on with the protocol above: MQTT looks after one and a half times the
/// longest keep-alive.
const SILENCE: Duration = Duration::from_millis(*proto::limits::KEEP_ALIVE_S.end() as u64 * 1500 + 10_000);

/// How a port is answered.
pub(crate) struct Port {
    pub(crate) tls: TlsNow,
    pub(crate) resets: Zeroizing<[u8; RESETS_BYTES]>,
}

/// Begins to read `socket`.
pub(crate) fn begin<S: Serve>(socket: UdpSocket, port: Port, reception: Reception<S>) {
    let read = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(socket, port, reception)),
        Err(failure) => tracing::error!(%failure, "a listener is lost"),
    };
    if let Err(failure) = std::thread::Builder::new().name("quic".into()).spawn(read) {
        tracing::error!(%failure, "a listener is lost");
    }
}

/// Takes connections and hands them to the ring threads, one after the other, until who serves them stops.
async fn run<S: Serve>(socket: UdpSocket, port: Port, reception: Reception<S>) {
    let listener = match Listener::open(socket, (port.tls)(), SILENCE, &port.resets) {
        Ok(listener) => listener,
        Err(failure) => return tracing::error!(%failure, "a listener is lost"),
    };
    let mut stopped = pin!(reception.server.stopped());
    loop {
        tokio::select! {
            biased;
            () = stopped.as_mut() => return listener.close().await,
            knock = listener.knock() => match knock {
                Some(knock) => hand_over(knock, &port.tls, &reception),
                None => return tracing::error!("a listener is lost"),
            },
        }
    }
}

fn hand_over<S: Serve>(knock: Knock, tls: &TlsNow, reception: &Reception<S>) {
    // Anybody can write another's address on a letter: it counts when it has been proved.
    let ticket = match knock.is_proven() {
        false => None,
        true => match reception.doorman.gate.admit(knock.from().ip(), Instant::now()) {
            Some(ticket) => Some(ticket),
            None => return knock.ignore(),
        },
    };
    let tls = tls.clone();
    reception.spawn(move |reception| serve(knock, tls, reception, ticket));
}

async fn serve<S: Serve>(knock: Knock, tls: TlsNow, reception: Reception<S>, ticket: Option<Ticket>) {
    let (from, doorman) = (knock.from(), reception.doorman);
    let Ok(Ok(stream)) = tokio::time::timeout(doorman.patience, knock.answer(tls())).await else {
        return;
    };
    let Some(ticket) = ticket.or_else(|| doorman.gate.admit(from.ip(), Instant::now())) else {
        return;
    };
    let certificate = doorman.known(stream.certificate().as_ref());
    reception.server.serve(Arrival { stream: Stream::Quic(Box::new(stream)), from, certificate, ticket }).await;
}
