//! CDR-1: the record of a call, a part of a message.

use bytes::Bytes;
use proto::Refusal;
use proto::records::{Desc, Message};

use super::{Halt, Turn};
use crate::protocol::feature;
use crate::rows::{self, DUPLICATE, Sent};

pub(super) const MIME: &[u8] = b"cdr";
const GROUP: &[u8] = b"CALL";
const STATUSES: [&[u8]; 4] = [b"answered", b"missed", b"rejected", b"failed"];
const MEDIA: [&[u8]; 2] = [b"audio", b"video"];

/// A CALL_ID at most, bytes: it is part of a key.
const CALL_ID_MAX: usize = 128;

/// Whose duplicates are known by CALL_ID, in the place of an author: no phone_id reads so.
const AUTHOR: &[u8] = b"cdr";

/// Where in a feed a call is known that was recorded in it.
pub(super) fn place(feed: &[u8], call: &[u8]) -> Bytes {
    rows::duplicate_key(feed, AUTHOR, call)
}

/// CDR-1: the CALL_ID of the call that a message records, if it records one.
pub(super) fn call_id(message: &Message) -> Result<Option<Bytes>, Halt> {
    let mut calls = message.files.iter().filter(|part| is_cdr(part));
    let Some(call) = calls.next() else { return Ok(None) };
    let value = |key: &[u8]| feature::value(&call.data, GROUP, key);
    let id = value(b"CALL_ID").ok_or(Refusal::InvalidData)?;
    let known = value(b"STATUS").is_some_and(|status| STATUSES.contains(&status));
    let media = value(b"MEDIA").is_none_or(|media| MEDIA.contains(&media));
    let times = ["STARTED", "ANSWERED", "ENDED"].into_iter().filter_map(|key| value(key.as_bytes())).all(is_time);
    if calls.next().is_some() || id.len() > CALL_ID_MAX || !known || !media || !times {
        return Err(Refusal::InvalidData.into());
    }
    Ok(Some(Bytes::copy_from_slice(id)))
}

/// The key under which the call is known that message `id` records now; a call is recorded once in a feed.
pub(super) fn key(turn: &Turn<'_, '_>, id: u64, message: &Message) -> Result<Option<Bytes>, Halt> {
    let Some(call) = call_id(message)? else { return Ok(None) };
    let key = place(&turn.conversation.key, &call);
    match rows::read::<Sent>(turn.cx.store, DUPLICATE, &key)? {
        Some(sent) if sent.id != id => Err(Refusal::InvalidData.into()),
        Some(_) | None => Ok(Some(key)),
    }
}

/// What message `id` recorded before is forgotten, where it records another call now.
pub(super) fn enter(turn: &mut Turn<'_, '_>, id: u64, before: &Message, key: Option<Bytes>) {
    let earlier = call_id(before).ok().flatten();
    let earlier = earlier.map(|call| place(&turn.conversation.key, &call));
    if earlier == key {
        return;
    }
    if let Some(earlier) = earlier {
        turn.fx.delete(DUPLICATE, earlier);
    }
    if let Some(key) = key {
        let sent = Sent { id, client: Bytes::copy_from_slice(turn.who.session.as_bytes()) };
        turn.fx.put(DUPLICATE, key, rows::encode(&sent));
    }
}

fn is_cdr(part: &Desc) -> bool {
    part.mime.as_deref() == Some(MIME)
}

fn is_time(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}
