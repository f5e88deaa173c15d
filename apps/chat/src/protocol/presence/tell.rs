//! PRESENCE-3 to 5: who is told of an account's presence and of its faces.

use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{Phone, PhoneId};
use proto::records::{Contact, ContactStatus, Online, PresenceStatus};
use proto::topic::Topic;

use super::fellows::tell_fellows;
use super::telling::{News, Telling};
use super::{Audience, to_friend};
use crate::effects::{self, Seen, contact_merge, show};
use crate::protocol::work::{self, Next};
use crate::rows::{self, Face, RELATION, Relation, Work};
use crate::{Account, Cx, Fx, Input, Name};

/// Relations looked at in one step of a changed face.
const STEP: usize = 64;

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

/// PRESENCE-3, 4: what a roster shows of itself has changed; to its friends, kept for their devices. Whom one step does not tell is told
/// by durable work. Last, those who share a room, while they are connected (TOPIC-15).
pub(crate) fn tell_face(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, face: &Contact) -> Result<(), Failure> {
    let mut news = Face { roster: own.to_bytes(), face: face.clone(), event: cx.id()?, ..Face::default() };
    match tell_some(cx, fx, own, &mut news)? {
        true => tell_fellows(cx, fx, own, etf::encode(face), news.event),
        false => work::begin(cx, fx, own.phone(), &Work::Face(news), None),
    }
}

/// The next of those who are told of a changed face.
pub(crate) fn tell_face_on(
    cx: &Cx<'_>,
    fx: &mut Fx,
    home: &Phone,
    number: u64,
    mut news: Face,
) -> Result<Next, Failure> {
    let Ok(own) = PhoneId::parse(&news.roster) else { return Ok(Next::Done(Vec::new())) };
    if tell_some(cx, fx, &own, &mut news)? {
        tell_fellows(cx, fx, &own, etf::encode(&news.face), news.event)?;
        return Ok(Next::Done(Vec::new()));
    }
    work::keep(fx, home, number, &Work::Face(news));
    Ok(Next::Again)
}

/// Keeps the notice for some friends, one per account (G-8); whether these were the last.
fn tell_some(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, news: &mut Face) -> Result<bool, Failure> {
    let (prefix, topic) = (rows::pair_key(own, b""), Topic::Ac(own.clone()));
    let page = cx.store.scan(RELATION, &rows::beyond(&prefix, &news.at).limit(STEP))?;
    let payload = etf::encode(&news.face);
    for (key, row) in &page {
        let relation: Relation = rows::decode(row)?;
        let Ok(friend) = PhoneId::parse(&key.slice(prefix.len()..)) else { continue };
        let phone = friend.phone().to_bytes();
        if relation.status == Some(ContactStatus::Friend) && news.told != phone {
            let merge = contact_merge(&friend, own.as_str().as_bytes());
            let (to, payload) = (friend.phone(), payload.clone());
            effects::notify_of(fx, cx, to, &topic, payload, merge, Seen::ByNobody, news.event)?;
            news.told = phone;
        }
    }
    match page.last() {
        Some((key, _)) if page.len() == STEP => news.at = key.slice(prefix.len()..),
        Some(_) | None => return Ok(true),
    }
    Ok(false)
}
