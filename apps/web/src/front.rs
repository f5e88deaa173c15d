//! The running front: its listeners, from the bound port to the last connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chat::door::Certificate;
use listen::{Arrival, Bound, Closing, Doorman, Listen, Serve};
use tokio::sync::Notify;

use crate::connection;
use crate::route::Routes;

/// Listeners, and the connections that came by them.
pub struct Front {
    shared: Arc<Shared>,
    bound: Bound,
}

/// What all connections of a front know.
pub(crate) struct Shared {
    pub(crate) routes: Routes,
    pub(crate) doorman: Arc<Doorman>,
    /// The list of revoked certificates has changed.
    revoked: Notify,
    open: AtomicUsize,
    closing: Closing,
}

/// Why a socket has to be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    Revoked,
    ShuttingDown,
}

/// A connection's place among all; dropped with it.
pub(crate) struct Seat(Arc<Shared>);

impl Front {
    /// Takes the ports; nothing is served before [`Front::serve`].
    ///
    /// # Errors
    /// A port that cannot be had, by name.
    pub fn bind(doorman: Arc<Doorman>, listens: Vec<Listen>, routes: Routes) -> Result<Front, listen::Error> {
        let (revoked, open, closing) = (Notify::new(), AtomicUsize::new(0), Closing::default());
        let shared = Shared { routes, doorman, revoked, open, closing };
        Ok(Front { shared: Arc::new(shared), bound: Bound::take(listens)? })
    }

    /// Where it listens, in the order asked for; port 0 has become the real one.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.bound.addresses()
    }

    /// Begins to accept.
    pub fn serve(&self) {
        self.bound.serve(&self.shared.doorman, &self.shared);
    }

    /// SEC-2: closes the sockets whose certificate has been revoked.
    pub fn end_revoked(&self) {
        self.shared.revoked.notify_waiters();
    }

    /// Accepted connections.
    pub fn connections(&self) -> usize {
        self.shared.open.load(Ordering::Acquire)
    }

    /// Accepts no more, lets requests be answered and closes, for at most `within`.
    pub async fn shutdown(&self, within: Duration) {
        self.shared.closing.begin();
        self.shared.closing.emptied(|| self.connections(), within).await;
    }
}

impl Shared {
    pub(crate) fn seat(self: &Arc<Shared>) -> Seat {
        self.open.fetch_add(1, Ordering::AcqRel);
        Seat(self.clone())
    }

    /// Ready when a socket has to be left, and why.
    pub(crate) async fn leave(&self, certificate: Option<&Certificate>) -> Leave {
        let mut stopped = std::pin::pin!(self.stopped());
        loop {
            let told = self.revoked.notified();
            if certificate.is_some_and(|certificate| self.doorman.is_over(certificate)) {
                return Leave::Revoked;
            }
            tokio::select! {
                () = stopped.as_mut() => return Leave::ShuttingDown,
                () = told => {}
            }
        }
    }
}

impl Serve for Shared {
    fn serve(self: Arc<Shared>, arrival: Arrival) -> impl Future<Output = ()> + 'static {
        connection::serve(arrival, self)
    }

    async fn stopped(&self) {
        self.closing.begun().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.closing.is_empty_now();
        }
    }
}
