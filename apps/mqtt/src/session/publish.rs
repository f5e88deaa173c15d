//! PUBLISH from a client: which topic it is, and who is to have it (TOPIC-1, TOPIC-8, TOPIC-10, TOPIC-13, CON-10).

use std::sync::Arc;

use bytes::Bytes;
use chat::door::Origin;
use proto::topic::{Events, Topic};

use super::greet::ALIAS_MAX;
use super::inflow::{Arrival, Route};
use super::{Ask, Kind, Session, Taken, Todo};
use crate::message::Message;
use crate::packet::{Bad, Incoming, Publish, Qos, Version, reason};
use crate::rights::Act;

/// `{io,{error,invalid_version,[]},<<>>}`: the one answer that needs no chat (TOPIC-1).
pub(crate) const INVALID_VERSION: &[u8] = b"\x83h\x03w\x02ioh\x03w\x05errorw\x0finvalid_versionjm\0\0\0\0";

impl Session {
    pub(super) fn publish(&mut self, publish: Publish, todo: &mut Todo) -> Taken {
        let version = self.limits.version;
        match self.inflow.arrival(publish.id, publish.qos, version, self.receive_max) {
            Arrival::TooMany => self.broken(Bad(reason::RECEIVE_MAXIMUM_EXCEEDED), todo),
            Arrival::Again => match self.topic(&publish) {
                Ok(_) => self.inflow.again(publish.id, version, &mut todo.bytes),
                Err(bad) => self.broken(bad, todo),
            },
            Arrival::New if self.inflow.is_full() => return Taken::Later(Incoming::Publish(publish)),
            Arrival::New => match self.topic(&publish) {
                Ok(topic) => self.route(publish, topic, todo),
                Err(bad) => self.broken(bad, todo),
            },
        }
        self.acknowledge(todo);
        Taken::Yes
    }

    /// The topic, its alias resolved and remembered (MQTT 5.0 section 3.3.2.3.4).
    fn topic(&mut self, publish: &Publish) -> Result<Bytes, Bad> {
        let Some(alias) = publish.properties.as_ref().and_then(|known| known.topic_alias) else {
            return Ok(publish.topic.clone());
        };
        if alias > ALIAS_MAX {
            return Err(Bad(reason::ALIAS_INVALID));
        }
        if publish.topic.is_empty() {
            return self.aliases.get(&alias).cloned().ok_or(Bad::PROTOCOL);
        }
        let kept = Bytes::copy_from_slice(&publish.topic);
        self.aliases.insert(alias, kept.clone());
        Ok(kept)
    }

    fn route(&mut self, publish: Publish, topic: Bytes, todo: &mut Todo) {
        if !publish.retain && topic == self.route.asked_on {
            return self.request(publish, todo);
        }
        // The decoder has checked the text.
        let name = std::str::from_utf8(&topic).unwrap_or_default();
        let parsed = Topic::parse(name);
        if !matches!(parsed, Topic::Free) && publish.retain && self.limits.version == Version::V5 {
            return self.broken(Bad(reason::RETAIN_NOT_SUPPORTED), todo);
        }
        match (parsed, self.kind) {
            (Topic::Free, _) if self.may(Act::Write, name) => self.free_publish(publish, name, todo),
            (Topic::Events(events), Kind::Client | Kind::Service) => self.events(publish, topic, events, todo),
            (
                topic @ (Topic::Devices(_) | Topic::Contacts(_) | Topic::Private(_) | Topic::Room(_)),
                Kind::Client | Kind::Service,
            ) => {
                let call = self.inflow.call(publish.id, publish.qos, self.route.clone(), publish.payload.len());
                todo.asks.push_back(Ask::Request { call, origin: Origin::Broadcast(topic), payload: publish.payload });
            }
            // Written by the server only, unknown, or not for this kind of client (TOPIC-8).
            (_, Kind::Client | Kind::Service | Kind::Plain) => self.settle(&publish, reason::NOT_AUTHORIZED),
        }
    }

    fn events(&mut self, publish: Publish, topic: Bytes, events: Events, todo: &mut Todo) {
        if events.client.is_some_and(|client| *client != *self.client_id) {
            return self.settle(&publish, reason::NOT_AUTHORIZED);
        }
        self.route = Arc::new(Route {
            asked_on: Bytes::copy_from_slice(&topic),
            token: events.token.map(|token| Bytes::copy_from_slice(token.as_bytes())),
            version_ok: events.version_ok,
            reply: events.reply.topic(&self.client_id).into(),
        });
        self.request(publish, todo);
    }

    /// A request on the topic of `self.route`.
    fn request(&mut self, publish: Publish, todo: &mut Todo) {
        let route = self.route.clone();
        if !route.version_ok {
            let answer = Bytes::from_static(INVALID_VERSION);
            return self.inflow.settled(publish.id, publish.qos, route, reason::SUCCESS, Some(answer));
        }
        let origin = Origin::Events { token: route.token.clone() };
        let call = self.inflow.call(publish.id, publish.qos, route, publish.payload.len());
        todo.asks.push_back(Ask::Request { call, origin, payload: publish.payload });
    }

    /// Acknowledged, and nothing else.
    fn settle(&mut self, publish: &Publish, code: u8) {
        self.inflow.settled(publish.id, publish.qos, self.route.clone(), code, None);
    }

    /// The broker keeps it for long: no part of the receive buffer goes there.
    fn free_publish(&mut self, publish: Publish, topic: &str, todo: &mut Todo) {
        self.settle(&publish, reason::SUCCESS);
        let properties = publish.properties.map(|mut known| {
            known.topic_alias = None;
            known
        });
        let message = Box::new(Message {
            topic: topic.into(),
            payload: Bytes::copy_from_slice(&publish.payload),
            qos: publish.qos,
            retain: publish.retain && self.kind != Kind::Client,
            properties,
            expires: None,
            lasting: Default::default(),
        });
        todo.asks.push_back(match publish.qos {
            Qos::Zero | Qos::One => Ask::Publish(message),
            Qos::Two => Ask::Hold { id: publish.id, message },
        });
    }
}
