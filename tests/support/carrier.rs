//! What carries MQTT to a server of a test: TCP, mutual TLS, WebSocket, WebSocket over TLS, QUIC.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use bytes::{Buf, Bytes};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use scene::{Frames, Heard, PATIENCE, Wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tungstenite::protocol::{CloseFrame, Role};
use tungstenite::{Error, Message, WebSocket};

use super::{Server, wire};

const MQTT: &str = "Sec-WebSocket-Protocol: mqtt\r\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    Tcp,
    /// As whoever has a certificate of ours.
    Tls,
    Ws,
    Wss,
    /// As by TLS.
    Quic,
}

impl Carrier {
    /// The one that `CHAT_CARRIER` names.
    pub(crate) fn asked() -> Option<Carrier> {
        match std::env::var("CHAT_CARRIER").ok()?.as_str() {
            "tls" => Some(Carrier::Tls),
            "ws" => Some(Carrier::Ws),
            "wss" => Some(Carrier::Wss),
            "quic" => Some(Carrier::Quic),
            other => panic!("CHAT_CARRIER is tls, ws, wss or quic, not {other}"),
        }
    }
}

pub(crate) fn open(server: &Server, carrier: Carrier) -> io::Result<Box<dyn Wire>> {
    Ok(match carrier {
        Carrier::Tcp => Box::new(tcp(server.mqtt())?),
        Carrier::Tls => Box::new(Encrypted(tls(server.mqtts(), any_certificate(server))?)),
        Carrier::Ws => Box::new(Framed::over(join(tcp(server.http())?, "/mqtt", MQTT)?)),
        Carrier::Wss => Box::new(Framed::over(join(tls(server.https(), stranger(server))?, "/mqtt", MQTT)?)),
        Carrier::Quic => Box::new(Datagrams::open(server, any_certificate(server))?),
    })
}

/// A WebSocket on `/ws`, over TLS where the carrier is.
pub(crate) fn talk(server: &Server, carrier: Carrier) -> io::Result<Box<dyn Frames>> {
    Ok(match carrier {
        Carrier::Tcp | Carrier::Ws => Box::new(Talking(join(tcp(server.http())?, "/ws", "")?)),
        Carrier::Tls | Carrier::Wss | Carrier::Quic => {
            Box::new(Talking(join(tls(server.https(), stranger(server))?, "/ws", "")?))
        }
    })
}

/// The framing of N2O.
struct Talking<S>(WebSocket<S>);

impl<S: Read + Write> Frames for Talking<S> {
    fn text(&mut self, text: &str) -> io::Result<()> {
        self.0.send(Message::text(text)).map_err(io::Error::other)
    }

    fn record(&mut self, bytes: Bytes) -> io::Result<()> {
        self.0.send(Message::Binary(bytes)).map_err(io::Error::other)
    }

    fn hear(&mut self) -> io::Result<Heard> {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => return Ok(Heard::Text(text.as_str().to_owned())),
                Ok(Message::Binary(bytes)) => return Ok(Heard::Record(bytes)),
                Ok(Message::Close(frame)) => {
                    return Ok(Heard::Closed(frame.map_or(0, |CloseFrame { code, .. }| code.into())));
                }
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Err(Error::Io(why)) => return Err(why),
                Err(why) => return Err(io::Error::other(why)),
            }
        }
    }

    /// Until the server has taken leave, so that its registrations have ended.
    fn leave(&mut self) {
        let _ = self.0.close(None);
        while self.0.read().is_ok() {}
    }
}

pub(crate) fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn tls(address: SocketAddr, config: Arc<ClientConfig>) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, tcp(address)?))
}

fn stranger(server: &Server) -> Arc<ClientConfig> {
    with_protocol(&wire::config(server, None, aws_lc_rs::default_provider()), b"http/1.1")
}

/// Shows a certificate that is nobody's of the protocol.
fn any_certificate(server: &Server) -> Arc<ClientConfig> {
    const NAME: &str = "any";
    let made = server.home().join("certs").join(NAME).with_extension("crt").exists();
    let identity = if made { wire::kept(server, NAME) } else { wire::certified(server, &[NAME]) };
    with_protocol(&wire::config(server, Some(&identity), aws_lc_rs::default_provider()), b"mqtt")
}

pub(crate) fn with_protocol(config: &ClientConfig, protocol: &[u8]) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}

/// Opens a WebSocket; anything but 101 is an error that says what came.
pub(crate) fn join<S: Read + Write>(mut stream: S, path: &str, more: &str) -> io::Result<WebSocket<S>> {
    let asked = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{asked}{more}\r\n").as_bytes())?;
    stream.flush()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    match head.starts_with("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
        true => Ok(WebSocket::from_raw_socket(stream, Role::Client, None)),
        false => Err(io::Error::other(head)),
    }
}

/// The socket below a stream.
trait Below {
    fn socket(&self) -> &TcpStream;
}

impl Below for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Below for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

/// The bytes of binary messages. What is written goes in two of them, so that packets lie across messages.
struct Framed<S> {
    socket: WebSocket<S>,
    rest: Bytes,
}

impl<S: Read + Write> Framed<S> {
    fn over(socket: WebSocket<S>) -> Framed<S> {
        Framed { socket, rest: Bytes::new() }
    }
}

impl<S: Read + Write> Read for Framed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.socket.read() {
                Ok(Message::Binary(bytes)) => self.rest = bytes,
                Ok(Message::Close(_)) | Err(Error::ConnectionClosed) => return Ok(0),
                Ok(Message::Text(_)) => return Err(io::Error::other("text among packets")),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Err(Error::Io(why)) => return Err(why),
                Err(why) => return Err(io::Error::other(why)),
            }
        }
        let count = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl<S: Read + Write> Write for Framed<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (first, second) = bytes.split_at(bytes.len() / 2);
        for part in [first, second] {
            self.socket.write(Message::Binary(Bytes::copy_from_slice(part))).map_err(io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush().map_err(io::Error::other)
    }
}

impl<S: Read + Write + Below> Wire for Framed<S> {
    fn finish(&mut self) -> io::Result<()> {
        self.socket.get_ref().socket().shutdown(Shutdown::Write)
    }
}

struct Encrypted(StreamOwned<ClientConnection, TcpStream>);

impl Read for Encrypted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Encrypted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Wire for Encrypted {
    fn finish(&mut self) -> io::Result<()> {
        self.0.sock.shutdown(Shutdown::Write)
    }
}

/// A stream of QUIC, whose other tasks run on a thread of their own.
pub(crate) struct Datagrams(quic::Stream);

impl Datagrams {
    pub(crate) fn open(server: &Server, config: Arc<ClientConfig>) -> io::Result<Datagrams> {
        let settings = quic::Settings::new(config, Duration::from_secs(60))?;
        bounded(quic::dial(server.quic(), "localhost", settings)).map(Datagrams)
    }
}

impl Read for Datagrams {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        bounded(self.0.read(buffer))
    }
}

impl Write for Datagrams {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        bounded(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        bounded(self.0.flush())
    }
}

impl Wire for Datagrams {
    fn finish(&mut self) -> io::Result<()> {
        bounded(self.0.shutdown())
    }
}

fn bounded<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    network().block_on(async { timeout(PATIENCE, work).await.unwrap_or(Err(io::ErrorKind::TimedOut.into())) })
}

/// What reads and writes the sockets, also while a test does something else.
fn network() -> &'static Handle {
    static NETWORK: OnceLock<Handle> = OnceLock::new();
    NETWORK.get_or_init(|| {
        let (send, made) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            send.send(runtime.handle().clone()).expect("somebody waits for it");
            runtime.block_on(std::future::pending::<()>());
        });
        made.recv().expect("it has begun")
    })
}
