//! Entries as text (LDIF, RFC 2849): content records only, one entry each.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::dn::Dn;
use super::entry::{Attribute, Entry};
use super::schema::kind;

/// Characters of a line; longer ones are folded.
const LINE: usize = 76;
/// Bytes of a record.
const RECORD_MAX: usize = 1 << 20;

/// Why a record is none; lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct BadLdif {
    pub line: usize,
    pub what: String,
}

/// How a file begins.
pub const VERSION: &str = "version: 1\n";

/// An entry as a record, without what the server itself says of it.
pub fn write(entry: &Entry) -> String {
    let mut out = String::from("\n");
    line(&mut out, "dn", entry.dn.to_string().as_bytes());
    for own in entry.attributes.iter().filter(|own| !own.kind.operational) {
        own.values.iter().for_each(|value| line(&mut out, own.kind.shown(), value));
    }
    out
}

/// Reads records, each with the line that it begins at. An error ends nothing but its own record.
pub fn read(text: &str) -> Vec<Result<(usize, Entry), BadLdif>> {
    let mut all = Vec::new();
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, raw) in (1..).zip(text.lines().chain([""])) {
        let raw = raw.strip_suffix('\r').unwrap_or(raw);
        match raw.strip_prefix(' ') {
            Some(more) if !lines.is_empty() => {
                if let Some((_, line)) = lines.last_mut() {
                    line.push_str(more);
                }
            }
            Some(_) | None if raw.is_empty() => {
                let record = std::mem::take(&mut lines);
                let said =
                    record.into_iter().filter(|(_, line)| !line.starts_with('#') && !line.starts_with("version:"));
                let said: Vec<_> = said.collect();
                if !said.is_empty() {
                    all.push(record_of(&said));
                }
            }
            Some(_) | None => lines.push((number, raw.to_owned())),
        }
    }
    all
}

fn record_of(lines: &[(usize, String)]) -> Result<(usize, Entry), BadLdif> {
    let mut entry: Option<(usize, Entry)> = None;
    let mut left = RECORD_MAX;
    for (number, text) in lines {
        let bad = |what: &str| BadLdif { line: *number, what: what.to_owned() };
        left = left.checked_sub(text.len()).ok_or_else(|| bad("too long a record"))?;
        let (name, value) = pair(text).ok_or_else(|| bad("not `name: value`, or no base64"))?;
        match &mut entry {
            None if name.eq_ignore_ascii_case("dn") => {
                let name = std::str::from_utf8(&value).ok().and_then(|name| Dn::parse(name).ok());
                let dn = name.ok_or_else(|| bad("not a distinguished name"))?;
                entry = Some((*number, Entry { dn, attributes: Vec::new() }));
            }
            None => return Err(bad("a record begins with dn")),
            Some(_) if name.eq_ignore_ascii_case("changetype") => {
                if !value.eq_ignore_ascii_case(b"add") {
                    return Err(bad("records of content only, no changes"));
                }
            }
            Some((_, entry)) => {
                let kind = kind(name).ok_or_else(|| bad(&format!("no such attribute: {name}")))?;
                // What the server itself says is not for others to say.
                if !kind.operational {
                    match entry.attributes.iter_mut().find(|own| own.kind == kind) {
                        Some(own) => own.values.push(value),
                        None => entry.attributes.push(Attribute { kind, values: vec![value] }),
                    }
                }
            }
        }
    }
    entry.ok_or_else(|| BadLdif { line: 0, what: "nothing".into() })
}

/// Name and value. Values by URL are not fetched.
fn pair(text: &str) -> Option<(&str, Vec<u8>)> {
    let (name, rest) = text.split_once(':')?;
    match rest.strip_prefix(':') {
        Some(encoded) => STANDARD.decode(encoded.trim()).ok().map(|value| (name, value)),
        None if rest.starts_with('<') => None,
        None => Some((name, rest.trim_start_matches(' ').as_bytes().to_vec())),
    }
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
