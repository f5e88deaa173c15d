//! A message on a free topic (TOPIC-13), as sessions and the broker hand it on.

use bytes::Bytes;
use rumqttd::protocol::{LastWill, LastWillProperties, PublishProperties, QoS};

use crate::packet::Qos;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// Without topic alias and subscription identifiers.
    pub(crate) properties: Option<Box<PublishProperties>>,
}

/// What is published when a connection breaks (CON-8).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Will {
    pub(crate) message: Message,
    /// Seconds after the end of the connection.
    pub(crate) delay: u32,
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
        let topic = String::from_utf8(will.topic.to_vec()).ok()?;
        let message =
            Message { topic, payload: Bytes::copy_from_slice(&will.message), qos, retain: will.retain, properties };
        Some(Will { message, delay })
    }
}
