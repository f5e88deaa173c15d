//! A message on a free topic (TOPIC-13), as sessions and the broker hand it on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rumqttd::protocol::{LastWill, LastWillProperties, PublishProperties, QoS};

use crate::broker::{Lasting, Row};
use crate::packet::Qos;

/// As it was published; all subscribers share one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Bytes,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// Without topic alias and subscription identifiers.
    pub(crate) properties: Option<Box<PublishProperties>>,
    /// From when on nobody is to see it; set by the broker when it comes in.
    pub(crate) expires: Option<Instant>,
    /// Keeps it for sessions that last (CON-11).
    pub(crate) lasting: Lasting,
}

/// What one subscriber gets of a message.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) message: Arc<Message>,
    /// The lesser of the publisher's and the subscription's.
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// The client's numbers of the subscriptions that it comes by.
    pub(crate) ids: Vec<usize>,
    /// The shared subscription (`$share/…`) that it comes by.
    pub(crate) share: Option<Arc<str>>,
    /// Seconds that it still has, counted when it was last handed on ([MQTT-3.3.2-6]).
    pub(crate) left: Option<u32>,
    /// Keeps it for a session that lasts.
    pub(crate) row: Option<Arc<Row>>,
}

/// What is published when a connection breaks (CON-8).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Will {
    pub(crate) message: Message,
    /// Seconds after the end of the connection.
    pub(crate) delay: u32,
}

impl Message {
    /// One with nothing but its content.
    #[cfg(test)]
    pub(crate) fn plain(topic: &str, payload: impl Into<Bytes>, qos: Qos) -> Message {
        Message {
            topic: topic.into(),
            payload: payload.into(),
            qos,
            retain: false,
            properties: None,
            expires: None,
            lasting: Lasting::default(),
        }
    }

    /// Its life begins.
    pub(crate) fn arrive(&mut self, now: Instant) {
        let life = self.properties.as_ref().and_then(|known| known.message_expiry_interval);
        self.expires = life.and_then(|seconds| now.checked_add(Duration::from_secs(u64::from(seconds))));
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Seconds left to live, a begun one included.
    pub(crate) fn left(&self, now: Instant) -> Option<u32> {
        let left = self.expires?.saturating_duration_since(now);
        Some(u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX))
    }

    /// Bytes that it keeps, nearly.
    pub(crate) fn size(&self) -> usize {
        let known = self.properties.as_ref().map_or(0, |known| {
            let pairs = known.user_properties.iter().map(|(key, value)| 48 + key.len() + value.len());
            let texts = [&known.response_topic, &known.content_type].into_iter().flatten().map(String::len);
            let data = known.correlation_data.as_ref().map_or(0, Bytes::len);
            size_of::<PublishProperties>() + pairs.sum::<usize>() + texts.sum::<usize>() + data
        });
        size_of::<Message>() + self.topic.len() + self.payload.len() + known
    }
}

impl Delivered {
    /// With the life that it has left now.
    pub(crate) fn aged(self, now: Instant) -> Delivered {
        Delivered { left: self.message.left(now), ..self }
    }
}

impl Will {
    /// `None` when the topic is not text, which the decoder has excluded.
    pub(crate) fn of(will: LastWill, known: Option<LastWillProperties>) -> Option<Will> {
        let delay = known.as_ref().and_then(|known| known.delay_interval).unwrap_or(0);
        let properties = known.map(|known| {
            Box::new(PublishProperties {
                payload_format_indicator: known.payload_format_indicator,
                message_expiry_interval: known.message_expiry_interval,
                topic_alias: None,
                response_topic: known.response_topic,
                correlation_data: known.correlation_data,
                user_properties: known.user_properties,
                subscription_identifiers: Vec::new(),
                content_type: known.content_type,
            })
        });
        let qos = match will.qos {
            QoS::AtMostOnce => Qos::Zero,
            QoS::AtLeastOnce => Qos::One,
            QoS::ExactlyOnce => Qos::Two,
        };
        let topic = std::str::from_utf8(&will.topic).ok()?.into();
        let payload = Bytes::copy_from_slice(&will.message);
        let message = Message {
            topic,
            payload,
            qos,
            retain: will.retain,
            properties,
            expires: None,
            lasting: Lasting::default(),
        };
        Some(Will { message, delay })
    }
}
