//! One client's place at the broker, made when it first subscribes and kept with its session; it leaves the tree with it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::mailbox::{Mailbox, Next, Overrun};
use super::retained::Cursor;
use super::rows::{self, SUBSCRIPTION, Subscription};
use super::shelf::{Guard, Shelf};
use super::tree::{Options, Subscriber};
use super::{Broker, filter};
use crate::message::Delivered;

pub(crate) struct Link {
    broker: Arc<Broker>,
    shelf: Arc<Shelf>,
    mailbox: Arc<Mailbox>,
    /// Each with its row, where the session lasts.
    filters: HashMap<Arc<str>, Option<Guard>>,
}

impl Link {
    pub(crate) fn open(broker: Arc<Broker>, shelf: Arc<Shelf>) -> Link {
        let mailbox = Arc::new(Mailbox::new(broker.budget.clone(), Some(shelf.clone())));
        Link { broker, shelf, mailbox, filters: HashMap::new() }
    }

    /// That of a session whose subscriptions were kept; its client is not here.
    pub(super) fn found(broker: Arc<Broker>, shelf: Arc<Shelf>, kept: Vec<(u64, Subscription)>) -> Link {
        let mut link = Link::open(broker, shelf);
        link.disconnect();
        for (number, subscription) in kept {
            let filter = rows::shared(&subscription.filter);
            link.enter(&filter, subscription.options());
            link.broker.subscriptions.fetch_add(1, Ordering::Relaxed);
            let row = link.row(number);
            link.filters.insert(filter, Some(row));
        }
        link
    }

    pub(super) fn filters(&self) -> impl Iterator<Item = Arc<str>> {
        self.filters.keys().cloned()
    }

    /// What waits for its client, from before.
    pub(super) fn waits(&self, delivered: Delivered) {
        self.mailbox.found(delivered);
    }

    fn enter(&self, filter: &Arc<str>, options: Options) {
        let subscriber = Subscriber { mailbox: self.mailbox.clone(), options };
        self.broker.tree_mut().insert(filter, self.shelf.number, subscriber);
    }

    fn row(&self, number: u64) -> Guard {
        Guard::new(&self.shelf.book, SUBSCRIPTION, rows::key_of(self.shelf.number, number))
    }

    /// Subscribes, or changes the options; shows what is retained if `retained`.
    pub(crate) fn subscribe(&mut self, filter: &Arc<str>, options: Options, retained: bool) {
        self.enter(filter, options);
        // After that: what is retained from now on comes by the subscription itself.
        if retained {
            let cursor = self.broker.retained_at(filter).cursor(filter.clone());
            self.mailbox.show(cursor, options);
        }
        let lasts = self.shelf.lasts();
        let known = self.filters.remove(filter);
        if known.is_none() {
            self.broker.subscriptions.fetch_add(1, Ordering::Relaxed);
        }
        let row = known.flatten();
        let row = row.or_else(|| lasts.then(|| self.row(self.shelf.book.number())));
        if let Some(row) = row.as_ref().filter(|_| lasts) {
            row.put(&Subscription::of(filter, options));
            self.shelf.hurry();
        }
        self.filters.insert(filter.clone(), row);
    }

    pub(crate) fn unsubscribe(&mut self, filter: &str) {
        if let Some(row) = self.filters.remove(filter) {
            if row.is_some() {
                self.shelf.hurry();
            }
            self.broker.tree_mut().remove(filter, self.shelf.number);
            self.broker.subscriptions.fetch_sub(1, Ordering::Relaxed);
            self.mailbox.hide(filter);
            if filter::shared(filter).is_some() {
                self.broker.hand_on(self.mailbox.give_back(filter));
            }
        }
    }

    /// The next message. An error: more had to wait than may, and the session ends.
    pub(crate) fn poll_next(&self, now: Instant, cx: &mut Context<'_>) -> Poll<Result<Delivered, Overrun>> {
        loop {
            match ready!(self.mailbox.poll_next(now, cx))? {
                Next::Message(delivered) => return Poll::Ready(Ok(delivered)),
                Next::Show(cursor, options) => {
                    if !self.show(cursor, options, now) {
                        // Much was looked at and nothing found: others first.
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// False: nothing found so far.
    fn show(&self, mut cursor: Cursor, options: Options, now: Instant) -> bool {
        let mut found = Vec::new();
        let done = self.broker.retained_at(cursor.filter()).step(&mut cursor, now, &mut found);
        let shown = found.iter().map(|message| Delivered { retain: true, ..options.copy(message, None) }).collect();
        self.mailbox.shown(shown, (!done).then_some((cursor, options)));
        done || !found.is_empty()
    }

    pub(crate) fn connect(&self) {
        self.mailbox.connect();
    }

    pub(crate) fn disconnect(&self) {
        self.broker.hand_on(self.mailbox.disconnect());
    }

    pub(crate) fn is_overrun(&self) -> bool {
        self.mailbox.is_overrun()
    }

    /// What its client was sent by a shared subscription and has not acknowledged, when the session ends.
    pub(super) fn give_up(self, unfinished: Vec<Delivered>) {
        let broker = self.broker.clone();
        drop(self);
        broker.hand_on(unfinished);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for filter in self.filters.keys() {
            self.broker.tree_mut().remove(filter, self.shelf.number);
        }
        self.broker.subscriptions.fetch_sub(self.filters.len(), Ordering::Relaxed);
        self.broker.hand_on(self.mailbox.disconnect());
        self.mailbox.close();
    }
}
