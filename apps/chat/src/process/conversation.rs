//! A conversation: the one owner of what passes between two rosters, or in a room (PM-4): the relation of the two or the members, the
//! feed, how far each has read.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{FeedId, PhoneId};
use proto::records::{ContactStatus, MemberStatus, Message};
use proto::topic::Topic;
use proto::{Record, Refusal};

use super::room::Room;
use crate::protocol::fleeting::{self, Fleeting};
use crate::protocol::push::Rounds;
use crate::protocol::rights::Right;
use crate::protocol::{
    Halt, contact, favorite, friend, history, later, link, member, message, presence, room, settle, typing,
};
use crate::rows::{self, Membership, READER, RELATION, Reader, Relation};
use crate::{Call, Chat, Cx, Fx, Group, Input, Letter, Tick, Transient, Who};

/// One feed, and those whose it is.
pub struct Conversation {
    pub feed: FeedId,
    /// Storage key of the feed.
    pub key: Bytes,
    /// Where the server publishes what happens here.
    pub name: Arc<str>,
    /// The last message that is not deleted.
    pub last: Option<u64>,
    pub parties: Parties,
    /// Its messages that will go (DLV-6).
    pub fleeting: Fleeting,
    /// When each roster's last two Typing records came (PRESENCE-7), milliseconds; not kept.
    pub typed: HashMap<PhoneId, [u64; 2]>,
    /// Members of a room who are away are woken in rounds; not kept.
    pub(crate) rounds: Rounds,
}

/// Whose feed it is.
pub enum Parties {
    /// Two rosters, or one in its notes to self.
    Pair(Vec<Side>),
    /// The members of a room, who are read from the store when one of them asks.
    Room(Box<Room>),
}

/// One party.
#[derive(Debug, Clone)]
pub struct Side {
    pub who: PhoneId,
    pub reader: Reader,
    /// What the other of a pair is to this one.
    pub relation: Relation,
    /// Its part in a room, perhaps one that has ended.
    pub membership: Membership,
    /// HISTORY-14: the ids that it may see lie behind the first and up to the second.
    pub sees: (u64, u64),
    /// Of a pair: the roster is there, as far as has been heard.
    pub is_there: bool,
}

impl Conversation {
    pub fn load(cx: &Cx<'_>, fx: &mut Fx, feed: &FeedId) -> Result<Conversation, Failure> {
        let key = feed.key();
        let parties = match feed {
            FeedId::P2p(one, other) if one == other => Parties::Pair(vec![Side::of_pair(cx, feed, one, other)?]),
            FeedId::P2p(one, other) => {
                Parties::Pair(vec![Side::of_pair(cx, feed, one, other)?, Side::of_pair(cx, feed, other, one)?])
            }
            FeedId::Room(room) => Parties::Room(Box::new(Room::load(cx, room)?)),
        };
        let last = history::last_kept(cx, &key, u64::MAX)?;
        let fleeting = Fleeting::load(cx, &key)?;
        let name = Topic::from(feed).to_string().into();
        let conversation = Conversation {
            feed: feed.clone(),
            key,
            name,
            last,
            parties,
            fleeting,
            typed: HashMap::new(),
            rounds: Rounds::load(cx, fx, feed)?,
        };
        favorite::go_on(&conversation, cx, fx)?;
        Ok(conversation)
    }

    pub fn step(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        let Call { who, record } = match input {
            Input::Call(call) => *call,
            Input::Due { .. } if self.is_ending() => return room::erase(self, cx, fx),
            Input::Due { when } => return later::due(self, cx, fx, when),
            Input::Claimed(news) => {
                let who = news.who.clone();
                let done = link::claimed(self, cx, fx, *news);
                return settle(fx, &who, done);
            }
            Input::Unstar { id } => return favorite::erase(self, cx, fx, id),
            Input::Errand(errand) => {
                friend::errand(self, cx, fx, &errand)?;
                errand.go_on(fx);
                return Ok(());
            }
            Input::Taken => return fleeting::look(self, cx, fx),
            Input::Tick(Tick::SweepDue) => return fleeting::begin(self, cx, fx),
            Input::GoOn => return fleeting::go_on(self, cx, fx),
            Input::Tick(Tick::ReaderDue) => return self.reader_due(cx, fx),
            Input::WakeMembers => {
                return self.rounds.go_on(cx, fx, &self.feed, chat.settings.push_preview);
            }
            Input::Tick(Tick::RoundDue) => {
                self.rounds.due(cx, fx, &self.feed);
                return Ok(());
            }
            Input::Erase => return room::erase(self, cx, fx),
            Input::Follow(group) => return room::follow(self, cx, fx, group),
            Input::CallEnded(ended) => return self.call_ended(cx, fx, *ended),
            // Meant for other kinds of process.
            _ => return Ok(()),
        };
        let done = match record {
            Record::Message(message) => message::call(self, chat, cx, fx, &who, *message),
            Record::History(history) => history::call(self, chat, cx, fx, &who, *history),
            Record::Star(star) => favorite::keep(self, cx, fx, &who, *star),
            Record::Friend(friend) => friend::call(self, chat, cx, fx, &who, *friend),
            Record::Room(asked) => room::call(self, cx, fx, &who, *asked),
            Record::Link(asked) => link::call(self, cx, fx, &who, *asked),
            Record::Member(asked) => member::call(self, cx, fx, &who, *asked),
            Record::Typing(typing) => typing::typing(self, chat, cx, fx, &who, *typing),
            _ => Err(Refusal::InvalidData.into()),
        };
        settle(fx, &who, done)
    }

    fn is_ending(&self) -> bool {
        self.room().is_ok_and(Room::is_ending)
    }

    /// HISTORY-4, held back for a second.
    fn reader_due(&mut self, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        if let Parties::Room(room) = &mut self.parties
            && let Some((who, reader)) = room.farthest.due(cx)
        {
            history::show_reader(self, fx, &who, reader, None);
        }
        Ok(())
    }

    /// The side that asks: the one named, or the caller's own (G-3, G-4). In a room it may be one that has left.
    pub(crate) fn own(&self, cx: &Cx<'_>, who: &Who, named: Option<&Bytes>) -> Result<Side, Halt> {
        let account = who.account.as_ref().ok_or(Refusal::PermissionDenied)?;
        let named = named.filter(|name| !name.is_empty());
        match &self.parties {
            Parties::Pair(sides) => {
                let mine = |side: &&Side| account.owns(&side.who);
                let found = match named {
                    Some(name) => {
                        let named = account.roster(name);
                        sides.iter().filter(mine).find(|side| Some(&side.who) == named.as_ref())
                    }
                    None => {
                        let default = account.default_roster();
                        sides.iter().filter(mine).max_by_key(|side| Some(&side.who) == default.as_ref())
                    }
                };
                let own = found.cloned().ok_or(Refusal::PermissionDenied)?;
                // A session may not know yet that it has ended: what it would write here nobody would take away.
                match own.is_there || rows::has_roster(cx.store, &own.who)? {
                    true => Ok(own),
                    false => Err(Refusal::PermissionDenied.into()),
                }
            }
            Parties::Room(room) => room.own(cx, account, named),
        }
    }

    /// The sides of a pair; none of a room.
    pub(crate) fn sides(&self) -> &[Side] {
        match &self.parties {
            Parties::Pair(sides) => sides,
            Parties::Room(_) => &[],
        }
    }

    /// The party of a pair that `own` talks to; in notes to self, itself.
    pub(crate) fn other<'a>(&'a self, own: &'a Side) -> &'a Side {
        self.sides().iter().find(|side| side.who != own.who).unwrap_or(own)
    }

    /// `to` of what `own` writes here.
    pub(crate) fn to(&self, own: &Side) -> Bytes {
        self.addressee(&own.who)
    }

    pub(crate) fn addressee(&self, from: &PhoneId) -> Bytes {
        match &self.parties {
            Parties::Pair(sides) => {
                sides.iter().map(|side| &side.who).find(|who| *who != from).unwrap_or(from).to_bytes()
            }
            Parties::Room(room) => room.id.to_bytes(),
        }
    }

    /// The room, where it is none of two.
    pub(crate) fn room(&self) -> Result<&Room, Refusal> {
        match &self.parties {
            Parties::Pair(_) => Err(Refusal::InvalidData),
            Parties::Room(room) => Ok(room),
        }
    }

    pub(crate) fn room_mut(&mut self) -> Result<&mut Room, Refusal> {
        match &mut self.parties {
            Parties::Pair(_) => Err(Refusal::InvalidData),
            Parties::Room(room) => Ok(room),
        }
    }

    /// The side of `who` in a pair, to change it.
    pub(crate) fn side(&mut self, who: &PhoneId) -> Option<&mut Side> {
        match &mut self.parties {
            Parties::Pair(sides) => sides.iter_mut().find(|side| side.who == *who),
            Parties::Room(_) => None,
        }
    }

    /// MESSAGE, *Right*: friends write to each other, everybody to oneself, others where the receiver's privacy lets them.
    /// False: they may, but are no contacts of each other yet.
    pub(crate) fn may_post(&self, cx: &Cx<'_>, own: &Side) -> Result<bool, Halt> {
        if let Parties::Room(room) = &self.parties {
            return if room.allows(own, Right::Post) { Ok(true) } else { Err(Refusal::PermissionDenied.into()) };
        }
        let other = self.other(own);
        if other.who == own.who {
            return Ok(true);
        }
        match (own.relation.status, other.relation.status) {
            (Some(ContactStatus::Friend), Some(ContactStatus::Friend)) => Ok(true),
            (_, Some(ContactStatus::Ban)) => Err(Refusal::Banned.into()),
            (Some(ContactStatus::Ban), _) => Err(Refusal::PermissionDenied.into()),
            _ if !rows::has_roster(cx.store, &other.who)? => Err(Refusal::ContactNotFound.into()),
            _ if presence::takes_from_everyone(cx, other.who.phone())? => Ok(false),
            _ => Err(Refusal::PermissionDenied.into()),
        }
    }

    /// Whether `own` may do this in the room; in a pair there is nothing of the kind.
    pub(crate) fn allows(&self, own: &Side, right: Right) -> bool {
        match &self.parties {
            Parties::Pair(_) => false,
            Parties::Room(room) => room.allows(own, right),
        }
    }

    /// Whether `own`, or everybody, may know who has read: in channels owner and admins alone (TOPIC-15).
    pub(crate) fn shows_readers(&self, own: Option<&Side>) -> bool {
        let is_staff = |own: &Side| matches!(own.membership.role, Some(MemberStatus::Owner | MemberStatus::Admin));
        !self.room().is_ok_and(Room::is_channel) || own.is_some_and(is_staff)
    }

    /// The sessions of all parties, each once.
    fn groups(&self) -> Vec<Group> {
        match &self.parties {
            Parties::Pair(sides) => {
                let mut groups: Vec<Group> =
                    sides.iter().map(|side| Group::Account(side.who.phone().clone())).collect();
                groups.dedup();
                groups
            }
            Parties::Room(room) => vec![Group::Room(room.id.clone())],
        }
    }

    /// Shows an entry of the feed to all devices of all parties; it is encoded once.
    pub(crate) fn post(&self, fx: &mut Fx, message: &Message, seq: u64, id: u64, payload: Bytes, who: Option<&Who>) {
        let letter = Letter {
            feed: self.feed.clone(),
            key: self.key.clone(),
            topic: self.name.clone(),
            author: self.author(message),
            seq,
            id,
            whole: message.status.is_none(),
            fleeting: self.fleeting.is_on,
            print: Some(rows::fingerprint(message.msg_id.as_deref().unwrap_or_default())),
            echo: true,
            payload,
            origin: who.map(|who| (who.connection, who.call)),
            except: None,
        };
        self.spread(fx, letter);
    }

    /// One hand-over per ring thread, whoever hears it.
    pub(crate) fn spread(&self, fx: &mut Fx, letter: Letter) {
        let letter = Arc::new(letter);
        for group in self.groups() {
            fx.publish(group, Input::Letter(letter.clone()));
        }
    }

    /// What a party has hidden from itself is not sent to its devices any more.
    pub(crate) fn hide(&self, fx: &mut Fx, own: &Side) {
        fx.publish(Group::Account(own.who.phone().clone()), Input::Hidden { feed: self.key.clone() });
    }

    /// Shows something that is not kept (`[T]`) to all devices of all parties but this connection.
    pub(crate) fn show(&self, fx: &mut Fx, payload: Bytes, except: Option<u64>) {
        self.show_all(fx, Transient::new(self.name.clone(), payload, except));
    }

    /// The same of what only owner and admins of a channel may know (TOPIC-15).
    pub(crate) fn show_staff(&self, fx: &mut Fx, payload: Bytes, except: Option<u64>) {
        let transient = Arc::new(Transient::new(self.name.clone(), payload, except));
        let groups = match &self.parties {
            Parties::Room(room) if room.is_channel() => room.staff_accounts().into_iter().map(Group::Account).collect(),
            Parties::Room(_) | Parties::Pair(_) => self.groups(),
        };
        for group in groups {
            fx.publish(group, Input::Transient(transient.clone()));
        }
    }

    /// The same to all of them, to the one that caused it behind its answer.
    pub(crate) fn show_after(&self, fx: &mut Fx, payload: Bytes, who: &Who) {
        let origin = Some((who.connection, who.call));
        self.show_all(fx, Transient { origin, ..Transient::new(self.name.clone(), payload, None) });
    }

    fn show_all(&self, fx: &mut Fx, transient: Transient) {
        let transient = Arc::new(transient);
        for group in self.groups() {
            fx.publish(group, Input::Transient(transient.clone()));
        }
    }

    /// The party of a pair that wrote a message: it is told when it has arrived (MESSAGE-12).
    fn author(&self, message: &Message) -> Option<PhoneId> {
        let is_from = |side: &&Side| message.from.as_deref() == Some(side.who.as_str().as_bytes());
        self.sides().iter().find(is_from).map(|side| side.who.clone())
    }

    /// Moves and keeps a party's reader.
    pub(crate) fn put_reader(&mut self, fx: &mut Fx, own: &Side, reader: Reader) {
        fx.put(READER, rows::reader_key(&self.feed, &own.who), rows::encode(&reader));
        match &mut self.parties {
            Parties::Pair(sides) => {
                sides.iter_mut().filter(|side| side.who == own.who).for_each(|side| side.reader = reader);
            }
            Parties::Room(room) => room.put_reader(fx, own, reader),
        }
    }

    /// Changes and keeps what the other is to a party.
    pub(crate) fn put_relation(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        who: &PhoneId,
        relation: Relation,
    ) -> Result<(), Failure> {
        let Some(side) = self.sides().iter().find(|side| side.who == *who) else { return Ok(()) };
        let (other, before) = (self.other(side).who.to_bytes(), side.relation.status);
        contact::related(cx, fx, who, before, relation.status)?;
        fx.put(RELATION, rows::pair_key(who, &other), rows::encode(&relation));
        // As long as it is a contact it is called the same. Where it is none, there may have been no row.
        if before.is_none() || relation.status.is_none() {
            fx.publish(Group::Roster(who.clone()), Input::Called { address: other });
        }
        if let Some(side) = self.side(who) {
            side.relation = relation;
        }
        Ok(())
    }
}

impl Side {
    fn of_pair(cx: &Cx<'_>, feed: &FeedId, who: &PhoneId, other: &PhoneId) -> Result<Side, Failure> {
        let relation = rows::pair_key(who, other.as_str().as_bytes());
        Ok(Side {
            who: who.clone(),
            reader: rows::read(cx.store, READER, &rows::reader_key(feed, who))?.unwrap_or_default(),
            relation: rows::read(cx.store, RELATION, &relation)?.unwrap_or_default(),
            membership: Membership::default(),
            sees: (0, u64::MAX),
            is_there: rows::has_roster(cx.store, who)?,
        })
    }
}
