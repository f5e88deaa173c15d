//! DLV-6, `history.mode=transient`: when all devices of all parties have acknowledged a message its content goes; a day later what is left
//! of it. Where messages are kept nothing here is ever done.

mod look;

use n2o::{Failure, Time};
use proto::records::{Feature, Message};

use super::feature::{self, ROOM_SETTINGS};
use super::ftp;
use super::history::kinds;
use super::later;
use super::message::{forget_later, reply};
use crate::process::conversation::{Conversation, Parties};
use crate::rows::{self, CHANGE, CHANGED, Chore, FLEETING, HIDDEN, Later, MESSAGE, REPLY};
use crate::{Chat, Cx, Fx};

pub(crate) use look::{begin, go_on, look};

use look::Look;

/// The setting of a room, and what accounts are told of the deployment's.
const HISTORY_MODE: &[u8] = b"HISTORY_MODE";
/// What is left of a message is there for so long.
const SKELETON_MS: u64 = 24 * HOUR_MS;
const HOUR_MS: u64 = 3_600_000;
/// Replies to a message that are forgotten with it.
const REPLIES_MAX: usize = 1024;

/// What a conversation knows of its messages that will go. It may be lost: what is to be done is in the agenda as well.
#[derive(Default)]
pub struct Fleeting {
    /// There is, or was since the conversation was loaded, a message of the kind.
    pub is_on: bool,
    /// The latest time for which a look was entered.
    entered: u64,
    look: Option<Look>,
    /// Devices have acknowledged since the look under way began, or since the last one.
    again: bool,
    /// When the last look ended.
    looked: Option<Time>,
}

impl Fleeting {
    pub(crate) fn load(cx: &Cx<'_>, feed: &[u8]) -> Result<Fleeting, Failure> {
        Ok(Fleeting { is_on: any(cx, feed)?, ..Fleeting::default() })
    }
}

/// Whether a feed has messages that will go.
pub(crate) fn any(cx: &Cx<'_>, feed: &[u8]) -> Result<bool, Failure> {
    Ok(!cx.store.scan(FLEETING, &rows::numbers(feed, 0, u64::MAX).limit(1))?.is_empty())
}

/// Whether messages sent now are to go: as the room says, or else the deployment.
pub(crate) fn is_transient(conversation: &Conversation, chat: &Chat) -> bool {
    let settings = match &conversation.parties {
        Parties::Pair(_) => &[][..],
        Parties::Room(room) => room.row.as_ref().map(|row| row.room.settings.as_slice()).unwrap_or_default(),
    };
    match feature::value(settings, ROOM_SETTINGS, HISTORY_MODE) {
        Some(b"transient") => true,
        Some(b"keep") => false,
        Some(_) | None => chat.settings.transient,
    }
}

/// A message was kept that is to go when all have it.
pub(crate) fn sent(conversation: &mut Conversation, fx: &mut Fx, id: u64, now: Time) {
    conversation.fleeting.is_on = true;
    fx.put(FLEETING, rows::numbered(&conversation.key, id), rows::encode(&0_u64));
    look_later(conversation, fx, now, HOUR_MS);
}

/// Devices tell when they acknowledge, but that may be lost, and some never do: so a look is entered in any case.
fn look_later(conversation: &mut Conversation, fx: &mut Fx, now: Time, grain: u64) {
    let at = (now.0 / grain + 2) * grain;
    if conversation.fleeting.entered != at {
        conversation.fleeting.entered = at;
        later::enter(fx, &conversation.key, at, 0, &Later { chore: Chore::Sweep, keys: Vec::new() });
    }
}

/// The skeleton stays, for a day. A deleted message has none, but its repeats are known as long.
fn erase_content(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    id: u64,
    stored: Message,
    changed: Option<u64>,
) -> Result<(), Failure> {
    let (feed, key) = (&conversation.key, rows::numbered(&conversation.key, id));
    if rows::is_kept(&stored) {
        kinds::leave(fx, feed, id, &stored);
        ftp::leave(cx, fx, feed, id, &stored)?;
        reply::withdrawn(fx, feed, &stored);
        forget_later(conversation, fx, id, cx.now.0 + SKELETON_MS, &stored);
        let skeleton = Message {
            id: stored.id,
            feed_id: stored.feed_id,
            prev: stored.prev,
            from: stored.from,
            to: stored.to,
            created: stored.created,
            ..Message::default()
        };
        fx.put(MESSAGE, key.clone(), rows::encode(&skeleton));
    }
    if let Some(seq) = changed {
        fx.delete(CHANGE, rows::numbered(feed, seq));
        fx.delete(CHANGED, key.clone());
    }
    fx.put(FLEETING, key, rows::encode(&cx.now.0));
    later::enter(fx, feed, cx.now.0 + SKELETON_MS, id, &Later { chore: Chore::Vanish, keys: Vec::new() });
    Ok(())
}

/// The day is over: nothing is left of the message.
pub(crate) fn vanish(conversation: &Conversation, cx: &Cx<'_>, fx: &mut Fx, id: u64) -> Result<(), Failure> {
    let (feed, key) = (&conversation.key, rows::numbered(&conversation.key, id));
    if let Some(seq) = rows::read::<u64>(cx.store, CHANGED, &key)? {
        fx.delete(CHANGE, rows::numbered(feed, seq));
    }
    for (reply, _) in cx.store.scan(REPLY, &rows::numbers(feed, id, id).limit(REPLIES_MAX))? {
        fx.delete(REPLY, reply);
    }
    for side in conversation.sides() {
        fx.delete(HIDDEN, rows::hidden_key(&conversation.feed, &side.who, id));
    }
    for table in [MESSAGE, CHANGED, FLEETING] {
        fx.delete(table, key.clone());
    }
    Ok(())
}

/// What a notice may carry of a message that will go: nothing of its content, since the notice may wait longer than it.
pub(crate) fn bare(message: Message) -> Message {
    Message { files: Vec::new(), link: None, ..message }
}

/// What a Profile tells of private feeds; without it they are kept. It is the server's to say.
pub(crate) fn mode(chat: &Chat) -> Option<Feature> {
    chat.settings.transient.then(|| Feature::new(ROOM_SETTINGS, HISTORY_MODE, "transient"))
}

pub(crate) fn is_mode(setting: &Feature) -> bool {
    setting.is(ROOM_SETTINGS, HISTORY_MODE)
}
