//! What must hold of a server's socket whatever bytes come, however they are cut: the check of the fuzz target, and of the test beside
//! this folder.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_util::{FutureExt, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::Message;
use websocket::{Carried, Followed, Role, socket};

/// Bytes of a message.
const MESSAGE_MAX: usize = 600;

/// A peer who has said so much that was not heard yet; what he is told he reads.
#[derive(Default, Clone)]
struct Peer(Rc<RefCell<VecDeque<u8>>>);

impl AsyncRead for Peer {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut said = self.0.borrow_mut();
        if said.is_empty() {
            return Poll::Pending;
        }
        let count = said.len().min(buffer.remaining());
        let bytes: Vec<u8> = said.drain(..count).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The messages that have come byte by byte, until the peer breaks a rule or says good-bye. After each byte something has come, or
/// something is unfinished; a message that has come is finished.
fn messages(bytes: &[u8]) -> Vec<Message> {
    let peer = Peer::default();
    let socket = socket(Followed::new(peer.clone()), Role::Server, MESSAGE_MAX);
    let mut socket = socket.now_or_never().expect("is ready");
    let mut cx = Context::from_waker(Waker::noop());
    let mut messages = Vec::new();
    for byte in bytes {
        peer.0.borrow_mut().push_back(*byte);
        let mut has_come = false;
        loop {
            match Pin::new(&mut socket).poll_next(&mut cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(message @ (Message::Text(_) | Message::Binary(_))))) => {
                    assert!(message.len() <= MESSAGE_MAX, "too long");
                    assert!(!socket.get_ref().is_unfinished(), "it is finished");
                    messages.push(message);
                    has_come = true;
                }
                Poll::Ready(Some(Ok(Message::Close(_)) | Err(_)) | None) => return messages,
                Poll::Ready(Some(Ok(_))) => has_come = true,
            }
        }
        assert!(has_come || socket.get_ref().is_unfinished(), "something has been begun");
    }
    messages
}

/// The bytes of a carried stream, which has come in pieces of this length.
fn carried(bytes: &[u8], piece: usize) -> Vec<u8> {
    let peer = Peer::default();
    let socket = socket(Followed::new(peer.clone()), Role::Server, MESSAGE_MAX);
    let mut stream = Carried::new(socket.now_or_never().expect("is ready"));
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = Vec::new();
    for piece in bytes.chunks(piece) {
        peer.0.borrow_mut().extend(piece);
        loop {
            let mut space = [0; 100];
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut stream).poll_read(&mut cx, &mut buffer) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => read.extend_from_slice(buffer.filled()),
                Poll::Ready(_) => {
                    let _ = Pin::new(&mut stream).poll_shutdown(&mut cx);
                    return read;
                }
            }
        }
    }
    read
}

/// The first byte says how the others are cut.
pub(crate) fn judge(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let mut expected = Vec::new();
    for message in messages(bytes) {
        match message {
            Message::Binary(bytes) => expected.extend_from_slice(&bytes),
            // No text is carried.
            _ => break,
        }
    }
    for piece in [1, usize::from(*cut) + 2] {
        assert_eq!(carried(bytes, piece), expected, "cut into {piece}");
    }
}
