//! The running front: its listeners, from the bound port to the last connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use listen::{Arrival, Bound, Doorman, Listen, Serve};
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
    open: AtomicUsize,
    stopping: AtomicBool,
    stop: Notify,
    empty: Notify,
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
