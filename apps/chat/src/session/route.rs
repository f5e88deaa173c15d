//! Who owns what a request is about (PM-4).

use n2o::Failure;
use proto::ids::{Address, FeedId, Phone, PhoneId, RoomId};
use proto::records::{
    Auth, AuthAct, AuthPhone, Feed, Friend, FriendStatus, History, HistoryFeed, HistoryItem, Link, LinkStatus, Member,
    Message, P2p, Room, Roster, RosterId, RosterStatus,
};
use proto::{Record, Refusal};

use crate::door::Role;
use crate::protocol::{Halt, link};
use crate::rows::{self, MEMBER_AT, PENDING, Pending, RELATION, Relation};
use crate::{Cx, Name, Who};

/// The owner of a request, once its addresses are understood. `topic` is the feed of the topic it came on (TOPIC-10).
pub(super) fn owner(cx: &Cx<'_>, who: &Who, record: &Record, topic: Option<&FeedId>) -> Result<Name, Halt> {
    if let Record::Auth(auth) = record {
        return auth_owner(cx, who, auth);
    }
    if who.role == Role::Registering {
        return Err(Refusal::PermissionDenied.into());
    }
    if is_about_stickers(record) {
        return Ok(Name::Stickers);
    }
    if is_for_services(record) {
        return service_owner(who, record);
    }
    // Of a service, which has to say for whom it asks.
    let account = who.account.as_ref().ok_or(Refusal::InvalidData)?;
    match record {
        Record::Profile(_) | Record::Presence(_) | Record::Person(_) | Record::Loc(_) => {
            Ok(Name::Profile(account.phone.clone()))
        }
        Record::Roster(roster) => roster_owner(who, roster),
        Record::Friend(friend) => friend_owner(cx, who, friend),
        Record::Message(message) => message_feed(cx, who, message, topic).map(Name::Conversation),
        Record::History(history) if matches!(history.feed, Some(HistoryFeed::Act(_))) => {
            own_roster(who, history.roster_id.as_deref()).map(Name::Roster)
        }
        Record::History(history) => history_feed(who, history).map(Name::Conversation),
        Record::Search(search) => own_roster_by_number(who, search.id).map(Name::Roster),
        Record::Tag(tag) => own_roster(who, tag.roster_id.as_deref()).map(Name::Roster),
        Record::Star(star) => own_roster_by_number(who, star.roster_id).map(Name::Roster),
        Record::Typing(typing) => match topic {
            Some(feed) => Ok(Name::Conversation(feed.clone())),
            None => typing_feed(cx, who, typing.phone_id.as_deref().unwrap_or_default()).map(Name::Conversation),
        },
        Record::Room(room) => room_feed(room).map(Name::Conversation),
        Record::Member(member) => member_feed(cx, member).map(Name::Conversation),
        Record::Link(link) => link_owner(cx, link),
        Record::Ftp(_) | Record::Ftp10(_) => Ok(Name::Files(account.phone.clone())),
        // IO-3: records that are no request.
        _ => Err(Refusal::InvalidData.into()),
    }
}

/// STICKER-1, 2: a History whose feed is packs, or that publishes some.
fn is_about_stickers(record: &Record) -> bool {
    let Record::History(history) = record else { return false };
    match &history.feed {
        Some(HistoryFeed::StickerPack(_)) => true,
        Some(HistoryFeed::Feed(_) | HistoryFeed::Act(_)) => false,
        None => matches!(history.data.first(), Some(HistoryItem::StickerPack(_))),
    }
}

/// The records that only services send (SPEC 6.18, 6.19).
fn is_for_services(record: &Record) -> bool {
    matches!(record, Record::PushService(_) | Record::PublishService(_) | Record::Index(_))
}

fn service_owner(who: &Who, record: &Record) -> Result<Name, Halt> {
    match record {
        _ if !who.is_service() => Err(Refusal::PermissionDenied.into()),
        Record::Index(_) => Ok(Name::Nicks),
        _ => Err(Refusal::NotSupported.into()),
    }
}

/// The profile of the number: of the one asked for (AUTH-1), of the pending registration (AUTH-3, 4), or the own.
fn auth_owner(cx: &Cx<'_>, who: &Who, auth: &Auth) -> Result<Name, Halt> {
    if let Some(account) = &who.account {
        return Ok(Name::Profile(account.phone.clone()));
    }
    match auth.act() {
        Some(AuthAct::Reg) => {
            let given = match &auth.phone {
                Some(AuthPhone::Number(phone)) => phone,
                Some(AuthPhone::Fake(fake)) => &fake.phone,
                None => return Err(Refusal::InvalidData.into()),
            };
            Ok(Name::Profile(Phone::parse(given).map_err(|_| Refusal::InvalidData)?))
        }
        Some(AuthAct::Resend | AuthAct::Verify | AuthAct::Voice) => Ok(Name::Profile(pending(cx, who)?)),
        Some(_) if who.role == Role::Registering => Err(Refusal::PermissionDenied.into()),
        _ => Err(Refusal::InvalidData.into()),
    }
}

fn pending(cx: &Cx<'_>, who: &Who) -> Result<Phone, Halt> {
    let pending: Option<Pending> = rows::read(cx.store, PENDING, who.session.as_bytes())?;
    let phone = pending.and_then(|pending| Phone::parse(&pending.phone).ok());
    phone.ok_or_else(|| Refusal::SessionNotFound.into())
}

fn roster_owner(who: &Who, roster: &Roster) -> Result<Name, Halt> {
    let account = who.account.as_ref().ok_or(Refusal::PermissionDenied)?;
    // Which rosters there are is the account's.
    if let Some(RosterStatus::List | RosterStatus::Create | RosterStatus::Remove) = roster.status {
        return Ok(Name::Profile(account.phone.clone()));
    }
    let own = match &roster.id {
        None => account.default_roster(),
        Some(RosterId::Number(id)) => Some(account.phone.roster(*id)),
        Some(RosterId::Name(name)) if name.is_empty() => account.default_roster(),
        Some(RosterId::Name(name)) => account.roster(name),
    };
    let own = own.filter(|own| account.owns(own)).ok_or(Refusal::RosterNotFound)?;
    match roster.status {
        Some(RosterStatus::Nick | RosterStatus::Nickid) => Ok(Name::Nicks),
        _ => Ok(Name::Roster(own)),
    }
}

/// The own roster a request names, or the default one (G-3, G-4).
fn own_roster(who: &Who, named: Option<&[u8]>) -> Result<PhoneId, Halt> {
    let account = who.account.as_ref().ok_or(Refusal::PermissionDenied)?;
    let own = match named.filter(|name| !name.is_empty()) {
        None => account.default_roster().ok_or(Refusal::RosterNotFound)?,
        Some(name) => match Address::parse_own(name, &account.phone).map_err(|_| Refusal::InvalidData)? {
            Address::Full(id) => id,
            Address::Roster(id) => account.phone.roster(id),
            Address::Phone(phone) if phone == account.phone => {
                account.default_roster().ok_or(Refusal::RosterNotFound)?
            }
            Address::Phone(_) => return Err(Refusal::PermissionDenied.into()),
        },
    };
    match account.owns(&own) {
        true => Ok(own),
        false => Err(Refusal::PermissionDenied.into()),
    }
}

/// The same where it is named by its number.
fn own_roster_by_number(who: &Who, roster: Option<u64>) -> Result<PhoneId, Halt> {
    let account = who.account.as_ref().ok_or(Refusal::PermissionDenied)?;
    let own = match roster {
        None => account.default_roster().ok_or(Refusal::RosterNotFound)?,
        Some(roster) => account.phone.roster(roster),
    };
    match account.owns(&own) {
        true => Ok(own),
        false => Err(Refusal::PermissionDenied.into()),
    }
}

/// A roster named in full, or the default one of a bare phone (ID-4).
fn anyone(cx: &Cx<'_>, name: &[u8]) -> Result<PhoneId, Halt> {
    match Address::parse(name).map_err(|_| Refusal::InvalidData)? {
        Address::Full(id) => Ok(id),
        Address::Phone(phone) => rows::default_roster(cx.store, &phone)?.ok_or_else(|| Refusal::ContactNotFound.into()),
        Address::Roster(_) => Err(Refusal::InvalidData.into()),
    }
}

/// The conversation of the two; a request to a stranger goes by the asking account, which counts them (section 11).
fn friend_owner(cx: &Cx<'_>, who: &Who, friend: &Friend) -> Result<Name, Halt> {
    let feed = friend_feed(cx, who, friend)?;
    let own = own_roster(who, friend.phone_id.as_deref())?;
    if friend.status == Some(FriendStatus::Request) && is_stranger(cx, &own, &feed)? {
        return Ok(Name::Profile(own.phone().clone()));
    }
    Ok(Name::Conversation(feed))
}

/// Nobody that `own` has had to do with, and not in its phone book.
fn is_stranger(cx: &Cx<'_>, own: &PhoneId, feed: &FeedId) -> Result<bool, Failure> {
    let FeedId::P2p(one, other) = feed else { return Ok(false) };
    let other = if one == own { other } else { one };
    let relation: Option<Relation> = rows::read(cx.store, RELATION, &rows::pair_key(own, other.as_str().as_bytes()))?;
    Ok(relation.is_none_or(|relation| relation.status.is_none()))
}

pub(crate) fn friend_feed(cx: &Cx<'_>, who: &Who, friend: &Friend) -> Result<FeedId, Halt> {
    let own = own_roster(who, friend.phone_id.as_deref())?;
    let other = anyone(cx, friend.friend_id.as_deref().unwrap_or_default())?;
    match own == other {
        true => Err(Refusal::InvalidData.into()),
        false => Ok(FeedId::p2p(own, other)),
    }
}

/// MESSAGE, *Feed*: as given, else from `to`, else from the topic; where several are given they must agree.
fn message_feed(cx: &Cx<'_>, who: &Who, message: &Message, topic: Option<&FeedId>) -> Result<FeedId, Halt> {
    let given = message.feed_id.as_ref().map(|feed| feed_id(who, feed)).transpose()?;
    let to = message.to.as_deref().filter(|to| !to.is_empty());
    let addressed = match (to, given.as_ref().or(topic)) {
        (None, _) => None,
        (Some(to), Some(FeedId::Room(room))) if room.as_str().as_bytes() == to => None,
        (Some(to), _) => Some(addressed_feed(cx, who, message, to)?),
    };
    let mut feeds = [given, addressed, topic.cloned()].into_iter().flatten();
    let feed = feeds.next().ok_or(Refusal::InvalidData)?;
    match feeds.all(|other| other == feed) {
        true => Ok(feed),
        false => Err(Refusal::InvalidData.into()),
    }
}

fn addressed_feed(_cx: &Cx<'_>, who: &Who, message: &Message, to: &[u8]) -> Result<FeedId, Halt> {
    match PhoneId::parse(to) {
        Ok(other) => Ok(FeedId::p2p(own_roster(who, message.from.as_deref())?, other)),
        Err(_) => Ok(FeedId::Room(RoomId::parse(to).map_err(|_| Refusal::InvalidData)?)),
    }
}

/// A feed as a client writes it; `[]` for a party is oneself (G-4).
fn feed_id(who: &Who, feed: &Feed) -> Result<FeedId, Halt> {
    match feed {
        Feed::P2p(P2p { from, to }) => Ok(FeedId::p2p(party(who, from.as_deref())?, party(who, to.as_deref())?)),
        Feed::Muc(_) => FeedId::try_from(feed).map_err(|_| Refusal::InvalidData.into()),
    }
}

fn party(who: &Who, name: Option<&[u8]>) -> Result<PhoneId, Halt> {
    match name.filter(|name| !name.is_empty()) {
        None => own_roster(who, None),
        Some(name) => PhoneId::parse(name).map_err(|_| Refusal::InvalidData.into()),
    }
}

/// HISTORY: the feed, or that of the first message in `data`.
fn history_feed(who: &Who, history: &History) -> Result<FeedId, Halt> {
    match &history.feed {
        Some(HistoryFeed::Feed(feed)) => feed_id(who, feed),
        Some(HistoryFeed::Act(_) | HistoryFeed::StickerPack(_)) => Err(Refusal::NotSupported.into()),
        None => match history.data.first() {
            Some(HistoryItem::Message(message)) => feed_id(who, message.feed_id.as_ref().ok_or(Refusal::InvalidData)?),
            Some(HistoryItem::StickerPack(_) | HistoryItem::RoomStar(_)) | None => Err(Refusal::InvalidData.into()),
        },
    }
}

fn room_feed(room: &Room) -> Result<FeedId, Halt> {
    let id = room.id.as_deref().unwrap_or_default();
    Ok(FeedId::Room(RoomId::parse(id).map_err(|_| Refusal::InvalidData)?))
}

/// MEMBER: the room, or that of the member, whose id may stand alone.
fn member_feed(cx: &Cx<'_>, member: &Member) -> Result<FeedId, Halt> {
    if let Some(feed) = &member.feed_id {
        let feed = FeedId::try_from(feed).map_err(|_| Refusal::InvalidData)?;
        return if let FeedId::Room(_) = feed { Ok(feed) } else { Err(Refusal::InvalidData.into()) };
    }
    let id = member.id.ok_or(Refusal::InvalidData)?;
    let room = cx.store.get(MEMBER_AT, &id.to_be_bytes())?.ok_or(Refusal::MemberNotFound)?;
    Ok(FeedId::Room(RoomId::parse(&room).map_err(|_| Refusal::MemberNotFound)?))
}

/// LINK: the room that has the link or is to have it; of links that nobody has, the index says so.
fn link_owner(cx: &Cx<'_>, asked: &Link) -> Result<Name, Halt> {
    let name = asked.id.as_deref().unwrap_or_default();
    let room = match asked.status {
        Some(LinkStatus::Get | LinkStatus::Join) => link::room_of(cx, name)?,
        Some(LinkStatus::Delete) if !name.is_empty() => link::room_of(cx, name)?,
        Some(LinkStatus::Add | LinkStatus::Update | LinkStatus::Delete) => {
            let room = asked.room_id.as_deref().unwrap_or_default();
            Some(RoomId::parse(room).map_err(|_| Refusal::InvalidData)?)
        }
        Some(LinkStatus::Check) | None => None,
    };
    Ok(room.map_or(Name::Links, |room| Name::Conversation(FeedId::Room(room))))
}

/// PRESENCE-7: a friend's phone_id or a room id.
fn typing_feed(cx: &Cx<'_>, who: &Who, target: &[u8]) -> Result<FeedId, Halt> {
    match target.contains(&b'_') && PhoneId::parse(target).is_ok() {
        true => Ok(FeedId::p2p(own_roster(who, None)?, anyone(cx, target)?)),
        false => Ok(FeedId::Room(RoomId::parse(target).map_err(|_| Refusal::InvalidData)?)),
    }
}
