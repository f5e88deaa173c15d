//! The names in the directory, and its entries.

use chat::directory::{Gathering, Person};
use ldap::server::{Dn, Entry};
use proto::ids::{Phone, RoomId};

use crate::clock;

/// Where everything lies.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) base: Dn,
    pub(super) people: Dn,
    pub(super) rooms: Dn,
}

impl Names {
    pub(super) fn below(base: Dn) -> Names {
        Names { people: base.child("ou", "people"), rooms: base.child("ou", "rooms"), base }
    }

    /// The number that names a person's entry.
    pub(super) fn person(&self, name: &Dn) -> Option<Phone> {
        let (kind, value) = name.own()?;
        let is_ours = kind.eq_ignore_ascii_case("uid") && name.parent().as_ref() == Some(&self.people);
        is_ours.then(|| Phone::parse(value.as_bytes()).ok()).flatten()
    }

    /// The room that names an entry.
    pub(super) fn room(&self, name: &Dn) -> Option<RoomId> {
        let (kind, value) = name.own()?;
        let is_ours = kind.eq_ignore_ascii_case("uid") && name.parent().as_ref() == Some(&self.rooms);
        is_ours.then(|| RoomId::parse(value.as_bytes()).ok()).flatten()
    }

    pub(super) fn of_person(&self, number: &Phone) -> Dn {
        self.people.child("uid", number.as_str())
    }

    /// What is there whoever asks.
    pub(super) fn fixed(&self) -> [Entry; 3] {
        let (kind, value) = self.base.own().unwrap_or(("o", "CHAT"));
        let class = match &kind.to_ascii_lowercase()[..] {
            "dc" => "domain",
            "ou" => "organizationalUnit",
            _ => "organization",
        };
        let mut base = Entry::new(self.base.clone(), &[class, "top"]);
        base.put(kind, &[value]);
        let unit = |dn: &Dn, name: &str| {
            let mut unit = Entry::new(dn.clone(), &["organizationalUnit", "top"]);
            unit.put("ou", &[name]);
            unit.put("hasSubordinates", &["TRUE"]);
            unit
        };
        base.put("hasSubordinates", &["TRUE"]);
        [base, unit(&self.people, "people"), unit(&self.rooms, "rooms")]
    }

    pub(super) fn person_entry(&self, person: &Person) -> Entry {
        let text = |bytes: &Option<bytes::Bytes>| {
            bytes.as_deref().map(String::from_utf8_lossy).unwrap_or_default().trim().to_owned()
        };
        let (given, surname, nick) = (text(&person.names), text(&person.surnames), text(&person.nick));
        let number = person.number.as_str();
        let whole = format!("{given} {surname}").trim().to_owned();
        // Every person of LDAP has a name and a surname; ours need not.
        let first = |all: &[&str]| all.iter().find(|text| !text.is_empty()).map_or(number, |text| *text).to_owned();
        let classes = ["inetOrgPerson", "organizationalPerson", "person", "top"];
        let mut entry = Entry::new(self.of_person(&person.number), &classes);
        entry.put("uid", &[number]);
        if !nick.eq_ignore_ascii_case(number) {
            entry.put("uid", &[&nick]);
        }
        entry.put("cn", &[first(&[&whole, &nick])]);
        entry.put("sn", &[first(&[&surname, &given, &nick])]);
        entry.put("givenName", &[&given]);
        entry.put("displayName", &[first(&[&nick, &whole])]);
        if person.number.is_number() {
            entry.put("telephoneNumber", &[format!("+{number}")]);
        }
        entry.put("mail", &person.emails);
        entry.put("userCertificate", &person.certificates);
        stamps(&mut entry, person.created, person.updated);
        entry
    }

    pub(super) fn room_entry(&self, room: &Gathering) -> Entry {
        let id = room.room.as_str();
        let mut entry = Entry::new(self.rooms.child("uid", id), &["groupOfNames", "uidObject", "top"]);
        entry.put("uid", &[id]);
        let name = String::from_utf8_lossy(&room.name);
        entry.put("cn", &[if name.trim().is_empty() { id } else { &name[..] }]);
        entry.put("description", room.description.as_slice());
        let members: Vec<String> = room.members.iter().map(|number| self.of_person(number).to_string()).collect();
        entry.put("owner", members.first().as_slice());
        entry.put("member", &members);
        stamps(&mut entry, room.created, room.updated);
        entry
    }
}

fn stamps(entry: &mut Entry, created: u64, updated: u64) {
    let at = |millis: u64| clock::utc_ms(millis).replace(['-', ':', 'T'], "");
    entry.put("createTimestamp", &[at(created)]);
    entry.put("modifyTimestamp", &[at(updated.max(created))]);
}
