//! Plain clients and services by their id: one connection each, and what is kept of their sessions (CON-7, CON-8, CON-11).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::{Broker, Link};
use crate::message::{Message, Will};
use crate::session::Kept;
use crate::signal::Signal;

/// Sessions kept without a connection; beyond, they end with it.
const KEPT_MAX: usize = 10_000;

#[derive(Default)]
pub(super) struct Clients {
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    by_id: HashMap<Arc<str>, Slot>,
    kept: usize,
    /// The number given last; the first is 1.
    last: u64,
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

impl Resumable {
    /// Nobody will resume it: what it had of shared subscriptions is for others.
    pub(super) fn end(self) {
        if let Some(link) = self.link {
            link.give_up(self.kept.into_shared());
        }
    }

    fn is_good(&self) -> bool {
        !self.link.as_ref().is_some_and(Link::is_overrun)
    }
}

/// The right to a client id, until it is released.
pub(crate) struct Claim {
    pub(crate) number: u64,
    pub(crate) resumed: Option<Box<Resumable>>,
}

/// What has come to its end.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) sessions: Vec<Resumable>,
    pub(super) wills: Vec<Message>,
}

impl Broker {
    /// Ready when no other connection has this id any more; the older one is told to leave (CON-7).
    pub(crate) fn poll_claim(
        &self,
        id: &Arc<str>,
        clean: bool,
        signal: &Arc<Signal>,
        cx: &mut Context<'_>,
    ) -> Poll<Claim> {
        let mut ended = Ended::default();
        let claim = self.clients.poll_claim(id, clean, signal, &mut ended, cx);
        self.finish(ended);
        claim
    }

    /// Gives the id back. The session is kept for `expiry` seconds, and with it a will that has to wait.
    pub(crate) fn release(&self, id: &Arc<str>, session: Option<Box<Resumable>>, expiry: u32, will: Option<Will>) {
        if let Some(link) = session.as_ref().and_then(|session| session.link.as_ref()) {
            link.disconnect();
        }
        let mut ended = Ended::default();
        self.clients.release(id, session, expiry, will, &mut ended);
        self.finish(ended);
    }
}

impl Clients {
    fn poll_claim(
        &self,
        id: &Arc<str>,
        clean: bool,
        signal: &Arc<Signal>,
        ended: &mut Ended,
        cx: &mut Context<'_>,
    ) -> Poll<Claim> {
        let mut slots = self.lock();
        if let Some(Slot::Live { signal, heirs }) = slots.by_id.get_mut(id) {
            heirs.push(cx.waker().clone());
            signal.take_over();
            return Poll::Pending;
        }
        let before = slots.by_id.insert(id.clone(), Slot::Live { signal: signal.clone(), heirs: Vec::new() });
        let mut resumed = None;
        if let Some(Slot::Kept { session, will, .. }) = before {
            slots.kept -= 1;
            match !clean && session.is_good() {
                // Its client is back in time: no will ([MQTT-3.1.3-9]).
                true => resumed = Some(session),
                false => {
                    ended.sessions.push(*session);
                    ended.wills.extend(will.map(|(message, _)| message));
                }
            }
        }
        let number = resumed.as_ref().map_or_else(|| slots.next(), |session| session.number);
        Poll::Ready(Claim { number, resumed })
    }

    fn release(
        &self,
        id: &Arc<str>,
        session: Option<Box<Resumable>>,
        expiry: u32,
        will: Option<Will>,
        ended: &mut Ended,
    ) {
        let now = Instant::now();
        let mut slots = self.lock();
        if let Some(Slot::Live { heirs, .. }) = slots.by_id.remove(id) {
            heirs.into_iter().for_each(Waker::wake);
        }
        let stays = expiry > 0 && slots.kept < KEPT_MAX;
        let Some(session) = session else {
            return ended.wills.extend(will.map(|will| will.message));
        };
        if !stays || !session.is_good() {
            ended.sessions.push(*session);
            return ended.wills.extend(will.map(|will| will.message));
        }
        let later = match will {
            Some(will) if will.delay == 0 => {
                ended.wills.push(will.message);
                None
            }
            will => will.map(|will| (will.message, now + seconds(will.delay.min(expiry)))),
        };
        slots.kept += 1;
        slots.by_id.insert(id.clone(), Slot::Kept { session, until: now + seconds(expiry), will: later });
    }

    /// Takes out expired sessions and wills that are due.
    pub(super) fn sweep(&self, now: Instant) -> Ended {
        let mut ended = Ended::default();
        let mut slots = self.lock();
        let mut over = Vec::new();
        for (id, slot) in &mut slots.by_id {
            if let Slot::Kept { until, will, .. } = slot {
                ended.wills.extend(will.take_if(|(_, at)| *at <= now).map(|(message, _)| message));
                if *until <= now {
                    over.push(id.clone());
                }
            }
        }
        for id in over {
            if let Some(Slot::Kept { session, .. }) = slots.by_id.remove(&id) {
                slots.kept -= 1;
                ended.sessions.push(*session);
            }
        }
        ended
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Slots {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}
