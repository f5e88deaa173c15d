//! Messages and history (SPEC 6.9, 6.10).

use bytes::Bytes;
use proto::ids::{FeedId, PhoneId};
use proto::{
    Ack, Desc, Feed, History, HistoryItem, HistoryStatus, Mark, Message, MessageLink, MessageStatus, Record, SeenBy,
    Several, Typing,
};

use super::bytes;
use crate::{Answer, Client, Error};

/// A message that the server has taken over: it survives a crash from now on (MESSAGE-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its own unique id; the copies that arrive carry it.
    pub msg_id: Bytes,
}

/// The key of the private feed of two addresses, in the order of TOPIC-7.
pub fn private(one: &str, other: &str) -> Result<Feed, Error> {
    let address = |text: &str| {
        PhoneId::parse(text.as_bytes())
            .map_err(|bad| Error::local(format!("{text} is no address (phone_roster): {bad}")))
    };
    Ok(Feed::from(&FeedId::p2p(address(one)?, address(other)?)))
}

impl Client {
    /// MESSAGE-1: sends text to a peer's address or a room; returns when the server has it on disk.
    pub async fn send(&self, to: &str, text: &str) -> Result<Sent, Error> {
        self.send_text(to, text, None).await
    }

    /// As [`Client::send`], under a msg_id of one's own choice.
    pub async fn send_text(&self, to: &str, text: &str, msg_id: Option<Bytes>) -> Result<Sent, Error> {
        let files = vec![Desc::text(text.as_bytes().to_vec())];
        self.send_message(Message { to: bytes(to), files, msg_id, ..Message::default() }).await
    }

    /// MESSAGE-8: sends text in reply to message `id` of the feed.
    pub async fn reply(&self, feed: Feed, id: u64, text: &str, msg_id: Option<Bytes>) -> Result<Sent, Error> {
        let (r#type, link) = (Several(vec![Mark::Reply]), Some(MessageLink::Id(id)));
        let files = vec![Desc::text(text.as_bytes().to_vec())];
        self.send_message(Message { feed_id: Some(feed), files, r#type, link, msg_id, ..Message::default() }).await
    }

    /// MESSAGE-6: another text for the own message `id`.
    pub async fn edit(&self, feed: Feed, id: u64, text: &str) -> Result<Sent, Error> {
        let files = vec![Desc::text(text.as_bytes().to_vec())];
        let status = Some(MessageStatus::Edit);
        self.send_message(Message { id: Some(id), feed_id: Some(feed), files, status, ..Message::default() }).await
    }

    /// MESSAGE-7: deletes message `id` for everybody, or only for the own address `only_for`.
    pub async fn delete(&self, feed: Feed, id: u64, only_for: Option<&str>) -> Result<Sent, Error> {
        let seenby = Several(only_for.and_then(bytes).map(SeenBy::Phone).into_iter().collect());
        let status = Some(MessageStatus::Delete);
        self.send_message(Message { id: Some(id), feed_id: Some(feed), seenby, status, ..Message::default() }).await
    }

    /// MESSAGE-1 with everything as given; a msg_id is made where there is none, so that repeating is safe.
    pub async fn send_message(&self, message: Message) -> Result<Sent, Error> {
        let msg_id = match &message.msg_id {
            Some(id) => id.clone(),
            None => fresh_msg_id()?,
        };
        let record = Record::from(Message { msg_id: Some(msg_id.clone()), ..message });
        self.call_for(&record, Answer::Accepted(msg_id.clone())).await?;
        Ok(Sent { msg_id })
    }

    /// MESSAGE-3: this device has the message.
    pub async fn ack(&self, msg_id: impl Into<Bytes>) -> Result<(), Error> {
        self.call(Ack { id: Some(msg_id.into()), ..Ack::default() }).await.map(drop)
    }

    /// PRESENCE-7: tells a peer or a room that something is being written; an empty text says it stopped.
    pub async fn typing(&self, to: &str, what: &str) -> Result<(), Error> {
        let comments = if what.is_empty() { etf::Term::nil() } else { etf::Term::binary(what.as_bytes()) };
        self.call(Typing { phone_id: Some(Bytes::copy_from_slice(to.as_bytes())), comments }).await.map(drop)
    }

    /// HISTORY-1: up to `size` messages before `from` (0: the latest), or after it where `size` is negative; rising ids.
    pub async fn history(&self, feed: Feed, size: i64, from: u64) -> Result<Vec<Message>, Error> {
        self.messages(feed, HistoryStatus::Get, size, from).await
    }

    /// HISTORY-8: what came after the last id that this client holds; to be repeated until it is empty.
    pub async fn catch_up(&self, feed: Feed, last: u64) -> Result<Vec<Message>, Error> {
        self.messages(feed, HistoryStatus::LastLoaded, 0, last).await
    }

    /// HISTORY-3: everything up to `id` (0: all) is read.
    pub async fn read_up_to(&self, feed: Feed, id: u64) -> Result<(), Error> {
        self.call(ask(feed, HistoryStatus::Update, 0, id)).await.map(drop)
    }

    async fn messages(&self, feed: Feed, status: HistoryStatus, size: i64, from: u64) -> Result<Vec<Message>, Error> {
        let answers = self.call(ask(feed, status, size, from)).await?;
        let parts = answers
            .into_iter()
            .filter_map(|record| if let Record::History(part) = record { Some(part.data) } else { None });
        Ok(parts
            .flatten()
            .filter_map(|item| match item {
                HistoryItem::Message(message) => Some(*message),
                HistoryItem::StickerPack(_) | HistoryItem::RoomStar(_) => None,
            })
            .collect())
    }
}

fn ask(feed: Feed, status: HistoryStatus, size: i64, from: u64) -> History {
    History {
        feed: Some(feed.into()),
        size: Some(size),
        entity_id: Some(from),
        status: Some(status),
        ..History::default()
    }
}

/// 128 random bits as text.
pub(crate) fn fresh_msg_id() -> Result<Bytes, Error> {
    let mut random = [0; 16];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.secure_random.fill(&mut random).map_err(|_| Error::local("no random numbers"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)).into())
}
