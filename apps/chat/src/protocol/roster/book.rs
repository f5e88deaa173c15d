//! The phone book of a roster: ROSTER-4, and what becomes of a number that registers (AUTH-4).

use std::collections::BTreeSet;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{Address, Phone, PhoneId};
use proto::records::{Contact, ContactStatus, Io, UserEntry};
use proto::{Outcome, Refusal, text};

use super::Halt;
use crate::effects::{self, Seen, contact_merge};
use crate::protocol::{contact, presence, search};
use crate::rows::{self, BOOK, Entry, RELATION, Relation, WANTED};
use crate::{Chat, Cx, Fx, Who};

/// Contacts of one ROSTER-4.
const ADD_MAX: usize = 500;
/// Names in a phone book, characters: shorter than people's own may be.
const BOOK_NAMES: std::ops::RangeInclusive<usize> = 1..=32;

/// One element of ROSTER-4, checked.
struct Wanted {
    address: Where,
    names: Option<Bytes>,
    surnames: Option<Bytes>,
}

/// Whom an element means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Where {
    /// A registered roster.
    Roster(PhoneId),
    /// A number that is not registered, or does not want to be found.
    Number(Phone),
}

impl Where {
    fn key(&self) -> Bytes {
        match self {
            Where::Roster(roster) => roster.to_bytes(),
            Where::Number(phone) => phone.to_bytes(),
        }
    }

    fn status(&self) -> ContactStatus {
        match self {
            Where::Roster(_) => ContactStatus::Internal,
            Where::Number(_) => ContactStatus::Nonexised,
        }
    }
}

/// ROSTER-4: numbers into the phone book. What is there already has its names updated; relations never change.
pub(super) fn add(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &PhoneId,
    list: Vec<UserEntry>,
) -> Result<(), Halt> {
    if list.is_empty() || list.len() > ADD_MAX {
        return Err(Refusal::InvalidData.into());
    }
    let wanted = list.into_iter().map(|entry| check(cx, own, entry)).collect::<Result<Vec<_>, Halt>>()?;
    let (known, new) = sort(cx, own, wanted)?;
    if !new.is_empty() && !contact::has_place(cx, fx, own, new.len())? {
        return Err(Refusal::Limit.into());
    }
    search::charge(chat, cx, fx, own, new.len() as u64)?;

    let answer = match new.is_empty() {
        true => Io::ok_src(
            Outcome::AlreadyPresent,
            known.iter().map(|(wanted, _)| wanted.address.key()).collect::<Vec<_>>(),
        ),
        false => Io::ok(Outcome::Added),
    };
    effects::answer(fx, who, vec![etf::encode(&answer)]);
    for (wanted, entry) in known {
        rename(cx, fx, own, &wanted, entry);
    }
    contact::booked(cx, fx, own, new.len() as i64)?;
    for wanted in new {
        let entry = Entry { names: wanted.names, surnames: wanted.surnames, created: cx.now.0, update: cx.now.0 };
        fx.put(WANTED, wanted_by(&wanted.address.key(), own), Bytes::new());
        keep(cx, fx, own, &wanted.address, entry, Seen::after(who))?;
    }
    Ok(())
}

/// Decodes one element: a Contact with a phone or phone_id, or a number alone.
fn check(cx: &Cx<'_>, own: &PhoneId, entry: UserEntry) -> Result<Wanted, Halt> {
    let contact = match entry {
        UserEntry::Contact(contact) => *contact,
        UserEntry::Id(number) => Contact { phone_id: Some(number.to_string().into()), ..Contact::default() },
    };
    let address = contact.phone_id.ok_or(Refusal::InvalidData)?;
    let address = Address::parse(&address).map_err(|_| Refusal::InvalidData)?;
    let name = |name: Option<Bytes>| match name.filter(|name| !name.is_empty()) {
        Some(name) => text::name(&name, BOOK_NAMES).map(Some).map_err(|_| Refusal::InvalidData),
        None => Ok(None),
    };
    let (names, surnames) = (name(contact.names)?, name(contact.surnames)?);
    Ok(Wanted { address: find(cx, own, address)?, names, surnames })
}

/// Where the address leads: one in full to that roster, a bare number to its default roster, if it is registered and lets itself be found.
fn find(cx: &Cx<'_>, own: &PhoneId, address: Address) -> Result<Where, Halt> {
    let (phone, asked) = match address {
        Address::Full(roster) => (roster.phone().clone(), Some(roster.roster())),
        Address::Phone(phone) => (phone, None),
        Address::Roster(_) => return Err(Refusal::InvalidData.into()),
    };
    let rosters = rows::roster_ids(cx.store, &phone)?;
    if let Some(roster) = asked.filter(|roster| rosters.contains(roster)) {
        return Ok(Where::Roster(phone.roster(roster)));
    }
    Ok(match rosters.first() {
        Some(roster) if phone == *own.phone() || presence::is_searchable(cx, &phone)? => {
            Where::Roster(phone.roster(*roster))
        }
        Some(_) | None => Where::Number(phone),
    })
}

type Known = Vec<(Wanted, Option<Entry>)>;

/// Those that are contacts already, with their entry in the phone book, and those that are not, each once. Oneself is no contact and
/// counts as present.
fn sort(cx: &Cx<'_>, own: &PhoneId, wanted: Vec<Wanted>) -> Result<(Known, Vec<Wanted>), Failure> {
    let (mut known, mut new, mut met) = (Vec::new(), Vec::new(), BTreeSet::new());
    for wanted in wanted {
        if !met.insert(wanted.address.clone()) {
            continue;
        }
        let key = rows::pair_key(own, &wanted.address.key());
        let entry: Option<Entry> = rows::read(cx.store, BOOK, &key)?;
        let relation: Option<Relation> = rows::read(cx.store, RELATION, &key)?;
        let is_self = matches!(&wanted.address, Where::Roster(roster) if roster.phone() == own.phone());
        match is_self || entry.is_some() || relation.is_some_and(|row| row.status.is_some()) {
            true => known.push((wanted, entry)),
            false => new.push(wanted),
        }
    }
    Ok((known, new))
}

/// New names for an entry of the phone book. A contact that is not in it has the names it gives itself.
fn rename(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, wanted: &Wanted, entry: Option<Entry>) {
    let Some(entry) = entry else { return };
    let renamed = Entry {
        names: wanted.names.clone().or_else(|| entry.names.clone()),
        surnames: wanted.surnames.clone().or_else(|| entry.surnames.clone()),
        ..entry.clone()
    };
    if renamed != entry {
        let row = Entry { update: cx.now.0, ..renamed };
        fx.put(BOOK, rows::pair_key(own, &wanted.address.key()), rows::encode(&row));
    }
}

/// Writes an entry and tells the own devices of the new contact.
fn keep(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, address: &Where, entry: Entry, seen: Seen) -> Result<(), Failure> {
    let key = address.key();
    fx.put(BOOK, rows::pair_key(own, &key), rows::encode(&entry));
    let contact = Contact {
        phone_id: Some(key),
        names: entry.names,
        surnames: entry.surnames,
        update: Some(entry.update),
        created: Some(entry.created),
        status: Some(address.status()),
        ..Contact::default()
    };
    tell(cx, fx, own, &contact, seen)
}

fn tell(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, contact: &Contact, seen: Seen) -> Result<(), Failure> {
    let merge = contact_merge(own, contact.phone_id.as_deref().unwrap_or_default());
    effects::notify(fx, cx, own.phone(), &effects::ses(cx, own)?, contact, merge, seen)
}

/// AUTH-4: a number of this phone book has registered. It becomes a contact by its address.
pub(crate) fn registered(
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &PhoneId,
    phone: &Phone,
    roster: &PhoneId,
) -> Result<(), Failure> {
    let number = rows::pair_key(own, phone.as_str().as_bytes());
    let Some(entry) = rows::read::<Entry>(cx.store, BOOK, &number)? else {
        return Ok(());
    };
    fx.delete(BOOK, number);
    let gone = Contact {
        phone_id: Some(phone.to_bytes()),
        update: Some(cx.now.0),
        status: Some(ContactStatus::Deleted),
        ..Contact::default()
    };
    tell(cx, fx, own, &gone, Seen::ByNobody)?;
    if cx.store.get(BOOK, &rows::pair_key(own, roster.as_str().as_bytes()))?.is_some() {
        contact::booked(cx, fx, own, -1)?;
    }
    keep(cx, fx, own, &Where::Roster(roster.clone()), Entry { update: cx.now.0, ..entry }, Seen::ByNobody)
}

/// PROFILE-11: the number under `seat` is an account's now, which has moved to it.
pub(crate) fn arrived(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, seat: &Phone, roster: &PhoneId) -> Result<(), Failure> {
    if cx.store.get(BOOK, &rows::pair_key(own, seat.as_str().as_bytes()))?.is_some() {
        fx.delete(WANTED, wanted_by(seat.as_str().as_bytes(), own));
        fx.put(WANTED, wanted_by(roster.as_str().as_bytes(), own), Bytes::new());
        registered(cx, fx, own, seat, roster)?;
    }
    Ok(())
}

/// PROFILE-11: an account has left its number. Where that alone is in the phone book, it is nobody's now.
pub(crate) fn renumber(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, account: &Phone, seat: &Phone) -> Result<(), Failure> {
    let (bare, key) = (account.as_str().as_bytes(), rows::pair_key(own, account.as_str().as_bytes()));
    let Some(entry) = cx.store.get(BOOK, &key)? else { return Ok(()) };
    fx.delete(BOOK, key);
    if !has_others(cx, own, bare)? {
        fx.delete(WANTED, wanted_by(bare, own));
    }
    let left = rows::pair_key(own, seat.as_str().as_bytes());
    if cx.store.get(BOOK, &left)?.is_some() {
        contact::booked(cx, fx, own, -1)?;
    }
    fx.put(BOOK, left, entry);
    fx.put(WANTED, wanted_by(seat.as_str().as_bytes(), own), Bytes::new());
    Ok(())
}

/// ROSTER-8, PROFILE-8: a roster of this phone book is no more. What is left is its number, or the roster that stands for that now.
pub(super) fn lose(
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &PhoneId,
    lost: &PhoneId,
    instead: Option<&PhoneId>,
) -> Result<(), Failure> {
    let key = rows::pair_key(own, &lost.to_bytes());
    let Some(entry) = rows::read::<Entry>(cx.store, BOOK, &key)? else {
        return Ok(());
    };
    fx.delete(BOOK, key);
    let gone = Contact {
        phone_id: Some(lost.to_bytes()),
        update: Some(cx.now.0),
        status: Some(ContactStatus::Deleted),
        ..Contact::default()
    };
    tell(cx, fx, own, &gone, Seen::ByNobody)?;
    let left = match instead {
        Some(roster) => Where::Roster(roster.clone()),
        None => Where::Number(lost.phone().clone()),
    };
    let known = rows::pair_key(own, &left.key());
    let relation: Option<Relation> = rows::read(cx.store, RELATION, &known)?;
    match relation.is_some_and(|row| row.status.is_some()) || cx.store.get(BOOK, &known)?.is_some() {
        true => contact::booked(cx, fx, own, -1),
        false => keep(cx, fx, own, &left, Entry { update: cx.now.0, ..entry }, Seen::ByNobody),
    }
}

/// The row by which the account behind an address finds who has it in the phone book.
pub(super) fn wanted_by(address: &[u8], holder: &PhoneId) -> Bytes {
    rows::path(&[number(address), holder.as_str().as_bytes()])
}

/// Whether the phone book has other addresses of the same account.
pub(super) fn has_others(cx: &Cx<'_>, own: &PhoneId, address: &[u8]) -> Result<bool, Failure> {
    let number = number(address);
    let whole = [number, b"_"].concat();
    let rosters = cx.store.scan(BOOK, &kvs::Span::prefix(rows::pair_key(own, &whole)).limit(2))?;
    let is_other = |key: &[u8]| !key.ends_with(&[b"/", address].concat());
    Ok(rosters.iter().any(|(key, _)| is_other(key))
        || number != address && cx.store.get(BOOK, &rows::pair_key(own, number))?.is_some())
}

/// The account key of an address.
fn number(address: &[u8]) -> &[u8] {
    address.rsplitn(2, |byte| *byte == b'_').last().unwrap_or_default()
}
