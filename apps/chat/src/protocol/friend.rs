//! FRIEND: what two rosters are to each other. Both sides are one row each of one owner, so no half-state is ever seen.

mod pair;
mod part;

use etf::Term;
use proto::records::{ContactStatus, Data, Feature, Friend, FriendStatus, Io};
use proto::{Outcome, Refusal};

pub(crate) use part::errand;

use pair::Pair;

use super::{Halt, contact, feature, push};
use crate::process::conversation::Conversation;
use crate::rows::{self, Relation};
use crate::{Chat, Cx, Fx, Who};

/// Requests unanswered at one roster (FRIEND-1).
const UNANSWERED_MAX: usize = 1000;

type State = Option<ContactStatus>;

/// FRIEND-1 to 11.
pub(crate) fn call(
    conversation: &mut Conversation,
    _chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    friend: Friend,
) -> Result<(), Halt> {
    let own = conversation.own(cx, who, friend.phone_id.as_ref())?;
    let other = conversation.other(&own).clone();
    if own.who.phone() == other.who.phone() {
        return Err(Refusal::InvalidData.into());
    }
    if !rows::has_roster(cx.store, &other.who)? {
        return Err(Refusal::ContactNotFound.into());
    }
    let mut pair = Pair { conversation, cx, fx, who: Some(who), own, other };
    match friend.status {
        Some(FriendStatus::Request) => pair.request(),
        Some(FriendStatus::Confirm) => pair.confirm(),
        Some(FriendStatus::Revoke) => pair.revoke(),
        Some(FriendStatus::Ban) => pair.ban(),
        Some(FriendStatus::Unban) => pair.unban(),
        Some(FriendStatus::Mute) => pair.settings(&[feature::mute("true")]),
        Some(FriendStatus::Unmute) => pair.settings(&[feature::mute("")]),
        Some(FriendStatus::Update) => pair.settings(&friend.settings),
        Some(FriendStatus::Ignore) => pair.ignore(),
        // FRIEND-11
        Some(FriendStatus::Contact | FriendStatus::Simple | FriendStatus::List | FriendStatus::CommonGroups) => {
            Err(Refusal::NotSupported.into())
        }
        None => Err(Refusal::InvalidData.into()),
    }
}

impl Pair<'_, '_> {
    /// FRIEND-1.
    fn request(&mut self) -> Result<(), Halt> {
        match self.states() {
            (Some(ContactStatus::Ban), _) => Err(Refusal::InvalidData.into()),
            (_, Some(ContactStatus::Ban)) => Err(Refusal::Banned.into()),
            (Some(ContactStatus::Friend | ContactStatus::Request), _) => self.reply_known(),
            (Some(ContactStatus::Authorization | ContactStatus::Ignore), _) => self.befriend(),
            _ => self.ask(),
        }
    }

    fn ask(&mut self) -> Result<(), Halt> {
        self.has_room()?;
        if contact::unanswered(self.cx, self.fx, &self.other.who)? >= UNANSWERED_MAX {
            return Err(Refusal::Limit.into());
        }
        self.set(Some(ContactStatus::Request), Some(ContactStatus::Authorization))?;
        self.tell_both()?;
        self.reply(Vec::new());
        self.wake(push::Kind::Request)
    }

    /// FRIEND-2.
    fn confirm(&mut self) -> Result<(), Halt> {
        match self.states() {
            (Some(ContactStatus::Authorization | ContactStatus::Ignore), _) => self.befriend_and(both_added()),
            (Some(ContactStatus::Friend), _) => {
                self.reply(vec![etf::encode(&both_added())]);
                Ok(())
            }
            (None, _) if self.is_in_book()? => Err(Refusal::InvalidData.into()),
            (None, None) => {
                let none = || proto::Failure::new(Refusal::ContactsNotFound, Term::nil());
                self.reply(vec![etf::encode(&Io::error(Refusal::ContactsNotFound).with(none()))]);
                Ok(())
            }
            (None, Some(_)) => Err(Refusal::ContactNotFound.into()),
            (Some(_), _) => Err(Refusal::InvalidData.into()),
        }
    }

    fn befriend(&mut self) -> Result<(), Halt> {
        self.has_room()?;
        self.set(Some(ContactStatus::Friend), Some(ContactStatus::Friend))?;
        self.tell_friends()?;
        self.reply(Vec::new());
        Ok(())
    }

    fn befriend_and(&mut self, io: Io) -> Result<(), Halt> {
        self.has_room()?;
        self.set(Some(ContactStatus::Friend), Some(ContactStatus::Friend))?;
        self.reply(vec![etf::encode(&io)]);
        self.tell_friends()
    }

    fn tell_friends(&mut self) -> Result<(), Halt> {
        self.tell_both()?;
        self.presence(true);
        self.wake(push::Kind::Confirm)
    }

    /// FRIEND-3.
    fn revoke(&mut self) -> Result<(), Halt> {
        let were_friends = self.are_friends();
        match self.states() {
            (None, _) => return Err(self.no_state()?.into()),
            (Some(ContactStatus::Ban | ContactStatus::Banned), Some(ContactStatus::Ban)) => {
                self.set(None, Some(ContactStatus::Ban))?;
            }
            (Some(ContactStatus::Internal), _) => return Err(Refusal::InvalidData.into()),
            (Some(_), _) => {
                let (own, theirs) = self.fallen();
                self.set(own, theirs)?;
            }
        }
        self.tell_both()?;
        self.reply(Vec::new());
        self.end_presence(were_friends);
        Ok(())
    }

    /// FRIEND-4.
    fn ban(&mut self) -> Result<(), Halt> {
        if self.own.relation.status != Some(ContactStatus::Ban) {
            self.has_room()?;
        }
        self.reply(vec![etf::encode(&both_added())]);
        self.ban_anyway()
    }

    fn ban_anyway(&mut self) -> Result<(), Halt> {
        if self.own.relation.status == Some(ContactStatus::Ban) {
            return Ok(());
        }
        let were_friends = self.are_friends();
        let theirs = match self.other.relation.status {
            Some(ContactStatus::Ban) => Some(ContactStatus::Ban),
            _ => Some(ContactStatus::Banned),
        };
        self.own.relation.before = before(&self.own.relation);
        self.other.relation.before = before(&self.other.relation);
        self.set(Some(ContactStatus::Ban), theirs)?;
        self.tell_both()?;
        self.end_presence(were_friends);
        Ok(())
    }

    /// FRIEND-5: back to friends, or to what the phone book knows.
    fn unban(&mut self) -> Result<(), Halt> {
        let (own, theirs) = match self.states() {
            (Some(ContactStatus::Ban), Some(ContactStatus::Ban)) => {
                (Some(ContactStatus::Banned), Some(ContactStatus::Ban))
            }
            // Only what both sides have kept: who was banned may have ended the friendship since (FRIEND-10).
            (Some(ContactStatus::Ban), _)
                if [&self.own, &self.other].iter().all(|side| side.relation.before == Some(ContactStatus::Friend)) =>
            {
                (Some(ContactStatus::Friend), Some(ContactStatus::Friend))
            }
            (Some(ContactStatus::Ban), _) => (Some(ContactStatus::Internal), None),
            (None, _) => return Err(self.no_state()?.into()),
            (Some(_), _) => return Err(Refusal::InvalidData.into()),
        };
        self.set(own, theirs)?;
        self.tell_both()?;
        self.reply(Vec::new());
        // Who comes back as anything else has seen nothing of the other since the ban.
        if self.are_friends() {
            self.presence(true);
        }
        Ok(())
    }

    /// FRIEND-6, 7, 8: own settings for this contact; the friend learns nothing.
    fn settings(&mut self, changes: &[Feature]) -> Result<(), Halt> {
        if self.own.relation.status.is_none() && !self.is_in_book()? {
            return Err(Refusal::ContactNotFound.into());
        }
        let before = self.own.relation.settings.clone();
        feature::merge(&mut self.own.relation.settings, changes)?;
        if self.own.relation.settings == before {
            return self.reply_known();
        }
        self.own.relation.update = self.cx.now.0;
        self.keep()?;
        let (own, other) = (self.own.clone(), self.other.clone());
        self.tell(&own, &other)?;
        self.reply(Vec::new());
        Ok(())
    }

    /// FRIEND-9: the requester is not told.
    fn ignore(&mut self) -> Result<(), Halt> {
        match self.own.relation.status {
            Some(ContactStatus::Authorization) => {}
            Some(ContactStatus::Ignore) => {
                return self.reply_known();
            }
            None => return Err(self.no_state()?.into()),
            Some(_) => return Err(Refusal::InvalidData.into()),
        }
        let theirs = self.other.relation.status;
        self.set(Some(ContactStatus::Ignore), theirs)?;
        let (own, other) = (self.own.clone(), self.other.clone());
        self.tell(&own, &other)?;
        self.reply(Vec::new());
        Ok(())
    }
}

/// The state that a ban keeps: the one before the first of two.
fn before(relation: &Relation) -> State {
    match relation.status {
        Some(ContactStatus::Ban | ContactStatus::Banned) => relation.before,
        state => state,
    }
}

/// `{io,{ok,added,[]},{ok,added,[]}}`: the own side, and the other.
fn both_added() -> Io {
    Io::ok(Outcome::Added).with(Data::Success(proto::Success::new(Outcome::Added, Term::nil())))
}
