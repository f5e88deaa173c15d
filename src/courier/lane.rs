//! A lane: the pushes for one gateway, tried until they have ended.
//!
//! What is under way has its content in memory, what waits for another try only its number: it is read again when its time has come, and
//! judged again, since its device may have come back meanwhile.

mod patience;
mod place;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chat::rows::{self, OUTGOING};
use chat::{Gateway, Push, Vault};
use kvs::{Batch, Store};
use push::Verdict;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use self::patience::{Quota, pause};
use self::place::Place;
use super::ledger::{Entry, Ledger, Outcome};
use super::queued::{Queued, Wait};
use super::senders::Carrier;
use super::{failed, millis};
use crate::failure::Failure;

/// Tries under way: so many answers are waited for at a time.
const RUNNING_MAX: usize = 512;
/// Tries under way for one account, whose devices name push services that may be slow on purpose; further ones wait.
const RUNNING_OF_ONE: usize = 32;
/// So long what waits for others under way.
const BUSY: Duration = Duration::from_secs(2);
/// Pushes that wait in memory for another try. Beyond, no further ones are begun, and wait in the store.
const WAITING_MAX: usize = 20_000;
/// Pushes of the store that are looked at together.
const PAGE: usize = 128;
/// Why such a one waits.
const CROWD: &str = "too many others are under way";
/// After a failure of the store.
const RETRY: Duration = Duration::from_secs(5);

/// Told of a token that a gateway calls dead.
pub(crate) type Dead = dyn Fn(&Push) + Send + Sync;
/// Who takes the pushes now.
pub(crate) type Take = dyn Fn() -> Carrier + Send + Sync;

/// What a lane works with.
pub(crate) struct With {
    pub(crate) gateway: Gateway,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) carrier: Box<Take>,
    pub(crate) inbox: mpsc::Receiver<Box<Push>>,
    pub(crate) missed: Arc<AtomicU64>,
    pub(crate) queued: Arc<Queued>,
    pub(crate) dead: Arc<Dead>,
}

pub(crate) struct Lane {
    with: With,
    running: JoinSet<Verdict>,
    tried: HashMap<Id, Tried>,
    /// Numbers under way, which are passed over when the store is read.
    begun: BTreeSet<u64>,
    waiting: BTreeMap<u64, Later>,
    due: BTreeSet<(Instant, u64)>,
    /// Of each device and feed the latest that waits or is under way.
    latest: HashMap<Place, u64>,
    quota: Quota,
    /// Where the look into the store goes on, and how far one has come: what comes in late and is older may have ended already.
    look: Option<u64>,
    looked: u64,
}

/// A push under way.
struct Tried {
    push: Box<Push>,
    tries: u64,
    place: Option<Place>,
    /// A later one of the same place is under way, waits, or has been accepted.
    is_overtaken: bool,
}

/// A push that waits.
struct Later {
    at: Instant,
    tries: u64,
    place: Option<Place>,
}

/// What happens next.
enum Event {
    Came(Option<Box<Push>>),
    Ended(Option<Result<(Id, Verdict), JoinError>>),
    Due,
    Look,
}

impl Lane {
    pub(crate) fn new(with: With, limits: bool) -> Lane {
        Lane {
            with,
            running: JoinSet::new(),
            tried: HashMap::new(),
            begun: BTreeSet::new(),
            waiting: BTreeMap::new(),
            due: BTreeSet::new(),
            latest: HashMap::new(),
            quota: Quota::new(limits),
            look: None,
            looked: 0,
        }
    }

    /// Until nobody can send any more.
    pub(crate) async fn run(mut self) {
        loop {
            let event = self.next().await;
            match self.step(event) {
                Ok(true) => {}
                Ok(false) => return,
                Err(failure) => {
                    tracing::error!(%failure, gateway = self.with.gateway.text(), "pushes wait for the store");
                    self.look_from(0);
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn next(&mut self) -> Event {
        let missed = self.with.missed.swap(u64::MAX, Ordering::AcqRel);
        if missed != u64::MAX {
            self.look_from(missed);
        }
        let has_room = self.running.len() < RUNNING_MAX && self.waiting.len() < WAITING_MAX;
        let first = self.due.first().map(|(at, _)| *at).filter(|_| self.running.len() < RUNNING_MAX);
        let is_behind = self.look.is_some() && has_room;
        tokio::select! {
            biased;
            ended = self.running.join_next_with_id(), if !self.running.is_empty() => Event::Ended(ended),
            () = until(first) => Event::Due,
            push = self.with.inbox.recv(), if has_room => Event::Came(push),
            () = tokio::task::yield_now(), if is_behind => Event::Look,
        }
    }

    fn step(&mut self, event: Event) -> Result<bool, Failure> {
        let mut done = Batch::default();
        match event {
            Event::Came(None) => return Ok(false),
            Event::Came(Some(push)) => self.came(&mut done, push)?,
            Event::Ended(ended) => {
                self.ended(&mut done, ended);
                // All that are ready share a batch.
                while let Some(ended) = self.running.try_join_next_with_id() {
                    self.ended(&mut done, Some(ended));
                }
            }
            Event::Due => self.again(&mut done)?,
            Event::Look => self.read(&mut done)?,
        }
        if !done.is_empty() {
            self.with.store.apply(&done).map_err(failed)?;
        }
        if self.with.ledger.is_full() {
            self.with.ledger.trim(&*self.with.store, now())?;
        }
        Ok(true)
    }

    /// From the chat; it may have been found in the store before.
    fn came(&mut self, done: &mut Batch, push: Box<Push>) -> Result<(), Failure> {
        let number = push.number;
        if self.begun.contains(&number) || self.waiting.contains_key(&number) {
            return Ok(());
        }
        let is_late = number < self.looked;
        if is_late && self.with.store.get(OUTGOING, &self.key(number)).map_err(failed)?.is_none() {
            return Ok(());
        }
        self.begin(done, push, 0);
        Ok(())
    }

    /// The next page of the store.
    fn read(&mut self, done: &mut Batch) -> Result<(), Failure> {
        let Some(from) = self.look.take() else { return Ok(()) };
        let store = self.with.store.snapshot();
        let page = chat::waiting(&self.with.vault, &*store, self.with.gateway, from, PAGE).map_err(Failure::Start)?;
        drop(store);
        let is_last = page.len() < PAGE;
        let last = page.last().map_or(from, |found| found.number + 1);
        self.looked = self.looked.max(last);
        self.look = (!is_last).then_some(last);
        // The latest of each place first: those before it are not begun.
        for found in page.into_iter().rev() {
            let number = found.number;
            match found.push {
                _ if self.begun.contains(&number) || self.waiting.contains_key(&number) => {}
                Some(push) => self.begin(done, push, 0),
                None => self.drop_row(done, number),
            }
        }
        Ok(())
    }

    /// Those whose time has come.
    fn again(&mut self, done: &mut Batch) -> Result<(), Failure> {
        let now = Instant::now();
        while self.running.len() < RUNNING_MAX
            && let Some((at, number)) = self.due.first().copied()
            && at <= now
        {
            let Some(later) = self.forget(number) else { continue };
            let store = self.with.store.snapshot();
            let found =
                chat::waiting(&self.with.vault, &*store, self.with.gateway, number, 1).map_err(Failure::Start)?;
            let Some(found) = found.into_iter().next().filter(|found| found.number == number) else {
                self.with.queued.end(number);
                continue;
            };
            match found.push {
                Some(push) => self.begin(done, push, later.tries),
                None => self.drop_row(done, number),
            }
        }
        Ok(())
    }

    /// A try, unless the push has lost its sense or its account has had enough for now.
    fn begin(&mut self, done: &mut Batch, push: Box<Push>, tries: u64) {
        if now() >= push.expires {
            return self.end(done, &push, tries, Outcome::Expired, None);
        }
        let place = Place::of(&push);
        if let Some(place) = place
            && let Some(other) = self.latest.get(&place).copied()
        {
            if other > push.number {
                return self.end(done, &push, tries, Outcome::Merged, None);
            }
            self.overtake(done, &push, place, other);
        }
        if let Some(wait) = self.turn(&push, tries) {
            self.with.queued.pass(push.number, told(&push, tries, CROWD, wait));
            return self.wait(push.number, Later { at: Instant::now() + wait, tries, place });
        }
        let carrier = (self.with.carrier)();
        let parcel = carrier.parcel(&push);
        let id = self.running.spawn(async move { carrier.sender.send(&parcel).await }).id();
        self.begun.insert(push.number);
        self.latest.extend(place.map(|place| (place, push.number)));
        self.tried.insert(id, Tried { push, tries: tries + 1, place, is_overtaken: false });
    }

    /// How long a push has to wait for others of its account. A call has lost its sense when the minute is over.
    fn turn(&mut self, push: &Push, tries: u64) -> Option<Duration> {
        let is_of_one = |tried: &&Tried| tried.push.phone == push.phone;
        if self.tried.values().filter(is_of_one).count() >= RUNNING_OF_ONE {
            return Some(BUSY);
        }
        let wait = self.quota.wait(&push.phone, Instant::now());
        wait.filter(|_| tries > 0 || !push.is_call())
    }

    fn ended(&mut self, done: &mut Batch, ended: Option<Result<(Id, Verdict), JoinError>>) {
        let (id, verdict) = match ended {
            None => return,
            Some(Ok(ended)) => ended,
            // A sender that panics fails this push alone.
            Some(Err(error)) => (error.id(), Verdict::Later { why: "the sender failed".into(), after: None }),
        };
        let Some(Tried { push, tries, place, is_overtaken }) = self.tried.remove(&id) else { return };
        self.begun.remove(&push.number);
        self.is_latest_no_more(place, push.number);
        match verdict {
            Verdict::Accepted => {
                if self.with.queued.know_us() {
                    tracing::info!(gateway = self.with.gateway.text(), "the gateway of pushes knows us again");
                }
                self.end(done, &push, tries, Outcome::Accepted, None);
            }
            Verdict::Refused(why) => {
                tracing::warn!(gateway = self.with.gateway.text(), why, "a push was refused");
                self.end(done, &push, tries, Outcome::Refused, Some(why));
            }
            Verdict::Dead(why) => {
                (self.with.dead)(&push);
                self.end(done, &push, tries, Outcome::Removed, Some(why));
            }
            Verdict::Busy if is_overtaken => self.end(done, &push, tries - 1, Outcome::Merged, None),
            Verdict::Busy => self.put_off(done, &push, tries - 1, CROWD.into(), Some(BUSY)),
            Verdict::Stranger(why) => {
                if self.with.queued.refuse_us(&why, now()) {
                    tracing::warn!(
                        gateway = self.with.gateway.text(),
                        why,
                        "a gateway of pushes does not know us; they wait"
                    );
                }
                match is_overtaken {
                    true => self.end(done, &push, tries, Outcome::Merged, Some(why)),
                    false => self.put_off(done, &push, tries, why, None),
                }
            }
            Verdict::Later { why, .. } if is_overtaken => self.end(done, &push, tries, Outcome::Merged, Some(why)),
            Verdict::Later { why, after } => self.put_off(done, &push, tries, why, after),
        }
    }

    /// What is older and of the same place is told by this one: it is not tried again, and not waited with.
    fn overtake(&mut self, done: &mut Batch, push: &Push, place: Place, other: u64) {
        if self.waiting.contains_key(&other) {
            self.forget(other);
            self.delete(done, push, other, Outcome::Merged);
        }
        let older = |tried: &&mut Tried| tried.place == Some(place) && tried.push.number < push.number;
        self.tried.values_mut().filter(older).for_each(|tried| tried.is_overtaken = true);
    }

    fn put_off(&mut self, done: &mut Batch, push: &Push, tries: u64, why: String, after: Option<Duration>) {
        tracing::debug!(gateway = self.with.gateway.text(), why, tries, "a push is tried again");
        let pause = pause(tries, after);
        if now().saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)) >= push.expires {
            return self.end(done, push, tries, Outcome::Expired, Some(why));
        }
        self.with.queued.wait(push.number, told(push, tries, &why, pause));
        self.wait(push.number, Later { at: Instant::now() + pause, tries, place: Place::of(push) });
    }

    fn wait(&mut self, number: u64, later: Later) {
        self.due.insert((later.at, number));
        if let Some(place) = later.place {
            self.latest.insert(place, number);
        }
        self.waiting.insert(number, later);
    }

    fn forget(&mut self, number: u64) -> Option<Later> {
        let Some(later) = self.waiting.remove(&number) else {
            self.due.retain(|(_, other)| *other != number);
            return None;
        };
        self.due.remove(&(later.at, number));
        self.is_latest_no_more(later.place, number);
        Some(later)
    }

    fn is_latest_no_more(&mut self, place: Option<Place>, number: u64) {
        if let Some(place) = place
            && self.latest.get(&place) == Some(&number)
        {
            self.latest.remove(&place);
        }
    }

    fn end(&self, done: &mut Batch, push: &Push, tries: u64, outcome: Outcome, why: Option<String>) {
        let entry = Entry { tries, why: why.map(Bytes::from), ..self.entry(push, push.number, outcome) };
        self.drop_row(done, push.number);
        self.with.ledger.add(done, &entry);
    }

    /// Another push of the same device.
    fn delete(&self, done: &mut Batch, like: &Push, number: u64, outcome: Outcome) {
        self.drop_row(done, number);
        self.with.ledger.add(done, &self.entry(like, number, outcome));
    }

    fn drop_row(&self, done: &mut Batch, number: u64) {
        done.delete(OUTGOING, self.key(number));
        self.with.queued.end(number);
    }

    fn entry(&self, push: &Push, number: u64, outcome: Outcome) -> Entry {
        Entry {
            number,
            client_id: push.client_id.clone(),
            gateway: Bytes::from_static(self.with.gateway.text().as_bytes()),
            outcome,
            why: None,
            tries: 0,
            created: push.created,
            ended: now(),
        }
    }

    fn look_from(&mut self, number: u64) {
        self.look = Some(self.look.map_or(number, |look| look.min(number)));
    }

    fn key(&self, number: u64) -> Bytes {
        rows::numbered(self.with.gateway.text().as_bytes(), number)
    }
}

/// For the operator.
fn told(push: &Push, tries: u64, why: &str, pause: Duration) -> Wait {
    let since = now();
    let again = since.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
    let client_id = Bytes::copy_from_slice(&push.client_id);
    Wait { client_id, tries, why: why.to_owned(), since, again }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => pending().await,
    }
}

fn now() -> u64 {
    millis(SystemTime::now())
}
