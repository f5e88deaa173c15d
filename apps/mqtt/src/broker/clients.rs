//! Plain clients and services by their id: one connection each, and what is kept of their sessions (CON-7, CON-8, CON-11).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::Link;
use crate::message::{Message, Will};
use crate::session::Kept;
use crate::signal::Signal;

/// Publisher number of wills.
pub(super) const NOBODY: u64 = 0;
/// Sessions kept without a connection; beyond, they end with it.
const KEPT_MAX: usize = 1000;

#[derive(Default)]
pub(crate) struct Clients {
    slots: Mutex<HashMap<Arc<str>, Slot>>,
    last: AtomicU64,
}

enum Slot {
    Live { signal: Arc<Signal>, heirs: Vec<Waker> },
    Kept { session: Box<Resumable>, until: Instant, will: Option<(Message, Instant)> },
}

/// A session between two connections.
pub(crate) struct Resumable {
    pub(crate) kept: Kept,
    pub(crate) link: Option<Link>,
    pub(crate) number: u64,
}

/// The right to a client id, until it is released.
pub(crate) struct Claim {
    pub(crate) number: u64,
    pub(crate) resumed: Option<Box<Resumable>>,
    /// Of the session that ends by this claim.
    pub(crate) will: Option<Message>,
}

impl Clients {
    /// Ready when no other connection has this id any more; the older one is told to leave (CON-7).
    pub(crate) fn poll_claim(
        &self,
        id: &Arc<str>,
        clean: bool,
        signal: &Arc<Signal>,
        cx: &mut Context<'_>,
    ) -> Poll<Claim> {
        let mut slots = self.lock();
        if let Some(Slot::Live { signal, heirs }) = slots.get_mut(id) {
            heirs.push(cx.waker().clone());
            signal.take_over();
            return Poll::Pending;
        }
        let before = slots.insert(id.clone(), Slot::Live { signal: signal.clone(), heirs: Vec::new() });
        let mut claim = Claim { number: 0, resumed: None, will: None };
        if let Some(Slot::Kept { session, will, .. }) = before {
            match clean {
                false => claim.resumed = Some(session),
                true => claim.will = will.map(|(message, _)| message),
            }
        }
        claim.number = match &claim.resumed {
            Some(session) => session.number,
            None => self.last.fetch_add(1, Ordering::Relaxed) + 1,
        };
        Poll::Ready(claim)
    }

    /// Gives the id back. The session is kept for `expiry` seconds, and with it a will that has to wait; gives back one that has not.
    pub(crate) fn release(
        &self,
        id: &Arc<str>,
        session: Option<Box<Resumable>>,
        expiry: u32,
        will: Option<Will>,
    ) -> Option<Message> {
        let now = Instant::now();
        let mut slots = self.lock();
        let Some(Slot::Live { heirs, .. }) = slots.remove(id) else {
            return will.map(|will| will.message);
        };
        for heir in heirs {
            heir.wake();
        }
        let kept = session.filter(|_| expiry > 0 && slots.len() < KEPT_MAX);
        let Some(session) = kept else {
            return will.map(|will| will.message);
        };
        let (now_due, later) = match will {
            Some(will) if will.delay == 0 => (Some(will.message), None),
            Some(will) => (None, Some((will.message, now + Duration::from_secs(u64::from(will.delay.min(expiry)))))),
            None => (None, None),
        };
        let until = now + Duration::from_secs(u64::from(expiry));
        slots.insert(id.clone(), Slot::Kept { session, until, will: later });
        now_due
    }

    /// Forgets expired sessions; gives back the wills that are due.
    pub(super) fn sweep(&self, now: Instant) -> Vec<Message> {
        let mut due = Vec::new();
        self.lock().retain(|_, slot| match slot {
            Slot::Live { .. } => true,
            Slot::Kept { until, will, .. } => {
                if will.as_ref().is_some_and(|(_, at)| *at <= now) {
                    due.extend(will.take().map(|(message, _)| message));
                }
                *until > now
            }
        });
        due
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Slot>> {
        self.slots.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}
