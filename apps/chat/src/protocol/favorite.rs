//! FAV (SPEC 6.15): tags, and stars, which keep a message for a roster.
//!
//! A star is two rows of two owners: what the client says of it (its roster's), and the copy of the message (its conversation's). The
//! copy decides: without it there is no star. So a message that is deleted for everyone is gone from all stars in the very batch that
//! erases it; the rosters are told, and follow.

mod copy;
mod follow;
mod list;
mod tag;

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::ids::{FeedId, PhoneId};
use proto::limits::{MSG_ID_BYTES, STARS, TAGS};
use proto::records::{Feed, Message, P2p, Star, StarStatus, Tag};

pub(crate) use copy::{erase, go_on, keep, take_away};
pub(crate) use follow::{follow, has_due, resume};
pub(crate) use list::{list, stars, tags};
pub(crate) use tag::{check as check_tag, merge as merge_tags, tag};

use super::Halt;
use crate::effects::{self, Seen};
use crate::rows::{self, Favorite, STAR, STAR_OF, STARRED};
use crate::{Call, Cx, Fx, Input, Name, Who};

/// FAV-4, 5, judged by the roster `own`.
pub(crate) fn star(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &PhoneId, star: Star) -> Result<(), Halt> {
    match star.status.ok_or(Refusal::InvalidData)? {
        StarStatus::Add => add(cx, fx, who, own, star),
        StarStatus::Remove => remove(cx, fx, who, own, &star),
    }
}

/// FAV-4: a new star asks the message's conversation for a copy; one of the same message has its tags replaced.
fn add(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &PhoneId, star: Star) -> Result<(), Halt> {
    let message = star.message.as_deref().ok_or(Refusal::InvalidData)?;
    let id = message.id.ok_or(Refusal::InvalidData)?;
    let feed = feed(own, message.feed_id.as_ref().ok_or(Refusal::InvalidData)?)?;
    if star.client_id.as_ref().is_some_and(|id| id.len() > *MSG_ID_BYTES.end()) || star.tags.len() > TAGS {
        return Err(Refusal::InvalidData.into());
    }
    let tags = star.tags.into_iter().map(tag::normal).collect::<Result<Vec<_>, _>>()?;

    if let Some((number, kept)) = of_message(cx, own, id)?
        && let Some(copy) = copied(cx, own, &kept)?
    {
        return Ok(retag(cx, fx, who, own, number, kept, copy, tags)?);
    }
    // Those on their way to a copy are not counted: a few more than the limit may be kept.
    if cx.store.scan(STAR, &rows::numbers(own.as_str().as_bytes(), 0, u64::MAX).limit(STARS))?.len() >= STARS {
        return Err(Refusal::Limit.into());
    }
    let message = Message { id: Some(id), feed_id: Some(Feed::from(&feed)), ..Message::default() };
    let asked = Star { roster_id: Some(own.roster()), message: Some(Box::new(message)), tags, ..star };
    ask(fx, who, feed, asked);
    Ok(())
}

/// Hands the request on to the owner of the message.
fn ask(fx: &mut Fx, who: &Who, feed: FeedId, star: Star) {
    fx.tell(Name::Conversation(feed), Input::Call(Box::new(Call { who: who.clone(), record: star.into() })));
}

#[expect(clippy::too_many_arguments, reason = "a star in all its parts")]
fn retag(
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &PhoneId,
    number: u64,
    kept: Favorite,
    copy: Message,
    tags: Vec<Tag>,
) -> Result<(), Failure> {
    let is_same = kept.tags == tags;
    let kept = Favorite { tags, ..kept };
    let shown = list::shown(cx, own, number, &kept, Some(copy), Some(StarStatus::Add))?;
    if is_same {
        effects::answer(fx, who, vec![etf::encode(&shown)]);
        return Ok(());
    }
    fx.put(STAR, rows::numbered(own.as_str().as_bytes(), number), rows::encode(&kept));
    effects::notify(fx, cx, own.phone(), &effects::ses(cx, own)?, &shown, None, Seen::after(who))?;
    effects::answer(fx, who, Vec::new());
    Ok(())
}

/// FAV-5: by its own number, or by that of its message. The copy goes first.
fn remove(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &PhoneId, star: &Star) -> Result<(), Halt> {
    let by_message = star.message.as_ref().and_then(|message| message.id);
    let found = match (star.id, by_message) {
        (Some(number), _) => by_number(cx, own, number)?.map(|kept| (number, kept)),
        (None, Some(message)) => of_message(cx, own, message)?,
        (None, None) => return Err(Refusal::InvalidData.into()),
    };
    let (number, kept) = found.ok_or(Refusal::NotFound)?;
    let feed = FeedId::from_key(&kept.feed).map_err(|_| Failure::new("a star is of no feed"))?;
    let message = Message { id: Some(kept.message), feed_id: Some(Feed::from(&feed)), ..Message::default() };
    let gone = Star { message: Some(Box::new(message)), ..removed(own, number, &kept) };
    ask(fx, who, feed, gone);
    Ok(())
}

fn removed(own: &PhoneId, number: u64, kept: &Favorite) -> Star {
    Star {
        id: Some(number),
        client_id: kept.client_id.clone(),
        roster_id: Some(own.roster()),
        status: Some(StarStatus::Remove),
        ..Star::default()
    }
}

fn by_number(cx: &Cx<'_>, own: &PhoneId, number: u64) -> Result<Option<Favorite>, Failure> {
    rows::read(cx.store, STAR, &rows::numbered(own.as_str().as_bytes(), number))
}

/// The roster's star of a message, with its number.
fn of_message(cx: &Cx<'_>, own: &PhoneId, message: u64) -> Result<Option<(u64, Favorite)>, Failure> {
    let Some(number) = rows::read(cx.store, STAR_OF, &rows::numbered(own.as_str().as_bytes(), message))? else {
        return Ok(None);
    };
    Ok(by_number(cx, own, number)?.map(|kept| (number, kept)))
}

/// What the star keeps of its message.
fn copied(cx: &Cx<'_>, own: &PhoneId, kept: &Favorite) -> Result<Option<Message>, Failure> {
    rows::read(cx.store, STARRED, &rows::starred_key(&kept.feed, kept.message, own))
}

/// A feed as a client writes it; `[]` for a party is this roster (G-4).
fn feed(own: &PhoneId, feed: &Feed) -> Result<FeedId, Refusal> {
    let party = |name: &Option<Bytes>| match name.as_ref().filter(|name| !name.is_empty()) {
        None => Ok(own.clone()),
        Some(name) => PhoneId::parse(name).map_err(|_| Refusal::InvalidData),
    };
    match feed {
        Feed::P2p(P2p { from, to }) => Ok(FeedId::p2p(party(from)?, party(to)?)),
        Feed::Muc(_) => FeedId::try_from(feed).map_err(|_| Refusal::InvalidData),
    }
}
