//! Events and records as lines for people, or in text notation.

use std::fmt::Write;

use proto::{Contact, ContactStatus, Message, MessageStatus, Online, PresenceStatus, Profile, Record, Stamp};

use crate::calls::text;
use crate::{Event, Peer, State};

/// One line for an event; `None` where people need none.
pub(super) fn event(event: &Event, own: Option<&str>) -> Option<String> {
    match event {
        Event::State(State::Connected) => None,
        Event::State(State::Disconnected(why)) => Some(format!("* connection lost ({why}); trying again")),
        Event::State(State::Renewed { .. }) => None,
        Event::State(State::Ended(why)) => Some(format!("* ended: {why}")),
        Event::Bytes { topic, payload } => Some(format!("* {} bytes on {topic}", payload.len())),
        Event::Record { record, .. } => match record {
            Record::Message(message) if own.is_some() && message.from.as_deref() == own.map(str::as_bytes) => None,
            Record::Message(message) => Some(self::message(message)),
            Record::Contact(contact) => self::contact(contact),
            Record::Typing(typing) => Some(format!("* {} is writing", text(&typing.phone_id))),
            Record::Auth(auth) => Some(format!("* session {}: {}", text(&auth.client_id), notation(record))),
            _ => None,
        },
    }
}

/// `[time] from: text`
pub(super) fn message(message: &Message) -> String {
    let mut line = String::new();
    if let Some(Stamp(ms)) = message.created {
        let _ = write!(line, "[{}] ", clock(ms));
    }
    let _ = write!(line, "{}: ", text(&message.from));
    match message.status {
        Some(MessageStatus::Delete | MessageStatus::Deleted) => line.push_str("(deleted)"),
        _ => {
            let parts: Vec<_> = message.files.iter().map(|part| printable(&text(&part.payload))).collect();
            line.push_str(&parts.join(" | "));
        }
    }
    if message.status == Some(MessageStatus::Edit) {
        line.push_str(" (edited)");
    }
    line
}

fn contact(contact: &Contact) -> Option<String> {
    let who = text(&contact.phone_id);
    match contact.status {
        Some(ContactStatus::Authorization) => Some(format!("* {who} wants to be friends: accept {who}")),
        Some(ContactStatus::Friend) => Some(format!("* you and {who} are friends")),
        Some(ContactStatus::Request) => Some(format!("* {who} has been asked")),
        Some(ContactStatus::Deleted) => Some(format!("* {who} is no contact any more")),
        Some(ContactStatus::Ban) => Some(format!("* {who} is blocked")),
        Some(ContactStatus::Banned) => Some(format!("* {who} has blocked you")),
        None => presence(contact.presence.as_ref()).map(|is| format!("* {who} is {is}")),
        Some(_) => None,
    }
}

fn presence(presence: Option<&PresenceStatus>) -> Option<String> {
    Some(match presence? {
        PresenceStatus::Is(Online::Online) => "online".into(),
        PresenceStatus::Is(Online::Offline) => "offline".into(),
        PresenceStatus::Text(text) => printable(&String::from_utf8_lossy(text)),
    })
}

/// `who`: a line per contact.
pub(super) fn peers(profile: &Profile) -> Vec<String> {
    let line = |peer: Peer| {
        let status = peer.contact.status.map(etf_text).unwrap_or_default();
        let is = presence(peer.contact.presence.as_ref()).unwrap_or_default();
        let unread = if peer.unread > 0 { format!("{} unread", peer.unread) } else { String::new() };
        format!("{:<24} {:<20} {status:<14} {is:<8} {unread}", peer.phone_id, printable(&peer.name))
            .trim_end()
            .to_owned()
    };
    Peer::all(profile).into_iter().map(line).collect()
}

fn etf_text(status: ContactStatus) -> String {
    format!("{status:?}").to_lowercase()
}

/// A record as logs and scenes write it.
pub(super) fn notation(record: &Record) -> String {
    match etf::Term::of(record) {
        Ok(term) => etf::text::print(&term, &proto::catalogue()),
        Err(error) => error.to_string(),
    }
}

/// Nothing that a peer writes may move the cursor or change colours.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// Hours and minutes, UTC.
fn clock(ms: u64) -> String {
    let minutes = ms / 60_000;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}
