//! A conversation: the one owner of what passes between two rosters (PM-4): their relation, their feed, how far each has read.

use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{FeedId, Phone, PhoneId};
use proto::records::{ContactStatus, Message};
use proto::topic::Topic;
use proto::{Record, Refusal};

use crate::protocol::{Halt, friend, history, message, presence, settle, typing};
use crate::rows::{self, READER, RELATION, ROSTER, Reader, Relation};
use crate::{Call, Chat, Cx, Fx, Input, Letter, Who};

/// A private conversation, or notes to self, which have one side.
pub struct Conversation {
    pub feed: FeedId,
    /// Storage key of the feed.
    pub key: Bytes,
    /// Where the server publishes what happens here.
    pub name: Arc<str>,
    /// The last message that is not deleted.
    pub last: Option<u64>,
    pub sides: Vec<Side>,
}

/// One party.
#[derive(Debug, Clone)]
pub struct Side {
    pub who: PhoneId,
    /// What the other is to this one.
    pub relation: Relation,
    pub reader: Reader,
    /// When this one's last two Typing records came (PRESENCE-7), milliseconds; not kept.
    pub typed: [u64; 2],
}

impl Conversation {
    pub fn load(cx: &Cx<'_>, feed: &FeedId) -> Result<Conversation, Failure> {
        let key = feed.key();
        let pairs = match feed {
            FeedId::P2p(one, other) if one == other => vec![(one, other)],
            FeedId::P2p(one, other) => vec![(one, other), (other, one)],
            // Rooms have no owner yet: nothing routes here (issue of the rooms).
            FeedId::Room(_) => Vec::new(),
        };
        let mut sides = Vec::new();
        for (who, other) in pairs {
            sides.push(Side {
                who: who.clone(),
                relation: rows::read(cx.store, RELATION, &rows::pair_key(who, other.as_str().as_bytes()))?
                    .unwrap_or_default(),
                reader: rows::read(cx.store, READER, &rows::reader_key(feed, who))?.unwrap_or_default(),
                typed: [0; 2],
            });
        }
        let last = history::last_kept(cx, &key, u64::MAX)?;
        Ok(Conversation { feed: feed.clone(), key, name: Topic::from(feed).to_string().into(), last, sides })
    }

    pub fn step(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        let Input::Call(call) = input else {
            return Ok(());
        };
        let Call { who, record } = *call;
        let done = match record {
            Record::Message(message) => message::call(self, chat, cx, fx, &who, *message),
            Record::History(history) => history::call(self, cx, fx, &who, *history),
            Record::Friend(friend) => friend::call(self, chat, cx, fx, &who, *friend),
            Record::Typing(typing) => typing::typing(self, chat, cx, fx, &who, *typing),
            _ => Err(Refusal::InvalidData.into()),
        };
        settle(fx, &who, done)
    }

    /// The side that asks: the one named, or the caller's own (G-3, G-4).
    pub(crate) fn own(&self, who: &Who, named: Option<&Bytes>) -> Result<&Side, Halt> {
        let account = who.account.as_ref().ok_or(Refusal::PermissionDenied)?;
        let named = named.filter(|name| !name.is_empty());
        let mine = |side: &&Side| account.owns(&side.who);
        let found = match named {
            Some(name) => self.sides.iter().filter(mine).find(|side| side.who.as_str().as_bytes() == &name[..]),
            None => {
                let default = account.default_roster();
                self.sides.iter().filter(mine).max_by_key(|side| Some(&side.who) == default.as_ref())
            }
        };
        found.ok_or_else(|| Refusal::PermissionDenied.into())
    }

    /// The party that `own` talks to; in notes to self, itself.
    pub(crate) fn other<'a>(&'a self, own: &'a Side) -> &'a Side {
        self.sides.iter().find(|side| side.who != own.who).unwrap_or(own)
    }

    /// The side of `who`, to change it.
    pub(crate) fn side(&mut self, who: &PhoneId) -> Option<&mut Side> {
        self.sides.iter_mut().find(|side| side.who == *who)
    }

    /// MESSAGE, *Right*: friends write to each other, everybody to oneself, others where the receiver's privacy lets them.
    /// False: they may, but are no contacts of each other yet.
    pub(crate) fn may_post(&self, cx: &Cx<'_>, own: &Side) -> Result<bool, Halt> {
        let other = self.other(own);
        if other.who == own.who {
            return Ok(true);
        }
        match (own.relation.status, other.relation.status) {
            (Some(ContactStatus::Friend), Some(ContactStatus::Friend)) => Ok(true),
            (_, Some(ContactStatus::Ban)) => Err(Refusal::Banned.into()),
            (Some(ContactStatus::Ban), _) => Err(Refusal::PermissionDenied.into()),
            _ if cx.store.get(ROSTER, other.who.as_str().as_bytes())?.is_none() => Err(Refusal::ContactNotFound.into()),
            _ if presence::takes_from_everyone(cx, other.who.phone())? => Ok(false),
            _ => Err(Refusal::PermissionDenied.into()),
        }
    }

    /// The accounts of the parties, each once.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &Phone> {
        let mut phones: Vec<&Phone> = self.sides.iter().map(|side| side.who.phone()).collect();
        phones.dedup();
        phones.into_iter()
    }

    pub(crate) fn topic(&self) -> Topic {
        Topic::from(&self.feed)
    }

    /// Shows an entry of the feed to all devices of all parties; it is encoded once.
    pub(crate) fn post(&self, fx: &mut Fx, message: &Message, seq: u64, id: u64, payload: Bytes, who: &Who) {
        let letter = Arc::new(Letter {
            feed: self.feed.clone(),
            key: self.key.clone(),
            topic: self.name.clone(),
            author: self.author(message),
            seq,
            id,
            print: rows::fingerprint(message.msg_id.as_deref().unwrap_or_default()),
            payload,
            origin: Some((who.connection, who.call)),
        });
        for phone in self.accounts() {
            fx.publish(phone.clone(), Input::Letter(letter.clone()));
        }
    }

    fn author(&self, message: &Message) -> Option<PhoneId> {
        let is_from = |side: &&Side| message.from.as_deref() == Some(side.who.as_str().as_bytes());
        self.sides.iter().find(is_from).map(|side| side.who.clone())
    }

    /// Keeps a party's reader.
    pub(crate) fn put_reader(&self, fx: &mut Fx, side: &Side) {
        fx.put(READER, rows::reader_key(&self.feed, &side.who), rows::encode(&side.reader));
    }

    /// Keeps what the other is to a party.
    pub(crate) fn put_relation(&self, fx: &mut Fx, side: &Side) {
        let other = &self.other(side).who;
        fx.put(RELATION, rows::pair_key(&side.who, other.as_str().as_bytes()), rows::encode(&side.relation));
    }
}
