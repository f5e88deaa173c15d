//! Writing, reading, and what is done with a message.

use bytes::Bytes;
use proto::{Desc, Feed, Mark, Message, MessageLink, MessageStatus, RosterEntry, Several};

use super::{SENT_MAX, Session, said};
use crate::Error;
use crate::calls::fresh_msg_id;
use crate::console::book::Target;
use crate::console::seen::One;
use crate::console::show;

impl Session {
    /// Opening a conversation reads it.
    pub(super) async fn write(&mut self, who: Option<String>) -> Result<Vec<String>, Error> {
        self.writing = who.map(|who| self.book.find(&who)).transpose()?;
        let Some(target) = &self.writing else { return Ok(Vec::new()) };
        let feed = target.feed(&self.book.own)?;
        if let Err(error @ Error::Refused { .. }) = self.client()?.read_up_to(feed, 0).await {
            self.writing = None;
            return Err(error);
        }
        Ok(Vec::new())
    }

    pub(super) async fn say(&mut self, text: &str) -> Result<Vec<String>, Error> {
        let target = self.writing.clone().ok_or_else(|| Error::local("to whom? first: write WHO"))?;
        self.send_to(&target, text).await
    }

    pub(super) async fn send(&mut self, who: &str, text: &str) -> Result<Vec<String>, Error> {
        self.send_to(&self.book.find(who)?, text).await
    }

    async fn send_to(&mut self, target: &Target, text: &str) -> Result<Vec<String>, Error> {
        let message = Message { files: said_in(text), ..self.draft(target.feed(&self.book.own)?)? };
        let message = self.sealed(message).await?;
        self.client()?.send_message(message).await?;
        Ok(Vec::new())
    }

    /// A message of one's own in this feed, as the server will show it.
    pub(super) fn draft(&mut self, feed: Feed) -> Result<Message, Error> {
        let own = Bytes::from(self.book.own.clone());
        let to = match &feed {
            Feed::P2p(pair) => [&pair.from, &pair.to].into_iter().flatten().find(|id| **id != own).cloned(),
            Feed::Muc(room) => room.name.clone(),
        };
        let to = Some(to.unwrap_or_else(|| own.clone()));
        Ok(Message { msg_id: Some(self.fresh_id()?), from: Some(own), feed_id: Some(feed), to, ..Message::default() })
    }

    /// A msg_id whose copy is not shown when it comes back.
    fn fresh_id(&mut self) -> Result<Bytes, Error> {
        let msg_id = fresh_msg_id()?;
        if self.sent.len() >= SENT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back(msg_id.clone());
        Ok(msg_id)
    }

    pub(super) async fn history(&mut self, who: Option<String>, count: u16) -> Result<Vec<String>, Error> {
        let target = match who {
            Some(who) => self.book.find(&who)?,
            None => self.writing.clone().ok_or_else(|| Error::local("history of whom?"))?,
        };
        let feed = target.feed(&self.book.own)?;
        let messages = self.client()?.history(feed.clone(), i64::from(count), 0).await?;
        if let Some(last) = messages.last().and_then(|message| message.id) {
            self.client()?.read_up_to(feed, last).await?;
        }
        match self.lines(&messages).await {
            none if none.is_empty() => said("nothing yet"),
            lines => Ok(lines),
        }
    }

    /// Messages that were asked for, each judged as one that comes.
    async fn lines(&mut self, messages: &[Message]) -> Vec<String> {
        let mut lines = Vec::new();
        for message in messages {
            self.seen.note(message, &self.book.own);
            self.look_up_author(message).await;
            let (message, mark) = self.judged(message);
            self.seen.keep(&message, super::files::files(&message));
            lines.extend(show::message(&message, &mark, &self.book));
        }
        lines
    }

    pub(super) async fn reply(&mut self, number: Option<u64>, text: &str) -> Result<Vec<String>, Error> {
        let to = self.meant(number, false)?;
        let (r#type, link) = (Several(vec![Mark::Reply]), Some(MessageLink::Id(to.id)));
        let message = Message { files: said_in(text), r#type, link, ..self.draft(to.feed)? };
        let message = self.sealed(message).await?;
        self.client()?.send_message(message).await?;
        Ok(Vec::new())
    }

    pub(super) async fn edit(&mut self, number: Option<u64>, text: &str) -> Result<Vec<String>, Error> {
        let one = self.meant(number, true)?;
        let draft = self.draft(one.feed)?;
        let asked = draft.msg_id.clone();
        // It is shown under the msg_id that it had first, so that one is signed.
        let message = Message { msg_id: one.msg_id, files: said_in(text), ..draft };
        let message = self.sealed(message).await?;
        let (id, status) = (Some(one.id), Some(MessageStatus::Edit));
        self.client()?.send_message(Message { id, status, msg_id: asked, ..message }).await?;
        said(format!("#{} now says so", one.id))
    }

    /// One's own for everybody, another's for oneself.
    pub(super) async fn delete(&self, number: Option<u64>) -> Result<Vec<String>, Error> {
        let one = self.meant(number, true)?;
        let only_for = (!one.is_own).then_some(self.book.own.as_str());
        self.client()?.delete(one.feed, one.id, only_for).await?;
        said(format!("#{} is deleted for {}", one.id, if one.is_own { "everybody" } else { "you" }))
    }

    pub(super) async fn star(&self, number: Option<u64>) -> Result<Vec<String>, Error> {
        let one = self.meant(number, false)?;
        self.client()?.star(one.feed, one.id).await?;
        said(format!("#{} is kept; stars shows what is", one.id))
    }

    pub(super) async fn unstar(&self, number: Option<u64>) -> Result<Vec<String>, Error> {
        let one = self.meant(number, false)?;
        self.client()?.unstar(one.feed, one.id).await?;
        said(format!("#{} is kept no more", one.id))
    }

    pub(super) async fn stars(&mut self) -> Result<Vec<String>, Error> {
        let profile = self.client()?.profile().await?;
        let rosters = profile.rosters.iter().filter_map(|entry| match entry {
            RosterEntry::Roster(roster) => Some(roster),
            RosterEntry::Id(_) | RosterEntry::Name(_) => None,
        });
        let messages = rosters.flat_map(|roster| &roster.favorite).filter_map(|star| star.message.as_deref());
        let messages: Vec<Message> = messages.cloned().collect();
        match self.lines(&messages).await {
            none if none.is_empty() => said("nothing is kept: star #N"),
            lines => Ok(lines),
        }
    }

    /// The message of this number, else the last one of the open conversation.
    pub(super) fn meant(&self, number: Option<u64>, own: bool) -> Result<One, Error> {
        let found = match number {
            Some(number) => self.seen.number(number),
            None => self.seen.last(self.open_feed().as_ref(), own),
        };
        let found = found.cloned();
        found.ok_or_else(|| Error::local("which message? history WHO shows them with their numbers"))
    }
}

fn said_in(text: &str) -> Vec<Desc> {
    vec![Desc::text(text.as_bytes().to_vec())]
}
