//! One notice out of several about the same thing (DLV-9): the newer one's fields over the older one's.

use bytes::Bytes;
use proto::Record;
use proto::records::{Contact, Room};

/// The older notice with the newer one's fields over it; the newer one alone where they are not of one kind.
pub fn merge(older: &[u8], newer: Bytes) -> Bytes {
    match (etf::decode(older), etf::decode(&newer)) {
        (Ok(Record::Contact(older)), Ok(Record::Contact(newer))) => etf::encode(&contact(*older, *newer)),
        (Ok(Record::Room(older)), Ok(Record::Room(newer))) => etf::encode(&room(*older, *newer)),
        _ => newer,
    }
}

/// The older contact with the newer one's fields over it. A brief notice, which has no status, says nothing of the counts.
pub fn contact(older: Contact, newer: Contact) -> Contact {
    let nread = if newer.status.is_some() { newer.nread } else { older.nread };
    Contact {
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
        services: later(newer.services, older.services),
        status: newer.status.or(older.status),
    }
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
    use super::*;

    #[test]
    fn dlv_9_a_newer_contact_notice_keeps_what_only_the_older_one_says() {
        let renamed = Contact { phone_id: Some("38001_1".into()), names: Some("Ann".into()), ..Default::default() };
        let moved = Contact { phone_id: Some("38001_1".into()), avatar: Some("a.png".into()), ..Default::default() };
        let merged = merge(&etf::encode(&renamed), etf::encode(&moved));
        let Ok(Record::Contact(contact)) = etf::decode::<Record>(&merged) else { panic!("no contact") };
        assert_eq!((contact.names.as_deref(), contact.avatar.as_deref()), (Some(&b"Ann"[..]), Some(&b"a.png"[..])));
    }
}
