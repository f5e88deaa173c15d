//! One connection to a server: what carries it, and the first two packets.

use std::io;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Duration, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use websocket::{Carried, Role};

use crate::find::{self, Way};
use crate::mqtt::{self, ConnAck, Connect, Packet, Version};
use crate::options::PATH;
use crate::{Carrier, Error, Options, Tls, Url, tls};

/// Largest packet taken from the server, in bytes (SPEC section 11: at most 24 MiB).
pub(crate) const PACKET_MAX: usize = 24 * 1024 * 1024;
/// Bytes waiting to be written; beyond this no further call is encoded.
pub(crate) const OUT_MAX: usize = 256 * 1024;

/// Bytes of an answer to a handshake.
const HEAD_MAX: usize = 8 << 10;
/// Addresses of a name that are tried by QUIC.
const ADDRESSES_MAX: usize = 4;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Reads and writes whole packets. Dropping it breaks the connection.
pub(crate) struct Link {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    version: Version,
    received: BytesMut,
    /// How much of `received` the last packet took.
    used: usize,
    /// Whole packets that wait to be written, from `written` on.
    pub(crate) out: Vec<u8>,
    written: usize,
}

impl Link {
    /// Connects, greets, and waits for the greeting back.
    pub(crate) async fn open(options: &Options) -> Result<(Link, ConnAck), Error> {
        let opened = timeout(options.connect_timeout, async {
            let mut link = Link::over(dial(options).await?, options.version);
            let connack = link.greet(options).await?;
            Ok::<_, Error>((link, connack))
        });
        opened.await.map_err(|_| Error::TimedOut)?
    }

    fn over(stream: Box<dyn Stream>, version: Version) -> Link {
        let (reader, writer) = tokio::io::split(stream);
        Link { reader, writer, version, received: BytesMut::new(), used: 0, out: Vec::new(), written: 0 }
    }

    async fn greet(&mut self, options: &Options) -> Result<ConnAck, Error> {
        let connect = Connect {
            version: options.version,
            client_id: &options.client_id,
            password: options.token.as_deref().map(str::as_bytes),
            keep_alive: options.keep_alive,
            receive_max: options.receive_max,
            packet_max: PACKET_MAX as u32,
        };
        mqtt::connect(&mut self.out, &connect);
        while !self.is_flushed() {
            self.step(true).await?;
        }
        loop {
            match self.next()? {
                Some(Packet::ConnAck(connack)) if connack.code == 0 => return Ok(connack),
                Some(Packet::ConnAck(connack)) => return Err(Error::NotAccepted(connack.code)),
                Some(_) => return Err(mqtt::Malformed("a packet before CONNACK").into()),
                None => self.step(true).await?,
            }
        }
    }

    /// The next packet that has come whole.
    pub(crate) fn next(&mut self) -> Result<Option<Packet<'_>>, Error> {
        self.received.advance(std::mem::take(&mut self.used));
        match mqtt::decode(&self.received, self.version, PACKET_MAX)? {
            Some((packet, used)) => {
                self.used = used;
                Ok(Some(packet))
            }
            None => Ok(None),
        }
    }

    /// Reads (if it `may_read`) or writes once, whichever is possible first. Cancelling it loses nothing.
    pub(crate) async fn step(&mut self, may_read: bool) -> Result<(), Error> {
        let left = self.out.get(self.written..).unwrap_or_default();
        tokio::select! {
            read = self.reader.read_buf(&mut self.received), if may_read => match read? {
                0 => return Err(Error::Disconnected),
                _ => return Ok(()),
            },
            sent = self.writer.write(left), if !left.is_empty() => match sent? {
                0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                count => self.written += count,
            },
        }
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
            self.writer.flush().await?;
        }
        Ok(())
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.out.is_empty()
    }

    /// Whether enough waits already.
    pub(crate) fn is_choked(&self) -> bool {
        self.out.len() - self.written > OUT_MAX
    }

    /// Says good-bye, if the socket still takes it.
    pub(crate) async fn close(mut self) {
        mqtt::disconnect(&mut self.out);
        let left = self.out.get(self.written..).unwrap_or_default();
        let bye = async {
            self.writer.write_all(left).await?;
            self.writer.shutdown().await
        };
        let _ = timeout(Duration::from_secs(1), bye).await;
    }
}

/// Says where nobody answered.
fn unreachable_at(url: &Url, cause: std::io::Error) -> std::io::Error {
    std::io::Error::new(cause.kind(), format!("no server at {}:{}: {cause}", url.host, url.port))
}

/// The first of the server's ways that leads somewhere; if none does, why the last one does not. One that swallows everything, as
/// networks do with UDP, has its share of the time only.
async fn dial(options: &Options) -> Result<Box<dyn Stream>, Error> {
    let ways = find::ways(options).await?;
    let share = options.connect_timeout / ways.len().max(1) as u32;
    let mut failed = Error::TimedOut;
    for way in ways {
        match timeout(share, dial_one(&way, options, share)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(why)) => failed = why,
            Err(_) => failed = Error::TimedOut,
        }
    }
    Err(failed)
}

async fn dial_one(way: &Way, options: &Options, share: Duration) -> Result<Box<dyn Stream>, Error> {
    let (url, tls) = (&way.url, options.tls.as_ref());
    match url.carrier {
        Carrier::Tcp => Ok(Box::new(tcp(way).await?)),
        Carrier::Tls => Ok(Box::new(encrypted(way, tls).await?)),
        Carrier::WebSocket => join(Box::new(tcp(way).await?), url).await,
        Carrier::WebSocketTls => join(Box::new(encrypted(way, tls).await?), url).await,
        Carrier::Quic => Ok(Box::new(datagrams(way, options, share).await?)),
    }
}

async fn tcp(way: &Way) -> Result<TcpStream, Error> {
    let url = &way.url;
    let connected = match way.addresses.is_empty() {
        true => TcpStream::connect((url.host.as_str(), url.port)).await,
        false => TcpStream::connect(&*way.addresses).await,
    };
    let socket = connected.map_err(|cause| unreachable_at(url, cause))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

async fn encrypted(way: &Way, tls: Option<&Tls>) -> Result<TlsStream<TcpStream>, Error> {
    let connector = TlsConnector::from(config(way, tls)?);
    Ok(connector.connect(tls::server_name(&way.url)?, tcp(way).await?).await?)
}

/// Whom TLS trusts on this way.
fn config(way: &Way, tls: Option<&Tls>) -> Result<Arc<ClientConfig>, Error> {
    match (&way.known, tls) {
        (Some(known), tls) => tls::config_known(known.clone(), tls, way.url.carrier),
        (None, Some(tls)) => tls::config(tls, way.url.carrier),
        (None, None) => Err(Error::Tls("no authority to trust is given".into())),
    }
}

/// The first address of a name that answers: others are told by silence, so each has its share of the time.
async fn datagrams(way: &Way, options: &Options, share: Duration) -> Result<quic::Stream, Error> {
    let url = &way.url;
    let silence = Duration::from_millis(u64::from(options.keep_alive.max(2)) * 1500);
    let settings = quic::Settings::new(config(way, options.tls.as_ref())?, silence)?;
    let addresses: Vec<_> = match way.addresses.is_empty() {
        true => lookup_host((url.host.as_str(), url.port)).await?.take(ADDRESSES_MAX).collect(),
        false => way.addresses.iter().copied().take(ADDRESSES_MAX).collect(),
    };
    let share = share / addresses.len().max(1) as u32;
    let mut failed = io::Error::from(io::ErrorKind::TimedOut);
    for address in addresses {
        match timeout(share, quic::dial(address, &url.host, settings.clone())).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(why)) => failed = why,
            Err(_) => failed = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(unreachable_at(url, failed).into())
}

/// A stream for HTTP, to where a WebSocket would be opened.
pub(crate) async fn web(url: &Url, tls: Option<&Tls>) -> Result<Box<dyn Stream>, Error> {
    let way = Way::to(url);
    match url.carrier.is_secure() {
        false => Ok(Box::new(tcp(&way).await?)),
        true => Ok(Box::new(encrypted(&way, tls).await?)),
    }
}

/// The request that asks for a WebSocket.
pub(crate) fn upgrade(url: &Url, key: &str) -> String {
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
    format!(
        "GET {PATH} HTTP/1.1\r\nHost: {host}:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: {}\r\n\
         Sec-WebSocket-Protocol: {}\r\nSec-WebSocket-Key: {key}\r\n\r\n",
        url.port,
        websocket::VERSION,
        websocket::MQTT
    )
}

/// Opens a WebSocket that carries MQTT.
async fn join(mut stream: Box<dyn Stream>, url: &Url) -> Result<Box<dyn Stream>, Error> {
    let key = websocket::key();
    stream.write_all(upgrade(url, &key).as_bytes()).await?;
    stream.flush().await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_MAX {
            return Err(Error::NoWebSocket("a long answer".into()));
        }
        // What follows the head belongs to the socket.
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    let proof = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-accept"));
    let proved = proof.is_some_and(|(_, proof)| proof.trim() == websocket::proof(key.as_bytes()));
    if !status.starts_with("HTTP/1.1 101") || !proved {
        return Err(Error::NoWebSocket(status.to_owned()));
    }
    Ok(Box::new(Carried::new(websocket::socket(stream, Role::Client, PACKET_MAX).await)))
}
