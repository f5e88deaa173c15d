//! What the broker has for one client: filled by publishers, who never wait, emptied by its connection, kept while there is none
//! (CON-11).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::retained::Cursor;
use super::shelf::Shelf;
use super::tree::Options;
use crate::message::{Delivered, Message};
use crate::packet::Qos;

/// Bytes of QoS 1 and 2 that wait for one client; beyond, its session ends, so that it learns that something is missing.
const BYTES_MAX: usize = 16 << 20;
/// Bytes beyond which QoS 0 is dropped.
const BYTES_QOS_0: usize = 8 << 20;
/// Bytes that wait for all clients together; beyond, each has only [`BYTES_SCARCE`].
const ALL_BYTES_MAX: usize = 512 << 20;
const BYTES_SCARCE: usize = 64 << 10;
/// What a place in the queue costs.
const PLACE_BYTES: usize = size_of::<Delivered>();

/// Bytes that wait, of all mailboxes of a broker. A message that many share counts for each.
#[derive(Debug, Default)]
pub(super) struct Budget {
    bytes: AtomicUsize,
}

impl Budget {
    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    pub(super) fn sub(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// What one may have of a bound of its own.
    pub(super) fn most(&self, own: usize) -> usize {
        if self.bytes.load(Ordering::Acquire) < ALL_BYTES_MAX { own } else { BYTES_SCARCE }
    }
}

#[derive(Debug, Default)]
pub(super) struct Mailbox {
    inner: Mutex<Inner>,
    budget: Arc<Budget>,
    /// Of the queue, as `Inner` has them: read without the lock by those who may choose.
    bytes: AtomicUsize,
    connected: AtomicBool,
    shelf: Option<Arc<Shelf>>,
}

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<Delivered>,
    bytes: usize,
    /// Retained messages that a subscription is shown next: those of one step.
    found: VecDeque<Delivered>,
    /// Subscriptions that are still to be shown what is retained.
    shown: VecDeque<(Cursor, Options)>,
    reader: Option<Waker>,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// More had to wait than may: what comes is lost, and the session with it.
    Overrun,
    /// Nobody will read any more.
    Closed,
}

/// More had to wait than may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overrun;

/// What a mailbox has next.
pub(super) enum Next {
    Message(Delivered),
    /// A subscription that wants to be shown more of what is retained.
    Show(Cursor, Options),
}

impl Mailbox {
    pub(super) fn new(budget: Arc<Budget>, shelf: Option<Arc<Shelf>>) -> Mailbox {
        Mailbox { budget, connected: AtomicBool::new(true), shelf, ..Mailbox::default() }
    }

    /// Notes in the book what outlives the server. True: it must be on the disk before its publisher hears of it.
    pub(super) fn keep(&self, delivered: &mut Delivered) -> bool {
        let lasting = self.shelf.as_ref().filter(|shelf| delivered.qos != Qos::Zero && shelf.lasts());
        if let Some(shelf) = lasting {
            shelf.keep(delivered);
        }
        lasting.is_some()
    }

    /// One that was kept.
    pub(super) fn found(&self, delivered: Delivered) {
        let mut inner = self.lock();
        let bytes = delivered.message.size() + PLACE_BYTES;
        inner.queue.push_back(delivered);
        self.count(&mut inner, bytes);
    }

    pub(super) fn push(&self, delivered: Delivered) {
        let mut inner = self.lock();
        if inner.state != State::Open {
            return;
        }
        let bytes = delivered.message.size() + PLACE_BYTES;
        if delivered.qos == Qos::Zero {
            if !self.is_connected() || inner.bytes + bytes > self.most(Qos::Zero) {
                return;
            }
        } else if inner.bytes + bytes > self.most(delivered.qos) {
            self.clear(&mut inner, State::Overrun);
            return wake(&mut inner);
        }
        inner.queue.push_back(delivered);
        self.count(&mut inner, bytes);
        wake(&mut inner);
    }

    /// A new subscription is to be shown what is retained, before anything that waits.
    pub(super) fn show(&self, cursor: Cursor, options: Options) {
        let mut inner = self.lock();
        if inner.state == State::Open {
            inner.shown.retain(|(known, _)| known.filter() != cursor.filter());
            inner.shown.push_back((cursor, options));
            wake(&mut inner);
        }
    }

    /// What was found for a subscription, and where to go on if that was not all.
    pub(super) fn shown(&self, found: Vec<Delivered>, rest: Option<(Cursor, Options)>) {
        let mut inner = self.lock();
        if inner.state == State::Open {
            inner.found.extend(found);
            if let Some(rest) = rest {
                inner.shown.push_front(rest);
            }
        }
    }

    pub(super) fn hide(&self, filter: &str) {
        self.lock().shown.retain(|(known, _)| **known.filter() != *filter);
    }

    /// The next thing that has not expired, or a promise to wake.
    pub(super) fn poll_next(&self, now: Instant, cx: &mut Context<'_>) -> Poll<Result<Next, Overrun>> {
        let mut inner = self.lock();
        if inner.state == State::Overrun {
            return Poll::Ready(Err(Overrun));
        }
        if let Some(delivered) = inner.found.pop_front() {
            return Poll::Ready(Ok(Next::Message(delivered.aged(now))));
        }
        if let Some((cursor, options)) = inner.shown.pop_front() {
            return Poll::Ready(Ok(Next::Show(cursor, options)));
        }
        while let Some(delivered) = inner.queue.pop_front() {
            self.discount(&mut inner, delivered.message.size() + PLACE_BYTES);
            if !delivered.message.is_over(now) {
                return Poll::Ready(Ok(Next::Message(delivered.aged(now))));
            }
        }
        inner.queue = VecDeque::new();
        inner.found = VecDeque::new();
        match &mut inner.reader {
            Some(known) => known.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Its client is here.
    pub(super) fn connect(&self) {
        self.connected.store(true, Ordering::Release);
    }

    /// Its client is gone: QoS 0 is not kept, and what came by shared subscriptions is given back for others.
    pub(super) fn disconnect(&self) -> Vec<Delivered> {
        self.connected.store(false, Ordering::Release);
        let mut inner = self.lock();
        inner.reader = None;
        let shared = self.take_out(&mut inner, |delivered| delivered.share.is_some());
        self.take_out(&mut inner, |delivered| delivered.qos == Qos::Zero);
        shared
    }

    /// What came by a shared subscription and has not been handed on: for others.
    pub(super) fn give_back(&self, filter: &str) -> Vec<Delivered> {
        self.take_out(&mut self.lock(), |delivered| delivered.share.as_deref() == Some(filter))
    }

    /// Takes and keeps no more.
    pub(super) fn close(&self) {
        self.clear(&mut self.lock(), State::Closed);
    }

    fn take_out(&self, inner: &mut Inner, goes: impl Fn(&Delivered) -> bool) -> Vec<Delivered> {
        if !inner.queue.iter().any(&goes) {
            return Vec::new();
        }
        let (out, rest): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut inner.queue).into_iter().partition(goes);
        inner.queue = rest;
        let bytes = out.iter().map(|delivered| delivered.message.size() + PLACE_BYTES).sum();
        self.discount(inner, bytes);
        out.into()
    }

    pub(super) fn is_overrun(&self) -> bool {
        self.lock().state == State::Overrun
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Acquire)
    }

    /// Whether the message may wait here.
    pub(super) fn has_room(&self, message: &Message) -> bool {
        self.bytes.load(Ordering::Acquire) + message.size() + PLACE_BYTES <= self.most(Qos::Zero)
    }

    fn most(&self, qos: Qos) -> usize {
        self.budget.most(match qos {
            Qos::Zero => BYTES_QOS_0,
            Qos::One | Qos::Two => BYTES_MAX,
        })
    }

    fn count(&self, inner: &mut Inner, bytes: usize) {
        inner.bytes += bytes;
        self.bytes.store(inner.bytes, Ordering::Release);
        self.budget.add(bytes);
    }

    fn discount(&self, inner: &mut Inner, bytes: usize) {
        inner.bytes -= bytes;
        self.bytes.store(inner.bytes, Ordering::Release);
        self.budget.sub(bytes);
    }

    fn clear(&self, inner: &mut Inner, state: State) {
        inner.state = state;
        (inner.queue, inner.found, inner.shown) = Default::default();
        let bytes = inner.bytes;
        self.discount(inner, bytes);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

fn wake(inner: &mut Inner) {
    if let Some(reader) = inner.reader.take() {
        reader.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(qos: Qos, payload: usize, share: Option<&str>) -> Delivered {
        let message = Arc::new(Message::plain("t", vec![0; payload], qos));
        Delivered { message, qos, retain: false, ids: Vec::new(), share: share.map(Into::into), left: None, row: None }
    }

    fn count(mailbox: &Mailbox) -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        let mut count = 0;
        while let Poll::Ready(Ok(Next::Message(_))) = mailbox.poll_next(Instant::now(), &mut cx) {
            count += 1;
        }
        count
    }

    #[test]
    fn qos_0_is_dropped_at_its_bound_and_leaves_room_for_the_others() {
        let mailbox = Mailbox::new(Arc::default(), None);
        for _ in 0..20 {
            mailbox.push(delivered(Qos::Zero, 1 << 20, None));
        }
        mailbox.push(delivered(Qos::One, 1 << 20, None));
        assert_eq!(count(&mailbox), 8);
        assert_eq!(mailbox.budget.bytes.load(Ordering::Acquire), 0);
    }

    #[test]
    fn con_11_a_client_that_takes_nothing_loses_its_session_and_is_told() {
        let mailbox = Mailbox::new(Arc::default(), None);
        for _ in 0..17 {
            mailbox.push(delivered(Qos::One, 1 << 20, None));
        }
        assert!(mailbox.is_overrun());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(mailbox.poll_next(Instant::now(), &mut cx), Poll::Ready(Err(Overrun))));
        assert_eq!(mailbox.budget.bytes.load(Ordering::Acquire), 0, "nothing is kept for it");
    }

    #[test]
    fn con_11_without_a_connection_qos_0_is_not_kept_and_what_is_shared_goes_to_others() {
        let mailbox = Mailbox::new(Arc::default(), None);
        for (qos, share) in [(Qos::Zero, None), (Qos::One, Some("$share/g/t")), (Qos::Two, None)] {
            mailbox.push(delivered(qos, 10, share));
        }
        assert_eq!(mailbox.disconnect().len(), 1);
        mailbox.push(delivered(Qos::Zero, 10, None));
        assert_eq!(count(&mailbox), 1);
        assert_eq!(mailbox.budget.bytes.load(Ordering::Acquire), 0);
    }

    #[test]
    fn where_much_waits_for_all_each_has_little() {
        let budget = Arc::new(Budget::default());
        budget.bytes.store(ALL_BYTES_MAX, Ordering::Release);
        let mailbox = Mailbox::new(budget, None);
        mailbox.push(delivered(Qos::Zero, BYTES_SCARCE, None));
        assert!(!mailbox.is_overrun());
        mailbox.push(delivered(Qos::One, BYTES_SCARCE, None));
        assert!(mailbox.is_overrun());
    }
}
