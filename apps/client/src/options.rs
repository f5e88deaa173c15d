//! How to reach a server and as whom.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::mqtt::Version;
use crate::{Error, Named};

/// Where a server's WebSockets carry MQTT (CON-2).
pub(crate) const PATH: &str = "/mqtt";

/// What carries MQTT (SPEC CON-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    Tcp,
    Tls,
    /// At `/mqtt`.
    WebSocket,
    WebSocketTls,
    Quic,
}

impl Carrier {
    const ALL: [Carrier; 5] = [Carrier::Tcp, Carrier::Tls, Carrier::WebSocket, Carrier::WebSocketTls, Carrier::Quic];

    /// How a URL begins, and the port where it says none.
    fn scheme(self) -> (&'static str, u16) {
        match self {
            Carrier::Tcp => ("mqtt", 1883),
            Carrier::Tls => ("mqtts", 8883),
            Carrier::WebSocket => ("ws", 8083),
            Carrier::WebSocketTls => ("wss", 8084),
            Carrier::Quic => ("quic", 14567),
        }
    }

    /// The same in other words that are in use.
    fn named(scheme: &str) -> Option<Carrier> {
        match scheme {
            "tcp" => Some(Carrier::Tcp),
            "ssl" | "tls" => Some(Carrier::Tls),
            "http" => Some(Carrier::WebSocket),
            "https" => Some(Carrier::WebSocketTls),
            own => Carrier::ALL.into_iter().find(|carrier| carrier.scheme().0 == own),
        }
    }

    pub fn is_secure(self) -> bool {
        match self {
            Carrier::Tcp | Carrier::WebSocket => false,
            Carrier::Tls | Carrier::WebSocketTls | Carrier::Quic => true,
        }
    }
}

/// Where a server listens, and by what: `mqtt://host[:1883]`, `mqtts://host[:8883]`, `ws://host[:8083]`, `wss://host[:8084]` or
/// `quic://host[:14567]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    pub carrier: Carrier,
    /// A DNS name or an address, IPv6 without brackets.
    pub host: String,
    pub port: u16,
}

impl FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Url, Error> {
        let bad = || Error::Url(text.to_owned());
        let (carrier, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Carrier::named(scheme).ok_or_else(bad)?, rest),
            None => (Carrier::Tcp, text),
        };
        let rest = match carrier {
            Carrier::WebSocket | Carrier::WebSocketTls => rest.strip_suffix(PATH).unwrap_or(rest),
            Carrier::Tcp | Carrier::Tls | Carrier::Quic => rest,
        };
        let rest = rest.trim_end_matches('/');
        let (host, port) = match rest.strip_prefix('[') {
            Some(v6) => {
                let (host, after) = v6.split_once(']').ok_or_else(bad)?;
                (host, after.strip_prefix(':'))
            }
            None => rest.rsplit_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() || host.contains(['/', '@', ' ']) {
            return Err(bad());
        }
        let port = match port {
            Some(port) => port.parse().map_err(|_| bad())?,
            None => carrier.scheme().1,
        };
        Ok(Url { carrier, host: host.to_owned(), port })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, _) = self.carrier.scheme();
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

/// What TLS needs: whom to trust, and what to show. All PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// Certificates of the authorities that a server's certificate may come from.
    pub ca_pem: String,
    /// Own certificate with its key, for listeners that ask for one (CON-1).
    pub identity: Option<Identity>,
}

/// A certificate (chain) and its PKCS#8 key.
#[derive(Clone)]
pub struct Identity {
    pub cert_pem: String,
    pub key_pem: String,
}

impl Drop for Identity {
    /// The key does not stay in memory.
    fn drop(&mut self) {
        drop(ca::Zeroizing::new(std::mem::take(&mut self.key_pem)));
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("identity", &self.identity.is_some()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// How long the first waiting before a new attempt to connect is; it doubles up to [`BACKOFF_MAX`].
pub const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest waiting between two attempts to connect.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// As whom to connect, and how.
#[derive(Clone)]
pub struct Options {
    pub url: Url,
    /// Other ways to the same server, tried in this order where the one before leads nowhere.
    pub others: Vec<Url>,
    /// In place of these: a server that is found by its name, anew for each connection.
    pub named: Option<Named>,
    /// Where files are handed over by HTTPS; without it at the first of these that is `wss`, else by records.
    pub files: Option<Url>,
    /// A folder of the device's own in which uploads under way are remembered, so that they go on when the program was killed.
    pub uploads: Option<PathBuf>,
    /// `reg_…` to register, `emqttd_…` as a verified device (SPEC ID-6).
    pub client_id: String,
    /// The device's token (ID-7); none where the certificate is enough.
    pub token: Option<String>,
    /// Needed for `mqtts`, `wss` and `quic`, if the server is not found by its name.
    pub tls: Option<Tls>,
    pub version: Version,
    /// How many durable items the server may have on the way to us, not yet taken from [`crate::Events`].
    pub receive_max: u16,
    /// Seconds between signs of life; the server takes 5 to 1200.
    pub keep_alive: u16,
    /// Acknowledge each Message record as soon as it is taken from [`crate::Events`] (MESSAGE-3).
    pub auto_ack: bool,
    /// Connect again after a break, and repeat what had no answer. Off, a break ends the client.
    pub reconnect: bool,
    /// A call without answer after this long fails.
    pub call_timeout: Duration,
    /// A connection that is not accepted after this long is given up; each of several ways has its share of it.
    pub connect_timeout: Duration,
}

impl Options {
    /// MQTT 5.0, 32 items on the way, 60 s keep-alive, reconnecting; Messages are not acknowledged by themselves.
    pub fn new(url: Url, client_id: impl Into<String>) -> Options {
        Options {
            url,
            others: Vec::new(),
            named: None,
            files: None,
            uploads: None,
            client_id: client_id.into(),
            token: None,
            tls: None,
            version: Version::V5,
            receive_max: 32,
            keep_alive: 60,
            auto_ack: false,
            reconnect: true,
            call_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("url", &self.url)
            .field("client_id", &self.client_id)
            .field("tls", &self.tls)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
