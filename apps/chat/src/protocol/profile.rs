//! PROFILE (SPEC 6.4): the account as a whole.

use n2o::Failure;
use proto::Refusal;
use proto::ids::{Phone, PhoneId};
use proto::records::{PresenceStatus, Profile, ProfileStatus, Roster, RosterEntry};
use proto::topic::{Owner, Topic};

use super::presence::{self, Audience};
use super::roster::{self, PART_BYTES};
use super::{Halt, auth, feature};
use crate::effects::{self, Seen};
use crate::rows::{self, PROFILE};
use crate::{Cx, Fx, Who};

/// One PROFILE call, judged by the profile `own`.
pub(crate) fn call(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &Phone, profile: Profile) -> Result<(), Halt> {
    let status = profile.status.ok_or(Refusal::InvalidData)?;
    match status {
        ProfileStatus::Get => get(cx, fx, who, own, &profile, status),
        ProfileStatus::Patch => patch(cx, fx, who, own, profile),
        // PROFILE-12, asked by a device.
        ProfileStatus::Init => get(cx, fx, who, own, &profile, status),
        // PROFILE-7: no provider.
        ProfileStatus::Aws => Err(Refusal::Aws.into()),
        ProfileStatus::Remove
        | ProfileStatus::Update
        | ProfileStatus::Delete
        | ProfileStatus::Create
        | ProfileStatus::Set
        | ProfileStatus::Link
        | ProfileStatus::Email
        | ProfileStatus::Migrate
        | ProfileStatus::Phone => Err(Refusal::NotSupported.into()),
    }
}

/// G-3, G-4: PROFILE names the own account or none. A service acts for any.
fn own_row(cx: &Cx<'_>, who: &Who, own: &Phone, profile: &Profile) -> Result<Profile, Halt> {
    let named = profile.phone.as_ref().filter(|phone| !phone.is_empty());
    let is_named = named.is_none_or(|phone| Phone::parse(phone).as_ref() == Ok(own));
    let is_own = who.account.as_ref().is_some_and(|account| account.phone == *own);
    if !is_named || !(is_own || who.is_service()) {
        return Err(Refusal::NotAuthorized.into());
    }
    let row: Option<Profile> = rows::read(cx.store, PROFILE, own.as_str().as_bytes())?;
    row.ok_or_else(|| Refusal::ProfileNotFound.into())
}

/// PROFILE-1: everything the account may see, or what has changed since.
fn get(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &Phone, asked: &Profile, status: ProfileStatus) -> Result<(), Halt> {
    let row = own_row(cx, who, own, asked)?;
    let parts = match asked
        .settings
        .iter()
        .any(|option| option.key.as_deref() == Some(b"ROSTERS") && option.text() == b"ids")
    {
        true => vec![Profile {
            presence: Some(presence::of(cx, own)?),
            update: Some(roster::synced(cx)),
            status: Some(status),
            ..row
        }],
        false => full(cx, &row, &auth::rosters(cx, own)?, roster::delta(cx, asked.update), status)?,
    };
    effects::answer(fx, who, parts.iter().map(etf::encode).collect());
    Ok(())
}

/// A full Profile, as one record or several; `update` in the last one only (PROFILE-1, notes). `row` and `rosters` may be newer than
/// the store.
pub(crate) fn full(
    cx: &Cx<'_>,
    row: &Profile,
    rosters: &[(PhoneId, Roster)],
    since: Option<u64>,
    status: ProfileStatus,
) -> Result<Vec<Profile>, Failure> {
    let own = rosters.first().map(|(id, _)| id.phone());
    let presence = own.map(|own| presence::of(cx, own)).transpose()?;
    let head = Profile { rosters: Vec::new(), update: None, presence, status: Some(status), ..row.clone() };
    let mut pieces = Vec::new();
    for (id, row) in rosters {
        pieces.extend(roster::full(cx, id, roster::whole(cx, id, row.clone())?, since)?);
    }
    Ok(pack(head, pieces, roster::synced(cx)))
}

/// Puts as many pieces into a record as fit. Of the account itself the first record tells, the others name it.
fn pack(head: Profile, pieces: Vec<Roster>, update: u64) -> Vec<Profile> {
    let next = Profile {
        phone: head.phone.clone(),
        date: head.date,
        balance: head.balance,
        presence: head.presence.clone(),
        status: head.status,
        ..Profile::default()
    };
    let (mut bytes, mut part, mut parts) = (etf::encode(&head).len(), head, Vec::new());
    for piece in pieces {
        let size = etf::encode(&piece).len();
        if bytes + size > PART_BYTES && (bytes > size || !part.rosters.is_empty()) {
            parts.push(std::mem::replace(&mut part, next.clone()));
            bytes = etf::encode(&next).len();
        }
        bytes += size;
        part.rosters.push(RosterEntry::Roster(Box::new(piece)));
    }
    part.update = Some(update);
    parts.push(part);
    parts
}

/// PROFILE-4: merges settings; a balance is set by services alone (D-55).
fn patch(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &Phone, asked: Profile) -> Result<(), Halt> {
    let row = own_row(cx, who, own, &asked)?;
    if asked.balance.is_some_and(|balance| balance < 0) {
        return Err(Refusal::InvalidData.into());
    }
    if !asked.services.is_empty() {
        // SERVICE-1 and 2 come with linked accounts.
        return Err(Refusal::NotSupported.into());
    }
    let mut settings = row.settings.clone();
    feature::merge(&mut settings, &asked.settings)?;
    let balance = if who.is_service() { asked.balance.or(row.balance) } else { row.balance };

    let after = Profile { settings, balance, ..row.clone() };
    let is_changed = after != row;
    let update = if is_changed { Some(cx.now.0) } else { row.update };
    let brief = Profile {
        phone: Some(own.to_bytes()),
        settings: after.settings.clone(),
        balance,
        update,
        status: Some(ProfileStatus::Patch),
        ..Profile::default()
    };
    effects::answer(fx, who, vec![etf::encode(&brief)]);
    if is_changed {
        fx.put(PROFILE, own.to_bytes(), rows::encode(&Profile { update, ..after.clone() }));
        let topic = Topic::Ses(Owner::Account(own.clone()));
        effects::notify(fx, cx, own, &topic, &brief, None, Seen::by(who))?;
        tell_privacy(cx, fx, own, &row, &after)?;
    }
    Ok(())
}

/// PRESENCE-5: who may no longer, or may again, see the account's presence is told once.
fn tell_privacy(cx: &Cx<'_>, fx: &mut Fx, own: &Phone, before: &Profile, after: &Profile) -> Result<(), Failure> {
    let hidden = |profile: &Profile| presence::last_seen(&profile.settings) == Audience::Nobody;
    match (hidden(before), hidden(after)) {
        (false, true) => presence::tell_friends(cx, fx, own, &PresenceStatus::Is(proto::Online::Offline)),
        (true, false) => presence::tell_friends(cx, fx, own, &presence::of(cx, own)?),
        (true, true) | (false, false) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn roster(bytes: usize) -> Roster {
        Roster { names: Some(Bytes::from(vec![b'n'; bytes])), update: None, ..Roster::default() }
    }

    #[test]
    fn profile_1_parts_are_bounded_and_the_last_alone_has_update() {
        let head = Profile { update: None, ..Profile::default() };
        let parts = pack(head.clone(), vec![roster(200_000), roster(100_000), roster(100_000), roster(200_000)], 7);
        assert_eq!(parts.iter().map(|part| part.rosters.len()).collect::<Vec<_>>(), [1, 2, 1]);
        assert_eq!(parts.iter().map(|part| part.update).collect::<Vec<_>>(), [None, None, Some(7)]);
        assert!(parts.iter().all(|part| etf::encode(part).len() <= PART_BYTES));
        assert_eq!(pack(head, vec![roster(10); 5], 7).len(), 1);
    }
}
