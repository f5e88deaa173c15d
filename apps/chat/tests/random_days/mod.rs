//! What random days have in common, whoever lives them.

use bytes::Bytes;
use chat_core::Name;
use etf::text::parse;
use proto::Record;
use proto::ids::{FeedId, PhoneId};
use proto::records::{Io, Message, MessageStatus, Profile, Roster, RosterEntry, RosterId};
use scene::{EVENTS, Hello, Log, Simulated, Stage};

/// What a device is given when it registers.
pub(crate) struct Registered {
    pub(crate) client: String,
    pub(crate) token: Bytes,
    pub(crate) profile: Box<Profile>,
}

/// AUTH-1 by a fake number, on a connection of its own.
pub(crate) fn register(stage: &mut Simulated, link: &str, phone: &str, key: &str) -> Registered {
    let hello = Hello { client_id: format!("reg_{link}").replace(' ', "_"), ..Hello::default() };
    stage.connect(link, &hello).expect("connects");
    let text = format!("Auth{{type=reg dev_key=\"{key}\" phone={{fake,\"{phone}\"}}}}");
    stage.publish(link, EVENTS, record(&text)).expect("is connected");
    let (mut handed, mut whole) = (None, None);
    for got in stage.take(link).expect("comes") {
        match etf::decode::<Record>(&got.payload) {
            Ok(Record::Io(io)) => handed = handed.or(login(&io)),
            Ok(Record::Profile(profile)) => whole = Some(profile),
            _ => {}
        }
    }
    stage.disconnect(link, true).expect("closes");
    match (handed, whole) {
        (Some((client, token)), Some(profile)) => Registered { client, token, profile },
        (_, _) => panic!("{link} could not register"),
    }
}

/// AUTH-4, AUTH-5: the client id and the token that a device is handed.
pub(crate) fn login(io: &Io) -> Option<(String, Bytes)> {
    let ("login", handed) = io.success()? else { return None };
    let [client, token] = handed.as_tuple().expect("a pair") else { return None };
    let client = String::from_utf8_lossy(client.as_binary().expect("an id")).into_owned();
    Some((client, token.as_binary().expect("a token").clone()))
}

/// One of the processes that a feed or its parties have, by a number from 0.
pub(crate) fn process(at: usize, one: &str, other: &str, rooms: [&str; 2]) -> Name {
    let id = |text: &str| PhoneId::parse(text.as_bytes()).expect("a phone_id");
    let room = |name: &str| Name::Conversation(FeedId::Room(name.parse().expect("a room id")));
    match at {
        0 => Name::Profile(id(one).phone().clone()),
        1 => Name::Mail(id(one).phone().clone()),
        2 => Name::Roster(id(one)),
        3 => room(rooms[0]),
        4 => room(rooms[1]),
        _ => Name::Conversation(FeedId::p2p(id(one), id(other))),
    }
}

/// The server loses power and starts again; where it is lucky, some of what was not flushed is there.
pub(crate) fn crash(stage: &mut Simulated, log: &Log, lucky: bool) {
    log.line(if lucky { "the server loses power, some of it was written" } else { "the server loses power" });
    if lucky {
        stage.sim.crash_lucky();
    }
    stage.crash().expect("starts again");
}

pub(crate) fn record(text: &str) -> Bytes {
    etf::encode(&parse(text, &proto::catalogue()).unwrap_or_else(|why| panic!("{text}: {why}")))
}

/// What a message says, and whether it is only announced.
pub(crate) fn contents(message: &Message) -> String {
    let parts = message.files.iter().map(|part| text_of(&part.payload));
    let pending = if message.status == Some(MessageStatus::Async) { "pending" } else { "whole" };
    parts.chain([pending.to_owned()]).collect::<Vec<_>>().join(" ")
}

pub(crate) fn text_of(bytes: &Option<Bytes>) -> String {
    bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

/// The number of a roster of a profile.
pub(crate) fn number(entry: &RosterEntry) -> Option<u64> {
    match entry {
        RosterEntry::Roster(roster) => roster_number(roster),
        RosterEntry::Id(id) => Some(*id),
        RosterEntry::Name(_) => None,
    }
}

pub(crate) fn roster_number(roster: &Roster) -> Option<u64> {
    match &roster.id {
        Some(RosterId::Number(id)) => Some(*id),
        _ => None,
    }
}
