//! What must hold whatever bytes a client sends, however they are cut, and whatever the chat says meanwhile: before a WebSocket is opened,
//! and on `/ws`. The fuzz targets `request` and `talk` and the test of mutations below play it; a server is built without it.

mod request;
mod talk;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use request::request;
pub use talk::talk;

/// A peer who has said so much that was not heard yet; what he is told he reads.
#[derive(Default, Clone)]
struct Peer(Rc<RefCell<Said>>);

#[derive(Default)]
struct Said {
    /// In the pieces in which it arrives.
    pieces: VecDeque<Vec<u8>>,
    /// Nothing comes behind these.
    is_all: bool,
    heard: Vec<u8>,
}

impl Peer {
    fn says(&self, bytes: &[u8]) {
        self.0.borrow_mut().pieces.push_back(bytes.to_vec());
    }
}

impl AsyncRead for Peer {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut said = self.0.borrow_mut();
        match said.pieces.pop_front() {
            None if said.is_all => Poll::Ready(Ok(())),
            None => Poll::Pending,
            Some(mut piece) => {
                let rest = piece.split_off(piece.len().min(buffer.remaining()));
                buffer.put_slice(&piece);
                if !rest.is_empty() {
                    said.pieces.push_front(rest);
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().heard.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    const ROUNDS: usize = 4_000;

    fn play(target: &str, judge: fn(&[u8])) {
        let seeds = tamper::seeds(env!("CARGO_MANIFEST_DIR"), target);
        tamper::cut(&seeds, judge);
        tamper::change(&seeds, b"\r\n:, ", ROUNDS, judge);
    }

    #[test]
    fn con_2_con_12_whatever_comes_before_a_socket_it_is_opened_as_rfc_6455_says_or_refused() {
        play("request", super::request);
    }

    #[test]
    fn con_2_con_12_whatever_is_said_on_ws_is_taken_or_ends_it() {
        play("talk", super::talk);
    }
}
