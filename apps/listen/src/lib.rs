//! Listeners: what stands between a port and a protocol, whichever is spoken there.
//!
//! A connection, by TCP or by QUIC, is accepted, counted by the [`Gate`] (one for all listeners, so that an address has as many strangers whatever they
//! speak), handed to a ring thread, led through the TLS handshake, and given to who serves it as an [`Arrival`].

mod accept;
mod quic;
mod gate;
mod bound;
mod closing;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chat::Chat;
use chat::door::{Certificate, Source};
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

pub use bound::{Bound, Error};
pub use closing::Closing;
pub use gate::{Gate, Limits, Ticket};

/// Says who holds a certificate that TLS has verified, given the leaf in DER; `None` when it says nothing usable.
pub type Identify = Arc<dyn Fn(&[u8]) -> Option<Certificate> + Send + Sync>;

/// Whether a certificate, by [`Certificate::print`], has been revoked.
pub type IsRevoked = Arc<dyn Fn(u128) -> bool + Send + Sync>;

/// What may be kept of an address: eight bits of a hash that nobody computes without a key of the server's. One of 256 addresses has the
/// same, so nobody learns from the store alone who it was; with the key, who it was not (SEC-10). Who may have a number of something kept is
/// counted by it, over a restart too.
pub type Bucket = Arc<dyn Fn(&Source) -> u8 + Send + Sync>;

/// One listener.
#[derive(Debug, Clone)]
pub struct Listen {
    pub address: SocketAddr,
    pub kind: Kind,
}

/// What is spoken below the protocol.
#[derive(Clone)]
pub enum Kind {
    Tcp,
    Tls(TlsNow),
    Quic {
        tls: TlsNow,
        /// By which it knows connections of an earlier life of this server.
        resets: zeroize::Zeroizing<[u8; ::quic::RESETS_BYTES]>,
    },
}

/// Asked for at each handshake, so that a new certificate or authority needs no restart.
pub type TlsNow = Arc<dyn Fn() -> Arc<rustls::ServerConfig> + Send + Sync>;

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Tcp => "Tcp",
            Kind::Tls(_) => "Tls",
            Kind::Quic { .. } => "Quic",
        })
    }
}

/// What all listeners have in common.
pub struct Doorman {
    /// The threads on which connections live.
    pub handle: n2o::Handle<Chat>,
    pub identify: Identify,
    pub is_revoked: IsRevoked,
    pub bucket: Bucket,
    pub gate: Arc<Gate>,
    /// From the accepted connection to the end of the TLS handshake.
    pub patience: Duration,
}

impl Doorman {
    /// Who holds the certificate that a handshake has proved.
    fn known(&self, leaf: Option<&CertificateDer<'_>>) -> Option<Arc<Certificate>> {
        leaf.and_then(|leaf| (self.identify)(leaf)).map(Arc::new)
    }

    /// Whether a certificate has expired or has been revoked. A resumed TLS session has not had its certificate looked at, so every
    /// protocol asks before it lets anybody in (SEC-2).
    pub fn is_over(&self, certificate: &Certificate) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u128::from(certificate.not_after) <= now.as_millis() || (self.is_revoked)(certificate.print)
    }
}

/// What a listener does with whoever comes.
pub(crate) struct Reception<S> {
    pub(crate) doorman: Arc<Doorman>,
    pub(crate) server: Arc<S>,
    /// Connections live on all threads, one after the other, whichever listener they come by.
    pub(crate) next: Arc<AtomicUsize>,
}

impl<S> Clone for Reception<S> {
    fn clone(&self) -> Reception<S> {
        let Reception { doorman, server, next } = self;
        Reception { doorman: doorman.clone(), server: server.clone(), next: next.clone() }
    }
}

impl<S: Serve> Reception<S> {
    /// Runs on the thread whose turn it is, as all that is done for the connection.
    pub(crate) fn spawn<F>(&self, work: impl FnOnce(Reception<S>) -> F + Send + 'static)
    where
        F: Future<Output = ()> + 'static,
    {
        let (threads, own) = (self.doorman.handle.threads().max(1), self.clone());
        let thread = self.next.fetch_add(1, Ordering::Relaxed) % threads;
        self.doorman.handle.spawn_with(thread, move || work(own));
    }
}

/// A connection that may be served, on the thread where it stays.
pub struct Arrival {
    pub stream: Stream,
    pub from: SocketAddr,
    /// What the TLS handshake has proved.
    pub certificate: Option<Arc<Certificate>>,
    pub ticket: Ticket,
}

pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Quic(Box<::quic::Stream>),
}

/// Who serves what arrives.
pub trait Serve: Send + Sync + 'static {
    /// Runs on the connection's thread, in a task of its own.
    fn serve(self: Arc<Self>, arrival: Arrival) -> impl Future<Output = ()> + 'static;

    /// Ready when nothing more is to be accepted.
    fn stopped(&self) -> impl Future<Output = ()> + Send;
}
