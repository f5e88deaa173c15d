//! Subscriptions to free topics, and what comes of them (TOPIC-13, CON-11).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use rumqttd::protocol::RetainForwardRule;

use super::outflow::{Outflow, Parcel};
use super::{Ask, Session, Todo};
use crate::broker::{LEVELS_MAX, Options, Row, filter};
use crate::message::Delivered;
use crate::packet::{Asked, reason};
use crate::rights::Act;

/// Subscriptions of one client; further ones are refused with 0x97.
const SUBSCRIPTIONS_MAX: usize = 1000;

#[derive(Debug, Default)]
pub(crate) struct Free {
    /// What is subscribed to; how, the broker knows.
    filters: BTreeSet<Arc<str>>,
}

/// What of a session outlives its connection (CON-11).
#[derive(Debug, Default)]
pub(crate) struct Kept {
    free: Box<Free>,
    outflow: Outflow,
    received: Vec<u16>,
}

impl Kept {
    /// Of a session that an earlier run of the server has left: its filters, and QoS 2 that its client has not released.
    pub(crate) fn found(filters: impl Iterator<Item = Arc<str>>, received: Vec<u16>) -> Kept {
        Kept { free: Box::new(Free { filters: filters.collect() }), outflow: Outflow::default(), received }
    }

    /// QoS 2 on its way to the client.
    pub(crate) fn sent(&mut self, id: u16, delivered: Option<Delivered>, row: Arc<Row>) {
        self.outflow.found(id, delivered, row);
    }

    /// What came by shared subscriptions and may still be another's, when the session ends.
    pub(crate) fn into_shared(self) -> Vec<Delivered> {
        self.outflow.into_shared()
    }
}

impl Free {
    pub(super) fn unsubscribe(&mut self, filter: &str, todo: &mut Todo) -> u8 {
        let Some(filter) = self.filters.take(filter) else {
            return reason::NO_SUBSCRIPTION;
        };
        todo.asks.push_back(Ask::Unsubscribe { filter });
        reason::SUCCESS
    }
}

impl Session {
    /// The code for SUBACK. A repeated filter takes the new options.
    pub(super) fn subscribe_free(&mut self, asked: &Asked, id: Option<usize>, todo: &mut Todo) -> u8 {
        let Some(free) = &mut self.free else {
            return reason::NOT_AUTHORIZED;
        };
        let new = !free.filters.contains(&*asked.filter);
        let full = new && free.filters.len() >= SUBSCRIPTIONS_MAX;
        if full || asked.filter.split('/').count() > LEVELS_MAX {
            return reason::QUOTA_EXCEEDED;
        }
        let filter: Arc<str> = asked.filter.as_str().into();
        if new {
            free.filters.insert(filter.clone());
        }
        // Nothing retained by a shared subscription (section 4.8.2).
        let retained = filter::shared(&filter).is_none()
            && match asked.retained {
                RetainForwardRule::OnEverySubscribe => true,
                RetainForwardRule::OnNewSubscribe => new,
                RetainForwardRule::Never => false,
            };
        let options = Options { qos: asked.qos, no_local: asked.no_local, as_published: asked.retain_as_published, id };
        todo.asks.push_back(Ask::Subscribe { filter, options, retained });
        asked.qos.bits()
    }

    /// A message from the broker.
    pub(crate) fn deliver(&mut self, delivered: Delivered, todo: &mut Todo) {
        if self.may(Act::Read, &delivered.message.topic) {
            self.send(Parcel::Free(delivered), todo);
        }
    }

    /// Goes on where an earlier connection of this client stopped, as far as it may: the rules may be others than then, and the certificate
    /// somebody else's.
    pub(crate) fn resume(&mut self, mut kept: Kept, now: Instant, todo: &mut Todo) {
        kept.free.filters.retain(|filter| {
            let may = self.may(Act::Read, filter::shared(filter).map_or(filter, |(_, named)| named));
            if !may {
                todo.asks.push_back(Ask::Unsubscribe { filter: filter.clone() });
            }
            may
        });
        kept.outflow.retain(|delivered| self.may(Act::Read, &delivered.message.topic));
        self.free = Some(kept.free);
        self.outflow = kept.outflow;
        self.inflow.resume(kept.received);
        self.outflow.resume(now, self.limits, &mut todo.bytes);
    }

    /// What the next connection may go on with.
    pub(crate) fn into_kept(self) -> Option<Kept> {
        Some(Kept { free: self.free?, outflow: self.outflow, received: self.inflow.into_received() })
    }
}
