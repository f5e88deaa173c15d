//! `Contact`: a roster as another sees it. Nothing of it is kept as such; it is put together from what its owners keep.

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{FeedId, PhoneId};
use proto::limits::LAST_MSG_BYTES;
use proto::records::{
    Contact, ContactReader, ContactStatus, Message, Online, Roster, Service, ServiceStatus, ServiceType,
};

use super::history::Reach;
use super::presence;
use crate::Cx;
use crate::rows::{self, BOOK, DEVICE, Device, Entry, NICK_OF, READER, RELATION, ROSTER, Reader, Relation};

/// Contacts of a roster that one scan of a range returns; a roster has at most `limits::CONTACTS` in each of its two ranges.
const SCAN_MAX: usize = 2 * proto::limits::CONTACTS;

/// All contacts of a roster, full; with `since` those that changed later, removed ones as `deleted` (PROFILE-1).
pub(crate) fn all(cx: &Cx<'_>, own: &PhoneId, since: Option<u64>) -> Result<Vec<Contact>, Failure> {
    let mut addresses = std::collections::BTreeMap::<Bytes, (Option<Relation>, Option<Entry>)>::new();
    let prefix = rows::pair_key(own, b"");
    for (key, row) in cx.store.scan(RELATION, &kvs::Span::prefix(prefix.clone()).limit(SCAN_MAX))? {
        addresses.entry(key.slice(prefix.len()..)).or_default().0 = Some(rows::decode(&row)?);
    }
    for (key, row) in cx.store.scan(BOOK, &kvs::Span::prefix(prefix.clone()).limit(SCAN_MAX))? {
        addresses.entry(key.slice(prefix.len()..)).or_default().1 = Some(rows::decode(&row)?);
    }
    let since = since.unwrap_or(0);
    let mut contacts = Vec::new();
    for (address, (relation, entry)) in addresses {
        let update = relation.as_ref().map_or(0, |row| row.update).max(entry.as_ref().map_or(0, |row| row.update));
        let status = status(&address, relation.as_ref(), entry.as_ref());
        if update <= since && since > 0 || status == ContactStatus::Deleted && since == 0 {
            continue;
        }
        contacts.push(match PhoneId::parse(&address) {
            Ok(peer) => seen(cx, own, &peer, relation.as_ref(), entry.as_ref())?,
            Err(_) => stranger(address, entry.as_ref()),
        });
    }
    Ok(contacts)
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
    let feed = FeedId::p2p(own.clone(), peer.clone());
    let mine: Reader = rows::read(cx.store, READER, &rows::reader_key(&feed, own))?.unwrap_or_default();
    let theirs: Reader = rows::read(cx.store, READER, &rows::reader_key(&feed, peer))?.unwrap_or_default();
    let reach = Reach::all(cx, &feed, own, mine)?;
    let known = face(cx, peer, entry)?;
    Ok(Contact {
        reader: Some(ContactReader::Both(vec![mine.reader, theirs.reader])),
        nread: Some(reach.unread(cx, own, mine.reader)?),
        last_msg: reach.last(cx)?.map(brief),
        presence: Some(match status {
            ContactStatus::Friend => presence::to_friend(cx, peer.phone())?,
            _ => Online::Offline.into(),
        }),
        update: Some(relation.map_or(0, |row| row.update).max(entry.map_or(0, |row| row.update))),
        created: Some(relation.map(|row| row.created).or(entry.map(|row| row.created)).unwrap_or(0)),
        settings: relation.map(|row| row.settings.clone()).unwrap_or_default(),
        services: services(cx, peer)?,
        status: Some(status),
        ..known
    })
}

/// `peer` as `own` knows it, without what belongs to their feed: who it is, and what the two are to each other.
pub(crate) fn person(cx: &Cx<'_>, own: &PhoneId, peer: &PhoneId) -> Result<Contact, Failure> {
    let key = rows::pair_key(own, peer.as_str().as_bytes());
    let relation: Option<Relation> = rows::read(cx.store, RELATION, &key)?;
    let entry: Option<Entry> = rows::read(cx.store, BOOK, &key)?;
    let status = Some(status(peer.as_str().as_bytes(), relation.as_ref(), entry.as_ref()));
    // What is no contact any more, and oneself, are nothing.
    let status = status.filter(|status| *status != ContactStatus::Deleted);
    let presence = match status {
        Some(ContactStatus::Friend) => Some(presence::to_friend(cx, peer.phone())?),
        Some(_) | None => None,
    };
    let services = services(cx, peer)?;
    Ok(Contact { presence, services, status, ..face(cx, peer, entry.as_ref())? })
}

/// Names, nick and avatar of a roster, as it gives them itself; what the phone book says where it gives none.
fn face(cx: &Cx<'_>, peer: &PhoneId, entry: Option<&Entry>) -> Result<Contact, Failure> {
    let key = peer.to_bytes();
    let roster: Roster = rows::read(cx.store, ROSTER, &key)?.unwrap_or_default();
    let nick = cx.store.get(NICK_OF, &key)?;
    Ok(Contact {
        phone_id: Some(key),
        avatar: roster.avatar,
        names: roster.names.or_else(|| entry.and_then(|entry| entry.names.clone())),
        surnames: roster.surnames.or_else(|| entry.and_then(|entry| entry.surnames.clone())),
        nick,
        ..Contact::default()
    })
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

/// Certificates of a roster's devices (SEC-9).
fn services(cx: &Cx<'_>, peer: &PhoneId) -> Result<Vec<Service>, Failure> {
    let prefix = rows::path(&[peer.phone().as_str().as_bytes(), b""]);
    let mut services = Vec::new();
    for (_, row) in cx.store.scan(DEVICE, &kvs::Span::prefix(prefix).limit(proto::limits::DEVICES))? {
        let device: Device = rows::decode(&row)?;
        let Some(certificate) = device.certificate else {
            continue;
        };
        services.push(Service {
            id: Some(device.dev_key),
            r#type: Some(ServiceType::Synrc),
            data: etf::Term::binary(&certificate),
            expiration: Some(device.key_until),
            status: Some(ServiceStatus::Verified),
            ..Service::default()
        });
    }
    Ok(services)
}

/// Field lists of a Contact hold no large message (SPEC section 5, "Counts and copies").
pub(crate) fn brief(message: Message) -> Box<Message> {
    Box::new(match etf::encode(&message).len() > LAST_MSG_BYTES {
        true => Message { files: Vec::new(), link: None, ..message },
        false => message,
    })
}
