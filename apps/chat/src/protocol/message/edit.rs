//! MESSAGE-6: the author's second thoughts.

use proto::Refusal;
use proto::records::{Mark, Message, MessageStatus};

use super::{Halt, Turn, acks, cdr, change, check_files, kinds, may_post, mentioned, row_of, sealed};
use crate::protocol::rights::Right;
use crate::protocol::{ftp, history};
use crate::rows;

/// MESSAGE-6: other content in the same place, marked; and whom it mentions.
pub(super) fn edit(turn: &mut Turn<'_, '_>, message: Message) -> Result<(), Halt> {
    let id = message.id.ok_or(Refusal::InvalidData)?;
    check_files(&message, false)?;
    let stored = turn.stored(id)?.filter(|stored| !rows::is_skeleton(stored)).ok_or(Refusal::MessageNotFound)?;
    let may_edit = turn.is_author(&stored) || turn.conversation.allows(&turn.own, Right::EditOthers);
    if !may_edit || stored.r#type.contains(&Mark::Sys) || stored.r#type.contains(&Mark::Forward) {
        return Err(Refusal::PermissionDenied.into());
    }
    if rows::is_pending(&stored) {
        // It is completed, not edited (MESSAGE-5).
        return Err(Refusal::InvalidData.into());
    }
    may_post(turn)?;
    let acks = acks(&message);
    let mentions = mentioned(turn, &message)?;
    let mentioned: Vec<u64> = mentions.iter().map(|(member, _)| *member).collect();
    if stored.files == message.files && stored.mentioned == mentioned {
        turn.answer(acks);
        return Ok(());
    }
    sealed::check(turn, &message)?;
    ftp::check(turn, &message)?;
    let call = cdr::key(turn, id, &message)?;
    let mut kept = Message { files: message.files, mentioned, ..stored.clone() };
    if !kept.r#type.contains(&Mark::Edited) {
        kept.r#type.push(Mark::Edited);
    }
    let row = row_of(turn.chat, &kept)?;

    kinds::leave(turn.fx, &turn.conversation.key, id, &stored);
    kinds::enter(turn.fx, &turn.conversation.key, id, &kept);
    cdr::enter(turn, id, &stored, call);
    ftp::leave(turn.cx, turn.fx, &turn.conversation.key, id, &stored)?;
    ftp::enter(turn.fx, &turn.conversation.key, id, &kept);
    if let Ok(room) = turn.conversation.room() {
        room.move_mentions(turn.cx, turn.fx, &stored.mentioned, &mentions, id)?;
    }
    let seq = change(turn.conversation, turn.cx, turn.fx, id, row, Some(MessageStatus::Edit))?;
    turn.answer(acks);
    let shown = history::whole(turn.conversation, turn.cx, Message { status: Some(MessageStatus::Edit), ..kept })?;
    turn.conversation.post(turn.fx, &shown, seq, id, rows::encode(&shown), Some(turn.who));
    Ok(())
}
