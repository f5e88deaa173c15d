//! Large answers in parts (PROFILE-1, notes): no record of a roster is beyond 256 KiB.

use proto::records::{Contact, Roster, UserEntry};

/// A part at most, bytes encoded.
pub(crate) const PART_BYTES: usize = 256 * 1024;

/// The roster with its contacts, as one record or several; `update` is set in the last one only, so that a client which was cut off
/// asks again from where it was. A contact is far smaller than a part.
pub(crate) fn cut(base: Roster, contacts: Vec<Contact>, update: u64) -> Vec<Roster> {
    let empty = Roster { update: None, ..base };
    let start = etf::encode(&empty).len();
    let (mut parts, mut part, mut bytes) = (Vec::new(), empty.clone(), start);
    for contact in contacts {
        let size = etf::encode(&contact).len();
        if bytes + size > PART_BYTES && !part.userlist.is_empty() {
            parts.push(std::mem::replace(&mut part, empty.clone()));
            bytes = start;
        }
        bytes += size;
        part.userlist.push(UserEntry::Contact(Box::new(contact)));
    }
    part.update = Some(update);
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn roster_1_parts_are_bounded_and_the_last_alone_has_update() {
        let contact = Contact { names: Some(Bytes::from(vec![b'n'; 1000])), ..Contact::default() };
        let parts = cut(Roster::default(), vec![contact; 600], 7);
        assert_eq!(parts.len(), 3);
        assert_eq!(parts.iter().map(|part| part.userlist.len()).sum::<usize>(), 600);
        assert!(parts.iter().all(|part| etf::encode(part).len() <= PART_BYTES));
        assert_eq!(parts.iter().map(|part| part.update).collect::<Vec<_>>(), [None, None, Some(7)]);
        assert_eq!(cut(Roster::default(), Vec::new(), 7).len(), 1);
    }
}
