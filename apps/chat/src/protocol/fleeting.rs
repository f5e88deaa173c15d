//! DLV-6, `history.mode=transient`: when all devices of all parties have acknowledged a message its content goes; a day later what is left
//! of it. Where messages are kept nothing here is ever done.

use kvs::Span;
use mail::Cursor;
use n2o::{Failure, Time};
use proto::ids::{ClientId, DevKey, Phone, PhoneId};
use proto::limits::QUEUE_MS;
use proto::records::{Feature, Member, Message};

use super::feature::{self, ROOM_SETTINGS};
use super::history::kinds;
use super::later;
use super::message::{forget_later, reply};
use crate::process::conversation::{Conversation, Parties};
use crate::rows::{
    self, CHANGE, CHANGED, CURSOR, Chore, DEVICE, Device, FLEETING, HIDDEN, IN_ROOM, Later, MEMBER, MESSAGE,
    Membership, REPLY,
};
use crate::{Chat, Cx, Fx, Input, Name, Tick};

/// The setting of a room, and what accounts are told of the deployment's.
const HISTORY_MODE: &[u8] = b"HISTORY_MODE";
/// A conversation looks at most so often; what is acknowledged meanwhile is dealt with together.
const LOOK_MS: u64 = 1000;
/// What is left of a message is there for so long.
const SKELETON_MS: u64 = 24 * HOUR_MS;
const HOUR_MS: u64 = 3_600_000;
/// A device that was not here for so long has no queue (DLV-12).
const GONE_MS: u64 = 90 * 24 * HOUR_MS;
/// Members whose devices are asked in one step.
const MEMBERS_MAX: usize = 32;
/// Messages looked at in one step.
const MESSAGES_MAX: usize = 64;
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

/// A look at what all devices have acknowledged, in steps.
struct Look {
    /// What all devices asked so far have.
    all: Cursor,
    stage: Stage,
    /// Some content stays.
    stays: bool,
}

enum Stage {
    /// The devices of members behind this one are to be asked; of a pair, all.
    Ask(u64),
    /// Messages from this one on are to be looked at.
    Erase(u64),
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

/// A device has acknowledged something, or it is time to look: at once, or when the last look is a second ago.
pub(crate) fn look(conversation: &mut Conversation, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
    let fleeting = &mut conversation.fleeting;
    if fleeting.look.is_some() || fleeting.again {
        fleeting.again = true;
        return Ok(());
    }
    match fleeting.looked {
        Some(looked) if cx.now.since(looked) < LOOK_MS => {
            fleeting.again = true;
            fx.timer(looked + LOOK_MS, Input::Tick(Tick::SweepDue));
            Ok(())
        }
        Some(_) | None => begin(conversation, cx, fx),
    }
}

/// The second is over.
pub(crate) fn begin(conversation: &mut Conversation, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
    let fleeting = &mut conversation.fleeting;
    if fleeting.look.is_some() {
        return Ok(());
    }
    fleeting.again = false;
    fleeting.look = Some(Look { all: Cursor::at(u64::MAX), stage: Stage::Ask(0), stays: false });
    go_on(conversation, cx, fx)
}

/// One step of a look.
pub(crate) fn go_on(conversation: &mut Conversation, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
    let Some(mut look) = conversation.fleeting.look.take() else { return Ok(()) };
    let next = match look.stage {
        Stage::Ask(behind) => Some(ask(conversation, cx, &mut look, behind)?),
        Stage::Erase(from) => erase(conversation, cx, fx, &mut look, from)?,
    };
    match next {
        Some(stage) => {
            conversation.fleeting.look = Some(Look { stage, ..look });
            fx.tell(Name::Conversation(conversation.feed.clone()), Input::GoOn);
        }
        None => ended(conversation, cx, fx, look.stays),
    }
    Ok(())
}

fn ended(conversation: &mut Conversation, cx: &Cx<'_>, fx: &mut Fx, stays: bool) {
    conversation.fleeting.looked = Some(cx.now);
    if conversation.fleeting.again {
        fx.timer(cx.now + LOOK_MS, Input::Tick(Tick::SweepDue));
    }
    if stays {
        look_later(conversation, fx, cx.now, 24 * HOUR_MS);
    }
}

/// What the devices of some more parties have acknowledged. Who comes into a room meanwhile stands at the end, and what was said before
/// is not due to it.
fn ask(conversation: &Conversation, cx: &Cx<'_>, look: &mut Look, behind: u64) -> Result<Stage, Failure> {
    let room = match &conversation.parties {
        Parties::Pair(sides) => {
            for side in sides {
                ask_account(conversation, cx, look, side.who.phone(), 0)?;
            }
            return Ok(Stage::Erase(0));
        }
        Parties::Room(room) => room,
    };
    let span = rows::numbers(&conversation.key, behind + 1, u64::MAX).limit(MEMBERS_MAX);
    let members = cx.store.scan(MEMBER, &span)?;
    for (_, row) in &members {
        let member: Member = rows::decode(row)?;
        let Some(who) = member.phone_id.as_ref().and_then(|id| PhoneId::parse(id).ok()) else { continue };
        let part: Option<Membership> = rows::read(cx.store, IN_ROOM, &rows::in_room_key(&who, &room.id))?;
        let came = part.and_then(|part| part.spans.first().map(|(came, _)| *came)).unwrap_or(0);
        ask_account(conversation, cx, look, who.phone(), came)?;
    }
    match members.last().and_then(|(key, _)| rows::number(key)).filter(|_| members.len() == MEMBERS_MAX) {
        Some(last) => Ok(Stage::Ask(last)),
        None => Ok(Stage::Erase(0)),
    }
}

fn ask_account(
    conversation: &Conversation,
    cx: &Cx<'_>,
    look: &mut Look,
    phone: &Phone,
    came: u64,
) -> Result<(), Failure> {
    let prefix = rows::path(&[phone.as_str().as_bytes(), b""]);
    for (_, row) in cx.store.scan(DEVICE, &Span::prefix(prefix))? {
        let device: Device = rows::decode(&row)?;
        let key = DevKey::parse(&device.dev_key).map_err(|_| Failure::new("a stored device key is none"))?;
        let client = ClientId::device(phone, &key);
        let is_gone = cx.now.0.saturating_sub(device.last_online) > GONE_MS;
        if is_gone && !cx.is_alive(&Name::Session(client.as_str().into())) {
            continue;
        }
        let cursor: Option<Cursor> =
            rows::read(cx.store, CURSOR, &rows::cursor_key(client.as_str(), &conversation.key))?;
        let cursor = cursor.unwrap_or_else(|| Cursor::at(device.birth));
        look.all = look.all.and(&Cursor { upto: cursor.upto.max(came), ..cursor });
    }
    Ok(())
}

/// Erases what all have, of some more messages. What is older than a queue holds is due to nobody (DLV-10).
fn erase(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    look: &mut Look,
    from: u64,
) -> Result<Option<Stage>, Failure> {
    let span = rows::numbers(&conversation.key, from, u64::MAX).limit(MESSAGES_MAX);
    let messages = cx.store.scan(FLEETING, &span)?;
    for (key, row) in &messages {
        let (Some(id), 0_u64) = (rows::number(key), rows::decode(row)?) else { continue };
        let Some(stored) = rows::read::<Message>(cx.store, MESSAGE, key)? else { continue };
        let changed: Option<u64> = rows::read(cx.store, CHANGED, key)?;
        let too_old = stored.created.is_some_and(|created| cx.now.0.saturating_sub(created.0) > QUEUE_MS);
        match too_old || look.all.covers(id) && changed.is_none_or(|seq| look.all.covers(seq)) {
            true if !rows::is_pending(&stored) => erase_content(conversation, cx, fx, id, stored, changed),
            true | false => look.stays = true,
        }
    }
    let last = messages.last().and_then(|(key, _)| rows::number(key)).filter(|_| messages.len() == MESSAGES_MAX);
    Ok(last.map(|last| Stage::Erase(last + 1)))
}

/// The skeleton stays, for a day. A deleted message has none, but its repeats are known as long.
fn erase_content(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    id: u64,
    stored: Message,
    changed: Option<u64>,
) {
    let (feed, key) = (&conversation.key, rows::numbered(&conversation.key, id));
    if rows::is_kept(&stored) {
        kinds::leave(fx, feed, id, &stored);
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
