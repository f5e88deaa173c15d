//! What the broker has for one client: filled by its pump, emptied by its connection, kept while there is none (CON-11).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use crate::session::Delivered;

/// Messages that wait here; beyond, the pump waits and the router's log keeps them until it drops its oldest.
const FEED_MAX: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Feed {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<Delivered>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    closed: bool,
}

impl Feed {
    pub(super) fn push(&self, delivered: Delivered) {
        let mut inner = self.lock();
        inner.queue.push_back(delivered);
        if let Some(reader) = inner.reader.take() {
            reader.wake();
        }
    }

    /// Ready with true when there is a place, with false when nobody will read any more.
    pub(super) fn poll_place(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut inner = self.lock();
        if inner.closed {
            return Poll::Ready(false);
        }
        if inner.queue.len() < FEED_MAX {
            return Poll::Ready(true);
        }
        inner.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The next message, or a promise to wake.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Delivered> {
        let mut inner = self.lock();
        match inner.queue.pop_front() {
            None => {
                inner.queue = VecDeque::new();
                inner.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(delivered) => {
                if let Some(writer) = inner.writer.take() {
                    writer.wake();
                }
                Poll::Ready(delivered)
            }
        }
    }

    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        if let Some(writer) = inner.writer.take() {
            writer.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}
