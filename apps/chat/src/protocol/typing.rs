//! PRESENCE-7: what somebody is doing right now. Nothing is kept.

use etf::Encode;
use proto::Refusal;
use proto::ids::PhoneId;
use proto::records::Typing;

use super::Halt;
use crate::process::conversation::Conversation;
use crate::{Chat, Cx, Fx, Who, effects};

/// `comments` at most, bytes encoded.
const COMMENTS_MAX: usize = 256;
const SECOND_MS: u64 = 1000;
/// Rosters whose typing one conversation counts at a time; of more within a second it drops.
const TYPISTS_MAX: usize = 64;

/// PRESENCE-7: shown to the devices of both parties but the sending one.
pub(crate) fn typing(
    conversation: &mut Conversation,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    typing: Typing,
) -> Result<(), Halt> {
    let own = conversation.own(cx, who, None)?;
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
        conversation.show(fx, payload, Some(who.connection));
    }
    effects::answer(fx, who, Vec::new());
    Ok(())
}

/// More than two within a second, or so many who type that nobody can follow.
fn is_often(conversation: &mut Conversation, own: &PhoneId, now: u64) -> bool {
    let typed = &mut conversation.typed;
    if typed.len() >= TYPISTS_MAX {
        typed.retain(|_, [_, last]| now < last.saturating_add(SECOND_MS));
    }
    let full = typed.len() >= TYPISTS_MAX;
    let Some(times) = typed.get_mut(own) else {
        if !full {
            typed.insert(own.clone(), [0, now]);
        }
        return full;
    };
    let [before_last, last] = *times;
    if now < before_last.saturating_add(SECOND_MS) {
        return true;
    }
    *times = [last, now];
    false
}
