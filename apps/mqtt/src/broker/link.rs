//! One client's place at the broker, made when it first subscribes and kept with its session; it leaves the tree with it.

use std::collections::HashSet;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::mailbox::{Mailbox, Next, Overrun};
use super::retained::Cursor;
use super::tree::{Options, Subscriber};
use super::{Broker, filter};
use crate::message::Delivered;

pub(crate) struct Link {
    broker: Arc<Broker>,
    /// The client's number, by which it knows its own messages.
    number: u64,
    mailbox: Arc<Mailbox>,
    filters: HashSet<Arc<str>>,
}

impl Link {
    pub(crate) fn open(broker: Arc<Broker>, number: u64) -> Link {
        let mailbox = Arc::new(Mailbox::new(broker.budget.clone()));
        Link { broker, number, mailbox, filters: HashSet::new() }
    }

    /// Subscribes, or changes the options; shows what is retained if `retained`.
    pub(crate) fn subscribe(&mut self, filter: &Arc<str>, options: Options, retained: bool) {
        let subscriber = Subscriber { mailbox: self.mailbox.clone(), options };
        self.broker.tree_mut().insert(filter, self.number, subscriber);
        // After that: what is retained from now on comes by the subscription itself.
        if retained {
            let cursor = self.broker.retained().cursor(filter.clone());
            self.mailbox.show(cursor, options);
        }
        self.filters.insert(filter.clone());
    }

    pub(crate) fn unsubscribe(&mut self, filter: &str) {
        if self.filters.remove(filter) {
            self.broker.tree_mut().remove(filter, self.number);
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
        let done = self.broker.retained().step(&mut cursor, now, &mut found);
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
        for filter in &self.filters {
            self.broker.tree_mut().remove(filter, self.number);
        }
        self.broker.hand_on(self.mailbox.disconnect());
        self.mailbox.close();
    }
}
