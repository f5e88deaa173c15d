//! MESSAGE-8: messages that reply to one. Which these are is kept beside it: a message is written once.

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::limits::MESSAGE_IDS;
use proto::records::{Feed, Mark, Message, MessageLink, MessageStatus};

use super::{Halt, Turn};
use crate::rows::{self, REPLY};
use crate::{Cx, Fx};

/// MESSAGE-8: what is replied to is in the same feed and visible.
pub(super) fn target(turn: &Turn<'_, '_>, link: MessageLink) -> Result<u64, Halt> {
    let MessageLink::Id(id) = link else { return Err(Refusal::InvalidData.into()) };
    match turn.reach().get(turn.cx, id)? {
        Some(_) => Ok(id),
        None => Err(Refusal::MessageNotFound.into()),
    }
}

/// The reply was kept: it belongs to the other, and whoever listens is told.
pub(super) fn entered(turn: &mut Turn<'_, '_>, to: u64, reply: u64) -> Result<(), Failure> {
    let Turn { conversation, cx, fx, who, .. } = turn;
    fx.put(REPLY, key(&conversation.key, to, reply), Bytes::new());
    let mut repliedby = latest(cx, &conversation.key, to, MESSAGE_IDS - 1)?;
    repliedby.push(reply);
    let news = etf::encode(&Message {
        id: Some(to),
        feed_id: Some(Feed::from(&conversation.feed)),
        repliedby,
        status: Some(MessageStatus::Update),
        ..Message::default()
    });
    conversation.show_after(fx, news, who);
    Ok(())
}

/// A message is deleted: it replies no longer.
pub(crate) fn withdrawn(fx: &mut Fx, feed: &[u8], message: &Message) {
    if let (true, Some(MessageLink::Id(to)), Some(id)) =
        (message.r#type.contains(&Mark::Reply), &message.link, message.id)
    {
        fx.delete(REPLY, key(feed, *to, id));
    }
}

/// The latest replies to a message, rising.
pub(crate) fn latest(cx: &Cx<'_>, feed: &[u8], to: u64, count: usize) -> Result<Vec<u64>, Failure> {
    let rows = cx.store.scan(REPLY, &rows::numbers(feed, to, to).backward().limit(count))?;
    Ok(rows.iter().rev().filter_map(|(key, _)| rows::number(key)).collect())
}

/// Whether any message from `first` to `last` was replied to.
pub(crate) fn any(cx: &Cx<'_>, feed: &[u8], first: u64, last: u64) -> Result<bool, Failure> {
    Ok(!cx.store.scan(REPLY, &rows::numbers(feed, first, last).limit(1))?.is_empty())
}

fn key(feed: &[u8], to: u64, reply: u64) -> Bytes {
    [&rows::numbered(feed, to)[..], &reply.to_be_bytes()].concat().into()
}
