//! One notice out of several about the same thing (DLV-9): the newer one's fields over the older one's.

use bytes::Bytes;
use proto::Record;
use proto::records::{Contact, Room};

/// The older notice with the newer one's fields over it; the newer one alone where they are not of one kind. None where both are to be
/// told, one after the other.
pub fn merge(older: &[u8], newer: &Bytes) -> Option<Bytes> {
    match (etf::decode(older), etf::decode(newer)) {
        (Ok(Record::Contact(older)), Ok(Record::Contact(newer))) => {
            contact(*older, *newer).map(|contact| etf::encode(&contact))
        }
        (Ok(Record::Room(older)), Ok(Record::Room(newer))) => Some(etf::encode(&room(*older, *newer))),
        _ => Some(newer.clone()),
    }
}

/// The older contact with the newer one's fields over it. A brief notice, which has no status, says nothing of the counts. None where
/// one of them says that there are no keys any more, and both together would not.
pub fn contact(older: Contact, newer: Contact) -> Option<Contact> {
    let nread = if newer.status.is_some() { newer.nread } else { older.nread };
    let is_of_keys = says_all_keys(&older) || says_all_keys(&newer);
    let services = if says_all_keys(&newer) { newer.services } else { later(newer.services, older.services) };
    let merged = Contact {
        phone_id: newer.phone_id.or(older.phone_id),
        avatar: newer.avatar.or(older.avatar),
        names: newer.names.or(older.names),
        surnames: newer.surnames.or(older.surnames),
        nick: newer.nick.or(older.nick),
        reader: newer.reader.or(older.reader),
        nread,
        last_msg: newer.last_msg.or(older.last_msg),
        presence: newer.presence.or(older.presence),
        update: newer.update.max(older.update),
        created: newer.created.max(older.created),
        settings: later(newer.settings, older.settings),
        services,
        status: newer.status.or(older.status),
    };
    let is_told = !is_of_keys || !merged.services.is_empty() || says_all_keys(&merged);
    is_told.then_some(merged)
}

/// Whether its `services` are all keys that there are, be there none (SEC-9): in a full Contact, which alone says since when it is one,
/// and in a notice of nothing else.
fn says_all_keys(contact: &Contact) -> bool {
    let Contact { avatar, names, surnames, nick, reader, last_msg, presence, created, settings, status, .. } = contact;
    let is_of_face = avatar.is_some() || names.is_some() || surnames.is_some() || nick.is_some();
    let is_of_feed = reader.is_some() || last_msg.is_some() || presence.is_some() || !settings.is_empty();
    created.is_some_and(|since| since > 0) || !is_of_face && !is_of_feed && status.is_none()
}

fn room(older: Room, newer: Room) -> Room {
    Room {
        name: newer.name.or(older.name),
        links: later(newer.links, older.links),
        description: newer.description.or(older.description),
        settings: later(newer.settings, older.settings),
        data: later(newer.data, older.data),
        tos: newer.tos.or(older.tos),
        tos_update: newer.tos_update.max(older.tos_update),
        readers: later(newer.readers, older.readers),
        last_msg: newer.last_msg.or(older.last_msg),
        update: newer.update.max(older.update),
        ..newer
    }
}

fn later<T>(newer: Vec<T>, older: Vec<T>) -> Vec<T> {
    if newer.is_empty() { older } else { newer }
}

#[cfg(test)]
mod tests {
    use proto::records::{ContactStatus, Service};

    use super::*;

    fn merged(older: &Contact, newer: &Contact) -> Option<Contact> {
        let merged = merge(&etf::encode(older), &etf::encode(newer))?;
        let Ok(Record::Contact(contact)) = etf::decode::<Record>(&merged) else { panic!("no contact") };
        Some(*contact)
    }

    #[test]
    fn dlv_9_a_newer_contact_notice_keeps_what_only_the_older_one_says() {
        let renamed = Contact { phone_id: Some("38001_1".into()), names: Some("Ann".into()), ..Default::default() };
        let pictured = Contact { phone_id: Some("38001_1".into()), avatar: Some("a.png".into()), ..Default::default() };
        let contact = merged(&renamed, &pictured).expect("one notice");
        assert_eq!((contact.names.as_deref(), contact.avatar.as_deref()), (Some(&b"Ann"[..]), Some(&b"a.png"[..])));
    }

    #[test]
    fn dlv_9_sec_9_keys_that_have_ended_do_not_come_back_and_that_there_are_none_is_told() {
        let keys = |count| Contact { services: vec![Service::default(); count], ..Contact::default() };
        let named = Contact { names: Some("Ann".into()), ..Contact::default() };
        let read = Contact { status: Some(ContactStatus::LastMsg), ..Contact::default() };
        let full = |count| Contact { created: Some(1), status: Some(ContactStatus::Friend), ..keys(count) };
        let count = |older: &Contact, newer: &Contact| merged(older, newer).map(|contact| contact.services.len());

        assert_eq!(count(&keys(2), &keys(1)), Some(1));
        assert_eq!(count(&keys(2), &keys(0)), Some(0));
        assert_eq!(count(&keys(1), &named), Some(1), "a face says nothing of keys");
        assert_eq!(count(&keys(1), &read), Some(1));
        let both = merged(&keys(1), &named).expect("one notice");
        for other in [&named, &read, &both] {
            assert_eq!(count(other, &keys(0)), None, "beside other fields an empty list says nothing: {other:?}");
        }
        assert_eq!([count(&keys(0), &named), count(&keys(0), &read)], [None, None]);
        assert_eq!(count(&keys(0), &both), Some(1));
        assert_eq!(count(&full(1), &keys(0)), Some(0), "a full contact has all of them");
        assert_eq!(count(&keys(1), &full(0)), Some(0));
        assert_eq!(count(&full(0), &named), Some(0));
        assert_eq!(count(&full(1), &full(0)), Some(0));
    }
}
