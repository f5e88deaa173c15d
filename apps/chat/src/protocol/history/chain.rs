//! The chain of a feed: which messages stand beside each other, deleted ones skipped (PM-7).

use n2o::Failure;
use proto::records::Message;

use crate::Cx;
use crate::rows::{self, MESSAGE};

/// Rows taken from the store at a time.
const CHUNK: usize = 32;

/// `prev` and `next` as the chain is now, deleted messages skipped (PM-7).
pub(super) fn link(cx: &Cx<'_>, feed: &[u8], found: &mut [Message]) -> Result<(), Failure> {
    let (Some(first), Some(last)) = (found.first().and_then(|m| m.id), found.last().and_then(|m| m.id)) else {
        return Ok(());
    };
    let mut chain: Vec<u64> = last_kept(cx, feed, first - 1)?.into_iter().collect();
    let mut from = first;
    while from <= last {
        let rows = cx.store.scan(MESSAGE, &rows::numbers(feed, from, last).limit(CHUNK))?;
        let Some((end, _)) = rows.last() else { break };
        from = rows::number(end).unwrap_or(last) + 1;
        for (key, row) in &rows {
            chain.extend(kept(row)?.and(rows::number(key)));
        }
    }
    chain.extend(next_kept(cx, feed, last + 1)?);
    for message in found {
        let Some(at) = message.id.and_then(|id| chain.binary_search(&id).ok()) else {
            continue;
        };
        message.prev = at.checked_sub(1).and_then(|at| chain.get(at)).copied();
        message.next = chain.get(at + 1).copied();
    }
    Ok(())
}

/// A stored message that is not deleted.
pub(super) fn kept(row: &[u8]) -> Result<Option<Message>, Failure> {
    let message: Message = rows::decode(row)?;
    Ok(Some(message).filter(rows::is_kept))
}

/// Id of the last message not above `to` that is not deleted.
pub(crate) fn last_kept(cx: &Cx<'_>, feed: &[u8], mut to: u64) -> Result<Option<u64>, Failure> {
    loop {
        let rows = cx.store.scan(MESSAGE, &rows::numbers(feed, 0, to).backward().limit(2))?;
        for (key, row) in &rows {
            if kept(row)?.is_some() {
                return Ok(rows::number(key));
            }
        }
        match rows.last().and_then(|(key, _)| rows::number(key)) {
            Some(lowest) if lowest > 0 => to = lowest - 1,
            _ => return Ok(None),
        }
    }
}

/// Id of the first message not below `from` that is not deleted.
pub(super) fn next_kept(cx: &Cx<'_>, feed: &[u8], mut from: u64) -> Result<Option<u64>, Failure> {
    loop {
        let rows = cx.store.scan(MESSAGE, &rows::numbers(feed, from, u64::MAX).limit(2))?;
        for (key, row) in &rows {
            if kept(row)?.is_some() {
                return Ok(rows::number(key));
            }
        }
        match rows.last().and_then(|(key, _)| rows::number(key)) {
            Some(highest) => from = highest + 1,
            None => return Ok(None),
        }
    }
}
