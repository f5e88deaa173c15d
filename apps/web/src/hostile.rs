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
    use std::path::Path;

    const ROUNDS: usize = 4_000;

    /// The seeds of a fuzz target, as they are, cut and changed everywhere, and mixed.
    fn play(target: &str, judge: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
        let files = std::fs::read_dir(folder).expect("seeds").map(|entry| entry.expect("a file").path());
        let mut files: Vec<_> = files.collect();
        files.sort();
        let seeds: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).expect("it reads")).collect();
        assert!(seeds.len() > 4);
        for seed in &seeds {
            (0..=seed.len()).for_each(|at| judge(&seed[..at]));
        }
        let mut state = 0x9e37_79b9_u32;
        let mut random = |bound: usize| {
            // xorshift: the same changes in every run.
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as usize % bound.max(1)
        };
        for _ in 0..ROUNDS {
            let mut bytes = seeds[random(seeds.len())].clone();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                match random(5) {
                    _ if bytes.is_empty() => {}
                    0 => bytes[at] ^= 1 << random(8),
                    1 => bytes[at] = random(256) as u8,
                    2 => bytes.insert(at, random(256) as u8),
                    3 => drop(bytes.drain(at..(at + random(8)).min(bytes.len()))),
                    _ => {
                        let other = &seeds[random(seeds.len())];
                        let from = random(other.len());
                        let to = (from + random(64)).min(other.len());
                        bytes.splice(at..at, other[from..to].iter().copied());
                    }
                }
            }
            judge(&bytes);
        }
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
