//! MESSAGE-9: a message passed on. It carries the original, so that its receivers need no right to the feed that it is from (D-49).

use n2o::Failure;
use proto::Refusal;
use proto::records::{Container, Mark, Message, MessageLink, Several};

use super::{Halt, Turn};
use crate::rows;

/// MESSAGE-9: what is forwarded, reduced to one level.
pub(super) fn original(turn: &Turn<'_, '_>, link: MessageLink) -> Result<Message, Halt> {
    match link {
        MessageLink::Message(message) => Ok(reduced(*message).ok_or(Refusal::InvalidData)?),
        MessageLink::Id(id) => Ok(visible(turn, id)?.and_then(reduced).ok_or(Refusal::MessageNotFound)?),
    }
}

/// One level: of what was forwarded before, only that is carried on. None if there is no content.
fn reduced(mut message: Message) -> Option<Message> {
    if let (true, Some(MessageLink::Message(inner))) = (message.files.is_empty(), message.link.take()) {
        message = *inner;
    }
    if message.files.is_empty() {
        return None;
    }
    let marks = message.r#type.iter().copied().filter(|mark| *mark != Mark::Read).collect();
    Some(Message {
        container: Some(Container::Chain),
        prev: None,
        next: None,
        r#type: Several(marks),
        link: None,
        seenby: Several::default(),
        repliedby: Vec::new(),
        mentioned: Vec::new(),
        status: None,
        ..message
    })
}

/// The message of this feed with this number, if the sender sees it. One of another feed has been found before the message came here
/// (`seek.rs`).
fn visible(turn: &Turn<'_, '_>, id: u64) -> Result<Option<Message>, Failure> {
    Ok(turn.reach().get(turn.cx, id)?.filter(|message| !rows::is_pending(message)))
}
