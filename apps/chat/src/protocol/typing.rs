//! PRESENCE-7: what somebody is doing right now. Nothing is kept.

use etf::Encode;
use proto::Refusal;
use proto::ids::PhoneId;
use proto::records::Typing;

use super::Halt;
use crate::effects::show;
use crate::process::conversation::Conversation;
use crate::{Chat, Cx, Fx, Who, effects};

/// `comments` at most, bytes encoded.
const COMMENTS_MAX: usize = 256;
const SECOND_MS: u64 = 1000;

/// PRESENCE-7: shown to the devices of both parties but the sending one.
pub(crate) fn typing(
    conversation: &mut Conversation,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    typing: Typing,
) -> Result<(), Halt> {
    let own = conversation.own(who, None)?.clone();
    let mut comments = Vec::new();
    typing.comments.encode(&mut comments);
    if comments.len() > COMMENTS_MAX {
        return Err(Refusal::InvalidData.into());
    }
    // Who is banned has no right here either, and is told no more than that.
    conversation.may_post(cx, &own).map_err(|halt| match halt {
        Halt::Refused(Refusal::Banned) => Refusal::PermissionDenied.into(),
        halt => halt,
    })?;

    let author = own.who.to_bytes();
    let often = chat.settings.limits && is_often(conversation, &own.who, cx.now.0);
    if !often && super::presence::shows_typing(cx, own.who.phone())? {
        let payload = etf::encode(&Typing { phone_id: Some(author), comments: typing.comments });
        for phone in conversation.accounts() {
            show(fx, phone, &conversation.topic(), payload.clone(), Some(who.connection));
        }
    }
    effects::answer(fx, who, Vec::new());
    Ok(())
}

/// More than two within a second.
fn is_often(conversation: &mut Conversation, own: &PhoneId, now: u64) -> bool {
    let Some(side) = conversation.side(own) else { return false };
    let [before_last, last] = side.typed;
    if now < before_last.saturating_add(SECOND_MS) {
        return true;
    }
    side.typed = [last, now];
    false
}
