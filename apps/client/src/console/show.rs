//! Events and records as lines for people, or in text notation.

mod message;

use proto::{Contact, ContactStatus, Member, Online, PresenceStatus, Profile, Record, Room, RoomStatus, RosterEntry};

pub(super) use message::{file_name, message};

use super::book::Book;
use crate::calls::text;
use crate::{Event, Peer, State};

/// One line for an event; `None` where people need none.
pub(super) fn event(event: &Event, book: &Book) -> Option<String> {
    match event {
        Event::State(State::Connected | State::Renewed { .. }) => None,
        Event::State(State::Disconnected(why)) => Some(format!("* connection lost ({why}); trying again")),
        Event::State(State::Ended(why)) => Some(format!("* ended: {why}")),
        Event::Bytes { topic, payload } => Some(format!("* {} bytes on {topic}", payload.len())),
        Event::Record { record, .. } => match record {
            Record::Message(message) => self::message(message, "", book),
            Record::Contact(contact) => self::contact(contact, book),
            Record::Room(room) => self::room(room, book),
            Record::Auth(auth) => Some(match auth.act() {
                Some(proto::AuthAct::Verified) => format!("* a new device: {}", text(&auth.client_id)),
                Some(proto::AuthAct::Deleted) => format!("* {} is logged out", text(&auth.client_id)),
                _ => format!("* session {}: {}", text(&auth.client_id), notation(record)),
            }),
            _ => None,
        },
    }
}

fn contact(contact: &Contact, book: &Book) -> Option<String> {
    let id = text(&contact.phone_id);
    let who = book.introduce(&id);
    match contact.status {
        Some(ContactStatus::Authorization) => Some(format!("* {who} wants to be friends: accept {id}")),
        Some(ContactStatus::Friend) => Some(format!("* you and {who} are friends")),
        Some(ContactStatus::Request) => Some(format!("* {who} has been asked")),
        Some(ContactStatus::Deleted) => Some(format!("* {who} is no contact any more")),
        Some(ContactStatus::Ban) => Some(format!("* {who} is blocked")),
        Some(ContactStatus::Banned) => Some(format!("* {who} has blocked you")),
        None => presence(contact.presence.as_ref()).map(|is| format!("* {} is {is}", book.person(&id))),
        Some(_) => None,
    }
}

/// What a notice of a room tells that no system message does.
fn room(room: &Room, book: &Book) -> Option<String> {
    let id = text(&room.id);
    let name = book.room(&id);
    match room.status {
        Some(RoomStatus::Create | RoomStatus::Add) if !name.is_empty() && room.name.is_some() => {
            Some(format!("* you are in the room {name}: write {}", in_quotes(&name)))
        }
        Some(RoomStatus::Removed) => Some(format!("* you are out of the room {name}")),
        Some(RoomStatus::Delete) => Some(format!("* the room {name} is gone")),
        Some(_) | None => None,
    }
}

/// As `write` takes it.
pub(super) fn in_quotes(name: &str) -> String {
    if name.contains(char::is_whitespace) { format!("\"{name}\"") } else { name.to_owned() }
}

fn presence(presence: Option<&PresenceStatus>) -> Option<String> {
    Some(match presence? {
        PresenceStatus::Is(Online::Online) => "online".into(),
        PresenceStatus::Is(Online::Offline) => "offline".into(),
        PresenceStatus::Text(text) => printable(&String::from_utf8_lossy(text)),
    })
}

/// `who`: a line per contact and room.
pub(super) fn everybody(profile: &Profile) -> Vec<String> {
    let peer = |peer: Peer| {
        let status = peer.contact.status.map(|status| format!("{status:?}").to_lowercase()).unwrap_or_default();
        let is = presence(peer.contact.presence.as_ref()).unwrap_or_default();
        let nick = text(&peer.contact.nick);
        let name = if peer.name.is_empty() { nick } else { peer.name };
        row(&peer.phone_id, &name, &status, &is, peer.unread)
    };
    let rooms = profile.rosters.iter().flat_map(|entry| match entry {
        RosterEntry::Roster(roster) => roster.roomlist.as_slice(),
        RosterEntry::Id(_) | RosterEntry::Name(_) => &[],
    });
    let room = |room: &Room| {
        let people = room.members.len() + room.admins.len();
        let people = if people == 0 { String::new() } else { format!("{people} people") };
        row(&text(&room.name), "", &kind(room), &people, room.unread.unwrap_or_default())
    };
    let lines: Vec<String> = Peer::all(profile).into_iter().map(peer).chain(rooms.map(room)).collect();
    if lines.is_empty() { vec!["nobody yet: friend WHO, or search nick NICK".into()] } else { lines }
}

fn row(id: &str, name: &str, status: &str, is: &str, unread: u64) -> String {
    let unread = if unread > 0 { format!("{unread} unread") } else { String::new() };
    format!("{:<24} {:<20} {status:<14} {is:<10} {unread}", printable(id), printable(name)).trim_end().to_owned()
}

/// `search`: who was found.
pub(super) fn found(contacts: &[Contact]) -> Vec<String> {
    let line = |contact: &Contact| {
        let names = [text(&contact.names), text(&contact.surnames), text(&contact.nick)];
        let names = names.iter().filter(|name| !name.is_empty()).cloned().collect::<Vec<_>>().join(" ");
        let status = contact.status.map(|status| format!("{status:?}").to_lowercase()).unwrap_or_default();
        row(&text(&contact.phone_id), &names, &status, "", 0)
    };
    if contacts.is_empty() { vec!["nobody found".into()] } else { contacts.iter().map(line).collect() }
}

/// `room info`, and a room found by its link.
pub(super) fn room_info(room: &Room) -> Vec<String> {
    let mut lines = vec![format!("{} ({}), id {}", printable(&text(&room.name)), kind(room), text(&room.id))];
    let description = text(&room.description);
    if !description.is_empty() {
        lines.push(printable(&description));
    }
    lines.extend(room.links.iter().map(|link| format!("join {}", text(&link.id))));
    let people = room.members.len() + room.admins.len();
    if people > 0 {
        lines.push(format!("{people} people, {} unread", room.unread.unwrap_or_default()));
    }
    lines
}

/// `room members`: admins first.
pub(super) fn members(room: &Room) -> Vec<String> {
    let line = |member: &Member| {
        let name = format!("{} {}", text(&member.names), text(&member.surnames));
        let name = if member.alias.is_some() { text(&member.alias) } else { name.trim().to_owned() };
        let role = member.status.map(|status| format!("{status:?}").to_lowercase()).unwrap_or_default();
        row(&text(&member.phone_id), &name, &role, "", 0)
    };
    room.admins.iter().chain(&room.members).map(line).collect()
}

fn kind(room: &Room) -> String {
    room.r#type.map_or_else(|| "room".into(), |kind| format!("{kind:?}").to_lowercase())
}

/// A record as logs and scenes write it.
pub(super) fn notation(record: &Record) -> String {
    match etf::Term::of(record) {
        Ok(term) => etf::text::print(&term, &proto::catalogue()),
        Err(error) => error.to_string(),
    }
}

/// Nothing that a peer writes may move the cursor or change colours.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}
