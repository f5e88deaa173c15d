//! One request about the relation of two: both sides change together, and each is told.

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::records::{Contact, ContactStatus};

use super::{Halt, State, contact, push};
use crate::effects::{Seen, answer, contact_merge, notify, ses};
use crate::process::conversation::{Conversation, Side};
use crate::rows::{self, BOOK, Entry};
use crate::{Cx, Friendship, Fx, Input, Name, Who};

/// One request about the relation of two.
pub(super) struct Pair<'a, 'c> {
    pub(super) conversation: &'a mut Conversation,
    pub(super) cx: &'a Cx<'c>,
    pub(super) fx: &'a mut Fx,
    /// Absent where nobody waits for an answer (PERSON-2).
    pub(super) who: Option<&'a Who>,
    pub(super) own: Side,
    pub(super) other: Side,
}

impl Pair<'_, '_> {
    pub(super) fn reply(&mut self, records: Vec<Bytes>) {
        if let Some(who) = self.who {
            answer(self.fx, who, records);
        }
    }

    /// G-7: nothing was to be done; the contact as it is, to the one who asks.
    pub(super) fn reply_known(&mut self) -> Result<(), Halt> {
        let known = self.seen(&self.own, &self.other)?;
        self.reply(vec![etf::encode(&known)]);
        Ok(())
    }

    pub(super) fn states(&self) -> (State, State) {
        (self.own.relation.status, self.other.relation.status)
    }

    /// Section 11: the own book takes one more contact, or has this one already.
    pub(super) fn has_room(&mut self) -> Result<(), Halt> {
        let is_contact = match self.own.relation.status {
            Some(ContactStatus::Authorization) | None => self.is_in_book()?,
            Some(_) => true,
        };
        match is_contact || contact::has_place(self.cx, self.fx, &self.own.who, 1)? {
            true => Ok(()),
            false => Err(Refusal::Limit.into()),
        }
    }

    /// Both sides change in one batch.
    pub(super) fn set(&mut self, own: State, other: State) -> Result<(), Failure> {
        let now = self.cx.now.0;
        for (side, status) in [(&mut self.own, own), (&mut self.other, other)] {
            let relation = &mut side.relation;
            if relation.status.is_none() {
                relation.created = now;
            }
            relation.before = match (status, relation.status) {
                (Some(ContactStatus::Ban | ContactStatus::Banned), _) => relation.before,
                (None | Some(ContactStatus::Internal), _) => None,
                (Some(_), Some(ContactStatus::Internal)) => relation.status,
                (Some(_), _) => internal(relation.before),
            };
            (relation.status, relation.update) = (status, now);
        }
        self.keep()
    }

    /// FRIEND-10: what either side falls back to when nothing is between them any more. What the phone book has is internal without a
    /// state; whom a first message made a contact (P2P_FROM) stays one.
    pub(super) fn fallen(&self) -> (State, State) {
        (internal(self.own.relation.before), internal(self.other.relation.before))
    }

    pub(super) fn keep(&mut self) -> Result<(), Failure> {
        for side in [&self.own, &self.other] {
            self.conversation.put_relation(self.cx, self.fx, &side.who, side.relation.clone())?;
        }
        Ok(())
    }

    /// PUSH-1: the other side, if it is away.
    pub(super) fn wake(&mut self, kind: push::Kind) -> Result<(), Halt> {
        let news = self.seen(&self.other, &self.own)?;
        let (to, from, feed) = (&self.other.who, &self.own.who, &self.conversation.key);
        Ok(push::wake(self.cx, self.fx, to, from, feed, kind, || etf::encode(&news))?)
    }

    pub(super) fn tell_both(&mut self) -> Result<(), Halt> {
        let (own, other) = (self.own.clone(), self.other.clone());
        self.tell(&own, &other)?;
        self.tell(&other, &own)
    }

    /// The relation of `side`, as it is now, to its own devices.
    pub(super) fn tell(&mut self, side: &Side, peer: &Side) -> Result<(), Halt> {
        let news = self.seen(side, peer)?;
        let merge = contact_merge(&side.who, peer.who.as_str().as_bytes());
        let topic = ses(self.cx, &side.who)?;
        notify(
            self.fx,
            self.cx,
            side.who.phone(),
            &topic,
            &news,
            merge,
            self.who.map(Seen::after).unwrap_or_default(),
        )?;
        Ok(())
    }

    pub(super) fn seen(&self, side: &Side, peer: &Side) -> Result<Contact, Failure> {
        contact::seen(self.cx, &side.who, &peer.who, Some(&side.relation), self.entry(side, peer)?.as_ref())
    }

    /// Whether the other is a contact by the own phone book.
    pub(super) fn is_in_book(&self) -> Result<bool, Failure> {
        Ok(self.entry(&self.own, &self.other)?.is_some())
    }

    /// FRIEND-10, of those who are nothing to each other: a contact that only the phone book has is in a state as well.
    pub(super) fn no_state(&self) -> Result<Refusal, Failure> {
        Ok(if self.is_in_book()? { Refusal::InvalidData } else { Refusal::ContactNotFound })
    }

    /// What the phone book of `side` says of the other.
    pub(super) fn entry(&self, side: &Side, peer: &Side) -> Result<Option<Entry>, Failure> {
        rows::read(self.cx.store, BOOK, &rows::pair_key(&side.who, peer.who.as_str().as_bytes()))
    }

    pub(super) fn are_friends(&self) -> bool {
        self.states() == (Some(ContactStatus::Friend), Some(ContactStatus::Friend))
    }

    /// FRIEND-3, 4: who were no friends have not seen each other's presence, and are not told that they do not.
    pub(super) fn end_presence(&mut self, were_friends: bool) {
        if were_friends {
            self.presence(false);
        }
    }

    /// Presence of each to the other (FRIEND-2), or offline from now on (FRIEND-3, 4).
    pub(super) fn presence(&mut self, visible: bool) {
        for (own, other) in [(&self.own, &self.other), (&self.other, &self.own)] {
            let news = Friendship { own: own.who.clone(), other: other.who.clone(), visible };
            self.fx.tell(Name::Profile(own.who.phone().clone()), Input::Friends(Box::new(news)));
        }
    }
}

/// The state, if it is that of a contact who is no friend.
pub(super) fn internal(state: State) -> State {
    state.filter(|state| *state == ContactStatus::Internal)
}
