//! One connection from its first byte to its last, whatever stream carries it.
//!
//! `opening` takes it to an accepted CONNECT; then a task of its own, kept small, runs it: idle connections are most of them.

mod live;
mod opening;
mod socket;

use std::sync::Arc;

use chat::door::Certificate;
use listen::Ticket;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::shared::Shared;

/// A stream of bytes that carries MQTT.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Stream for S {}

/// Serves `stream` until CONNECT is accepted or refused; accepted, a new task on this thread goes on.
pub(crate) async fn serve(
    stream: impl Stream,
    shared: Arc<Shared>,
    certificate: Option<Arc<Certificate>>,
    ticket: Ticket,
) {
    let opening = opening::open(stream, &shared, certificate, ticket.source());
    let accepted = tokio::time::timeout(shared.settings.connect_timeout, opening).await;
    drop(ticket);
    if let Ok(Some(live)) = accepted {
        actix_rt::spawn(live.run());
    }
}
