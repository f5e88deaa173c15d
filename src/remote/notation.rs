//! Keys of the store as an operator reads and types them: text, with `\xHH` for any byte and `\#N` for a number of eight bytes.

use bytes::Bytes;

/// Why a typed key is none.
const BAD: &str = r"a key is text with \\ \xHH for a byte and \#N for a number";

/// The key that `text` writes.
pub(super) fn parse(text: &str) -> Result<Bytes, String> {
    let mut key = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        match letter {
            '\\' => rest = escaped(rest, &mut key).ok_or(BAD)?,
            _ => key.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok(key.into())
}

/// What stands behind a backslash; returns the rest.
fn escaped<'a>(text: &'a str, key: &mut Vec<u8>) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix('\\') {
        key.push(b'\\');
        return Some(rest);
    }
    if let Some(rest) = text.strip_prefix('x') {
        key.push(u8::from_str_radix(rest.get(..2)?, 16).ok()?);
        return rest.get(2..);
    }
    let rest = text.strip_prefix('#')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    key.extend_from_slice(&rest.get(..end)?.parse::<u64>().ok()?.to_be_bytes());
    rest.get(end..)
}

/// `key` so that [`parse`] reads it back. Eight bytes behind the last NUL are a number.
pub(super) fn print(key: &[u8]) -> String {
    if let Some((owner, number)) = key.split_last_chunk::<8>()
        && owner.ends_with(b"\0")
    {
        return format!(r"{}\#{}", bytes(owner), u64::from_be_bytes(*number));
    }
    bytes(key)
}

fn bytes(key: &[u8]) -> String {
    let mut text = String::with_capacity(key.len());
    for chunk in key.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\\' => text.push_str(r"\\"),
                _ if letter.is_control() || letter.is_whitespace() => {
                    hex(&mut text, letter.encode_utf8(&mut [0; 4]).as_bytes())
                }
                _ => text.push(letter),
            }
        }
        hex(&mut text, chunk.invalid());
    }
    text
}

fn hex(text: &mut String, bytes: &[u8]) {
    use std::fmt::Write;
    for byte in bytes {
        // A String takes everything.
        let _ = write!(text, r"\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_as_they_are_shown() {
        let number = [b"p/380_1/381_2\0".as_slice(), &77u64.to_be_bytes()].concat();
        for key in [b"380670000001/phone".as_slice(), &number, b"a b\\c\xff\0", "Київ".as_bytes(), &[0; 8], &[7; 32]]
        {
            assert_eq!(parse(&print(key)).unwrap(), key, "{}", print(key));
            assert!(!print(key).contains(char::is_whitespace));
        }
        assert_eq!(print(&number), r"p/380_1/381_2\x00\#77");
        assert!(parse(r"a\").is_err() && parse(r"\xg0").is_err() && parse(r"\#").is_err());
    }
}
