//! PUSH-3, PUSH-4: what a gateway is given.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use etf::Term;
use proto::records::{Feature, Push as Record};
use serde::Serialize;

use super::outgoing::is_calling;
use crate::output::{Gateway, Push};

const PUSH_SETTINGS: &[u8] = b"PUSH_SETTINGS";
/// Bytes of a body that APNs takes; a call's may be longer.
const IOS_BYTES: usize = 4096;
const CALLING_BYTES: usize = 5120;
/// Bytes of base64 that FCM takes beside the type, and that fit into one sealed record.
const DATA_BYTES: usize = 3900;
/// Bytes of what a service pushes, and of its type: so much fits into all of these, in base64 and with what is around it.
pub(crate) const PAYLOAD_BYTES: usize = 2700;
pub(crate) const TYPE_BYTES: usize = 64;

#[derive(Serialize)]
struct Ios<'a> {
    aps: Aps<'a>,
}

#[derive(Serialize)]
struct Aps<'a> {
    alert: &'a str,
    badge: u64,
    sound: &'a str,
    #[serde(rename = "mutable-content")]
    mutable_content: u8,
    synrc: Synrc<'a>,
}

#[derive(Serialize)]
struct Synrc<'a> {
    model: &'a str,
    r#type: &'a str,
    title: &'a str,
    version: &'static str,
    dns: &'a str,
}

#[derive(Serialize)]
struct Android<'a> {
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    token: &'a str,
    android: Delivery,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Delivery {
    priority: &'static str,
    /// As protobuf's JSON has durations.
    ttl: String,
}

#[derive(Serialize)]
struct Data<'a> {
    r#type: &'a str,
    push: &'a str,
}

impl Push {
    /// What the gateway is given, around this token: for those who log it, another than the device's.
    pub fn body(&self, token: &str) -> Bytes {
        let record = etf::decode::<Record>(&self.push).unwrap_or_default();
        match self.gateway {
            Gateway::Apns => self.ios(&record),
            Gateway::Fcm => {
                let kind = text(&record.r#type);
                let push = packed(&record);
                let data = Data { r#type: kind, push: &push };
                let life = self.expires.saturating_sub(self.created) / 1000;
                let android = Delivery { priority: "high", ttl: format!("{life}s") };
                json(&Android { message: Message { token, android, data } })
            }
            // As Android has it; that goes for UnifiedPush as well.
            Gateway::Web => json(&Data { r#type: text(&record.r#type), push: &packed(&record) }),
        }
    }

    /// Somebody rings.
    pub fn is_call(&self) -> bool {
        etf::decode::<Record>(&self.push).is_ok_and(|record| is_calling(&record.r#type.unwrap_or_default()))
    }

    /// A setting of the device about pushes, in whatever group it is (FEATURE-2).
    pub fn setting(&self, key: &str) -> Option<&str> {
        let is_it = |feature: &&Feature| feature.key.as_deref() == Some(key.as_bytes());
        let mut all = self.settings.iter().filter(is_it);
        let proper = self.settings.iter().rev().find(|feature| feature.is(PUSH_SETTINGS, key.as_bytes()));
        let value = proper.or_else(|| all.next_back())?.text();
        std::str::from_utf8(value).ok().filter(|value| !value.is_empty())
    }

    fn ios(&self, record: &Record) -> Bytes {
        let is_call = self.is_call();
        let model = match is_call {
            true => etf::text::print(&record.model, &proto::catalogue()),
            false => BASE64.encode(etf::encode(&record.model)),
        };
        let whole = self.aps(record, &model);
        match whole.len() <= if is_call { CALLING_BYTES } else { IOS_BYTES } {
            true => whole,
            // The device fetches what it is about.
            false => self.aps(record, ""),
        }
    }

    fn aps(&self, record: &Record, model: &str) -> Bytes {
        let alert = text(&record.alert);
        let version = env!("CARGO_PKG_VERSION");
        let dns = self.setting("SERVER_DNS").unwrap_or_default();
        let synrc = Synrc { model, r#type: text(&record.r#type), title: alert, version, dns };
        let (badge, sound) = (record.badge.unwrap_or_default(), text(&record.sound));
        json(&Ios { aps: Aps { alert, badge, sound, mutable_content: 1, synrc } })
    }
}

/// The whole record with badge 1 (PUSH-4), without its model if that is too much.
fn packed(record: &Record) -> String {
    let record = Record { badge: Some(1), ..record.clone() };
    let whole = BASE64.encode(etf::encode(&record));
    match whole.len() <= DATA_BYTES {
        true => whole,
        false => BASE64.encode(etf::encode(&Record { model: Term::nil(), ..record })),
    }
}

/// Names are UTF-8; what a service gives may be anything.
fn text(bytes: &Option<Bytes>) -> &str {
    std::str::from_utf8(bytes.as_deref().unwrap_or_default()).unwrap_or_default()
}

fn json(of: &impl Serialize) -> Bytes {
    serde_json::to_vec(of).expect("texts and numbers are JSON").into()
}

#[cfg(test)]
mod tests {
    use proto::ids::{DevKey, Phone};
    use proto::records::Os;

    use super::*;

    #[test]
    fn push_5_what_a_service_may_push_fits_into_every_body() {
        let kind = "t".repeat(TYPE_BYTES);
        let model = Term::binary(&[7; PAYLOAD_BYTES]);
        let record = Record { model: model.clone(), r#type: Some(kind.into()), ..Record::default() };
        let body = |gateway| {
            let push = Push {
                gateway,
                number: 1,
                phone: Phone::parse(b"380670000001").unwrap(),
                device: DevKey::parse(&[b'a'; 64]).unwrap(),
                client_id: Bytes::new(),
                os: Os::Ios,
                token: Bytes::new(),
                print: Bytes::new(),
                settings: Vec::new(),
                push: etf::encode(&record),
                feed: Bytes::new(),
                created: 0,
                expires: 60_000,
            };
            String::from_utf8(push.body("token").to_vec()).unwrap()
        };
        let whole = BASE64.encode(etf::encode(&Record { badge: Some(1), ..record.clone() }));
        assert!(body(Gateway::Apns).contains(&BASE64.encode(etf::encode(&model))));
        assert!(body(Gateway::Fcm).contains(&whole) && body(Gateway::Web).contains(&whole));
    }
}
