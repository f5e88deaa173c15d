//! A socket of the load generator, whatever carries MQTT on it, never blocking.

mod frames;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::{TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};
use quic::{Polled, Settings};
use rustls::{ClientConfig, ClientConnection};

use crate::{Carrier, Error, Url, tls};
use frames::Frames;

/// Longer than any run.
const SILENCE: Duration = Duration::from_secs(3600);

/// The way to a server.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) url: Url,
    pub(super) address: SocketAddr,
    /// For carriers that are secure.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

pub(super) enum Wire {
    Stream(Below, Option<Box<Frames>>),
    Datagrams { socket: UdpSocket, connection: Box<Polled> },
}

/// A stream of bytes, plain or TLS.
pub(super) struct Below {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Wire {
    /// Begins to connect.
    pub(super) fn connect(route: Route) -> Result<Wire, Error> {
        let Route { url, address, tls } = route;
        let secure = || tls.clone().ok_or_else(|| Error::Tls(format!("{url} needs --ca")));
        match url.carrier {
            Carrier::Tcp => Ok(Wire::Stream(Below::connect(address, None, &url)?, None)),
            Carrier::Tls => Ok(Wire::Stream(Below::connect(address, Some(secure()?), &url)?, None)),
            Carrier::WebSocket => Ok(Wire::Stream(Below::connect(address, None, &url)?, Some(Frames::new(&url)))),
            Carrier::WebSocketTls => {
                Ok(Wire::Stream(Below::connect(address, Some(secure()?), &url)?, Some(Frames::new(&url))))
            }
            Carrier::Quic => {
                let any = match address {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = UdpSocket::bind(any)?;
                let connection = Polled::open(&socket, address, &url.host, Settings::new(secure()?, SILENCE)?)?;
                Ok(Wire::Datagrams { socket, connection: Box::new(connection) })
            }
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Wire::Stream(below, _) => {
                registry.register(&mut below.socket, token, Interest::READABLE | Interest::WRITABLE)
            }
            Wire::Datagrams { socket, .. } => registry.register(socket, token, Interest::READABLE | Interest::WRITABLE),
        }
    }

    /// Reads once. 0 is the end; nothing there now is [`ErrorKind::WouldBlock`].
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Stream(below, None) => below.read(into),
            Wire::Stream(below, Some(frames)) => frames.read(below, into),
            Wire::Datagrams { socket, connection } => connection.read(socket, into),
        }
    }

    /// Whether a short read says that nothing more is there: true of a plain socket only.
    pub(super) fn drains_by_short_read(&self) -> bool {
        matches!(self, Wire::Stream(Below { tls: None, .. }, None))
    }

    /// Writes what the socket takes of `out` and of what the carrier has to say; says how much of `out` is gone.
    pub(super) fn write(&mut self, out: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Stream(below, None) => below.write(out),
            Wire::Stream(below, Some(frames)) => frames.write(below, out),
            Wire::Datagrams { socket, connection } => connection.write(socket, out),
        }
    }

    /// Whether the carrier has something of its own to say (handshake, key update, acknowledgement).
    pub(super) fn wants_write(&self) -> bool {
        match self {
            Wire::Stream(below, frames) => {
                below.wants_write() || frames.as_ref().is_some_and(|frames| frames.wants_write())
            }
            Wire::Datagrams { connection, .. } => connection.wants_write(),
        }
    }

    /// When [`Wire::tick`] is to be called, if ever.
    pub(super) fn due(&mut self) -> Option<Instant> {
        match self {
            Wire::Stream(..) => None,
            Wire::Datagrams { connection, .. } => connection.due(),
        }
    }

    pub(super) fn tick(&mut self, now: Instant) -> io::Result<()> {
        match self {
            Wire::Stream(..) => Ok(()),
            Wire::Datagrams { connection, .. } => connection.tick(now),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Wire::Datagrams { socket, connection } = self {
            connection.close(socket);
        }
    }
}

impl Below {
    fn connect(address: SocketAddr, config: Option<Arc<ClientConfig>>, url: &Url) -> Result<Below, Error> {
        let socket = TcpStream::connect(address)?;
        let _ = socket.set_nodelay(true);
        let tls = match config {
            Some(config) => Some(Box::new(ClientConnection::new(config, tls::server_name(url)?).map_err(Error::tls)?)),
            None => None,
        };
        Ok(Below { socket, tls })
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.read(into) };
        loop {
            match tls.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            if tls.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(io::Error::other)?;
        }
    }

    fn write(&mut self, out: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return blocked_is_none(self.socket.write(out)) };
        let taken = if out.is_empty() { 0 } else { tls.writer().write(out)? };
        while tls.wants_write() {
            if blocked_is_none(tls.write_tls(&mut self.socket))? == 0 {
                break;
            }
        }
        Ok(taken)
    }

    fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }
}

/// A socket that is full, or not connected yet, took nothing.
fn blocked_is_none(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => Ok(0),
        other => other,
    }
}
