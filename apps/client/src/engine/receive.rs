//! What comes from the server: to the calls it answers, to the stream of events, and its confirmation back.

use std::time::Instant;

use bytes::Bytes;
use proto::{MessageStatus, Record};

use super::Engine;
use crate::client::REQUESTS;
use crate::inbox::{Carried, Event, Receipt, State};
use crate::link::Link;
use crate::mqtt::{self, AckKind, Packet, Publication, Qos};
use crate::{Error, Origin};

/// QoS 2 packets received and not yet released.
const UNRELEASED_MAX: usize = 1024;

impl Engine {
    /// Takes every packet that has come whole, as long as there is room for what it may bring.
    pub(super) fn receive(&mut self, link: &mut Link) -> Result<(), Error> {
        let mut replies = Vec::new();
        while self.inbox.has_room()
            && let Some(packet) = link.next()?
        {
            self.heard = Instant::now();
            match packet {
                Packet::Publish(publish) => self.published(&publish, &mut replies)?,
                Packet::Ack { kind: AckKind::PubAck, id, reason } => self.pending.acknowledged(id, reason),
                Packet::Ack { kind: AckKind::PubRel, id, .. } => {
                    self.unreleased.retain(|other| *other != id);
                    mqtt::acknowledge(&mut replies, AckKind::PubComp, id);
                }
                Packet::SubAck { id, codes } => self.subscribed(id, codes),
                Packet::Disconnect { reason } => return Err(Error::Closed(reason)),
                Packet::ConnAck(_) => return Err(mqtt::Malformed("a second CONNACK").into()),
                Packet::Ack { kind: AckKind::PubRec | AckKind::PubComp, .. } => {}
                Packet::UnsubAck { .. } | Packet::PingResp => {}
            }
        }
        link.out.extend_from_slice(&replies);
        Ok(())
    }

    fn published(&mut self, publish: &mqtt::Publish<'_>, replies: &mut Vec<u8>) -> Result<(), Error> {
        if publish.qos == Qos::ExactlyOnce {
            mqtt::acknowledge(replies, AckKind::PubRec, publish.id);
            if self.unreleased.contains(&publish.id) {
                return Ok(());
            }
            if self.unreleased.len() >= UNRELEASED_MAX {
                return Err(mqtt::Malformed("too many QoS 2 packets without PUBREL").into());
            }
            self.unreleased.push(publish.id);
        }
        let packet = if publish.qos == Qos::AtLeastOnce { publish.id } else { 0 };
        let topic = publish.topic.to_owned();
        let Ok(record) = etf::decode::<Record>(publish.payload) else {
            let payload = Bytes::copy_from_slice(publish.payload);
            self.put(Event::Bytes { topic, payload }, packet, None);
            return Ok(());
        };
        let origin = if is_reply(&topic) { Origin::Reply } else { Origin::Notice };
        let Some(record) = self.pending.answered(origin, record) else {
            if packet != 0 {
                mqtt::acknowledge(replies, AckKind::PubAck, packet);
            }
            return Ok(());
        };
        if let Some((client_id, token)) = renewal(origin, &record) {
            (self.options.client_id, self.options.token) = (client_id.clone(), Some(token.clone()));
            self.put(Event::State(State::Renewed { client_id, token }), packet, None);
            return Ok(());
        }
        let message = if self.options.auto_ack { to_acknowledge(&record) } else { None };
        self.put(Event::Record { topic, record }, packet, message);
        Ok(())
    }

    fn put(&self, event: Event, packet: u16, message: Option<Bytes>) {
        let receipt =
            (packet != 0 || message.is_some()).then_some(Receipt { connection: self.connection, packet, message });
        self.inbox.put(Carried { event, receipt });
    }

    /// An event was taken: tell the server.
    pub(super) fn confirm(&mut self, link: &mut Link, receipt: Receipt) {
        if receipt.packet != 0 && receipt.connection == self.connection {
            mqtt::acknowledge(&mut link.out, AckKind::PubAck, receipt.packet);
            self.said = Instant::now();
        }
        if let Some(id) = receipt.message {
            // At QoS 0: should it be lost with the connection, the message comes again and so does this (MESSAGE-3, DLV-7).
            let ack = proto::Ack { id: Some(id), ..proto::Ack::default() };
            let payload = etf::encode(&ack);
            let qos = Qos::AtMostOnce;
            let publication = Publication { topic: REQUESTS, payload: &payload, qos, id: 0, dup: false, retain: false };
            mqtt::publish(&mut link.out, self.options.version, &publication);
        }
    }

    fn subscribed(&mut self, id: u16, codes: &[u8]) {
        let Some(at) = self.subscribing.iter().position(|(other, _)| *other == id) else { return };
        let (_, done) = self.subscribing.swap_remove(at);
        let refused = codes.iter().copied().find(|code| *code >= 0x80);
        let _ = done.send(refused.map_or(Ok(()), |code| Err(Error::NotSubscribed(code))));
    }
}

/// The reply topics of all forms (TOPIC-2).
fn is_reply(topic: &str) -> bool {
    topic.trim_start_matches('/').starts_with("actions/")
}

/// AUTH-5: a new token that nobody asked for.
fn renewal(origin: Origin, record: &Record) -> Option<(String, String)> {
    match (origin, record) {
        (Origin::Reply, Record::Io(_)) => crate::calls::login_of(record),
        _ => None,
    }
}

/// The msg_id of a Message that leaves the queue by an Ack record (DLV-3).
fn to_acknowledge(record: &Record) -> Option<Bytes> {
    let Record::Message(message) = record else { return None };
    match message.status {
        None | Some(MessageStatus::Async | MessageStatus::Edit | MessageStatus::Update | MessageStatus::Delete) => {
            message.msg_id.clone()
        }
        Some(_) => None,
    }
}
