//! For whom a service asks: the one place where its requests get their account (ID-6).
//!
//! An owner sees the same [`Who`] whether a device asks or a service on behalf of its account: `account` is whose request it is.
//! What a service may do beyond that account's devices, each call says for itself by [`Who::is_service`].

use std::sync::Arc;

use n2o::Failure;
use proto::Record;
use proto::ids::{Address, FeedId, Phone, PhoneId};
use proto::records::{
    Auth, AuthPhone, Feed, History, HistoryFeed, Message, P2p, Presence, Roster, RosterId, Star, Typing,
};

use crate::rows;
use crate::{Account, Cx, Who};

/// The caller as owners are to see it. `topic` is the feed of the topic that the request came on (TOPIC-10).
pub(super) fn fill(cx: &Cx<'_>, who: Who, record: &Record, topic: Option<&FeedId>) -> Result<Who, Failure> {
    if !who.is_service() {
        return Ok(who);
    }
    let account = named(record, topic).map(|phone| account(cx, phone)).transpose()?;
    Ok(Who { account, ..who })
}

/// Its devices are their own affair; there need be no such account, as for who asks about a number that nobody has.
fn account(cx: &Cx<'_>, phone: Phone) -> Result<Arc<Account>, Failure> {
    let rosters = rows::roster_ids(cx.store, &phone)?;
    Ok(Arc::new(Account { phone, rosters, devices: Vec::new() }))
}

/// The account that a request names where a device's would be its own (G-4).
fn named(record: &Record, topic: Option<&FeedId>) -> Option<Phone> {
    match record {
        Record::Auth(auth) => by_auth(auth),
        Record::Profile(profile) => phone(profile.phone.as_deref()?),
        Record::Person(person) => phone(person.id.as_deref()?),
        Record::Roster(roster) => by_roster(roster),
        Record::Friend(friend) => address(friend.phone_id.as_deref()?),
        Record::Presence(presence) => by_presence(presence),
        Record::Message(message) => by_message(message),
        Record::History(history) => by_history(history),
        Record::Typing(typing) => by_typing(typing, topic?),
        Record::Tag(tag) => address(tag.roster_id.as_deref()?),
        Record::Star(star) => by_star(star),
        Record::Member(member) => address(member.phone_id.as_deref()?),
        // ROOM: the one who acts stands first among its admins.
        Record::Room(room) => address(room.admins.first()?.phone_id.as_deref()?),
        _ => None,
    }
}

fn by_auth(auth: &Auth) -> Option<Phone> {
    match auth.phone.as_ref()? {
        AuthPhone::Number(number) => phone(number),
        AuthPhone::Fake(_) => None,
    }
}

fn by_roster(roster: &Roster) -> Option<Phone> {
    match (&roster.id, &roster.phone) {
        (_, Some(named)) => phone(named),
        (Some(RosterId::Name(name)), None) => address(name),
        (Some(RosterId::Number(_)) | None, None) => None,
    }
}

fn by_presence(presence: &Presence) -> Option<Phone> {
    address(presence.uid.as_deref()?)
}

fn by_message(message: &Message) -> Option<Phone> {
    match (&message.from, &message.feed_id) {
        (Some(from), _) => address(from),
        (None, Some(Feed::P2p(P2p { from: Some(from), .. }))) => address(from),
        (None, _) => None,
    }
}

fn by_history(history: &History) -> Option<Phone> {
    match (&history.roster_id, &history.feed) {
        (Some(own), _) => address(own),
        (None, Some(HistoryFeed::Feed(Feed::P2p(P2p { from: Some(from), .. })))) => address(from),
        (None, _) => None,
    }
}

/// On the topic of two, the one who is not spoken to.
fn by_typing(typing: &Typing, topic: &FeedId) -> Option<Phone> {
    let target = PhoneId::parse(typing.phone_id.as_deref()?).ok()?;
    topic.peer(&target).map(|author| author.phone().clone())
}

fn by_star(star: &Star) -> Option<Phone> {
    by_message(star.message.as_ref()?)
}

fn phone(name: &[u8]) -> Option<Phone> {
    Phone::parse(name).ok()
}

/// Of a phone_id, or a bare phone.
fn address(name: &[u8]) -> Option<Phone> {
    match Address::parse(name).ok()? {
        Address::Full(roster) => Some(roster.phone().clone()),
        Address::Phone(phone) => Some(phone),
        Address::Roster(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proto::records::{Friend, Profile};

    fn name(record: impl Into<Record>) -> Option<String> {
        named(&record.into(), None).map(|phone| phone.to_string())
    }

    #[test]
    fn id_6_a_service_asks_for_the_account_that_stands_where_the_own_would() {
        let text = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
        assert_eq!(name(Profile { phone: text("+38 067 1"), ..Profile::default() }).as_deref(), Some("380671"));
        assert_eq!(name(Friend { phone_id: text("ann_7"), ..Friend::default() }).as_deref(), Some("ann"));
        assert_eq!(name(Roster { id: Some(RosterId::Number(7)), ..Roster::default() }), None);
        let with_phone = Roster { id: Some(RosterId::Number(7)), phone: text("ann"), ..Roster::default() };
        assert_eq!(name(with_phone).as_deref(), Some("ann"));
        let feed = Feed::P2p(P2p { from: text("ann_7"), to: text("ben_8") });
        assert_eq!(name(Message { feed_id: Some(feed), ..Message::default() }).as_deref(), Some("ann"));
        assert_eq!(name(Profile::default()), None);
    }
}
