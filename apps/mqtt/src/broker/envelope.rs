//! A message as it goes through the router: with QoS 0, since packet ids are agreed with clients by us; its real QoS, its
//! retain flag and its publisher travel in a user property that no client can send, for its name is a control character.

use std::sync::Arc;

use bytes::Bytes;
use rumqttd::Forward;
use rumqttd::protocol::{Packet, Publish, PublishProperties};

use super::spelling;
use crate::message::Message;
use crate::packet::Qos;
use crate::session::Delivered;

const NAME: &str = "\u{1}chat";

pub(super) fn seal(message: &Message, publisher: u64) -> Packet {
    let mut properties = message.properties.as_deref().cloned().unwrap_or_default();
    let about = format!("{}{}{publisher}", message.qos.bits(), u8::from(message.retain));
    properties.user_properties.push((NAME.to_owned(), about));
    let publish = Publish::new(Bytes::from(spelling::topic(&message.topic)), message.payload.clone(), false);
    Packet::Publish(publish, Some(properties))
}

/// What `reader` gets. `None`: nothing of ours.
pub(super) fn open(forward: Forward, reader: u64) -> Option<Delivered> {
    let mut properties = forward.properties?;
    let (name, about) = properties.user_properties.pop()?;
    let number = properties.subscription_identifiers.pop()?;
    let (qos, retain, publisher) = read(&about).filter(|_| name == NAME)?;
    let topic = spelling::read(std::str::from_utf8(&forward.publish.topic).ok()?)?.to_owned();
    let properties = (properties != PublishProperties::default()).then(|| Box::new(properties));
    let message = Message { topic, payload: forward.publish.payload, qos, retain, properties };
    Some(Delivered { number, message: Arc::new(message), retained: false, own: publisher == reader })
}

fn read(about: &str) -> Option<(Qos, bool, u64)> {
    let (qos, rest) = about.split_at_checked(1)?;
    let (retain, publisher) = rest.split_at_checked(1)?;
    Some((Qos::of(qos.parse().ok()?)?, retain == "1", publisher.parse().ok()?))
}

/// An empty payload with the retain flag takes away what is kept ([MQTT-3.3.1-6]).
pub(super) fn clears(payload: &Bytes) -> bool {
    payload.is_empty()
}
