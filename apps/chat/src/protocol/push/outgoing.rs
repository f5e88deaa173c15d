//! Pushes that have been decided: a row for each device, until its gateway has it (PM-5).

use bytes::Bytes;
use kvs::View;
use n2o::Failure;
use proto::ids::{DevKey, Phone};
use proto::records::Push as Record;

use super::Kind;
use crate::output::{Gateway, Output, Push};
use crate::protocol::auth::{self, Away};
use crate::rows::{self, ASKED, Asked, DEVICE, Device, OUTGOING, Outgoing, WAKEABLE};
use crate::{Chat, Cx, Fx, Input, Name, Vault};

/// Who is told of it later knows of it anyway.
const LIFE_MS: u64 = 24 * 60 * 60 * 1000;
/// Nobody rings for longer.
const CALLING_MS: u64 = 60 * 1000;
/// A service wants no push to live longer.
const SERVICE_MS: u64 = 28 * LIFE_MS;

/// Pushes of services that are looked at in one step.
const STEP: usize = 32;

/// How long a push of this type is tried, milliseconds.
pub(super) fn life(kind: &[u8]) -> u64 {
    if is_calling(kind) { CALLING_MS } else { LIFE_MS }
}

pub(super) fn is_calling(kind: &[u8]) -> bool {
    kind == Kind::Calling.text().as_bytes()
}

/// PUSH-5: a service pushes this to the account. It is kept in the batch that answers it, if one of the devices has a push token.
pub(crate) fn ask(cx: &Cx<'_>, fx: &mut Fx, to: Phone, asked: &Asked) -> Result<(), Failure> {
    if cx.store.get(WAKEABLE, to.as_str().as_bytes())?.is_some() {
        fx.put(ASKED, rows::numbered(to.as_str().as_bytes(), cx.id()?), rows::encode(asked));
        fx.tell(Name::Profile(to), Input::Push);
    }
    Ok(())
}

/// Whether something that was asked for is left from before.
pub(crate) fn was_asked(cx: &Cx<'_>, own: &Phone) -> Result<bool, Failure> {
    Ok(!cx.store.scan(ASKED, &rows::numbers(own.as_str().as_bytes(), 0, u64::MAX).limit(1))?.is_empty())
}

/// The profile's part: to every device, connected or not.
pub(crate) fn asked(chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, own: &Phone) -> Result<(), Failure> {
    let found = cx.store.scan(ASKED, &rows::numbers(own.as_str().as_bytes(), 0, u64::MAX).limit(STEP))?;
    for (key, row) in &found {
        let Asked { push, ttl } = rows::decode(row)?;
        let life = if ttl == 0 { LIFE_MS } else { ttl.saturating_mul(1000).min(SERVICE_MS) };
        for device in auth::reachable(chat, cx, own)? {
            put(cx, fx, own, device, Bytes::new(), push.clone(), life)?;
        }
        fx.delete(ASKED, key.clone());
    }
    if found.len() == STEP {
        fx.tell(Name::Profile(own.clone()), Input::Push);
    }
    Ok(())
}

/// Keeps a push for one device, and lets it go when that is durable.
pub(super) fn put(
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &Phone,
    to: Away,
    feed: Bytes,
    push: Bytes,
    life: u64,
) -> Result<(), Failure> {
    let number = cx.id()?;
    let row = Outgoing {
        phone: own.to_bytes(),
        dev_key: Bytes::copy_from_slice(to.device.as_str().as_bytes()),
        print: to.print.clone(),
        feed,
        push,
        created: cx.now.0,
        expires: cx.now.0.saturating_add(life),
    };
    let gateway = Gateway::of(to.os, &to.token);
    fx.put(OUTGOING, rows::numbered(gateway.text().as_bytes(), number), rows::encode(&row));
    fx.emit(Output::Push(Box::new(assembled(gateway, number, own.clone(), to, row))));
    Ok(())
}

/// A push that waits in the store.
#[derive(Debug)]
pub struct Waiting {
    pub key: Bytes,
    pub number: u64,
    /// Absent when nobody wants it any more: its device is gone, has another push token, or has been here since.
    pub push: Option<Box<Push>>,
}

/// Pushes for a gateway that wait in the store from this number on, the oldest first.
pub fn waiting(
    vault: &Vault,
    store: &dyn View,
    gateway: Gateway,
    from: u64,
    limit: usize,
) -> Result<Vec<Waiting>, Failure> {
    let found = store.scan(OUTGOING, &rows::numbers(gateway.text().as_bytes(), from, u64::MAX).limit(limit))?;
    let waiting = |(key, row): (Bytes, Bytes)| {
        let number = rows::number(&key).unwrap_or_default();
        let push = wanted(vault, store, gateway, number, rows::decode(&row)?)?;
        Ok(Waiting { key, number, push: push.map(Box::new) })
    };
    found.into_iter().map(waiting).collect()
}

/// A push that the operator tries on a device, kept nowhere; absent when the device cannot be woken.
pub fn trial(
    vault: &Vault,
    store: &dyn View,
    client: (&Phone, &DevKey),
    words: &str,
    now: u64,
) -> Result<Option<Push>, Failure> {
    let (phone, device) = client;
    let words = Some(Bytes::copy_from_slice(words.as_bytes()));
    let record = Record {
        r#type: Some(Bytes::from_static(Kind::Message.text().as_bytes())),
        title: words.clone(),
        alert: words,
        badge: Some(0),
        sound: Some(Bytes::from_static(b"default")),
        ..Record::default()
    };
    let Some(row) = rows::read::<Device>(store, DEVICE, &rows::device_key(phone, device))? else { return Ok(None) };
    let Some(to) = auth::woken(vault, row)? else { return Ok(None) };
    let (push, expires) = (etf::encode(&record), now.saturating_add(CALLING_MS));
    let row = Outgoing { print: to.print.clone(), push, created: now, expires, ..Outgoing::default() };
    Ok(Some(assembled(Gateway::of(to.os, &to.token), now, phone.clone(), to, row)))
}

fn wanted(
    vault: &Vault,
    store: &dyn View,
    gateway: Gateway,
    number: u64,
    row: Outgoing,
) -> Result<Option<Push>, Failure> {
    let (Ok(phone), Ok(device)) = (Phone::parse(&row.phone), DevKey::parse(&row.dev_key)) else { return Ok(None) };
    let Some(found) = rows::read::<Device>(store, DEVICE, &rows::device_key(&phone, &device))? else {
        return Ok(None);
    };
    let is_wanted = |to: &Away| to.print == row.print && (row.feed.is_empty() || to.seen <= row.created);
    let to = auth::woken(vault, found)?.filter(is_wanted);
    Ok(to.map(|to| assembled(gateway, number, phone, to, row)))
}

fn assembled(gateway: Gateway, number: u64, phone: Phone, to: Away, row: Outgoing) -> Push {
    Push {
        gateway,
        number,
        phone,
        device: to.device,
        client_id: to.client_id,
        os: to.os,
        token: to.token,
        print: row.print,
        settings: to.settings,
        push: row.push,
        feed: row.feed,
        created: row.created,
        expires: row.expires,
    }
}
