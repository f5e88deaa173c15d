//! PRESENCE-3 to 5: who is told of an account's presence and of its faces.

use std::sync::Arc;

use bytes::Bytes;
use mail::merge;
use n2o::Failure;
use proto::ids::{Phone, PhoneId};
use proto::records::{Contact, ContactStatus, Online, PresenceStatus};
use proto::topic::Topic;

use super::telling::{FRIENDS as SLICE, News, Telling};
use super::tellings::PACE_MS;
use super::{Audience, to_friend};
use crate::effects::{self, Seen, contact_merge, show};
use crate::protocol::contact;
use crate::protocol::work::{self, Next};
use crate::rows::{self, Face, RELATION, Relation, Work};
use crate::{Account, Cx, Fx, Input, Name};

/// With fewer relations a change of face is told in one step.
const FEW: usize = SLICE * 4;

/// PRESENCE-5: to those who may know of the account.
pub(crate) fn tell_others(
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &Phone,
    status: &PresenceStatus,
    audience: Audience,
) -> Result<(), Failure> {
    let rosters = rows::roster_ids(cx.store, own)?.into_iter().map(|roster| own.roster(roster)).collect();
    let telling = Telling::changed(rosters, News::Presence(status.clone()), audience, cx.id()?);
    begin(fx, own, telling);
    Ok(())
}

/// LOC-1: to the friends of one roster.
pub(crate) fn tell_location(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, payload: Bytes) -> Result<(), Failure> {
    let telling = Telling::changed(vec![own.clone()], News::Location(payload), Audience::Friends, cx.id()?);
    begin(fx, own.phone(), telling);
    Ok(())
}

/// TOPIC-10.4: bytes for the friends of a roster, unchanged, but for that connection.
pub(crate) fn relay(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, payload: Bytes, except: u64) -> Result<(), Failure> {
    let news = News::Relayed(payload, except);
    begin(fx, own.phone(), Telling::changed(vec![own.clone()], news, Audience::Friends, cx.id()?));
    Ok(())
}

/// PRESENCE-5 at CON-5, to the connecting device.
pub(crate) fn tell_device(cx: &Cx<'_>, fx: &mut Fx, account: &Account, session: &Arc<str>) -> Result<(), Failure> {
    let rosters = account.rosters.iter().map(|roster| account.phone.roster(*roster)).collect();
    begin(fx, &account.phone, Telling::there(rosters, session, cx.id()?));
    Ok(())
}

/// Its profile tells them.
fn begin(fx: &mut Fx, own: &Phone, telling: Telling) {
    fx.tell(Name::Profile(own.clone()), Input::Telling(Box::new(telling)));
}

/// PRESENCE-5 to the account's own devices but the one that asked (G-9).
pub(crate) fn tell_own(
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &Phone,
    status: &PresenceStatus,
    asked: Option<u64>,
) -> Result<(), Failure> {
    for roster in rows::roster_ids(cx.store, own)? {
        let own = own.roster(roster);
        show(fx, own.phone(), &effects::ses(cx, &own)?, notice(&own, status), asked);
    }
    Ok(())
}

/// PRESENCE-5 to one friend, when a friendship begins or ends (FRIEND-2 to 4).
pub(crate) fn tell_one(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, other: &Phone, visible: bool) -> Result<(), Failure> {
    let status = if visible { to_friend(cx, own.phone())? } else { Online::Offline.into() };
    show(fx, other, &Topic::Ac(own.clone()), notice(own, &status), None);
    Ok(())
}

pub(super) fn notice(own: &PhoneId, status: &PresenceStatus) -> Bytes {
    let contact = Contact { phone_id: Some(own.to_bytes()), presence: Some(status.clone()), ..Contact::default() };
    etf::encode(&contact)
}

/// PRESENCE-3, 4: what a roster shows of itself has changed; to its friends, kept for their devices. Where they are many, durable work tells
/// them at the pace of presence. Last, those who share a room, while they are connected (TOPIC-15).
pub(crate) fn tell_face(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, face: &Contact) -> Result<(), Failure> {
    let mut news = Face { roster: own.to_bytes(), face: face.clone(), event: cx.id()?, ..Face::default() };
    let page = behind(cx, own, &news, FEW)?;
    // An earlier change may be on its way still: nobody is to hear it last.
    if page.len() == FEW || work::face_before(cx.store, own.phone(), u64::MAX, &news.roster)?.is_some() {
        return work::begin(cx, fx, own.phone(), &Work::Face(news), None);
    }
    tell_friends(cx, fx, own, &mut news, &page)?;
    tell_fellows(fx, own, &news);
    Ok(())
}

/// The next of those who are told of a changed face. An earlier change that is still on its way takes this one over, or goes first.
pub(crate) fn tell_face_on(
    cx: &Cx<'_>,
    fx: &mut Fx,
    home: &Phone,
    number: u64,
    mut news: Face,
) -> Result<Next, Failure> {
    let Ok(own) = PhoneId::parse(&news.roster) else { return Ok(Next::Done(Vec::new())) };
    if let Some((first, earlier)) = work::face_before(cx.store, home, number, &news.roster)? {
        let Some(replaced) = replaced(earlier, news) else { return Ok(Next::Later(PACE_MS)) };
        work::keep(fx, home, first, &Work::Face(replaced));
        return Ok(Next::Done(Vec::new()));
    }
    let page = behind(cx, &own, &news, SLICE)?;
    let is_whole = tell_friends(cx, fx, &own, &mut news, &page)? && page.len() == SLICE;
    if !is_whole && news.again.is_empty() {
        tell_fellows(fx, &own, &news);
        return Ok(Next::Done(Vec::new()));
    }
    if !is_whole {
        news = Face { at: Bytes::new(), told: Bytes::new(), until: news.again, again: Bytes::new(), ..news };
    }
    work::keep(fx, home, number, &Work::Face(news));
    Ok(Next::Later(PACE_MS))
}

/// The earlier change goes on with what the later one says: so nobody waits for ever for one who changes all the time.
fn replaced(earlier: Face, later: Face) -> Option<Face> {
    let face = merge::contact(earlier.face, later.face)?;
    Some(Face { face, again: earlier.at.clone(), until: Bytes::new(), event: later.event, ..earlier })
}

/// The relations behind those who have been told.
fn behind(cx: &Cx<'_>, own: &PhoneId, news: &Face, most: usize) -> Result<Vec<kvs::Entry>, Failure> {
    Ok(cx.store.scan(RELATION, &rows::beyond(&rows::pair_key(own, b""), &news.at).limit(most))?)
}

/// Keeps the notice for these friends, one per account (G-8); whether none of them has had it before. A roster whose phone book has names
/// for one that has none now is told those, behind it.
fn tell_friends(
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &PhoneId,
    news: &mut Face,
    page: &[kvs::Entry],
) -> Result<bool, Failure> {
    let (start, topic) = (rows::pair_key(own, b"").len(), Topic::Ac(own.clone()));
    let payload = etf::encode(&news.face);
    for (key, row) in page {
        let address = key.slice(start..);
        if !news.until.is_empty() && address > news.until {
            return Ok(false);
        }
        news.at = address.clone();
        let relation: Relation = rows::decode(row)?;
        let Ok(friend) = PhoneId::parse(&address) else { continue };
        let phone = friend.phone().to_bytes();
        if relation.status != Some(ContactStatus::Friend) {
            continue;
        }
        let merge = contact_merge(&friend, own.as_str().as_bytes());
        let to = friend.phone();
        if news.told != phone {
            let payload = payload.clone();
            effects::notify_of(fx, cx, to, &topic, payload, merge.clone(), Seen::ByNobody, news.event)?;
            news.told = phone;
        }
        if let Some(called) = contact::still_called(cx, &friend, own, &news.face)? {
            effects::notify(fx, cx, to, &effects::ses(cx, &friend)?, &called, merge, Seen::ByNobody)?;
        }
    }
    Ok(true)
}

/// Those who share a room, at the same pace.
fn tell_fellows(fx: &mut Fx, own: &PhoneId, news: &Face) {
    let face = News::Face(Box::new(news.face.clone()));
    begin(fx, own.phone(), Telling::changed(vec![own.clone()], face, Audience::Everyone, news.event));
}
