//! Distinguished names (RFC 4514): read, compared by the rules of their attributes, written.

use std::fmt;

use super::schema::{Rule, kind};

/// Bytes of a name; a longer one is none.
pub const DN_MAX: usize = 4096;
/// Names one below the other in it.
const RDNS_MAX: usize = 32;
/// Attributes of one of those.
const PARTS_MAX: usize = 8;

/// A name, that of the entry first, that of the root last.
#[derive(Debug, Clone)]
pub struct Dn(Vec<Rdn>);

/// One name among those with the same parent.
#[derive(Debug, Clone)]
struct Rdn {
    /// What equal ones have in common.
    key: String,
    parts: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a distinguished name")]
pub struct BadDn;

impl Dn {
    /// The name of the root.
    pub fn root() -> Dn {
        Dn(Vec::new())
    }

    /// # Errors
    /// It is none, or too long a one.
    pub fn parse(text: &str) -> Result<Dn, BadDn> {
        if text.len() > DN_MAX {
            return Err(BadDn);
        }
        // Spaces at the end may be escaped ones.
        let mut rest = text.trim_start_matches(' ');
        let mut rdns = Vec::new();
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let (part, end, after) = part(rest)?;
            parts.push(part);
            if parts.len() > PARTS_MAX || rdns.len() >= RDNS_MAX {
                return Err(BadDn);
            }
            if end != Some('+') {
                rdns.push(Rdn::new(std::mem::take(&mut parts)));
            }
            if end.is_some() && after.is_empty() {
                return Err(BadDn);
            }
            rest = after;
        }
        Ok(Dn(rdns))
    }

    /// An entry below this one.
    pub fn child(&self, kind: &str, value: &str) -> Dn {
        let own = Rdn::new(vec![(kind.to_owned(), value.to_owned())]);
        Dn(std::iter::once(own).chain(self.0.iter().cloned()).collect())
    }

    pub fn parent(&self) -> Option<Dn> {
        self.0.split_first().map(|(_, rest)| Dn(rest.to_vec()))
    }

    /// Attribute and value of the entry's own name, where it is one attribute.
    pub fn own(&self) -> Option<(&str, &str)> {
        match &self.0.first()?.parts[..] {
            [(kind, value)] => Some((kind, value)),
            _ => None,
        }
    }

    /// All attributes and values in it.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|rdn| rdn.parts.iter().map(|(kind, value)| (&kind[..], &value[..])))
    }

    pub fn depth(&self) -> usize {
        self.0.len()
    }

    /// Whether it is `base` or below it.
    pub fn is_within(&self, base: &Dn) -> bool {
        let mut own = self.0.iter().rev();
        base.0.iter().rev().all(|theirs| own.next().is_some_and(|own| own.key == theirs.key))
    }

    /// The same from the root on, so that what lies below an entry begins as it does.
    pub fn path(&self) -> String {
        self.0.iter().rev().map(|rdn| &rdn.key[..]).collect::<Vec<_>>().join("\0")
    }

    /// What equal names have in common.
    pub(super) fn key(&self) -> String {
        self.0.iter().map(|rdn| &rdn.key[..]).collect::<Vec<_>>().join(",")
    }
}

impl PartialEq for Dn {
    fn eq(&self, other: &Dn) -> bool {
        self.0.len() == other.0.len() && self.is_within(other)
    }
}

impl Eq for Dn {}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, rdn) in self.0.iter().enumerate() {
            for (number, (kind, value)) in rdn.parts.iter().enumerate() {
                let between = match (at, number) {
                    (0, 0) => "",
                    (_, 0) => ",",
                    (_, _) => "+",
                };
                write!(f, "{between}{kind}={}", escaped(value))?;
            }
        }
        Ok(())
    }
}

impl Rdn {
    fn new(parts: Vec<(String, String)>) -> Rdn {
        let mut keys: Vec<String> = parts.iter().map(|(name, value)| key(name, value)).collect();
        keys.sort_unstable();
        Rdn { key: keys.join("+"), parts }
    }
}

fn key(name: &str, value: &str) -> String {
    let known = kind(name);
    // A name within a name is text: it would be read again for each name within it.
    let rule = match known.map(|kind| kind.rule) {
        None | Some(Rule::Name) => Rule::CaseIgnore,
        Some(rule) => rule,
    };
    let normal = rule.normal(value.as_bytes()).unwrap_or_else(|| value.as_bytes().to_vec());
    let name = known.map_or_else(|| name.to_ascii_lowercase(), |kind| kind.name.to_ascii_lowercase());
    format!("{name}={}", escaped(&String::from_utf8_lossy(&normal)))
}

/// Attribute, value, what ended it, what follows.
type Parted<'a> = ((String, String), Option<char>, &'a str);

fn part(text: &str) -> Result<Parted<'_>, BadDn> {
    let (name, rest) = text.split_once('=').ok_or(BadDn)?;
    let name = name.trim();
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if name.is_empty() || !name.bytes().all(is_good) {
        return Err(BadDn);
    }
    let rest = rest.trim_start_matches(' ');
    let (value, end, after) = if rest.starts_with('#') { encoded(rest)? } else { plain(rest)? };
    Ok(((name.to_owned(), value), end, after))
}

/// A value as text, escapes and all.
fn plain(text: &str) -> Result<(String, Option<char>, &str), BadDn> {
    let (mut value, mut kept) = (Vec::new(), 0);
    let mut rest = text;
    loop {
        let mut chars = rest.chars();
        let next = chars.next();
        rest = chars.as_str();
        match next {
            None | Some(',' | '+' | ';') => {
                // Spaces at the end count when they were escaped.
                let end = value.iter().rposition(|byte| *byte != b' ').map_or(0, |at| at + 1);
                value.truncate(end.max(kept));
                let end = next.map(|char| if char == '+' { '+' } else { ',' });
                return Ok((String::from_utf8(value).map_err(|_| BadDn)?, end, rest));
            }
            Some('\\') => {
                let escaped = chars.next().ok_or(BadDn)?;
                rest = chars.as_str();
                match escaped.to_digit(16) {
                    Some(high) => {
                        let low = chars.next().and_then(|char| char.to_digit(16)).ok_or(BadDn)?;
                        rest = chars.as_str();
                        value.push(u8::try_from(high * 16 + low).map_err(|_| BadDn)?);
                    }
                    None if " \"#+,;<=>\\".contains(escaped) => value.push(u8::try_from(escaped).map_err(|_| BadDn)?),
                    None => return Err(BadDn),
                }
                kept = value.len();
            }
            Some('"' | '<' | '>' | '\0') => return Err(BadDn),
            Some(char) => value.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// A value in hexadecimal: the BER of a string.
fn encoded(text: &str) -> Result<(String, Option<char>, &str), BadDn> {
    let (hex, end, after) = match text.find([',', '+', ';']) {
        None => (text, None, ""),
        Some(at) => {
            let (hex, rest) = text.split_at(at);
            let mut chars = rest.chars();
            let end = chars.next().map(|char| if char == '+' { '+' } else { ',' });
            (hex, end, chars.as_str())
        }
    };
    let digits: Option<Vec<u8>> = hex
        .trim()
        .trim_start_matches('#')
        .chars()
        .map(|char| char.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.ok_or(BadDn)?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high * 16 + low).collect();
    match &bytes[..] {
        [0x04 | 0x0c | 0x13 | 0x16, length, value @ ..] if rest.is_empty() && usize::from(*length) == value.len() => {
            Ok((String::from_utf8(value.to_vec()).map_err(|_| BadDn)?, end, after))
        }
        _ => Err(BadDn),
    }
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, char) in value.chars().enumerate() {
        match char {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => out.extend(['\\', char]),
            '#' if at == 0 => out.push_str("\\#"),
            ' ' if at == 0 || at == last => out.push_str("\\ "),
            '\0' => out.push_str("\\00"),
            char => out.push(char),
        }
    }
    out
}
