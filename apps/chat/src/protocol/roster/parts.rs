//! Large answers in parts (PROFILE-1, notes): no record of a roster is beyond 256 KiB.

use etf::Encode;
use proto::records::{Contact, Roster, Star, UserEntry};

/// A part at most, bytes encoded.
pub(crate) const PART_BYTES: usize = 256 * 1024;

/// The roster with its lists, as one record or several; `update` is set in the last one only, so that a client which was cut off
/// asks again from where it was. An element is far smaller than a part. Tags are in the first part.
pub(crate) fn cut(base: Roster, contacts: Vec<Contact>, stars: Vec<Star>, update: u64) -> Vec<Roster> {
    let mut parts = Parts::begin(Roster { update: None, ..base });
    for contact in contacts {
        parts.place(&contact);
        parts.part.userlist.push(UserEntry::Contact(Box::new(contact)));
    }
    for star in stars {
        parts.place(&star);
        parts.part.favorite.push(star);
    }
    parts.end(update)
}

struct Parts {
    empty: Roster,
    done: Vec<Roster>,
    part: Roster,
    /// Of the part, and how many of them it had when it was empty.
    bytes: usize,
    least: usize,
}

impl Parts {
    fn begin(base: Roster) -> Parts {
        let least = etf::encode(&base).len();
        let empty = Roster { tags: Vec::new(), ..base.clone() };
        Parts { empty, done: Vec::new(), part: base, bytes: least, least }
    }

    /// Makes room for an element; one that does not fit into this part begins the next.
    fn place(&mut self, element: &impl Encode) {
        let size = etf::encode(element).len();
        if self.bytes + size > PART_BYTES && self.bytes > self.least {
            self.done.push(std::mem::replace(&mut self.part, self.empty.clone()));
            self.least = etf::encode(&self.empty).len();
            self.bytes = self.least;
        }
        self.bytes += size;
    }

    fn end(mut self, update: u64) -> Vec<Roster> {
        self.part.update = Some(update);
        self.done.push(self.part);
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proto::records::Tag;

    #[test]
    fn roster_1_parts_are_bounded_and_the_last_alone_has_update() {
        let contact = Contact { names: Some(Bytes::from(vec![b'n'; 1000])), ..Contact::default() };
        let star = Star { client_id: Some(Bytes::from(vec![b'c'; 1000])), ..Star::default() };
        let base = Roster { tags: vec![Tag::default()], ..Roster::default() };
        let parts = cut(base, vec![contact; 400], vec![star; 200], 7);
        assert_eq!(parts.len(), 3);
        assert_eq!(parts.iter().map(|part| part.userlist.len()).sum::<usize>(), 400);
        assert_eq!(parts.iter().map(|part| part.favorite.len()).sum::<usize>(), 200);
        assert_eq!(parts.iter().map(|part| part.tags.len()).collect::<Vec<_>>(), [1, 0, 0]);
        assert!(parts.iter().all(|part| etf::encode(part).len() <= PART_BYTES));
        assert_eq!(parts.iter().map(|part| part.update).collect::<Vec<_>>(), [None, None, Some(7)]);
        assert_eq!(cut(Roster::default(), Vec::new(), Vec::new(), 7).len(), 1);
    }
}
