//! The broker of the free topics (TOPIC-13): the rumqttd router hands messages to subscriptions; what is kept, expires or
//! is agreed with one client is ours.
//!
//! A thread of its own feeds the router, so that no ring thread waits for it. It starts with the first use.

mod clients;
mod envelope;
mod feed;
mod link;
mod retained;
mod router;
mod spelling;

use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

pub(crate) use clients::{Clients, Resumable};
pub(crate) use link::Link;

use crate::message::Message;
use retained::Retained;
use router::Command;

/// The router has as much to do as it may keep waiting: come back in a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

#[derive(Default)]
pub(crate) struct Broker {
    router: OnceLock<Option<SyncSender<Command>>>,
    retained: Mutex<Retained>,
    pub(crate) clients: Clients,
}

impl Broker {
    /// Publishes for the client that `publisher` numbers.
    pub(crate) fn publish(&self, message: &Message, publisher: u64) -> Result<(), Busy> {
        self.tell(Command::Publish(Box::new(envelope::seal(message, publisher))))?;
        if message.retain {
            self.retained.lock().unwrap_or_else(|broken| broken.into_inner()).keep(message, Instant::now());
        }
        Ok(())
    }

    /// What is kept on the topics that `filter` names.
    fn retained(&self, filter: &str) -> Vec<Arc<Message>> {
        self.retained.lock().unwrap_or_else(|broken| broken.into_inner()).matching(filter, Instant::now())
    }

    fn tell(&self, command: Command) -> Result<(), Busy> {
        match self.router() {
            // Without a thread there is no broker: said once, at its start; messages go nowhere.
            None => Ok(()),
            Some(router) => match router.try_send(command) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
                Err(TrySendError::Full(_)) => Err(Busy),
            },
        }
    }

    /// For what must not be lost: waits for a place, which the thread always makes.
    fn tell_always(&self, command: Command) {
        if let Some(router) = self.router() {
            let _ = router.send(command);
        }
    }

    fn router(&self) -> Option<&SyncSender<Command>> {
        self.router.get_or_init(router::start).as_ref()
    }

    /// Ends sessions that have expired and publishes wills that are due (CON-11).
    pub(crate) fn sweep(&self, now: Instant) {
        for will in self.clients.sweep(now) {
            self.publish_will(&will);
        }
    }

    pub(crate) fn publish_will(&self, message: &Message) {
        // The last of a client: it waits for nobody.
        if self.publish(message, clients::NOBODY).is_err() {
            tracing::warn!("a will was lost: the broker is busy");
        }
    }
}
