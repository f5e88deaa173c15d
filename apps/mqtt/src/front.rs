//! The running front: its listeners, from the bound port to the last connection.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chat::Chat;
use tokio::net::TcpSocket;

use crate::settings::Settings;
use crate::shared::Shared;
use crate::{Identify, Kind, Listen, accept};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// How often expired sessions, due wills and quiet addresses are looked for.
const SWEEP: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("port {} on {}: {source}", address.port(), address.ip())]
    Bind { address: SocketAddr, source: std::io::Error },
}

/// Listeners, and the connections that came by them.
pub struct Front {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    bound: Mutex<Vec<(TcpListener, Kind)>>,
}

impl Front {
    /// Takes the ports; nothing is served before [`Front::serve`].
    ///
    /// # Errors
    /// A port that cannot be had, by name.
    pub fn bind(
        handle: n2o::Handle<Chat>,
        listens: Vec<Listen>,
        identify: Identify,
        settings: Settings,
    ) -> Result<Front, Error> {
        let mut addresses = Vec::new();
        let mut bound = Vec::new();
        for Listen { address, kind } in listens {
            let listener = listen(address).map_err(|source| Error::Bind { address, source })?;
            addresses.push(listener.local_addr().map_err(|source| Error::Bind { address, source })?);
            bound.push((listener, kind));
        }
        Ok(Front { shared: Shared::new(handle, identify, settings), addresses, bound: Mutex::new(bound) })
    }

    /// Where it listens, in the order asked for; port 0 has become the real one.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Begins to accept. A second call does nothing.
    pub fn serve(&self) {
        let bound = std::mem::take(&mut *self.bound.lock().unwrap_or_else(|broken| broken.into_inner()));
        if bound.is_empty() {
            return;
        }
        let next = Arc::new(AtomicUsize::new(0));
        let threads = self.shared.handle.threads().max(1);
        for (index, (listener, kind)) in bound.into_iter().enumerate() {
            let (shared, next) = (self.shared.clone(), next.clone());
            self.shared.handle.spawn(index % threads, accept::run(listener, kind, shared, next));
        }
        self.shared.handle.spawn(0, sweep(self.shared.clone()));
    }

    /// Accepted connections.
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// Accepts no more, tells every client (5.0: 0x8B) and closes, for at most `within`.
    pub async fn shutdown(&self, within: Duration) {
        self.shared.stop();
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

/// A listening socket. Tokio makes one only inside a runtime; the one here ends with this function.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let listener = {
        let _inside = runtime.enter();
        socket.listen(BACKLOG)?.into_std()
    };
    runtime.shutdown_background();
    listener
}

async fn sweep(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(SWEEP);
    while !shared.is_stopping() {
        tick.tick().await;
        shared.broker.sweep(Instant::now());
        shared.gate.sweep(Instant::now());
    }
}
