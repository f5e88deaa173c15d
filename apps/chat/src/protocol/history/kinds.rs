//! HISTORY-10: which kinds of parts a message has. Messages of a kind are listed when they are sent; text, which nearly all have, is
//! looked for.

use bytes::Bytes;
use n2o::Failure;
use proto::records::{Desc, HistoryStatus, Message, MessageLink};

use super::Reach;
use super::reach::{CHUNK_BYTES, LOOK_BYTES, REQUEST_BYTES};
use crate::protocol::feature;
use crate::rows::{self, KIND};
use crate::{Cx, Fx};

/// Rows looked at for one request at most; where they do not suffice the answer holds what was found.
const LOOK_MAX: usize = 10_000;
/// Rows taken from the store at a time.
const CHUNK: usize = 64;
/// SEC-6: of an encrypted part, what it says to be.
const ENVELOPE: &[u8] = b"application/cms";
/// Lists a message that is new, or has other parts than before.
pub(crate) fn enter(fx: &mut Fx, feed: &[u8], id: u64, message: &Message) {
    for kind in listed(message) {
        fx.put(KIND, key(feed, kind, id), Bytes::new());
    }
}

/// Takes a message off the lists, as it was.
pub(crate) fn leave(fx: &mut Fx, feed: &[u8], id: u64, message: &Message) {
    for kind in listed(message) {
        fx.delete(KIND, key(feed, kind, id));
    }
}

/// The lists that a message belongs to; most belong to none.
fn listed(message: &Message) -> Vec<HistoryStatus> {
    let mut kinds: Vec<HistoryStatus> = top_level(message).flat_map(kinds_of).flatten().collect();
    kinds.retain(|kind| *kind != HistoryStatus::Text);
    kinds
}

/// The `count` visible messages of a kind nearest to `at`, before it or after it, rising.
pub(super) fn find(
    cx: &Cx<'_>,
    reach: &Reach,
    kind: HistoryStatus,
    at: u64,
    count: usize,
    older: bool,
) -> Result<Vec<Message>, Failure> {
    let list = match kind {
        HistoryStatus::Text => reach.feed.clone(),
        kind => list(&reach.feed, kind),
    };
    let table = if kind == HistoryStatus::Text { rows::MESSAGE } else { KIND };
    let (mut found, mut looked, mut read, mut bytes, mut at) = (Vec::new(), 0, 0, 0, at);
    while found.len() < count && looked < LOOK_MAX && read < LOOK_BYTES && bytes < REQUEST_BYTES {
        let span = match older {
            true => rows::numbers(&list, reach.clear + 1, at.saturating_sub(1).min(reach.upto)).backward(),
            false => rows::numbers(&list, at.max(reach.clear).saturating_add(1), reach.upto),
        };
        let keys = cx.store.keys(table, &span.limit(CHUNK).bytes(CHUNK_BYTES))?;
        let Some(last) = keys.last().and_then(|key| rows::number(key)) else { break };
        (looked, at) = (looked + keys.len(), last);
        for key in keys {
            let Some(message) = reach.get(cx, rows::number(&key).unwrap_or_default())? else { continue };
            let size = super::answer::size(&message);
            read += size;
            if found.len() < count && is_of(&message, kind) {
                bytes += size;
                found.push(message);
            }
        }
    }
    if older {
        found.reverse();
    }
    Ok(found)
}

/// Whether a message counts.
fn is_of(message: &Message, kind: HistoryStatus) -> bool {
    top_level(message).any(|part| kinds_of(part).contains(&Some(kind)))
}

/// The parts by which a message counts: its own, or, where it has none, those of what it forwards. What is pending has none yet.
fn top_level(message: &Message) -> impl Iterator<Item = &Desc> {
    let parts = match &message.link {
        _ if rows::is_pending(message) => &[],
        Some(MessageLink::Message(original)) if message.files.is_empty() => &original.files[..],
        Some(MessageLink::Message(_) | MessageLink::Id(_)) | None => &message.files[..],
    };
    parts.iter().filter(|part| part.parentid.as_ref().is_none_or(Bytes::is_empty))
}

/// What a part counts as; a readable text that names an address is a link too.
fn kinds_of(part: &Desc) -> [Option<HistoryStatus>; 2] {
    let mime = part.mime.as_deref().unwrap_or_default();
    let is_sealed = mime == ENVELOPE;
    let declared = match is_sealed {
        true => feature::value(&part.data, b"FILE_DATA", b"KIND").unwrap_or(mime),
        false => mime,
    };
    let kind = kind_of(declared);
    let is_link =
        kind == Some(HistoryStatus::Text) && !is_sealed && has_url(part.payload.as_deref().unwrap_or_default());
    [kind, is_link.then_some(HistoryStatus::Link)]
}

/// The table of HISTORY-10. A MIME type may have parameters behind it.
fn kind_of(mime: &[u8]) -> Option<HistoryStatus> {
    if mime == b"text" {
        return Some(HistoryStatus::Text);
    }
    let mime = mime.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let family = mime.iter().position(|byte| *byte == b'/').and_then(|slash| mime.get(..slash));
    Some(match (family, &mime[..]) {
        (None, b"image") | (Some(b"image"), _) => HistoryStatus::Image,
        (None, b"video") | (Some(b"video"), _) => HistoryStatus::Video,
        (None, b"audio") | (Some(b"audio"), _) => HistoryStatus::Audio,
        (None, b"link") => HistoryStatus::Link,
        (None, b"contact") | (_, b"text/vcard") => HistoryStatus::Contact,
        (None, b"location" | b"geo") | (_, b"application/geo+json") => HistoryStatus::Location,
        (None, b"text") | (Some(b"text"), _) => HistoryStatus::Text,
        (None, b"file") | (Some(b"application"), _) => HistoryStatus::File,
        _ => return None,
    })
}

/// Whether a readable text names an address of the web.
fn has_url(payload: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(payload) else { return false };
    if !text.contains("://") && !text.contains("www.") {
        return false;
    }
    text.split_whitespace().any(|word| {
        let scheme = word.split_once("://").filter(|(_, rest)| !rest.is_empty());
        let scheme = scheme.and_then(|(before, _)| before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next());
        let bare = word.trim_start_matches(|c: char| !c.is_alphanumeric()).strip_prefix("www.");
        scheme.is_some_and(|scheme| scheme.starts_with(|c: char| c.is_ascii_alphabetic()))
            || bare.is_some_and(|rest| rest.contains('.'))
    })
}

/// The list of one kind, in the place of a feed.
fn list(feed: &[u8], kind: HistoryStatus) -> Bytes {
    use etf::Atoms;
    [feed, kind.text().as_bytes()].join(&0).into()
}

fn key(feed: &[u8], kind: HistoryStatus, id: u64) -> Bytes {
    rows::numbered(&list(feed, kind), id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_10_the_table_of_kinds() {
        let kind = |mime: &str| kind_of(mime.as_bytes());
        for (mime, wanted) in [
            ("text", HistoryStatus::Text),
            ("text/plain; charset=utf-8", HistoryStatus::Text),
            ("text/vcard", HistoryStatus::Contact),
            ("contact", HistoryStatus::Contact),
            ("image/png", HistoryStatus::Image),
            ("IMAGE/PNG", HistoryStatus::Image),
            ("video", HistoryStatus::Video),
            ("audio/ogg", HistoryStatus::Audio),
            ("geo", HistoryStatus::Location),
            ("location", HistoryStatus::Location),
            ("application/geo+json", HistoryStatus::Location),
            ("application/pdf", HistoryStatus::File),
            ("file", HistoryStatus::File),
            ("link", HistoryStatus::Link),
        ] {
            assert_eq!(kind(mime), Some(wanted), "{mime}");
        }
        for mime in ["sticker", "cdr", "", "images", "model/gltf"] {
            assert_eq!(kind(mime), None, "{mime}");
        }
    }

    #[test]
    fn history_10_a_text_with_an_address_is_a_link() {
        let yes = [
            "see https://example.org/a?b",
            "(http://x.y)",
            "www.example.org",
            "a\nftp://b",
            "\u{201e}https://x\u{201c}",
        ];
        let no = ["", "https://", "://x", "www.", "a www b", "1/2", "http:/x"];
        yes.iter().for_each(|text| assert!(has_url(text.as_bytes()), "{text}"));
        no.iter().for_each(|text| assert!(!has_url(text.as_bytes()), "{text}"));
        assert!(!has_url(b"\xff https://x"), "not readable");
    }

    #[test]
    fn history_10_an_encrypted_part_is_what_it_says_to_be() {
        use proto::records::Feature;
        let hint = |kind: &'static str| Desc {
            mime: Some("application/cms".into()),
            data: vec![Feature::new("FILE_DATA", "KIND", kind)],
            payload: Some("https://cipher".into()),
            ..Desc::default()
        };
        assert!(kinds_of(&hint("image")).contains(&Some(HistoryStatus::Image)));
        assert!(kinds_of(&hint("image/png")).contains(&Some(HistoryStatus::Image)));
        assert!(kinds_of(&hint("link")).contains(&Some(HistoryStatus::Link)));
        assert!(!kinds_of(&hint("text")).contains(&Some(HistoryStatus::Link)), "what is encrypted is not read");
        let plain = Desc { mime: Some("application/cms".into()), ..Desc::default() };
        assert!(kinds_of(&plain).contains(&Some(HistoryStatus::File)));
        let claims = Desc { mime: Some("text".into()), ..hint("image") };
        assert!(!kinds_of(&claims).contains(&Some(HistoryStatus::Image)), "a hint is for encrypted parts");
    }
}
