//! The courier: hands pushes that the chat has decided to their gateways (PM-5, PUSH-1), on a thread of its own.
//!
//! A push is a row of the store until its gateway has it, will not have it, or nobody wants it any more; so none is lost when the program
//! ends. Each gateway has a lane, so that one that is slow holds up itself.

mod lane;
mod ledger;
mod senders;
mod log;
mod queued;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chat::{Chat, Gateway, Input, Name, Push, Vault};
use kvs::Store;
use n2o::Handle;
use proto::ids::{DevKey, Phone};
use push::Verdict;
use tokio::sync::mpsc;

use self::lane::{Lane, With};
pub(crate) use self::ledger::Entry;
use self::ledger::Ledger;
pub(crate) use self::ledger::TABLES;
use self::queued::Queued;
pub(crate) use self::queued::{Stranger, Wait};
use self::senders::Senders;
use crate::failure::Failure;
use crate::home::Home;
use crate::settings::{Origin, Settings};

/// Pushes that wait for a lane in memory; further ones it finds in the store.
const INBOX_MAX: usize = 2048;
/// Pushes in the store that are counted for the operator.
pub(crate) const COUNTED_MAX: usize = 10_000;
/// How often the ledger's old entries are looked for.
const TRIM: Duration = Duration::from_secs(60 * 60);

pub(crate) struct Courier {
    home: Home,
    origin: Origin,
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    ledger: Arc<Ledger>,
    senders: Arc<RwLock<Senders>>,
    doors: [Door; 3],
    /// SEC-13.
    limits: bool,
    /// Until the thread runs.
    inboxes: Mutex<Vec<mpsc::Receiver<Box<Push>>>>,
}

/// Where pushes for a gateway come in.
struct Door {
    inbox: mpsc::Sender<Box<Push>>,
    /// The smallest number of those that found no room.
    missed: Arc<AtomicU64>,
    queued: Arc<Queued>,
}

impl Courier {
    pub(crate) fn new(
        home: &Home,
        settings: &Settings,
        origin: &Origin,
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
    ) -> Result<Arc<Courier>, Failure> {
        let senders = Arc::new(RwLock::new(Senders::new(home, settings)?));
        let ledger = Ledger::open(&*store)?;
        let mut inboxes = Vec::new();
        let doors = Gateway::ALL.map(|_| {
            let (inbox, end) = mpsc::channel(INBOX_MAX);
            inboxes.push(end);
            Door { inbox, missed: Arc::new(AtomicU64::new(0)), queued: Arc::default() }
        });
        let (home, origin) = (home.clone(), origin.clone());
        let (limits, inboxes) = (settings.limits, Mutex::new(inboxes));
        Ok(Arc::new(Courier { home, origin, store, vault, ledger: Arc::new(ledger), senders, doors, limits, inboxes }))
    }

    /// A push, which is a row already: from a thread of the ring, so it never waits.
    pub(crate) fn take(&self, push: Box<Push>) {
        let door = self.door(push.gateway);
        let number = push.number;
        if door.inbox.try_send(push).is_err() {
            door.missed.fetch_min(number, Ordering::AcqRel);
        }
    }

    fn door(&self, gateway: Gateway) -> &Door {
        let [apns, fcm, web] = &self.doors;
        match gateway {
            Gateway::Apns => apns,
            Gateway::Fcm => fcm,
            Gateway::Web => web,
        }
    }

    /// Starts the thread; what an earlier run of the server has left is sent first.
    pub(crate) fn run(self: &Arc<Courier>, handle: Handle<Chat>) -> Result<(), Failure> {
        let inboxes = std::mem::take(&mut *self.inboxes.lock().unwrap_or_else(PoisonError::into_inner));
        let start = |error| Failure::Start(n2o::Failure::new(error));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(start)?;
        let courier = self.clone();
        let dead: Arc<lane::Dead> = Arc::new(move |push: &Push| {
            let news = Input::PushDead { device: push.device.clone(), print: push.print.clone() };
            handle.tell_always(&Name::Profile(push.phone.clone()), news);
        });
        let work = move || {
            runtime.block_on(async {
                let lanes = Gateway::ALL.into_iter().zip(&courier.doors).zip(inboxes);
                let lanes =
                    lanes.map(|((gateway, door), inbox)| courier.lane(gateway, door, inbox, dead.clone()).run());
                let lanes = lanes.map(tokio::spawn).collect::<Vec<_>>();
                loop {
                    if let Err(failure) = courier.ledger.trim_all(&*courier.store, millis(SystemTime::now())) {
                        tracing::error!(%failure, "cannot trim the ledger of pushes");
                    }
                    tokio::time::sleep(TRIM).await;
                    if lanes.iter().any(tokio::task::JoinHandle::is_finished) {
                        tracing::error!("a lane of pushes has ended; its pushes wait for the next start");
                    }
                }
            });
        };
        std::thread::Builder::new().name("push".into()).spawn(work).map(drop).map_err(start)
    }

    fn lane(&self, gateway: Gateway, door: &Door, inbox: mpsc::Receiver<Box<Push>>, dead: Arc<lane::Dead>) -> Lane {
        let senders = self.senders.clone();
        let sender = move || senders.read().unwrap_or_else(PoisonError::into_inner).of(gateway);
        let with = With {
            gateway,
            store: self.store.clone(),
            vault: self.vault.clone(),
            ledger: self.ledger.clone(),
            carrier: Box::new(sender),
            inbox,
            missed: door.missed.clone(),
            queued: door.queued.clone(),
            dead,
        };
        Lane::new(with, self.limits)
    }

    /// Reads keys and accounts again; if anything is wrong, all stays as it was.
    pub(crate) fn reload(&self) -> Result<(), Failure> {
        let senders = Senders::new(&self.home, &self.origin.load()?)?;
        *self.senders.write().unwrap_or_else(PoisonError::into_inner) = senders;
        Ok(())
    }

    /// What apps subscribe with, where Web Push is used.
    pub(crate) fn web_key(&self) -> Option<String> {
        self.senders.read().unwrap_or_else(PoisonError::into_inner).web_key.clone()
    }

    /// How many pushes wait for a gateway, at most [`COUNTED_MAX`], and who takes them.
    pub(crate) fn waiting(&self, gateway: Gateway) -> Result<(usize, &'static str), Failure> {
        let span = chat::rows::numbers(gateway.text().as_bytes(), 0, u64::MAX).limit(COUNTED_MAX);
        let count = self.store.scan(chat::rows::OUTGOING, &span).map_err(failed)?.len();
        Ok((count, self.senders.read().unwrap_or_else(PoisonError::into_inner).name(gateway)))
    }

    /// What a gateway has not taken yet, the oldest first.
    pub(crate) fn queued(&self, gateway: Gateway, count: usize) -> Vec<Wait> {
        self.door(gateway).queued.first(count)
    }

    /// Since when, and why, a gateway does not know us.
    pub(crate) fn stranger(&self, gateway: Gateway) -> Option<Stranger> {
        self.door(gateway).queued.stranger()
    }

    /// The latest entries of the ledger, the latest last.
    pub(crate) fn ledger(&self, count: usize) -> Result<Vec<Entry>, Failure> {
        self.ledger.latest(&*self.store, count)
    }

    /// One try with a device, which is not kept. Absent: it cannot be woken.
    pub(crate) async fn test(&self, phone: &Phone, device: &DevKey) -> Result<Option<(Gateway, Verdict)>, Failure> {
        let now = millis(SystemTime::now());
        let store = self.store.snapshot();
        let trial = chat::trial(&self.vault, &*store, (phone, device), "CHAT", now).map_err(Failure::Start)?;
        let Some(push) = trial else { return Ok(None) };
        drop(store);
        let carrier = self.senders.read().unwrap_or_else(PoisonError::into_inner).of(push.gateway);
        let verdict = carrier.sender.send(&carrier.parcel(&push)).await;
        Ok(Some((push.gateway, verdict)))
    }
}

fn failed(error: kvs::Error) -> Failure {
    Failure::Start(n2o::Failure::new(error))
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
