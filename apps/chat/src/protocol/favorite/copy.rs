//! The conversation's part of a star: the copy of the message.

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::ids::PhoneId;
use proto::records::{Feed, Message, Star, StarStatus};

use super::Halt;
use crate::input::Starred;
use crate::process::conversation::Conversation;
use crate::protocol::history::Reach;
use crate::rows::{self, Favorite, STAR_DUE, STARRED, UNSTAR};
use crate::{Cx, Fx, Input, Name, Who};

/// Copies taken away in one step; a message of a channel may have more.
const ERASE_MAX: usize = 1024;

/// FAV-4, 5: makes the copy, or takes it away, and tells the roster, which answers.
pub(crate) fn keep(conversation: &Conversation, cx: &Cx<'_>, fx: &mut Fx, who: &Who, star: Star) -> Result<(), Halt> {
    let account = who.account.as_deref().ok_or(Refusal::PermissionDenied)?;
    let own = account.phone.roster(star.roster_id.ok_or(Refusal::InvalidData)?);
    let id = star.message.as_ref().and_then(|message| message.id).ok_or(Refusal::InvalidData)?;
    let key = rows::starred_key(&conversation.key, id, &own);
    let star = match star.status {
        Some(StarStatus::Add) => {
            let message = visible(conversation, cx, &own, who, id)?.ok_or(Refusal::MessageNotFound)?;
            fx.put(STARRED, key, rows::encode(&message));
            Star { message: Some(Box::new(message)), ..star }
        }
        Some(StarStatus::Remove) => {
            fx.delete(STARRED, key);
            star
        }
        None => return Err(Refusal::InvalidData.into()),
    };
    Ok(tell(conversation, cx, fx, own, id, Some(who.clone()), star)?)
}

/// A message of the feed that the roster sees; of a feed that is not its own it sees none.
fn visible(
    conversation: &Conversation,
    cx: &Cx<'_>,
    own: &PhoneId,
    who: &Who,
    id: u64,
) -> Result<Option<Message>, Halt> {
    let side = match conversation.own(cx, who, Some(&own.to_bytes())) {
        Err(Halt::Refused(_)) => return Ok(None),
        side => side?,
    };
    match Reach::of(&conversation.feed, &side).sees(cx, id)? {
        true => Ok(rows::message(cx.store, &conversation.key, id)?),
        false => Ok(None),
    }
}

/// Tells the roster what became of its copy of the message. The letter may be lost; the row is not.
fn tell(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: PhoneId,
    id: u64,
    who: Option<Who>,
    star: Star,
) -> Result<(), Failure> {
    let due = cx.id()?;
    let (client_id, tags) = (star.client_id.clone(), star.tags.clone());
    let kept = Favorite { client_id, feed: conversation.key.clone(), message: id, tags };
    fx.put(STAR_DUE, rows::numbered(own.as_str().as_bytes(), due), rows::encode(&kept));
    fx.tell(Name::Roster(own), Input::Starred(Box::new(Starred { who, star, due })));
    Ok(())
}

/// FAV-6: the message is being deleted for everyone; no roster keeps it.
pub(crate) fn erase(conversation: &Conversation, cx: &Cx<'_>, fx: &mut Fx, id: u64) -> Result<(), Failure> {
    let prefix = rows::numbered(&conversation.key, id);
    let copies = cx.store.keys(STARRED, &kvs::Span::prefix(prefix.clone()).limit(ERASE_MAX))?;
    let is_all = copies.len() < ERASE_MAX;
    copies.into_iter().try_for_each(|key| take_away(conversation, cx, fx, key))?;
    match is_all {
        true => fx.delete(UNSTAR, prefix),
        false => {
            fx.put(UNSTAR, prefix, Bytes::new());
            fx.tell(Name::Conversation(conversation.feed.clone()), Input::Unstar { id });
        }
    }
    Ok(())
}

/// The copy with this key; whose it is hears of it.
pub(crate) fn take_away(conversation: &Conversation, cx: &Cx<'_>, fx: &mut Fx, key: Bytes) -> Result<(), Failure> {
    let rest = key.get(conversation.key.len() + 1..).and_then(|rest| rest.split_first_chunk());
    let (id, holder) = rest.ok_or_else(|| Failure::new("a copy is of no message"))?;
    let holder = PhoneId::parse(holder).map_err(|_| Failure::new("a copy is nobody's"))?;
    let id = u64::from_be_bytes(*id);
    let message = Message { id: Some(id), feed_id: Some(Feed::from(&conversation.feed)), ..Message::default() };
    let star = Star { message: Some(Box::new(message)), status: Some(StarStatus::Remove), ..Star::default() };
    fx.delete(STARRED, key);
    tell(conversation, cx, fx, holder, id, None, star)
}

/// What a crash has left of it.
pub(crate) fn go_on(conversation: &Conversation, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
    for (key, _) in cx.store.scan(UNSTAR, &rows::numbers(&conversation.key, 0, u64::MAX))? {
        if let Some(id) = rows::number(&key) {
            fx.tell(Name::Conversation(conversation.feed.clone()), Input::Unstar { id });
        }
    }
    Ok(())
}
