//! What answers a call, and when the answer is complete: SPEC section 6 as the asker reads it.

use bytes::Bytes;
use proto::{
    Auth, AuthAct, Data, Feed, Friend, FriendStatus, FtpStatus, History, HistoryFeed, HistoryStatus, Link, LinkStatus,
    Message, MessageStatus, Profile, ProfileStatus, Record, Room, RoomStatus, Roster, RosterStatus,
};

/// Where a record came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The reply topic (TOPIC-2).
    Reply,
    /// Any other topic: a notification.
    Notice,
}

/// What one record is to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing to this call.
    Other,
    /// Part of its answer; more follows.
    More,
    /// The end of its answer.
    Last,
}

/// What answers a call. An `io` error ends any of them.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Nothing but the acknowledgement of the PUBLISH (Ack, Typing).
    Nothing,
    /// One `io`.
    Io,
    /// An `io`; and a Profile behind it, when the `io` is a login (AUTH-1, AUTH-4).
    Login,
    /// `Ack` of this msg_id on the reply topic (MESSAGE-2).
    Accepted(Bytes),
    /// `Auth` records up to the acknowledgement of the PUBLISH (AUTH-8: their number is not said).
    Sessions,
    /// Profile in parts, `update` set in the last (PROFILE-1).
    ProfileParts,
    /// Roster in parts, `update` set in the last (ROSTER-1, 10, 11).
    RosterParts,
    /// History in parts, `size` 0 in the last (HISTORY-14).
    HistoryParts,
    /// A Contact with one of these addresses, on whatever topic (FRIEND-1, HISTORY-3).
    Contact(Vec<Bytes>),
    /// A Room with this id and status, on whatever topic (HISTORY-3, ROOM-1 to ROOM-13).
    Room(Bytes, RoomStatus),
    /// A Room with this status on the reply topic: the server says which (ROOM-1, LINK-2).
    SomeRoom(RoomStatus),
    /// This Room in parts, `update` set in the last (ROOM-2).
    RoomParts(Bytes),
    /// An `io` with a Roster, in parts, `update` set in the last (SEARCH).
    Found,
    /// A Link, and behind it the Room that it leads to (LINK-1).
    Linked,
    /// An `ftpack`. The `stop` behind the last is news and answers nothing (FTP-3).
    Transfer,
    /// The first `io`, or the first record of this atom.
    First(&'static str),
}

impl Answer {
    /// The answer that the specification promises for `request`.
    pub fn of(request: &Record) -> Answer {
        match request {
            Record::Auth(auth) => of_auth(auth),
            Record::Profile(profile) => of_profile(profile),
            Record::Roster(roster) => of_roster(roster),
            Record::Friend(friend) => of_friend(friend),
            Record::Message(message) => of_message(message),
            Record::History(history) => of_history(history),
            Record::Room(room) => of_room(room),
            Record::Link(link) => of_link(link),
            Record::Ack(_) | Record::Typing(_) | Record::Loc(_) => Answer::Nothing,
            Record::Search(_) => Answer::Found,
            Record::Init(_) => Answer::Io,
            Record::Ftp(_) | Record::Ftp10(_) => Answer::Transfer,
            other => Answer::First(other.atom()),
        }
    }

    /// What `record`, which is no `io` error, is to a call with this answer.
    pub fn step(&self, origin: Origin, record: &Record) -> Step {
        let last_if = |is: bool| if is { Step::Last } else { Step::Other };
        match (self, record) {
            (Answer::Login, Record::Io(_)) => {
                if is_login(record) {
                    Step::More
                } else {
                    Step::Last
                }
            }
            (Answer::Login, Record::Profile(profile)) => last_if(profile.status == Some(ProfileStatus::Init)),
            // A renewed token (AUTH-5) answers nothing that was asked.
            (_, Record::Io(_)) if is_login(record) || origin == Origin::Notice => Step::Other,
            (Answer::Found, Record::Io(io)) => match &io.data {
                Some(Data::Roster(part)) => part_step(part.update.is_some_and(|time| time > 0)),
                _ => Step::Last,
            },
            (Answer::Io | Answer::Transfer | Answer::First(_), Record::Io(_)) => Step::Last,
            (Answer::Transfer, Record::Ftpack(ack)) => last_if(!matches!(ack.status, Some(FtpStatus::Event(_)))),
            (Answer::Accepted(id), Record::Ack(ack)) => last_if(origin == Origin::Reply && ack.id.as_ref() == Some(id)),
            (Answer::Sessions, Record::Auth(auth)) if auth.act() == Some(AuthAct::Get) => Step::More,
            (Answer::ProfileParts, Record::Profile(part)) if origin == Origin::Reply => {
                part_step(part.update.is_some_and(|time| time > 0))
            }
            (Answer::RosterParts, Record::Roster(part)) if origin == Origin::Reply => {
                part_step(part.update.is_some_and(|time| time > 0))
            }
            (Answer::HistoryParts, Record::History(part)) if origin == Origin::Reply => {
                part_step(part.size.unwrap_or_default() == 0)
            }
            (Answer::Contact(who), Record::Contact(contact)) => {
                last_if(contact.phone_id.as_ref().is_some_and(|id| who.iter().any(|who| is_of(id, who))))
            }
            (Answer::Room(id, status), Record::Room(room)) => {
                last_if(room.id.as_ref() == Some(id) && room.status == Some(*status))
            }
            (Answer::SomeRoom(status), Record::Room(room)) => {
                last_if(origin == Origin::Reply && room.status == Some(*status))
            }
            (Answer::RoomParts(id), Record::Room(part)) if origin == Origin::Reply && part.id.as_ref() == Some(id) => {
                part_step(part.update.is_some_and(|time| time > 0))
            }
            (Answer::Linked, Record::Link(_)) if origin == Origin::Reply => Step::More,
            (Answer::Linked, Record::Room(room)) => {
                last_if(origin == Origin::Reply && room.status == Some(RoomStatus::Info))
            }
            (Answer::First(atom), record) => last_if(record.atom() == *atom),
            _ => Step::Other,
        }
    }

    /// Whether repeating the request after a break is safe: it is (G-7), but for what makes something new each time.
    pub fn may_repeat(request: &Record) -> bool {
        match request {
            Record::Auth(auth) => !matches!(auth.act(), Some(AuthAct::Reg | AuthAct::Verify | AuthAct::Resend)),
            Record::Roster(roster) => roster.status != Some(RosterStatus::Create),
            Record::Link(link) => link.status != Some(LinkStatus::Add) || link.id.is_some(),
            Record::Message(message) => message.msg_id.is_some() || message.id.is_some(),
            Record::Room(room) => room.id.is_some(),
            _ => true,
        }
    }
}

fn of_auth(auth: &Auth) -> Answer {
    match auth.act() {
        Some(AuthAct::Reg | AuthAct::Verify) => Answer::Login,
        Some(AuthAct::Get) => Answer::Sessions,
        Some(AuthAct::Update | AuthAct::Ver) => Answer::First("Auth"),
        _ => Answer::Io,
    }
}

fn of_profile(profile: &Profile) -> Answer {
    match profile.status {
        Some(ProfileStatus::Get | ProfileStatus::Init) => Answer::ProfileParts,
        Some(ProfileStatus::Link | ProfileStatus::Email | ProfileStatus::Migrate) => Answer::Io,
        _ => Answer::First("Profile"),
    }
}

fn of_roster(roster: &Roster) -> Answer {
    match roster.status {
        Some(RosterStatus::Get | RosterStatus::Search | RosterStatus::LastMsg) => Answer::RosterParts,
        Some(RosterStatus::List | RosterStatus::Add | RosterStatus::Del | RosterStatus::Remove) => Answer::Io,
        _ => Answer::First("Roster"),
    }
}

fn of_friend(friend: &Friend) -> Answer {
    match friend.status {
        Some(FriendStatus::Confirm | FriendStatus::Ban) => Answer::Io,
        _ => Answer::Contact(friend.friend_id.iter().cloned().collect()),
    }
}

fn of_message(message: &Message) -> Answer {
    match (message.status, &message.msg_id) {
        (Some(MessageStatus::Clear), _) | (Some(MessageStatus::Delete | MessageStatus::Deleted), None) => Answer::Io,
        (Some(MessageStatus::Update), _) | (_, None) => Answer::Nothing,
        (_, Some(id)) => Answer::Accepted(id.clone()),
    }
}

fn of_history(history: &History) -> Answer {
    match (history.status, &history.feed) {
        (Some(HistoryStatus::Delete), _) => Answer::Io,
        (Some(HistoryStatus::Update), Some(HistoryFeed::Feed(Feed::P2p(pair)))) => {
            Answer::Contact(pair.from.iter().chain(&pair.to).cloned().collect())
        }
        (Some(HistoryStatus::Update), Some(HistoryFeed::Feed(Feed::Muc(room)))) => {
            room.name.clone().map_or(Answer::First("Room"), |id| Answer::Room(id, RoomStatus::LastMsg))
        }
        _ => Answer::HistoryParts,
    }
}

fn of_room(room: &Room) -> Answer {
    match (room.status, &room.id) {
        (Some(RoomStatus::Get), Some(id)) => Answer::RoomParts(id.clone()),
        (Some(RoomStatus::Settings), Some(id)) => Answer::Room(id.clone(), RoomStatus::Patch),
        // With others named it is an `add` (ROOM-6).
        (Some(RoomStatus::Join), _) if !room.members.is_empty() => Answer::First("Room"),
        (Some(status), Some(id)) => Answer::Room(id.clone(), status),
        (Some(status), None) => Answer::SomeRoom(status),
        (None, _) => Answer::First("Room"),
    }
}

fn of_link(link: &Link) -> Answer {
    match link.status {
        Some(LinkStatus::Get) => Answer::Linked,
        Some(LinkStatus::Join) => Answer::SomeRoom(RoomStatus::Join),
        Some(LinkStatus::Check | LinkStatus::Add | LinkStatus::Update | LinkStatus::Delete) | None => {
            Answer::First("Link")
        }
    }
}

fn is_login(record: &Record) -> bool {
    matches!(record, Record::Io(io) if io.success().is_some_and(|(code, _)| code == "login"))
}

fn part_step(is_last: bool) -> Step {
    if is_last { Step::Last } else { Step::More }
}

/// `id` is the address `who`, or the address of a roster of the account `who` (ID-4: a bare phone means its default roster).
fn is_of(id: &[u8], who: &[u8]) -> bool {
    id.strip_prefix(who).is_some_and(|rest| rest.is_empty() || (rest.first() == Some(&b'_') && !who.contains(&b'_')))
}
