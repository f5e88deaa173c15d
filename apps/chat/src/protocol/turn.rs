//! A party's turn in a conversation: what every call of MESSAGE and HISTORY is given.

use bytes::Bytes;
use n2o::Failure;
use proto::records::{Mark, Message};

use super::Halt;
use super::history::Reach;
use crate::effects;
use crate::process::conversation::{Conversation, Side};
use crate::rows;
use crate::{Chat, Cx, Fx, Who};

/// One request of one party.
pub(crate) struct Turn<'a, 'c> {
    pub(crate) conversation: &'a mut Conversation,
    pub(crate) chat: &'a Chat,
    pub(crate) cx: &'a Cx<'c>,
    pub(crate) fx: &'a mut Fx,
    pub(crate) who: &'a Who,
    /// The party that asks.
    pub(crate) own: Side,
}

impl<'a, 'c> Turn<'a, 'c> {
    /// The party is the one that the request names, or the caller's own (G-3, G-4).
    pub(crate) fn begin(
        conversation: &'a mut Conversation,
        chat: &'a Chat,
        cx: &'a Cx<'c>,
        fx: &'a mut Fx,
        who: &'a Who,
        named: Option<&Bytes>,
    ) -> Result<Turn<'a, 'c>, Halt> {
        let own = conversation.own(cx, who, named)?;
        Ok(Turn { conversation, chat, cx, fx, who, own })
    }

    /// Ends the call.
    pub(crate) fn answer(&mut self, records: Vec<Bytes>) {
        effects::answer(self.fx, self.who, records);
    }

    /// HISTORY-14: what the party sees of the feed.
    pub(crate) fn reach(&self) -> Reach {
        Reach::of(&self.conversation.feed, &self.own)
    }

    /// A message of the feed that is not deleted, whoever sees it.
    pub(crate) fn stored(&self, id: u64) -> Result<Option<Message>, Failure> {
        rows::message(self.cx.store, &self.conversation.key, id)
    }

    /// Whether it is the party's own word: what the server says of somebody's deeds is nobody's (MESSAGE-15), but services say so themselves.
    pub(crate) fn wrote(&self, message: &Message) -> bool {
        self.is_author(message) && (self.who.is_service() || !message.r#type.contains(&Mark::Sys))
    }

    pub(crate) fn is_author(&self, message: &Message) -> bool {
        message.from.as_deref() == Some(self.own.who.as_str().as_bytes())
    }
}
