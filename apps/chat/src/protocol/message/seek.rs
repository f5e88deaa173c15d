//! MESSAGE-9: a message may be forwarded by its number from any feed of the account. Which one has it, nothing says: the sender's roster
//! looks, some feeds in a step, and hands the message on with the original in it. What it does not find stays a number, and the
//! conversation says so.

use bytes::Bytes;
use n2o::Failure;
use proto::Record;
use proto::ids::{FeedId, PhoneId};
use proto::records::{Feed, Mark, Message, MessageLink};

use crate::process::room::Room;
use crate::protocol::Halt;
use crate::protocol::history::Reach;
use crate::rows::{self, MESSAGE, READER, RELATION};
use crate::{Account, Call, Cx, Fx, Input, Name, Who};

/// Private feeds looked at in one step.
const STEP: usize = 256;

/// A message whose original is looked for.
#[derive(Debug, Clone)]
pub struct Seek {
    who: Who,
    message: Message,
    feed: FeedId,
    id: u64,
    /// The own rosters that are left; the feeds of the last one are looked at.
    rosters: Vec<PhoneId>,
    /// Those with others up to this address have been.
    at: Bytes,
}

/// Whether a message for this feed forwards one that is of another.
pub(crate) fn is_needed(cx: &Cx<'_>, feed: &FeedId, message: &Message) -> Result<bool, Failure> {
    match (&message.r#type[..], &message.link) {
        ([Mark::Forward], Some(MessageLink::Id(id))) => has(cx, feed, *id).map(|here| !here),
        _ => Ok(false),
    }
}

/// At the roster: the message names its feed in full.
pub(crate) fn begin(cx: &Cx<'_>, fx: &mut Fx, who: &Who, message: Message) -> Result<(), Halt> {
    let feed = message.feed_id.as_ref().and_then(|feed| FeedId::try_from(feed).ok());
    let (Some(feed), Some(MessageLink::Id(id)), Some(account)) = (feed, &message.link, &who.account) else {
        return Err(proto::Refusal::InvalidData.into());
    };
    let (id, rosters) = (*id, account.rosters.iter().map(|roster| account.phone.roster(*roster)).collect());
    let seek = Seek { who: who.clone(), message, feed, id, rosters, at: Bytes::new() };
    Ok(Box::new(seek).step(cx, fx)?)
}

/// The same message, on its way to the roster.
pub(crate) fn addressed(account: &Account, feed: &FeedId, message: Message) -> Option<(Name, Record)> {
    let message = Message { feed_id: Some(Feed::from(feed)), ..message };
    Some((Name::Roster(account.default_roster()?), message.into()))
}

impl Seek {
    /// Who waits for it.
    pub(crate) fn who(&self) -> &Who {
        &self.who
    }

    /// Looks at some feeds, and comes again if there are more.
    pub(crate) fn step(mut self: Box<Self>, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        let Some(own) = self.rosters.last().cloned() else {
            self.hand_on(fx, None);
            return Ok(());
        };
        let prefix = rows::pair_key(&own, b"");
        let page = cx.store.scan(RELATION, &rows::beyond(&prefix, &self.at).limit(STEP))?;
        for (key, _) in &page {
            let Ok(peer) = PhoneId::parse(&key.slice(prefix.len()..)) else { continue };
            if let Some(found) = self.in_private(cx, &own, peer)? {
                self.hand_on(fx, found);
                return Ok(());
            }
        }
        match page.last() {
            Some((key, _)) if page.len() == STEP => self.at = key.slice(prefix.len()..),
            Some(_) | None => {
                let elsewhere = match self.in_private(cx, &own, own.clone())? {
                    Some(found) => Some(found),
                    None => self.in_rooms(cx, &own)?.map(Some),
                };
                if let Some(found) = elsewhere {
                    self.hand_on(fx, found);
                    return Ok(());
                }
                self.rosters.pop();
                self.at = Bytes::new();
            }
        }
        fx.tell(cx.name.clone(), Input::Seek(self));
        Ok(())
    }

    /// Whether the feed with `peer` has it, and if so what `own` sees of it.
    fn in_private(&self, cx: &Cx<'_>, own: &PhoneId, peer: PhoneId) -> Result<Option<Option<Message>>, Failure> {
        let feed = FeedId::p2p(own.clone(), peer);
        if !has(cx, &feed, self.id)? {
            return Ok(None);
        }
        let reader = rows::read(cx.store, READER, &rows::reader_key(&feed, own))?.unwrap_or_default();
        Reach::all(&feed, own, reader).get(cx, self.id).map(Some)
    }

    fn in_rooms(&self, cx: &Cx<'_>, own: &PhoneId) -> Result<Option<Message>, Failure> {
        for id in rows::rooms(cx.store, own)?.into_keys() {
            let feed = FeedId::Room(id.clone());
            if has(cx, &feed, self.id)?
                && let room = Room::load(cx, &id)?
                && room.row().is_ok()
                && let Some(side) = room.side(cx, own)?
                && let Some(message) = Reach::of(&feed, &side).get(cx, self.id)?
            {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// To the conversation that the message is for.
    fn hand_on(self: Box<Self>, fx: &mut Fx, found: Option<Message>) {
        let Seek { who, mut message, feed, .. } = *self;
        if let Some(original) = found.filter(|original| !rows::is_pending(original)) {
            message.link = Some(MessageLink::Message(Box::new(original)));
        }
        fx.tell(Name::Conversation(feed), Input::Call(Box::new(Call { who, record: message.into() })));
    }
}

fn has(cx: &Cx<'_>, feed: &FeedId, id: u64) -> Result<bool, Failure> {
    Ok(cx.store.get(MESSAGE, &rows::numbered(&feed.key(), id))?.is_some())
}
