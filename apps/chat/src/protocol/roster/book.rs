//! The phone book of a roster: ROSTER-4, and what becomes of a number that registers (AUTH-4).

use std::collections::BTreeSet;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{Address, Phone, PhoneId};
use proto::records::{Contact, ContactStatus, Io, UserEntry};
use proto::{Outcome, Refusal, text};

use super::{Halt, gone, leave};
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
    let places =
        new.iter().filter(|new| new.bare.is_none()).count() + known.iter().filter(|one| one.is_asked()).count();
    if places > 0 && !contact::has_place(cx, fx, own, places)? {
        return Err(Refusal::Limit.into());
    }
    search::charge(chat, cx, fx, own, new.len() as u64)?;

    let answer = match new.is_empty() {
        true => Io::ok_src(
            Outcome::AlreadyPresent,
            known.iter().map(|known| known.wanted.address.key()).collect::<Vec<_>>(),
        ),
        false => Io::ok(Outcome::Added),
    };
    effects::answer(fx, who, vec![etf::encode(&answer)]);
    gone::forget(cx, fx, own)?;
    let mut more = 0;
    for known in known {
        more += rename(cx, fx, own, known, Seen::after(who))?;
    }
    for New { wanted, bare } in new {
        more += 1 - i64::from(bare.is_some());
        let before = take_over(cx, fx, own, &wanted.address, bare, Seen::after(who))?;
        let entry = Entry { update: cx.now.0, ..named(&wanted, before) };
        fx.put(WANTED, wanted_by(&wanted.address.key(), own), Bytes::new());
        keep(cx, fx, own, &wanted.address, entry, wanted.address.status(), Seen::after(who))?;
    }
    Ok(contact::booked(cx, fx, own, more)?)
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

/// Where the address leads: one in full to that roster, a bare number to its default roster, if it is registered and lets itself be found,
/// or is a contact.
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
    if phone == *own.phone() || presence::is_searchable(cx, &phone)? {
        return Ok(rosters.first().map_or(Where::Number(phone.clone()), |first| Where::Roster(phone.roster(*first))));
    }
    // Who is a contact has been found before.
    for roster in rosters.into_iter().map(|roster| phone.roster(roster)) {
        if leave::is_contact(cx, own, roster.as_str().as_bytes())? {
            return Ok(Where::Roster(roster));
        }
    }
    Ok(Where::Number(phone))
}

/// One who is a contact already.
struct Known {
    wanted: Wanted,
    entry: Option<Entry>,
    /// What the phone book has of its number alone.
    bare: Option<Entry>,
    /// What it is to the roster; of oneself the phone book has nothing.
    relation: Option<ContactStatus>,
    is_self: bool,
}

impl Known {
    /// Whether it comes into the phone book by this.
    fn is_entered(&self) -> bool {
        let is_named = self.wanted.names.is_some() || self.wanted.surnames.is_some();
        self.entry.is_none() && !self.is_self && (is_named || self.bare.is_some())
    }

    /// The same of one that takes a place in it: whose request has not been answered is no contact yet.
    fn is_asked(&self) -> bool {
        self.is_entered() && self.bare.is_none() && self.relation == Some(ContactStatus::Authorization)
    }
}

/// One who is none.
struct New {
    wanted: Wanted,
    /// As of [`Known`].
    bare: Option<Entry>,
}

/// Those that are contacts already, with their entry in the phone book, and those that are not, each once. Oneself is no contact and
/// counts as present.
fn sort(cx: &Cx<'_>, own: &PhoneId, wanted: Vec<Wanted>) -> Result<(Vec<Known>, Vec<New>), Failure> {
    let (mut known, mut new, mut met) = (Vec::new(), Vec::new(), BTreeSet::new());
    for wanted in wanted {
        if !met.insert(wanted.address.clone()) {
            continue;
        }
        let entry = entry(cx, own, &wanted.address.key())?;
        let (relation, bare, is_self) = match &wanted.address {
            Where::Roster(roster) => {
                (presence::relation(cx, own, roster)?, entry_of_number(cx, own, roster)?, roster.phone() == own.phone())
            }
            Where::Number(_) => (None, None, false),
        };
        match is_self || entry.is_some() || relation.is_some() {
            true => known.push(Known { wanted, entry, bare, relation, is_self }),
            false => new.push(New { wanted, bare }),
        }
    }
    Ok((known, new))
}

fn entry(cx: &Cx<'_>, own: &PhoneId, address: &[u8]) -> Result<Option<Entry>, Failure> {
    rows::read(cx.store, BOOK, &rows::pair_key(own, address))
}

/// A number that did not want to be found when it was entered stands there bare.
fn entry_of_number(cx: &Cx<'_>, own: &PhoneId, roster: &PhoneId) -> Result<Option<Entry>, Failure> {
    entry(cx, own, roster.phone().as_str().as_bytes())
}

/// The names that are given, and of an entry what is not.
fn named(wanted: &Wanted, entry: Entry) -> Entry {
    Entry { names: wanted.names.clone().or(entry.names), surnames: wanted.surnames.clone().or(entry.surnames), ..entry }
}

/// What stood under the number alone stands under the roster's address from now on; what that entry says, or that there is none.
fn take_over(
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &PhoneId,
    address: &Where,
    bare: Option<Entry>,
    seen: Seen,
) -> Result<Entry, Failure> {
    match (address, bare) {
        (Where::Roster(roster), Some(bare)) => {
            part(cx, fx, own, roster.phone().to_bytes(), seen)?;
            Ok(bare)
        }
        (Where::Roster(_) | Where::Number(_), _) => Ok(Entry { created: cx.now.0, ..Entry::default() }),
    }
}

/// New names for a contact, who is in the phone book from now on. By how much that has grown.
fn rename(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, known: Known, seen: Seen) -> Result<i64, Failure> {
    let (is_entered, had_bare) = (known.is_entered(), known.bare.is_some());
    let Known { wanted, entry, bare, relation, .. } = known;
    let taken = take_over(cx, fx, own, &wanted.address, bare, seen)?;
    let renamed = match &entry {
        Some(entry) => named(&wanted, entry.clone()),
        None => named(&wanted, taken),
    };
    if is_entered || entry.is_some_and(|entry| entry != renamed) {
        fx.put(WANTED, wanted_by(&wanted.address.key(), own), Bytes::new());
        let status = relation.unwrap_or(wanted.address.status());
        keep(cx, fx, own, &wanted.address, Entry { update: cx.now.0, ..renamed }, status, seen)?;
    }
    Ok(i64::from(is_entered) - i64::from(had_bare))
}

/// Writes an entry and tells the own devices what the contact is now.
fn keep(
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &PhoneId,
    address: &Where,
    entry: Entry,
    status: ContactStatus,
    seen: Seen,
) -> Result<(), Failure> {
    let key = address.key();
    fx.put(BOOK, rows::pair_key(own, &key), rows::encode(&entry));
    let (names, surnames) = match address {
        Where::Roster(roster) => contact::called_by(cx, roster, &entry)?,
        Where::Number(_) => (entry.names, entry.surnames),
    };
    let contact = Contact {
        phone_id: Some(key),
        names,
        surnames,
        update: Some(entry.update),
        created: Some(entry.created),
        status: Some(status),
        ..Contact::default()
    };
    tell(cx, fx, own, &contact, seen)
}

/// Erases an entry and tells the own devices.
fn part(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, address: Bytes, seen: Seen) -> Result<(), Failure> {
    gone::erase(cx, fx, own, &address);
    tell(cx, fx, own, &contact::gone_since(address, cx.now.0), seen)
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
    part(cx, fx, own, phone.to_bytes(), Seen::ByNobody)?;
    if cx.store.get(BOOK, &rows::pair_key(own, roster.as_str().as_bytes()))?.is_some() {
        contact::booked(cx, fx, own, -1)?;
    }
    let entry = Entry { update: cx.now.0, ..entry };
    keep(cx, fx, own, &Where::Roster(roster.clone()), entry, ContactStatus::Internal, Seen::ByNobody)
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
    part(cx, fx, own, lost.to_bytes(), Seen::ByNobody)?;
    let left = match instead {
        Some(roster) => Where::Roster(roster.clone()),
        None => Where::Number(lost.phone().clone()),
    };
    let known = rows::pair_key(own, &left.key());
    let relation: Option<Relation> = rows::read(cx.store, RELATION, &known)?;
    match relation.is_some_and(|row| row.status.is_some()) || cx.store.get(BOOK, &known)?.is_some() {
        true => {
            if !has_others(cx, own, &lost.to_bytes())? {
                fx.delete(WANTED, wanted_by(&lost.to_bytes(), own));
            }
            contact::booked(cx, fx, own, -1)
        }
        false => keep(cx, fx, own, &left, Entry { update: cx.now.0, ..entry }, left.status(), Seen::ByNobody),
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
