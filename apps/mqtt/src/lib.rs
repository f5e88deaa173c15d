//! The MQTT front: listeners, sessions of MQTT 3.1.1 and 5.0, and the broker of the free topics.

mod front;
mod settings;
mod accept;
mod admit;
mod shared;
mod signal;
mod connection;
mod session;
mod packet;
mod message;
mod broker;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

pub use front::{Error, Front};
pub use settings::{Plain, Settings};

/// Says who holds a certificate that TLS has verified, given the leaf in DER; `None` when it says nothing usable.
pub type Identify = Arc<dyn Fn(&[u8]) -> Option<chat::door::Certificate> + Send + Sync>;

/// One listener.
#[derive(Debug, Clone)]
pub struct Listen {
    pub address: SocketAddr,
    pub kind: Kind,
}

/// What is spoken below MQTT.
#[derive(Clone)]
pub enum Kind {
    Tcp,
    /// Asked for at each handshake, so that a new certificate or revocation list needs no restart.
    Tls(Arc<dyn Fn() -> Arc<rustls::ServerConfig> + Send + Sync>),
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Tcp => "Tcp",
            Kind::Tls(_) => "Tls",
        })
    }
}
