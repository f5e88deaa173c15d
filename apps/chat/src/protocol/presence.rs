//! PRESENCE-1 to 6: who is there, and who may know it. PRESENCE-7, Typing, has its own file.

mod tell;
mod tellings;
mod telling;
mod fellows;

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::ids::{Address, BadId, Phone, PhoneId};
use proto::limits::PRESENCE_CHARS;
use proto::records::{ContactStatus, Feature, Online, Presence, PresenceStatus, Profile};

pub(crate) use crate::rows::Audience;
pub(crate) use fellows::{are_fellows, tell_fellows, tell_fellows_in};
pub(crate) use tell::{relay, tell_device, tell_face, tell_face_on, tell_location, tell_one, tell_others, tell_own};
pub(crate) use telling::Telling;
pub(crate) use tellings::Tellings;

use super::Halt;
use super::feature::{self, PRIVACY};
use crate::effects;
use crate::rows::{self, PROFILE, PUBLISHER, RELATION, Relation};
use crate::{Account, Cx, Fx, Group, Output, Who};

/// PRESENCE-1, 2. What the account shows from now on, when that has changed, for its profile to tell the others.
pub(crate) fn call(
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Phone,
    presence: Presence,
) -> Result<Option<PresenceStatus>, Halt> {
    match &presence.status {
        Some(status) => set(cx, fx, who, own, presence.uid.as_ref(), status),
        None => ask(cx, fx, who, presence.uid.as_ref()).map(|()| None),
    }
}

/// PRESENCE-1: what the account shows until it is changed or its last device leaves.
fn set(
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Phone,
    uid: Option<&Bytes>,
    status: &PresenceStatus,
) -> Result<Option<PresenceStatus>, Halt> {
    let account = who.account.as_deref().ok_or(Refusal::PermissionDenied)?;
    let uid = own_uid(account, uid)?;
    let wanted = check(status)?;
    let profile: Profile = rows::read(cx.store, PROFILE, own.as_str().as_bytes())?.ok_or(Refusal::PermissionDenied)?;

    effects::answer(fx, who, vec![etf::encode(&Presence { uid: Some(uid), status: Some(status.clone()) })]);
    if profile.presence == wanted {
        return Ok(None);
    }
    fx.put(PROFILE, own.to_bytes(), rows::encode(&Profile { presence: wanted, ..profile }));
    Ok(Some(status.clone()))
}

/// PRESENCE-2: of a friend; what may not be known, or is not, reads offline.
fn ask(cx: &Cx<'_>, fx: &mut Fx, who: &Who, uid: Option<&Bytes>) -> Result<(), Halt> {
    let account = who.account.as_deref().ok_or(Refusal::PermissionDenied)?;
    let status = match uid.filter(|uid| !uid.is_empty()) {
        None => of(cx, &account.phone)?,
        Some(uid) => match asked(account, uid) {
            Ok(Address::Roster(_)) => of(cx, &account.phone)?,
            Ok(Address::Phone(phone)) if phone == account.phone => of(cx, &phone)?,
            Ok(Address::Full(peer)) if account.owns(&peer) => of(cx, peer.phone())?,
            Ok(Address::Full(peer)) => seen_by(cx, account, &peer)?,
            Ok(Address::Phone(phone)) => match rows::default_roster(cx.store, &phone)? {
                Some(roster) => seen_by(cx, account, &roster)?,
                None => Online::Offline.into(),
            },
            Err(_) => Online::Offline.into(),
        },
    };
    let uid = uid.filter(|uid| !uid.is_empty()).cloned().or_else(|| Some(account.default_roster()?.to_bytes()));
    effects::answer(fx, who, vec![etf::encode(&Presence { uid, status: Some(status) })]);
    Ok(())
}

/// A number alone is one of the own rosters, or else a telephone.
fn asked(account: &Account, uid: &[u8]) -> Result<Address, BadId> {
    match Address::parse_own(uid, &account.phone)? {
        Address::Roster(roster) if !account.rosters.contains(&roster) => Address::parse(uid),
        address => Ok(address),
    }
}

/// Presence of `peer` for an account that may be its friend.
fn seen_by(cx: &Cx<'_>, account: &Account, peer: &PhoneId) -> Result<PresenceStatus, Failure> {
    for roster in &account.rosters {
        let own = account.phone.roster(*roster);
        let row: Option<Relation> = rows::read(cx.store, RELATION, &rows::pair_key(&own, peer.as_str().as_bytes()))?;
        if row.is_some_and(|row| row.status == Some(ContactStatus::Friend)) {
            return to_friend(cx, peer.phone());
        }
    }
    let everyone = last_seen(&profile(cx, peer.phone())?.settings) == Audience::Everyone;
    match everyone && are_fellows(cx, account, peer)? {
        true => of(cx, peer.phone()),
        false => Ok(Online::Offline.into()),
    }
}

/// The own address that a request names (G-3, G-4); given back as it was written.
fn own_uid(account: &Account, uid: Option<&Bytes>) -> Result<Bytes, Refusal> {
    let Some(uid) = uid.filter(|uid| !uid.is_empty()) else {
        return account.default_roster().map(|own| own.to_bytes()).ok_or(Refusal::PermissionDenied);
    };
    let own = match Address::parse_own(uid, &account.phone).map_err(|_| Refusal::InvalidData)? {
        Address::Full(named) => account.owns(&named),
        Address::Phone(phone) => phone == account.phone,
        Address::Roster(roster) => account.rosters.contains(&roster),
    };
    if own { Ok(uid.clone()) } else { Err(Refusal::PermissionDenied) }
}

/// What is kept of a presence that was set: nothing for plainly online.
fn check(status: &PresenceStatus) -> Result<Option<PresenceStatus>, Refusal> {
    match status {
        PresenceStatus::Is(Online::Online) => Ok(None),
        PresenceStatus::Is(Online::Offline) => Ok(Some(status.clone())),
        PresenceStatus::Text(text) => {
            let chars = std::str::from_utf8(text).map(|text| text.chars().count()).unwrap_or_default();
            if (1..=PRESENCE_CHARS).contains(&chars) { Ok(Some(status.clone())) } else { Err(Refusal::InvalidData) }
        }
    }
}

/// Presence of an account as its own devices see it.
pub(crate) fn of(cx: &Cx<'_>, phone: &Phone) -> Result<PresenceStatus, Failure> {
    when(cx.group_size(&Group::Account(phone.clone())) > 0, cx, phone)
}

/// The same where it is known whether a device is there.
pub(crate) fn when(is_there: bool, cx: &Cx<'_>, phone: &Phone) -> Result<PresenceStatus, Failure> {
    if !is_there {
        return Ok(Online::Offline.into());
    }
    Ok(profile(cx, phone)?.presence.unwrap_or(Online::Online.into()))
}

/// Presence of an account as its friends see it: offline when its privacy says `nobody`.
pub(crate) fn to_friend(cx: &Cx<'_>, phone: &Phone) -> Result<PresenceStatus, Failure> {
    Ok(shown_to_friend(cx, phone, &profile(cx, phone)?))
}

/// The same where the account's row is at hand.
pub(crate) fn shown_to_friend(cx: &Cx<'_>, phone: &Phone, profile: &Profile) -> PresenceStatus {
    let is_there = || cx.group_size(&Group::Account(phone.clone())) > 0;
    match last_seen(&profile.settings) {
        Audience::Everyone | Audience::Friends if is_there() => {
            profile.presence.clone().unwrap_or(Online::Online.into())
        }
        Audience::Everyone | Audience::Friends | Audience::Nobody => Online::Offline.into(),
    }
}

impl Audience {
    fn of(features: &[Feature], key: &[u8], default: Audience) -> Audience {
        match feature::value(features, PRIVACY, key) {
            Some(b"everyone") => Audience::Everyone,
            Some(b"friends") => Audience::Friends,
            Some(b"nobody") => Audience::Nobody,
            // What the server does not understand changes nothing.
            Some(_) | None => default,
        }
    }
}

/// LAST_SEEN (FEATURE-2).
pub(crate) fn last_seen(features: &[Feature]) -> Audience {
    Audience::of(features, b"LAST_SEEN", Audience::Friends)
}

/// SEARCHABLE: who may find the account.
pub(crate) fn searchable(features: &[Feature]) -> Audience {
    Audience::of(features, b"SEARCHABLE", Audience::Everyone)
}

/// CERTIFICATES: whether the world may have those of the account's devices, by its number and its nick.
pub(crate) fn publishes_certificates(features: &[Feature]) -> bool {
    Audience::of(features, b"CERTIFICATES", Audience::Nobody) == Audience::Everyone
}

/// Who publishes is found by a row, which follows the settings.
pub(crate) fn index_publishers(fx: &mut Fx, own: &Phone, before: &[Feature], after: &[Feature]) {
    match (publishes_certificates(before), publishes_certificates(after)) {
        (false, true) => fx.put(PUBLISHER, own.to_bytes(), Bytes::new()),
        (true, false) => fx.delete(PUBLISHER, own.to_bytes()),
        (true, true) | (false, false) => return,
    }
    fx.emit(Output::Published);
}

/// The account's number, nick or certificates have changed: whoever shows them to the world is told, if it allows that.
pub(crate) fn tell_publisher(cx: &Cx<'_>, fx: &mut Fx, own: &Phone) -> Result<(), Failure> {
    if cx.store.get(PUBLISHER, own.as_str().as_bytes())?.is_some() {
        fx.emit(Output::Published);
    }
    Ok(())
}

/// Whether ROSTER-4 may find the account.
pub(crate) fn is_searchable(cx: &Cx<'_>, phone: &Phone) -> Result<bool, Failure> {
    Ok(searchable(&profile(cx, phone)?.settings) != Audience::Nobody)
}

/// LOCATION: whether friends see where the account is (LOC-1).
pub(crate) fn shows_location(cx: &Cx<'_>, phone: &Phone) -> Result<bool, Failure> {
    Ok(feature::value(&profile(cx, phone)?.settings, PRIVACY, b"LOCATION") == Some(b"true"))
}

/// P2P_FROM: whether strangers may write to the account (MESSAGE, *Right*).
pub(crate) fn takes_from_everyone(cx: &Cx<'_>, phone: &Phone) -> Result<bool, Failure> {
    Ok(Audience::of(&profile(cx, phone)?.settings, b"P2P_FROM", Audience::Friends) == Audience::Everyone)
}

/// GROUP_ADD: who may bring the account into rooms (ROOM-1, ROOM-4).
pub(crate) fn group_add(cx: &Cx<'_>, phone: &Phone) -> Result<Audience, Failure> {
    Ok(Audience::of(&profile(cx, phone)?.settings, b"GROUP_ADD", Audience::Friends))
}

/// What a roster is to another.
pub(crate) fn relation(cx: &Cx<'_>, own: &PhoneId, peer: &PhoneId) -> Result<Option<ContactStatus>, Failure> {
    let row: Option<Relation> = rows::read(cx.store, RELATION, &rows::pair_key(own, peer.as_str().as_bytes()))?;
    Ok(row.and_then(|row| row.status))
}

/// TYPING: whether the account lets others see that it types (PRESENCE-7).
pub(crate) fn shows_typing(cx: &Cx<'_>, phone: &Phone) -> Result<bool, Failure> {
    Ok(feature::value(&profile(cx, phone)?.settings, PRIVACY, b"TYPING") != Some(b"false"))
}

/// READ_RECEIPTS: whether the account lets others see what it has read (HISTORY-3).
pub(crate) fn shows_reading(cx: &Cx<'_>, phone: &Phone) -> Result<bool, Failure> {
    Ok(lets_see_reading(&profile(cx, phone)?))
}

/// The same where the account's row is at hand.
pub(crate) fn lets_see_reading(profile: &Profile) -> bool {
    feature::value(&profile.settings, PRIVACY, b"READ_RECEIPTS") != Some(b"false")
}

/// The row of an account; an empty one where there is none.
pub(crate) fn profile(cx: &Cx<'_>, phone: &Phone) -> Result<Profile, Failure> {
    Ok(rows::read(cx.store, PROFILE, phone.as_str().as_bytes())?.unwrap_or_default())
}
