//! The roster's part of what becomes of a copy: its star follows.
//!
//! A conversation that makes a copy or takes one away tells the roster by a letter, and keeps a row of [`STAR_DUE`] in the same batch, which
//! goes with what the letter causes. A row that is left is of a letter that was lost with the server or with the process.

use std::collections::BTreeSet;

use n2o::Failure;
use proto::Refusal;
use proto::ids::{FeedId, PhoneId};
use proto::records::{Message, Star, StarStatus};

use super::{copied, list, of_message, removed, retag};
use crate::effects::{self, Seen};
use crate::input::Starred;
use crate::rows::{self, Favorite, STAR, STAR_DUE, STAR_OF};
use crate::{Cx, Fx, Input, Name, Who};

/// Rows looked at in one step.
const STEP: usize = 64;

/// The conversation has made a copy, or taken one away, at a client's request or because the message was deleted for everyone.
pub(crate) fn follow(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, news: Starred) -> Result<(), Failure> {
    let Starred { who, star, due } = news;
    match (star.status, who) {
        (Some(StarStatus::Add), Some(who)) => begin(cx, fx, &who, own, star, due),
        (Some(StarStatus::Add), None) | (None, _) => Ok(()),
        (Some(StarStatus::Remove), who) => end(cx, fx, who.as_ref(), own, star, due),
    }
}

fn begin(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &PhoneId, star: Star, due: u64) -> Result<(), Failure> {
    let copy = star.message.map(|message| *message).unwrap_or_default();
    let message = copy.id.unwrap_or_default();
    let feed = copy.feed_id.as_ref().and_then(|feed| FeedId::try_from(feed).ok());
    let feed = feed.ok_or_else(|| Failure::new("a copy is of no feed"))?.key();
    let kept = Favorite { client_id: star.client_id, feed, message, tags: star.tags };
    // What is left of a roster that is no more its work takes away (ROSTER-8).
    if !rows::has_roster(cx.store, own)? {
        effects::refuse(fx, who, Refusal::PermissionDenied);
        return Ok(());
    }
    fx.delete(STAR_DUE, due_key(own, due));
    // Another device may have been first.
    if let Some((number, before)) = of_message(cx, own, message)? {
        return retag(cx, fx, who, own, number, before, copy, kept.tags);
    }
    if copied(cx, own, &kept)?.is_none() {
        effects::refuse(fx, who, Refusal::MessageNotFound);
        return Ok(());
    }
    write(cx, fx, own, &kept, copy, Seen::after(who))?;
    effects::answer(fx, who, Vec::new());
    Ok(())
}

/// The rows of a new star, and the news of it.
fn write(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, kept: &Favorite, copy: Message, seen: Seen) -> Result<(), Failure> {
    let (owner, number) = (own.as_str().as_bytes(), cx.id()?);
    fx.put(STAR, rows::numbered(owner, number), rows::encode(kept));
    fx.put(STAR_OF, rows::numbered(owner, kept.message), rows::encode(&number));
    let shown = list::shown(cx, own, number, kept, Some(copy), Some(StarStatus::Add))?;
    effects::notify(fx, cx, own.phone(), &effects::ses(cx, own)?, &shown, None, seen)
}

/// FAV-5, FAV-6: the copy is gone, so is the star.
fn end(cx: &Cx<'_>, fx: &mut Fx, who: Option<&Who>, own: &PhoneId, star: Star, due: u64) -> Result<(), Failure> {
    fx.delete(STAR_DUE, due_key(own, due));
    let message = star.message.as_ref().and_then(|message| message.id).unwrap_or_default();
    let Some((number, kept)) = of_message(cx, own, message)? else {
        // It was found missing before, and told of; the caller is owed its answer all the same.
        if let Some(who) = who {
            effects::answer(fx, who, vec![etf::encode(&Star { message: None, tags: Vec::new(), ..star })]);
        }
        return Ok(());
    };
    forget(cx, fx, own, number, &kept, who.map(Seen::after).unwrap_or_default())?;
    if let Some(who) = who {
        effects::answer(fx, who, Vec::new());
    }
    Ok(())
}

/// Erases the rows of a star that has no copy, and says so.
fn forget(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, number: u64, kept: &Favorite, seen: Seen) -> Result<(), Failure> {
    let owner = own.as_str().as_bytes();
    fx.delete(STAR, rows::numbered(owner, number));
    fx.delete(STAR_OF, rows::numbered(owner, kept.message));
    effects::notify(fx, cx, own.phone(), &effects::ses(cx, own)?, &removed(own, number, kept), None, seen)
}

/// Whether letters were lost, or are still to come.
pub(crate) fn has_due(cx: &Cx<'_>, own: &PhoneId) -> Result<bool, Failure> {
    Ok(!cx.store.keys(STAR_DUE, &all_due(own).limit(1))?.is_empty())
}

/// Does what lost letters would have caused: a star is where a copy is. Nobody waits for an answer any more.
pub(crate) fn resume(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId) -> Result<(), Failure> {
    let left = cx.store.scan(STAR_DUE, &all_due(own).limit(STEP))?;
    let (is_there, is_all) = (rows::has_roster(cx.store, own)?, left.len() < STEP);
    let mut done = BTreeSet::new();
    // What came last of a message is so.
    for (key, row) in left.into_iter().rev() {
        let kept: Favorite = rows::decode(&row)?;
        let copy = copied(cx, own, &kept)?;
        if !is_there && copy.is_some() {
            continue;
        }
        fx.delete(STAR_DUE, key);
        if !done.insert(kept.message) {
            continue;
        }
        match (copy, of_message(cx, own, kept.message)?) {
            (Some(copy), None) => write(cx, fx, own, &kept, copy, Seen::ByNobody)?,
            (None, Some((number, star))) => forget(cx, fx, own, number, &star, Seen::ByNobody)?,
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    if is_there && !is_all {
        fx.tell(Name::Roster(own.clone()), Input::Resume);
    }
    Ok(())
}

fn all_due(own: &PhoneId) -> kvs::Span {
    rows::numbers(own.as_str().as_bytes(), 0, u64::MAX)
}

fn due_key(own: &PhoneId, due: u64) -> bytes::Bytes {
    rows::numbered(own.as_str().as_bytes(), due)
}
