//! The running front: its listeners, from the bound port to the last connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat::door::Certificate;
use listen::{Bound, Doorman, Listen, Ticket};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connection;
use crate::settings::Settings;
use crate::shared::Shared;

/// How often expired sessions and due wills are looked for, and listeners to what the server says of itself.
const SWEEP: Duration = Duration::from_millis(250);

/// Why a front cannot be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Listen(#[from] listen::Error),
    #[error("free topics: {0}")]
    Store(#[from] kvs::Error),
}

/// Listeners, and the connections that came by them.
pub struct Front {
    shared: Arc<Shared>,
    bound: Bound,
}

impl Front {
    /// Takes the ports; nothing is served before [`Front::serve`].
    ///
    /// # Errors
    /// A port that cannot be had, by name; what is kept of free topics and cannot be read.
    pub fn bind(doorman: Arc<Doorman>, listens: Vec<Listen>, settings: Settings) -> Result<Front, Error> {
        let bound = Bound::take(listens)?;
        Ok(Front { shared: Shared::new(doorman, settings)?, bound })
    }

    /// Where it listens, in the order asked for; port 0 has become the real one.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.bound.addresses()
    }

    /// Begins to accept.
    pub fn serve(&self) {
        self.bound.serve(&self.shared.doorman, &self.shared);
        self.shared.doorman.handle.spawn(0, sweep(self.shared.clone()));
    }

    /// SEC-2: closes the connections whose certificate has been revoked (5.0: 0x98).
    pub fn end_revoked(&self) {
        self.shared.end_revoked();
    }

    /// Serves MQTT on a stream that others have opened, on the ring thread that this is called on. Returns when CONNECT is accepted or
    /// refused; accepted, a task of its own goes on.
    pub async fn carry(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        certificate: Option<Arc<Certificate>>,
        ticket: Ticket,
    ) {
        connection::serve(stream, self.shared.clone(), certificate, ticket).await;
    }

    /// Accepted connections.
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// Accepts no more, tells every client (5.0: 0x8B) and closes, for at most `within`.
    pub async fn shutdown(&self, within: Duration) {
        self.shared.stop();
        self.shared.closing.emptied(|| self.connections(), within).await;
        self.shared.broker.close();
    }
}

async fn sweep(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(SWEEP);
    while !shared.closing.has_begun() {
        tick.tick().await;
        let now = Instant::now();
        shared.broker.sweep(now);
        if shared.broker.has_listeners() {
            shared.tell_status(now);
        }
    }
}
