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
const READ_BYTES: usize = 64 << 10;
/// A read buffer with less room than this is replaced.
const ROOM_MIN: usize = 4 << 10;

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
        // Grows with what arrives, not with what a header claims.
        let missing = wanted.saturating_sub(self.partial.len());
        self.partial.reserve(missing.clamp(ROOM_MIN, READ_BYTES));
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

    /// Keeps the beginning of a packet, without the buffer that it came in.
    pub(super) fn keep(&mut self, rest: &mut BytesMut) {
        if !rest.is_empty() {
            self.partial = if rest.len() > READ_BYTES { rest.split() } else { BytesMut::from(&rest[..]) };
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
