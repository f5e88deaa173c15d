//! PERSON (SPEC 6.5): an old client's view of an account. What has a place in today's records is kept there, the rest as it is given.

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::ids::{Address, Phone, PhoneId};
use proto::records::{ContactStatus, Person, PersonStatus, Profile, Roster};

use super::work::{self, Next, ROUND, Task, between};
use super::{Halt, roster};
use crate::effects;
use crate::rows::{self, PERSON, PROFILE, Persona, RELATION, ROSTER, Relation, Work};
use crate::{Cx, Fx, Name, Who};

/// People that one PERSON-2 blocks.
const BLOCKED: usize = ROUND;
/// A stored Person at most, bytes encoded.
const PERSON_BYTES: usize = 16 * 1024;

pub(crate) fn call(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &Phone, person: Person) -> Result<(), Halt> {
    let named = person.id.as_ref().filter(|id| !id.is_empty());
    if named.is_some_and(|id| Phone::parse(id).as_ref() != Ok(own)) {
        return Err(Refusal::NotAuthorized.into());
    }
    let profile: Profile = rows::read(cx.store, PROFILE, own.as_str().as_bytes())?.ok_or(Refusal::NotAuthorized)?;
    match person.status.ok_or(Refusal::InvalidData)? {
        PersonStatus::Get => get(cx, fx, who, own, &profile),
        PersonStatus::Set => set(cx, fx, who, own, person),
    }
}

/// PERSON-1.
fn get(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &Phone, profile: &Profile) -> Result<(), Halt> {
    let kept: Person = rows::read(cx.store, PERSON, own.as_str().as_bytes())?.unwrap_or_default();
    effects::answer(fx, who, vec![etf::encode(&shown(cx, own, profile, kept)?)]);
    Ok(())
}

/// What is stored, with names, avatar and balance as they are now.
fn shown(cx: &Cx<'_>, own: &Phone, profile: &Profile, kept: Person) -> Result<Person, Failure> {
    let roster: Option<Roster> = match rows::default_roster(cx.store, own)? {
        Some(default) => rows::read(cx.store, ROSTER, default.as_str().as_bytes())?,
        None => None,
    };
    let roster = roster.unwrap_or_default();
    Ok(Person {
        id: Some(own.to_bytes()),
        names: roster.names,
        surnames: roster.surnames,
        avatar: roster.avatar,
        balance: profile.balance,
        status: None,
        ..kept
    })
}

/// PERSON-2: all but the balance is kept; names and avatar are the default roster's, who is blocked is banned by it.
fn set(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &Phone, person: Person) -> Result<(), Halt> {
    let default = rows::default_roster(cx.store, own)?.ok_or(Refusal::NotAuthorized)?;
    let given = Roster {
        names: person.names.clone(),
        surnames: person.surnames.clone(),
        avatar: person.avatar.clone(),
        ..Roster::default()
    };
    let face = roster::check(given)?;
    if person.BlockUsers.len() > BLOCKED {
        return Err(Refusal::Limit.into());
    }
    let mut block = Vec::new();
    for user in &person.BlockUsers {
        block.extend(known(cx, user)?.filter(|user| user.phone() != own).map(|user| user.to_bytes()));
    }
    let kept = Person { names: None, surnames: None, avatar: None, balance: Some(0), status: None, ..person };
    let row = rows::encode(&kept);
    if row.len() > PERSON_BYTES {
        return Err(Refusal::TooLarge.into());
    }

    fx.put(PERSON, own.to_bytes(), row);
    let persona = Persona { roster: default.to_bytes(), face, block };
    Ok(work::begin(cx, fx, own, &Work::Persona(persona), Some(who))?)
}

/// A roster that is there: named in full, or the default one of a number.
fn known(cx: &Cx<'_>, user: &[u8]) -> Result<Option<PhoneId>, Halt> {
    let roster = match Address::parse(user).map_err(|_| Refusal::InvalidData)? {
        Address::Full(roster) => Some(roster),
        Address::Phone(phone) => rows::default_roster(cx.store, &phone)?,
        Address::Roster(_) => None,
    };
    match roster {
        Some(roster) if rows::has_roster(cx.store, &roster)? => Ok(Some(roster)),
        Some(_) | None => Ok(None),
    }
}

/// The roster and those it bans, until all of it is so; then the answer is that of PERSON-1.
pub(crate) fn apply(cx: &Cx<'_>, own: &Phone, persona: &Persona) -> Result<Next, Failure> {
    let profile: Option<Profile> = rows::read(cx.store, PROFILE, own.as_str().as_bytes())?;
    let Ok(default) = PhoneId::parse(&persona.roster) else { return Ok(Next::Done(Vec::new())) };
    let row: Option<Roster> = rows::read(cx.store, ROSTER, persona.roster.as_ref())?;
    let (Some(profile), Some(row)) = (profile, row) else { return Ok(Next::Refused(Refusal::NotAuthorized)) };
    let mut way = Vec::new();
    for user in &persona.block {
        if !is_done(cx, &default, user)? {
            way.extend(PhoneId::parse(user).map(|user| between(&default, user)));
        }
    }
    if roster::apply(&row, &persona.face) != row {
        way.push(Name::Roster(default.clone()));
    }
    if way.is_empty() {
        let kept: Person = rows::read(cx.store, PERSON, own.as_str().as_bytes())?.unwrap_or_default();
        return Ok(Next::Done(vec![etf::encode(&shown(cx, own, &profile, kept)?)]));
    }
    Ok(Next::Round { task: Task::Persona { own: default, face: Box::new(persona.face.clone()) }, way })
}

/// Whether somebody is banned, or there is nobody left to ban.
fn is_done(cx: &Cx<'_>, own: &PhoneId, user: &Bytes) -> Result<bool, Failure> {
    let relation: Option<Relation> = rows::read(cx.store, RELATION, &rows::pair_key(own, user))?;
    let is_banned = relation.is_some_and(|row| row.status == Some(ContactStatus::Ban));
    Ok(is_banned || cx.store.get(ROSTER, user)?.is_none())
}
