//! A message as a line.

use proto::{Desc, Feed, Mark, Message, MessageLink, MessageStatus, Stamp};

use super::printable;
use crate::calls::text;
use crate::console::bar::amount;
use crate::console::book::Book;

/// `[time] #12 who in room: text (mark)`; `None` for what only adds to a message shown before. `mark` says what its content is worth.
pub(in crate::console) fn message(message: &Message, mark: &str, book: &Book) -> Option<String> {
    let time = message.created.map(|Stamp(ms)| format!("[{}] ", clock(ms))).unwrap_or_default();
    let number = message.id.map(|id| format!("#{id} ")).unwrap_or_default();
    let room = match &message.feed_id {
        Some(Feed::Muc(muc)) => Some(book.room(&text(&muc.name))),
        Some(Feed::P2p(_)) | None => None,
    };
    let who = if text(&message.from) == book.own { "you".into() } else { book.person(&text(&message.from)) };
    let place = room.as_ref().map(|room| format!(" in {room}")).unwrap_or_default();
    match message.status {
        // Replies and read marks of a message; it is not shown again for them.
        Some(MessageStatus::Update) if message.files.is_empty() => None,
        Some(MessageStatus::Delete | MessageStatus::Deleted) => {
            Some(format!("* {who} deleted {number}").trim_end().into())
        }
        _ if message.r#type.contains(&Mark::Sys) => {
            let what = happened(message, &who, book);
            Some(format!("{time}* {}{what}", room.map(|room| format!("{room}: ")).unwrap_or_default()))
        }
        _ => {
            let line = format!("{time}{number}{who}{place}{}: {}", answers(message), content(message, book));
            Some(format!("{}{}{mark}", line.trim_end(), marks(message)))
        }
    }
}

/// MESSAGE-15: by its ACTION; the text is for clients that do not know that.
fn happened(message: &Message, who: &str, book: &Book) -> String {
    let feature = |key: &[u8]| {
        let mut features = message.files.iter().flat_map(|part| &part.data);
        features
            .find(|feature| feature.is(b"SYSTEM", key))
            .map(|feature| String::from_utf8_lossy(feature.text()).into_owned())
    };
    let target = feature(b"TARGET").map(|id| if id == book.own { "you".into() } else { book.person(&id) });
    let target = target.unwrap_or_else(|| "somebody".into());
    match feature(b"ACTION").as_deref() {
        Some("created") => format!("{who} made the room"),
        Some("renamed") => format!("{who} renamed the room"),
        Some("avatar") => format!("{who} changed the picture"),
        Some("added") => format!("{who} added {target}"),
        Some("removed") => format!("{who} removed {target}"),
        Some("joined") => format!("{who} joined"),
        Some("left") => format!("{who} left"),
        Some("promoted") => format!("{who} made {target} an admin"),
        Some("demoted") => format!("{who} made {target} a member"),
        Some("owner") => format!("the room is handed over to {target}"),
        Some("call_started") => "a call began".into(),
        Some("call_ended") => "a call ended".into(),
        Some(_) | None => parts(&message.files),
    }
}

fn answers(message: &Message) -> String {
    match (&message.link, message.r#type.contains(&Mark::Reply)) {
        (Some(MessageLink::Id(id)), true) => format!(" (to #{id})"),
        _ => String::new(),
    }
}

fn content(message: &Message, book: &Book) -> String {
    let own = parts(&message.files);
    match &message.link {
        Some(MessageLink::Message(original)) => {
            format!("{} wrote: {} {own}", book.person(&text(&original.from)), parts(&original.files))
                .trim_end()
                .to_owned()
        }
        _ if message.status == Some(MessageStatus::Async) => "(something is on its way)".into(),
        _ => own,
    }
}

fn parts(files: &[Desc]) -> String {
    let part = |part: &Desc| {
        let mime = text(&part.mime);
        match mime.as_str() {
            _ if crate::is_reference(&text(&part.payload)) => file(part),
            "text" | "" => printable(&text(&part.payload)),
            "application/cms" => "(sealed)".into(),
            mime if mime.starts_with("text/") => printable(&text(&part.payload)),
            mime => format!("({})", printable(mime)),
        }
    };
    files.iter().map(part).collect::<Vec<_>>().join(" | ")
}

/// A file, by its name and size; `get` fetches it.
fn file(part: &Desc) -> String {
    let size = feature(part, "SIZE").and_then(|size| size.parse::<u64>().ok());
    let size = size.map(|size| format!(", {}", amount(size as f64))).unwrap_or_default();
    format!("[{}{size}: get]", file_name(part).unwrap_or_else(|| "a file".into()))
}

/// What a file is called, which is never a path.
pub(in crate::console) fn file_name(part: &Desc) -> Option<String> {
    let said = feature(part, "FILENAME")?;
    let name: String = said.chars().filter(|letter| !letter.is_control() && !matches!(letter, '/' | '\\')).collect();
    let name = name.trim_start_matches('.').trim().to_owned();
    (!name.is_empty()).then_some(name)
}

fn feature(part: &Desc, key: &str) -> Option<String> {
    let found = part.data.iter().find(|feature| feature.is(b"FILE_DATA", key.as_bytes()));
    found.map(|feature| String::from_utf8_lossy(feature.text()).into_owned())
}

fn marks(message: &Message) -> &'static str {
    if message.status == Some(MessageStatus::Edit) || message.r#type.contains(&Mark::Edited) { " (edited)" } else { "" }
}

/// Hours and minutes, UTC.
fn clock(ms: u64) -> String {
    let minutes = ms / 60_000;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}
