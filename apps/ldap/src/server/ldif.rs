//! Entries and changes of them as text (LDIF, RFC 2849).

mod read;

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub use read::{BadLdif, RECORD_MAX, Record, What, read};

use super::entry::Entry;

/// Characters of a line; longer ones are folded.
const LINE: usize = 76;

/// An entry as a record, without what the server itself says of it. A file is records and no more: OpenLDAP's slapadd knows no version line.
pub fn write(entry: &Entry) -> String {
    let mut out = String::new();
    line(&mut out, "dn", entry.dn.to_string().as_bytes());
    for own in entry.attributes.iter().filter(|own| !own.kind.operational) {
        own.values.iter().for_each(|value| line(&mut out, own.kind.shown(), value));
    }
    out.push('\n');
    out
}

fn line(out: &mut String, name: &str, value: &[u8]) {
    let plain = std::str::from_utf8(value).ok().filter(|text| is_safe(text));
    let text = match plain {
        Some(value) => format!("{name}: {value}"),
        None => format!("{name}:: {}", STANDARD.encode(value)),
    };
    // All of it is ASCII.
    let mut rest = &text[..];
    let mut first = true;
    while !rest.is_empty() {
        let room = if first { LINE } else { LINE - 1 };
        let (now, later) = rest.split_at_checked(room).unwrap_or((rest, ""));
        // A String takes everything.
        let _ = writeln!(out, "{}{now}", if first { "" } else { " " });
        (rest, first) = (later, false);
    }
}

fn is_safe(text: &str) -> bool {
    let ends = text.starts_with([' ', ':', '<']) || text.ends_with(' ');
    !ends && text.bytes().all(|byte| byte.is_ascii() && !matches!(byte, 0 | b'\n' | b'\r'))
}
