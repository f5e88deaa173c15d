//! Bytes in and out of a stream. Buffers are a thread's, not a connection's: an idle connection holds none.

use std::cell::RefCell;
use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;

use super::Stream;
use crate::packet::release;

/// Read at once at most; also the size of a thread's read buffer.
pub(super) const READ_BYTES: usize = 64 << 10;
/// A read buffer with less room than this is replaced.
const ROOM_MIN: usize = 4 << 10;
/// What has come of a packet makes room for so many times as much: a record of TLS for a piece of a file.
const GROWTH: usize = 16;

thread_local! {
    /// What packets are cut from; they share its memory until they are done with.
    static READ: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

pub(super) struct Socket<S> {
    stream: S,
    /// The beginning of a packet whose rest has not come.
    pub(super) partial: BytesMut,
    /// What the stream did not take.
    unsent: BytesMut,
}

impl<S: Stream> Socket<S> {
    pub(super) fn new(stream: S) -> Socket<S> {
        Socket { stream, partial: BytesMut::new(), unsent: BytesMut::new() }
    }

    /// Reads once. What came, with what had come before it, is handed over; `wanted` is the length of the packet begun.
    /// An empty buffer is the end of the stream.
    pub(super) fn poll_read(&mut self, wanted: usize, cx: &mut Context<'_>) -> Poll<io::Result<BytesMut>> {
        if self.partial.is_empty() {
            return self.read_shared(cx);
        }
        let (length, missing) = (self.partial.len(), wanted.saturating_sub(self.partial.len()));
        if self.partial.capacity() - length < missing.max(1) {
            let room = missing.clamp(ROOM_MIN, READ_BYTES.max(GROWTH * length));
            self.partial = roomy(&self.partial, length + room);
        }
        let count = ready!(pin!(self.stream.read_buf(&mut self.partial)).poll(cx))?;
        Poll::Ready(Ok(if count == 0 { BytesMut::new() } else { std::mem::take(&mut self.partial) }))
    }

    fn read_shared(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<BytesMut>> {
        let mut buffer = READ.take();
        if buffer.capacity() < ROOM_MIN {
            buffer.reserve(READ_BYTES);
        }
        let read = pin!(self.stream.read_buf(&mut buffer)).poll(cx);
        let arrived = buffer.split();
        READ.set(buffer);
        read.map_ok(|_| arrived)
    }

    /// Keeps the beginning of a packet of `wanted` bytes, without the buffer that it came in. Room grows with what arrives, not with what a
    /// header claims; what is large has room of its own size at once then, and is not moved again.
    pub(super) fn keep(&mut self, rest: &mut BytesMut, wanted: usize) {
        if rest.len() > READ_BYTES {
            self.partial = rest.split();
        } else if !rest.is_empty() {
            let room = if rest.len() < ROOM_MIN { rest.len() } else { rest.len() * (1 + GROWTH) };
            self.partial = roomy(rest, room.min(wanted).max(rest.len()));
        }
    }

    /// Everything written has left.
    pub(super) fn is_flushed(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Writes `bytes` behind what is still unsent, in one call if the stream takes it. `bytes` is empty afterwards.
    pub(super) fn poll_write(&mut self, bytes: &mut BytesMut, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.unsent.is_empty() {
            self.unsent.unsplit(bytes.split());
            let Socket { stream, unsent, .. } = self;
            ready!(push(stream, unsent, cx))?;
            release(unsent);
        } else if push(&mut self.stream, bytes, cx)?.is_pending() {
            self.unsent = bytes.split();
            return Poll::Pending;
        }
        // TLS keeps what the socket did not take: it must be asked to go on.
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// These bytes in a buffer of just this size; one that grows by itself doubles.
fn roomy(bytes: &[u8], size: usize) -> BytesMut {
    let mut buffer = BytesMut::with_capacity(size);
    buffer.extend_from_slice(bytes);
    buffer
}

fn push<S: Stream>(stream: &mut S, bytes: &mut BytesMut, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    while !bytes.is_empty() {
        let count = ready!(Pin::new(&mut *stream).poll_write(cx, bytes))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        let _ = bytes.split_to(count);
    }
    Poll::Ready(Ok(()))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    /// Bytes of a packet, written so many at a time; the buffer in which it lies whole.
    async fn arrived(size: usize, at_once: usize) -> BytesMut {
        let (mut there, here) = duplex(at_once);
        let packet = vec![7; size];
        let reading = async {
            let mut socket = Socket::new(here);
            loop {
                let mut arrived = poll_fn(|cx| socket.poll_read(size, cx)).await.unwrap();
                if arrived.is_empty() || arrived.len() >= size {
                    return arrived;
                }
                socket.keep(&mut arrived, size);
            }
        };
        let (written, arrived) = tokio::join!(there.write_all(&packet), reading);
        written.unwrap();
        assert!(arrived == packet);
        arrived
    }

    #[tokio::test]
    async fn ftp_2_a_piece_of_a_file_lies_in_one_buffer_of_its_size() {
        let size = (256 << 10) + 200;
        for at_once in [100, 1000, 16 << 10, 64 << 10] {
            let room = arrived(size, at_once).await.capacity();
            assert!(room <= size + ROOM_MIN, "{at_once} at a time: room for {room}");
        }
    }

    #[tokio::test]
    async fn con_12_room_is_made_for_what_comes_not_for_what_is_claimed() {
        for some in [3, ROOM_MIN, 16 << 10] {
            let (mut there, here) = duplex(some);
            there.write_all(&vec![7; some]).await.unwrap();
            let (mut socket, wanted) = (Socket::new(here), 24 << 20);
            let mut arrived = poll_fn(|cx| socket.poll_read(wanted, cx)).await.unwrap();
            socket.keep(&mut arrived, wanted);
            assert!(poll_fn(|cx| Poll::Ready(socket.poll_read(wanted, cx).is_pending())).await);
            let room = socket.partial.capacity();
            assert!(room <= READ_BYTES + (1 + GROWTH) * some, "{some} bytes have made room for {room}");
        }
    }
}
