//! The server's end: a port, and those who knock at it.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::hmac;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime, VarInt};
use quinn_proto::HashedConnectionIdGenerator;

use crate::Stream;
use crate::bounds::{transport, widen};

/// Bytes of the key by which connections of an earlier life are known.
pub const RESETS_BYTES: usize = 32;
/// Handshakes under way with addresses that have not proved themselves.
pub const UNPROVEN_MAX: usize = 64;
/// Those who knock and have not been looked at; beyond, they are refused.
const WAITING_MAX: usize = 1024;
/// Bytes of one of them, and of all.
const EARLY_BYTES: u64 = 16 << 10;
const EARLY_BYTES_ALL: u64 = 4 << 20;

/// A port on which QUIC is spoken. It is read on the thread that it was opened on, which all its connections need.
pub struct Listener {
    endpoint: Endpoint,
    settings: ServerConfig,
    unproven: Arc<AtomicUsize>,
}

/// Somebody who wants in.
pub struct Knock {
    incoming: Incoming,
    settings: ServerConfig,
    unproven: Option<Unproven>,
}

/// Counted while its address has not proved itself.
struct Unproven(Arc<AtomicUsize>);

impl Listener {
    /// Begins to read `socket`, on the thread of this runtime. A client that is silent for longer than `silence` has gone. With the same
    /// key `resets` as in an earlier life, clients of that time are told that it is over.
    ///
    /// # Errors
    /// TLS that QUIC cannot use, or a socket that cannot be read.
    pub fn open(
        socket: UdpSocket,
        tls: Arc<rustls::ServerConfig>,
        silence: Duration,
        resets: &[u8; RESETS_BYTES],
    ) -> io::Result<Listener> {
        let mut transport = transport(silence);
        transport.max_concurrent_bidi_streams(VarInt::from_u32(1));
        let mut settings = ServerConfig::with_crypto(Arc::new(usable(tls)?));
        settings
            .transport_config(Arc::new(transport))
            .max_incoming(WAITING_MAX)
            .incoming_buffer_size(EARLY_BYTES)
            .incoming_buffer_size_total(EARLY_BYTES_ALL);
        widen(&socket);
        let endpoint = Endpoint::new(known(resets), Some(settings.clone()), socket, Arc::new(TokioRuntime))?;
        Ok(Listener { endpoint, settings, unproven: Arc::default() })
    }

    /// Takes no more, and reads on until the last connection has ended.
    pub async fn close(self) {
        self.endpoint.set_server_config(None);
        self.endpoint.wait_idle().await;
    }

    /// The next one at the door; none when the socket is lost.
    pub async fn knock(&self) -> Option<Knock> {
        loop {
            let incoming = self.endpoint.accept().await?;
            let settings = self.settings.clone();
            if incoming.remote_address_validated() {
                return Some(Knock { incoming, settings, unproven: None });
            }
            if let Some(unproven) = Unproven::count(&self.unproven) {
                return Some(Knock { incoming, settings, unproven: Some(unproven) });
            }
            // Who has not proved an address may always be asked to.
            let _ = incoming.retry();
        }
    }
}

impl Knock {
    pub fn from(&self) -> SocketAddr {
        self.incoming.remote_address()
    }

    /// Whether the address has shown that it hears us. After [`Knock::answer`] it has in any case.
    pub fn is_proven(&self) -> bool {
        self.unproven.is_none()
    }

    /// Leaves it standing there, without a word.
    pub fn ignore(self) {
        self.incoming.ignore();
    }

    /// The handshake, and the stream that the client opens then; both live on this runtime's thread.
    ///
    /// # Errors
    /// The client does not agree, shows no certificate where it must, or goes.
    pub async fn answer(self, tls: Arc<rustls::ServerConfig>) -> io::Result<Stream> {
        let Knock { incoming, mut settings, unproven } = self;
        settings.crypto = Arc::new(usable(tls)?);
        let connection = incoming.accept_with(Arc::new(settings))?.await?;
        drop(unproven);
        let (send, receive) = connection.accept_bi().await?;
        Ok(Stream::new(connection, send, receive))
    }
}

impl Unproven {
    fn count(all: &Arc<AtomicUsize>) -> Option<Unproven> {
        let more = |count| (count < UNPROVEN_MAX).then_some(count + 1);
        all.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Unproven(all.clone()))
    }
}

impl Drop for Unproven {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Names of connections, and the words that end them, come from the key alone.
fn known(resets: &[u8; RESETS_BYTES]) -> EndpointConfig {
    let part = |label: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, resets), label);
    let names = part(b"names").as_ref().first_chunk().copied().map_or(0, u64::from_be_bytes);
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, part(b"resets").as_ref())));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(names)));
    config
}

fn usable(tls: Arc<rustls::ServerConfig>) -> io::Result<QuicServerConfig> {
    QuicServerConfig::try_from(tls).map_err(io::Error::other)
}
