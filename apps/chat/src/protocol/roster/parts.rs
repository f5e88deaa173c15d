//! Large answers in parts (PROFILE-1, notes): no record of a roster is beyond 256 KiB.

use bytes::Bytes;
use etf::Encode;
use proto::Outcome;
use proto::records::{Io, Profile, Room, Roster, Star};

use super::written::{Account, Envelope, Filled, Written};

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
    open: Option<Filled>,
    /// Rosters of the open record before the open one.
    closed: Vec<Filled>,
    /// Of the open record.
    bytes: usize,
    records: Vec<Bytes>,
}

impl Parts {
    pub(crate) fn new(frame: Frame) -> Parts {
        let bytes = frame.bytes();
        Parts { frame, base: Roster::default(), open: None, closed: Vec::new(), bytes, records: Vec::new() }
    }

    /// A roster, to which its elements are added.
    pub(crate) fn begin(&mut self, roster: Roster) {
        self.base = Roster { update: None, ..roster };
        let bytes = etf::length(&self.base);
        if self.bytes + bytes > PART_BYTES && !self.closed.is_empty() {
            self.flush(None);
        }
        self.bytes += bytes;
        self.open = Some(Filled::from(self.base.clone()));
        // Tags are in the first part.
        self.base.tags.clear();
    }

    pub(crate) fn contact(&mut self, contact: &impl Encode) {
        self.add(|open| &mut open.contacts, contact);
    }

    pub(crate) fn room(&mut self, room: &Room) {
        self.add(|open| &mut open.rooms, room);
    }

    pub(crate) fn star(&mut self, star: &Star) {
        self.add(|open| &mut open.stars, star);
    }

    fn add(&mut self, list: impl Fn(&mut Filled) -> &mut Written, element: &impl Encode) {
        let Some(open) = &mut self.open else { return };
        let has_some = !open.is_empty() || !self.closed.is_empty();
        let bytes = list(open).push(element);
        if self.bytes + bytes > PART_BYTES && has_some {
            let first = list(open).split_last(bytes);
            self.flush(None);
            self.bytes += etf::length(&self.base);
            *list(self.open.insert(Filled::from(self.base.clone()))) = first;
        }
        self.bytes += bytes;
    }

    /// All of the open roster has been added.
    pub(crate) fn end(&mut self, update: u64) {
        if let Some(mut open) = self.open.take() {
            open.roster.update = Some(update);
            self.closed.push(open);
        }
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
                let io = Io::ok_src(Outcome::Search, reference.clone());
                self.records.extend(rosters.iter().map(|found| etf::encode(&Envelope(&io, found))));
            }
            Frame::Profile(head) => {
                let next = Profile {
                    phone: head.phone.clone(),
                    date: head.date,
                    balance: head.balance,
                    presence: head.presence.clone(),
                    update: None,
                    status: head.status,
                    ..Profile::default()
                };
                let told = Profile { update, ..std::mem::replace(&mut **head, next) };
                self.records.push(etf::encode(&Account(&told, &rosters)));
            }
        }
        self.bytes = self.frame.bytes();
    }
}

impl Frame {
    fn bytes(&self) -> usize {
        match self {
            Frame::Roster | Frame::Search(_) => 0,
            Frame::Profile(head) => etf::length(&**head),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::Record;
    use proto::records::{Contact, RosterEntry, Tag, UserEntry};

    fn contact(bytes: usize) -> Contact {
        Contact { names: Some(Bytes::from(vec![b'n'; bytes])), ..Contact::default() }
    }

    fn star(bytes: usize) -> Star {
        Star { client_id: Some(Bytes::from(vec![b'c'; bytes])), ..Star::default() }
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
        (0..400).for_each(|_| parts.contact(&contact(1000)));
        (0..200).for_each(|_| parts.star(&star(1000)));
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
    fn profile_1_a_part_is_the_record_that_its_type_encodes() {
        let face = Roster { names: Some("Anna".into()), tags: vec![Tag::default()], ..Roster::default() };
        let (room, star) = (Room { name: Some("Tea".into()), ..Room::default() }, star(3));
        let head = Profile { phone: Some("ann".into()), balance: Some(3), ..Profile::default() };
        let full = Roster {
            userlist: vec![UserEntry::Contact(Box::new(contact(3)))],
            roomlist: vec![room.clone()],
            favorite: vec![star.clone()],
            update: Some(7),
            ..face.clone()
        };
        let profile =
            Profile { rosters: vec![RosterEntry::Roster(Box::new(full.clone()))], update: Some(7), ..head.clone() };
        let found = Io::ok_src(Outcome::Search, Bytes::from("r")).with(full.clone());
        for (frame, record) in [
            (Frame::Roster, etf::encode(&full)),
            (Frame::Search("r".into()), etf::encode(&found)),
            (Frame::Profile(Box::new(head)), etf::encode(&profile)),
        ] {
            let mut parts = Parts::new(frame);
            parts.begin(face.clone());
            parts.contact(&contact(3));
            parts.room(&room);
            parts.star(&star);
            parts.end(7);
            parts.finish(7);
            assert_eq!(parts.take(), [record]);
        }
    }

    #[test]
    fn profile_1_rosters_share_records_and_only_the_first_tells_of_the_account() {
        let head = Profile { phone: Some("ann".into()), services: vec![Default::default()], ..Profile::default() };
        let mut parts = Parts::new(Frame::Profile(Box::new(head)));
        for contacts in [200, 100, 0] {
            parts.begin(Roster::default());
            (0..contacts).for_each(|_| parts.contact(&contact(1000)));
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
