//! What the rest of the program holds of a running host.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_rt::{Arbiter, ArbiterHandle};
use kvs::{Flusher, Store};

use super::{Arbiters, Shared};
use crate::net::Full;
use crate::{App, Registry};

/// The way into the processes from outside, from any thread.
pub struct Handle<A: App> {
    shared: Arc<Shared<A>>,
    arbiters: Arc<Arbiters>,
    threads: Arc<[ArbiterHandle]>,
}

impl<A: App> Clone for Handle<A> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), arbiters: self.arbiters.clone(), threads: self.threads.clone() }
    }
}

impl<A: App> Handle<A> {
    pub(super) fn new(shared: Arc<Shared<A>>, arbiters: Vec<Arbiter>) -> Self {
        let threads = arbiters.iter().map(Arbiter::handle).collect();
        Self { shared, arbiters: Arc::new(Mutex::new(arbiters)), threads }
    }

    /// Puts an input into the mailbox of a process.
    ///
    /// # Errors
    /// Gives it back when [`crate::MAILBOX_MAX`] inputs wait there, or when the server is stopping: stop reading.
    pub fn tell(&self, name: &A::Name, input: A::Input) -> Result<(), Full<A::Input>> {
        self.shared.net.tell(name, input)
    }

    /// Puts an input into a mailbox also when it is full. For news that end something, at most one for each [`Self::tell`] taken.
    pub fn tell_always(&self, name: &A::Name, input: A::Input) {
        self.shared.net.tell_always(name, input);
    }

    /// What its processes share.
    pub fn app(&self) -> &A {
        &self.shared.app
    }

    /// What the processes read and write; rows that are none of theirs may be anybody's.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// Makes durable what was applied to it.
    pub fn flusher(&self) -> &Flusher {
        &self.shared.flusher
    }

    pub fn registry(&self) -> &Registry<A> {
        &self.shared.net.registry
    }

    /// Ring threads, numbered from 0.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Runs a task on a ring thread, beside the processes there; false when the host has stopped.
    pub fn spawn<F>(&self, thread: usize, task: F) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.threads.get(thread).is_some_and(|arbiter| arbiter.spawn(task))
    }

    /// As [`Self::spawn`] for a task that stays on its thread and is made there.
    pub fn spawn_with<M, F>(&self, thread: usize, make: M) -> bool
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        let make = move || drop(actix_rt::spawn(make()));
        self.threads.get(thread).is_some_and(|arbiter| arbiter.spawn_fn(make))
    }

    /// Takes no more inputs from outside, lets the processes finish what they have and the outputs leave, at most
    /// for `within`, then ends the threads with all tasks on them and flushes the store. True when everything was
    /// finished. Not to be awaited on a ring thread, which would wait for its own end.
    pub async fn shutdown(&self, within: Duration) -> bool {
        self.shared.net.closed.store(true, Ordering::Release);
        self.shared.net.inboxes.iter().for_each(|inbox| inbox.wake());
        let finished = tokio::time::timeout(within, self.quiet()).await.is_ok();

        let arbiters = std::mem::take(&mut *self.arbiters.lock().unwrap_or_else(PoisonError::into_inner));
        for arbiter in &arbiters {
            arbiter.stop();
        }
        let ended = arbiters.into_iter().map(Arbiter::join).filter(|ended| ended.is_err()).count() == 0;
        finished && ended && self.shared.store.flush().is_ok()
    }

    async fn quiet(&self) {
        while !self.shared.net.is_quiet() {
            self.shared.rested.notified().await;
        }
    }
}
