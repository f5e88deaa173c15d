//! PRESENCE-3 to 5: who is told of an account's presence and of its faces.

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{Phone, PhoneId};
use proto::limits::CONTACTS;
use proto::records::{Contact, ContactStatus, Online, PresenceStatus};
use proto::topic::Topic;

use super::to_friend;
use crate::effects::{self, Seen, contact_merge, show};
use crate::rows::{self, RELATION, Relation};
use crate::{Account, Cx, Fx, Input, Name, Transient};

/// Friends that a connecting device is told of (PRESENCE-5); of the others PROFILE-1 tells.
const ONLINE_TOLD: usize = 200;
/// Relations of a roster that one scan returns: its contacts, and as many that have ended.
const SCAN_MAX: usize = 2 * CONTACTS;

/// The rosters that are friends of `own`.
pub(crate) fn friends(cx: &Cx<'_>, own: &PhoneId) -> Result<Vec<PhoneId>, Failure> {
    let prefix = rows::pair_key(own, b"");
    let mut friends = Vec::new();
    for (key, row) in cx.store.scan(RELATION, &kvs::Span::prefix(prefix.clone()).limit(SCAN_MAX))? {
        let relation: Relation = rows::decode(&row)?;
        if relation.status == Some(ContactStatus::Friend) {
            friends.extend(PhoneId::parse(&key.slice(prefix.len()..)).ok());
        }
    }
    Ok(friends)
}

/// The friends' addresses, one per account: a notice reaches each device once (G-8).
fn friends_by_account(cx: &Cx<'_>, own: &PhoneId) -> Result<Vec<PhoneId>, Failure> {
    let mut friends = friends(cx, own)?;
    friends.dedup_by(|one, other| one.phone() == other.phone());
    Ok(friends)
}

/// PRESENCE-5: to the friends of all rosters of `own`. Those who share a room get it from the rooms.
pub(crate) fn tell_friends(cx: &Cx<'_>, fx: &mut Fx, own: &Phone, status: &PresenceStatus) -> Result<(), Failure> {
    for roster in rows::roster_ids(cx.store, own)? {
        let own = own.roster(roster);
        let (topic, payload) = (Topic::Ac(own.clone()), notice(&own, status));
        for friend in friends_by_account(cx, &own)? {
            show(fx, friend.phone(), &topic, payload.clone(), None);
        }
    }
    Ok(())
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

/// PRESENCE-5 at CON-5: the connecting device learns which friends are there.
pub(crate) fn tell_device(cx: &Cx<'_>, fx: &mut Fx, account: &Account, session: &Name) -> Result<(), Failure> {
    let mut left = ONLINE_TOLD;
    for roster in &account.rosters {
        for friend in friends(cx, &account.phone.roster(*roster))? {
            let status = to_friend(cx, friend.phone())?;
            if status == PresenceStatus::Is(Online::Offline) {
                continue;
            }
            if left == 0 {
                return Ok(());
            }
            left -= 1;
            let topic = Topic::Ac(friend.clone()).to_string().into();
            let transient = Transient { topic, payload: notice(&friend, &status), except: None, origin: None };
            fx.tell(session.clone(), Input::Transient(transient.into()));
        }
    }
    Ok(())
}

fn notice(own: &PhoneId, status: &PresenceStatus) -> Bytes {
    let contact = Contact { phone_id: Some(own.to_bytes()), presence: Some(status.clone()), ..Contact::default() };
    etf::encode(&contact)
}

/// PRESENCE-3, 4: what a roster shows of itself has changed; to its friends, kept for their devices. Those who share a room get it
/// from the rooms.
pub(crate) fn tell_face(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, face: &Contact) -> Result<(), Failure> {
    let topic = Topic::Ac(own.clone());
    for friend in friends_by_account(cx, own)? {
        let merge = contact_merge(&friend, own.as_str().as_bytes());
        effects::notify(fx, cx, friend.phone(), &topic, face, merge, Seen::ByNobody)?;
    }
    Ok(())
}
