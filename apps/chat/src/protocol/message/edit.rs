//! MESSAGE-6: the author's second thoughts.

use bytes::Bytes;
use proto::Refusal;
use proto::records::{Mark, Message, MessageStatus};

use super::{Halt, accepted, change, check_files, check_size, is_authors, kinds, may_post};
use crate::effects::answer;
use crate::process::conversation::{Conversation, Side};
use crate::protocol::rights::Right;
use crate::rows;
use crate::{Chat, Cx, Fx, Who};

/// MESSAGE-6: other content in the same place, marked.
pub(super) fn edit(
    conversation: &mut Conversation,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    message: Message,
) -> Result<(), Halt> {
    let id = message.id.ok_or(Refusal::InvalidData)?;
    check_files(&message, false)?;
    let stored = rows::message(cx.store, &conversation.key, id)?;
    let stored = stored.filter(|stored| !rows::is_skeleton(stored)).ok_or(Refusal::MessageNotFound)?;
    let may_edit = is_authors(&stored, own) || conversation.allows(own, Right::EditOthers);
    if !may_edit || stored.r#type.contains(&Mark::Sys) || stored.r#type.contains(&Mark::Forward) {
        return Err(Refusal::PermissionDenied.into());
    }
    if rows::is_pending(&stored) {
        // It is completed, not edited (MESSAGE-5).
        return Err(Refusal::InvalidData.into());
    }
    may_post(conversation, cx, who, own)?;
    let acks: Vec<Bytes> = message.msg_id.iter().filter(|id| !id.is_empty()).map(accepted).collect();
    if stored.files == message.files {
        answer(fx, who, acks);
        return Ok(());
    }
    let mut kept = Message { files: message.files, ..stored.clone() };
    if !kept.r#type.contains(&Mark::Edited) {
        kept.r#type.push(Mark::Edited);
    }
    let row = check_size(chat, &kept)?;

    kinds::leave(fx, &conversation.key, id, &stored);
    kinds::enter(fx, &conversation.key, id, &kept);
    let seq = change(conversation, cx, fx, id, row, Some(MessageStatus::Edit))?;
    answer(fx, who, acks);
    let shown = Message { status: Some(MessageStatus::Edit), ..kept };
    conversation.post(fx, &shown, seq, id, rows::encode(&shown), Some(who));
    Ok(())
}
