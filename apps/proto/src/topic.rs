//! Topic names (SPEC section 4): what the server reads, and the ones it writes.
mod events;
mod filter;

use std::fmt;

pub use events::{Events, ReplyForm};
pub use filter::{BadFilter, Filter};

use crate::ids::{FeedId, Phone, PhoneId, RoomId};

/// A topic name, by its row of table 4.1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Requests (TOPIC-1).
    Events(Events),
    /// Answers to one client, whose id it names.
    Actions(ReplyForm, Box<str>),
    Devices(Phone),
    /// As `Devices`, or for one roster of an account (TOPIC-14).
    Ses(Owner),
    Contacts(PhoneId),
    Ac(PhoneId),
    Muc(PhoneId),
    /// A private feed (TOPIC-7).
    Private(FeedId),
    P2p(FeedId),
    Room(RoomId),
    /// The client version, as a will (CON-6).
    Version(u32),
    /// An ordinary broker's topic (TOPIC-13).
    Free,
    /// Begins like one of ours and is none (TOPIC-8).
    Unknown,
}

/// Whose devices `ses` reaches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    Account(Phone),
    Roster(PhoneId),
}

impl Topic {
    pub fn parse(name: &str) -> Self {
        let (slash, rest) = match name.strip_prefix('/') {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let (first, rest) = match rest.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (rest, None),
        };
        if !is_ours(first) {
            return Self::Free;
        }
        let levels: Option<Vec<&str>> = rest.map(|rest| rest.split('/').collect());
        ours(slash, first, levels.as_deref().unwrap_or_default()).unwrap_or(Self::Unknown)
    }

    /// The same stream by the name the server writes (D-8): `ses`, `ac`, `p2p`.
    pub fn short(self) -> Self {
        match self {
            Self::Devices(phone) => Self::Ses(Owner::Account(phone)),
            Self::Contacts(id) => Self::Ac(id),
            Self::Private(feed) => Self::P2p(feed),
            Self::Events(_)
            | Self::Actions(..)
            | Self::Ses(_)
            | Self::Ac(_)
            | Self::Muc(_)
            | Self::P2p(_)
            | Self::Room(_)
            | Self::Version(_)
            | Self::Free
            | Self::Unknown => self,
        }
    }
}

/// The first levels of table 4.1.
const OURS: [&str; 11] =
    ["events", "actions", "devices", "ses", "contacts", "ac", "muc", "private", "p2p", "room", "version"];

fn is_ours(first: &str) -> bool {
    OURS.contains(&first)
}

/// The row whose first level is `first`. Only the two request and answer rows may begin with a slash.
fn ours(slash: bool, first: &str, levels: &[&str]) -> Option<Topic> {
    match (first, slash) {
        ("events", _) => Events::parse(slash, levels).map(Topic::Events),
        ("actions", _) => ReplyForm::parse(slash, levels).map(|(form, client)| Topic::Actions(form, client.into())),
        (_, true) => None,
        (_, false) => named(first, levels),
    }
}

fn named(first: &str, levels: &[&str]) -> Option<Topic> {
    let topic = match (first, levels) {
        ("devices", [phone]) => Topic::Devices(phone.parse().ok()?),
        ("ses", [owner]) => Topic::Ses(Owner::parse(owner)?),
        ("contacts", [id]) => Topic::Contacts(id.parse().ok()?),
        ("ac", [id]) => Topic::Ac(id.parse().ok()?),
        ("muc", [id]) => Topic::Muc(id.parse().ok()?),
        ("private", [one, other]) => Topic::Private(FeedId::p2p(one.parse().ok()?, other.parse().ok()?)),
        ("p2p", [one, other]) => Topic::P2p(FeedId::p2p(one.parse().ok()?, other.parse().ok()?)),
        ("room", [room]) => Topic::Room(room.parse().ok()?),
        ("version", [version]) => Topic::Version(version.parse().ok()?),
        _ => return None,
    };
    Some(topic)
}

impl Owner {
    fn parse(level: &str) -> Option<Self> {
        match level.contains('_') {
            true => level.parse().ok().map(Self::Roster),
            false => level.parse().ok().map(Self::Account),
        }
    }
}

impl fmt::Display for Topic {
    /// The name to publish on. Of `Events`, `Free` and `Unknown`, which the server never writes, only the kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events(_) => f.write_str("events"),
            Self::Actions(form, client) => f.write_str(&form.topic(client)),
            Self::Devices(phone) => write!(f, "devices/{phone}"),
            Self::Ses(Owner::Account(phone)) => write!(f, "ses/{phone}"),
            Self::Ses(Owner::Roster(id)) => write!(f, "ses/{id}"),
            Self::Contacts(id) => write!(f, "contacts/{id}"),
            Self::Ac(id) => write!(f, "ac/{id}"),
            Self::Muc(id) => write!(f, "muc/{id}"),
            Self::Private(feed) => feed_topic(f, "private", feed),
            Self::P2p(feed) => feed_topic(f, "p2p", feed),
            Self::Room(room) => write!(f, "room/{room}"),
            Self::Version(version) => write!(f, "version/{version}"),
            Self::Free => f.write_str("free"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// A feed's own topic: a room's is `room/<id>` whatever the family.
fn feed_topic(f: &mut fmt::Formatter<'_>, family: &str, feed: &FeedId) -> fmt::Result {
    match feed {
        FeedId::P2p(one, other) => write!(f, "{family}/{one}/{other}"),
        FeedId::Room(room) => write!(f, "room/{room}"),
    }
}

impl From<&FeedId> for Topic {
    /// Where the server publishes what belongs to a feed.
    fn from(feed: &FeedId) -> Self {
        match feed {
            FeedId::P2p(..) => Self::P2p(feed.clone()),
            FeedId::Room(room) => Self::Room(room.clone()),
        }
    }
}
