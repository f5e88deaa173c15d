//! A conversation loses a party: it removes the other from its contacts (ROSTER-5), or is no more (ROSTER-8, PROFILE-8).

use n2o::Failure;
use proto::ids::PhoneId;
use proto::records::ContactStatus;
use proto::topic::Topic;

use super::Pair;
use super::pair::internal;
use crate::effects::{self, Seen, contact_merge};
use crate::process::conversation::{Conversation, Side};
use crate::protocol::work::{Errand, Task};
use crate::protocol::{Halt, contact, ftp, profile, room};
use crate::rows::{
    self, CHANGE, CHANGED, DUPLICATE, FLEETING, HIDDEN, KIND, LATER, MESSAGE, READER, RELATION, REPLY, Relation,
    STARRED,
};
use crate::{Cx, Friendship, Fx, Input, Name};

/// Rows of a feed that one part of a round erases.
const ERASED: usize = 256;
/// Bytes of messages that it reads for that.
const ERASED_BYTES: usize = 4 << 20;

/// The part of a round that is this conversation's.
pub(crate) fn errand(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    errand: &Errand,
) -> Result<(), Failure> {
    let seen = errand.who.as_deref().map(Seen::after).unwrap_or_default();
    match &errand.task {
        Task::Forget { own, .. } => forget(conversation, cx, fx, own, seen),
        Task::Leave { own, .. } if conversation.room().is_ok() => room::depart(conversation, cx, fx, own, errand.work),
        Task::Leave { own, account } => leave(conversation, cx, fx, own, *account, errand.work),
        Task::Unstar { own, stars } => {
            for (_, feed, message) in stars.iter().filter(|(_, feed, _)| *feed == conversation.key) {
                fx.delete(STARRED, rows::starred_key(feed, *message, own));
            }
            Ok(())
        }
        Task::Persona { own, .. } => block(conversation, cx, fx, own),
        Task::Moved(moved) => profile::tell_other(conversation, cx, fx, moved),
        Task::Lose { .. }
        | Task::Mail { .. }
        | Task::Unmail { .. }
        | Task::Unqueue
        | Task::Unnotify { .. }
        | Task::Abandon { .. } => Ok(()),
    }
}

/// ROSTER-5: as FRIEND-3, and what the phone book made of the other is gone as well. A ban of the other side stays.
fn forget(conversation: &mut Conversation, cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, seen: Seen) -> Result<(), Failure> {
    let Some((own, other)) = pair(conversation, own) else { return Ok(()) };
    let Some(status) = own.relation.status else { return Ok(()) };
    let theirs = match (status, other.relation.status) {
        (_, Some(ContactStatus::Ban)) => other.relation.status,
        (ContactStatus::Internal, theirs) => theirs,
        (_, _) => internal(other.relation.before),
    };
    set(conversation, cx, fx, &own.who, None)?;
    gone(cx, fx, &effects::ses(cx, &own.who)?, &own.who, &other.who, seen)?;
    if theirs != other.relation.status {
        set(conversation, cx, fx, &other.who, theirs)?;
        fallen(conversation, cx, fx, &other.who)?;
    }
    if status == ContactStatus::Friend {
        for (own, other) in [(&own, &other), (&other, &own)] {
            let news = Friendship { own: own.who.clone(), other: other.who.clone(), visible: false };
            fx.tell(Name::Profile(own.who.phone().clone()), Input::Friends(Box::new(news)));
        }
    }
    Ok(())
}

/// PERSON-2: the other is banned, as FRIEND-4 does it.
fn block(conversation: &mut Conversation, cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId) -> Result<(), Failure> {
    let Some((own, other)) = pair(conversation, own) else { return Ok(()) };
    match (Pair { conversation, cx, fx, who: None, own, other }.ban_anyway()) {
        Ok(()) | Err(Halt::Refused(_)) => Ok(()),
        Err(Halt::Failed(failure)) => Err(failure),
    }
}

/// ROSTER-8: the other side has one contact less; what was written stays with it. Of the one that goes nothing stays, and what nobody is
/// left to read goes as a whole: notes to oneself, and the feed of two when the other has gone before.
fn leave(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &PhoneId,
    account: bool,
    event: u64,
) -> Result<(), Failure> {
    if let Some(side) = conversation.side(own) {
        side.is_there = false;
    }
    let hidden = rows::numbers(&rows::reader_key(&conversation.feed, own), 0, u64::MAX).limit(ERASED);
    let hidden = cx.store.scan(HIDDEN, &hidden)?;
    // The rows by which this conversation is found go last.
    let is_last = hidden.len() < ERASED;
    hidden.into_iter().for_each(|(key, _)| fx.delete(HIDDEN, key));
    let Some((own, other)) = pair(conversation, own) else {
        if erase(conversation, cx, fx)? && is_last {
            fx.delete(READER, rows::reader_key(&conversation.feed, own));
        }
        return Ok(());
    };
    if let Some(status) = other.relation.status {
        set(conversation, cx, fx, &other.who, None)?;
        let topic = match status == ContactStatus::Friend && !account {
            true => Topic::Ac(own.who.clone()),
            false => effects::ses(cx, &other.who)?,
        };
        let news = etf::encode(&contact::gone(cx, &own.who));
        let merge = contact_merge(&other.who, own.who.as_str().as_bytes());
        effects::notify_of(fx, cx, other.who.phone(), &topic, news, merge, Seen::ByNobody, event)?;
    }
    let is_readable = rows::has_roster(cx.store, &other.who)?;
    if (is_readable || erase(conversation, cx, fx)?) && is_last {
        fx.delete(READER, rows::reader_key(&conversation.feed, &own.who));
        fx.delete(RELATION, rows::pair_key(&own.who, other.who.as_str().as_bytes()));
    }
    if let Some(side) = conversation.side(&own.who) {
        (side.relation, side.reader) = Default::default();
    }
    Ok(())
}

/// What was said, some rows at a time; whether that was all.
fn erase(conversation: &mut Conversation, cx: &Cx<'_>, fx: &mut Fx) -> Result<bool, Failure> {
    let span = kvs::Span::prefix([&conversation.key[..], b"\0"].concat()).limit(ERASED);
    let mut count = 0;
    for (key, row) in cx.store.scan(MESSAGE, &span.clone().bytes(ERASED_BYTES))? {
        let id = rows::number(&key).unwrap_or_default();
        ftp::leave(cx, fx, &conversation.key, id, &rows::decode(&row)?)?;
        fx.delete(MESSAGE, key);
        count += 1;
    }
    // The copies of stars go by their holders' work.
    for table in [CHANGE, CHANGED, DUPLICATE, REPLY, KIND, FLEETING, LATER] {
        let keys = cx.store.keys(table, &span)?;
        count += keys.len();
        keys.into_iter().for_each(|key| fx.delete(table, key));
    }
    conversation.last = None;
    Ok(count == 0)
}

/// The party that this is about, and the other one; none in notes to oneself.
fn pair(conversation: &Conversation, own: &PhoneId) -> Option<(Side, Side)> {
    let own = conversation.sides().iter().find(|side| side.who == *own)?;
    let other = conversation.other(own);
    (other.who != own.who).then(|| (own.clone(), other.clone()))
}

fn set(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &PhoneId,
    status: Option<ContactStatus>,
) -> Result<(), Failure> {
    let Some(side) = conversation.side(who) else { return Ok(()) };
    let relation = Relation { status, before: None, update: cx.now.0, ..side.relation.clone() };
    conversation.put_relation(cx, fx, who, relation)
}

/// Tells `own` what is left of the other: nothing, or who is in its phone book or wrote to it (FRIEND-10).
fn fallen(conversation: &mut Conversation, cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId) -> Result<(), Failure> {
    let Some((own, other)) = pair(conversation, own) else { return Ok(()) };
    match (Pair { conversation, cx, fx, who: None, own: own.clone(), other: other.clone() }.tell(&own, &other)) {
        Ok(()) | Err(Halt::Refused(_)) => Ok(()),
        Err(Halt::Failed(failure)) => Err(failure),
    }
}

/// Tells `own` that the other is no contact any more.
fn gone(cx: &Cx<'_>, fx: &mut Fx, topic: &Topic, own: &PhoneId, other: &PhoneId, seen: Seen) -> Result<(), Failure> {
    effects::notify(
        fx,
        cx,
        own.phone(),
        topic,
        &contact::gone(cx, other),
        contact_merge(own, other.as_str().as_bytes()),
        seen,
    )
}
