//! Terms as text.

use super::{Catalogue, Entry, is_bare, is_name};
use crate::Term;
use crate::term::Node;
use std::fmt::{self, Write};

/// The term in the notation of [`text`](super): one line, no control characters, records by name without the fields that
/// are at their default.
pub fn print(term: &Term, catalogue: &dyn Catalogue) -> String {
    let mut out = String::new();
    write_term(&mut out, term, catalogue).expect("a String takes everything");
    out
}

/// Without a catalogue.
impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_term(f, self, &())
    }
}

fn write_term(out: &mut dyn Write, term: &Term, catalogue: &dyn Catalogue) -> fmt::Result {
    match &term.0 {
        Node::Nil => out.write_str("[]"),
        Node::Integer(value) => write!(out, "{value}"),
        Node::Big(big) => out.write_str(&big.print()),
        Node::Float(value) => write!(out, "{value:?}"),
        Node::Atom(atom) => write_atom(out, atom.as_str()),
        Node::Binary(bytes) => write_binary(out, bytes),
        Node::Bits(bytes, last) => write_bytes(out, bytes, *last),
        Node::Tuple(elements) => match entry(term, catalogue) {
            Some(entry) => write_record(out, entry, elements, catalogue),
            None => write_all(out, "{", elements, "}", catalogue),
        },
        Node::List(elements) => write_all(out, "[", elements, "]", catalogue),
        Node::Improper(parts) => {
            write_all(out, "[", &parts.0, "|", catalogue)?;
            write_term(out, &parts.1, catalogue)?;
            out.write_str("]")
        }
        Node::Map(pairs) => write_map(out, pairs, catalogue),
    }
}

/// The record a tuple is, if its name alone leads back to it.
fn entry<'c>(term: &Term, catalogue: &'c dyn Catalogue) -> Option<&'c Entry> {
    let (atom, arity) = term.head()?;
    let current = catalogue.record(atom, None)?;
    catalogue.record(atom, Some(arity)).filter(|entry| *entry == current)
}

fn write_record(out: &mut dyn Write, entry: &Entry, elements: &[Term], catalogue: &dyn Catalogue) -> fmt::Result {
    match is_name(entry.atom) {
        true => out.write_str(entry.atom)?,
        false => write_quoted(out, '\'', entry.atom)?,
    }
    let values = entry.fields.iter().zip(&entry.defaults).zip(elements.iter().skip(1));
    let told = values.filter(|((_, default), value)| default != value);
    let mut before = "{";
    for ((field, _), value) in told {
        write!(out, "{before}{field}=")?;
        write_term(out, value, catalogue)?;
        before = " ";
    }
    out.write_str(if before == "{" { "{}" } else { "}" })
}

fn write_all(out: &mut dyn Write, open: &str, all: &[Term], close: &str, catalogue: &dyn Catalogue) -> fmt::Result {
    out.write_str(open)?;
    for (place, one) in all.iter().enumerate() {
        out.write_str(if place == 0 { "" } else { "," })?;
        write_term(out, one, catalogue)?;
    }
    out.write_str(close)
}

fn write_map(out: &mut dyn Write, pairs: &[(Term, Term)], catalogue: &dyn Catalogue) -> fmt::Result {
    out.write_str("#{")?;
    for (place, (key, value)) in pairs.iter().enumerate() {
        out.write_str(if place == 0 { "" } else { "," })?;
        write_term(out, key, catalogue)?;
        out.write_str("=>")?;
        write_term(out, value, catalogue)?;
    }
    out.write_str("}")
}

fn write_atom(out: &mut dyn Write, text: &str) -> fmt::Result {
    match is_bare(text) {
        true => out.write_str(text),
        false => write_quoted(out, '\'', text),
    }
}

/// As text if it is UTF-8 that can be read, else byte by byte.
fn write_binary(out: &mut dyn Write, bytes: &[u8]) -> fmt::Result {
    let readable = |text: &&str| !text.chars().any(|letter| letter.is_control() && !"\n\t\r".contains(letter));
    match std::str::from_utf8(bytes).ok().filter(readable) {
        Some(text) => write_quoted(out, '"', text),
        None => write_bytes(out, bytes, 8),
    }
}

/// `last` bits of the last byte.
fn write_bytes(out: &mut dyn Write, bytes: &[u8], last: u8) -> fmt::Result {
    out.write_str("<<")?;
    for (place, byte) in bytes.iter().enumerate() {
        out.write_str(if place == 0 { "" } else { "," })?;
        match last < 8 && place + 1 == bytes.len() {
            true => write!(out, "{}:{last}", byte >> (8 - last))?,
            false => write!(out, "{byte}")?,
        }
    }
    out.write_str(">>")
}

fn write_quoted(out: &mut dyn Write, quote: char, text: &str) -> fmt::Result {
    out.write_char(quote)?;
    for letter in text.chars() {
        match letter {
            '\n' => out.write_str("\\n")?,
            '\t' => out.write_str("\\t")?,
            '\\' => out.write_str("\\\\")?,
            _ if letter == quote => write!(out, "\\{quote}")?,
            _ if letter.is_control() || is_deceptive(letter) => write_escaped(out, letter)?,
            _ => out.write_char(letter)?,
        }
    }
    out.write_char(quote)
}

/// Letters that are not seen, or turn the direction of what follows: a log must not be forged with them.
fn is_deceptive(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn write_escaped(out: &mut dyn Write, letter: char) -> fmt::Result {
    letter.encode_utf8(&mut [0; 4]).bytes().try_for_each(|byte| write!(out, "\\x{byte:02x}"))
}
