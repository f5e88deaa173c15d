//! ROSTER (SPEC 6.6): names, phone book and nick of one face of an account.

mod book;
pub(crate) mod gone;
mod leave;
mod nick;
mod parts;
mod written;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{Address, PhoneId};
use proto::limits::{NAMES, QUEUE_MS, SURNAMES, TAGS};
use proto::records::{Contact, Io, Roster, RosterId, RosterStatus};
use proto::{Outcome, Refusal, text};

pub(crate) use book::{arrived, registered, renumber};
pub(crate) use leave::{errand, forget, keep_told, leave};
pub(crate) use nick::{claim, claim_first, index, nick, unname, wanted};
pub(crate) use parts::{Frame, PART_BYTES, Parts};

use super::reading::{Reading, To, What};
use super::{Halt, favorite, presence, search};
use crate::effects::{self, Seen};
use crate::rows::{self, ROSTER};
use crate::{Account, Call, Chat, Cx, Fx, Input, Name, Refresh, Who};

/// A reference to an avatar at most, bytes.
const AVATAR_BYTES: usize = 1024;
/// An e-mail address at most, bytes (RFC 5321 section 4.5.3.1.3, less the brackets).
const EMAIL_BYTES: usize = 254;
/// Removals are remembered this long; a client that was away longer starts anew (PROFILE-1). What own other devices have read and cleared
/// is told by notices alone, and these are kept no longer (DLV-12).
pub(crate) const DELTA_MS: u64 = QUEUE_MS;

/// One call, judged by the roster `own`.
pub(crate) fn call(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &PhoneId,
    roster: Roster,
) -> Result<(), Halt> {
    let status = roster.status.ok_or(Refusal::InvalidData)?.modern();
    let named = named(who, roster.id.as_ref())?;
    if named != *own {
        return Err(Refusal::RosterNotFound.into());
    }
    match status {
        RosterStatus::Get => get(cx, fx, who, own, roster.update),
        RosterStatus::Add => book::add(chat, cx, fx, who, own, roster.userlist),
        RosterStatus::Patch | RosterStatus::Update => patch(cx, fx, who, own, roster, status),
        // Nicks are unique on the server: their index has one owner.
        RosterStatus::Nick => {
            fx.tell(Name::Nicks, Input::Call(Box::new(Call { who: who.clone(), record: roster.into() })));
            Ok(())
        }
        RosterStatus::Del => leave::del(cx, fx, who, own, roster.userlist),
        // Which rosters there are is the account's.
        RosterStatus::Create | RosterStatus::Remove => Err(Refusal::InvalidData.into()),
        RosterStatus::Search => search(cx, fx, who, own, roster.names),
        RosterStatus::LastMsg => last_msg(cx, fx, who, own),
        RosterStatus::List => list(fx, who, &roster),
        // ROSTER-12. Nickid and set have been read as nick and patch.
        RosterStatus::Contact | RosterStatus::Nickid | RosterStatus::Set => Err(Refusal::InvalidData.into()),
    }
}

/// The own roster that a request is about: a number, its decimal text, a phone_id, a phone, or `[]` for the default one.
pub(crate) fn named(who: &Who, id: Option<&RosterId>) -> Result<PhoneId, Refusal> {
    let account = who.account.as_deref().ok_or(Refusal::PermissionDenied)?;
    let named = match id {
        None => account.default_roster(),
        Some(RosterId::Number(roster)) => Some(account.phone.roster(*roster)),
        Some(RosterId::Name(name)) if name.is_empty() => account.default_roster(),
        Some(RosterId::Name(name)) => by_name(account, name),
    };
    named.filter(|roster| account.owns(roster)).ok_or(Refusal::RosterNotFound)
}

fn by_name(account: &Account, name: &[u8]) -> Option<PhoneId> {
    match Address::parse_own(name, &account.phone).ok()? {
        Address::Roster(roster) => Some(account.phone.roster(roster)),
        Address::Full(roster) => Some(roster),
        Address::Phone(phone) if phone == account.phone => account.default_roster(),
        Address::Phone(_) => None,
    }
}

/// ROSTER-1: the whole roster, or what has changed in it since.
fn get(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &PhoneId, since: Option<u64>) -> Result<(), Halt> {
    let row = row(cx, own)?.ok_or(Refusal::RosterNotFound)?;
    let tags = favorite::tags(cx, own)?;
    let base = Roster { tags, status: Some(RosterStatus::Get), ..whole(cx, own, row)? };
    read(cx, fx, who, own, base, What::All { since: delta(cx, since) })
}

/// ROSTER-10: contacts and rooms whose names contain a text, in whatever case.
fn search(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &PhoneId, names: Option<Bytes>) -> Result<(), Halt> {
    let wanted = names.filter(|names| !names.is_empty()).ok_or(Refusal::InvalidData)?;
    let needle = text::name(&wanted, 1..=*NAMES.end()).map_err(|_| Refusal::InvalidData)?;
    let needle = String::from_utf8_lossy(&needle).to_lowercase();
    read(cx, fx, who, own, brief(own, RosterStatus::Search), What::Named(needle))
}

/// ROSTER-11: the last message of every contact and room, newest first.
fn last_msg(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &PhoneId) -> Result<(), Halt> {
    read(cx, fx, who, own, brief(own, RosterStatus::LastMsg), What::Latest)
}

fn read(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &PhoneId, base: Roster, what: What) -> Result<(), Halt> {
    let to = To::Caller(Box::new(who.clone()));
    let reading = Reading::new(to, Frame::Roster, vec![(own.clone(), base)], what, synced(cx));
    Ok(Box::new(reading).step(cx, fx)?)
}

fn brief(own: &PhoneId, status: RosterStatus) -> Roster {
    Roster { id: Some(RosterId::Number(own.roster())), status: Some(status), ..Roster::default() }
}

/// What a roster says of itself, without lists: a brief record of it is made of this.
pub(crate) fn whole(cx: &Cx<'_>, own: &PhoneId, row: Roster) -> Result<Roster, Failure> {
    let nick = rows::nick(cx.store, own.as_str().as_bytes())?;
    Ok(Roster { id: Some(RosterId::Number(own.roster())), nick, phone: Some(own.phone().to_bytes()), ..row })
}

pub(crate) fn row(cx: &Cx<'_>, own: &PhoneId) -> Result<Option<Roster>, Failure> {
    rows::read(cx.store, ROSTER, own.as_str().as_bytes())
}

/// PROFILE-1: since when the client asks for changes; 0, too old, or of a clock that was ahead, asks for everything.
pub(crate) fn delta(cx: &Cx<'_>, since: Option<u64>) -> Option<u64> {
    since.filter(|since| *since > 0 && cx.now.0.checked_sub(*since).is_some_and(|age| age <= DELTA_MS))
}

/// What a client gives as its last sync after an answer: a change made in this very millisecond is told again rather than lost.
pub(crate) fn synced(cx: &Cx<'_>) -> u64 {
    cx.now.0.saturating_sub(1)
}

/// ROSTER-3: ids of all own rosters, ascending. A profile that is asked anything else is asked in error (ROSTER-13).
pub(crate) fn list(fx: &mut Fx, who: &Who, roster: &Roster) -> Result<(), Halt> {
    if roster.status != Some(RosterStatus::List) {
        return Err(Refusal::InvalidData.into());
    }
    let account = who.account.as_deref().ok_or(Refusal::ProfileNotFound)?;
    let answer = Io::ok(Outcome::List).with(account.rosters.clone());
    effects::answer(fx, who, vec![etf::encode(&answer)]);
    Ok(())
}

/// ROSTER-6, and its synonym ROSTER-9: names, e-mail, avatar and tags.
fn patch(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &PhoneId, wanted: Roster, status: RosterStatus) -> Result<(), Halt> {
    let row = row(cx, own)?.ok_or(Refusal::RosterNotFound)?;
    let change = check(wanted)?;
    let is_retagged = favorite::merge_tags(cx, fx, own, &change.tags)?;

    let after = apply(&row, &change);
    let is_changed = is_retagged || after != row;
    let update = if is_changed { Some(cx.now.0) } else { row.update };
    let after = Roster { update, ..after };
    let brief = Roster { id: Some(RosterId::Number(own.roster())), update, status: Some(status), ..change };
    if !is_changed {
        effects::answer(fx, who, vec![etf::encode(&brief)]);
        return Ok(());
    }
    fx.put(ROSTER, own.to_bytes(), rows::encode(&after));
    if is_renamed(&row, &after) {
        search::renamed(fx, own);
    }
    effects::notify(fx, cx, own.phone(), &effects::ses(cx, own)?, &brief, None, Seen::after(who))?;
    effects::answer(fx, who, Vec::new());
    match face(cx, own, &row, &after, &brief)? {
        Some(face) => Ok(presence::tell_face(cx, fx, own, &face)?),
        None => Ok(()),
    }
}

/// PROFILE-6: the address of the account is the default roster's.
fn set_email(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, address: &Bytes) -> Result<(), Failure> {
    if let Some(row) = row(cx, own)? {
        let row = Roster { email: Some(address.clone()), update: Some(cx.now.0), ..row };
        fx.put(ROSTER, own.to_bytes(), rows::encode(&row));
    }
    Ok(())
}

/// PERSON-2: as ROSTER-6, `change` being checked; nobody waits for the answer here.
fn set_face(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, change: &Roster) -> Result<(), Failure> {
    let Some(row) = row(cx, own)? else { return Ok(()) };
    let after = apply(&row, change);
    if after == row {
        return Ok(());
    }
    let after = Roster { update: Some(cx.now.0), ..after };
    fx.put(ROSTER, own.to_bytes(), rows::encode(&after));
    if is_renamed(&row, &after) {
        search::renamed(fx, own);
    }
    let told = Roster { update: after.update, ..brief(own, RosterStatus::Patch) };
    let told = Roster {
        names: change.names.clone(),
        surnames: change.surnames.clone(),
        avatar: change.avatar.clone(),
        ..told
    };
    effects::notify(fx, cx, own.phone(), &effects::ses(cx, own)?, &told, None, Seen::ByNobody)?;
    match face(cx, own, &row, &after, &told)? {
        Some(face) => presence::tell_face(cx, fx, own, &face),
        None => Ok(()),
    }
}

/// PROFILE-2: the friends are told how the roster looks, changed or not.
pub(crate) fn refresh(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, mut refresh: Refresh) -> Result<(), Failure> {
    if let Some(row) = row(cx, own)? {
        let row = Roster { update: Some(cx.now.0), ..row };
        fx.put(ROSTER, own.to_bytes(), rows::encode(&row));
        presence::tell_face(cx, fx, own, &whole_face(cx, own, row)?)?;
    }
    match refresh.left.pop() {
        Some(next) => fx.tell(Name::Roster(next), Input::Refresh(Box::new(refresh))),
        None => effects::answer(fx, &refresh.who, vec![refresh.answer]),
    }
    Ok(())
}

/// How the roster looks now. What it has not is said as well: a notice of nothing would be one of keys (SEC-9).
pub(crate) fn whole_face(cx: &Cx<'_>, own: &PhoneId, row: Roster) -> Result<Contact, Failure> {
    Ok(Contact {
        phone_id: Some(own.to_bytes()),
        avatar: Some(row.avatar.unwrap_or_default()),
        names: Some(row.names.unwrap_or_default()),
        surnames: Some(row.surnames.unwrap_or_default()),
        nick: Some(rows::nick(cx.store, own.as_str().as_bytes())?.unwrap_or_default()),
        update: Some(cx.now.0),
        ..Contact::default()
    })
}

/// The fields that ROSTER-6 changes, in normal form; `None` = leave, empty = clear (C-5).
pub(crate) fn check(wanted: Roster) -> Result<Roster, Refusal> {
    let named = |text: Option<Bytes>, length| match text {
        Some(text) if !text.is_empty() => text::name(&text, length).map(Some).map_err(|_| Refusal::InvalidData),
        other => Ok(other),
    };
    let bounded = |text: Option<Bytes>, bytes: usize| match text {
        Some(text) if text.len() > bytes || std::str::from_utf8(&text).is_err() => Err(Refusal::InvalidData),
        other => Ok(other),
    };
    if wanted.tags.len() > TAGS {
        return Err(Refusal::InvalidData);
    }
    Ok(Roster {
        tags: wanted.tags.into_iter().map(favorite::check_tag).collect::<Result<_, _>>()?,
        names: named(wanted.names, NAMES)?,
        surnames: named(wanted.surnames, SURNAMES)?,
        email: bounded(wanted.email, EMAIL_BYTES)?,
        avatar: bounded(wanted.avatar, AVATAR_BYTES)?,
        ..Roster::default()
    })
}

/// The row with a change applied (C-5).
pub(crate) fn apply(row: &Roster, change: &Roster) -> Roster {
    let merged = |kept: &Option<Bytes>, given: &Option<Bytes>| match given {
        None => kept.clone(),
        Some(text) => Some(text.clone()).filter(|text| !text.is_empty()),
    };
    Roster {
        names: merged(&row.names, &change.names),
        surnames: merged(&row.surnames, &change.surnames),
        email: merged(&row.email, &change.email),
        avatar: merged(&row.avatar, &change.avatar),
        ..row.clone()
    }
}

fn is_renamed(before: &Roster, after: &Roster) -> bool {
    before.names != after.names || before.surnames != after.surnames
}

/// What friends are told of a change (PRESENCE-3, 4): of the names all three, since a later notice takes the place of this one.
fn face(
    cx: &Cx<'_>,
    own: &PhoneId,
    before: &Roster,
    after: &Roster,
    change: &Roster,
) -> Result<Option<Contact>, Failure> {
    let named = is_renamed(before, after);
    let pictured = before.avatar != after.avatar;
    if !named && !pictured {
        return Ok(None);
    }
    let mut face = Contact { phone_id: Some(own.to_bytes()), update: after.update, ..Contact::default() };
    if named {
        face.names = after.names.clone().or_else(|| change.names.clone());
        face.surnames = after.surnames.clone().or_else(|| change.surnames.clone());
        face.nick = rows::nick(cx.store, own.as_str().as_bytes())?;
    }
    if pictured {
        face.avatar = after.avatar.clone().or_else(|| change.avatar.clone());
    }
    Ok(Some(face))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static str) -> Option<Bytes> {
        Some(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn roster_6_absent_leaves_and_empty_clears() {
        let row = Roster { names: text("Anna"), surnames: text("Bell"), ..Roster::default() };
        let change = check(Roster { surnames: text(""), email: text("a@b"), ..Roster::default() }).unwrap();
        let after = apply(&row, &change);
        assert_eq!((after.names, after.surnames, after.email), (text("Anna"), None, text("a@b")));
    }

    #[test]
    fn roster_6_names_are_normal_and_bounded() {
        let change = check(Roster { names: text(" Zoe\u{308} "), ..Roster::default() }).unwrap();
        assert_eq!(change.names, text("Zo\u{eb}"));
        for bad in ["A", "abcdefghijklmnopqrstuvwxyzabcdefg"] {
            assert_eq!(check(Roster { names: text(bad), ..Roster::default() }), Err(Refusal::InvalidData));
        }
    }
}
