//! Long answers of HISTORY, cut into records (HISTORY-14).

use bytes::Bytes;
use proto::limits::HISTORY_ANSWER;
use proto::records::{History, HistoryItem};

/// An answer's items at most, bytes.
const ANSWER_BYTES: usize = 256 * 1024;
/// Stored bytes that one request takes from the store at most; a request for more of that size is answered in part.
pub(crate) const REQUEST_BYTES: usize = 8 << 20;

/// What an item takes in an answer, bytes.
pub(crate) fn size(item: &HistoryItem) -> usize {
    etf::encode(item).len()
}

/// Items, each with its size, as answers to `request`; each says how many are still to come.
pub(crate) fn cut(request: &History, items: Vec<(usize, HistoryItem)>) -> Vec<Bytes> {
    let mut left = items.len();
    let mut rest = items.into_iter().peekable();
    let mut records = Vec::new();
    loop {
        let (mut data, mut bytes) = (Vec::new(), 0);
        while data.len() < HISTORY_ANSWER
            && let Some((size, item)) = rest.next_if(|(size, _)| data.is_empty() || bytes + size <= ANSWER_BYTES)
        {
            bytes += size;
            data.push(item);
        }
        left -= data.len();
        records.push(etf::encode(&History { size: Some(left as i64), data, ..request.clone() }));
        if left == 0 {
            return records;
        }
    }
}
