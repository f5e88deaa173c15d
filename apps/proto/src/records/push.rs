//! Phone pushes and the service bridge: `push`, `pushService`, `publishService` (PUSH-1 to PUSH-6).
use bytes::Bytes;
use etf::{Record, Term};

/// Content of a phone push (PUSH-2).
#[derive(Clone, PartialEq, Default, Record)]
#[record("push")]
pub struct Push {
    /// The record it is about.
    pub model: Term,
    pub r#type: Option<Bytes>,
    pub title: Option<Bytes>,
    pub alert: Option<Bytes>,
    pub badge: Option<u64>,
    pub sound: Option<Bytes>,
}

discreet!(Push: r#type);

/// A service asks for a push to be sent (PUSH-5).
#[derive(Clone, PartialEq, Record)]
#[record("pushService")]
pub struct PushService {
    /// phone_ids.
    pub recipients: Vec<Bytes>,
    pub id: Option<Bytes>,
    /// Seconds.
    pub ttl: Option<u64>,
    pub module: Option<Bytes>,
    pub priority: Option<Bytes>,
    pub payload: Option<Bytes>,
}

discreet!(PushService: recipients, id);

impl Default for PushService {
    fn default() -> Self {
        Self { recipients: Vec::new(), id: None, ttl: Some(0), module: None, priority: None, payload: None }
    }
}

/// A service asks for a publish (PUSH-6).
#[derive(Clone, PartialEq, Record)]
#[record("publishService")]
pub struct PublishService {
    pub message: Option<Bytes>,
    pub topic: Option<Bytes>,
    pub qos: Option<u64>,
}

discreet!(PublishService: topic, qos);

impl Default for PublishService {
    fn default() -> Self {
        Self { message: None, topic: None, qos: Some(0) }
    }
}
