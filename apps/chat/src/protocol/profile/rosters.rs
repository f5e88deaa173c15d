//! Which rosters an account has, and its end: ROSTER-2 and 8, PROFILE-8 and 9. What becomes of all that hangs on a roster is durable
//! work; from the batch that begins it, the roster is no more for everybody.

use std::collections::BTreeSet;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{Phone, PhoneId};
use proto::limits::ROSTERS;
use proto::records::{Io, Profile, ProfileStatus, Roster, RosterEntry, RosterId, RosterStatus};
use proto::{Outcome, Refusal};

use super::{email, own_row};
use crate::door::{Bye, Role};
use crate::effects::{self, Seen};
use crate::protocol::work::{self, Next};
use crate::protocol::{Halt, auth, presence, roster, search, service};
use crate::rows::{self, Found, Leave, PERSON, PROFILE, ROSTER, Work};
use crate::{Also, Chat, Cx, Founding, Fx, Group, Input, Name, Who, names};

/// ROSTER-2: one more face of the account. With a nick it begins at the index of nicks.
pub(crate) fn create(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Phone,
    wanted: Roster,
) -> Result<(), Halt> {
    let row: Option<Profile> = rows::read(cx.store, PROFILE, own.as_str().as_bytes())?;
    let profile = row.ok_or(Refusal::ProfileNotFound)?;
    let nick = wanted.nick.as_ref().map(roster::wanted).transpose()?.flatten();
    let face = roster::apply(&Roster::default(), &roster::check(wanted)?);
    if profile.rosters.len() >= ROSTERS {
        return Err(Refusal::Limit.into());
    }
    let id = own.roster(chat.rosters.next().map_err(Failure::from)?);
    let row = Roster { id: Some(RosterId::Number(id.roster())), phone: Some(own.to_bytes()), ..face };
    match nick {
        Some(nick) => {
            let founding = Founding { who: who.clone(), own: id, row, nick };
            fx.tell(Name::Nicks, Input::Found(Box::new(founding)));
            Ok(())
        }
        None => {
            let record = add(cx, fx, own, profile, &id, row, Some(who))?;
            effects::answer(fx, who, vec![record]);
            Ok(())
        }
    }
}

/// ROSTER-2: the roster has its nick. If meanwhile the account has too many, it goes again.
pub(crate) fn found(
    _chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &Phone,
    who: Option<&Who>,
    found: Found,
) -> Result<Next, Failure> {
    let id = own.roster(found.roster);
    let profile: Option<Profile> = rows::read(cx.store, PROFILE, own.as_str().as_bytes())?;
    match profile {
        Some(profile) if profile.rosters.len() < ROSTERS => {
            Ok(Next::Done(vec![add(cx, fx, own, profile, &id, found.row, who)?]))
        }
        Some(_) | None => {
            leave(cx, fx, own, &id, Vec::new(), Vec::new(), false)?;
            Ok(Next::Refused(Refusal::Limit))
        }
    }
}

/// Adds a roster to the account; the record that says so.
fn add(
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &Phone,
    mut profile: Profile,
    id: &PhoneId,
    row: Roster,
    who: Option<&Who>,
) -> Result<Bytes, Failure> {
    let row = Roster { update: Some(cx.now.0), ..row };
    profile.rosters.push(RosterEntry::Id(id.roster()));
    profile.update = Some(cx.now.0);
    fx.put(PROFILE, own.to_bytes(), rows::encode(&profile));
    fx.put(ROSTER, id.to_bytes(), rows::encode(&row));
    tell_account(cx, fx, own, &profile)?;
    let record = Roster { status: Some(RosterStatus::Create), ..roster::whole(cx, id, row)? };
    effects::notify(fx, cx, own, &effects::ses(cx, id)?, &record, None, who.map(Seen::by).unwrap_or_default())?;
    Ok(etf::encode(&record))
}

/// ROSTER-8: one face less.
pub(crate) fn drop_roster(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &Phone, asked: &Roster) -> Result<(), Halt> {
    let id = roster::named(who, asked.id.as_ref())?;
    let profile: Option<Profile> = rows::read(cx.store, PROFILE, own.as_str().as_bytes())?;
    let profile = profile.ok_or(Refusal::ProfileNotFound)?;
    if !profile.rosters.contains(&RosterEntry::Id(id.roster())) {
        return Err(Refusal::RosterNotFound.into());
    }
    if profile.rosters.len() == 1 {
        return Err(Refusal::PermissionDenied.into());
    }
    effects::answer(fx, who, vec![etf::encode(&Io::ok(Outcome::Removed))]);
    Ok(drop_some(cx, fx, own, profile, &[id])?)
}

/// Takes rosters out of the account, not all of it.
fn drop_some(cx: &Cx<'_>, fx: &mut Fx, own: &Phone, mut profile: Profile, gone: &[PhoneId]) -> Result<(), Failure> {
    for id in gone {
        profile.rosters.retain(|entry| *entry != RosterEntry::Id(id.roster()));
        let record = Roster {
            id: Some(RosterId::Number(id.roster())),
            update: Some(cx.now.0),
            status: Some(RosterStatus::Remove),
            ..Roster::default()
        };
        effects::notify(fx, cx, own, &effects::ses(cx, id)?, &record, None, Seen::ByNobody)?;
        leave(cx, fx, own, id, Vec::new(), Vec::new(), false)?;
    }
    profile.update = Some(cx.now.0);
    fx.put(PROFILE, own.to_bytes(), rows::encode(&profile));
    tell_account(cx, fx, own, &profile)
}

/// A roster is no more; the rest is work.
fn leave(
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &Phone,
    id: &PhoneId,
    clients: Vec<Bytes>,
    emails: Vec<Bytes>,
    account: bool,
) -> Result<(), Failure> {
    fx.delete(ROSTER, id.to_bytes());
    search::renamed(fx, id);
    let leave = Leave { roster: id.to_bytes(), account: account.into(), clients, emails, told: Bytes::new() };
    work::begin(cx, fx, own, &Work::Leave(leave), None)
}

/// PROFILE-8: the account ends, with all its rosters.
pub(super) fn remove(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Phone,
    asked: &Profile,
) -> Result<(), Halt> {
    let profile = own_row(cx, who, own, asked).map_err(|halt| match halt {
        Halt::Refused(Refusal::ProfileNotFound) => Refusal::NotFound.into(),
        halt => halt,
    })?;
    Ok(end(chat, cx, fx, who, own, &profile, Vec::new())?)
}

/// PROFILE-9: some rosters; with the last one the account.
pub(super) fn delete(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Phone,
    asked: &Profile,
) -> Result<(), Halt> {
    let profile = own_row(cx, who, own, asked)?;
    if asked.rosters.is_empty() || asked.rosters.len() > ROSTERS {
        return Err(Refusal::InvalidData.into());
    }
    let named = |entry: &RosterEntry| id_of(own, entry).filter(|id| profile.rosters.contains(&RosterEntry::Id(*id)));
    let gone = asked.rosters.iter().map(|entry| named(entry).ok_or(Refusal::RosterNotFound));
    let gone = gone.collect::<Result<Vec<u64>, Refusal>>()?;
    let mut left = profile.rosters.clone();
    left.retain(|entry| !gone.iter().any(|id| *entry == RosterEntry::Id(*id)));
    let record = etf::encode(&Profile {
        phone: Some(own.to_bytes()),
        rosters: left.clone(),
        update: Some(cx.now.0),
        status: Some(ProfileStatus::Delete),
        ..Profile::default()
    });
    if left.is_empty() {
        return Ok(end(chat, cx, fx, who, own, &profile, vec![record])?);
    }
    effects::answer(fx, who, vec![record]);
    let gone: BTreeSet<u64> = gone.into_iter().collect();
    let gone: Vec<PhoneId> = gone.into_iter().map(|id| own.roster(id)).collect();
    Ok(drop_some(cx, fx, own, profile, &gone)?)
}

fn id_of(own: &Phone, entry: &RosterEntry) -> Option<u64> {
    let by_name = |name: &[u8]| match PhoneId::parse(name) {
        Ok(id) => Some(id.roster()).filter(|_| id.phone() == own),
        Err(_) => std::str::from_utf8(name).ok()?.parse().ok(),
    };
    match entry {
        RosterEntry::Id(id) => Some(*id),
        RosterEntry::Name(name) => by_name(name),
        RosterEntry::Roster(roster) => match roster.id.as_ref()? {
            RosterId::Number(id) => Some(*id),
            RosterId::Name(name) => by_name(name),
        },
    }
}

/// The account, its devices and their keys go at once; every connected device is told and closed (0x98).
fn end(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Phone,
    profile: &Profile,
    mut records: Vec<Bytes>,
) -> Result<(), Failure> {
    let status = Some(ProfileStatus::Remove);
    let record =
        etf::encode(&Profile { phone: Some(own.to_bytes()), update: Some(cx.now.0), status, ..Profile::default() });
    records.push(record.clone());
    let is_own = who.account.as_ref().is_some_and(|account| account.phone == *own);
    let also = match is_own && who.role == Role::Device {
        true => Also::Close(Bye::Ended),
        false => Also::Nothing,
    };
    effects::answer_also(fx, who, records, also);

    fx.delete(PROFILE, own.to_bytes());
    presence::index_publishers(fx, own, &profile.settings, &[]);
    service::end_keys(cx, fx, own, &profile.services)?;
    fx.delete(PERSON, own.to_bytes());
    names::forget(&chat.names, cx, fx, own)?;
    auth::forget_proof(fx, own);
    let mut emails = email::verified(profile);
    let mut clients = auth::end_all(cx, fx, own, who, &record)?;
    for entry in &profile.rosters {
        if let RosterEntry::Id(id) = entry {
            leave(cx, fx, own, &own.roster(*id), std::mem::take(&mut clients), std::mem::take(&mut emails), true)?;
        }
    }
    Ok(())
}

/// The sessions learn which rosters there are.
fn tell_account(cx: &Cx<'_>, fx: &mut Fx, own: &Phone, profile: &Profile) -> Result<(), Failure> {
    let ids = profile.rosters.iter().filter_map(|entry| match entry {
        RosterEntry::Id(id) => Some(*id),
        RosterEntry::Roster(_) | RosterEntry::Name(_) => None,
    });
    fx.publish(Group::Account(own.clone()), Input::Account(auth::account(cx, own, ids.collect())?));
    Ok(())
}
