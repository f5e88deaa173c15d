//! What a directory may say of accounts and rooms, and to whom: views of the store, for whoever serves one.
//!
//! A person is an account by its default roster. Whoever may find it (SEARCHABLE, bans) is shown what a search would show him
//! (SEARCH-1); a room that is PUBLIC is shown as to outsiders (ROOM-13), with its members to those who are in it.

use std::sync::Arc;

use bytes::Bytes;
use kvs::{Batch, Span, Store, View};
use n2o::Failure;
use proto::ids::{DevKey, FeedId, Nick, Phone, PhoneId, RoomId};
use proto::records::{ContactStatus, Member, Profile, RoomType, Roster};

use crate::beside::Shown;
use crate::door::Certificate;
use crate::protocol::auth::{self, DEVICES_MAX, is_device};
use crate::protocol::presence::{self, Audience};
use crate::protocol::{profile, roster};
use crate::rows::{
    self, DEVICE, Device, EMAIL, IN_ROOM, KEYS, Keys, MEMBER, Membership, NICK, PROFILE, PUBLISHER, RELATION, ROOM,
    ROSTER, Relation, RoomRow,
};
use crate::{Account, names};

/// Members of a room that are shown.
const MEMBERS_MAX: usize = 1000;

/// For whom it is.
#[derive(Debug, Clone, Copy)]
pub enum Asker<'a> {
    /// Whoever comes.
    Anybody,
    /// An account.
    Account(&'a Account),
    /// Who runs the server.
    Operator,
}

/// An account, as the asker sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    pub account: Phone,
    /// By which the world calls it (PROFILE-11).
    pub number: Phone,
    pub names: Option<Bytes>,
    pub surnames: Option<Bytes>,
    pub nick: Option<Bytes>,
    /// Its verified addresses: its own to see, and the operator's.
    pub emails: Vec<Bytes>,
    /// Of its devices, DER (SEC-9).
    pub certificates: Vec<Bytes>,
    /// Milliseconds.
    pub created: u64,
    pub updated: u64,
}

/// A room, as the asker sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Gathering {
    pub room: RoomId,
    pub name: Bytes,
    pub description: Option<Bytes>,
    /// Numbers of its members, the owner first; none to outsiders.
    pub members: Vec<Phone>,
    /// Milliseconds.
    pub created: u64,
    pub updated: u64,
}

/// Whether somebody can be called so (ROSTER-6); nothing is the same as before.
pub fn may_be_called(names: Option<&Bytes>, surnames: Option<&Bytes>) -> bool {
    roster::check(Roster { names: names.cloned(), surnames: surnames.cloned(), ..Roster::default() }).is_ok()
}

/// Some of many, and the key beyond which the next ones are.
#[derive(Debug, Clone, PartialEq)]
pub struct Part<T> {
    pub list: Vec<T>,
    pub next: Option<Bytes>,
    pub looked: usize,
}

/// An account for which somebody asks, if there is one.
pub fn account(store: &dyn View, phone: &Phone) -> Result<Option<Account>, Failure> {
    let rosters = rows::roster_ids(store, phone)?;
    Ok((!rosters.is_empty()).then(|| Account { phone: phone.clone(), rosters, devices: Vec::new() }))
}

/// The account that a number is of, whether there is one or not.
pub fn holder(store: &dyn View, number: &Phone) -> Result<Option<Phone>, Failure> {
    names::holder(store, number)
}

/// By which number the world knows an account.
pub fn number(store: &dyn View, account: &Phone) -> Result<Phone, Failure> {
    names::number(store, account)
}

/// Whether somebody has proved that the account is his: one that was made for him has no device until then.
pub fn has_devices(store: &dyn View, account: &Phone) -> Result<bool, Failure> {
    let prefix = rows::path(&[account.as_str().as_bytes(), b""]);
    Ok(!store.scan(DEVICE, &Span::prefix(prefix).limit(1))?.is_empty())
}

/// Whether a device of the account has this certificate (DER) as its present one.
pub fn has_certificate(store: &dyn View, account: &Phone, certificate: &Bytes) -> Result<bool, Failure> {
    let prefix = rows::path(&[account.as_str().as_bytes(), b""]);
    for (_, row) in store.scan(DEVICE, &Span::prefix(prefix).limit(DEVICES_MAX))? {
        if rows::decode::<Device>(&row)?.certificate.as_ref() == Some(certificate) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Which device of an account has this token (ID-7).
pub fn bearer(store: &dyn View, now: u64, account: &Phone, token: &Bytes) -> Result<Option<DevKey>, Failure> {
    auth::bearer(store, now, account, token)
}

/// When the token of a device was made: while it is that one, who has shown it still is the device.
pub fn token_made(store: &dyn View, account: &Phone, device: &DevKey) -> Result<Option<u64>, Failure> {
    let row: Option<Device> = rows::read(store, DEVICE, &rows::device_key(account, device))?;
    Ok(row.map(|row| row.token_made))
}

/// Whether a certificate opens a device of the account now (ID-9, ID-10).
pub fn opens(
    store: &dyn View,
    now: u64,
    account: &Phone,
    device: &DevKey,
    shown: &Arc<Certificate>,
) -> Result<bool, Failure> {
    is_device(store, now, account, device, &Shown::Certificate(shown.clone()))
}

/// One account.
pub fn person(store: &dyn View, asker: Asker<'_>, phone: &Phone) -> Result<Option<Person>, Failure> {
    let profile: Option<Profile> = rows::read(store, PROFILE, phone.as_str().as_bytes())?;
    let Some(profile) = profile else { return Ok(None) };
    shown(store, asker, phone, &profile)
}

/// Who has a nick, if it is of a default roster: others are other faces, which this does not show.
pub fn by_nick(store: &dyn View, asker: Asker<'_>, text: &[u8]) -> Result<Option<Person>, Failure> {
    let Ok(nick) = Nick::parse(text) else { return Ok(None) };
    let Some(roster) = store.get(NICK, nick.folded().as_bytes())? else { return Ok(None) };
    let Ok(roster) = PhoneId::parse(&roster) else { return Ok(None) };
    let found = person(store, asker, roster.phone())?;
    let own = |person: &Person| person.nick.as_deref().and_then(|own| Nick::parse(own).ok());
    Ok(found.filter(|person| own(person).is_some_and(|own| own.folded() == nick.folded())))
}

/// Who has a verified address (SEARCH-8).
pub fn by_email(store: &dyn View, asker: Asker<'_>, address: &[u8]) -> Result<Option<Person>, Failure> {
    let holder = store.get(EMAIL, address)?.and_then(|holder| Phone::parse(&holder).ok());
    holder.map_or(Ok(None), |phone| person(store, asker, &phone))
}

/// Accounts in the order of their keys, beyond one; at most `count` are looked at.
pub fn people(store: &dyn View, asker: Asker<'_>, beyond: &[u8], count: usize) -> Result<Part<Person>, Failure> {
    let found = store.scan(PROFILE, &rows::beyond(b"", beyond).limit(count))?;
    let next = found.last().filter(|_| found.len() == count).map(|(key, _)| Bytes::copy_from_slice(key));
    let mut list = Vec::new();
    for (key, row) in &found {
        if let Ok(phone) = Phone::parse(key) {
            list.extend(shown(store, asker, &phone, &rows::decode(row)?)?);
        }
    }
    Ok(Part { list, next, looked: found.len() })
}

fn shown(store: &dyn View, asker: Asker<'_>, phone: &Phone, row: &Profile) -> Result<Option<Person>, Failure> {
    let Some(roster) = rows::roster_ids_of(row).next().map(|roster| phone.roster(roster)) else {
        return Ok(None);
    };
    let is_own = matches!(asker, Asker::Account(own) if own.phone == *phone);
    let sees_all = is_own || matches!(asker, Asker::Operator);
    if !sees_all && !may_find(store, asker, &roster, row)? {
        return Ok(None);
    }
    let face: Roster = rows::read(store, ROSTER, roster.as_str().as_bytes())?.unwrap_or_default();
    let keys: Keys = rows::read(store, KEYS, phone.as_str().as_bytes())?.unwrap_or_default();
    Ok(Some(Person {
        account: phone.clone(),
        number: names::number(store, phone)?,
        names: face.names,
        surnames: face.surnames,
        nick: rows::nick(store, roster.as_str().as_bytes())?,
        emails: if sees_all { profile::verified(row) } else { Vec::new() },
        certificates: keys.services.iter().filter_map(|service| service.data.as_binary().cloned()).collect(),
        created: row.date.unwrap_or_default(),
        updated: row.update.unwrap_or_default().max(face.update.unwrap_or_default()),
    }))
}

/// What the world may have of an account that allows it (PRIVACY, CERTIFICATES).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Published {
    /// Its number, and its nick if it has one that is not what another account is called.
    pub names: Vec<Bytes>,
    /// Of its devices, DER (SEC-9).
    pub certificates: Vec<Bytes>,
}

/// [`PUBLISHER`] has all that publish.
const ALL: &[u8] = b"*";
/// Accounts noted in one batch.
const NOTED: usize = 1000;

/// Notes who publishes in a store that is not known to have that of all accounts: to be called before anything else runs.
pub fn note_publishers(store: &dyn Store) -> Result<(), Failure> {
    if store.get(PUBLISHER, ALL)?.is_some() {
        return Ok(());
    }
    let mut batch = Batch::default();
    rows::each(&*store.snapshot(), PROFILE, b"", |key, row| {
        let profile: Profile = rows::decode(row)?;
        if presence::publishes_certificates(&profile.settings) {
            batch.put(PUBLISHER, key.clone(), Bytes::new());
        }
        if batch.len() >= NOTED {
            store.apply(&std::mem::take(&mut batch))?;
        }
        Ok(())
    })?;
    batch.put(PUBLISHER, ALL, Bytes::new());
    store.apply(&batch)?;
    Ok(())
}

/// All that allow it, one by one in the order of their keys; the first so many.
pub fn published(store: &dyn View, most: usize, mut act: impl FnMut(Published)) -> Result<(), Failure> {
    let mut found = 0;
    rows::each(store, PUBLISHER, b"", |key, _| {
        if found < most
            && let Ok(phone) = Phone::parse(key)
            && let Some(profile) = rows::read::<Profile>(store, PROFILE, key)?
            // The index says where to look; what the account allows its profile says.
            && presence::publishes_certificates(&profile.settings)
            && let Some(person) = shown(store, Asker::Operator, &phone, &profile)?
            && !person.certificates.is_empty()
        {
            let number = Bytes::copy_from_slice(person.number.as_str().as_bytes());
            let nick = match person.nick {
                Some(nick) if !calls_another(store, &nick, &phone)? => Some(nick),
                Some(_) | None => None,
            };
            found += 1;
            act(Published { names: [number].into_iter().chain(nick).collect(), certificates: person.certificates });
        }
        Ok(())
    })
}

/// Whether a nick is the handle of another account (ID-1): nicks and handles are unique, but each only among its like.
fn calls_another(store: &dyn View, nick: &[u8], account: &Phone) -> Result<bool, Failure> {
    let Ok(handle) = Phone::parse(nick) else { return Ok(false) };
    match names::holder(store, &handle)? {
        Some(holder) if holder != *account => Ok(store.get(PROFILE, holder.as_str().as_bytes())?.is_some()),
        Some(_) | None => Ok(false),
    }
}

/// SEARCHABLE (FEATURE-2), and who has banned whom.
fn may_find(store: &dyn View, asker: Asker<'_>, roster: &PhoneId, profile: &Profile) -> Result<bool, Failure> {
    let audience = presence::searchable(&profile.settings);
    let Asker::Account(asking) = asker else { return Ok(audience == Audience::Everyone) };
    if audience == Audience::Nobody {
        return Ok(false);
    }
    let mut are_friends = false;
    for theirs in rows::roster_ids(store, roster.phone())?.into_iter().map(|id| roster.phone().roster(id)) {
        for own in asking.rosters.iter().map(|id| asking.phone.roster(*id)) {
            let key = rows::pair_key(&theirs, own.as_str().as_bytes());
            match rows::read::<Relation>(store, RELATION, &key)?.and_then(|relation| relation.status) {
                Some(ContactStatus::Ban) => return Ok(false),
                Some(ContactStatus::Friend) if theirs == *roster => are_friends = true,
                Some(_) | None => {}
            }
        }
    }
    Ok(audience == Audience::Everyone || are_friends)
}

/// One room.
pub fn room(store: &dyn View, asker: Asker<'_>, id: &RoomId) -> Result<Option<Gathering>, Failure> {
    let row: Option<RoomRow> = rows::read(store, ROOM, id.as_str().as_bytes())?;
    row.map_or(Ok(None), |row| gathering(store, asker, id, row))
}

/// Rooms in the order of their ids, beyond one; at most `count` are looked at.
pub fn rooms(store: &dyn View, asker: Asker<'_>, beyond: &[u8], count: usize) -> Result<Part<Gathering>, Failure> {
    let found = store.scan(ROOM, &rows::beyond(b"", beyond).limit(count))?;
    let next = found.last().filter(|_| found.len() == count).map(|(key, _)| Bytes::copy_from_slice(key));
    let mut list = Vec::new();
    for (key, row) in &found {
        if let Ok(id) = RoomId::parse(key) {
            list.extend(gathering(store, asker, &id, rows::decode(row)?)?);
        }
    }
    Ok(Part { list, next, looked: found.len() })
}

fn gathering(store: &dyn View, asker: Asker<'_>, id: &RoomId, row: RoomRow) -> Result<Option<Gathering>, Failure> {
    let is_inside = match asker {
        Asker::Anybody => false,
        Asker::Operator => true,
        Asker::Account(asking) => is_in(store, asking, id)?,
    };
    // A PUBLIC room is one that the index of names has.
    if row.ended > 0 || !is_inside && row.listed.is_none() {
        return Ok(None);
    }
    let members = if is_inside { members(store, asker, id, &row)? } else { Vec::new() };
    Ok(Some(Gathering {
        room: id.clone(),
        name: row.room.name.unwrap_or_default(),
        description: row.room.description,
        members,
        created: row.room.created.unwrap_or_default(),
        updated: row.room.update.unwrap_or_default(),
    }))
}

fn is_in(store: &dyn View, asking: &Account, id: &RoomId) -> Result<bool, Failure> {
    for own in asking.rosters.iter().map(|roster| asking.phone.roster(*roster)) {
        let membership: Option<Membership> = rows::read(store, IN_ROOM, &rows::in_room_key(&own, id))?;
        if membership.is_some_and(|membership| membership.is_present()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The owner first. Subscribers of a channel do not see each other (SEARCH-7).
fn members(store: &dyn View, asker: Asker<'_>, id: &RoomId, row: &RoomRow) -> Result<Vec<Phone>, Failure> {
    let feed = FeedId::Room(id.clone()).key();
    let mut found = Vec::new();
    for staff in &row.staff {
        found.extend(store.get(MEMBER, &rows::numbered(&feed, *staff))?);
    }
    if row.room.r#type != Some(RoomType::Channel) || matches!(asker, Asker::Operator) {
        let all = store.scan(MEMBER, &rows::numbers(&feed, 0, u64::MAX).limit(MEMBERS_MAX))?;
        found.extend(all.into_iter().map(|(_, row)| row));
    }
    let mut numbers = Vec::new();
    for row in found {
        let member: Member = rows::decode(&row)?;
        if let Some(roster) = member.phone_id.and_then(|own| PhoneId::parse(&own).ok()) {
            let number = names::number(store, roster.phone())?;
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use kvs::Memory;
    use proto::records::{Feature, RosterEntry, Service};

    use super::*;
    use crate::rows::{NICK_OF, Nicked};

    fn account(batch: &mut Batch, phone: &str, nick: Option<&str>) {
        let settings = vec![Feature::new("PRIVACY", "CERTIFICATES", "everyone")];
        let rosters = vec![RosterEntry::Id(1)];
        let profile = Profile { phone: Some(phone.to_owned().into()), rosters, settings, ..Profile::default() };
        batch.put(PROFILE, phone.to_owned(), rows::encode(&profile));
        let services = vec![Service { data: etf::Term::binary(b"der"), ..Service::default() }];
        batch.put(KEYS, phone.to_owned(), rows::encode(&Keys { update: 1, services }));
        if let Some(nick) = nick {
            let row = Nicked { nick: Some(nick.to_owned().into()), update: 1 };
            batch.put(NICK_OF, format!("{phone}_1"), rows::encode(&row));
        }
    }

    fn all(store: &Memory) -> Vec<Published> {
        let mut all = Vec::new();
        published(&*store.snapshot(), 9, |one| all.push(one)).unwrap();
        all
    }

    #[test]
    fn sec_9_who_has_published_before_there_was_an_index_is_found_after_it_was_made_once() {
        let store = Memory::new(rows::TABLES);
        let mut batch = Batch::default();
        account(&mut batch, "38001", None);
        store.apply(&batch).unwrap();
        assert_eq!(all(&store), []);
        note_publishers(&store).unwrap();
        assert_eq!(all(&store).len(), 1);
        // From now on profiles keep it.
        let mut batch = Batch::default();
        account(&mut batch, "38002", None);
        store.apply(&batch).unwrap();
        note_publishers(&store).unwrap();
        assert_eq!(all(&store).len(), 1);
        // Who allows it no more is not published, whatever the index says.
        let mut batch = Batch::default();
        let profile: Profile = rows::read(&*store.snapshot(), PROFILE, b"38001").unwrap().unwrap();
        batch.put(PROFILE, "38001", rows::encode(&Profile { settings: Vec::new(), ..profile }));
        store.apply(&batch).unwrap();
        assert_eq!(all(&store), []);
    }

    #[test]
    fn id_7_sec_9_each_of_the_devices_that_an_account_may_have_is_found() {
        let store = Memory::new(rows::TABLES);
        let mut batch = Batch::default();
        let account: Phone = "38001".parse().unwrap();
        for number in 0..DEVICES_MAX {
            let device: DevKey = format!("d{number:04}").parse().unwrap();
            let certificate = Some(Bytes::from(format!("der {number}")));
            batch.put(
                DEVICE,
                rows::device_key(&account, &device),
                rows::encode(&Device { certificate, ..Device::default() }),
            );
        }
        store.apply(&batch).unwrap();
        let has =
            |number: usize| has_certificate(&*store.snapshot(), &account, &format!("der {number}").into()).unwrap();
        assert_eq!([0, DEVICES_MAX - 1, DEVICES_MAX].map(has), [true, true, false]);
    }

    #[test]
    fn sec_9_nobody_is_published_under_what_another_account_is_called() {
        let store = Memory::new(rows::TABLES);
        let mut batch = Batch::default();
        account(&mut batch, "anna.k", Some("anna.k"));
        account(&mut batch, "38001", Some("Anna.K"));
        account(&mut batch, "38002", Some("ben"));
        store.apply(&batch).unwrap();
        note_publishers(&store).unwrap();
        let all = all(&store);
        let names: Vec<Vec<&str>> =
            all.iter().map(|one| one.names.iter().map(|name| std::str::from_utf8(name).unwrap()).collect()).collect();
        assert_eq!(names, [vec!["38001"], vec!["38002", "ben"], vec!["anna.k", "anna.k"]]);
    }
}
