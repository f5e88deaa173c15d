//! The broker's hand on the store (CON-11). Changes are noted as they happen, in order, and applied together: by whoever cannot go on before
//! they are on the disk, else with the next sweep. A note costs a push onto a list.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use etf::Encode;
use kvs::{Batch, Store, Table, Ticket, VALUE_MAX};

/// Changes of one batch.
const BATCH_CHANGES: usize = 4096;
/// Bytes of one batch, nearly.
const BATCH_BYTES: usize = 4 << 20;

/// Without a store it keeps nothing.
#[derive(Default)]
pub(crate) struct Book {
    disk: Option<Disk>,
    noted: Mutex<Noted>,
    last: AtomicU64,
}

struct Disk {
    store: Arc<dyn Store>,
    /// Asks for what was applied to become durable.
    request: Box<dyn Fn(Ticket) + Send + Sync>,
    durable: Arc<Durable>,
}

#[derive(Default)]
struct Noted {
    changes: VecDeque<(Table, Bytes, Option<Bytes>)>,
    /// Nothing is kept any more. The server goes down, and what is dropped from now on has not ended; or the store has refused a batch, and
    /// what was noted behind that would be there without it.
    closed: bool,
}

/// What was noted may be lost: nobody may hear that it is kept.
#[derive(Debug)]
pub(crate) struct Unkept;

/// How far the store is durable, and who waits for more.
#[derive(Default)]
pub(crate) struct Durable {
    reached: AtomicU64,
    waiting: Mutex<Vec<(u64, Waker)>>,
}

impl Book {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        request: Box<dyn Fn(Ticket) + Send + Sync>,
        durable: Arc<Durable>,
    ) -> Book {
        Book { disk: Some(Disk { store, request, durable }), ..Book::default() }
    }

    pub(super) fn keeps(&self) -> bool {
        self.disk.is_some()
    }

    pub(super) fn store(&self) -> Option<&dyn Store> {
        self.disk.as_ref().map(|disk| &*disk.store)
    }

    /// A number that no row has.
    pub(super) fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Numbers up to this one are taken.
    pub(super) fn is_taken(&self, number: u64) {
        self.last.fetch_max(number, Ordering::Relaxed);
    }

    pub(super) fn put(&self, table: Table, key: Bytes, row: &impl Encode) {
        if self.keeps() {
            self.note(table, key, Some(etf::encode(row)));
        }
    }

    pub(super) fn delete(&self, table: Table, key: Bytes) {
        self.note(table, key, None);
    }

    /// A row that is too large is not kept, nor is the older one that it takes the place of: a message of many small properties, where packets
    /// may have many MiB.
    fn note(&self, table: Table, key: Bytes, row: Option<Bytes>) {
        let small = row.as_ref().is_none_or(|row| row.len() <= VALUE_MAX);
        if !small {
            tracing::warn!(table = table.0, "free topics: too large to outlive the server");
        }
        let row = row.filter(|_| small);
        let mut noted = self.lock();
        if self.keeps() && !noted.closed {
            noted.changes.push_back((table, key, row));
        }
    }

    /// Applies what is noted and asks for it to become durable: with the ticket returned, it is.
    ///
    /// # Errors
    /// The store has refused something, now or before, or the book is closed.
    pub(crate) fn write(&self) -> Result<Ticket, Unkept> {
        let Some(disk) = &self.disk else {
            return Ok(Ticket(0));
        };
        let ticket = self.apply(disk)?;
        (disk.request)(ticket);
        Ok(ticket)
    }

    /// As [`Book::write`], if there is anything.
    pub(super) fn settle(&self) {
        if !self.lock().changes.is_empty() {
            // Whoever has to know of a failure is told when he writes.
            let _ = self.write();
        }
    }

    /// Batches are applied in the order in which they were noted, so under the lock.
    fn apply(&self, disk: &Disk) -> Result<Ticket, Unkept> {
        let mut noted = self.lock();
        if noted.closed {
            return Err(Unkept);
        }
        while !noted.changes.is_empty() {
            let batch = batch(&mut noted.changes);
            if let Err(failure) = disk.store.apply(&batch) {
                tracing::error!(%failure, "free topics: nothing more is kept, so nothing more is acknowledged");
                *noted = Noted { closed: true, ..Noted::default() };
                return Err(Unkept);
            }
        }
        Ok(disk.store.applied())
    }

    pub(crate) fn poll_durable(&self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<()> {
        self.disk.as_ref().map_or(Poll::Ready(()), |disk| disk.durable.poll(ticket, cx))
    }

    /// Takes no more notes.
    pub(super) fn close(&self) {
        self.settle();
        self.lock().closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

fn batch(changes: &mut VecDeque<(Table, Bytes, Option<Bytes>)>) -> Batch {
    let mut batch = Batch::default();
    let mut bytes = 0;
    while batch.len() < BATCH_CHANGES && bytes < BATCH_BYTES {
        let Some((table, key, row)) = changes.pop_front() else {
            return batch;
        };
        bytes += key.len() + row.as_ref().map_or(0, Bytes::len);
        match row {
            Some(row) => batch.put(table, key, row),
            None => batch.delete(table, key),
        }
    }
    batch
}

impl Durable {
    /// What the flusher tells.
    pub(crate) fn reach(&self, ticket: Ticket) {
        self.reached.fetch_max(ticket.0, Ordering::AcqRel);
        let mut waiting = self.waiting.lock().unwrap_or_else(|broken| broken.into_inner());
        let woken: Vec<Waker> =
            waiting.extract_if(.., |(until, _)| *until <= ticket.0).map(|(_, waker)| waker).collect();
        drop(waiting);
        woken.into_iter().for_each(Waker::wake);
    }

    fn poll(&self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_reached(ticket) {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(|broken| broken.into_inner());
        // Told between the look and the lock, it would never be told again.
        if self.has_reached(ticket) {
            return Poll::Ready(());
        }
        waiting.push((ticket.0, cx.waker().clone()));
        Poll::Pending
    }

    fn has_reached(&self, ticket: Ticket) -> bool {
        self.reached.load(Ordering::Acquire) >= ticket.0
    }
}
