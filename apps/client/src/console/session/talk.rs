//! Writing, reading, and what is done with a message.

use bytes::Bytes;
use proto::RosterEntry;

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
        let msg_id = self.fresh_id()?;
        self.client()?.send_text(target.id(), text, Some(msg_id)).await?;
        Ok(Vec::new())
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
        messages.iter().for_each(|message| self.seen.note(message, &self.book.own));
        if let Some(last) = messages.last().and_then(|message| message.id) {
            self.client()?.read_up_to(feed, last).await?;
        }
        match messages.iter().filter_map(|message| show::message(message, &self.book)).collect::<Vec<_>>() {
            none if none.is_empty() => said("nothing yet"),
            lines => Ok(lines),
        }
    }

    pub(super) async fn reply(&mut self, number: Option<u64>, text: &str) -> Result<Vec<String>, Error> {
        let to = self.meant(number, false)?;
        let msg_id = self.fresh_id()?;
        self.client()?.reply(to.feed, to.id, text, Some(msg_id)).await?;
        Ok(Vec::new())
    }

    pub(super) async fn edit(&self, number: Option<u64>, text: &str) -> Result<Vec<String>, Error> {
        let one = self.meant(number, true)?;
        self.client()?.edit(one.feed, one.id, text).await?;
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
        let messages: Vec<_> = messages.collect();
        messages.iter().for_each(|message| self.seen.note(message, &self.book.own));
        match messages.iter().filter_map(|message| show::message(message, &self.book)).collect::<Vec<_>>() {
            none if none.is_empty() => said("nothing is kept: star #N"),
            lines => Ok(lines),
        }
    }

    /// The message of this number, else the last one of the open conversation.
    fn meant(&self, number: Option<u64>, own: bool) -> Result<One, Error> {
        let found = match number {
            Some(number) => self.seen.number(number),
            None => self.seen.last(self.open_feed().as_ref(), own),
        };
        let found = found.cloned();
        found.ok_or_else(|| Error::local("which message? history WHO shows them with their numbers"))
    }
}
