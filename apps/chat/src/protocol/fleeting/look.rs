//! A look at what all devices of a feed have acknowledged, in steps; what all have is erased.

use kvs::Span;
use mail::Cursor;
use n2o::Failure;
use proto::ids::{ClientId, DevKey, Phone, PhoneId};
use proto::limits::QUEUE_MS;
use proto::records::{Member, Message};

use super::{HOUR_MS, erase_content, look_later};
use crate::process::conversation::{Conversation, Parties};
use crate::rows::{self, CHANGED, DEVICE, Device, FLEETING, IN_ROOM, MEMBER, MESSAGE, Membership};
use crate::{Cx, Fx, Input, Name, Tick};

/// A conversation looks at most so often; what is acknowledged meanwhile is dealt with together.
const LOOK_MS: u64 = 1000;
/// A device that was not here for so long has no queue (DLV-12).
const GONE_MS: u64 = 90 * 24 * HOUR_MS;
/// Members whose devices are asked in one step.
const MEMBERS_MAX: usize = 32;
/// Messages looked at in one step.
const MESSAGES_MAX: usize = 64;

/// How far it is.
pub(super) struct Look {
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
        let cursor = rows::cursor(cx.store, client.as_str(), &conversation.key, device.birth)?;
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
            true if !rows::is_pending(&stored) => erase_content(conversation, cx, fx, id, stored, changed)?,
            true | false => look.stays = true,
        }
    }
    let last = messages.last().and_then(|(key, _)| rows::number(key)).filter(|_| messages.len() == MESSAGES_MAX);
    Ok(last.map(|last| Stage::Erase(last + 1)))
}
