//! `Contact`: a roster as another sees it. Nothing of it is kept as such; it is put together from what its owners keep.

mod count;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{FeedId, Phone, PhoneId};
use proto::limits::LAST_MSG_BYTES;
use proto::records::{
    Contact, ContactReader, ContactStatus, Message, Online, Profile, Roster, Service, ServiceStatus, ServiceType,
};

pub(crate) use count::{add_up, booked, has_place, related, unanswered};

use super::history::Reach;
use super::{presence, service};
use crate::Cx;
use crate::rows::{self, BOOK, Device, Entry, KEYS, Keys, NICK_OF, Nicked, READER, RELATION, ROSTER, Reader, Relation};

/// What the rows of a roster say of one address.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) address: Bytes,
    relation: Option<Relation>,
    entry: Option<Entry>,
}

/// Some of a roster's contacts, in the order of their addresses.
pub(crate) struct Page {
    pub(crate) known: Vec<Known>,
    /// Where to go on, unless these were the last.
    pub(crate) upto: Option<Bytes>,
}

/// The contacts of a roster beyond an address, about `most` of them; those removed are among them, for PROFILE-1's delta.
pub(crate) fn page(cx: &Cx<'_>, own: &PhoneId, after: &[u8], most: usize) -> Result<Page, Failure> {
    let (prefix, most) = (rows::pair_key(own, b""), most.max(1));
    let span = rows::beyond(&prefix, after).limit(most);
    let mut relations = cx.store.scan(RELATION, &span)?;
    // Beyond the last row of a full table's part, the other's may be missing their counterparts: what lies there is not read.
    let last = |rows: &[kvs::Entry]| rows.last().filter(|_| rows.len() >= most).map(|(key, _)| key.clone());
    let mut end = last(&relations);
    let span = end.iter().fold(span, |span, end| span.upto(end));
    let entries = cx.store.scan(BOOK, &span)?;
    if let Some(earlier) = last(&entries) {
        relations.truncate(relations.partition_point(|(key, _)| *key <= earlier));
        end = Some(earlier);
    }

    let address = |key: &Bytes| key.slice(prefix.len()..);
    let entered = |(key, row): (Bytes, Bytes)| {
        Ok(Known { address: address(&key), relation: None, entry: Some(rows::decode(&row)?) })
    };
    let (mut known, mut entries) = (Vec::new(), entries.into_iter().peekable());
    for (key, row) in relations {
        while let Some(entry) = entries.next_if(|(entry, _)| *entry < key) {
            known.push(entered(entry)?);
        }
        let entry = entries.next_if(|(entry, _)| *entry == key);
        let entry = entry.map(|(_, row)| rows::decode(&row)).transpose()?;
        known.push(Known { address: address(&key), relation: Some(rows::decode(&row)?), entry });
    }
    known.extend(entries.map(entered).collect::<Result<Vec<_>, Failure>>()?);
    let upto = end.map(|end| address(&end));
    Ok(Page { known, upto })
}

/// What the rows of a roster say of an address now; none when nothing is or ever was there.
pub(crate) fn known(cx: &Cx<'_>, own: &PhoneId, address: &Bytes) -> Result<Option<Known>, Failure> {
    let key = rows::pair_key(own, address);
    let (relation, entry) = (rows::read(cx.store, RELATION, &key)?, rows::read(cx.store, BOOK, &key)?);
    let is_known = relation.is_some() || entry.is_some();
    Ok(is_known.then(|| Known { address: address.clone(), relation, entry }))
}

impl Known {
    /// Whether it is part of an answer: a contact, or, where changes since a time are asked for, one that changed later.
    pub(crate) fn is_told(&self, since: Option<u64>) -> bool {
        match since.filter(|since| *since > 0) {
            Some(since) => updated(self.relation.as_ref(), self.entry.as_ref()) > since,
            None => status(&self.address, self.relation.as_ref(), self.entry.as_ref()) != ContactStatus::Deleted,
        }
    }

    /// That it is no contact any more under this name.
    pub(crate) fn gone(&self, name: Bytes) -> Contact {
        gone_since(name, updated(self.relation.as_ref(), self.entry.as_ref()))
    }

    /// PROFILE-1: the same, and of a contact that shows itself otherwise since (ROSTER-6).
    pub(crate) fn is_news(&self, cx: &Cx<'_>, since: Option<u64>) -> Result<bool, Failure> {
        let Some(since) = since.filter(|since| *since > 0) else { return Ok(self.is_told(None)) };
        if self.is_told(Some(since)) || !self.is_told(None) {
            return Ok(self.is_told(Some(since)));
        }
        let Some(peer) = self.peer() else { return Ok(false) };
        // Neither nick nor keys are the roster's own.
        let roster: Option<Roster> = rows::read(cx.store, ROSTER, &self.address)?;
        Ok(roster.is_some_and(|row| row.update > Some(since))
            || nicked(cx, &peer)?.update > since
            || keys(cx, peer.phone())?.update > since)
    }

    pub(crate) fn peer(&self) -> Option<PhoneId> {
        PhoneId::parse(&self.address).ok()
    }
}

/// The contact in full, personal to `own`.
pub(crate) fn full(cx: &Cx<'_>, own: &PhoneId, known: &Known) -> Result<Contact, Failure> {
    match known.peer() {
        Some(peer) => seen(cx, own, &peer, known.relation.as_ref(), known.entry.as_ref()),
        None => Ok(stranger(known.address.clone(), known.entry.as_ref())),
    }
}

/// The contact without what belongs to the feed of the two.
pub(crate) fn listed(cx: &Cx<'_>, known: &Known) -> Result<Contact, Failure> {
    match known.peer() {
        Some(peer) => outline(cx, &peer, known.relation.as_ref(), known.entry.as_ref()),
        None => Ok(stranger(known.address.clone(), known.entry.as_ref())),
    }
}

/// Names and surnames as the owner of the contact sees them, a blank between (SEARCH-5).
pub(crate) fn full_name(cx: &Cx<'_>, known: &Known) -> Result<String, Failure> {
    // A bare number is no roster's.
    let is_roster = known.address.contains(&b'_');
    let roster = if is_roster { rows::read(cx.store, ROSTER, &known.address)? } else { None };
    let roster: Roster = roster.unwrap_or_default();
    let (names, surnames) = called(&roster, known.entry.as_ref());
    let parts = [names, surnames].into_iter().flatten();
    Ok(parts.map(|part| String::from_utf8_lossy(part)).collect::<Vec<_>>().join(" "))
}

/// ROSTER-10: whether name, surname or nick contain `needle`, which is in lower case.
pub(crate) fn is_named(cx: &Cx<'_>, known: &Known, needle: &str) -> Result<bool, Failure> {
    let face = match known.peer() {
        Some(peer) => face(cx, &peer, known.entry.as_ref())?,
        None => stranger(known.address.clone(), known.entry.as_ref()),
    };
    let names = [face.names, face.surnames, face.nick].into_iter().flatten();
    Ok(names.into_iter().any(|name| String::from_utf8_lossy(&name).to_lowercase().contains(needle)))
}

/// Number of the last message that passed between the two and that `own` sees, 0 if there is none.
pub(crate) fn last_id(cx: &Cx<'_>, own: &PhoneId, known: &Known) -> Result<u64, Failure> {
    let Some(peer) = known.peer() else { return Ok(0) };
    let feed = FeedId::p2p(own.clone(), peer);
    let mine: Reader = rows::read(cx.store, READER, &rows::reader_key(&feed, own))?.unwrap_or_default();
    Ok(Reach::all(&feed, own, mine).last(cx)?.and_then(|message| message.id).unwrap_or(0))
}

/// `peer` as `own` sees it by these rows, full and personal to `own`.
pub(crate) fn seen(
    cx: &Cx<'_>,
    own: &PhoneId,
    peer: &PhoneId,
    relation: Option<&Relation>,
    entry: Option<&Entry>,
) -> Result<Contact, Failure> {
    let address = peer.to_bytes();
    let status = status(&address, relation, entry);
    let feed = FeedId::p2p(own.clone(), peer.clone()).key();
    let mine: Option<Reader> = rows::read(cx.store, READER, &rows::reader_at(&feed, own))?;
    let theirs: Option<Reader> = rows::read(cx.store, READER, &rows::reader_at(&feed, peer))?;
    // Whoever writes has read that far: nothing lies beyond the one of the two who is farther.
    let farthest = mine.zip(theirs).map(|(mine, theirs)| mine.reader.max(theirs.reader));
    let (mine, theirs) = (mine.unwrap_or_default(), theirs.unwrap_or_default());
    let (last, unread) = Reach::at(feed, own, mine).upto(farthest).standing(cx, own, mine.reader)?;
    let profile = presence::profile(cx, peer.phone())?;
    let roster: Roster = rows::read(cx.store, ROSTER, &address)?.unwrap_or_default();
    let (nicked, keys) = (nicked(cx, peer)?, keys(cx, peer.phone())?);
    let update = updated(relation, entry).max(match status {
        ContactStatus::Deleted => 0,
        _ => roster.update.unwrap_or(0).max(nicked.update).max(keys.update),
    });
    let shown = peer.phone() == own.phone() || presence::lets_see_reading(&profile);
    Ok(Contact {
        reader: Some(ContactReader::Both(vec![mine.reader, if shown { theirs.reader } else { 0 }])),
        nread: Some(unread),
        last_msg: last.map(brief),
        presence: Some(match status {
            ContactStatus::Friend => presence::shown_to_friend(cx, peer.phone(), &profile),
            _ => Online::Offline.into(),
        }),
        update: Some(update),
        created: Some(relation.map(|row| row.created).or(entry.map(|row| row.created)).unwrap_or(0)),
        settings: relation.map(|row| row.settings.clone()).unwrap_or_default(),
        services: with_further(keys.services, &profile),
        status: Some(status),
        ..dressed(peer, roster, nicked.nick, entry)
    })
}

/// `peer` as `own` knows it, without what belongs to their feed: who it is, and what the two are to each other.
pub(crate) fn person(cx: &Cx<'_>, own: &PhoneId, peer: &PhoneId) -> Result<Contact, Failure> {
    let key = rows::pair_key(own, peer.as_str().as_bytes());
    let relation: Option<Relation> = rows::read(cx.store, RELATION, &key)?;
    let entry: Option<Entry> = rows::read(cx.store, BOOK, &key)?;
    outline(cx, peer, relation.as_ref(), entry.as_ref())
}

/// The same by the rows of the relation. What is no contact any more, and oneself, has no status; presence is for friends alone.
pub(crate) fn outline(
    cx: &Cx<'_>,
    peer: &PhoneId,
    relation: Option<&Relation>,
    entry: Option<&Entry>,
) -> Result<Contact, Failure> {
    let profile = presence::profile(cx, peer.phone())?;
    let status = Some(status(peer.as_str().as_bytes(), relation, entry));
    let status = status.filter(|status| *status != ContactStatus::Deleted);
    let presence = match status {
        Some(ContactStatus::Friend) => Some(presence::shown_to_friend(cx, peer.phone(), &profile)),
        Some(_) | None => None,
    };
    let services = services(cx, peer.phone(), &profile)?;
    Ok(Contact { presence, services, status, ..face(cx, peer, entry)? })
}

/// `peer` as those see it who have nothing to do with it, where the rows are at hand.
pub(crate) fn to_strangers(peer: &PhoneId, profile: &Profile, roster: Roster, nicked: Nicked, keys: Keys) -> Contact {
    Contact { services: with_further(keys.services, profile), ..dressed(peer, roster, nicked.nick, None) }
}

/// That an address is no contact any more.
pub(crate) fn gone(cx: &Cx<'_>, address: &PhoneId) -> Contact {
    gone_since(address.to_bytes(), cx.now.0)
}

pub(crate) fn gone_since(address: Bytes, update: u64) -> Contact {
    Contact {
        phone_id: Some(address),
        update: Some(update),
        status: Some(ContactStatus::Deleted),
        ..Contact::default()
    }
}

fn updated(relation: Option<&Relation>, entry: Option<&Entry>) -> u64 {
    relation.map_or(0, |row| row.update).max(entry.map_or(0, |row| row.update))
}

fn nicked(cx: &Cx<'_>, peer: &PhoneId) -> Result<Nicked, Failure> {
    Ok(rows::read(cx.store, NICK_OF, peer.as_str().as_bytes())?.unwrap_or_default())
}

fn keys(cx: &Cx<'_>, phone: &Phone) -> Result<Keys, Failure> {
    Ok(rows::read(cx.store, KEYS, phone.as_str().as_bytes())?.unwrap_or_default())
}

/// What a roster is called by `own`, for people to read.
pub(crate) fn name(cx: &Cx<'_>, own: &PhoneId, peer: &PhoneId) -> Result<Option<Bytes>, Failure> {
    let entry: Option<Entry> = rows::read(cx.store, BOOK, &rows::pair_key(own, peer.as_str().as_bytes()))?;
    let face = face(cx, peer, entry.as_ref())?;
    let words: Vec<Bytes> = [face.names, face.surnames].into_iter().flatten().collect();
    Ok(if words.is_empty() { face.nick } else { Some(words.join(&b' ').into()) })
}

/// Names, nick and avatar of a roster, as it gives them itself; what the phone book says where it gives none.
fn face(cx: &Cx<'_>, peer: &PhoneId, entry: Option<&Entry>) -> Result<Contact, Failure> {
    let roster = rows::read(cx.store, ROSTER, peer.as_str().as_bytes())?.unwrap_or_default();
    Ok(dressed(peer, roster, nicked(cx, peer)?.nick, entry))
}

/// The same where the rows are at hand.
fn dressed(peer: &PhoneId, roster: Roster, nick: Option<Bytes>, entry: Option<&Entry>) -> Contact {
    let (names, surnames) = called(&roster, entry);
    let (names, surnames) = (names.cloned(), surnames.cloned());
    Contact { phone_id: Some(peer.to_bytes()), nick, avatar: roster.avatar, names, surnames, ..Contact::default() }
}

/// Names and surnames of a roster, as those have it in their phone book who do.
pub(crate) fn called_by(cx: &Cx<'_>, peer: &PhoneId, entry: &Entry) -> Result<(Option<Bytes>, Option<Bytes>), Failure> {
    let roster = rows::read(cx.store, ROSTER, peer.as_str().as_bytes())?.unwrap_or_default();
    let (names, surnames) = called(&roster, Some(entry));
    Ok((names.cloned(), surnames.cloned()))
}

/// What `own` calls a roster that gives itself no name any more, where its phone book has one.
pub(crate) fn still_called(
    cx: &Cx<'_>,
    own: &PhoneId,
    peer: &PhoneId,
    face: &Contact,
) -> Result<Option<Contact>, Failure> {
    let is_gone = |name: &Option<Bytes>| name.as_ref().is_some_and(Bytes::is_empty);
    let (names_gone, surnames_gone) = (is_gone(&face.names), is_gone(&face.surnames));
    if !names_gone && !surnames_gone {
        return Ok(None);
    }
    let entry: Option<Entry> = rows::read(cx.store, BOOK, &rows::pair_key(own, peer.as_str().as_bytes()))?;
    let Some(entry) = entry else { return Ok(None) };
    let (names, surnames) = (entry.names.filter(|_| names_gone), entry.surnames.filter(|_| surnames_gone));
    let phone_id = Some(peer.to_bytes());
    let is_called = names.is_some() || surnames.is_some();
    Ok(is_called.then(|| Contact { phone_id, names, surnames, update: face.update, ..Contact::default() }))
}

/// Names and surnames of a roster.
fn called<'a>(roster: &'a Roster, entry: Option<&'a Entry>) -> (Option<&'a Bytes>, Option<&'a Bytes>) {
    let names = roster.names.as_ref().or(entry.and_then(|entry| entry.names.as_ref()));
    let surnames = roster.surnames.as_ref().or(entry.and_then(|entry| entry.surnames.as_ref()));
    (names, surnames)
}

/// A number in the phone book that is not registered (D-58).
fn stranger(address: Bytes, entry: Option<&Entry>) -> Contact {
    Contact {
        phone_id: Some(address),
        names: entry.and_then(|entry| entry.names.clone()),
        surnames: entry.and_then(|entry| entry.surnames.clone()),
        update: entry.map(|entry| entry.update),
        created: entry.map(|entry| entry.created),
        status: Some(ContactStatus::Nonexised),
        ..Contact::default()
    }
}

/// What the address is to the roster: the relation if there is one, else what the phone book makes of it.
fn status(address: &[u8], relation: Option<&Relation>, entry: Option<&Entry>) -> ContactStatus {
    match (relation.and_then(|row| row.status), entry) {
        (Some(status), _) => status,
        (None, Some(_)) if address.contains(&b'_') => ContactStatus::Internal,
        (None, Some(_)) => ContactStatus::Nonexised,
        (None, None) => ContactStatus::Deleted,
    }
}

/// Certificates of a roster's devices (SEC-9), and the further ones of its account.
pub(crate) fn services(cx: &Cx<'_>, phone: &Phone, profile: &Profile) -> Result<Vec<Service>, Failure> {
    Ok(with_further(keys(cx, phone)?.services, profile))
}

fn with_further(mut services: Vec<Service>, profile: &Profile) -> Vec<Service> {
    services.extend(service::certificates(&profile.services));
    services
}

/// SEC-9: a Service for each device that has a certificate.
pub(crate) fn certificates(devices: &[Device]) -> Vec<Service> {
    let service = |device: &Device| {
        Some(Service {
            id: Some(device.dev_key.clone()),
            r#type: Some(ServiceType::Synrc),
            data: etf::Term::binary(device.certificate.as_ref()?),
            expiration: Some(device.key_until),
            status: Some(ServiceStatus::Verified),
            ..Service::default()
        })
    };
    devices.iter().filter_map(service).collect()
}

/// Field lists of a Contact hold no large message (SPEC section 5, "Counts and copies").
pub(crate) fn brief(message: Message) -> Box<Message> {
    Box::new(match etf::length(&message) > LAST_MSG_BYTES {
        true => Message { files: Vec::new(), link: None, ..message },
        false => message,
    })
}
