//! Large answers in parts (PROFILE-1, notes): no record of a roster is beyond 256 KiB.

use bytes::Bytes;
use etf::Encode;
use proto::Outcome;
use proto::records::{Contact, Io, Profile, Room, Roster, RosterEntry, Star, UserEntry};

/// A part at most, bytes encoded. An element is far smaller.
pub(crate) const PART_BYTES: usize = 256 * 1024;

/// What the records of an answer are.
#[derive(Debug, Clone)]
pub(crate) enum Frame {
    /// The roster itself (ROSTER-1).
    Roster,
    /// What a search has found, with the client's own reference.
    Search(Bytes),
    /// The account, with its rosters inside. The first record tells of the account, the others name it.
    Profile(Box<Profile>),
}

/// Rosters and their lists on their way into records; `update` is set in the last one only, so that a client which was cut off
/// asks again from where it was.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    frame: Frame,
    /// What every part of the open roster says.
    base: Roster,
    open: Option<Roster>,
    /// Rosters of the open record before the open one.
    closed: Vec<Roster>,
    /// Of the open record.
    bytes: usize,
    /// Where elements are written to be measured.
    scratch: Vec<u8>,
    records: Vec<Bytes>,
}

/// One of a roster's list.
#[derive(Debug, Clone)]
pub(crate) enum Element {
    Contact(Box<Contact>),
    Room(Box<Room>),
    Star(Box<Star>),
}

impl Parts {
    pub(crate) fn new(frame: Frame) -> Parts {
        let bytes = frame.bytes();
        Parts {
            frame,
            base: Roster::default(),
            open: None,
            closed: Vec::new(),
            bytes,
            scratch: Vec::new(),
            records: Vec::new(),
        }
    }

    /// A roster, to which its elements are added.
    pub(crate) fn begin(&mut self, roster: Roster) {
        self.base = Roster { update: None, ..roster };
        let bytes = etf::encode(&self.base).len();
        if self.bytes + bytes > PART_BYTES && !self.closed.is_empty() {
            self.flush(None);
        }
        self.bytes += bytes;
        self.open = Some(self.base.clone());
        // Tags are in the first part.
        self.base.tags.clear();
    }

    pub(crate) fn add(&mut self, element: Element) {
        self.scratch.clear();
        element.encode(&mut self.scratch);
        let bytes = self.scratch.len();
        let has_some = self.open.as_ref().is_some_and(has_elements) || !self.closed.is_empty();
        if self.bytes + bytes > PART_BYTES && has_some {
            self.flush(None);
            self.bytes += etf::encode(&self.base).len();
            self.open = Some(self.base.clone());
        }
        self.bytes += bytes;
        if let Some(open) = &mut self.open {
            match element {
                Element::Contact(contact) => open.userlist.push(UserEntry::Contact(contact)),
                Element::Room(room) => open.roomlist.push(*room),
                Element::Star(star) => open.favorite.push(*star),
            }
        }
    }

    /// All of the open roster has been added.
    pub(crate) fn end(&mut self, update: u64) {
        self.closed.extend(self.open.take().map(|open| Roster { update: Some(update), ..open }));
    }

    /// The last record.
    pub(crate) fn finish(&mut self, update: u64) {
        self.flush(Some(update));
    }

    /// The records that are complete.
    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.records)
    }

    fn flush(&mut self, update: Option<u64>) {
        let mut rosters = std::mem::take(&mut self.closed);
        rosters.extend(self.open.take());
        match &mut self.frame {
            Frame::Roster => self.records.extend(rosters.iter().map(etf::encode)),
            Frame::Search(reference) => {
                let found = |roster: Roster| etf::encode(&Io::ok_src(Outcome::Search, reference.clone()).with(roster));
                self.records.extend(rosters.into_iter().map(found));
            }
            Frame::Profile(head) => {
                let rosters = rosters.into_iter().map(|roster| RosterEntry::Roster(Box::new(roster))).collect();
                let next = Profile {
                    phone: head.phone.clone(),
                    date: head.date,
                    balance: head.balance,
                    presence: head.presence.clone(),
                    update: None,
                    status: head.status,
                    ..Profile::default()
                };
                let record = Profile { rosters, update, ..std::mem::replace(&mut **head, next) };
                self.records.push(etf::encode(&record));
            }
        }
        self.bytes = self.frame.bytes();
    }
}

fn has_elements(roster: &Roster) -> bool {
    !(roster.userlist.is_empty() && roster.roomlist.is_empty() && roster.favorite.is_empty())
}

impl Element {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Element::Contact(contact) => contact.encode(out),
            Element::Room(room) => room.encode(out),
            Element::Star(star) => star.encode(out),
        }
    }
}

impl Frame {
    fn bytes(&self) -> usize {
        match self {
            Frame::Roster | Frame::Search(_) => 0,
            Frame::Profile(head) => etf::encode(&**head).len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::Record;
    use proto::records::Tag;

    fn contact(bytes: usize) -> Element {
        let names = Some(Bytes::from(vec![b'n'; bytes]));
        Element::Contact(Box::new(Contact { names, ..Contact::default() }))
    }

    fn star(bytes: usize) -> Element {
        let client_id = Some(Bytes::from(vec![b'c'; bytes]));
        Element::Star(Box::new(Star { client_id, ..Star::default() }))
    }

    fn records(mut parts: Parts) -> Vec<Record> {
        let records = parts.take();
        assert!(records.iter().all(|record| record.len() <= PART_BYTES));
        records.iter().map(|record| etf::decode(record).unwrap()).collect()
    }

    #[test]
    fn roster_1_parts_are_bounded_and_the_last_alone_has_update() {
        let mut parts = Parts::new(Frame::Roster);
        parts.begin(Roster { tags: vec![Tag::default()], ..Roster::default() });
        (0..400).for_each(|_| parts.add(contact(1000)));
        (0..200).for_each(|_| parts.add(star(1000)));
        parts.end(7);
        parts.finish(7);
        let rosters = records(parts).into_iter().map(|record| match record {
            Record::Roster(roster) => roster,
            _ => panic!("no roster"),
        });
        let rosters: Vec<_> = rosters.collect();
        assert_eq!(rosters.iter().map(|roster| roster.userlist.len()).sum::<usize>(), 400);
        assert_eq!(rosters.iter().map(|roster| roster.favorite.len()).sum::<usize>(), 200);
        assert_eq!(rosters.iter().map(|roster| roster.tags.len()).collect::<Vec<_>>(), [1, 0, 0]);
        assert_eq!(rosters.iter().map(|roster| roster.update).collect::<Vec<_>>(), [None, None, Some(7)]);
    }

    #[test]
    fn profile_1_rosters_share_records_and_only_the_first_tells_of_the_account() {
        let head = Profile { phone: Some("ann".into()), services: vec![Default::default()], ..Profile::default() };
        let mut parts = Parts::new(Frame::Profile(Box::new(head)));
        for contacts in [200, 100, 0] {
            parts.begin(Roster::default());
            (0..contacts).for_each(|_| parts.add(contact(1000)));
            parts.end(7);
        }
        parts.finish(7);
        let profiles = records(parts).into_iter().map(|record| match record {
            Record::Profile(profile) => (profile.rosters.len(), profile.services.len(), profile.update),
            _ => panic!("no profile"),
        });
        assert_eq!(profiles.collect::<Vec<_>>(), [(2, 1, None), (2, 0, Some(7))]);
    }
}
