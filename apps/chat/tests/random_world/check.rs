//! What must hold in the end.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chat_core::rows::{
    self, AGENDA, CARD, CHANGE, CHANGED, CURSOR, Card, DEVICE, DUPLICATE, FLEETING, IN_ROOM, KEYS, KIND, LATER, MEMBER,
    MESSAGE, Membership, NEWS, NICK_OF, NOTICE, PROFILE, READ_BY, READER, REPLY, ROOM, ROSTER, RoomRow, WORK,
};
use kvs::{Store, Table};
use proto::Record;
use proto::ids::Phone;
use proto::records::{HistoryItem, Message, Profile, RosterEntry, UserEntry};
use scene::{EVENTS, Stage};

use crate::random_days::{contents, record, text_of};
use crate::tallies;

use super::{DEN, World};

/// A notice is erased a while after its last acknowledgement.
const A_WHILE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;

impl World {
    /// Everybody comes, takes and acknowledges everything.
    fn all_take(&mut self) -> Result<(), String> {
        self.everyone(World::connect);
        for _ in 0..3 {
            self.stage.settle()?;
            self.everyone(World::look);
            self.everyone(World::acknowledge);
        }
        match self.broken.take() {
            Some(why) => Err(why),
            None => self.all_arrived(),
        }
    }

    /// Where messages go: everybody has had them, and then step by step nothing is left (DLV-5, DLV-6). The number of accepted
    /// messages, or what is wrong.
    pub(crate) fn vanish(&mut self) -> Result<usize, String> {
        self.all_take()?;
        // What was announced is withdrawn; everybody takes that too.
        self.stage.advance(25 * HOUR_MS)?;
        self.all_take()?;
        self.stage.advance(3 * HOUR_MS)?;
        for (key, row) in self.rows(MESSAGE)? {
            let message: Message = etf::decode(&row).map_err(|why| why.to_string())?;
            if !message.files.is_empty()
                || message.link.is_some()
                || message.msg_id.is_some() && rows::is_kept(&message)
            {
                return Err(format!("message {:?} has content still", rows::number(&key)));
            }
        }
        self.stage.advance(25 * HOUR_MS)?;
        self.are_empty(&[MESSAGE, CHANGE, CHANGED, FLEETING, REPLY, KIND])?;
        self.stage.advance(31 * 24 * HOUR_MS)?;
        self.are_empty(&[DUPLICATE, LATER, AGENDA])?;
        Ok(self.accepted.len())
    }

    fn are_empty(&self, tables: &[Table]) -> Result<(), String> {
        for table in tables {
            if let Some((key, _)) = self.rows(*table)?.first() {
                return Err(format!("{} has {:?} still", table.0, String::from_utf8_lossy(key)));
            }
        }
        Ok(())
    }

    /// Where messages are kept. The number of accepted messages, or what is wrong.
    pub(crate) fn finish(&mut self) -> Result<usize, String> {
        self.all_take()?;
        self.feeds_are_sound()?;
        self.nothing_is_due()?;
        self.no_orphans()?;
        self.names_agree()?;
        self.rooms_are_sound()?;
        tallies::agree(self.stage.store())?;
        self.cards_agree()?;
        Ok(self.accepted.len())
    }

    /// DLV-4: at every device of both sides, its author's too.
    fn all_arrived(&mut self) -> Result<(), String> {
        let numbers: BTreeMap<(String, String), u64> = self.numbers()?;
        for (from, msg_id) in self.accepted.iter().filter(|(_, msg_id)| !msg_id.starts_with('x')) {
            let number = numbers.get(&(from.clone(), msg_id.clone()));
            let Some(number) = number else {
                return Err(format!("{msg_id} of {from} was acknowledged and is not kept"));
            };
            if self.deleted.contains(number) {
                continue;
            }
            let to = self.known.get(number).map(|written| written.to.clone());
            let den = self.den()?;
            let parties = self.people.iter().filter(|person| match to.as_deref() {
                Some(DEN) => hears(&den, &person.id, *number),
                to => person.id == *from || to == Some(&person.id),
            });
            for device in parties.flat_map(|person| &person.devices) {
                if !device.seen.contains(&(from.clone(), msg_id.clone())) {
                    return Err(format!("{} never saw message {number}, {msg_id} of {from}", device.link));
                }
            }
        }
        Ok(())
    }

    /// The number under which each (from, msg_id) is kept (DLV-5).
    fn numbers(&self) -> Result<BTreeMap<(String, String), u64>, String> {
        let mut numbers = BTreeMap::new();
        for (key, row) in self.rows(DUPLICATE)? {
            let sent: rows::Sent = etf::decode(&row).map_err(|why| why.to_string())?;
            let mut parts = key.rsplitn(3, |byte| *byte == 0);
            let (msg_id, from) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            numbers.insert(
                (String::from_utf8_lossy(from).into_owned(), String::from_utf8_lossy(msg_id).into_owned()),
                sent.id,
            );
        }
        Ok(numbers)
    }

    /// HISTORY-8: both sides see the same feed, in rising order, nothing twice, as all their devices do.
    fn feeds_are_sound(&mut self) -> Result<(), String> {
        let ids: Vec<String> = self.people.iter().map(|person| person.id.clone()).collect();
        for (at, one) in ids.iter().enumerate() {
            for (behind, other) in ids.iter().enumerate().skip(at + 1) {
                let (mine, theirs) = (self.feed(at, one, other)?, self.feed(behind, one, other)?);
                if mine != theirs {
                    return Err(format!("{one} and {other} see different feeds:\n{mine:?}\n{theirs:?}"));
                }
                if !mine.is_sorted_by(|(one, ..), (other, ..)| one < other) {
                    return Err(format!("the feed of {one} and {other} does not rise: {mine:?}"));
                }
                let mut names: Vec<_> = mine.iter().map(|(_, from, msg_id, _)| (from, msg_id)).collect();
                names.sort();
                if names.windows(2).any(|pair| pair.first() == pair.last()) {
                    return Err(format!("the feed of {one} and {other} has a message twice: {mine:?}"));
                }
                self.all_converge([at, behind], &mine)?;
            }
        }
        Ok(())
    }

    /// G-9, MESSAGE-5, 6, 7, 13: every device has seen each message as it is now.
    fn all_converge(&self, people: [usize; 2], feed: &[(u64, String, String, String)]) -> Result<(), String> {
        let devices = people.iter().filter_map(|at| self.people.get(*at)).flat_map(|person| &person.devices);
        for device in devices {
            for (number, _, msg_id, contents) in feed {
                let shown = device.shown.get(number);
                if shown != Some(contents) {
                    return Err(format!("{} saw {msg_id} as {shown:?}, and it is {contents:?}", device.link));
                }
            }
        }
        Ok(())
    }

    /// Number, author, msg_id and contents of every message of a feed, as a person sees it.
    fn feed(&mut self, person: usize, one: &str, other: &str) -> Result<Vec<(u64, String, String, String)>, String> {
        let link = self.device(person, 0).link.clone();
        let ask = format!("History{{feed=p2p{{from=\"{one}\" to=\"{other}\"}} entity_id=0 status=last_loaded}}");
        self.stage.publish(&link, EVENTS, record(&ask))?;
        self.stage.acknowledged(&link)?;
        let mut feed = Vec::new();
        for got in self.stage.take(&link)? {
            if let Ok(Record::History(history)) = etf::decode::<Record>(&got.payload)
                && got.topic.starts_with("actions/")
            {
                let line = |message: &Message| {
                    let (from, msg_id) = (self.at_first(text_of(&message.from)), text_of(&message.msg_id));
                    (message.id.unwrap_or_default(), from, msg_id, contents(message))
                };
                feed.extend(history.data.iter().filter_map(message).map(line));
            }
        }
        Ok(feed)
    }

    /// DLV-3: what was acknowledged does not come again.
    fn nothing_is_due(&mut self) -> Result<(), String> {
        self.everyone(World::leave);
        self.everyone(World::connect);
        self.stage.settle()?;
        for person in 0..self.people.len() {
            for device in 0..2 {
                let link = self.device(person, device).link.clone();
                for got in self.stage.take(&link)? {
                    if got.qos > 0 && !got.topic.starts_with("actions/") {
                        let what = etf::decode::<etf::Term>(&got.payload).map_err(|why| why.to_string())?;
                        return Err(format!("{link} gets again: {}", etf::text::print(&what, &proto::catalogue())));
                    }
                }
            }
        }
        Ok(())
    }

    /// DLV-6: no notice that everybody has, no cursor of nobody, no duplicate key of no message.
    fn no_orphans(&mut self) -> Result<(), String> {
        self.stage.advance(A_WHILE_MS)?;
        // The position of a device follows with its next notice: one for each account.
        for person in 0..self.people.len() {
            let link = self.device(person, 0).link.clone();
            let patch = r#"Profile{settings=[Feature{id="1" key="K" value="V" group="G"}] status=patch}"#;
            self.stage.publish(&link, EVENTS, record(patch))?;
        }
        self.stage.settle()?;
        let kept = self.rows(NOTICE)?.len();
        if kept > self.people.len() {
            return Err(format!("{kept} notices are kept that every device has taken"));
        }
        let devices: Vec<String> = self.rows(DEVICE)?.iter().filter_map(|(_, row)| client(row)).collect();
        for (key, _) in self.rows(CURSOR)? {
            let owner = key.split(|byte| *byte == 0).next().map(|owner| String::from_utf8_lossy(owner).into_owned());
            if !owner.as_ref().is_some_and(|owner| devices.contains(owner)) {
                return Err(format!("a cursor of {owner:?}, who is no device"));
            }
        }
        for (key, row) in self.rows(DUPLICATE)? {
            let sent: rows::Sent = etf::decode(&row).map_err(|why| why.to_string())?;
            let feed: Vec<&[u8]> = key.rsplitn(3, |byte| *byte == 0).collect();
            let message = rows::numbered(feed.last().copied().unwrap_or_default(), sent.id);
            if self.stage.sim.store().get(MESSAGE, &message).map_err(|why| why.to_string())?.is_none() {
                return Err(format!("a duplicate key of message {}, which is not there", sent.id));
            }
        }
        Ok(())
    }

    /// PROFILE-11: nobody is left to be told, and everybody has everybody under the number that one has.
    fn names_agree(&mut self) -> Result<(), String> {
        if !self.rows(WORK)?.is_empty() {
            return Err("some work is never done".to_owned());
        }
        let mut numbers = BTreeMap::new();
        let mut known = Vec::new();
        for person in 0..self.people.len() {
            let link = self.device(person, 0).link.clone();
            self.stage.take(&link)?;
            self.stage.publish(&link, EVENTS, record("Profile{status=get}"))?;
            self.stage.acknowledged(&link)?;
            for got in self.stage.take(&link)? {
                let Ok(Record::Profile(profile)) = etf::decode::<Record>(&got.payload) else { continue };
                numbers.insert(self.id(person), text_of(&profile.phone));
                known.push((self.id(person), contacts(&profile)));
            }
        }
        for (id, contacts) in known {
            let others: BTreeSet<String> = numbers
                .iter()
                .filter(|(other, _)| **other != id)
                .map(|(other, number)| format!("{number}_{}", other.split('_').next_back().unwrap_or_default()))
                .collect();
            if contacts != others {
                return Err(format!("{id} has the contacts {contacts:?}, and they are {others:?}"));
            }
        }
        Ok(())
    }

    /// SEARCH: the card of an account says what its rows say.
    fn cards_agree(&self) -> Result<(), String> {
        let read = |table| Ok::<BTreeMap<Bytes, Bytes>, String>(self.rows(table)?.into_iter().collect());
        let (rosters, nicks, keys, cards) = (read(ROSTER)?, read(NICK_OF)?, read(KEYS)?, read(CARD)?);
        let mut expected = BTreeMap::new();
        for (phone, row) in self.rows(PROFILE)? {
            let profile: Profile = decoded(Some(&row))?;
            let Some(default) = rows::roster_ids_of(&profile).next() else { continue };
            let default = Phone::parse(&phone).map_err(|why| why.to_string())?.roster(default);
            let of = default.to_bytes();
            let (roster, nicked, keys) =
                (decoded(rosters.get(&of))?, decoded(nicks.get(&of))?, decoded(keys.get(&phone))?);
            expected.insert(phone, rows::encode(&Card::new(&profile, &default, roster, nicked, keys)));
        }
        match cards == expected {
            true => Ok(()),
            false => Err(format!("cards are {cards:?}, and the rows say {expected:?}")),
        }
    }

    /// Who was in the den, and when.
    fn den(&self) -> Result<BTreeMap<String, Membership>, String> {
        let mut den = BTreeMap::new();
        for person in &self.people {
            let key = format!("{}/{DEN}", person.id);
            let row = self.stage.sim.store().get(IN_ROOM, key.as_bytes()).map_err(|why| why.to_string())?;
            if let Some(row) = row {
                den.insert(person.id.clone(), etf::decode(&row).map_err(|why| why.to_string())?);
            }
        }
        Ok(den)
    }

    /// TOPIC-4: a device hears what is said while its roster is in the room, and nothing else. Rows of rooms belong together.
    fn rooms_are_sound(&mut self) -> Result<(), String> {
        let den = self.den()?;
        for (link, number) in &self.heard {
            let person = self.people.iter().find(|person| person.devices.iter().any(|device| device.link == *link));
            let id = person.map(|person| person.id.clone()).unwrap_or_default();
            if !hears(&den, &id, *number) {
                return Err(format!("{link} heard message {number} of the den and was not in it: {:?}", den.get(&id)));
            }
        }
        let members: BTreeSet<(Bytes, u64)> = self
            .rows(MEMBER)?
            .iter()
            .map(|(key, _)| {
                let feed = key.split(|byte| *byte == 0).next().unwrap_or_default();
                (Bytes::copy_from_slice(feed), rows::number(key).unwrap_or_default())
            })
            .collect();
        for (key, row) in self.rows(IN_ROOM)? {
            let membership: Membership = etf::decode(&row).map_err(|why| why.to_string())?;
            let room = key.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            let feed = Bytes::from([b"r/", room].concat());
            if membership.is_present() != members.contains(&(feed, membership.id)) {
                return Err(format!("{key:?} and the room disagree: {membership:?}"));
            }
        }
        for (id, row) in self.rows(ROOM)? {
            let row: RoomRow = etf::decode(&row).map_err(|why| why.to_string())?;
            let feed = Bytes::from([b"r/", &id[..]].concat());
            let own: Vec<u64> = members.iter().filter(|(key, _)| *key == feed).map(|(_, id)| *id).collect();
            let news = self.rows(NEWS)?.iter().filter(|(key, _)| key.starts_with(&feed)).count() as u64;
            if row.ended != 0 || row.members != own.len() as u64 || row.news != news || !owned(&row, &own) {
                return Err(format!("{id:?} with the members {own:?} and {news} news says {row:?}"));
            }
        }
        let rooms: BTreeSet<Bytes> =
            self.rows(ROOM)?.iter().map(|(id, _)| Bytes::from([b"r/", &id[..]].concat())).collect();
        for table in [MESSAGE, MEMBER, NEWS, READ_BY, READER, CHANGE, CHANGED, DUPLICATE] {
            for (key, _) in self.rows(table)? {
                let feed = key.split(|byte| *byte == 0).next().unwrap_or_default();
                if feed.starts_with(b"r/") && !rooms.contains(feed) {
                    return Err(format!("{key:?} of {table:?} is of a room that is no more"));
                }
            }
        }
        for (key, _) in self.rows(READ_BY)? {
            let feed = key.split(|byte| *byte == 0).next().unwrap_or_default();
            if !members.contains(&(Bytes::copy_from_slice(feed), rows::number(&key).unwrap_or_default())) {
                return Err(format!("{key:?} is a reader who is no member"));
            }
        }
        Ok(())
    }

    fn rows(&self, table: Table) -> Result<Vec<kvs::Entry>, String> {
        tallies::rows(self.stage.store(), table)
    }
}

fn hears(den: &BTreeMap<String, Membership>, id: &str, number: u64) -> bool {
    let spans = den.get(id).map(|membership| membership.spans.as_slice()).unwrap_or_default();
    spans.iter().any(|(joined, left)| number > *joined && (*left == 0 || number <= *left))
}

/// The phone_ids in a Profile.
fn contacts(profile: &Profile) -> BTreeSet<String> {
    let rosters = profile.rosters.iter().filter_map(|entry| match entry {
        RosterEntry::Roster(roster) => Some(roster),
        _ => None,
    });
    let contacts = rosters.flat_map(|roster| &roster.userlist).filter_map(|entry| match entry {
        UserEntry::Contact(contact) => Some(text_of(&contact.phone_id)),
        UserEntry::Id(_) => None,
    });
    contacts.collect()
}

/// The first of a room's staff is its owner; all of them are members.
fn owned(row: &RoomRow, members: &[u64]) -> bool {
    !row.staff.is_empty() && row.staff.iter().all(|id| members.contains(id))
}

fn message(item: &HistoryItem) -> Option<&Message> {
    match item {
        HistoryItem::Message(message) => Some(message),
        _ => None,
    }
}

fn client(row: &[u8]) -> Option<String> {
    let device: rows::Device = etf::decode(row).ok()?;
    Some(String::from_utf8_lossy(&device.client_id).into_owned())
}

/// A row; the default where there is none.
fn decoded<T: etf::Decode + Default>(row: Option<&Bytes>) -> Result<T, String> {
    row.map_or_else(|| Ok(T::default()), |row| etf::decode(row).map_err(|why| why.to_string()))
}
