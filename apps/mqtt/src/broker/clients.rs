//! Plain clients and services by their id: one connection each, and what is kept of their sessions (CON-7, CON-8, CON-11).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use kvs::VALUE_MAX;

use super::book::Book;
use super::places::{Party, Place, Places};
use super::rows::{self, Clock, Letter, SESSION};
use super::{Broker, Link, Shelf, Unreleased};
use crate::message::{Message, Will};
use crate::session::Kept;
use crate::signal::Signal;

/// Sessions kept without a connection; beyond, they end with it.
const KEPT_MAX: usize = 10_000;

#[derive(Default)]
pub(super) struct Clients {
    slots: Mutex<Slots>,
    places: Places,
}

#[derive(Default)]
struct Slots {
    by_id: HashMap<Arc<str>, Slot>,
    kept: usize,
}

enum Slot {
    /// `place`: where the session lasts.
    Live {
        signal: Arc<Signal>,
        heirs: Vec<Waker>,
        owner: Arc<str>,
        place: Option<Place>,
    },
    Kept {
        session: Box<Resumable>,
        until: Instant,
        will: Option<(Message, Instant)>,
        place: Option<Place>,
    },
}

/// A session between two connections.
pub(crate) struct Resumable {
    pub(crate) kept: Kept,
    pub(crate) link: Option<Link>,
    pub(crate) unreleased: Unreleased,
    pub(crate) shelf: Arc<Shelf>,
}

impl Resumable {
    /// Nobody will resume it: what it had of shared subscriptions is for others.
    pub(super) fn end(self) {
        if let Some(link) = self.link {
            link.give_up(self.kept.into_shared());
        }
    }

    fn is_good(&self) -> bool {
        !self.link.as_ref().is_some_and(Link::is_overrun) && !self.unreleased.is_overrun()
    }
}

/// Who wants a client id.
pub(crate) struct Claimant<'a> {
    pub(crate) id: &'a Arc<str>,
    /// As its certificate says; nobody else gets the id while a session has it.
    pub(crate) owner: &'a Arc<str>,
    /// Of its address, unless that is loopback.
    pub(crate) bucket: Option<u8>,
    /// A new session.
    pub(crate) clean: bool,
    /// Seconds that the session is kept after its connection, if not told otherwise.
    pub(crate) expiry: u32,
}

/// The id is another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anothers;

/// The right to a client id, until it is released.
pub(crate) struct Claim {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) resumed: Option<Box<Resumable>>,
    /// Seconds that the session is kept after this connection: as asked, or not at all.
    pub(crate) expiry: u32,
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
        asked: &Claimant<'_>,
        signal: &Arc<Signal>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Claim, Anothers>> {
        let mut ended = Ended::default();
        let claim = self.clients.poll_claim(&self.book, asked, signal, &mut ended, cx);
        self.finish(ended);
        claim
    }

    /// A visitor leaves: nothing is kept.
    pub(crate) fn part(&self, session: Option<Box<Resumable>>, will: Option<Will>) {
        let sessions = session.map(|session| *session).into_iter().collect();
        self.finish(Ended { sessions, wills: will.map(|will| will.message).into_iter().collect() });
    }

    /// Gives the id back. The session is kept for `expiry` seconds, and with it a will that has to wait.
    pub(crate) fn release(&self, id: &Arc<str>, session: Option<Box<Resumable>>, expiry: u32, will: Option<Will>) {
        if let Some(link) = session.as_ref().and_then(|session| session.link.as_ref()) {
            link.disconnect();
        }
        let mut ended = Ended::default();
        self.clients.release(&self.book, id, session, expiry, will, &mut ended);
        self.finish(ended);
    }
}

impl Clients {
    fn poll_claim(
        &self,
        book: &Arc<Book>,
        asked: &Claimant<'_>,
        signal: &Arc<Signal>,
        ended: &mut Ended,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Claim, Anothers>> {
        let Claimant { id, owner, bucket, clean, expiry } = *asked;
        let mut slots = self.lock();
        let now = Instant::now();
        if slots.by_id.get(id).is_some_and(|slot| !slot.is_open_to(owner, now)) {
            return Poll::Ready(Err(Anothers));
        }
        if let Some(Slot::Live { signal, heirs, .. }) = slots.by_id.get_mut(id) {
            heirs.push(cx.waker().clone());
            signal.take_over();
            return Poll::Pending;
        }
        let mut resumed = None;
        let mut had_row = false;
        if let Some(Slot::Kept { session, until, will, place }) = slots.by_id.remove(id) {
            // Counted anew below.
            drop(place);
            slots.kept -= 1;
            had_row = session.shelf.lasts();
            // One that is over ends here though it has not been swept yet: the id was open, what it has is not.
            let is_theirs = until > now && session.shelf.owner == *owner;
            match is_theirs && !clean && session.is_good() {
                // Its client is back in time: no will ([MQTT-3.1.3-9]).
                true => resumed = Some(session),
                false => {
                    ended.sessions.push(*session);
                    ended.wills.extend(will.map(|(message, _)| message));
                }
            }
        }
        let new = || Arc::new(Shelf::new(book.number(), owner.clone(), book.clone()));
        let shelf = resumed.as_ref().map_or_else(new, |session| session.shelf.clone());
        let place = (expiry > 0).then(|| self.places.take(Party::of(owner, bucket))).flatten();
        let expiry = if place.is_some() { expiry } else { 0 };
        let bucket = place.as_ref().and_then(Place::bucket).map(u64::from);
        let live = Slot::Live { signal: signal.clone(), heirs: Vec::new(), owner: owner.clone(), place };
        slots.by_id.insert(id.clone(), live);
        shelf.set_lasting(expiry > 0);
        if shelf.lasts() {
            let (number, owner) = (shelf.number, rows::bytes(owner));
            let row = rows::Session { number, expiry: expiry.into(), owner, bucket, ..rows::Session::default() };
            book.put(SESSION, rows::bytes(id), &row);
            shelf.hurry();
        } else if had_row {
            book.delete(SESSION, rows::bytes(id));
            shelf.hurry();
        }
        Poll::Ready(Ok(Claim { shelf, resumed, expiry }))
    }

    fn release(
        &self,
        book: &Book,
        id: &Arc<str>,
        session: Option<Box<Resumable>>,
        expiry: u32,
        will: Option<Will>,
        ended: &mut Ended,
    ) {
        let now = Instant::now();
        let mut slots = self.lock();
        let mut place = None;
        if let Some(Slot::Live { heirs, place: taken, .. }) = slots.by_id.remove(id) {
            heirs.into_iter().for_each(Waker::wake);
            place = taken;
        }
        let stays = expiry > 0 && slots.kept < KEPT_MAX;
        let Some(session) = session else {
            return ended.wills.extend(will.map(|will| will.message));
        };
        let lasts = session.shelf.lasts();
        if !stays || !session.is_good() {
            if lasts {
                book.delete(SESSION, rows::bytes(id));
            }
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
        let until = now + seconds(expiry);
        if lasts {
            put(book, id, &session.shelf, until, later.as_ref(), place.as_ref());
        }
        slots.keep(id.clone(), session, until, later, place);
    }

    /// Takes out expired sessions and wills that are due.
    pub(super) fn sweep(&self, book: &Book, now: Instant) -> Ended {
        let mut ended = Ended::default();
        let mut slots = self.lock();
        let mut over = Vec::new();
        for (id, slot) in &mut slots.by_id {
            if let Slot::Kept { session, until, will, place } = slot {
                if let Some((message, _)) = will.take_if(|(_, at)| *at <= now) {
                    ended.wills.push(message);
                    if session.shelf.lasts() {
                        put(book, id, &session.shelf, *until, None, place.as_ref());
                    }
                }
                if *until <= now {
                    over.push(id.clone());
                }
            }
        }
        for id in over {
            if let Some(Slot::Kept { session, .. }) = slots.by_id.remove(&id) {
                slots.kept -= 1;
                if session.shelf.lasts() {
                    book.delete(SESSION, rows::bytes(&id));
                }
                ended.sessions.push(*session);
            }
        }
        ended
    }

    pub(super) fn away(&self) -> usize {
        self.lock().kept
    }

    /// A session that was kept when the server ended; its client is not here.
    pub(super) fn found(
        &self,
        id: Arc<str>,
        session: Resumable,
        bucket: Option<u8>,
        until: Instant,
        will: Option<(Message, Instant)>,
    ) {
        let place = self.places.found(Party::of(&session.shelf.owner, bucket));
        self.lock().keep(id, Box::new(session), until, will, Some(place));
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Slot {
    /// CON-7, CON-11: an id is of whoever has a session by it. One that is over is nobody's.
    fn is_open_to(&self, who: &Arc<str>, now: Instant) -> bool {
        match self {
            Slot::Live { owner, .. } => owner == who,
            Slot::Kept { session, until, .. } => session.shelf.owner == *who || *until <= now,
        }
    }
}

impl Slots {
    fn keep(
        &mut self,
        id: Arc<str>,
        session: Box<Resumable>,
        until: Instant,
        will: Option<(Message, Instant)>,
        place: Option<Place>,
    ) {
        self.kept += 1;
        self.by_id.insert(id, Slot::Kept { session, until, will, place });
    }
}

fn put(book: &Book, id: &str, shelf: &Shelf, until: Instant, will: Option<&(Message, Instant)>, place: Option<&Place>) {
    let clock = Clock::now();
    // Its session does not go with a will that is too large.
    let will = will.filter(|(message, _)| message.size() <= VALUE_MAX);
    let row = rows::Session {
        number: shelf.number,
        expiry: 0,
        until: Some(clock.time(until)),
        will: will.map(|(message, _)| Letter::of(message, clock)),
        will_at: will.map_or(0, |(_, at)| clock.time(*at)),
        owner: rows::bytes(&shelf.owner),
        bucket: place.and_then(Place::bucket).map(u64::from),
    };
    book.put(SESSION, rows::bytes(id), &row);
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}
