//! What a roster has starred: HISTORY-12, and the lists of a Roster (PROFILE-1).

use std::collections::BTreeMap;

use n2o::Failure;
use proto::Refusal;
use proto::ids::{FeedId, PhoneId};
use proto::limits::{HISTORY_REQUEST, STARS};
use proto::records::{
    Act, Feed, History, HistoryFeed, HistoryItem, HistoryStatus, Message, Room, RoomStar, Star, StarFrom, StarStatus,
    Tag,
};

use super::{Halt, copied, tag};
use crate::effects;
use crate::protocol::pages::{self, REQUEST_BYTES};
use crate::protocol::{contact, search};
use crate::rows::{self, Favorite, STAR};
use crate::{Cx, Fx, Who};

/// The computed feed of stars.
const STAR_FEED: &[u8] = b"star";

/// HISTORY-12: stars with where they came from, newest first, placed by their numbers as HISTORY-1 places messages.
pub(crate) fn list(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &PhoneId, request: History) -> Result<(), Halt> {
    let Some(HistoryFeed::Act(Act { name: Some(name), .. })) = &request.feed else {
        return Err(Refusal::InvalidData.into());
    };
    if name != STAR_FEED {
        return Err(Refusal::NotSupported.into());
    }
    if request.status != Some(HistoryStatus::Get) {
        return Err(Refusal::InvalidData.into());
    }

    let mut origins = BTreeMap::new();
    let (mut items, mut bytes) = (Vec::new(), 0);
    for (number, kept) in page(cx, own, request.size.unwrap_or(0), request.entity_id.unwrap_or(0))? {
        // A star whose copy has just been taken away is one no more.
        let Some(copy) = copied(cx, own, &kept)? else { continue };
        let from = match origins.get(&kept.feed) {
            Some(from) => Option::clone(from),
            None => origins.entry(kept.feed.clone()).or_insert(origin(cx, own, &kept)?).clone(),
        };
        let star = Box::new(shown(cx, own, number, &kept, Some(copy), None)?);
        let item = HistoryItem::RoomStar(Box::new(RoomStar { star: Some(star), from }));
        let size = pages::size(&item);
        bytes += size;
        items.push((size, item));
        if bytes > REQUEST_BYTES {
            break;
        }
    }
    effects::answer(fx, who, pages::cut(&request, items));
    Ok(())
}

/// The stars that are asked for, newest first.
fn page(cx: &Cx<'_>, own: &PhoneId, size: i64, at: u64) -> Result<Vec<(u64, Favorite)>, Failure> {
    let count = match usize::try_from(size.unsigned_abs()).unwrap_or(usize::MAX) {
        0 => HISTORY_REQUEST,
        count => count.min(HISTORY_REQUEST),
    };
    let owner = own.as_str().as_bytes();
    let span = match (size >= 0, at) {
        (true, 0) => rows::numbers(owner, 0, u64::MAX).backward(),
        (true, at) => rows::numbers(owner, 0, at - 1).backward(),
        (false, at) => rows::numbers(owner, at.saturating_add(1), u64::MAX),
    };
    let mut found = read(cx, span.limit(count))?;
    if size < 0 {
        found.reverse();
    }
    Ok(found)
}

/// Every star of a roster, oldest first.
pub(super) fn all(cx: &Cx<'_>, own: &PhoneId) -> Result<Vec<(u64, Favorite)>, Failure> {
    read(cx, rows::numbers(own.as_str().as_bytes(), 0, u64::MAX).limit(2 * STARS))
}

fn read(cx: &Cx<'_>, span: kvs::Span) -> Result<Vec<(u64, Favorite)>, Failure> {
    let star =
        |(key, row): &(bytes::Bytes, bytes::Bytes)| Ok((rows::number(key).unwrap_or_default(), rows::decode(row)?));
    cx.store.scan(STAR, &span)?.iter().map(star).collect()
}

/// Whom or what the message was said to.
fn origin(cx: &Cx<'_>, own: &PhoneId, kept: &Favorite) -> Result<Option<StarFrom>, Failure> {
    Ok(match FeedId::from_key(&kept.feed) {
        Ok(feed @ FeedId::P2p(..)) => match feed.peer(own) {
            Some(peer) => Some(StarFrom::Contact(Box::new(contact::person(cx, own, peer)?))),
            None => None,
        },
        // Of a room that is no more its id is left.
        Ok(FeedId::Room(room)) => {
            let gone = Room { id: Some(room.to_bytes()), ..Room::default() };
            Some(StarFrom::Room(Box::new(search::outside(cx, &room)?.unwrap_or(gone))))
        }
        Err(_) => None,
    })
}

/// A star as it is sent: its tags in the roster's colours.
pub(super) fn shown(
    cx: &Cx<'_>,
    own: &PhoneId,
    number: u64,
    kept: &Favorite,
    message: Option<Message>,
    status: Option<StarStatus>,
) -> Result<Star, Failure> {
    let palette = if kept.tags.is_empty() { Vec::new() } else { tag::all(cx, own)? };
    Ok(painted(own, number, kept, message, status, &palette))
}

fn painted(
    own: &PhoneId,
    number: u64,
    kept: &Favorite,
    message: Option<Message>,
    status: Option<StarStatus>,
    palette: &[Tag],
) -> Star {
    let paint = |tag: &Tag| {
        let known = palette.iter().find(|known| known.name == tag.name).unwrap_or(tag);
        Tag { roster_id: Some(own.to_bytes()), ..known.clone() }
    };
    Star {
        id: Some(number),
        client_id: kept.client_id.clone(),
        roster_id: Some(own.roster()),
        message: message.map(Box::new),
        tags: kept.tags.iter().map(paint).collect(),
        status,
    }
}

/// The list `tags` of a Roster.
pub(crate) fn tags(cx: &Cx<'_>, own: &PhoneId) -> Result<Vec<Tag>, Failure> {
    let owned = |tag: Tag| Tag { roster_id: Some(own.to_bytes()), ..tag };
    Ok(tag::all(cx, own)?.into_iter().map(owned).collect())
}

/// The list `favorite` of a Roster. A large message is given without its parts there (HISTORY-12 has it whole), and
/// beyond [`REQUEST_BYTES`] of stored messages by its keys alone.
pub(crate) fn stars(cx: &Cx<'_>, own: &PhoneId) -> Result<Vec<Star>, Failure> {
    let palette = tag::all(cx, own)?;
    let (mut stars, mut bytes) = (Vec::new(), 0);
    for (number, kept) in all(cx, own)? {
        let message = match bytes < REQUEST_BYTES {
            true => {
                let Some(row) = cx.store.get(rows::STARRED, &rows::starred_key(&kept.feed, kept.message, own))? else {
                    continue;
                };
                bytes += row.len();
                *contact::brief(rows::decode(&row)?)
            }
            false => {
                let feed = FeedId::from_key(&kept.feed).ok();
                Message { id: Some(kept.message), feed_id: feed.as_ref().map(Feed::from), ..Message::default() }
            }
        };
        stars.push(painted(own, number, &kept, Some(message), None, &palette));
    }
    Ok(stars)
}
