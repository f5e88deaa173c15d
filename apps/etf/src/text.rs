//! The one text notation of records and terms, for logs, the console and scenes.
//!
//! | Written | Means |
//! |---|---|
//! | `Desc{payload="hi" id="x"}` | a record of the catalogue: fields in any order, blanks or commas between, the others at their default |
//! | `{ok,login,[]}` | a tuple |
//! | `chain`, `'Ack'` | an atom: bare if it looks like `[a-z@][A-Za-z0-9_@]*`, else quoted |
//! | `"hi"` | a binary of this UTF-8 text; `\"` `\\` `\n` `\t`, and `\xHH` for any byte |
//! | `<<1,2,255>>`, `<<1,5:3>>` | a binary of these bytes; a bit string, whose last value has so many bits |
//! | `7`, `-1.5e3` | an integer of any size, a float |
//! | `[1,2]`, `[]`, `[1\|2]` | a list, absent, an improper list |
//! | `#{k=>v}` | a map |
//!
//! What [`print()`] writes [`parse()`] reads back as the same term.

mod catalogue;
mod parse;
mod print;

pub use self::catalogue::{Catalogue, Entry};
pub use self::parse::{Error, parse};
pub use self::print::print;

/// Lists, tuples, records and maps inside one another; deeper text is refused.
pub const DEPTH_MAX: usize = 128;

/// Digits of one integer (4096 bits); a longer one is refused.
pub const DIGITS_MAX: usize = 1234;

/// A bare atom.
fn is_bare(text: &str) -> bool {
    is_name(text) && text.starts_with(|first: char| first.is_ascii_lowercase() || first == '@')
}

/// What may stand before `{` or as a field's name without quotes.
fn is_name(text: &str) -> bool {
    text.starts_with(is_name_start) && text.chars().all(is_name_part)
}

fn is_name_start(letter: char) -> bool {
    letter.is_ascii_alphabetic() || letter == '_' || letter == '@'
}

fn is_name_part(letter: char) -> bool {
    is_name_start(letter) || letter.is_ascii_digit()
}
