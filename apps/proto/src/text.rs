//! Names as they are kept (C-12): NFC, no white space at the ends, a bounded count of characters.
use std::ops::RangeInclusive;

use bytes::Bytes;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    #[error("not UTF-8")]
    NotUtf8,
    #[error("too short")]
    Short,
    #[error("too long")]
    Long,
}

/// Bytes of one Unicode scalar value in UTF-8 at most.
const SCALAR_BYTES: usize = 4;

/// How much longer than its normal form a text may come, in bytes: padding, and letters written as several.
const SLACK: usize = 8;

/// `text` in normal form, if it has then a number of Unicode scalar values in `length`. Shares the bytes when
/// they are in that form already.
pub fn name(text: &Bytes, length: RangeInclusive<usize>) -> Result<Bytes, BadText> {
    if text.len() > length.end().saturating_mul(SCALAR_BYTES * SLACK) {
        return Err(BadText::Long);
    }
    let given = std::str::from_utf8(text).map_err(|_| BadText::NotUtf8)?;
    let normal = normalised(given, text);
    match std::str::from_utf8(&normal).map_or(0, |text| text.chars().count()) {
        count if count < *length.start() => Err(BadText::Short),
        count if count > *length.end() => Err(BadText::Long),
        _ => Ok(normal),
    }
}

/// What texts have in common that differ only in case: their index key, in normal form.
pub fn folded(text: &str) -> String {
    let text = text.trim();
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // By way of upper case, so that letters with several small forms meet; in normal form again at the end.
    text.nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

/// Trimmed first: composing neither makes nor takes white space.
fn normalised(given: &str, bytes: &Bytes) -> Bytes {
    let trimmed = given.trim();
    match is_nfc(trimmed) {
        true => bytes.slice_ref(trimmed.as_bytes()),
        false => Bytes::from(trimmed.nfc().collect::<String>()),
    }
}
