//! FTP-7: which messages refer to a file. By them it is known who may fetch it, and when nobody needs it any more.

use std::collections::BTreeSet;

use bytes::Bytes;
use kvs::Span;
use n2o::Failure;
use proto::Refusal;
use proto::ids::FeedId;
use proto::records::{Desc, Message, MessageLink};

use super::super::Halt;
use super::super::history::Reach;
use super::super::turn::Turn;
use crate::process::room::Room;
use crate::rows::{self, READER, REFERS, STORED, STORED_OF, Stored, UNUSED};
use crate::{Account, Cx, Fx, Input, Name, Who};

/// Messages that are looked through to find one that the asker sees.
const LOOK_MAX: usize = 256;
/// Hexadecimal digits of either half of a reference.
const HALF: usize = 64;
/// References in one message: those of its parts, and of what is sealed in them.
const REFERENCES_MAX: usize = 64;

/// `<account hash>/<sha256>` (FTP-3).
pub(super) fn is_reference(text: &[u8]) -> bool {
    let is_hex = |half: &[u8]| half.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    match text.split_at_checked(HALF) {
        Some((owner, [b'/', content @ ..])) => content.len() == HALF && is_hex(owner) && is_hex(content),
        Some(_) | None => false,
    }
}

/// Which files a message refers to: in its parts, in what it forwards, and what its envelopes say that they refer to (SEC-6).
fn references(message: &Message) -> BTreeSet<Bytes> {
    let forwarded = match &message.link {
        Some(MessageLink::Message(original)) => original.files.as_slice(),
        Some(MessageLink::Id(_)) | None => &[],
    };
    message.files.iter().chain(forwarded).flat_map(of_part).take(REFERENCES_MAX).collect()
}

fn of_part(part: &Desc) -> Vec<Bytes> {
    let declared = part.data.iter().filter(|feature| feature.is(b"FILE_DATA", b"FILE"));
    let declared = declared.flat_map(|feature| feature.text().split(|byte| *byte == b' '));
    let named = part.payload.as_deref().into_iter().chain(declared);
    named.filter(|text| is_reference(text)).map(Bytes::copy_from_slice).collect()
}

/// FTP-7: whoever refers to a file may fetch it.
pub(crate) fn check(turn: &Turn<'_, '_>, message: &Message) -> Result<(), Halt> {
    for reference in references(message) {
        let stored = fetchable(turn.cx, turn.who, &reference)?;
        if stored.is_none_or(|stored| stored.going != 0) {
            return Err(Refusal::PermissionDenied.into());
        }
    }
    Ok(())
}

/// A message with these parts is kept.
pub(crate) fn enter(fx: &mut Fx, feed: &[u8], id: u64, message: &Message) {
    for reference in references(message) {
        fx.put(REFERS, key(&reference, feed, id), Bytes::new());
    }
}

/// It is no more, or has other parts; a file that was named by it alone may go.
pub(crate) fn leave(cx: &Cx<'_>, fx: &mut Fx, feed: &[u8], id: u64, message: &Message) -> Result<(), Failure> {
    for reference in references(message) {
        fx.delete(REFERS, key(&reference, feed, id));
        let stored: Option<Stored> = rows::read(cx.store, STORED, &reference)?;
        let Some(Ok(owner)) = stored.map(|stored| proto::ids::Phone::parse(&stored.owner)) else { continue };
        // Found by the owner, whatever happens to the news.
        fx.put(UNUSED, rows::owned(&owner, &reference), rows::encode(&cx.now.0));
        fx.tell(Name::Files(owner), Input::Resume);
    }
    Ok(())
}

/// Whether any message refers to a file.
pub(super) fn any(cx: &Cx<'_>, reference: &[u8]) -> Result<bool, Failure> {
    Ok(!cx.store.scan(REFERS, &Span::prefix(key_of(reference)).limit(1))?.is_empty())
}

/// A file that is there, and that the asker may have: its own, or one that a message names which the asker sees.
pub(super) fn fetchable(cx: &Cx<'_>, who: &Who, reference: &Bytes) -> Result<Option<Stored>, Failure> {
    let (true, Some(account)) = (is_reference(reference), &who.account) else { return Ok(None) };
    let Some(stored) = rows::read::<Stored>(cx.store, STORED, reference)? else { return Ok(None) };
    // Who uploaded it; not who has the same number later.
    if cx.store.get(STORED_OF, &rows::owned(&account.phone, reference))?.is_some() {
        return Ok(Some(stored));
    }
    let prefix = key_of(reference);
    for (key, _) in cx.store.scan(REFERS, &Span::prefix(prefix.clone()).limit(LOOK_MAX))? {
        let rest = key.get(prefix.len()..).unwrap_or_default();
        let feed = rest.len().checked_sub(size_of::<u64>() + 1).and_then(|end| rest.get(..end));
        if let (Some(Ok(feed)), Some(id)) = (feed.map(FeedId::from_key), rows::number(rest))
            && sees(cx, account, &feed, id)?
        {
            return Ok(Some(stored));
        }
    }
    Ok(None)
}

/// HISTORY-14, of any roster of the account.
fn sees(cx: &Cx<'_>, account: &Account, feed: &FeedId, id: u64) -> Result<bool, Failure> {
    for roster in &account.rosters {
        let own = account.phone.roster(*roster);
        let reach = match feed {
            FeedId::P2p(one, other) if *one == own || *other == own => {
                let reader = rows::read(cx.store, READER, &rows::reader_key(feed, &own))?.unwrap_or_default();
                Some(Reach::all(feed, &own, reader))
            }
            FeedId::P2p(..) => None,
            FeedId::Room(room) => {
                let room = Room::load(cx, room)?;
                match room.side(cx, &own)? {
                    Some(side) if room.row().is_ok() => Some(Reach::of(feed, &side)),
                    Some(_) | None => None,
                }
            }
        };
        if let Some(reach) = reach
            && reach.get(cx, id)?.is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn key_of(reference: &[u8]) -> Bytes {
    [reference, b"\0"].concat().into()
}

fn key(reference: &[u8], feed: &[u8], id: u64) -> Bytes {
    [&key_of(reference)[..], &rows::numbered(feed, id)].concat().into()
}
