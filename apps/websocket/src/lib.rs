//! What both ends of a WebSocket need (RFC 6455): the proof of the handshake, sockets of our sizes, what one who breaks the rules is told,
//! whether he is in the middle of something, and a socket as a stream of bytes.

mod course;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

pub use course::Followed;
pub use tokio_tungstenite::tungstenite::protocol::Role;

/// What RFC 6455 puts behind a client's key, and the version that it is.
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
pub const VERSION: &str = "13";
/// The sub-protocol by which MQTT is carried (MQTT 5.0 section 6).
pub const MQTT: &str = "mqtt";
/// Bytes of a client's key.
const KEY_BYTES: usize = 16;
/// A socket's read buffer, which it has for life.
const READ_BYTES: usize = 8 << 10;
/// Bytes that are gathered before they are written; a message of a stream has no more.
const WRITE_BYTES: usize = 64 << 10;

/// A client's key for one handshake.
pub fn key() -> String {
    let mut bytes = [0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).expect("aws-lc seeds itself at the start and does not fail later");
    STANDARD.encode(bytes)
}

pub fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|key| key.len() == KEY_BYTES)
}

/// Sec-WebSocket-Accept: what only one who knows the protocol makes of a key.
pub fn proof(key: &[u8]) -> String {
    STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key, MAGIC.as_bytes()].concat()))
}

/// A socket behind its handshake. Messages have at most `message_max` bytes.
pub async fn socket<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    role: Role,
    message_max: usize,
) -> WebSocketStream<S> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES)
        .max_message_size(Some(message_max))
        .max_frame_size(Some(message_max));
    WebSocketStream::from_raw_socket(stream, role, Some(config)).await
}

/// The code with which one who sent that is closed (section 7.4.1); `None`: there is nobody to be told.
pub fn blame(why: &Error) -> Option<CloseCode> {
    match why {
        Error::Protocol(_) | Error::AttackAttempt => Some(CloseCode::Protocol),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Capacity(_) => Some(CloseCode::Size),
        _ => None,
    }
}

/// The bytes of a socket's binary messages, one behind the other: packets of what is carried may lie across them.
pub struct Carried<S> {
    socket: WebSocketStream<S>,
    /// Of the message begun.
    rest: Bytes,
    /// What the other end has done wrong: it is told when the stream is shut down.
    fault: Option<CloseCode>,
}

impl<S> Carried<S> {
    pub fn new(socket: WebSocketStream<S>) -> Carried<S> {
        Carried { socket, rest: Bytes::new(), fault: None }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Carried<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Ok(Message::Text(_))) => {
                    self.fault = Some(CloseCode::Unsupported);
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                Some(Err(why)) => {
                    self.fault = blame(&why);
                    return Poll::Ready(Err(broken(why)));
                }
            }
        }
        let count = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Carried<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.socket).poll_ready(cx)).map_err(broken)?;
        let piece = bytes.get(..WRITE_BYTES).unwrap_or(bytes);
        let message = Message::Binary(Bytes::copy_from_slice(piece));
        Pin::new(&mut self.socket).start_send(message).map_err(broken)?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(code) = self.fault {
            ready!(Pin::new(&mut self.socket).poll_ready(cx)).map_err(broken)?;
            self.fault = None;
            let farewell = CloseFrame { code, reason: Utf8Bytes::default() };
            Pin::new(&mut self.socket).start_send(Message::Close(Some(farewell))).map_err(broken)?;
        }
        Pin::new(&mut self.socket).poll_close(cx).map_err(broken)
    }
}

fn broken(why: Error) -> io::Error {
    match why {
        Error::Io(why) => why,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}
