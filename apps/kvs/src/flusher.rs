//! The flusher: one thread, one flush for all who wait.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{Error, Store, Ticket};

/// How often the store is looked at while nobody waits: when what it does in the background has failed, it tells nobody.
const LOOK: Duration = Duration::from_secs(1);

/// Flushes whenever somebody waits, and tells all subscribers how far the store is durable. Those who ask during a flush
/// share the next one. Dropping it flushes a last time and waits for the end.
pub struct Flusher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    store: Arc<dyn Store>,
    wanted: AtomicU64,
    durable: AtomicU64,
    stop: AtomicBool,
    subscribers: RwLock<Vec<Subscriber>>,
}

type Subscriber = Box<dyn Fn(Ticket) + Send + Sync>;

impl Flusher {
    /// Starts the thread. `on_failure` is called once, when a flush failed or the store has stopped by itself, and no flush follows: the
    /// system may have dropped what it could not write, so a second one that succeeds would prove nothing. The program should end.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(store: Arc<dyn Store>, on_failure: Box<dyn Fn(Error) + Send>) -> Result<Flusher, Error> {
        let shared = Arc::new(Shared {
            store,
            wanted: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            subscribers: RwLock::default(),
        });
        let thread = thread::Builder::new().name("flusher".into()).spawn({
            let shared = shared.clone();
            move || run(&shared, on_failure)
        })?;
        Ok(Flusher { shared, thread: Some(thread) })
    }

    /// From now on `done` is told, on the flusher's thread, each time more is durable. It must be quick and not block.
    pub fn subscribe(&self, done: Subscriber) {
        self.shared.subscribers.write().unwrap_or_else(PoisonError::into_inner).push(done);
    }

    /// Asks for `ticket` to become durable. Costs a few atomic operations; wakes the thread when it sleeps.
    pub fn request(&self, ticket: Ticket) {
        let before = self.shared.wanted.fetch_max(ticket.0, Ordering::AcqRel);
        if before < ticket.0
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
    }

    /// Everything up to this ticket is durable.
    pub fn durable(&self) -> Ticket {
        Ticket(self.shared.durable.load(Ordering::Acquire))
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // An error here is a panic in `on_failure`, which has said so itself.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, on_failure: Box<dyn Fn(Error) + Send>) {
    match catch_unwind(AssertUnwindSafe(|| shared.work())) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => on_failure(error),
        // A subscriber panicked: nobody would ever be told again.
        Err(_) => on_failure(Error::Stopped),
    }
}

impl Shared {
    fn work(&self) -> Result<(), Error> {
        while !self.stop.load(Ordering::Acquire) {
            if self.is_wanted() {
                self.flush()?;
            } else {
                thread::park_timeout(LOOK);
                if !self.is_wanted() {
                    self.store.check()?;
                }
            }
        }
        self.flush()
    }

    /// A ticket that the store never gave counts as the highest it gave.
    fn is_wanted(&self) -> bool {
        let wanted = self.wanted.load(Ordering::Acquire);
        wanted.min(self.store.applied().0) > self.durable.load(Ordering::Acquire)
    }

    fn flush(&self) -> Result<(), Error> {
        let durable = self.store.flush()?;
        self.durable.store(durable.0, Ordering::Release);
        for done in self.subscribers.read().unwrap_or_else(PoisonError::into_inner).iter() {
            done(durable);
        }
        Ok(())
    }
}
