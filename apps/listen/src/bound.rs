//! Ports: taken first, all of them, and served only then.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use tokio::net::TcpSocket;

use crate::{Doorman, Kind, Listen, Reception, Serve, TlsNow, accept, quic};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("port {} on {}: {source}", address.port(), address.ip())]
    Bind { address: SocketAddr, source: std::io::Error },
}

/// Listening sockets.
pub struct Bound {
    addresses: Vec<SocketAddr>,
    waiting: Mutex<Vec<Socket>>,
}

enum Socket {
    Tcp(TcpListener, Option<TlsNow>),
    Udp(UdpSocket, quic::Port),
}

impl Bound {
    /// Takes the ports; nothing is accepted before [`Bound::serve`].
    ///
    /// # Errors
    /// A port that cannot be had, by name.
    pub fn take(listens: Vec<Listen>) -> Result<Bound, Error> {
        let mut addresses = Vec::new();
        let mut waiting = Vec::new();
        for Listen { address, kind } in listens {
            let (bound, socket) = Socket::bind(address, kind).map_err(|source| Error::Bind { address, source })?;
            addresses.push(bound);
            waiting.push(socket);
        }
        Ok(Bound { addresses, waiting: Mutex::new(waiting) })
    }

    /// Where it listens, in the order asked for; port 0 has become the real one.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Begins to accept for `server`. A second call does nothing.
    pub fn serve<S: Serve>(&self, doorman: &Arc<Doorman>, server: &Arc<S>) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(|broken| broken.into_inner()));
        let next = Arc::new(AtomicUsize::new(0));
        let reception = Reception { doorman: doorman.clone(), server: server.clone(), next };
        let threads = doorman.handle.threads().max(1);
        for (index, socket) in waiting.into_iter().enumerate() {
            let reception = reception.clone();
            match socket {
                Socket::Tcp(listener, tls) => {
                    doorman.handle.spawn(index % threads, accept::run(listener, tls, reception));
                }
                Socket::Udp(socket, port) => quic::begin(socket, port, reception),
            }
        }
    }
}

impl Socket {
    fn bind(address: SocketAddr, kind: Kind) -> std::io::Result<(SocketAddr, Socket)> {
        let tls = match kind {
            Kind::Tcp => None,
            Kind::Tls(tls) => Some(tls),
            Kind::Quic { tls, resets } => {
                let socket = UdpSocket::bind(address)?;
                return Ok((socket.local_addr()?, Socket::Udp(socket, quic::Port { tls, resets })));
            }
        };
        let listener = listen(address)?;
        Ok((listener.local_addr()?, Socket::Tcp(listener, tls)))
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
