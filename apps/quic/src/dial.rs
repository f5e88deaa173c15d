//! The client's end: one connection from a socket of its own.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, EndpointConfig, TokioRuntime};

use crate::Stream;
use crate::bounds::transport;

/// Routers forget a silent UDP flow after 30 seconds and more.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

/// How a client's connections are made.
#[derive(Debug, Clone)]
pub struct Settings(pub(crate) ClientConfig);

impl Settings {
    /// A server that is silent for longer than `silence` has gone.
    ///
    /// # Errors
    /// TLS that QUIC cannot use.
    pub fn new(tls: Arc<rustls::ClientConfig>, silence: Duration) -> io::Result<Settings> {
        let mut transport = transport(silence);
        transport.max_concurrent_bidi_streams(0_u32.into()).keep_alive_interval(Some(SIGN_OF_LIFE.min(silence / 3)));
        let mut settings = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).map_err(io::Error::other)?));
        settings.transport_config(Arc::new(transport));
        Ok(Settings(settings))
    }
}

/// Connects to a server by one of its addresses, which must have a certificate for `name`.
///
/// # Errors
/// A server that does not answer or agree. That it does not accept our certificate is heard at the first read.
pub async fn dial(address: SocketAddr, name: &str, settings: Settings) -> io::Result<Stream> {
    let socket = match address {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
    };
    let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))?;
    let connection = endpoint.connect_with(settings.0, address, name).map_err(io::Error::other)?.await?;
    let (send, receive) = connection.open_bi().await?;
    Ok(Stream::new(connection, send, receive))
}
