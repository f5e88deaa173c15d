//! Keys: order-preserving bytes. Text parts are separated by `/` (which no part contains) or NUL, numbers are eight bytes, big end first.

use bytes::Bytes;
use kvs::Span;
use proto::ids::Phone;

/// `parts` with `/` between.
pub fn path(parts: &[&[u8]]) -> Bytes {
    parts.join(&b'/').into()
}

/// `owner` NUL `number`: rows of an owner in order.
pub fn numbered(owner: &[u8], number: u64) -> Bytes {
    [owner, b"\0", &number.to_be_bytes()].concat().into()
}

/// `phone` NUL `rest`: rows of an account by a name.
pub fn owned(phone: &Phone, rest: &[u8]) -> Bytes {
    [phone.as_str().as_bytes(), b"\0", rest].concat().into()
}

/// Every row of `owner` with a number in `from..=to`.
pub fn numbers(owner: &[u8], from: u64, to: u64) -> Span {
    let end = to.checked_add(1).map_or_else(|| Bytes::from([owner, b"\x01"].concat()), |end| numbered(owner, end));
    Span::range(numbered(owner, from), end)
}

/// The number that ends a key made by [`numbered`].
pub fn number(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|last| u64::from_be_bytes(*last))
}

/// The rows below `prefix` whose keys end with something greater than `last`, in order.
pub fn beyond(prefix: &[u8], last: &[u8]) -> Span {
    let all = Span::prefix(Bytes::copy_from_slice(prefix));
    if last.is_empty() { all } else { all.after(&[prefix, last].concat()) }
}
