//! Subscriptions to free topics, and what comes of them (TOPIC-13, CON-11).

use std::collections::BTreeMap;
use std::sync::Arc;

use rumqttd::protocol::{PublishProperties, RetainForwardRule};

use super::outflow::{Outflow, Parcel};
use super::{Ask, Session, Todo};
use crate::message::Message;
use crate::packet::{Asked, Qos, reason};

/// Subscriptions of one client; further ones are refused with 0x97.
const SUBSCRIPTIONS_MAX: usize = 1000;

#[derive(Debug, Default)]
pub(crate) struct Free {
    last_number: usize,
    subscriptions: BTreeMap<usize, Subscription>,
}

#[derive(Debug)]
struct Subscription {
    filter: Box<str>,
    qos: Qos,
    no_local: bool,
    retain_as_published: bool,
    /// The client's own number for it, told with each message.
    id: Option<usize>,
}

/// A message for one subscription.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) number: usize,
    pub(crate) message: Arc<Message>,
    /// Kept from before the subscription.
    pub(crate) retained: bool,
    /// Published by this client itself.
    pub(crate) own: bool,
}

/// What of a session outlives its connection (CON-11).
#[derive(Debug, Default)]
pub(crate) struct Kept {
    free: Box<Free>,
    outflow: Outflow,
    received: Vec<u16>,
}

impl Free {
    fn number_of(&self, filter: &str) -> Option<usize> {
        self.subscriptions.iter().find(|(_, known)| *known.filter == *filter).map(|(number, _)| *number)
    }

    pub(super) fn unsubscribe(&mut self, filter: &str, todo: &mut Todo) -> u8 {
        let Some(number) = self.number_of(filter) else {
            return reason::NO_SUBSCRIPTION;
        };
        self.subscriptions.remove(&number);
        todo.asks.push_back(Ask::Unsubscribe { filter: filter.into() });
        reason::SUCCESS
    }
}

impl Session {
    /// The code for SUBACK. A repeated filter takes the new options and keeps its place at the broker.
    pub(super) fn subscribe_free(&mut self, asked: &Asked, id: Option<usize>, todo: &mut Todo) -> u8 {
        let Some(free) = &mut self.free else {
            return reason::NOT_AUTHORIZED;
        };
        let known = free.number_of(&asked.filter);
        if known.is_none() && free.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            return reason::QUOTA_EXCEEDED;
        }
        let number = known.unwrap_or_else(|| {
            free.last_number += 1;
            free.last_number
        });
        let subscription = Subscription {
            filter: asked.filter.as_str().into(),
            qos: asked.qos,
            no_local: asked.no_local,
            retain_as_published: asked.retain_as_published,
            id,
        };
        free.subscriptions.insert(number, subscription);
        let retained = match asked.retained {
            RetainForwardRule::OnEverySubscribe => true,
            RetainForwardRule::OnNewSubscribe => known.is_none(),
            RetainForwardRule::Never => false,
        };
        let shared = asked.filter.starts_with("$share/");
        let filter = asked.filter.as_str().into();
        todo.asks.push_back(Ask::Subscribe { number, filter, new: known.is_none(), retained: retained && !shared });
        asked.qos.bits()
    }

    /// A message from the broker.
    pub(crate) fn deliver(&mut self, delivered: Delivered, todo: &mut Todo) {
        let known = self.free.as_ref().and_then(|free| free.subscriptions.get(&delivered.number));
        let Some(subscription) = known else {
            return;
        };
        if subscription.no_local && delivered.own {
            return;
        }
        let message = &delivered.message;
        let mut properties = message.properties.clone();
        if let Some(id) = subscription.id {
            properties.get_or_insert_with(|| Box::new(PublishProperties::default())).subscription_identifiers =
                vec![id];
        }
        let parcel = Parcel::Free(Box::new(Message {
            topic: message.topic.clone(),
            payload: message.payload.clone(),
            qos: message.qos.min(subscription.qos),
            retain: delivered.retained || (subscription.retain_as_published && message.retain),
            properties,
        }));
        self.send(parcel, todo);
    }

    /// Goes on where an earlier connection of this client stopped.
    pub(crate) fn resume(&mut self, kept: Kept, todo: &mut Todo) {
        self.free = Some(kept.free);
        self.outflow = kept.outflow;
        self.inflow.resume(kept.received);
        self.outflow.resume(self.limits, &mut todo.bytes);
    }

    /// What the next connection may go on with.
    pub(crate) fn into_kept(self) -> Option<Kept> {
        Some(Kept { free: self.free?, outflow: self.outflow, received: self.inflow.into_received() })
    }
}
