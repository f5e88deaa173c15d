//! The names of the chat's processes: one per client, account, roster, conversation and kind of unique name.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use proto::ids::{FeedId, Phone, PhoneId, RoomId, User};

use crate::door::Source;
use crate::rows;

/// Names one process; the ring finds its node by [`Name::key`] (SPEC PM-2, PM-4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// One per client id: connection, order of answers, delivery from the device's queue. Owns the device's cursors.
    Session(Arc<str>),
    /// One per account key, also before the account exists: profile, devices, codes.
    Profile(Phone),
    /// One per roster: names, phone book.
    Roster(PhoneId),
    /// One per pair or room: relation, feed, readers.
    Conversation(FeedId),
    /// One per account: its transfers, and the files that it has uploaded (FTP).
    Files(Phone),
    /// One per account: forgets notices that every device has taken.
    Mail(Phone),
    /// One: which roster has which nick (ID-17).
    Nicks,
    /// One: which room has claimed which link (LINK-3).
    Links,
    /// One: the packs of stickers (STICKER-1).
    Stickers,
    /// One: wakes conversations when something is due.
    Agenda,
    /// One per `/ws` connection that speaks to mailboxes, by the number of its port: who it is now, for whom it is registered (MAIL).
    Terminal(u64),
    /// One per user of the mailboxes: the box.
    Mailbox(User),
    /// One per group box: who has joined, what is still to be handed out (MAILR-3).
    Circle(User),
    /// One per source address from which codes were asked for.
    Source(Source),
}

impl Name {
    /// The session of a client. A client id that is no text is named by its escaped form; it never passes CON-3.
    pub fn session(client_id: &Bytes) -> Name {
        Name::Session(String::from_utf8_lossy(client_id).as_ref().into())
    }

    /// What the ring hashes: sessions by client id, all others by what they own.
    pub fn key(&self) -> Cow<'_, [u8]> {
        match self {
            Name::Session(client) => Cow::Borrowed(client.as_bytes()),
            Name::Profile(phone) | Name::Mail(phone) | Name::Files(phone) => Cow::Borrowed(phone.as_str().as_bytes()),
            Name::Roster(roster) => Cow::Borrowed(roster.phone().as_str().as_bytes()),
            Name::Conversation(feed) => Cow::Owned(feed.key().to_vec()),
            Name::Nicks => Cow::Borrowed(b"nicks"),
            Name::Links => Cow::Borrowed(b"links"),
            Name::Stickers => Cow::Borrowed(b"stickers"),
            Name::Agenda => Cow::Borrowed(b"agenda"),
            Name::Terminal(port) => Cow::Owned(port.to_be_bytes().to_vec()),
            Name::Mailbox(user) | Name::Circle(user) => Cow::Borrowed(user.as_str().as_bytes()),
            Name::Source(source) => Cow::Borrowed(&source.0),
        }
    }

    /// The branch of the process tree that the operator sees it on.
    pub fn kind(&self) -> &'static str {
        match self {
            Name::Session(_) => "session",
            Name::Profile(_) => "profile",
            Name::Roster(_) => "roster",
            Name::Conversation(_) => "conversation",
            Name::Mail(_) => "mail",
            Name::Files(_) => "files",
            Name::Nicks | Name::Links | Name::Stickers => "index",
            Name::Agenda => "agenda",
            Name::Terminal(_) => "terminal",
            Name::Mailbox(_) => "mailbox",
            Name::Circle(_) => "circle",
            Name::Source(_) => "source",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Session(client) => write!(f, "session/{client}"),
            Name::Profile(phone) => write!(f, "profile/{phone}"),
            Name::Roster(roster) => write!(f, "roster/{roster}"),
            Name::Conversation(FeedId::P2p(a, b)) => write!(f, "conversation/{a}/{b}"),
            Name::Conversation(FeedId::Room(room)) => write!(f, "conversation/{room}"),
            Name::Mail(phone) => write!(f, "mail/{phone}"),
            Name::Files(phone) => write!(f, "files/{phone}"),
            Name::Nicks => write!(f, "index/nick"),
            Name::Links => write!(f, "index/link"),
            Name::Stickers => write!(f, "index/sticker"),
            Name::Agenda => write!(f, "agenda"),
            Name::Terminal(port) => write!(f, "terminal/{port}"),
            Name::Mailbox(user) => write!(f, "mailbox/{user}"),
            Name::Circle(name) => write!(f, "circle/{name}"),
            // It may be written to the log, so it does not say the address (SEC-10).
            Name::Source(source) => write!(f, "source/{:016x}", rows::fingerprint(&source.0)),
        }
    }
}

/// A process group: sessions and terminals that are connected now and hear the same news (SPEC section 9, "SYN/gproc").
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Those of one account.
    Account(Phone),
    /// Those of all members of a room; a session is in it once, however many of its rosters are members (G-8).
    Room(RoomId),
    /// Terminals that are registered for a user (MAIL-10).
    Mailbox(User),
    /// The process of a roster, while it remembers what its contacts are called.
    Roster(PhoneId),
    /// All of those.
    Searching,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Group::Account(phone) => write!(f, "account/{phone}"),
            Group::Room(room) => write!(f, "room/{room}"),
            Group::Mailbox(user) => write!(f, "mailbox/{user}"),
            Group::Roster(roster) => write!(f, "roster/{roster}"),
            Group::Searching => f.write_str("searching"),
        }
    }
}
