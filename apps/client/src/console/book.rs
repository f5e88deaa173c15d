//! Who is who: names for addresses and rooms, and back.

use std::collections::BTreeMap;

use proto::ids::{Address, Phone, PhoneId};
use proto::{Contact, Feed, Member, Muc, Profile, Record, Room, RoomStatus, RosterEntry, UserEntry};

use super::show::printable;
use crate::calls::text;
use crate::{Error, private};

/// Names of people that a book keeps; what comes beyond is shown by its address.
const NAMES_MAX: usize = 20_000;

/// Contacts, rooms, and the names of all who were met in them.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// The own address.
    pub(super) own: String,
    /// Name and nick by address.
    people: BTreeMap<String, Named>,
    /// Name by room id.
    rooms: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Named {
    name: String,
    nick: String,
}

/// Whom something goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// An address.
    Person(String),
    /// The id of a room.
    Room(String),
}

impl Target {
    /// What a message's `to` says.
    pub(super) fn id(&self) -> &str {
        match self {
            Target::Person(id) | Target::Room(id) => id,
        }
    }

    pub(super) fn feed(&self, own: &str) -> Result<Feed, Error> {
        match self {
            Target::Person(id) => private(own, id),
            Target::Room(id) => Ok(Feed::Muc(Muc { name: Some(id.clone().into()) })),
        }
    }
}

impl Book {
    pub(super) fn of(own: &str, profile: &Profile) -> Book {
        let mut book = Book { own: own.to_owned(), ..Book::default() };
        for roster in profile.rosters.iter().filter_map(|entry| match entry {
            RosterEntry::Roster(roster) => Some(roster),
            RosterEntry::Id(_) | RosterEntry::Name(_) => None,
        }) {
            for entry in &roster.userlist {
                if let UserEntry::Contact(contact) = entry {
                    book.meet(contact);
                }
            }
            roster.roomlist.iter().for_each(|room| book.enter(room));
        }
        book
    }

    /// Learns from what came in.
    pub(super) fn note(&mut self, record: &Record) {
        match record {
            Record::Contact(contact) => self.meet(contact),
            Record::Room(room) => self.enter(room),
            Record::Member(member) => self.meet_member(member),
            _ => {}
        }
    }

    /// A changed field is news, an absent one is not. Who is no contact any more keeps the name here.
    pub(super) fn meet(&mut self, contact: &Contact) {
        let name = format!("{} {}", text(&contact.names), text(&contact.surnames));
        self.name(&text(&contact.phone_id), name.trim(), &text(&contact.nick));
    }

    fn meet_member(&mut self, member: &Member) {
        let name = format!("{} {}", text(&member.names), text(&member.surnames));
        self.name(&text(&member.phone_id), name.trim(), "");
    }

    pub(super) fn enter(&mut self, room: &Room) {
        let id = text(&room.id);
        match room.status {
            Some(RoomStatus::Removed | RoomStatus::Delete) => {
                self.rooms.remove(&id);
            }
            // Somebody left; who it is stands in `members`.
            Some(RoomStatus::Leave) => {
                if room.members.iter().any(|member| text(&member.phone_id) == self.own) {
                    self.rooms.remove(&id);
                }
            }
            Some(_) | None => {
                let name = printable(&text(&room.name));
                if !name.is_empty() {
                    self.rooms.insert(id, name);
                }
            }
        }
        room.members.iter().chain(&room.admins).for_each(|member| self.meet_member(member));
    }

    pub(super) fn forget_room(&mut self, id: &str) {
        self.rooms.remove(id);
    }

    fn name(&mut self, id: &str, name: &str, nick: &str) {
        if id.is_empty() || (self.people.len() >= NAMES_MAX && !self.people.contains_key(id)) {
            return;
        }
        let known = self.people.entry(id.to_owned()).or_default();
        for (field, new) in [(&mut known.name, name), (&mut known.nick, nick)] {
            if !new.is_empty() {
                *field = printable(new);
            }
        }
    }

    /// The name of a person, else the nick, else the address.
    pub(super) fn person(&self, id: &str) -> String {
        let known = self.people.get(id).map(|known| [&known.name, &known.nick]);
        let name = known.into_iter().flatten().find(|name| !name.is_empty());
        name.map_or_else(|| printable(id), Clone::clone)
    }

    /// The same by account key, as far as one of its addresses is known.
    pub(super) fn person_of(&self, phone: &str) -> String {
        let prefix = format!("{phone}_");
        let id = self.people.range(prefix.clone()..).next().map(|(id, _)| id).filter(|id| id.starts_with(&prefix));
        id.map_or_else(|| printable(phone), |id| self.person(id))
    }

    /// With the address behind the name, for whom one does not know yet.
    pub(super) fn introduce(&self, id: &str) -> String {
        let name = self.person(id);
        if name == id { name } else { format!("{name} ({})", printable(id)) }
    }

    pub(super) fn room(&self, id: &str) -> String {
        self.rooms.get(id).cloned().unwrap_or_else(|| printable(id))
    }

    pub(super) fn target(&self, target: &Target) -> String {
        match target {
            Target::Person(id) => self.person(id),
            Target::Room(id) => self.room(id),
        }
    }

    /// A room by its id, or by its name in any case.
    pub(super) fn find_room(&self, word: &str) -> Result<Target, Error> {
        if self.rooms.contains_key(word) {
            return Ok(Target::Room(word.to_owned()));
        }
        let ids = self.rooms.iter().filter(|(_, name)| same(name, word)).map(|(id, _)| Target::Room(id.clone()));
        one(word, ids.collect())?.ok_or_else(|| Error::local(format!("no room {word} here; who shows them")))
    }

    /// Somebody by address, number, nick or name; an address or number that is not known is taken as it is.
    pub(super) fn find_person(&self, word: &str) -> Result<String, Error> {
        match self.known_person(word)? {
            Some(id) => Ok(id),
            None if Address::parse(word.as_bytes()).is_ok() => Ok(word.to_owned()),
            None => Err(Error::local(format!("nobody is called {word}"))),
        }
    }

    /// A person or a room; a number or handle alone is not enough to write to somebody who is not known.
    pub(super) fn find(&self, word: &str) -> Result<Target, Error> {
        if let Some(id) = self.known_person(word)? {
            return Ok(Target::Person(id));
        }
        self.find_room(word).map_err(|_| Error::local(format!("neither a friend nor a room is called {word}")))
    }

    /// Somebody of the book, or any full address.
    pub(super) fn known_person(&self, word: &str) -> Result<Option<String>, Error> {
        if PhoneId::parse(word.as_bytes()).is_ok() {
            return Ok(Some(word.to_owned()));
        }
        if let Ok(phone) = Phone::parse(word.as_bytes()) {
            let prefix = format!("{phone}_");
            if let Some(id) = self.people.keys().chain([&self.own]).find(|id| id.starts_with(&prefix)) {
                return Ok(Some(id.clone()));
            }
        }
        let is = |known: &Named| same(&known.nick, word) || same(&known.name, word);
        one(word, self.people.iter().filter(|(_, known)| is(known)).map(|(id, _)| id.clone()).collect())
    }
}

fn same(name: &str, word: &str) -> bool {
    !name.is_empty() && name.to_lowercase() == word.to_lowercase()
}

/// The one that fits; several are for the person to decide.
fn one<T: std::fmt::Debug>(word: &str, found: Vec<T>) -> Result<Option<T>, Error> {
    match found.len() {
        0 | 1 => Ok(found.into_iter().next()),
        _ => Err(Error::local(format!("{word} may be several; say which by its address or id: {found:?}"))),
    }
}
