//! A socket of the load generator, plain or TLS, never blocking.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::Error;

/// What TLS needs to know of one connection.
#[derive(Clone)]
pub(super) struct Secure {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

pub(super) struct Wire {
    pub(super) socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Wire {
    /// Begins to connect.
    pub(super) fn connect(address: SocketAddr, secure: Option<Secure>) -> Result<Wire, Error> {
        let socket = TcpStream::connect(address)?;
        let _ = socket.set_nodelay(true);
        let tls = match secure {
            Some(secure) => Some(Box::new(ClientConnection::new(secure.config, secure.name).map_err(Error::tls)?)),
            None => None,
        };
        Ok(Wire { socket, tls })
    }

    /// Reads once. 0 is the end; nothing there now is [`ErrorKind::WouldBlock`].
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
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

    /// Whether a short read says that nothing more is there: true of a socket, not of TLS records.
    pub(super) fn drains_by_short_read(&self) -> bool {
        self.tls.is_none()
    }

    /// Writes what the socket takes of `out` and of TLS's own; says how much of `out` is gone.
    pub(super) fn write(&mut self, out: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return blocked_is_none(self.socket.write(out)) };
        let taken = if out.is_empty() { 0 } else { tls.writer().write(out)? };
        while tls.wants_write() {
            if blocked_is_none(tls.write_tls(&mut self.socket))? == 0 {
                break;
            }
        }
        Ok(taken)
    }

    /// Whether TLS has something of its own to say (handshake, key update).
    pub(super) fn wants_write(&self) -> bool {
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
