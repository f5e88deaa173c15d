//! A port: the bounded queue between the chat and one connection's transport.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use crate::door::{Bye, Out};

/// Transient items (`[T]`) beyond this many waiting outs are dropped: they are for those who listen now.
pub const TRANSIENT_MAX: usize = 256;
/// A transport that lets this many outs wait has stopped working; its connection is closed.
pub const OUTS_MAX: usize = 4096;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// What waits for one transport. Filled by the chat's host, drained by the transport as a batch.
#[derive(Debug)]
pub struct Port {
    number: u64,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    outs: VecDeque<Out>,
    waker: Option<Waker>,
    overrun: bool,
}

impl Default for Port {
    fn default() -> Port {
        Port { number: NEXT.fetch_add(1, Ordering::Relaxed), waiting: Mutex::default() }
    }
}

impl Port {
    /// Tells this connection from every other of this run of the server.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Adds one thing to do. Beyond [`TRANSIENT_MAX`] transient items are dropped, beyond [`OUTS_MAX`] the connection is given up.
    pub fn push(&self, out: Out) {
        let mut waiting = self.waiting.lock().unwrap_or_else(|broken| broken.into_inner());
        if waiting.overrun || (waiting.outs.len() >= TRANSIENT_MAX && is_transient(&out)) {
            return;
        }
        if waiting.outs.len() >= OUTS_MAX {
            waiting.overrun = true;
            waiting.outs.push_back(Out::Close(Bye::Fault));
        } else {
            waiting.outs.push_back(out);
        }
        if let Some(waker) = waiting.waker.take() {
            drop(waiting);
            waker.wake();
        }
    }

    /// Takes all that waits.
    pub fn drain(&self) -> VecDeque<Out> {
        std::mem::take(&mut self.waiting.lock().unwrap_or_else(|broken| broken.into_inner()).outs)
    }

    /// Takes back what was drained and not done: it is the first again.
    pub fn give_back(&self, mut undone: VecDeque<Out>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(|broken| broken.into_inner());
        undone.append(&mut waiting.outs);
        waiting.outs = undone;
    }

    /// Takes all that waits, or arranges to be woken.
    pub fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<VecDeque<Out>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(|broken| broken.into_inner());
        if waiting.outs.is_empty() {
            waiting.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut waiting.outs))
    }
}

fn is_transient(out: &Out) -> bool {
    matches!(out, Out::Item { delivery: None, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g_5_what_is_given_back_is_the_first_again() {
        let (port, done) = (Port::default(), |call| Out::Done { call, verdict: crate::door::Verdict::Done });
        (0..3).for_each(|call| port.push(done(call)));
        let mut outs = port.drain();
        assert_eq!(outs.pop_front(), Some(done(0)));
        port.push(done(3));
        port.give_back(outs);
        assert_eq!(port.drain(), (1..4).map(done).collect::<VecDeque<_>>());
    }
}
