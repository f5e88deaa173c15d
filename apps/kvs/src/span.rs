//! A span: which entries a scan returns, and in which direction.

use std::ops::Bound;

use bytes::Bytes;

use crate::KEY_MAX;

/// Entries a scan returns at most when the span names no limit.
pub const SCAN_DEFAULT: usize = 1024;

/// A part of a table: keys from one key on and below another, in key order or backward, up to a limit of entries and of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    from: Bytes,
    below: Option<Bytes>,
    backward: bool,
    limit: usize,
    bytes: usize,
}

impl Span {
    /// All keys that begin with `prefix`; all keys for an empty one.
    pub fn prefix(prefix: impl Into<Bytes>) -> Span {
        let from = bound(prefix);
        let below = after_prefix(&from);
        Span { from, below, backward: false, limit: SCAN_DEFAULT, bytes: usize::MAX }
    }

    /// Keys `from <= key < to`; none when `to` is not above `from`.
    pub fn range(from: impl Into<Bytes>, to: impl Into<Bytes>) -> Span {
        Span { from: bound(from), below: Some(bound(to)), backward: false, limit: SCAN_DEFAULT, bytes: usize::MAX }
    }

    /// Of these keys, those that lie beyond `last`.
    pub fn after(self, last: &[u8]) -> Span {
        let next = bound([last, b"\0"].concat());
        Span { from: self.from.max(next), ..self }
    }

    /// Of these keys, those that do not lie beyond `last`.
    pub fn upto(self, last: &[u8]) -> Span {
        let next = bound([last, b"\0"].concat());
        let below = Some(self.below.map_or(next.clone(), |below| below.min(next)));
        Span { below, ..self }
    }

    /// From the last key to the first.
    pub fn backward(self) -> Span {
        Span { backward: true, ..self }
    }

    /// At most `limit` entries.
    pub fn limit(self, limit: usize) -> Span {
        Span { limit, ..self }
    }

    /// No more entries when their values have so many bytes: whoever pages through rows of unknown size has one row more in memory at most.
    pub fn bytes(self, bytes: usize) -> Span {
        Span { bytes, ..self }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.limit == 0 || self.below.as_ref().is_some_and(|below| *below <= self.from)
    }

    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let below = self.below.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        (Bound::Included(&self.from), below)
    }

    /// Takes what the span asks for of the entries within its bounds, which come in key order; `size` is how long a value is.
    pub(crate) fn take<T, E>(
        &self,
        entries: impl DoubleEndedIterator<Item = Result<T, E>>,
        size: impl Fn(&T) -> usize,
    ) -> Result<Vec<T>, E> {
        match self.backward {
            false => self.collect(entries, size),
            true => self.collect(entries.rev(), size),
        }
    }

    fn collect<T, E>(
        &self,
        entries: impl Iterator<Item = Result<T, E>>,
        size: impl Fn(&T) -> usize,
    ) -> Result<Vec<T>, E> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        for entry in entries.take(self.limit) {
            let entry = entry?;
            bytes += size(&entry);
            taken.push(entry);
            if bytes >= self.bytes {
                break;
            }
        }
        Ok(taken)
    }
}

/// A bound longer than all keys compares with them as its beginning does, and fjall panics on one beyond 64 KiB.
fn bound(key: impl Into<Bytes>) -> Bytes {
    let mut key = key.into();
    key.truncate(KEY_MAX + 1);
    key
}

/// The least key above all that begin with `prefix`; none when there is no such key.
fn after_prefix(prefix: &Bytes) -> Option<Bytes> {
    let mut key = prefix.to_vec();
    while let Some(last) = key.pop() {
        if let Some(next) = last.checked_add(1) {
            key.push(next);
            return Some(key.into());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_the_next_one_begins() {
        let after = |prefix: &'static [u8]| after_prefix(&Bytes::from_static(prefix));
        assert_eq!(after(b"ab").as_deref(), Some(&b"ac"[..]));
        assert_eq!(after(b"a\xff\xff").as_deref(), Some(&b"b"[..]));
        assert_eq!(after(b"\xff"), None);
        assert_eq!(after(b""), None);
    }

    #[test]
    fn a_span_is_cut_behind_a_key_and_never_made_longer() {
        let below = |span: Span| span.below;
        assert_eq!(below(Span::prefix("a").upto(b"ab")).as_deref(), Some(&b"ab\0"[..]));
        assert_eq!(below(Span::prefix("").upto(b"ab")).as_deref(), Some(&b"ab\0"[..]));
        assert_eq!(below(Span::prefix("a").upto(b"c")).as_deref(), Some(&b"b"[..]));
        assert_eq!(Span::prefix("a").after(b"ab").from, &b"ab\0"[..]);
        assert_eq!(Span::prefix("b").after(b"ab").from, &b"b"[..]);
    }
}
