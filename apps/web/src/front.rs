//! The running front: its listeners, from the bound port to the last connection.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chat::door::Certificate;
use listen::{Arrival, Bound, Doorman, IsRevoked, Listen, Serve};
use tokio::sync::Notify;

use crate::connection;
use crate::route::Routes;

/// Listeners, and the connections that came by them.
pub struct Front {
    doorman: Arc<Doorman>,
    shared: Arc<Shared>,
    bound: Bound,
}

/// What all connections of a front know.
pub(crate) struct Shared {
    pub(crate) routes: Routes,
    /// Set before anything is served.
    is_revoked: OnceLock<IsRevoked>,
    /// The list of revoked certificates has changed.
    revoked: Notify,
    open: AtomicUsize,
    stopping: AtomicBool,
    stop: Notify,
    empty: Notify,
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
        let shared = Shared {
            routes,
            is_revoked: OnceLock::new(),
            revoked: Notify::new(),
            open: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            stop: Notify::new(),
            empty: Notify::new(),
        };
        Ok(Front { doorman, shared: Arc::new(shared), bound: Bound::take(listens)? })
    }

    /// Where it listens, in the order asked for; port 0 has become the real one.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.bound.addresses()
    }

    /// Begins to accept.
    pub fn serve(&self) {
        self.bound.serve(&self.doorman, &self.shared);
    }

    /// SEC-2: from now on certificates are asked about at each request, and of open sockets at [`Front::end_revoked`]. A second call
    /// does nothing.
    pub fn watch(&self, is_revoked: IsRevoked) {
        // The first one stays.
        let _ = self.shared.is_revoked.set(is_revoked);
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
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.stop.notify_waiters();
        let gone = async {
            loop {
                let told = self.shared.empty.notified();
                if self.connections() == 0 {
                    return;
                }
                told.await;
            }
        };
        let _ = tokio::time::timeout(within, gone).await;
    }
}

impl Shared {
    pub(crate) fn seat(self: &Arc<Shared>) -> Seat {
        self.open.fetch_add(1, Ordering::AcqRel);
        Seat(self.clone())
    }

    /// A resumed TLS session has not had its certificate looked at, so it is here, whoever asks (SEC-2).
    pub(crate) fn is_over(&self, certificate: &Certificate) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u128::from(certificate.not_after) <= now.as_millis()
            || self.is_revoked.get().is_some_and(|is_revoked| is_revoked(certificate.print))
    }

    /// Ready when a socket has to be left, and why.
    pub(crate) async fn leave(&self, certificate: Option<&Certificate>) -> Leave {
        let mut stopped = std::pin::pin!(self.stopped());
        loop {
            let told = self.revoked.notified();
            if certificate.is_some_and(|certificate| self.is_over(certificate)) {
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
        let told = self.stop.notified();
        if !self.stopping.load(Ordering::Acquire) {
            told.await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.empty.notify_waiters();
        }
    }
}
