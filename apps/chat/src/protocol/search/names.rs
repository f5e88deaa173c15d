//! Rooms by their names (SEARCH-6): an index of the PUBLIC ones, kept by each room in the same batch as its own row.

use bytes::Bytes;
use n2o::Failure;
use proto::ids::RoomId;
use proto::records::SearchType;
use proto::text;

use super::wanted::Wanted;
use crate::rows::ROOM_NAME;
use crate::{Cx, Fx};

/// What a row of the index says: its key is the whole name, or begins within it.
const WHOLE: &[u8] = b"w";
const PART: &[u8] = b"";

/// A room is found by another name from now on, or by none.
pub(crate) fn relist(fx: &mut Fx, room: &RoomId, before: Option<&Bytes>, after: Option<&Bytes>) {
    for (key, _) in before.into_iter().flat_map(|name| keys(name, room)) {
        fx.delete(ROOM_NAME, key);
    }
    for (key, what) in after.into_iter().flat_map(|name| keys(name, room)) {
        fx.put(ROOM_NAME, key, what);
    }
}

/// The name from its beginning and from each of its words on, so that any run of words is a prefix.
fn keys(name: &[u8], room: &RoomId) -> Vec<(Bytes, &'static [u8])> {
    let name = text::folded(&String::from_utf8_lossy(name));
    let words = name.match_indices(char::is_whitespace).map(|(at, space)| at + space.len());
    let starts = std::iter::once(0).chain(words);
    starts
        .filter_map(|at| name.get(at..).map(|rest| (at, rest)))
        .filter(|(_, rest)| !rest.starts_with(char::is_whitespace))
        .map(|(at, rest)| {
            ([rest.as_bytes(), room.as_str().as_bytes()].join(&0).into(), if at == 0 { WHOLE } else { PART })
        })
        .collect()
}

/// Rooms of the index from the key `from` on, at most `count`, and where the next begin, if there are any.
pub(super) fn slice(
    cx: &Cx<'_>,
    wanted: &Wanted,
    from: Bytes,
    count: usize,
) -> Result<(Vec<RoomId>, Option<Bytes>), Failure> {
    let (first, end) = bounds(wanted);
    let rows =
        cx.store.scan(ROOM_NAME, &kvs::Span::range(if from.is_empty() { first } else { from }, end).limit(count))?;
    let next = rows.last().filter(|_| rows.len() == count).map(|(last, _)| [&last[..], b"\0"].concat().into());
    let whole = |what: &[u8]| wanted.kind() != SearchType::Equal || what == WHOLE;
    let room = |key: &Bytes| RoomId::parse(key.rsplit(|byte| *byte == 0).next().unwrap_or_default()).ok();
    Ok((rows.iter().filter(|(_, what)| whole(what)).filter_map(|(key, _)| room(key)).collect(), next))
}

/// Of the whole name its end belongs to the key; of a beginning, whatever follows.
fn bounds(wanted: &Wanted) -> (Bytes, Bytes) {
    let text = wanted.folded().as_bytes();
    match wanted.kind() {
        SearchType::Equal => ([text, b"\0"].concat().into(), [text, b"\x01"].concat().into()),
        // No byte of a text is 255.
        SearchType::Like | SearchType::NotEqual => (Bytes::copy_from_slice(text), [text, &[0xff]].concat().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_6_a_name_is_found_by_the_beginning_of_any_of_its_words() {
        let room = RoomId::parse(b"r-1").unwrap();
        let found: Vec<_> = keys("Great  Ox \u{c9}t\u{e9}".as_bytes(), &room);
        let texts: Vec<_> = found.iter().map(|(key, what)| (std::str::from_utf8(key).unwrap(), *what)).collect();
        assert_eq!(
            texts,
            [("great  ox \u{e9}t\u{e9}\0r-1", WHOLE), ("ox \u{e9}t\u{e9}\0r-1", PART), ("\u{e9}t\u{e9}\0r-1", PART)]
        );
    }
}
