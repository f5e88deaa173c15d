//! Publishing on broadcast topics (TOPIC-8, TOPIC-10), and who may receive them (TOPIC-5, TOPIC-9).

use bytes::Bytes;
use n2o::Failure;
use proto::Record;
use proto::ids::{FeedId, Phone, PhoneId, RoomId};
use proto::limits::RELAY_BYTES;
use proto::records::ContactStatus;
use proto::topic::{Owner, Topic};

use super::requests::Content;
use super::spans::Spans;
use super::{Link, Session};
use crate::door::{Out, Role, Verdict};
use crate::effects::show;
use crate::process::room::Room;
use crate::protocol::rights::Right;
use crate::protocol::{Halt, presence};
use crate::{Account, Chat, Cx, Fx, Group, Input, Transient, names};

impl Session {
    /// TOPIC-10: records are interpreted as if sent to events, other bytes are relayed, what imitates the server is refused.
    #[expect(clippy::too_many_arguments, reason = "all of a request")]
    pub(super) fn broadcast(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        call: u64,
        topic: Topic,
        content: Content,
        payload: Bytes,
    ) -> Result<(), Failure> {
        if !self.may_publish(cx, &topic)? {
            return self.conclude(cx, fx, call, Vec::new(), Verdict::NoRight);
        }
        let feed = feed_of(&topic);
        match (content, feed) {
            (Content::Record(record @ (Record::Message(_) | Record::Typing(_))), Some(feed)) => {
                return self.perform(chat, cx, fx, call, record, Some(&feed));
            }
            (Content::Record(record @ (Record::Typing(_) | Record::Presence(_) | Record::Loc(_))), _) => {
                return self.perform(chat, cx, fx, call, record, None);
            }
            (Content::Record(_) | Content::Junk, _) => {
                return self.conclude(cx, fx, call, Vec::new(), Verdict::BadPayload);
            }
            (Content::Nothing | Content::Bytes, _) => {}
        }
        let verdict = match payload.len() > RELAY_BYTES {
            true => Verdict::TooMuch,
            false => {
                self.relay(cx, fx, &topic, &payload)?;
                Verdict::Done
            }
        };
        self.conclude(cx, fx, call, Vec::new(), verdict)
    }

    /// TOPIC-10.4: unchanged, to whoever is connected but the sending device.
    pub(super) fn relay(&self, cx: &Cx<'_>, fx: &mut Fx, topic: &Topic, payload: &Bytes) -> Result<(), Failure> {
        let Some(link) = &self.link else { return Ok(()) };
        let shown = topic.clone().short();
        if let Topic::Room(room) = topic {
            let topic = shown.to_string().into();
            let transient = Transient::new(topic, payload.clone(), Some(link.connection()));
            fx.publish(Group::Room(room.clone()), Input::Transient(transient.into()));
            return Ok(());
        }
        if let Topic::Ac(roster) = &shown {
            return presence::relay(cx, fx, roster, payload.clone(), link.connection());
        }
        for phone in receivers(&shown) {
            show(fx, &phone, &shown, payload.clone(), Some(link.connection()));
        }
        Ok(())
    }

    /// Who may publish: table 4.1.
    fn may_publish(&self, cx: &Cx<'_>, topic: &Topic) -> Result<bool, Failure> {
        let Some(link) = &self.link else { return Ok(false) };
        let account = match (link.role, &link.account) {
            (Role::Service, _) => return Ok(is_open(topic)),
            (Role::Device, Some(account)) => account,
            (Role::Device | Role::Registering | Role::Plain, _) => return Ok(false),
        };
        match topic {
            Topic::Devices(phone) => Ok(*phone == account.phone),
            Topic::Contacts(roster) => Ok(account.owns(roster)),
            Topic::Private(feed) => are_parties(cx, account, feed),
            Topic::Room(room) => Ok(self.may_post(cx, account, room)?),
            // Written by the server, or no topic of ours.
            Topic::Ses(_)
            | Topic::Ac(_)
            | Topic::Muc(_)
            | Topic::P2p(_)
            | Topic::Events(_)
            | Topic::Actions(..)
            | Topic::Version(_)
            | Topic::Free
            | Topic::Unknown => Ok(false),
        }
    }

    /// A member with the post right (ROOM-16).
    fn may_post(&self, cx: &Cx<'_>, account: &Account, id: &RoomId) -> Result<bool, Failure> {
        let room = Room::load(cx, id)?;
        match room.own(cx, account, None) {
            Ok(own) => Ok(room.allows(&own, Right::Post)),
            Err(Halt::Refused(_)) => Ok(false),
            Err(Halt::Failed(failure)) => Err(failure),
        }
    }

    /// TOPIC-5: granted when the client receives it anyway.
    pub(super) fn may_receive(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        connection: u64,
        ask: u64,
        topic: &Topic,
    ) -> Result<(), Failure> {
        let Some(link) = self.link(connection) else {
            return Ok(());
        };
        let granted = link.receives(cx, &names::understood_topic(&chat.names, cx, topic.clone())?)?;
        link.emit(fx, Out::Right { ask, granted });
        Ok(())
    }
}

impl Link {
    fn receives(&self, cx: &Cx<'_>, topic: &Topic) -> Result<bool, Failure> {
        let Some(account) = self.account.as_ref().filter(|_| self.role == Role::Device) else {
            return Ok(self.role == Role::Service);
        };
        match topic {
            Topic::Devices(phone) | Topic::Ses(Owner::Account(phone)) => Ok(*phone == account.phone),
            Topic::Ses(Owner::Roster(roster)) => Ok(account.owns(roster)),
            Topic::Contacts(roster) | Topic::Ac(roster) => is_friend(cx, account, roster),
            Topic::Private(feed) | Topic::P2p(feed) => are_parties(cx, account, feed),
            Topic::Room(room) => Ok(Spans::of_room(cx, account, room)?.is_open()),
            Topic::Muc(roster) => presence::are_fellows(cx, account, roster),
            Topic::Events(_) | Topic::Actions(..) | Topic::Version(_) | Topic::Free | Topic::Unknown => Ok(false),
        }
    }
}

/// The topics that others than the server write on, and so services too (table 4.1).
fn is_open(topic: &Topic) -> bool {
    matches!(topic, Topic::Devices(_) | Topic::Contacts(_) | Topic::Private(_) | Topic::Room(_))
}

/// The feed that a topic is of (TOPIC-10.1).
fn feed_of(topic: &Topic) -> Option<FeedId> {
    match topic {
        Topic::Private(feed) | Topic::P2p(feed) => Some(feed.clone()),
        Topic::Room(room) => Some(FeedId::Room(room.clone())),
        _ => None,
    }
}

/// The accounts whose devices receive what is written to one or two.
fn receivers(topic: &Topic) -> Vec<Phone> {
    match topic {
        Topic::Ses(Owner::Account(phone)) => vec![phone.clone()],
        Topic::Ses(Owner::Roster(roster)) => vec![roster.phone().clone()],
        Topic::P2p(FeedId::P2p(one, other)) if one.phone() == other.phone() => vec![one.phone().clone()],
        Topic::P2p(FeedId::P2p(one, other)) => vec![one.phone().clone(), other.phone().clone()],
        _ => Vec::new(),
    }
}

/// The account has a side of the feed, and both sides are friends, or the feed is its notes to self.
fn are_parties(cx: &Cx<'_>, account: &Account, feed: &FeedId) -> Result<bool, Failure> {
    let FeedId::P2p(one, other) = feed else {
        return Ok(false);
    };
    let (own, peer) = match (account.owns(one), account.owns(other)) {
        (true, _) => (one, other),
        (false, true) => (other, one),
        (false, false) => return Ok(false),
    };
    if own == peer {
        return Ok(true);
    }
    Ok(match presence::relation(cx, own, peer)? {
        Some(ContactStatus::Friend) => true,
        // Strangers whom the receiver's privacy lets write (MESSAGE, *Right*).
        // Deleting the contact does not get around a ban (FRIEND-10).
        None | Some(ContactStatus::Internal | ContactStatus::Request | ContactStatus::Authorization) => {
            presence::relation(cx, peer, own)? != Some(ContactStatus::Ban)
                && presence::takes_from_everyone(cx, peer.phone())?
        }
        Some(_) => false,
    })
}

/// Whether the account is a friend of this roster.
fn is_friend(cx: &Cx<'_>, account: &Account, roster: &PhoneId) -> Result<bool, Failure> {
    for own in &account.rosters {
        if presence::relation(cx, &account.phone.roster(*own), roster)? == Some(ContactStatus::Friend) {
            return Ok(true);
        }
    }
    Ok(false)
}
