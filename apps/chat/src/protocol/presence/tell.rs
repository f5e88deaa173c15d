//! PRESENCE-3 to 5: who is told of an account's presence and of its faces.

use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{Phone, PhoneId};
use proto::records::{Contact, ContactStatus, Online, PresenceStatus};
use proto::topic::Topic;

use super::fellows::tell_fellows;
use super::{Audience, to_friend};
use crate::effects::{self, Seen, contact_merge, show};
use crate::protocol::work::{self, Next};
use crate::rows::{self, Face, RELATION, Relation, Work};
use crate::{Account, Cx, Fx, Group, Input, Name, Transient};

/// Friends that a connecting device is told of (PRESENCE-5); of the others PROFILE-1 tells.
const ONLINE_TOLD: usize = 200;
/// Relations looked at in one step: it is to take less time than others notice.
const STEP: usize = 64;

/// News of presence that are being told: an account has up to 10,000 friends, so its profile goes on by letters to itself. Those who
/// are told of two changes are told of them in order, since what began earlier stays ahead.
#[derive(Debug, Clone)]
pub struct Telling {
    what: What,
    /// The own rosters that are left; the friends of the last one are told.
    rosters: Vec<PhoneId>,
    /// Friends of that one up to this address have been told.
    at: Bytes,
}

#[derive(Debug, Clone)]
enum What {
    /// To the friends, and to those who share a room where everybody may know. One notice for all rosters of a friend, and for all of
    /// a roster's rooms (G-8).
    Changed { news: News, audience: Audience, told: Option<Phone>, event: u64 },
    /// To a device, which friends are there (CON-5), at most so many.
    There { session: Arc<str>, left: usize },
}

#[derive(Debug, Clone)]
enum News {
    /// What the account shows (PRESENCE-5).
    Presence(PresenceStatus),
    /// Where it is (LOC-1), encoded.
    Location(Bytes),
    /// What a device publishes to the friends (TOPIC-10), from this connection.
    Relayed(Bytes, u64),
}

impl News {
    fn payload(&self, own: &PhoneId) -> Bytes {
        match self {
            News::Presence(status) => notice(own, status),
            News::Location(payload) | News::Relayed(payload, _) => payload.clone(),
        }
    }

    /// The connection that it is not for.
    fn except(&self) -> Option<u64> {
        match self {
            News::Relayed(_, connection) => Some(*connection),
            News::Presence(_) | News::Location(_) => None,
        }
    }
}

impl Telling {
    /// To the friends of these rosters, then to those who share a room.
    fn changed(rosters: Vec<PhoneId>, news: News, audience: Audience, event: u64) -> Telling {
        Telling { what: What::Changed { news, audience, told: None, event }, rosters, at: Bytes::new() }
    }

    /// PRESENCE-5 at CON-5: the connecting device learns which friends are there.
    fn there(rosters: Vec<PhoneId>, session: &Arc<str>) -> Telling {
        let what = What::There { session: session.clone(), left: ONLINE_TOLD };
        Telling { what, rosters, at: Bytes::new() }
    }

    /// Tells some, and comes again if there are more.
    pub(crate) fn step(mut self: Box<Self>, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        let Some(own) = self.rosters.last().cloned() else { return Ok(()) };
        let prefix = rows::pair_key(&own, b"");
        let page = cx.store.scan(RELATION, &rows::beyond(&prefix, &self.at).limit(STEP))?;
        let shown = self.shown(&own);
        for (key, row) in &page {
            let relation: Relation = rows::decode(row)?;
            if relation.status == Some(ContactStatus::Friend)
                && let Ok(friend) = PhoneId::parse(key.get(prefix.len()..).unwrap_or_default())
            {
                self.tell(cx, fx, &friend, shown.as_ref())?;
            }
        }
        match page.last() {
            Some((key, _)) if page.len() == STEP => self.at = key.slice(prefix.len()..),
            Some(_) | None => {
                self.rosters.pop();
                self.at = Bytes::new();
                if let What::Changed { news, audience, told, event } = &mut self.what {
                    if *audience == Audience::Everyone {
                        tell_fellows(cx, fx, &own, news.payload(&own), *event)?;
                    }
                    (*told, *event) = (None, cx.id()?);
                }
            }
        }
        if !self.is_done() {
            fx.tell(cx.name.clone(), Input::Telling(self));
        }
        Ok(())
    }

    /// What all friends of this roster are told, made once.
    fn shown(&self, own: &PhoneId) -> Option<Arc<Transient>> {
        let What::Changed { news, event, .. } = &self.what else { return None };
        let topic = Topic::Ac(own.clone()).to_string().into();
        Some(Arc::new(Transient { event: *event, ..Transient::new(topic, news.payload(own), news.except()) }))
    }

    fn tell(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        friend: &PhoneId,
        shown: Option<&Arc<Transient>>,
    ) -> Result<(), Failure> {
        match &mut self.what {
            What::Changed { told, .. } => {
                if told.replace(friend.phone().clone()).as_ref() != Some(friend.phone())
                    && let Some(shown) = shown
                {
                    fx.publish(Group::Account(friend.phone().clone()), Input::Transient(Arc::clone(shown)));
                }
            }
            What::There { session, left } => {
                let status = to_friend(cx, friend.phone())?;
                if *left > 0 && status != PresenceStatus::Is(Online::Offline) {
                    *left -= 1;
                    let topic = Topic::Ac(friend.clone()).to_string().into();
                    let transient = Transient::new(topic, notice(friend, &status), None);
                    fx.tell(Name::Session(session.clone()), Input::Transient(transient.into()));
                }
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.rosters.is_empty() || matches!(self.what, What::There { left: 0, .. })
    }
}

/// PRESENCE-5: to those who may know of the account.
pub(crate) fn tell_others(
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &Phone,
    status: &PresenceStatus,
    audience: Audience,
) -> Result<(), Failure> {
    let rosters = rows::roster_ids(cx.store, own)?.into_iter().rev().map(|roster| own.roster(roster)).collect();
    let news = News::Presence(status.clone());
    Box::new(Telling::changed(rosters, news, audience, cx.id()?)).step(cx, fx)
}

/// LOC-1: to the friends of one roster.
pub(crate) fn tell_location(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, payload: Bytes) -> Result<(), Failure> {
    Box::new(Telling::changed(vec![own.clone()], News::Location(payload), Audience::Friends, cx.id()?)).step(cx, fx)
}

/// TOPIC-10.4: bytes for the friends of a roster, unchanged, but for that connection. Its profile tells them.
pub(crate) fn relay(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, payload: Bytes, except: u64) -> Result<(), Failure> {
    let news = News::Relayed(payload, except);
    let telling = Telling::changed(vec![own.clone()], news, Audience::Friends, cx.id()?);
    fx.tell(Name::Profile(own.phone().clone()), Input::Telling(Box::new(telling)));
    Ok(())
}

/// PRESENCE-5 at CON-5, to the connecting device.
pub(crate) fn tell_device(cx: &Cx<'_>, fx: &mut Fx, account: &Account, session: &Arc<str>) -> Result<(), Failure> {
    let rosters = account.rosters.iter().rev().map(|roster| account.phone.roster(*roster)).collect();
    Box::new(Telling::there(rosters, session)).step(cx, fx)
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

fn notice(own: &PhoneId, status: &PresenceStatus) -> Bytes {
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
