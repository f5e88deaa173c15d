//! What is kept of free topics (CON-11): the tables, their keys and rows. Their one writer is the broker. Rows are ETF; numbers in keys are
//! eight bytes, big end first; times are milliseconds since 1970; yes is 1.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use etf::{Decode, Reader, Record};
use kvs::Table;
use rumqttd::protocol::PublishProperties;

use super::tree::Options;
use crate::message::Message;
use crate::packet::Qos;

/// client id → [`Session`].
pub(super) const SESSION: Table = Table("free_session");
/// session, number → [`Subscription`].
pub(super) const SUBSCRIPTION: Table = Table("free_subscription");
/// session, number → [`Waiting`]: QoS 1 and 2 that its client has not acknowledged, in order.
pub(super) const WAITING: Table = Table("free_waiting");
/// number → [`Letter`]: what is waited for, once for all who wait for it.
pub(super) const LETTER: Table = Table("free_letter");
/// session, packet identifier → [`Letter`]: QoS 2 that its client has not released.
pub(super) const UNRELEASED: Table = Table("free_unreleased");
/// number → [`Letter`]: what is retained.
pub(super) const RETAINED: Table = Table("free_retained");

pub(super) const TABLES: &[Table] = &[SESSION, SUBSCRIPTION, WAITING, LETTER, UNRELEASED, RETAINED];

/// A session that outlives its connection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
#[record(also(7 = "Session::before_bucket"))]
pub(super) struct Session {
    /// By which its other rows are named.
    pub(super) number: u64,
    /// Seconds that it is kept without a connection.
    pub(super) expiry: u64,
    /// When that is over; absent while there is one.
    pub(super) until: Option<u64>,
    /// A will that waits, and until when.
    pub(super) will: Option<Letter>,
    pub(super) will_at: u64,
    /// Whose it is.
    pub(super) owner: Bytes,
    /// Of whoever shows no certificate, what is kept of the address.
    pub(super) bucket: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub(super) struct Subscription {
    pub(super) filter: Bytes,
    pub(super) qos: u64,
    pub(super) no_local: u64,
    pub(super) as_published: u64,
    pub(super) id: Option<u64>,
}

/// What one session gets of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub(super) struct Waiting {
    pub(super) letter: u64,
    pub(super) qos: u64,
    pub(super) retain: u64,
    pub(super) ids: Vec<u64>,
    pub(super) share: Option<Bytes>,
    /// The packet identifier of QoS 2 that has been sent, else 0.
    pub(super) packet: u64,
    /// PUBREL has been sent as well.
    pub(super) released: u64,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub(super) struct Letter {
    pub(super) topic: Bytes,
    pub(super) payload: Bytes,
    pub(super) qos: u64,
    pub(super) retain: u64,
    pub(super) expires: Option<u64>,
    pub(super) properties: Option<Properties>,
}

/// Properties of MQTT 5.0, as they were published.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub(super) struct Properties {
    pub(super) format: Option<u64>,
    pub(super) expiry: Option<u64>,
    pub(super) response: Option<Bytes>,
    pub(super) correlation: Option<Bytes>,
    pub(super) content: Option<Bytes>,
    pub(super) user: Vec<(Bytes, Bytes)>,
}

impl Session {
    /// As releases have written it that counted nobody by the address after a restart.
    fn before_bucket(r: &mut Reader<'_>) -> Result<Session, etf::Error> {
        Ok(Session {
            number: Decode::decode(r)?,
            expiry: Decode::decode(r)?,
            until: Decode::decode(r)?,
            will: Decode::decode(r)?,
            will_at: Decode::decode(r)?,
            owner: Decode::decode(r)?,
            bucket: None,
        })
    }
}

impl Subscription {
    pub(super) fn of(filter: &str, options: Options) -> Subscription {
        Subscription {
            filter: bytes(filter),
            qos: options.qos.bits().into(),
            no_local: options.no_local.into(),
            as_published: options.as_published.into(),
            id: options.id.map(|id| id as u64),
        }
    }

    pub(super) fn options(&self) -> Options {
        Options {
            qos: qos(self.qos),
            no_local: self.no_local == 1,
            as_published: self.as_published == 1,
            id: self.id.and_then(|id| usize::try_from(id).ok()),
        }
    }
}

impl Letter {
    pub(super) fn of(message: &Message, clock: Clock) -> Letter {
        Letter {
            topic: bytes(&message.topic),
            payload: message.payload.clone(),
            qos: message.qos.bits().into(),
            retain: message.retain.into(),
            expires: message.expires.map(|at| clock.time(at)),
            properties: message.properties.as_deref().map(Properties::of),
        }
    }

    pub(super) fn message(self, clock: Clock) -> Message {
        Message {
            topic: text(&self.topic).into(),
            payload: self.payload,
            qos: qos(self.qos),
            retain: self.retain == 1,
            properties: self.properties.map(|known| Box::new(known.properties())),
            expires: self.expires.map(|at| clock.instant(at)),
            lasting: Default::default(),
        }
    }
}

impl Properties {
    fn of(known: &PublishProperties) -> Properties {
        Properties {
            format: known.payload_format_indicator.map(u64::from),
            expiry: known.message_expiry_interval.map(u64::from),
            response: known.response_topic.as_deref().map(bytes),
            correlation: known.correlation_data.clone(),
            content: known.content_type.as_deref().map(bytes),
            user: known.user_properties.iter().map(|(key, value)| (bytes(key), bytes(value))).collect(),
        }
    }

    fn properties(self) -> PublishProperties {
        PublishProperties {
            payload_format_indicator: self.format.map(|format| format as u8),
            message_expiry_interval: self.expiry.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)),
            response_topic: self.response.as_ref().map(text),
            correlation_data: self.correlation,
            content_type: self.content.as_ref().map(text),
            user_properties: self.user.iter().map(|(key, value)| (text(key), text(value))).collect(),
            ..PublishProperties::default()
        }
    }
}

/// One moment by both clocks: what lives is measured by the one that only goes on, what is kept by the one of the wall.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    instant: Instant,
    time: u64,
}

impl Clock {
    pub(super) fn now() -> Clock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { instant: Instant::now(), time: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
    }

    pub(super) fn instant_now(self) -> Instant {
        self.instant
    }

    pub(super) fn time(self, at: Instant) -> u64 {
        let ahead = at.saturating_duration_since(self.instant).as_millis();
        let ago = self.instant.saturating_duration_since(at).as_millis();
        self.time
            .saturating_add(u64::try_from(ahead).unwrap_or(u64::MAX))
            .saturating_sub(u64::try_from(ago).unwrap_or(0))
    }

    /// What is past is now.
    pub(super) fn instant(self, at: u64) -> Instant {
        let ahead = Duration::from_millis(at.saturating_sub(self.time));
        self.instant.checked_add(ahead).unwrap_or(self.instant)
    }
}

pub(super) fn key(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

pub(super) fn key_of(session: u64, number: u64) -> Bytes {
    [session.to_be_bytes(), number.to_be_bytes()].concat().into()
}

pub(super) fn qos(bits: u64) -> Qos {
    u8::try_from(bits).ok().and_then(Qos::of).unwrap_or_default()
}

pub(super) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// What was text when it was written.
pub(super) fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn shared(bytes: &Bytes) -> Arc<str> {
    text(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn con_11_a_message_is_the_same_after_it_was_kept() {
        let known = PublishProperties {
            payload_format_indicator: Some(1),
            message_expiry_interval: Some(60),
            response_topic: Some("answers".into()),
            correlation_data: Some(Bytes::from_static(b"\0\xff")),
            content_type: Some(String::new()),
            user_properties: vec![("b".into(), "1".into()), ("a".into(), String::new()), ("b".into(), "2".into())],
            ..PublishProperties::default()
        };
        let clock = Clock::now();
        for properties in [None, Some(Box::new(known))] {
            let message = Message {
                retain: true,
                properties,
                expires: Some(clock.instant + Duration::from_millis(60_000)),
                ..Message::plain("é/", "\0payload", Qos::Two)
            };
            let row = etf::encode(&Letter::of(&message, clock));
            assert_eq!(etf::decode::<Letter>(&row).unwrap().message(clock), message);
        }
    }
}
