//! What a device knows: made of what it received and fetched, and of nothing else.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proto::Record;
use proto::records::{
    Contact, ContactStatus, Feature, Feed, History, HistoryFeed, HistoryStatus, Member, MemberStatus, Message,
    MessageStatus, Profile, ProfileStatus, Room, RoomStatus, RoomType, Roster, RosterEntry, RosterStatus, Star,
    StarStatus, Tag, TagStatus, UserEntry, Value,
};

use crate::random_days::{contents, number, roster_number, text_of};

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct View {
    pub(crate) rosters: BTreeMap<u64, Face>,
    /// group/key and value.
    pub(crate) settings: BTreeMap<String, String>,
}

/// An own roster.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Face {
    pub(crate) called: Called,
    pub(crate) contacts: BTreeMap<String, Contacted>,
    pub(crate) rooms: BTreeMap<String, Place>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Of which message each is.
    pub(crate) stars: BTreeMap<u64, u64>,
}

/// What it is to the roster, and what it is called.
pub(crate) type Contacted = (Option<ContactStatus>, Called);

/// Names, surnames, nick, avatar.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Called([String; 4]);

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) channel: bool,
    /// By phone_id.
    pub(crate) roles: BTreeMap<String, Option<MemberStatus>>,
}

/// A message as it was seen last.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Shown {
    pub(crate) feed: String,
    pub(crate) msg_id: String,
    pub(crate) from: String,
    pub(crate) contents: String,
}

/// A device's view, and what else it has seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    pub(crate) now: View,
    pub(crate) shown: BTreeMap<u64, Shown>,
    /// Up to which message each feed was cleared: what is still in the queue is not shown.
    cleared: BTreeMap<String, u64>,
    /// Of the last Profile that was complete.
    pub(crate) update: Option<u64>,
}

impl Called {
    /// What is said; what is not stays.
    fn said(&mut self, given: [&Option<Bytes>; 4]) {
        for (known, given) in self.0.iter_mut().zip(given) {
            if let Some(given) = given {
                *known = text(given);
            }
        }
    }
}

impl Book {
    /// Something that came; `own` is the account's number.
    pub(crate) fn hears(&mut self, own: &str, topic: &str, payload: &Bytes) {
        let Ok(record) = etf::decode::<Record>(payload) else { return };
        let default = self.now.rosters.keys().next().copied();
        let answered = topic.starts_with("actions/");
        match record {
            Record::Profile(profile) => self.profile(&profile, answered),
            Record::Roster(roster) if !answered || roster.status == Some(RosterStatus::Create) => self.roster(&roster),
            Record::Contact(contact) => self.contact(own, topic, &contact),
            Record::Tag(tag) => self.on(own, topic, |face| face.tag(&tag)),
            Record::Star(star) => self.on(own, topic, |face| face.star(&star)),
            Record::Room(room) => self.room(own, topic, &room),
            Record::Member(member) if topic.starts_with("room/") || answered => self.member(&member),
            Record::Message(message) if !answered => self.message(topic, &message),
            Record::History(history) if topic.starts_with("ses/") => self.cleared(&history),
            _ => {}
        }
        if default.is_some() && default != self.now.rosters.keys().next().copied() {
            // What comes again of the default roster that was would be taken for the present one's (TOPIC-14).
            self.update = None;
        }
    }

    /// The roster that a notice is about: the default one unless the topic says.
    fn on(&mut self, own: &str, topic: &str, act: impl FnOnce(&mut Face)) {
        let Some(of) = topic.strip_prefix("ses/") else { return };
        let face = match of.strip_prefix(own).and_then(|rest| rest.strip_prefix('_')) {
            Some(roster) => roster.parse().ok().and_then(|roster: u64| self.now.rosters.get_mut(&roster)),
            None => self.now.rosters.values_mut().next(),
        };
        if let Some(face) = face {
            act(face);
        }
    }

    fn profile(&mut self, profile: &Profile, answered: bool) {
        match profile.status {
            Some(ProfileStatus::Set | ProfileStatus::Patch) => self.now.settings = settings(&profile.settings),
            Some(ProfileStatus::Delete) if answered => {
                let left: BTreeSet<u64> = profile.rosters.iter().filter_map(number).collect();
                self.now.rosters.retain(|id, _| left.contains(id));
            }
            _ => {}
        }
    }

    /// The answer to `get`: all, or what has changed.
    pub(crate) fn fetched(&mut self, profile: &Profile, all: bool) {
        if all {
            self.now = View::default();
        }
        self.now.settings = settings(&profile.settings);
        let there: BTreeSet<u64> = profile.rosters.iter().filter_map(number).collect();
        self.now.rosters.retain(|id, _| there.contains(id));
        for roster in profile.rosters.iter().filter_map(roster_of) {
            let face = self.now.rosters.entry(roster_number(roster).unwrap_or_default()).or_default();
            face.called = Called::default();
            face.called.said([&roster.names, &roster.surnames, &roster.nick, &roster.avatar]);
            for contact in roster.userlist.iter().filter_map(contact_of) {
                face.contact(contact, true);
            }
            for room in &roster.roomlist {
                match room.status {
                    Some(RoomStatus::Removed) => face.rooms.remove(&text_of(&room.id)),
                    _ => face.rooms.insert(text_of(&room.id), Place::of(room)),
                };
            }
            face.tags = roster.tags.iter().map(|tag| (text_of(&tag.name), text_of(&tag.color))).collect();
            face.stars = roster.favorite.iter().filter_map(|star| Some((star.id?, starred(star)?))).collect();
        }
        self.update = profile.update;
    }

    fn roster(&mut self, roster: &Roster) {
        let Some(id) = roster_number(roster) else { return };
        match roster.status {
            Some(RosterStatus::Remove) => {
                self.now.rosters.remove(&id);
            }
            Some(RosterStatus::Create | RosterStatus::Patch | RosterStatus::Update | RosterStatus::Nick) => {
                let face = self.now.rosters.entry(id).or_default();
                face.called.said([&roster.names, &roster.surnames, &roster.nick, &roster.avatar]);
            }
            _ => {}
        }
    }

    fn contact(&mut self, own: &str, topic: &str, contact: &Contact) {
        if topic.starts_with("ses/") {
            self.on(own, topic, |face| face.contact(contact, false));
        } else if topic.starts_with("ac/") {
            self.now.rosters.values_mut().for_each(|face| face.told_of(contact));
        }
    }

    fn room(&mut self, own: &str, topic: &str, room: &Room) {
        let id = text_of(&room.id);
        let named = || room.admins.iter().chain(&room.members).map(|member| text_of(&member.phone_id));
        let mine = |phone_id: &str| {
            let (number, roster) = phone_id.rsplit_once('_')?;
            (number == own).then(|| roster.parse::<u64>().ok()).flatten()
        };
        let whose: Vec<u64> = named().filter_map(|phone_id| mine(&phone_id)).collect();
        match room.status {
            Some(RoomStatus::Create | RoomStatus::Add | RoomStatus::Join) if room.name.is_some() => {
                for (_, face) in self.now.rosters.iter_mut().filter(|(roster, _)| whose.contains(roster)) {
                    face.rooms.insert(id.clone(), Place::of(room));
                }
            }
            Some(RoomStatus::Removed | RoomStatus::Delete) if topic.starts_with("ses/") => {
                self.on(own, topic, |face| {
                    face.rooms.remove(&id);
                });
            }
            Some(RoomStatus::Delete) => self.now.rosters.values_mut().for_each(|face| {
                face.rooms.remove(&id);
            }),
            Some(RoomStatus::Remove | RoomStatus::Leave | RoomStatus::Ban) => {
                for (roster, face) in &mut self.now.rosters {
                    if whose.contains(roster) {
                        face.rooms.remove(&id);
                    } else if let Some(place) = face.rooms.get_mut(&id) {
                        named().for_each(|member| {
                            place.roles.remove(&member);
                        });
                    }
                }
            }
            Some(RoomStatus::Add | RoomStatus::Joined | RoomStatus::Patch) => {
                for place in self.now.rosters.values_mut().filter_map(|face| face.rooms.get_mut(&id)) {
                    place.told(room);
                }
            }
            _ => {}
        }
    }

    fn member(&mut self, member: &Member) {
        let Some(Feed::Muc(room)) = &member.feed_id else { return };
        let id = text_of(&room.name);
        let Some(role @ (MemberStatus::Owner | MemberStatus::Admin | MemberStatus::Member)) = member.status else {
            return;
        };
        for place in self.now.rosters.values_mut().filter_map(|face| face.rooms.get_mut(&id)) {
            if role == MemberStatus::Owner {
                // There is exactly one; who has handed over is an admin (ROOM-17).
                place.roles.values_mut().filter(|role| **role == Some(MemberStatus::Owner)).for_each(|role| {
                    *role = Some(MemberStatus::Admin);
                });
            }
            if !place.channel || role != MemberStatus::Member {
                place.roles.insert(text_of(&member.phone_id), Some(role));
            } else {
                place.roles.remove(&text_of(&member.phone_id));
            }
        }
    }

    fn message(&mut self, topic: &str, message: &Message) {
        let Some(id) = message.id else { return };
        match message.status {
            Some(MessageStatus::Delete) => {
                self.shown.remove(&id);
            }
            // It tells which replies there are (MESSAGE-8).
            _ if message.msg_id.is_none() => {}
            _ => {
                let feed = match topic.split_once('/') {
                    Some(("room", room)) => format!("muc{{name=\"{room}\"}}"),
                    _ => feed(message.feed_id.as_ref()),
                };
                if self.cleared.get(&feed).is_none_or(|mark| *mark < id) {
                    self.shown.insert(
                        id,
                        Shown {
                            feed,
                            msg_id: text_of(&message.msg_id),
                            from: text_of(&message.from),
                            contents: contents(message),
                        },
                    );
                }
            }
        }
    }

    /// HISTORY-5.
    fn cleared(&mut self, history: &History) {
        if history.status == Some(HistoryStatus::Delete)
            && let Some(HistoryFeed::Feed(of)) = &history.feed
        {
            let feed = feed(Some(of));
            let mark = history.entity_id.unwrap_or_default();
            self.shown.retain(|id, shown| *id > mark || shown.feed != feed);
            self.cleared.insert(feed, mark);
        }
    }
}

impl Face {
    /// A contact as it is for this roster.
    fn contact(&mut self, contact: &Contact, whole: bool) {
        let key = text_of(&contact.phone_id);
        match contact.status {
            Some(ContactStatus::Deleted) => {
                self.contacts.remove(&key);
            }
            // How far one has read.
            Some(ContactStatus::LastMsg) if !whole => {}
            // What one's own presence is, or what the phone book has for one who has no name any more.
            None if !whole => self.told_of(contact),
            status => {
                let (known, called) = self.contacts.entry(key).or_default();
                (*known, *called) = (status, if whole { Called::default() } else { called.clone() });
                called.said([&contact.names, &contact.surnames, &contact.nick, &contact.avatar]);
            }
        }
    }

    /// What a contact shows of itself.
    fn told_of(&mut self, contact: &Contact) {
        let key = text_of(&contact.phone_id);
        if contact.status == Some(ContactStatus::Deleted) {
            self.contacts.remove(&key);
        } else if let Some((_, called)) = self.contacts.get_mut(&key) {
            called.said([&contact.names, &contact.surnames, &contact.nick, &contact.avatar]);
        }
    }

    fn tag(&mut self, tag: &Tag) {
        let name = text_of(&tag.name);
        match tag.status {
            Some(TagStatus::Remove) => self.tags.remove(&name),
            _ => self.tags.insert(name, text_of(&tag.color)),
        };
    }

    fn star(&mut self, star: &Star) {
        match (star.status, star.id, starred(star)) {
            (Some(StarStatus::Remove), Some(id), _) => self.stars.remove(&id),
            (_, Some(id), Some(message)) => self.stars.insert(id, message),
            _ => None,
        };
    }
}

impl Place {
    fn of(room: &Room) -> Place {
        let mut place = Place { channel: room.r#type == Some(RoomType::Channel), ..Place::default() };
        place.told(room);
        place
    }

    /// What is said of the room; what is not stays.
    fn told(&mut self, room: &Room) {
        if let Some(name) = &room.name {
            self.name = text(name);
        }
        if let Some(description) = &room.description {
            self.description = text(description);
        }
        for admin in &room.admins {
            self.roles.insert(text_of(&admin.phone_id), admin.status);
        }
        for member in &room.members {
            if !self.channel {
                self.roles.insert(text_of(&member.phone_id), member.status);
            } else {
                self.roles.remove(&text_of(&member.phone_id));
            }
        }
    }
}

fn starred(star: &Star) -> Option<u64> {
    star.message.as_ref().and_then(|message| message.id)
}

fn settings(features: &[Feature]) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for feature in features {
        let key = format!("{}/{}", text_of(&feature.group), text_of(&feature.key));
        let value = etf::Term::of(feature).map(|term| etf::text::print(&term, &proto::catalogue())).unwrap_or_default();
        match feature.value {
            None => settings.remove(&key),
            Some(Value::Text(ref text)) if text.is_empty() => settings.remove(&key),
            Some(_) => settings.insert(key, value),
        };
    }
    settings
}

fn roster_of(entry: &RosterEntry) -> Option<&Roster> {
    match entry {
        RosterEntry::Roster(roster) => Some(roster),
        _ => None,
    }
}

fn contact_of(entry: &UserEntry) -> Option<&Contact> {
    match entry {
        UserEntry::Contact(contact) => Some(contact),
        UserEntry::Id(_) => None,
    }
}

pub(crate) fn feed(feed: Option<&Feed>) -> String {
    match feed {
        Some(Feed::P2p(p2p)) => format!("p2p{{from=\"{}\" to=\"{}\"}}", text_of(&p2p.from), text_of(&p2p.to)),
        Some(Feed::Muc(muc)) => format!("muc{{name=\"{}\"}}", text_of(&muc.name)),
        _ => String::new(),
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
