//! DLV-10: a device's queue holds so many items for so long; what goes beyond is found in the history.

use n2o::Failure;
use proto::limits::{QUEUE_ITEMS, QUEUE_MS};
use proto::records::Message;

use super::queue::{Line, Queue};
use crate::Cx;
use crate::rows::{self, MESSAGE, NOTICE};

/// Rows looked at a time, and bytes of them.
const CHUNK: usize = 128;
const CHUNK_BYTES: usize = 1 << 20;
/// Of each feed so many bytes of the newest messages are looked at, and so many of notices: where they are large a queue may hold more of
/// them, since to count them would keep others waiting.
const LOOK_BYTES: usize = 8 << 20;

/// The messages of a feed from `first` to `upto` are no longer queued for the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) first: u64,
    pub(super) upto: u64,
}

/// Drops the oldest messages of a queue that is longer or older than it may be. Notices count, but they are dropped by their owner.
pub(super) fn apply(cx: &Cx<'_>, queue: &mut Queue) -> Result<(), Failure> {
    let mut newest = Vec::new();
    for line in queue.lines.iter_mut().filter(|line| line.waits) {
        let (old, due) = (too_old(cx, line)?, newest_due(cx, line)?);
        line.dropped = old;
        newest.extend(due.into_iter().filter(|seq| old.is_none_or(|old| *seq > old.upto)));
    }
    let room = QUEUE_ITEMS.saturating_sub(notices(cx, queue)?);
    let Some(at) = newest.len().checked_sub(room).filter(|beyond| *beyond > 0) else {
        return Ok(());
    };
    // The last that is dropped.
    let (_, last, _) = newest.select_nth_unstable(at - 1);
    let upto = *last;
    for line in queue.lines.iter_mut().filter(|line| line.waits) {
        if let Some(first) =
            line.dropped.map(|dropped| dropped.first).or(first_due(cx, line)?).filter(|first| *first <= upto)
        {
            line.dropped = Some(Dropped { first, upto });
        }
    }
    Ok(())
}

/// How many notices are due, at most as many as a queue holds.
fn notices(cx: &Cx<'_>, queue: &Queue) -> Result<usize, Failure> {
    let owner = queue.owner();
    let span = rows::numbers(owner, queue.notices.inbox.upto() + 1, u64::MAX).limit(QUEUE_ITEMS).bytes(LOOK_BYTES);
    let keys = cx.store.keys(NOTICE, &span)?;
    let numbers = keys.iter().filter_map(|key| rows::number(key));
    Ok(numbers.filter(|seq| queue.notices.inbox.is_new(*seq)).count())
}

/// Numbers of the due messages of a feed, at most one more than a queue holds.
fn newest_due(cx: &Cx<'_>, line: &Line) -> Result<Vec<u64>, Failure> {
    let (mut due, mut from) = (Vec::new(), line.stream.top() + 1);
    while let Some((first, last)) = line.spans.next(from) {
        let newest = rows::numbers(&line.key, first, last).backward().limit(QUEUE_ITEMS + 1).bytes(LOOK_BYTES);
        let keys = cx.store.keys(MESSAGE, &newest)?;
        let numbers = keys.iter().filter_map(|key| rows::number(key));
        due.extend(numbers.filter(|seq| !line.stream.is_acknowledged_before(*seq)));
        let Some(next) = last.checked_add(1) else { break };
        from = next;
    }
    Ok(due)
}

fn first_due(cx: &Cx<'_>, line: &Line) -> Result<Option<u64>, Failure> {
    let mut from = line.stream.top() + 1;
    while let Some((first, last)) = line.spans.next(from) {
        let keys = cx.store.keys(MESSAGE, &rows::numbers(&line.key, first, last).limit(1))?;
        if let Some(key) = keys.first() {
            return Ok(rows::number(key));
        }
        let Some(next) = last.checked_add(1) else { break };
        from = next;
    }
    Ok(None)
}

/// The due messages of a feed that have waited for too long: they are the oldest ones.
fn too_old(cx: &Cx<'_>, line: &Line) -> Result<Option<Dropped>, Failure> {
    let mut dropped: Option<Dropped> = None;
    let mut from = line.stream.top() + 1;
    while let Some((first, last)) = line.spans.next(from) {
        let chunk = if dropped.is_none() { 1 } else { CHUNK };
        let rows = cx.store.scan(MESSAGE, &rows::numbers(&line.key, first, last).limit(chunk).bytes(CHUNK_BYTES))?;
        if rows.is_empty() {
            let Some(next) = last.checked_add(1) else { break };
            from = next;
        }
        for (key, row) in rows {
            let message: Message = rows::decode(&row)?;
            let seq = rows::number(&key).unwrap_or_default();
            if cx.now.0.saturating_sub(message.created.map_or(0, |created| created.0)) <= QUEUE_MS {
                return Ok(dropped);
            }
            let first = dropped.map_or(seq, |dropped| dropped.first);
            dropped = Some(Dropped { first, upto: seq });
            from = seq + 1;
        }
    }
    Ok(dropped)
}
