//! PRESENCE-7: what somebody is doing right now. Nothing is kept.

use etf::Encode;
use proto::Refusal;
use proto::records::Typing;

use super::Halt;
use crate::effects::show;
use crate::process::conversation::Conversation;
use crate::{Cx, Fx, Who, effects};

/// `comments` at most, bytes encoded.
const COMMENTS_MAX: usize = 256;

/// PRESENCE-7: shown to the devices of both parties but the sending one.
pub(crate) fn typing(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    typing: Typing,
) -> Result<(), Halt> {
    let own = conversation.own(who, None)?;
    let mut comments = Vec::new();
    typing.comments.encode(&mut comments);
    if comments.len() > COMMENTS_MAX {
        return Err(Refusal::InvalidData.into());
    }
    conversation.may_post(cx, own)?;

    let author = own.who.to_bytes();
    if super::presence::shows_typing(cx, own.who.phone())? {
        let payload = etf::encode(&Typing {
            phone_id: Some(author),
            comments: typing.comments,
        });
        for phone in conversation.accounts() {
            show(fx, phone, &conversation.topic(), payload.clone(), Some(who.connection));
        }
    }
    effects::answer(fx, who, Vec::new());
    Ok(())
}
