//! The broker of the free topics (TOPIC-13).
//!
//! A message is published on the thread of its connection: it is kept if it is to be retained, the tree shows whose filters match, and a
//! share of it is put in each one's mailbox; nobody waits. A client with several matching subscriptions gets one copy, with the highest
//! QoS and the identifiers of all (section 3.3.4 of the standard allows either); one that comes by a shared subscription is a copy of
//! its own.

mod book;
mod clients;
pub(crate) mod filter;
mod link;
mod load;
mod mailbox;
mod places;
mod retained;
mod rows;
mod shelf;
mod tree;
mod unreleased;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockWriteGuard};
use std::time::Instant;

pub(crate) use book::{Book, Durable, Unkept};
pub(crate) use clients::{Anothers, Claimant, Resumable};
use clients::{Clients, Ended};
pub(crate) use link::Link;
pub(crate) use mailbox::Overrun;
pub(crate) use shelf::{Lasting, Row, Shelf};
pub(crate) use tree::{LEVELS_MAX, Options};
pub(crate) use unreleased::Unreleased;

use crate::message::{Delivered, Message};
use mailbox::{Budget, Mailbox};
use retained::Retained;
use tree::{Subscribers, Tree};

/// What the broker keeps in the store.
pub(crate) const TABLES: &[kvs::Table] = rows::TABLES;

/// The publisher of wills, and of what the server says of itself.
const NOBODY: u64 = 0;

#[derive(Default)]
pub(crate) struct Broker {
    tree: RwLock<Tree>,
    retained: Mutex<Retained>,
    /// What the server says of itself: retained as long as it runs.
    status: Mutex<Retained>,
    subscriptions: AtomicUsize,
    budget: Arc<Budget>,
    clients: Clients,
    pub(crate) book: Arc<Book>,
}

/// One client's share of a message.
struct Share {
    number: u64,
    mailbox: Arc<Mailbox>,
    delivered: Delivered,
}

impl Broker {
    /// Publishes for the client that `publisher` numbers. True: something of it must be on the disk before its publisher hears of it.
    pub(crate) fn publish(&self, mut message: Message, publisher: u64, now: Instant) -> bool {
        message.arrive(now);
        let message = Arc::new(message);
        // Before it is matched: who subscribes meanwhile gets it either way.
        let mut lasts = message.retain && self.retained_at(&message.topic).keep(&message);
        for Share { mailbox, mut delivered, .. } in self.shares(&message, publisher) {
            lasts |= mailbox.keep(&mut delivered);
            mailbox.push(delivered);
        }
        lasts
    }

    /// For a session that begins.
    pub(crate) fn unreleased(&self, shelf: Arc<Shelf>) -> Unreleased {
        Unreleased::new(self.budget.clone(), shelf)
    }

    /// What a client is known by whose session ends with its connection, and is nobody's to take over.
    pub(crate) fn visitor(&self) -> Arc<Shelf> {
        Arc::new(Shelf::new(self.book.number(), "".into(), self.book.clone()))
    }

    /// The same by its number.
    #[cfg(any(test, feature = "hostile"))]
    pub(crate) fn shelf(&self, number: u64) -> Arc<Shelf> {
        Arc::new(Shelf::new(number, "".into(), self.book.clone()))
    }

    fn shares(&self, message: &Arc<Message>, publisher: u64) -> Vec<Share> {
        let mut shares = Vec::new();
        let mut several = 0;
        let tree = self.tree.read().unwrap_or_else(|broken| broken.into_inner());
        tree.matching(&message.topic, &mut |subscribers| {
            several += usize::from(!subscribers.each.is_empty());
            collect(subscribers, message, publisher, &mut shares);
        });
        drop(tree);
        if several > 1 {
            merge(&mut shares);
        }
        shares
    }

    /// Gives what one client had by a shared subscription to another of its group, if there is one.
    fn hand_on(&self, unfinished: Vec<Delivered>) {
        for Delivered { message, share, row: _row, .. } in unfinished {
            let tree = self.tree.read().unwrap_or_else(|broken| broken.into_inner());
            let group = share.as_deref().and_then(|filter| tree.group(filter));
            let chosen = group.and_then(|group| group.choose(&message));
            let chosen = chosen.map(|heir| (heir.mailbox.clone(), heir.options));
            drop(tree);
            if let Some((mailbox, options)) = chosen {
                let mut copy = options.copy(&message, share);
                mailbox.keep(&mut copy);
                mailbox.push(copy);
            }
        }
    }

    /// Ends sessions that have expired, publishes wills that are due (CON-11), forgets what is retained and over.
    pub(crate) fn sweep(&self, now: Instant) {
        self.finish(self.clients.sweep(&self.book, now));
        self.retained().sweep(now);
        self.book.settle();
    }

    fn finish(&self, ended: Ended) {
        for session in ended.sessions {
            session.end();
        }
        for will in ended.wills {
            self.publish_will(will);
        }
    }

    /// The server goes down: sessions have not ended.
    pub(crate) fn close(&self) {
        while !self.retained().is_settled() {
            self.retained().settle();
        }
        self.book.close();
    }

    /// Publishes what the server says of itself.
    pub(crate) fn tell(&self, message: Message, now: Instant) {
        self.publish(message, NOBODY, now);
    }

    /// Whether anybody, connected or not, has subscribed to what the server says of itself.
    pub(crate) fn has_listeners(&self) -> bool {
        self.tree.read().unwrap_or_else(|broken| broken.into_inner()).has(filter::SERVERS)
    }

    /// Subscriptions of all sessions.
    pub(crate) fn subscriptions(&self) -> usize {
        self.subscriptions.load(Ordering::Relaxed)
    }

    /// Topics that retain a message.
    pub(crate) fn retained_count(&self) -> usize {
        self.retained().count()
    }

    /// Sessions that are kept without a connection.
    pub(crate) fn sessions_away(&self) -> usize {
        self.clients.away()
    }

    fn publish_will(&self, will: Message) {
        self.publish(will, NOBODY, Instant::now());
    }

    fn tree_mut(&self) -> RwLockWriteGuard<'_, Tree> {
        self.tree.write().unwrap_or_else(|broken| broken.into_inner())
    }

    fn retained(&self) -> MutexGuard<'_, Retained> {
        self.retained.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    /// That which has what the topic, or topics that the filter names, retain.
    fn retained_at(&self, filter: &str) -> MutexGuard<'_, Retained> {
        let retained = if filter::is_servers(filter) { &self.status } else { &self.retained };
        retained.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

fn collect(subscribers: &Subscribers, message: &Arc<Message>, publisher: u64, shares: &mut Vec<Share>) {
    let others = subscribers.each.iter().filter(|(number, known)| !known.options.no_local || **number != publisher);
    shares.extend(others.map(|(number, known)| Share {
        number: *number,
        mailbox: known.mailbox.clone(),
        delivered: known.options.copy(message, None),
    }));
    for group in subscribers.groups.values() {
        if let Some(chosen) = group.choose(message) {
            let delivered = chosen.options.copy(message, Some(group.filter.clone()));
            shares.push(Share { number: NOBODY, mailbox: chosen.mailbox.clone(), delivered });
        }
    }
}

/// One share for each client; those of shared subscriptions, who are nobody's, stay as they are.
fn merge(shares: &mut Vec<Share>) {
    shares.sort_by_key(|share| share.number);
    shares.dedup_by(|next, first| {
        let same = next.number == first.number && next.number != NOBODY;
        if same {
            let (more, kept) = (&mut next.delivered, &mut first.delivered);
            kept.qos = kept.qos.max(more.qos);
            kept.retain |= more.retain;
            kept.ids.append(&mut more.ids);
        }
        same
    });
}

impl Options {
    /// A subscriber's own of what is published.
    fn copy(&self, message: &Arc<Message>, share: Option<Arc<str>>) -> Delivered {
        Delivered {
            message: message.clone(),
            qos: message.qos.min(self.qos),
            retain: self.as_published && message.retain,
            ids: self.id.into_iter().collect(),
            share,
            left: None,
            row: None,
        }
    }
}

#[cfg(test)]
mod tests;
